"""The golden vectors: `schemas/golden/canon_v1.json` to values, and those values to Spark.

A file that others can check themselves against, so its encoding is plain: numbers, days, microseconds and months as decimal text, floats as
the hex digits of their IEEE 754 bits, binary as hex, structs as lists, maps as lists of pairs, hashes as 16 hex digits.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from functools import lru_cache
from importlib import resources
from typing import Any

import pyarrow as pa
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T
from pyspark.sql.pandas.types import to_arrow_schema

from engine.canonical import physical
from engine.hashing import HashedColumn

__all__ = ["CANARY_SET", "GoldenRow", "GoldenSet", "decoded", "encoded", "golden_sets", "hashed_columns", "load", "spark_rows"]

CANARY_SET = "canary"
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_INTEGERS = (T.ByteType, T.ShortType, T.IntegerType, T.LongType)
_POINTS = (T.DateType, T.TimestampType, T.TimestampNTZType)
_COUNTED = (*_POINTS, T.YearMonthIntervalType, T.DayTimeIntervalType)


@dataclass(frozen=True)
class GoldenRow:
    """One row and everything that is known of it.

    Attributes:
        values: by column name, as engine.reference takes them.
        pct1: text of the row, None where a type is not portable.
        groups, h1, h2, key: 16 hex digits each; the row hash of strength 64.
        h2_128, sha256: what the other strengths make of it, (h1, h2) for sha256.
    """

    values: Mapping[str, Any]
    pct1: str | None
    groups: tuple[str, ...]
    h1: str
    h2: str
    h2_128: str
    sha256: tuple[str, str]
    key: str


@dataclass(frozen=True)
class GoldenSet:
    """Rows of one schema.

    Attributes:
        columns: names and canonical types.
        key: names of the key columns.
        postgres: whether PostgreSQL can hold the rows.
    """

    name: str
    columns: tuple[tuple[str, T.DataType], ...]
    key: tuple[str, ...]
    postgres: bool
    rows: tuple[GoldenRow, ...]

    @property
    def key_columns(self) -> tuple[tuple[str, T.DataType], ...]:
        """Names and types of the key."""
        return tuple(column for column in self.columns if column[0] in self.key)


@lru_cache(maxsize=1)
def golden_sets() -> dict[str, GoldenSet]:
    """Return the published vectors by name of their set."""
    # importlib.resources and not a path: on a cluster this package is read from inside a zip.
    text = (resources.files("schemas") / "golden" / "canon_v1.json").read_text(encoding="utf-8")
    return {found.name: found for found in load(json.loads(text))}


def load(document: Mapping[str, Any]) -> list[GoldenSet]:
    """Return the sets of a document of golden vectors."""
    return [_load_set(found) for found in document["sets"]]


def _load_set(found: Mapping[str, Any]) -> GoldenSet:
    schema = T.StructType.fromJson(found["schema"])
    columns = tuple((part.name, part.dataType) for part in schema)
    rows = tuple(_load_row(row, columns) for row in found["rows"])
    return GoldenSet(found["name"], columns, tuple(found["key"]), found["postgres"], rows)


def _load_row(row: Mapping[str, Any], columns: Sequence[tuple[str, T.DataType]]) -> GoldenRow:
    values = {name: decoded(value, kind) for value, (name, kind) in zip(row["values"], columns, strict=True)}
    h1, h2 = row["sha256"]
    return GoldenRow(values, row["pct1"], tuple(row["groups"]), row["h1"], row["h2"], row["h2_128"], (h1, h2), row["key"])


def encoded(value: Any, kind: T.DataType) -> Any:
    """Return a value in the file's encoding."""
    if value is None or isinstance(kind, T.BooleanType):
        return value
    if isinstance(kind, (T.FloatType, T.DoubleType)):
        return struct.pack(">f" if isinstance(kind, T.FloatType) else ">d", value).hex()
    if isinstance(kind, T.BinaryType):
        return bytes(value).hex()
    if isinstance(kind, T.ArrayType):
        return [encoded(element, kind.elementType) for element in value]
    if isinstance(kind, T.StructType):
        return [encoded(part, field.dataType) for part, field in zip(value, kind, strict=True)]
    if isinstance(kind, T.MapType):
        return [[encoded(key, kind.keyType), encoded(item, kind.valueType)] for key, item in value]
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


