"""Differing rows to where they lie: one partition or value, a range of keys, a time window; equal rows give the base rate."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from engine.causes.hypothesis import Hypothesis
from engine.causes.model import TIMESTAMP_FAMILIES, quoted
from engine.causes.rows import literal
from engine.causes.sample import CITED, Sample
from schemas.evidence_rows import ColumnMeta
from schemas.verdict import Fix

__all__ = ["place_hypotheses"]

_CLASS_WORDS = {"changed": "changed", "missing": "missing", "extra": "extra", "multiplicity": "surplus or lost copies of"}
_VALUE_FAMILIES = ("text", "integer", "boolean", "date")
_ORDERED_FAMILIES = ("integer", "date", *TIMESTAMP_FAMILIES)
_LEAST_ROWS = 4
_CHANCE = 0.001
_KEPT = 3


@dataclass(frozen=True)
class _Place:
    """A condition on one column that many differing and few equal rows meet."""

    meta: ColumnMeta
    rows: tuple[int, ...]
    inside: int
    equal_inside: int
    sql: str
    words: str
    cause: str
    simplicity: int
    is_cutoff: bool = False


def place_hypotheses(sample: Sample) -> list[Hypothesis]:
    """Return where the rows of each class are concentrated; at most three places per class."""
    found: list[Hypothesis] = []
    for row_class in ("changed", "missing", "extra", "multiplicity"):
        rows = sample.of_class(row_class)
        if len(rows) < _LEAST_ROWS:
            continue
        places = [place for meta in sample.evidence.columns for place in _places(sample, meta, rows)]
        places.sort(key=lambda p: (-len(p.rows), p.equal_inside, p.simplicity, p.meta.name))
        found += [_hypothesis(sample, row_class, rows, place) for place in places[:_KEPT]]
    return found


def _places(sample: Sample, meta: ColumnMeta, rows: Sequence[int]) -> Iterator[_Place]:
    if any(meta.name in sample.differing[row] for row in rows):
        return
    values = [(sample.values(row).get(meta.name), row) for row in rows]
    equal = [row.get(meta.name) for row in sample.context]
    value = _one_value(sample, meta, values, equal) if meta.family in _VALUE_FAMILIES else None
    if value is not None:
        yield value
    if meta.family in _ORDERED_FAMILIES:
        window = _window(sample, meta, values, equal)
        if window is not None and (value is None or set(window.rows) != set(value.rows)):
            yield window


def _one_value(sample: Sample, meta: ColumnMeta, values: Sequence[tuple[Any, int]], equal: Sequence[Any]) -> _Place | None:
    counts = Counter(value for value, _ in values if isinstance(value, Hashable))
    if not counts:
        return None
    value, number = min(counts.items(), key=lambda item: (-item[1], repr(item[0])))
    base = sum(other == value and type(other) is type(value) for other in equal)
    if equal:
        if number < _LEAST_ROWS or base * 2 >= len(equal) or not _concentrated(number, len(values), base, len(equal), len(counts)):
            return None
    elif not (meta.is_partition and number == len(values) and number >= _LEAST_ROWS):
        return None
    column = quoted(meta.name)
    return _Place(
        meta,
        tuple(row for other, row in values if other == value and type(other) is type(value)),
        number,
        base,
        f"{column} <=> {literal(value, meta, sample)}",
        f"{meta.name} is {sample.show(value, meta)}",
        "bad_partition" if meta.is_partition else "value_cluster",
        60,
    )


def _concentrated(inside: int, rows: int, base: int, equal: int, tried: int) -> bool:
    """Return whether so many rows inside are no chance, given the share of equal rows inside; a Chernoff bound."""
    share, expected = inside / rows, (base + 1) / (equal + 2)
    if share < 0.5 or share < 2 * expected:
        return False
    divergence = share * math.log(share / expected) + ((1 - share) * math.log((1 - share) / (1 - expected)) if share < 1 else 0.0)
    return rows * divergence > math.log(max(tried, 1) / _CHANCE)


def _window(sample: Sample, meta: ColumnMeta, values: Sequence[tuple[Any, int]], equal: Sequence[Any]) -> _Place | None:
    differing = sorted((int(value), row) for value, row in values if _whole(value))
    others = sorted(int(value) for value in equal if _whole(value))
    if len(differing) < _LEAST_ROWS:
        return None
    if not others:
        return _gapless(sample, meta, differing)
    low, high = _densest([value for value, _ in differing], others)
    rows = tuple(row for value, row in differing if low <= value <= high)
    base = sum(low <= value <= high for value in others)
    if len(rows) < _LEAST_ROWS or not _concentrated(len(rows), len(values), base, len(others), len(values) ** 2) or base * 3 > len(others):
        return None
    return _range(sample, meta, rows, low, high, base, low > others[-1])


def _gapless(sample: Sample, meta: ColumnMeta, differing: Sequence[tuple[int, int]]) -> _Place | None:
    """Return the range of whole-number keys without a gap, the one pattern that needs no equal rows to compare with."""
    low, high = differing[0][0], differing[-1][0]
    alone = meta.is_key and meta.family == "integer" and len({m.name for m in sample.evidence.columns if m.is_key}) == 1
    everything = sample.evidence.counts.get("matched", 0) + sample.evidence.counts.get("changed", 0)
    if not alone or high - low + 1 != len(differing) or not everything or sample.of_class("changed"):
        return None
    return _range(sample, meta, tuple(row for _, row in differing), low, high, 0, False)


def _whole(value: Any) -> bool:
    return isinstance(value, (int, Decimal)) and not isinstance(value, bool)


def _densest(differing: Sequence[int], equal: Sequence[int]) -> tuple[int, int]:
    """Return the interval with the greatest surplus of differing over equal rows, each side weighing 1 in all (Kadane)."""
    gains: dict[int, float] = {}
    for value in differing:
        gains[value] = gains.get(value, 0.0) + 1 / len(differing)
    for value in equal:
        gains[value] = gains.get(value, 0.0) - 1 / len(equal)
    best, total, start = -math.inf, 0.0, 0
    interval = (differing[0], differing[-1])
    for value in sorted(gains):
        if total <= 0:
            total, start = 0.0, value
        total += gains[value]
        if total > best + 1e-12:
            best, interval = total, (start, value)
    return interval


def _range(sample: Sample, meta: ColumnMeta, rows: tuple[int, ...], low: int, high: int, base: int, cutoff: bool) -> _Place:
    one, other = (Decimal(low), Decimal(high)) if meta.family == "integer" else (low, high)
    column = quoted(meta.name)
    return _Place(
        meta,
        rows,
        len(rows),
        base,
        f"{column} BETWEEN {literal(one, meta, sample)} AND {literal(other, meta, sample)}",
        f"{meta.name} lies between {sample.show(one, meta)} and {sample.show(other, meta)}",
        "key_range" if meta.family == "integer" else "time_window",
        62 if meta.is_key else 63,
        cutoff,
    )


def _hypothesis(sample: Sample, row_class: str, rows: Sequence[int], place: _Place) -> Hypothesis:
    equal = len(sample.context)
    late = place.is_cutoff and row_class == "missing"
    rate = f"against {place.equal_inside:,} of {equal:,} equal rows" if equal else "the base rate among equal rows is unknown"
    words = "these are the newest rows: the load was late, or cut off" if late else "one part of the load is affected"
    inside = set(place.rows)
    return Hypothesis(
        "late_load" if late else place.cause,
        f"In {place.inside:,} of {len(rows):,} {_CLASS_WORDS[row_class]} rows {place.words}, {rate}: {words}",
        frozenset(place.rows),
        place.simplicity - (1 if late else 0),
        _reload(sample, place),
        supporting=place.rows[:CITED],
        opposing=tuple(row for row in rows if row not in inside)[:CITED],
        counter=(f"{place.equal_inside:,} equal rows of the sample lie in the same place",) if place.equal_inside else (),
        role="place",
        condition=place.words,
    )


def _reload(sample: Sample, place: _Place) -> Fix:
    metas = sample.evidence.columns
    inner = place.sql
    outer = inner.replace(quoted(place.meta.name), quoted(place.meta.target), 1)
    if any(meta.name != meta.target for meta in metas):
        picked = ", ".join(f"F.col({quoted(meta.name)!r}).alias({meta.target!r})" for meta in metas)
        fresh = f"source.where({inner!r}).select({picked})"
    else:
        fresh = f"source.where({inner!r})"
    if any(meta.source_is_text != meta.target_is_text for meta in metas) or sample.mask is not None:
        return Fix(kind="reload", text=f"In the target, replace the rows where {inner} by those of the source.")
    return Fix(
        kind="reload",
        text=f"target = target.where({f'NOT ({outer})'!r}).unionByName({fresh}, allowMissingColumns=True)",
    )
