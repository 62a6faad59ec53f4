"""Why old dates differ by days: one side counted them in the Julian calendar, the other in the Gregorian one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from engine.causes.model import TIMESTAMP_FAMILIES, Candidate, Cell, Remedy
from engine.causes.temporal import DAY_US, is_instant, moment_of, on_instants
from schemas.evidence_rows import ColumnMeta

__all__ = ["calendar_causes", "julian_day"]

_CUTOVER_DAY = -141427  # 1582-10-15, the first Gregorian day
_JULIAN_EPOCH = 2440588  # Julian day number of 1970-01-01


def julian_day(day: int) -> int | None:
    """Return the day number of the date with the same year, month and day in the Julian calendar; None from 1582-10-15 on.

    Source: the integer formula of Richards, Explanatory Supplement to the Astronomical Almanac, 3rd ed., 15.11.

    >>> julian_day(-141438)  # 1582-10-04, the last Julian day, stood ten days later than its Gregorian namesake
    -141428
    """
    moment = moment_of(day, is_date=True)
    if moment is None or day >= _CUTOVER_DAY:
        return None
    shift = (14 - moment.month) // 12
    year, month = moment.year + 4800 - shift, moment.month + 12 * shift - 3
    return moment.day + (153 * month + 2) // 5 + 365 * year + year // 4 - 32083 - _JULIAN_EPOCH


def calendar_causes(meta: ColumnMeta, cells: Sequence[Cell], context: Sequence[Any]) -> Iterator[Candidate]:
    """Yield the calendar rebase where it explains at least one cell."""
    if meta.family != "date" and meta.family not in TIMESTAMP_FAMILIES:
        return
    size = 1 if meta.family == "date" else DAY_US
    pairs = [(cell.source, cell.target) for cell in cells if is_instant(cell.source) and is_instant(cell.target)]
    for hybrid in ("target", "source"):
        test = _rebase_test(size, hybrid)
        if any(test(s, t) for s, t in pairs):
            yield Candidate(
                "calendar_rebase",
                (hybrid,),
                f"dates before 1582-10-15 of the {hybrid} were written in the Julian calendar and read in the Gregorian one",
                test,
                Remedy("contract_rule", text=f"--{hybrid}-options calendar=hybrid"),
                7,
                lambda value: is_instant(value) and value // size < _CUTOVER_DAY,
            )


def _rebase_test(size: int, hybrid: str) -> Callable[[Any, Any], bool]:
    def rebased(right: int, wrong: int) -> bool:
        day, rest = divmod(right, size)
        moved = julian_day(day)
        return moved is not None and moved * size + rest == wrong

    return on_instants(rebased if hybrid == "target" else lambda s, t: rebased(t, s))