def decoded(value: Any, kind: T.DataType) -> Any:
    """Return a value that stands in the file."""
    if value is None or isinstance(kind, (T.BooleanType, T.StringType, T.VariantType)):
        return value
    if isinstance(kind, (*_INTEGERS, *_COUNTED)):
        return int(value)
    if isinstance(kind, T.DecimalType):
        return Decimal(value)
    if isinstance(kind, (T.FloatType, T.DoubleType)):
        return struct.unpack(">f" if isinstance(kind, T.FloatType) else ">d", bytes.fromhex(value))[0]
    if isinstance(kind, T.BinaryType):
        return bytes.fromhex(value)
    if isinstance(kind, T.ArrayType):
        return [decoded(element, kind.elementType) for element in value]
    if isinstance(kind, T.StructType):
        return tuple(decoded(part, field.dataType) for part, field in zip(value, kind, strict=True))
    assert isinstance(kind, T.MapType)
    return [(decoded(key, kind.keyType), decoded(item, kind.valueType)) for key, item in value]


def spark_rows(spark: SparkSession, found: GoldenSet, rows: Sequence[GoldenRow] | None = None) -> DataFrame:
    """Return rows as a frame `i: int, c0, c1, …` of one partition, in stored form; see `hashed_columns`.

    Counted values travel as bigint: Python has no dates before year 1. `coalesce` keeps the optimizer from computing on the
    driver, where nothing of what is to be proven would be used. By Arrow, since a list of rows starts a Python worker for each job.
    """
    fields = [T.StructField(f"c{index}", _stored_type(kind)) for index, (_, kind) in enumerate(found.columns)]
    schema = T.StructType([T.StructField("i", T.IntegerType()), *fields])
    chosen = found.rows if rows is None else rows
    columns = [[_stored(row.values[name], kind) for row in chosen] for name, kind in found.columns]
    types = to_arrow_schema(schema)
    arrays = [pa.array(values, field.type) for values, field in zip([list(range(len(chosen))), *columns], types, strict=True)]
    return spark.createDataFrame(pa.Table.from_arrays(arrays, schema=types), schema).coalesce(1)


def hashed_columns(found: GoldenSet) -> list[HashedColumn]:
    """Return the columns of `spark_rows` in physical form."""
    return [
        HashedColumn(name, kind, physical(_typed(F.col(f"c{index}"), kind), kind, kind)) for index, (name, kind) in enumerate(found.columns)
    ]


def _stored_type(kind: T.DataType) -> T.DataType:
    if isinstance(kind, T.VariantType):
        return T.StringType()
    return T.LongType() if isinstance(kind, _COUNTED) else kind


def _typed(stored: Column, kind: T.DataType) -> Column:
    if isinstance(kind, T.DateType):
        return F.date_from_unix_date(stored.cast("int"))
    if isinstance(kind, (T.TimestampType, T.TimestampNTZType)):
        return F.timestamp_micros(stored).cast(kind)
    if isinstance(kind, T.YearMonthIntervalType):
        return F.make_ym_interval(F.lit(0), stored.cast("int"))
    if isinstance(kind, T.DayTimeIntervalType):
        return F.timestamp_micros(stored) - F.timestamp_micros(F.lit(0).cast("bigint"))
    return F.parse_json(stored) if isinstance(kind, T.VariantType) else stored


def _stored(value: Any, kind: T.DataType) -> Any:
    """Return a value as Arrow takes it for a column."""
    return value if isinstance(kind, (*_COUNTED, T.VariantType)) else _inner(value, kind)


def _inner(value: Any, kind: T.DataType) -> Any:
    if value is None:
        return None
    if isinstance(kind, T.DateType):
        return date(1970, 1, 1) + timedelta(days=value)
    if isinstance(kind, T.TimestampType):
        return _EPOCH + timedelta(microseconds=value)
    if isinstance(kind, T.TimestampNTZType):
        return _EPOCH.replace(tzinfo=None) + timedelta(microseconds=value)
    if isinstance(kind, T.DayTimeIntervalType):
        return timedelta(microseconds=value)
    if isinstance(kind, T.BinaryType):
        return bytes(value)
    if isinstance(kind, T.ArrayType):
        return [_inner(element, kind.elementType) for element in value]
    if isinstance(kind, T.StructType):
        return {field.name: _inner(part, field.dataType) for part, field in zip(value, kind, strict=True)}
    if isinstance(kind, T.MapType):
        return [(_inner(key, kind.keyType), _inner(item, kind.valueType)) for key, item in value]
    return value
