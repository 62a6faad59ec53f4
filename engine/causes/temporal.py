"""Why two dates or timestamps differ: offsets, precision, units, order of day and month. Days and microseconds since 1970."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from engine.causes.model import TIMESTAMP_FAMILIES, Candidate, Cell, Remedy
from schemas.evidence_rows import ColumnMeta

__all__ = ["DAY_US", "HOUR_US", "duration_words", "moment_of", "temporal_causes", "utc_from_expression"]

HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US
_EPOCH = datetime(1970, 1, 1)
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
# coarsest last: a cut to the day is also one to the hour only when the hour is zero anyway
_UNITS = (
    ("ms", 1_000, "milliseconds"),
    ("s", 1_000_000, "seconds"),
    ("min", 60_000_000, "minutes"),
    ("h", HOUR_US, "hours"),
    ("day", DAY_US, "days"),
)
_OFFSETS_TRIED = 3


def temporal_causes(meta: ColumnMeta, cells: Sequence[Cell], context: Sequence[Any]) -> Iterator[Candidate]:
    """Yield the causes that explain at least one cell, zones and calendars left aside."""
    pairs = [(cell.source, cell.target) for cell in cells if is_instant(cell.source) and is_instant(cell.target)]
    if not pairs:
        return
    if meta.family in TIMESTAMP_FAMILIES:
        yield from _offsets(pairs, meta)
        yield from _precision(pairs)
        yield from _epoch_units(pairs, meta)
        yield from _half_days(pairs)
        yield from _date_parts(pairs, is_date=False)
    elif meta.family == "date":
        yield from _offsets(pairs, meta)
        yield from _date_parts(pairs, is_date=True)


def is_instant(value: Any) -> bool:
    """Return whether a value is a number of days or microseconds."""
    return isinstance(value, int) and not isinstance(value, bool)


def on_instants(function: Callable[[int, int], bool]) -> Callable[[Any, Any], bool]:
    """Return a test of any two values that is false unless both are instants and differ."""
    return lambda s, t: is_instant(s) and is_instant(t) and s != t and function(s, t)


def moment_of(value: int, *, is_date: bool) -> datetime | None:
    """Return days or microseconds as a naive datetime; None outside the years 1 to 9999."""
    try:
        return _EPOCH + (timedelta(days=value) if is_date else timedelta(microseconds=value))
    except OverflowError:
        return None


def _value_of(moment: datetime, *, is_date: bool) -> int:
    distance = moment - _EPOCH
    return distance.days if is_date else (distance.days * 86_400 + distance.seconds) * 1_000_000 + distance.microseconds


def duration_words(microseconds: int) -> str:
    """Return a duration as people say it, without sign.

    >>> duration_words(-19_800_000_000)
    '5 h 30 min'
    """
    rest, words = abs(microseconds), []
    for name, size in (("days", DAY_US), ("h", HOUR_US), ("min", 60_000_000), ("s", 1_000_000), ("ms", 1_000), ("µs", 1)):
        number, rest = divmod(rest, size)
        if number:
            words.append(f"{number} {'day' if name == 'days' and number == 1 else name}")
    return " ".join(words)


def utc_from_expression(zone: str, meta: ColumnMeta) -> str:
    """Return what the rule `utc_from:<zone>` does, as Spark SQL; a wall clock goes through an instant of the UTC session."""
    if meta.family == "timestamp":
        return f"to_utc_timestamp({{c}}, '{zone}')"
    return f"CAST(to_utc_timestamp(CAST({{c}} AS timestamp), '{zone}') AS timestamp_ntz)"


def _interval(microseconds: int) -> str:
    days, rest = divmod(abs(microseconds), DAY_US)
    seconds, fraction = divmod(rest, 1_000_000)
    clock = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    return f"INTERVAL '{days} {clock}{f'.{fraction:06d}' if fraction else ''}' DAY TO SECOND"


def _offsets(pairs: Sequence[tuple[int, int]], meta: ColumnMeta) -> Iterator[Candidate]:
    is_date = meta.family == "date"
    counts = Counter(t - s for s, t in pairs)
    for delta, _ in sorted(counts.items(), key=lambda item: (-item[1], abs(item[0]), item[0]))[:_OFFSETS_TRIED]:
        distinct = {s for s, t in pairs if t - s == delta}
        lonely = not is_date and (delta % 900_000_000 or abs(delta) > 14 * HOUR_US)
        if delta == 0 or (len(distinct) < 2 and (lonely or (abs(delta) > 1 and is_date))):
            continue
        microseconds = delta * DAY_US if is_date else delta
        direction = "later" if delta > 0 else "earlier"
        yield Candidate(
            "constant_day_offset" if is_date else "constant_time_offset",
            (str(delta),),
            f"the target is exactly {duration_words(microseconds)} {direction} than the source",
            on_instants(lambda s, t, delta=delta: t - s == delta),  # type: ignore[misc]
            _shift_back(delta, meta),
            10,
            is_instant,
        )


def _shift_back(delta: int, meta: ColumnMeta) -> Remedy:
    if meta.family == "date":
        return Remedy("spark", expression=f"date_sub({{c}}, {delta})", side="target")
    expression = f"{{c}} {'-' if delta > 0 else '+'} {_interval(delta)}"
    minutes, rest = divmod(abs(delta), 60_000_000)
    if rest == 0 and minutes <= 18 * 60 and meta.family == "timestamp":
        zone = f"{'+' if delta > 0 else '-'}{minutes // 60:02d}:{minutes % 60:02d}"
        return Remedy("contract_rule", rule=f"utc_from:{zone}", expression=expression, side="target")
    return Remedy("spark", expression=expression, side="target")


def _precision(pairs: Sequence[tuple[int, int]]) -> Iterator[Candidate]:
    for simplicity, (unit, size, words) in enumerate(_UNITS, start=9):
        for side in ("target", "source"):
            cut = _cut_test(size, side)
            if any(cut(s, t) for s, t in pairs):
                yield Candidate(
                    "precision_cut",
                    (side, unit),
                    f"the {side} is cut off to whole {words}",
                    cut,
                    Remedy("contract_rule", rule=f"trunc:{unit}"),
                    simplicity,
                    lambda value, size=size: is_instant(value) and value % size != 0,  # type: ignore[misc]
                )
            near = _near_test(size, side)
            if unit in ("ms", "s", "min") and any(near(s, t) for s, t in pairs):
                yield Candidate(
                    "precision_rounded",
                    (side, unit),
                    f"the {side} is rounded to whole {words}",
                    near,
                    Remedy("contract_rule", tolerance={"ms": "abs:500us", "s": "abs:500ms", "min": "abs:30s"}[unit]),
                    simplicity + 1,
                    lambda value, size=size: is_instant(value) and value % size != 0,  # type: ignore[misc]
                )


def _cut_test(size: int, side: str) -> Callable[[Any, Any], bool]:
    if side == "target":
        return on_instants(lambda s, t: s - s % size == t)
    return on_instants(lambda s, t: t - t % size == s)


def _near_test(size: int, side: str) -> Callable[[Any, Any], bool]:
    def rounds(precise: int, short: int) -> bool:
        return short % size == 0 and abs(precise - short) * 2 <= size

    return on_instants(rounds if side == "target" else lambda s, t: rounds(t, s))


def _unit_test(factor: int, grown: bool) -> Callable[[Any, Any], bool]:
    if grown:
        return on_instants(lambda s, t: s * factor == t)
    return on_instants(lambda s, t: abs(s) >= factor and s // factor == t)


def _epoch_units(pairs: Sequence[tuple[int, int]], meta: ColumnMeta) -> Iterator[Candidate]:
    for factor in (1_000, 1_000_000):
        for grown in (True, False):
            test = _unit_test(factor, grown)
            if any(test(s, t) for s, t in pairs):
                micros = "unix_micros({c})" if meta.family == "timestamp" else "unix_micros(CAST({c} AS timestamp))"
                back = f"timestamp_micros({micros} {'div' if grown else '*'} {factor})"
                words = "times" if grown else "divided by"
                exact = grown or all(s % factor == 0 for s, t in pairs if test(s, t))
                yield Candidate(
                    "epoch_unit",
                    (str(factor), "grown" if grown else "shrunk"),
                    f"the target's time since 1970 is the source's {words} {factor:,}: a mistaken unit (s, ms, µs)",
                    test,
                    Remedy("spark", expression=f"CAST({back} AS {meta.type})", side="target")
                    if exact
                    else Remedy("reload", text="Load {column} of the target again with the right unit: its lower digits are lost."),
                    9,
                    lambda value: is_instant(value) and value != 0,
                )


def _half_days(pairs: Sequence[tuple[int, int]]) -> Iterator[Candidate]:
    def afternoon_lost(precise: int, short: int) -> bool:
        return precise % DAY_US >= DAY_US // 2 and precise - DAY_US // 2 == short

    for side in ("target", "source"):
        test = on_instants(afternoon_lost if side == "target" else lambda s, t: afternoon_lost(t, s))
        if any(test(s, t) for s, t in pairs):
            yield Candidate(
                "twelve_hour_clock",
                (side,),
                f"the {side} was written with a 12-hour clock: afternoons became mornings (pattern hh instead of HH)",
                test,
                Remedy(
                    "reload",
                    text=f"Load {{column}} of the {side} again with the pattern HH: which hours were after noon is not in it any more.",
                ),
                11,
                lambda value: is_instant(value) and value % DAY_US >= DAY_US // 2,
            )


def _date_parts(pairs: Sequence[tuple[int, int]], *, is_date: bool) -> Iterator[Candidate]:
    def swapped(value: int) -> int | None:
        moment = moment_of(value, is_date=is_date)
        if moment is None or moment.day > 12:
            return None
        return _value_of(moment.replace(day=1).replace(month=moment.day).replace(day=moment.month), is_date=is_date)

    swap = on_instants(lambda s, t: swapped(s) == t)
    if any(swap(s, t) for s, t in pairs):
        time_part = "" if is_date else " + ({c} - date_trunc('day', {c}))"
        day = "make_date(year({c}), day({c}), month({c}))"
        moved = day if is_date else f"CAST({day} AS timestamp){time_part}"
        yield Candidate(
            "day_month_swapped",
            (),
            "day and month are swapped",
            swap,
            Remedy("spark", expression=f"CASE WHEN day({{c}}) <= 12 THEN {moved} ELSE {{c}} END", side="target"),
            12,
            lambda value: is_instant(value) and swapped(value) not in (None, value),
        )
    yield from _years(pairs, is_date=is_date)


def _years(pairs: Sequence[tuple[int, int]], *, is_date: bool) -> Iterator[Candidate]:
    def years(source: int, target: int) -> int:
        one, other = moment_of(source, is_date=is_date), moment_of(target, is_date=is_date)
        if one is None or other is None or one.replace(year=2000) != other.replace(year=2000):
            return 0
        return other.year - one.year

    found = Counter(years(s, t) for s, t in pairs)
    for distance, _ in sorted(found.items(), key=lambda item: (-item[1], abs(item[0]), item[0]))[:_OFFSETS_TRIED]:
        if distance == 0:
            continue
        century = distance % 100 == 0
        yield Candidate(
            "two_digit_year" if century else "year_offset",
            (str(distance),),
            f"the target's year is {abs(distance)} {'more' if distance > 0 else 'less'} at the same day and month"
            + (": a year of two digits was put into another century" if century else ""),
            on_instants(lambda s, t, distance=distance: years(s, t) == distance),  # type: ignore[misc]
            Remedy("spark", expression=f"{{c}} {'-' if distance > 0 else '+'} INTERVAL '{abs(distance)}' YEAR", side="target"),
            9 if century else 14,
            is_instant,
            needs=1 if century else 2,
        )
