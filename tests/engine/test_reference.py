"""The oracle itself: against published vectors, Spark's primitives, and the properties that the specification claims."""

from __future__ import annotations

import math
import struct
from decimal import Decimal
from typing import Any

import pytest
import xxhash
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.reference import contract_digest, key_hash, row_hashes
from engine.reference_murmur import murmur3

_LONG, _TEXT = T.LongType(), T.StringType()


def _h1(columns: list[tuple[str, T.DataType]], **row: Any) -> int:
    return row_hashes(columns, row).h1


def _signed(value: int) -> int:
    return value - 2**64 if value >= 2**63 else value


def test_a_row_by_hand() -> None:
    columns = [("b", _TEXT), ("a", _LONG)]
    group = xxhash.xxh64(struct.pack("<q", 2), seed=42).intdigest()  # bit 1: b is NULL
    group = xxhash.xxh64(struct.pack("<q", 7), seed=group).intdigest()
    expected = xxhash.xxh64(struct.pack("<q", 1), seed=42).intdigest()
    for token in (contract_digest(columns), _signed(group)):
        expected = xxhash.xxh64(struct.pack("<q", token), seed=expected).intdigest()
    found = row_hashes(columns, {"a": 7, "b": None})
    assert (found.groups, found.h1) == ((_signed(group),), _signed(expected))
    assert found.text == f"{expected:016x}"


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        pytest.param(T.ArrayType(_LONG), [], None, id="empty array and NULL"),
        pytest.param(T.ArrayType(_LONG), [None], [], id="array of NULL and empty"),
        pytest.param(T.ArrayType(_LONG), [None, 1], [1, None], id="place of a NULL in an array"),
        pytest.param(T.ArrayType(_LONG), [1, 2], [2, 1], id="order in an array"),
        pytest.param(T.ArrayType(T.ArrayType(_LONG)), [[1], [2]], [[1, 2], []], id="where an inner array ends"),
        pytest.param(T.StructType([T.StructField("a", _LONG)]), None, {"a": None}, id="NULL struct and struct of NULL"),
        pytest.param(T.MapType(_TEXT, _LONG), {"a": None}, {}, id="NULL value in a map"),
        pytest.param(T.MapType(_TEXT, _TEXT), {"a": "b"}, {"b": "a"}, id="key and value swapped"),
        pytest.param(T.DoubleType(), math.inf, -math.inf, id="infinities"),
        pytest.param(T.DoubleType(), math.nan, None, id="NaN and NULL"),
        pytest.param(_TEXT, "", None, id="empty text and NULL"),
        pytest.param(T.DecimalType(38, 2), Decimal("1.50"), Decimal("150"), id="wide decimals"),
        pytest.param(T.DecimalType(38, 0), Decimal(127), Decimal(128), id="around a byte"),
    ],
)
def test_different_values_hash_differently(kind: T.DataType, one: Any, other: Any) -> None:
    assert _h1([("v", kind)], v=one) != _h1([("v", kind)], v=other)


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        pytest.param(T.DoubleType(), 0.0, -0.0, id="zeros"),
        pytest.param(T.FloatType(), math.nan, -math.nan, id="NaNs"),
        pytest.param(T.MapType(_TEXT, _LONG), {"a": 1, "b": 2}, [("b", 2), ("a", 1)], id="order of map entries"),
        pytest.param(T.DecimalType(10, 2), Decimal("1.5"), Decimal("1.50"), id="scales of one decimal"),
    ],
)
def test_equal_values_hash_alike(kind: T.DataType, one: Any, other: Any) -> None:
    assert _h1([("v", kind)], v=one) == _h1([("v", kind)], v=other)


def test_shifted_values_and_swapped_nulls_are_seen() -> None:
    columns = [("a", _TEXT), ("b", _TEXT)]
    rows = [("ab", "c"), ("a", "bc"), ("", None), (None, ""), ("x", None), (None, "x"), (None, None), ("", "")]
    assert len({_h1(columns, a=a, b=b) for a, b in rows}) == len(rows)
    assert len({key_hash(columns, {"a": a, "b": b}) for a, b in rows}) == len(rows)


def test_another_contract_gives_other_hashes() -> None:
    hashes = {
        _h1([("a", _LONG)], a=1),
        _h1([("b", _LONG)], b=1),
        _h1([("a", T.TimestampType())], a=1),
        _h1([("a", T.DecimalType(10, 0))], a=Decimal(1)),
    }
    assert len(hashes) == 4


def test_columns_are_taken_in_order_of_their_names() -> None:
    columns = [(f"c{i}", _LONG) for i in range(40)]
    row = {name: index for index, (name, _) in enumerate(columns)}
    found = row_hashes(columns, row)
    assert found == row_hashes(columns[::-1], row)
    assert len(found.groups) == 3


def test_more_than_64_null_bits_go_on_in_another_word() -> None:
    fields = [T.StructField(f"f{i}", _LONG) for i in range(100)]
    columns: list[tuple[str, T.DataType]] = [("s", T.StructType(fields))]
    rows = [{"s": {f"f{i}": None if i == hole else 0 for i in range(100)}} for hole in (0, 62, 63, 64, 99)]
    assert len({row_hashes(columns, row).h1 for row in rows}) == len(rows)


def test_strengths_differ_in_what_they_add() -> None:
    columns = [("a", _LONG), ("b", _TEXT)]
    row = {"a": 1, "b": "x" * 64}
    plain, strong, proof = (row_hashes(columns, row, strength) for strength in ("64", "128", "sha256"))
    assert plain.h1 == strong.h1 and plain.h2 != strong.h2
    assert len({plain.h1, proof.h1, plain.h2, strong.h2, proof.h2}) == 5


def test_only_long_texts_are_guarded() -> None:
    def guarded(text: str) -> bool:
        columns: list[tuple[str, T.DataType]] = [("t", _TEXT)]
        found = row_hashes(columns, {"t": text})
        h2 = 42
        for token in (2, contract_digest(columns), *found.groups):
            h2 = xxhash.xxh64(struct.pack("<q", token), seed=h2).intdigest()
        return found.h2 != _signed(h2)

    assert [guarded("x" * length) for length in (0, 32, 63, 64, 65)] == [False, False, False, True, True]
    assert guarded("é" * 32)  # bytes count, not signs


def test_xxhash_and_murmur_are_those_of_spark(spark: SparkSession) -> None:
    values = [b"", b"a", b"abc\xff", *(bytes(range(i % 256)) * 3 for i in (3, 4, 7, 8, 31, 32, 33, 63, 64, 65, 255))]
    frame = spark.createDataFrame([(bytearray(value),) for value in values], "v binary").coalesce(1)
    for value, row in zip(values, frame.select(F.xxhash64("v").alias("x"), F.hash("v").alias("m")).collect(), strict=True):
        assert row["x"] == _signed(xxhash.xxh64(value, seed=42).intdigest())
        assert row["m"] % 2**32 == murmur3(value, 42)
