"""Normalisers of points in time."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.natives import micros
from engine.rules.kinds import Argument, RuleKind
from schemas.errors import nearest

__all__ = ["TIME_RULES", "UNITS_US", "utc_of_wall_clock"]

UNITS_US = {"us": 1, "ms": 1_000, "s": 1_000_000, "min": 60_000_000, "h": 3_600_000_000, "day": 86_400_000_000}

# Java reads these as something else than the IANA database does, or not at all.
_AMBIGUOUS = frozenset({"EST", "MST", "HST", "ROC", "GMT+0", "GMT-0", "Factory", "localtime"})
_OFFSET = re.compile(r"[+-](0[0-9]|1[0-7]):[0-5][0-9]|[+-]18:00")
_SHAPE = re.compile(r"[A-Z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)+|UTC|GMT")
_CYCLE_YEARS, _CYCLE_DAYS = 400, 146_097
_EPOCH = datetime(1970, 1, 1)
_DAY_US = 86_400_000_000


def _is_point(declared: T.DataType, argument: Argument) -> bool:
    return isinstance(declared, (T.TimestampType, T.TimestampNTZType))


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    return frozenset(available_timezones()) - _AMBIGUOUS


def _wrong_zone(argument: Argument) -> str | None:
    if not argument:
        return "the zone is not given; write for example utc_from:Europe/Berlin or utc_from:+02:00"
    known = _zones()
    if _OFFSET.fullmatch(argument) or argument in known or (not known and _SHAPE.fullmatch(argument)):
        return None
    cities = {name.rpartition("/")[2]: name for name in sorted(known, reverse=True)}
    close = nearest(argument, known) or tuple(cities[city] for city in nearest(argument, cities))
    return f"there is no time zone {argument}" + (f"; did you mean {', '.join(close)}?" if close else "")


def _utc_from(value: Column, declared: T.DataType, argument: Argument) -> Column:
    return F.to_utc_timestamp(value.cast("timestamp"), F.lit(argument))


def _utc_from_twin(value: Any, declared: T.DataType, argument: Argument) -> int:
    assert argument is not None
    return utc_of_wall_clock(micros(value), argument)


def utc_of_wall_clock(wall: int, zone: str) -> int:
    """Return the instant at which clocks in a zone show a reading, both as microseconds.

    A reading that a spring change skips counts with the offset before the change (02:30 → what 03:30 is afterwards); one that an
    autumn change repeats means its first occurrence. So does Spark's `to_utc_timestamp`.

    >>> utc_of_wall_clock(micros(datetime(2024, 3, 31, 2, 30)), "Europe/Berlin") == micros(datetime(2024, 3, 31, 1, 30))
    True
    """
    # The calendar, weekdays included, repeats every 400 years: years that Python has no dates for use those of the nearest cycle.
    earliest, latest = micros(datetime(2, 1, 1)), micros(datetime(9998, 1, 1))
    cycle = _CYCLE_DAYS * _DAY_US
    cycles = -(-(earliest - wall) // cycle) if wall < earliest else -(-(wall - latest) // cycle) if wall > latest else 0
    shift = cycles * cycle * (1 if wall < earliest else -1)
    reading = _EPOCH + timedelta(microseconds=wall + shift)
    offset = reading.replace(tzinfo=_zone(zone), fold=0).utcoffset()
    assert offset is not None
    return wall - offset // timedelta(microseconds=1)


def _zone(name: str) -> tzinfo:
    if _OFFSET.fullmatch(name):
        minutes = int(name[1:3]) * 60 + int(name[4:6])
        return timezone(timedelta(minutes=-minutes if name[0] == "-" else minutes))
    return ZoneInfo(name)


def _wrong_unit(argument: Argument) -> str | None:
    return None if argument in UNITS_US else f"the unit is one of {', '.join(UNITS_US)}"


def _trunc(value: Column, declared: T.DataType, argument: Argument) -> Column:
    """Floor towards the past, in UTC; `F.date_trunc` would follow the session's zone."""
    assert argument is not None
    micro = F.unix_micros(value.cast("timestamp"))
    return F.timestamp_micros(micro - F.pmod(micro, F.lit(UNITS_US[argument]).cast("bigint"))).cast(declared)


def _trunc_twin(value: Any, declared: T.DataType, argument: Argument) -> int:
    assert argument is not None
    return micros(value) // UNITS_US[argument] * UNITS_US[argument]


TIME_RULES: Sequence[RuleKind] = (
    RuleKind("trunc:<us|ms|s|min|h|day>", "timestamps", _is_point, _trunc, _trunc_twin, wrong_argument=_wrong_unit),
    RuleKind(
        "utc_from:<zone>",
        "timestamps",
        _is_point,
        _utc_from,
        _utc_from_twin,
        lambda declared, argument: T.TimestampType(),
        _wrong_zone,
    ),
)
