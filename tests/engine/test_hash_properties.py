"""Random schemas and values: Spark computes what the reference computes, and no change of a cell goes unseen."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession
from pyspark.sql import types as T

from engine.canary import expected_answers, hash_columns
from engine.golden import GoldenRow, GoldenSet, spark_rows
from engine.reference import key_hash, row_hashes
from engine.reference_text import pct1_row_python

_DAY = st.integers(-719_162, 2_932_896)
_MICRO = st.integers(-62_135_596_800_000_000, 253_402_300_799_999_999)
_SINGLE = st.floats(width=32, allow_nan=True)
_SIGNS = st.characters(exclude_categories=("Cs",))
_TEXT = st.one_of(st.text(_SIGNS, max_size=8), st.text(st.sampled_from("a;:N1é𝔸"), min_size=60, max_size=70))

_SCALARS: list[tuple[T.DataType, st.SearchStrategy[Any]]] = [
    (T.BooleanType(), st.booleans()),
    (T.LongType(), st.integers(-(2**63), 2**63 - 1)),
    (T.DecimalType(18, 4), st.integers(-(10**18) + 1, 10**18 - 1).map(lambda n: Decimal(n).scaleb(-4))),
    (T.DecimalType(38, 10), st.integers(-(10**28) + 1, 10**28 - 1).map(lambda n: Decimal(n).scaleb(-10))),
    (T.DoubleType(), st.floats(allow_nan=True)),
    (T.FloatType(), _SINGLE),
    (T.DateType(), _DAY),
    (T.TimestampType(), _MICRO),
    (T.TimestampNTZType(), _MICRO),
    (T.StringType(), _TEXT),
    (T.BinaryType(), st.binary(max_size=70)),
    (T.DayTimeIntervalType(), st.integers(-(10**14), 10**14)),
]
_KEYS = (T.LongType, T.StringType, T.DateType, T.BooleanType)


def _nullable(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(st.none(), values, values, values)


_Typed = tuple[T.DataType, st.SearchStrategy[Any]]


def _array(inner: _Typed) -> _Typed:
    return T.ArrayType(inner[0]), st.lists(_nullable(inner[1]), max_size=4)


def _struct(parts: Sequence[_Typed]) -> _Typed:
    kind = T.StructType([T.StructField(f"f{number}", part) for number, (part, _) in enumerate(parts)])
    return kind, st.tuples(*(_nullable(values) for _, values in parts))


def _map(parts: tuple[_Typed, _Typed]) -> _Typed:
    (key, keys), (kind, values) = parts
    return T.MapType(key, kind), st.lists(st.tuples(keys, _nullable(values)), max_size=4, unique_by=lambda entry: entry[0])


_SCALAR = st.sampled_from(_SCALARS)
_KEY = st.sampled_from([scalar for scalar in _SCALARS if isinstance(scalar[0], _KEYS)])
_TYPED = st.recursive(
    _SCALAR,
    lambda inner: st.one_of(inner.map(_array), st.lists(inner, min_size=1, max_size=3).map(_struct), st.tuples(_KEY, inner).map(_map)),
    max_leaves=5,
)


@st.composite
def _tables(draw: st.DrawFn, columns: int, rows: int) -> tuple[list[tuple[str, T.DataType]], list[dict[str, Any]]]:
    typed = [draw(_TYPED) for _ in range(columns)]
    names = [f"c{number}" for number in range(columns)]
    kinds = [(name, kind) for name, (kind, _) in zip(names, typed, strict=True)]
    values = [{name: draw(_nullable(strategy)) for name, (_, strategy) in zip(names, typed, strict=True)} for _ in range(rows)]
    return kinds, values


def _hex(number: int) -> str:
    return f"{number % 2**64:016x}"


def _golden(columns: Sequence[tuple[str, T.DataType]], rows: Sequence[dict[str, Any]]) -> GoldenSet:
    key = columns[:2]
    known = []
    for row in rows:
        plain, strong, proof = (row_hashes(columns, row, strength) for strength in ("64", "128", "sha256"))
        groups = tuple(map(_hex, plain.groups))
        sha256 = (_hex(proof.h1), _hex(proof.h2))
        known.append(GoldenRow(row, None, groups, _hex(plain.h1), _hex(plain.h2), _hex(strong.h2), sha256, _hex(key_hash(key, row))))
    return GoldenSet("random", tuple(columns), tuple(name for name, _ in key), False, tuple(known))


@pytest.mark.parametrize("number", range(4))
def test_spark_computes_what_the_reference_computes(spark: SparkSession, number: int) -> None:
    """Few jobs, many rows: each draws one schema of 18 columns, two groups, and 40 rows."""
    drawn: list[Any] = []

    @seed(number)
    @settings(max_examples=1, database=None, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(st.data())
    def draw(data: st.DataObject) -> None:
        columns, first = data.draw(_tables(18, 1))
        by_name = dict(columns)
        drawn.append((columns, [*first, *({name: data.draw(_values_of(by_name[name])) for name in by_name} for _ in range(40))]))

    draw()
    found = _golden(*drawn[-1])
    rows = spark_rows(spark, found).select("i", *(answer.alias(name) for name, answer in hash_columns(found).items())).collect()
    assert len(rows) == len(found.rows)
    for row in rows:
        expected = expected_answers(found.rows[row["i"]])
        assert {name: row[name] for name in expected} == expected, found.rows[row["i"]].values


def _values_of(kind: T.DataType) -> st.SearchStrategy[Any]:
    """Return values of a type that was drawn."""
    if isinstance(kind, T.ArrayType):
        return _nullable(st.lists(_values_of(kind.elementType), max_size=4))
    if isinstance(kind, T.StructType):
        return _nullable(st.tuples(*(_values_of(part.dataType) for part in kind)))
    if isinstance(kind, T.MapType):
        keys = next(values for scalar, values in _SCALARS if scalar == kind.keyType)
        return _nullable(st.lists(st.tuples(keys, _values_of(kind.valueType)), max_size=4, unique_by=lambda entry: entry[0]))
    return _nullable(next(values for scalar, values in _SCALARS if scalar == kind))


def _identity(value: Any, kind: T.DataType) -> Any:
    """Return a form in which Python's `==` means what equality of canonical values means."""
    if value is None:
        return None
    if isinstance(kind, (T.FloatType, T.DoubleType)):
        return "NaN" if math.isnan(value) else struct.pack("<d", value + 0.0)
    if isinstance(kind, T.ArrayType):
        return ["a", *(_identity(element, kind.elementType) for element in value)]
    if isinstance(kind, T.StructType):
        return ["s", *(_identity(part, field.dataType) for part, field in zip(value, kind, strict=True))]
    if isinstance(kind, T.MapType):
        return {key: _identity(item, kind.valueType) for key, item in value}
    return value


@settings(max_examples=300, database=None, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_every_change_of_one_cell_changes_the_hashes(data: st.DataObject) -> None:
    columns, (row,) = data.draw(_tables(3, 1))
    name, kind = data.draw(st.sampled_from(columns))
    other = {**row, name: data.draw(_values_of(kind))}
    same = _identity(row[name], kind) == _identity(other[name], kind)
    for strength in ("64", "128", "sha256"):
        one, two = row_hashes(columns, row, strength), row_hashes(columns, other, strength)
        assert (one.h1 == two.h1) == same and (one.h2 == two.h2) == same
    texts = [pct1_row_python((found[column], part) for column, part in columns) for found in (row, other)]
    assert (texts[0] == texts[1]) == same
    assert (key_hash(columns, row) == key_hash(columns, other)) == same


def test_durations_may_be_given_as_timedelta() -> None:
    columns: list[tuple[str, T.DataType]] = [("t", T.DayTimeIntervalType())]
    assert row_hashes(columns, {"t": timedelta(days=-1, microseconds=5)}) == row_hashes(columns, {"t": -86_399_999_995 - 0})
