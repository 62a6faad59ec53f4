"""PCT-1 in plain Python: the independent twin of engine.portable."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

import xxhash
from pyspark.sql import types as T

from engine.natives import date_text, days, interval_micros, micros, plain_decimal

__all__ = ["float_bytes", "pairs", "parts", "pct1_row_python", "pct1_value_python"]

_SEED = 42


def pct1_row_python(values: Iterable[tuple[Any, T.DataType]]) -> str:
    """Return the PCT-1 text of a row given in canonical order.

    >>> pct1_row_python([(1, T.LongType()), (None, T.StringType()), ("é", T.StringType())])
    '1:1;N;2:é;'
    """
    return "".join(_item(value, declared) for value, declared in values)


def _item(value: Any, declared: T.DataType) -> str:
    if value is None:
        return "N;"
    text = pct1_value_python(value, declared)
    return f"{len(text.encode('utf-8'))}:{text};"


def pct1_value_python(value: Any, declared: T.DataType) -> str:
    """Return the PCT-1 text of one value that is not None; of floats and nested values the form for use within one run."""
    if isinstance(declared, T.BooleanType):
        return "t" if value else "f"
    if isinstance(declared, T.DecimalType):
        return plain_decimal(Decimal(value), declared.scale)
    if isinstance(declared, (T.FloatType, T.DoubleType)):
        return xxhash.xxh64(float_bytes(value, declared), seed=_SEED).hexdigest()
    if isinstance(declared, T.DateType):
        return date_text(days(value))
    if isinstance(declared, (T.TimestampType, T.TimestampNTZType)):
        return str(micros(value))
    if isinstance(declared, T.YearMonthIntervalType):
        return f"{value} 0 0"
    if isinstance(declared, T.DayTimeIntervalType):
        return f"0 0 {interval_micros(value)}"
    if isinstance(declared, T.BinaryType):
        return bytes(value).hex()
    if isinstance(declared, (T.ArrayType, T.MapType, T.StructType)):
        return _nested(value, declared)
    return str(value)


def _nested(value: Any, declared: T.DataType) -> str:
    if isinstance(declared, T.ArrayType):
        return f"A{len(value)};" + "".join(_item(element, declared.elementType) for element in value)
    if isinstance(declared, T.StructType):
        return f"S{len(declared)};" + "".join(_item(part, kind) for part, kind in parts(value, declared))
    assert isinstance(declared, T.MapType)
    entries = sorted(pairs(value), key=lambda entry: entry[0])
    return f"M{len(entries)};" + "".join(_item(key, declared.keyType) + _item(item, declared.valueType) for key, item in entries)


def parts(value: Any, declared: T.StructType) -> list[tuple[Any, T.DataType]]:
    """Return the fields of a struct, given as mapping or in order, with their types; of None, all None."""
    if value is None:
        return [(None, part.dataType) for part in declared]
    if isinstance(value, dict):
        return [(value.get(part.name), part.dataType) for part in declared]
    return [(field, part.dataType) for field, part in zip(value, declared, strict=True)]


def pairs(value: Any) -> Sequence[tuple[Any, Any]]:
    """Return the entries of a map, given as mapping or as pairs."""
    return list(value.items()) if isinstance(value, dict) else [(key, item) for key, item in value]


def float_bytes(value: float, declared: T.DataType) -> bytes:
    """Return the canonical IEEE 754 bytes, little-endian: one zero, one NaN.

    >>> float_bytes(-0.0, T.DoubleType()) == bytes(8), float_bytes(math.nan, T.FloatType()).hex()
    (True, '0000c07f')
    """
    if math.isnan(value):
        return bytes.fromhex("0000c07f" if isinstance(declared, T.FloatType) else "000000000000f87f")
    return struct.pack("<f" if isinstance(declared, T.FloatType) else "<d", value + 0.0)
