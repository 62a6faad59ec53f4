"""The same sample of keys on every engine, run, partitioning and day (CANONICAL_HASH 4).

A key is chosen when the last 8 hex digits of the SHA-256 of its PCT-1 text are below the threshold, K of 2³²; as text of one
length these compare like numbers, so no engine needs to convert. 1 % is a subset of 5 %.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.canonical import family
from engine.portable import pct1_row
from engine.portable_sql import postgres_pct1
from engine.reference_text import pct1_row_python
from schemas.errors import ConfigError, InputError

__all__ = ["SPACE", "in_sample", "in_sample_postgres", "in_sample_python", "parse_rate"]

SPACE = 2**32
_DIGITS = 8
_FORM = "Write a share above 0 and up to 1, such as 1%, 1/64 or 0.01."


def parse_rate(rate: str | float | int) -> int:
    """Return the threshold K = round(rate · 2³²), 1 ≤ K ≤ 2³², of a rate such as `1%`, `1/64` or `0.01`.

    Raises:
        ConfigError: that is no rate, not above 0, above 1, or so small that no key could be chosen.

    >>> parse_rate("1/64") == 2**26, parse_rate("1%") == parse_rate(0.01) == parse_rate("0.01") == 42949673
    (True, True)
    """
    share = _share(str(rate).strip())
    if share is None or not 0 < share <= 1:
        raise ConfigError(f"--sample: {rate} is not a sampling rate.", object="--sample", hint=_FORM)
    threshold = round(share * SPACE)
    if threshold == 0:
        raise ConfigError(f"--sample: {rate} would choose no key at all.", object="--sample", hint="The smallest rate is 1/4294967296.")
    return threshold


def _share(text: str) -> Fraction | None:
    try:
        if "/" in text:
            above, below = text.split("/")
            return Fraction(int(above), int(below))
        number = Decimal(text.removesuffix("%").rstrip() if text.endswith("%") else text)
        if not number.is_finite() or abs(number.adjusted()) > 40:
            return None
        return Fraction(number) / (100 if text.endswith("%") else 1)
    except (ValueError, ZeroDivisionError, InvalidOperation):
        return None


def in_sample(key_columns: Sequence[tuple[Column, T.DataType]], threshold: int) -> Column:
    """Return whether a row's key is in the sample, non-null boolean; NULL parts of a key have their place in it.

    Args:
        key_columns: values in physical form with canonical types, in canonical order.
        threshold: of `parse_rate`.

    Raises:
        InputError: a part of the key is a float, which no two engines write alike.
    """
    _refuse_floats([declared for _, declared in key_columns])
    if threshold >= SPACE:
        return F.lit(True)
    digest = F.sha2(pct1_row(key_columns, allow_nested=True), 256)
    return F.substring(digest, -_DIGITS, _DIGITS) < F.lit(_hex(threshold))


def in_sample_python(values: Sequence[Any], types: Sequence[T.DataType], threshold: int) -> bool:
    """Return the same for one key of Python values."""
    _refuse_floats(types)
    text = pct1_row_python(zip(values, types, strict=True))
    return int(hashlib.sha256(text.encode("utf-8")).hexdigest()[-_DIGITS:], 16) < threshold


def in_sample_postgres(columns: Sequence[tuple[str, T.DataType]], threshold: int) -> str:
    """Return the same as a PostgreSQL condition over columns named as in the database, unquoted."""
    _refuse_floats([declared for _, declared in columns])
    if threshold >= SPACE:
        return "TRUE"
    digest = f"encode(sha256(convert_to({postgres_pct1(columns)}, 'UTF8')), 'hex')"
    return f"right({digest}, {_DIGITS}) COLLATE \"C\" < '{_hex(threshold)}'"


def _hex(threshold: int) -> str:
    return f"{threshold:0{_DIGITS}x}"


def _refuse_floats(types: Sequence[T.DataType]) -> None:
    for declared in types:
        if _has_float(declared):
            raise InputError(
                f"--sample: a key of type {declared.simpleString()} cannot be sampled, since no two engines write a float alike.",
                object="--sample",
                hint="Compare all rows, or sample by another key.",
            )


def _has_float(declared: T.DataType) -> bool:
    if isinstance(declared, T.ArrayType):
        return _has_float(declared.elementType)
    if isinstance(declared, T.MapType):
        return _has_float(declared.keyType) or _has_float(declared.valueType)
    if isinstance(declared, T.StructType):
        return any(_has_float(part.dataType) for part in declared)
    return family(declared) == "float"
