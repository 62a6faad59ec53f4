"""Why timestamps differ by what a zone's clock says: one side read local time as UTC, with or without summer time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from engine.causes.model import TIMESTAMP_FAMILIES, Candidate, Cell, Remedy, Side
from engine.causes.temporal import HOUR_US, is_instant, on_instants, utc_from_expression
from schemas.evidence_rows import ColumnMeta

__all__ = ["ZONES", "local_to_utc", "zone_causes"]

# Most likely first; of zones with equal clocks the first one is proposed.
ZONES = (
    "America/New_York", "Europe/Berlin", "Europe/London", "America/Chicago", "America/Los_Angeles", "America/Denver", "Europe/Athens",
    "Australia/Sydney", "America/Sao_Paulo", "Europe/Moscow", "Europe/Istanbul", "Asia/Jerusalem", "America/Halifax", "America/St_Johns",
    "America/Santiago", "America/Mexico_City", "Pacific/Auckland", "Australia/Adelaide", "America/Anchorage", "Asia/Kolkata", "Asia/Tokyo",
    "Asia/Shanghai", "Asia/Dubai", "Asia/Tehran", "Asia/Singapore", "Asia/Karachi", "Africa/Cairo", "America/Phoenix",
)  # fmt: skip
_WINDOW_US = 900_000_000  # zones change at quarters of an hour
_EPOCH = datetime(1970, 1, 1)
_TRIED_CELLS = 60


@lru_cache(maxsize=200_000)
def _offset_us(zone: str, window: int) -> int | None:
    try:
        local = _EPOCH + timedelta(microseconds=window * _WINDOW_US)
        offset = local.replace(tzinfo=ZoneInfo(zone)).utcoffset()
    except (OverflowError, ZoneInfoNotFoundError, ValueError):
        return None
    return None if offset is None else offset // timedelta(microseconds=1)


def local_to_utc(microseconds: int, zone: str) -> int | None:
    """Return the instant of a wall clock in a zone, as Spark's `to_utc_timestamp`; None outside the years 1 to 9999.

    An hour that comes twice is the first one; an hour that is skipped moves on by the gap.
    """
    offset = _offset_us(zone, microseconds // _WINDOW_US)
    return None if offset is None else microseconds - offset


def zone_causes(meta: ColumnMeta, cells: Sequence[Cell], context: Sequence[Any]) -> Iterator[Candidate]:
    """Yield the zones whose clock explains most of the cells; at most two per direction."""
    if meta.family not in TIMESTAMP_FAMILIES:
        return
    pairs = [
        (c.source, c.target) for c in cells if is_instant(c.source) and is_instant(c.target) and abs(c.target - c.source) <= 15 * HOUR_US
    ]
    tried = pairs[:: max(1, len(pairs) // _TRIED_CELLS)]
    sides: tuple[Side, ...] = ("target", "source")
    for local in sides:
        tests = {zone: _zone_test(zone, local) for zone in ZONES}
        hits = {zone: sum(tests[zone](s, t) for s, t in tried) for zone in ZONES}
        best = sorted((zone for zone in ZONES if hits[zone]), key=lambda zone: (-hits[zone], ZONES.index(zone)))
        for zone in best[:2]:
            yield from _zone(zone, local, tests[zone], tried, meta)


def _zone_test(zone: str, local: str) -> Callable[[Any, Any], bool]:
    if local == "target":
        return on_instants(lambda s, t: local_to_utc(t, zone) == s)
    return on_instants(lambda s, t: local_to_utc(s, zone) == t)


def _zone(
    zone: str, local: Side, test: Callable[[Any, Any], bool], tried: Sequence[tuple[int, int]], meta: ColumnMeta
) -> Iterator[Candidate]:
    other = "source" if local == "target" else "target"
    shifts = {t - s for s, t in tried if test(s, t)}
    summer = len(shifts) > 1
    seasons = ", winter and summer alike" if summer else ""
    expression = utc_from_expression(zone, meta)
    # One side only: the rule makes an instant of a wall clock, and those two do not compare.
    remedy = Remedy("contract_rule" if meta.family == "timestamp" else "spark", expression=expression, side=local)
    if meta.family == "timestamp":
        remedy = replace(remedy, rule=f"utc_from:{zone}")

    def affects(value: Any) -> bool:
        return is_instant(value) and local_to_utc(value, zone) not in (None, value)

    yield Candidate(
        "zone_shift",
        (local, zone),
        f"the {local} holds the local time of {zone} where the {other} holds UTC{seasons}",
        test,
        remedy,
        12,
        affects,
    )
    if meta.family == "timestamp" and not meta.source_is_text and not meta.target_is_text:
        yield Candidate(
            "int96_zone",
            (local, zone),
            f"the {local} looks like INT96 timestamps written in local time ({zone}) and read as UTC, or the reverse",
            test,
            remedy,
            40,
            affects,
        )
