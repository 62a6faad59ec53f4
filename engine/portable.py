"""Canonical values to PCT-1: text that Spark, Python and databases write alike, byte for byte (CANONICAL_HASH 3).

    row = Σ over columns ( 'N;' if NULL else octet_length(t) ':' t ';' )

Only scalars without binary fractions are portable. For use within one run (`allow_float`), where nothing but injectivity counts:
floats stand as the XXH64 of their bits, since `Double.toString` differs between Java versions (JDK-4511638); an array is
`A<count>;`, a map `M<count>;`, a struct `S<count>;`, each followed by its parts, written as columns are.
"""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.canonical import family
from engine.hashing import microseconds
from schemas.errors import InputError

__all__ = ["is_portable", "pct1_row", "pct1_value"]

_INTEGERS = (T.ByteType, T.ShortType, T.IntegerType, T.LongType)
_NESTED = ("array", "map", "struct")
_SCALARS = ("number", "boolean", "date", "timestamp", "timestamp_ntz", "time", "interval_ym", "interval_dt", "text", "binary", "variant")


def is_portable(canonical: T.DataType) -> bool:
    """Return whether other engines can write the same text for this type."""
    return family(canonical) in _SCALARS


def pct1_row(columns: Sequence[tuple[Column, T.DataType]], *, allow_float: bool = False, allow_nested: bool = False) -> Column:
    """Return the text of a row, non-null; equal for equal rows of one contract, and for no others.

    Args:
        columns: values in physical form with their canonical types, in canonical order.
        allow_float: also floats and nested values, for a proof that stays within the run.
        allow_nested: also nested values without floats.

    Raises:
        InputError: a type has no portable text and is not allowed.
    """
    items = [_item(_token(value, canonical, allow_float, allow_nested or allow_float)) for value, canonical in columns]
    return F.concat(*items) if items else F.lit("")


def pct1_value(value: Column, canonical: T.DataType, *, allow_float: bool = False) -> Column:
    """Return the text of one value in physical form; NULL stays NULL.

    Args:
        allow_float: floats as Spark's own text, for people to read; never to be compared across runs. Nested values likewise.

    Raises:
        InputError: the type has no portable text.
    """
    if family(canonical) == "float" and allow_float:
        return F.when(value == F.lit(0.0), F.lit("0.0")).otherwise(value.cast("string"))
    return _token(value, canonical, allow_float, allow_float)


def _item(text: Column) -> Column:
    return F.when(text.isNull(), F.lit("N;")).otherwise(F.concat(F.octet_length(text).cast("string"), F.lit(":"), text, F.lit(";")))


def _token(value: Column, canonical: T.DataType, floats: bool, nested: bool) -> Column:
    kind = family(canonical)
    if kind == "float" and floats:
        return F.when(value.isNotNull(), F.lower(F.lpad(F.hex(F.xxhash64(value)), 16, "0")))
    if kind in _NESTED and nested:
        return _nested(value, canonical, floats)
    if not is_portable(canonical):
        raise InputError(
            f"A value of type {canonical.simpleString()} has no text that every engine writes alike.",
            object=canonical.simpleString(),
            hint="Cast it with --rule, for example to decimal, or leave it out of the key.",
        )
    return _scalar(value, canonical, kind)


def _scalar(value: Column, canonical: T.DataType, kind: str) -> Column:
    if kind == "boolean":
        return F.when(value, F.lit("t")).when(~value, F.lit("f"))
    if kind == "binary":
        return F.lower(F.hex(value))
    if kind == "timestamp":
        return F.unix_micros(value).cast("string")
    if kind == "timestamp_ntz":
        return F.unix_micros(value.cast("timestamp")).cast("string")
    if kind == "interval_ym":
        months = F.extract(F.lit("YEAR"), value) * 12 + F.extract(F.lit("MONTH"), value)
        return F.concat(months.cast("string"), F.lit(" 0 0"))
    if kind == "interval_dt":
        return F.concat(F.lit("0 0 "), microseconds(value).cast("string"))
    if kind == "time":
        whole = F.extract(F.lit("HOUR"), value) * 3600 + F.extract(F.lit("MINUTE"), value) * 60
        nanoseconds = (whole.cast("decimal(20,0)") + F.extract(F.lit("SECOND"), value).cast("decimal(18,9)")) * 1_000_000_000
        return nanoseconds.cast("bigint").cast("string")
    return value if kind in ("text", "variant") else value.cast("string")


def _nested(value: Column, canonical: T.DataType, floats: bool) -> Column:
    if isinstance(canonical, T.StructType):
        parts = [_item(_token(value.getField(part.name), part.dataType, floats, True)) for part in canonical]
        return F.when(value.isNotNull(), F.concat(F.lit(f"S{len(parts)};"), *parts))
    count = F.size(value).cast("string")
    if isinstance(canonical, T.MapType):
        entries = F.transform(
            value,
            lambda entry: F.concat(
                _item(_token(entry.getField("key"), canonical.keyType, floats, True)),
                _item(_token(entry.getField("value"), canonical.valueType, floats, True)),
            ),
        )
        return F.concat(F.lit("M"), count, F.lit(";"), F.array_join(entries, ""))
    assert isinstance(canonical, T.ArrayType)
    items = F.transform(value, lambda element: _item(_token(element, canonical.elementType, floats, True)))
    return F.concat(F.lit("A"), count, F.lit(";"), F.array_join(items, ""))
