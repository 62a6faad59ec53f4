"""Casts in plain Python: what engine.rules.casts and engine.parsing must compute."""

from __future__ import annotations

import math
import re
from datetime import date, datetime, timezone
from decimal import Decimal
from typing import Any

from pyspark.sql import types as T

from engine.canonical import family
from engine.natives import clock_text, date_text, days, micros, plain_decimal, rounded
from engine.reference_text import pct1_value_python
from engine.rules.numeric_precision import single

__all__ = ["cast_twin", "text_twin"]

_DAY_US = 86_400_000_000
_BITS: dict[type[T.DataType], int] = {T.ByteType: 7, T.ShortType: 15, T.IntegerType: 31, T.LongType: 63}
_INTEGER = re.compile(r"-?(0|[1-9][0-9]*)")
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?")
_FLOAT = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,4})?")
_SPECIAL = {
    "NaN": math.nan,
    "nan": math.nan,
    "Infinity": math.inf,
    "inf": math.inf,
    "+Infinity": math.inf,
    "-Infinity": -math.inf,
    "-inf": -math.inf,
}
_DATE = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
_CLOCK = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[ T]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]{1,6})0*)?)?(?: ?(Z|UTC|[+-][0-9]{2}(?::?[0-9]{2})?))?"
)


def text_twin(value: Any, declared: T.DataType) -> str:
    """Return the PCT-1 text of a value."""
    return pct1_value_python(value, declared)


def cast_twin(value: Any, declared: T.DataType, wanted: T.DataType) -> Any:
    """Return a value, not None, in another type; None when it has no counterpart. Points in time come back as integers."""
    kind = family(declared)
    if kind == "text":
        return _from_text(value, wanted)
    if kind == "binary":
        return value if family(wanted) == "binary" else value.decode("utf-8")
    if kind in ("date", "timestamp", "timestamp_ntz"):
        return _from_time(value, kind, wanted)
    return _from_number(value, declared, wanted)


def _from_time(value: Any, kind: str, wanted: T.DataType) -> Any:
    to = family(wanted)
    if kind == "date":
        day = days(value)
        return date_text(day) if to == "text" else day * _DAY_US if to == "timestamp_ntz" else day
    micro = micros(value)
    return clock_text(micro) if to == "text" else micro // _DAY_US if to == "date" else micro


def _from_number(value: Any, declared: T.DataType, wanted: T.DataType) -> Any:
    to = family(wanted)
    if to == "text":
        if isinstance(value, bool):
            return "true" if value else "false"
        return plain_decimal(value, declared.scale) if isinstance(declared, T.DecimalType) else str(value)
    if to == "boolean":
        return value != 0
    if to == "float":
        return single(_double(value)) if isinstance(wanted, T.FloatType) else _double(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        exact = Decimal(repr(value)) if isinstance(wanted, T.DecimalType) else Decimal(value)
    else:
        exact = Decimal(int(value)) if isinstance(value, bool) else Decimal(value)
    return _fitted(exact, wanted)


def _double(value: Any) -> float:
    return float(value)


def _fitted(exact: Decimal, wanted: T.DataType) -> Decimal | int | None:
    if isinstance(wanted, T.DecimalType):
        found = rounded(exact, wanted.scale)
        return found if abs(found) < Decimal(10) ** (wanted.precision - wanted.scale) else None
    whole = int(exact)
    limit = 2 ** _BITS[type(wanted)]
    return whole if -limit <= whole < limit else None


def _from_text(text: str, wanted: T.DataType) -> Any:
    to = family(wanted)
    if to == "binary":
        return text.encode("utf-8")
    if to == "number":
        return _number(text, wanted)
    if to == "float":
        return _float(text, wanted)
    if to == "boolean":
        return {"true": True, "t": True, "false": False, "f": False}.get(text.lower())
    if to == "date":
        match = _DATE.fullmatch(text)
        return _checked_days(match.group(0)) if match else None
    if to in ("timestamp", "timestamp_ntz"):
        return _clock(text, with_zone=to == "timestamp")
    return text


def _number(text: str, wanted: T.DataType) -> Any:
    if not isinstance(wanted, T.DecimalType):
        return _fitted(Decimal(text), wanted) if _INTEGER.fullmatch(text) else None
    if not _DECIMAL.fullmatch(text):
        return None
    exact = Decimal(text)
    found = _fitted(exact, wanted)
    return found if found is not None and found == exact else None


def _float(text: str, wanted: T.DataType) -> float | None:
    if text in _SPECIAL:
        return _SPECIAL[text]
    if not _FLOAT.fullmatch(text):
        return None
    found = single(float(text)) if isinstance(wanted, T.FloatType) else float(text)
    return found if math.isfinite(found) else None


def _checked_days(text: str) -> int | None:
    try:
        return days(date.fromisoformat(text))
    except ValueError:
        return None


def _clock(text: str, *, with_zone: bool) -> int | None:
    match = _CLOCK.fullmatch(text)
    if match is None or (match.group(6) and not with_zone):
        return None
    day, hour, minute, second, fraction, zone = match.groups()
    try:
        whole = datetime.fromisoformat(f"{day} {hour}:{minute}:{second or '00'}").replace(tzinfo=timezone.utc)
    except ValueError:
        return None
    micro = micros(whole) + int((fraction or "0").ljust(6, "0"))
    if zone in (None, "Z", "UTC"):
        return micro
    minutes = int(zone[1:3]) * 60 + int(zone[-2:] if len(zone) > 3 else 0)
    return micro - (-minutes if zone[0] == "-" else minutes) * 60_000_000
