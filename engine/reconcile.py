"""The funnel: which jobs run, one after the other, and the proof that what they found is all.

    copies, byte for byte → equal: only keys are read
    first rows            → much differs: pair all rows at once, value by value
    sketch (one scan per side) → equal: done
                               → differences: fetch the rows of the slots that differ → pair → cells → records
                               → too many of them: pair all rows, or those of the buckets that differ

Proof of completeness: the rows reported as differing, taken from the sketch, leave zero in every bucket. If they do not, the
buckets concerned are fetched whole; if that does not help either, the run stops: it contradicts itself. Where all rows are paired
without a sketch, the classes must add up to the rows of both sides, counted apart.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyspark import inheritable_thread_target
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from engine.aggregates import Sampling, listing, tally
from engine.fingerprint import (
    BUCKETS,
    CONTEXT_ROWS,
    LIMBS,
    NULL_BUCKETS,
    PLACES,
    Sketch,
    evenly,
    fetch_mask,
    fetched_rows,
    sketch_side,
    subtract,
)
from engine.frames import SideFrames
from engine.keydiff import join_on_number
from engine.pairing import Build, Request, few, is_numbered, is_ruled, joined, many, matched_up
from engine.probe import Probe, first_rows, probe_of
from engine.ranges import KeySpan
from engine.tallies import Tally, cells_of, listed, tallied
from engine.uniqueness import DUPLICATES_MARK, key_words, repeated_in_target_only, repeated_keys, span_of, uniqueness
from schemas.errors import EngineError

__all__ = ["Progress", "Reconciliation", "Request", "reconcile"]

Progress = Callable[[str], None]
Longs = npt.NDArray[np.int64]
Payloads = list[dict[str, Any]]

_SMALL_FETCH_ROWS = 1_500_000  # both sides; beyond it reading twice costs more than moving everything once
_MANY_PER_BUCKET = 1.5  # with more differences, most buckets hold several, and the sketch names too few of them
_SAMPLE_ROWS = 4_000
_LISTED_ROWS = 40_000  # that differ, brought here one by one: some 20 MB of columns, of which only the sample becomes Python objects
_SAMPLED_KEYS = 6_000  # at least, where all rows are paired
_SURE_SHARE = 0.4  # of rows that differ, such that so many keys are enough
_CROWDED_ROWS = 100_000  # of a bucket
_EVERY_FOURTH = 0x1111_1111_1111_1111  # slot


@dataclass(frozen=True)
class Reconciliation:
    """What the funnel found; plain values, and a way to build the pairs again.

    Attributes:
        counts: `source_rows target_rows matched matched_by_rule changed missing extra multiplicity duplicate_keys null_keys`.
        cells: (position, class) to (cells, largest absolute delta, largest relative delta).
        rules: (position, class) to rows equal only by that rule.
        refused: per side (`source`, `target`) and column, values without a canonical form.
        sample, context: payloads of `engine.aggregates.tally`.
        sampled: whether `sample` leaves out a differing row.
        mode, reason: which way the funnel went.
        seconds: per phase.
        one_value: per compared column, whether the first rows of both sides hold one value; a suspicion.
        pairs: builds the differing pairs lazily; with True, with the declared rows.
    """

    counts: Mapping[str, int]
    cells: Mapping[tuple[int, str], tuple[int, float | None, float | None]]
    rules: Mapping[tuple[int, str], int]
    refused: Mapping[tuple[str, str], int]
    sample: Sequence[Mapping[str, Any]]
    context: Sequence[Mapping[str, Any]]
    sampled: bool
    mode: str
    reason: str
    seconds: Mapping[str, float]
    pairs: Callable[[bool], DataFrame]
    one_value: tuple[bool, ...] = ()


@dataclass
class _Clock:
    seconds: dict[str, float] = field(default_factory=dict)

    def measure(self, phase: str, action: Callable[[], Any]) -> Any:
        """Run an action and add its wall time to a phase."""
        start = time.perf_counter()
        try:
            return action()
        finally:
            self.seconds[phase] = self.seconds.get(phase, 0.0) + time.perf_counter() - start


def reconcile(request: Request, progress: Progress = lambda phase: None) -> Reconciliation:
    """Compare two sides and return what differs.

    Cost: equal data, one scan per side and one of the key column, in one job without a shuffle of rows; few differences, one
    more scan per side; many, one shuffle of both sides. Before that, two small jobs look at the first rows.

    Raises:
        EngineError: the result contradicts the sketch.
    """
    clock = _Clock()
    refused = _refusals(request, clock, progress)
    progress("first rows")
    if request.copies or request.one_pass:
        probe = clock.measure("first rows", lambda: probed(request))
        found = _copies(request, clock, progress) if request.copies else _one_pass(request, clock, progress)
    else:
        probe, span = clock.measure("first rows", lambda: _first_look(request))
        found = _funnel(request if span is None else request.with_span(span), probe, clock, progress)
    return replace(found, refused=refused, one_value=probe.constant, seconds=dict(clock.seconds))


def _copies(request: Request, clock: _Clock, progress: Progress) -> Reconciliation:
    """Count what is equal without being looked at: rows, and what is to be said of their keys."""
    assert request.copies is not None
    progress("counts")
    counted = clock.measure("counts", lambda: _row_counts(request))
    if counted["source"] != counted["target"]:
        raise EngineError("The same bytes gave two numbers of rows; no verdict is given.", hint="The inputs changed during the run.")
    counts = {"source_rows": counted["source"], "target_rows": counted["target"], "matched": counted["source"]}
    counts |= {"null_keys": counted["null_keys"], "duplicate_keys": _duplicates(request, None, clock)}
    return _result(request, Tally(), counts, "metadata", request.copies, None)


def _duplicates(request: Request, unique: bool | None, clock: _Clock) -> int:
    """Return how many keys of the source have more than one row; `unique`: what is known of it already."""
    if not request.keyed or unique:
        return 0
    if unique is None and clock.measure("duplicates", lambda: _is_unique(request.source)):
        return 0
    return int(clock.measure("duplicates", lambda: _number(repeated_keys(request.source))))


# -- the funnel --------------------------------------------------------------------------------------------------------


def _funnel(request: Request, probe: Probe, clock: _Clock, progress: Progress) -> Reconciliation:
    span = request.span
    if span is not None and probe.share * span.rows > _MANY_PER_BUCKET * BUCKETS:
        rows = _countable(request, clock)
        if rows is not None:
            progress("differences")
            return _joined(request, rows, probe.share, clock)
    progress("fingerprints")
    sketch, unique = clock.measure("fingerprints", lambda: _sketch(request))
    duplicates = _duplicates(request, unique, clock)
    if not sketch.differs.any():
        rows_there = int(sketch.source_rows.sum())
        counts = {"source_rows": rows_there, "target_rows": rows_there, "matched": rows_there}
        counts |= {"duplicate_keys": duplicates, "null_keys": sketch.null_key_rows if request.keyed else 0}
        reason = "the fingerprints of both sides are equal in every bucket; no row had to be moved"
        return _result(request, Tally(), counts, "fingerprint", reason, None)
    progress("differences")
    mask = fetch_mask(sketch)
    fetched = fetched_rows(sketch, mask)
    total = int(sketch.source_rows.sum() + sketch.target_rows.sum())
    if fetched <= _SMALL_FETCH_ROWS:
        reason = f"few differences: {fetched:,} of {total:,} rows had to be read again to find them all"
        mode, (tallied, build) = "sketch", _settled(request, sketch, mask, duplicates == 0, clock)
    else:
        reason = f"many differences: about {fetched:,} of {total:,} rows had to be paired to find them all"
        rows = _countable(request, clock)
        if rows is not None:
            return _joined(request, rows, 0.0, clock)
        mode, (tallied, build) = "join", _crowded(request, sketch, duplicates == 0, clock)
    if not _proven(sketch, tallied):
        raise EngineError(
            "The differences found do not add up to the difference of the fingerprints; no verdict is given.",
            hint="Run parity selftest in this session; if it passes, the inputs changed during the run.",
        )
    counts = _counts(sketch, tallied)
    counts["duplicate_keys"] = duplicates + tallied.rows.get("duplicate_only_target", 0)
    counts["null_keys"] = sketch.null_key_rows if request.keyed else 0
    return _result(request, tallied, counts, mode, reason, build)


def _countable(request: Request, clock: _Clock) -> tuple[int, int] | None:
    """Return the rows of both sides if all can be paired at once by number: unique on each side, never NULL, and without rules."""
    if request.span is None or not request.span.unique or not is_numbered(request):
        return None
    other = clock.measure("duplicates", lambda: key_span(request.target))
    return (request.span.rows, other.rows) if other is not None and other.unique else None


def _settled(request: Request, sketch: Sketch, mask: Longs, source_unique: bool, clock: _Clock) -> tuple[Tally, Build]:
    """Read again the rows that a mask names, and pair them."""
    sampling = _sampling(sketch.expected_differences(), sketch, mask)
    unique = source_unique and request.keyed and not is_ruled(request)
    if unique and (sketch.target_rows > sketch.source_rows).any():
        unique = clock.measure("duplicates", lambda: _is_unique(request.target))
    # A key that only the target repeats, in a bucket that lacks another, is not looked for: a join then fails the proof.
    for by_join, whole in [*([(True, False)] if unique else []), (False, False), (False, True)]:
        wanted, near = (fetch_mask(sketch, whole=sketch.differs), replace(request, span=None)) if whole else (mask, request)
        build = few(near, wanted, sampling, unique=by_join)
        count = _listed if by_join and sketch.expected_differences() <= _LISTED_ROWS else _tallied
        found = clock.measure("differences", partial(count, partial(build, False, True), request, sampling))
        if _proven(sketch, found):
            break
    if request.keyed and (sketch.null_key_rows or any(column.steps for column in request.plan.key_columns)):
        # Rows of one such key lie in several buckets, of which only those that differ were fetched.
        found.rows["duplicate_only_target"] = clock.measure("duplicates", lambda: _repeated_in_target_only(request))
    return found, build


def _crowded(request: Request, sketch: Sketch, source_unique: bool, clock: _Clock) -> tuple[Tally, Build]:
    """Pair all rows of the buckets that differ; values are sampled from a few of them."""
    unique = request.keyed and source_unique and clock.measure("duplicates", lambda: _is_unique(request.target))
    build = many(request, sketch, unique)
    found = clock.measure("differences", lambda: _tallied(partial(build, False, True), request, None))
    rows = sketch.source_rows + sketch.target_rows
    differing = evenly(np.flatnonzero(sketch.differs))
    differing = differing[np.argsort(rows[differing] > _CROWDED_ROWS, kind="stable")]  # one key may hold half of all rows
    mask = _mask_of(differing, rows[differing], _SAMPLE_ROWS / max(sketch.expected_differences(), _SAMPLE_ROWS), spread=unique)
    chosen = np.flatnonzero(mask)
    fetched = fetched_rows(sketch, mask)
    expected = sketch.expected_differences(chosen) * fetched / max(int(rows[chosen].sum()), 1)
    share = min(1.0, _SAMPLE_ROWS / max(1.0, min(expected, fetched)))
    alone = bool((rows[chosen] > _CROWDED_ROWS).any())
    joins = unique and not is_ruled(request)
    found.sample, found.context = clock.measure("sample", lambda: _sample(request, mask, share, unique=joins, alone=alone))
    if request.keyed and not unique:
        found.rows["duplicate_only_target"] = clock.measure("duplicates", lambda: _repeated_in_target_only(request))
    return found, build


def _joined(request: Request, rows: tuple[int, int], share: float, clock: _Clock) -> Reconciliation:
    """Pair all rows of two sides by a key that is one whole number, unique on both and never NULL; they are compared value by value.

    Proof: the classes add up to the rows of both sides, counted apart. Some rows were seen to differ, so some must.

    Args:
        share: of rows that differ, as the first rows suggest; where it is large, values are sampled beside. What is sampled depends
            on what differs, not on the guess.
    """
    few_enough = _SAMPLED_KEYS / max(min(rows), 1)

    def sample(keys: float) -> tuple[Payloads, Payloads]:
        buckets, rows_each = evenly(np.arange(BUCKETS, dtype=np.int64)), np.full(BUCKETS, sum(rows) / BUCKETS)
        return _sample(request, _mask_of(buckets, rows_each, keys, spread=True), unique=True)

    early = share >= _SURE_SHARE
    with ThreadPoolExecutor(1) as beside:
        if early:
            waiting = beside.submit(inheritable_thread_target(request.session)(sample), few_enough)
        found = clock.measure("differences", lambda: _tallied(partial(_by_value, request), request, None))
        counts = _conserved(found, rows)
        sampled = clock.measure("sample", waiting.result) if early else None
    differing = sum(counts[name] for name in ("changed", "missing", "extra", "matched_by_rule"))
    if not differing:
        raise EngineError(
            "Rows that were seen to differ are equal when all are paired; no verdict is given.",
            hint="If the inputs did not change during the run, this is a fault of Spark or Parity: please report it.",
        )
    keys = max(few_enough, min(1.0, _SAMPLE_ROWS / 2 / differing))
    if sampled is None or keys > few_enough:
        sampled = clock.measure("sample", lambda: sample(keys))
    found.sample, found.context = sampled

    def build(raw: bool, with_matched: bool) -> DataFrame:
        return joined(request, None, None if with_matched else F.lit(False), raw=raw)

    reason = "many differences: all rows were paired at once, and compared value by value"
    return _result(request, found, {**counts, "duplicate_keys": 0, "null_keys": 0}, "join", reason, build)


def _conserved(found: Tally, rows: tuple[int, int]) -> dict[str, int]:
    """Return the counts of pairs, which must add up to the rows counted apart."""
    counts = {name: found.rows.get(name, 0) for name in ("matched", "matched_by_rule", "changed", "missing", "extra", "multiplicity")}
    shared = counts["matched"] + counts["matched_by_rule"] + counts["changed"]
    paired = shared + counts["missing"], shared + counts["extra"]
    if paired != rows:
        raise EngineError(
            f"The rows paired ({paired[0]:,} and {paired[1]:,}) are not the rows counted ({rows[0]:,} and {rows[1]:,}); "
            "no verdict is given.",
            hint="If the inputs did not change during the run, this is a fault of Spark or Parity: please report it.",
        )
    return {"source_rows": rows[0], "target_rows": rows[1], **counts}


def _sample(request: Request, mask: Longs, share: float = 1.0, *, unique: bool, alone: bool = False) -> tuple[Payloads, Payloads]:
    """Return the values of the rows that a mask wants, differing and equal ones.

    Args:
        share: of the differing rows.
        alone: leave equal rows out, since a key with very many of them would be one task.
    """
    wanted = Sampling(share, min(1.0, 2 * CONTEXT_ROWS / _SAMPLE_ROWS))
    build = few(request, mask, wanted, unique=unique)
    seen = (_listed if unique else _tallied)(partial(build, False, not alone), request, wanted)
    return seen.sample, seen.context


# -- one pass ----------------------------------------------------------------------------------------------------------


def _one_pass(request: Request, clock: _Clock, progress: Progress) -> Reconciliation:
    """Pair all rows of both sides in one job."""
    progress("differences")

    def build(raw: bool, with_matched: bool) -> DataFrame:
        return matched_up(request, None, raw=raw, with_matched=with_matched)

    counted = clock.measure("counts", lambda: _row_counts(request))
    expected = max(counted["source"] + counted["target"], 1)
    sampling = Sampling(min(1.0, _SAMPLE_ROWS / expected), min(1.0, CONTEXT_ROWS / expected))
    found = clock.measure("differences", lambda: _tallied(partial(build, False, True), request, sampling))
    differing = sum(found.rows.get(name, 0) for name in ("changed", "missing", "extra", "matched_by_rule"))
    if sampling.differing < 1 and len(found.sample) < min(differing, _SAMPLE_ROWS // 4):
        better = Sampling(min(1.0, _SAMPLE_ROWS / differing), sampling.equal)
        found = clock.measure("differences", lambda: _tallied(partial(build, False, True), request, better))
    counts = _conserved(found, (counted["source"], counted["target"]))
    counts |= {"null_keys": counted["null_keys"], "duplicate_keys": found.rows.get("duplicate_keys", 0)}
    assert request.one_pass is not None
    return _result(request, found, counts, "one_pass", request.one_pass, build)


def _row_counts(request: Request) -> dict[str, int]:
    """Count the rows of both sides apart from the pairing, in one job."""
    branches = []
    for side in (request.source, request.target):
        nulls = F.lit(0).cast("bigint")
        frame = side.rows
        if request.keyed:
            frame = side.physical()
            nulls = F.sum(side.null_key().cast("bigint"))
        branches.append(
            frame.agg(F.count(F.lit(1)).alias("n"), nulls.alias("nulls")).select(F.lit(side.on_source).alias("s"), "n", "nulls")
        )
    rows = branches[0].unionAll(branches[1]).collect()
    counted = {("source" if row.s else "target"): row.n for row in rows}
    return {**counted, "null_keys": sum(row.nulls or 0 for row in rows)}


# -- jobs --------------------------------------------------------------------------------------------------------------


def probed(request: Request) -> Probe:
    """Return what the first rows of both sides show; two small jobs side by side, of one task each where a scan feeds them."""
    ours, theirs = first_rows(request.source), first_rows(request.target)
    with ThreadPoolExecutor(1) as beside:
        waiting = beside.submit(inheritable_thread_target(request.session)(theirs.collect))
        return probe_of(ours.collect(), waiting.result(), len(request.plan.compared))


def _first_look(request: Request) -> tuple[Probe, KeySpan | None]:
    """Return what the first rows show, and what the keys of the source are where they are whole numbers; side by side."""
    if not request.keyed or request.source.number() is None:
        return probed(request), None
    with ThreadPoolExecutor(1) as beside:
        waiting = beside.submit(inheritable_thread_target(request.session)(key_span), request.source)
        return probed(request), waiting.result()


def key_span(side: SideFrames) -> KeySpan | None:
    """Return what the keys of a side are, all whole numbers; None where some are NULL."""
    return span_of(key_words(side).collect()[0])


def _is_unique(side: SideFrames) -> bool:
    """Return whether no key has two rows; keys that are NULL count as one."""
    span = None if side.number() is None else key_span(side)
    return (span is not None and span.unique) or _number(repeated_keys(side)) == 0


def _repeated_in_target_only(request: Request) -> int:
    return _number(repeated_in_target_only(request.source, request.target))


def _number(frame: DataFrame) -> int:
    return int(frame.collect()[0]["n"])


def _by_value(request: Request) -> DataFrame:
    return join_on_number(request.source.compact(), request.target.compact())


def _tallied(pairs: Callable[[], DataFrame], request: Request, sampling: Sampling | None) -> Tally:
    cells = cells_of(request.plan)
    return tallied(tally(pairs(), cells, sampling).toArrow(), cells)


def _listed(pairs: Callable[[], DataFrame], request: Request, sampling: Sampling) -> Tally:
    cells = cells_of(request.plan)
    return listed(listing(pairs(), cells, sampling).toArrow(), cells)


def _sketch(request: Request) -> tuple[Sketch, bool]:
    """Return the sketch of both sides, and whether no key of the source has two rows; one job."""
    sides = []
    for side in (request.source, request.target):
        hashed = side.hashed().select("k", "h1", "h2", "bucket")
        sides.append(sketch_side(hashed).withColumn("is_source", F.lit(side.on_source)))
    union = sides[0].unionAll(sides[1])
    asked = request.keyed and request.span is None
    if asked:
        union = union.unionAll(uniqueness(request.source))
    collected = union.toArrow()
    marks = np.asarray(collected["bucket"]) == DUPLICATES_MARK
    table = collected.filter(pa.array(~marks))
    overflowed = np.logical_or.reduce([np.asarray(table[name].is_null()) for name in PLACES])
    columns = {name: np.asarray(table[name]).astype(np.int64) for name in ("bucket", "n", *LIMBS)}
    columns |= {name: np.asarray(table[name].fill_null(0)).astype(np.int64) for name in PLACES}
    unique = request.span is None or request.span.unique
    if asked:
        proof = collected.filter(pa.array(marks)).to_pylist()[0]
        unique = (proof["n"] or 0) == (proof["h1_low"] or 0)
    return subtract(columns, np.asarray(table["is_source"]).astype(np.bool_), overflowed), unique


def _refusals(request: Request, clock: _Clock, progress: Progress) -> dict[tuple[str, str], int]:
    """Count the values without a canonical form, or that a declared cast changes; no job when no type can have such."""
    found: dict[tuple[str, str], int] = {}
    for name, side in (("source", request.source), ("target", request.target)):
        marks = side.refusals()
        if not marks:
            continue
        progress("casts")
        sums = [F.sum(mark.cast("bigint")).alias(f"m{index}") for index, mark in enumerate(marks.values())]
        row = clock.measure("casts", side.rows.agg(*sums).collect)[0]
        found |= {(name, column): int(row[index] or 0) for index, column in enumerate(marks)}
    return {key: count for key, count in found.items() if count}


# -- records -----------------------------------------------------------------------------------------------------------


def _mask_of(buckets: Longs, rows: npt.NDArray[Any], share: float, *, spread: bool) -> Longs:
    """Return the mask of the first buckets.

    Args:
        buckets: in an order of which each beginning is a fair sample of the keys.
        rows: of both sides per bucket, in that order.
        share: of the buckets that is wanted; fewer where they hold too many rows.
        spread: take a quarter of each of four times as many, for a sample from more places of the table; where keys are unique.
    """
    enough = min(int(share * buckets.size) + 1, int(np.searchsorted(np.cumsum(rows), _SMALL_FETCH_ROWS)) + 1)
    mask = np.zeros(BUCKETS + NULL_BUCKETS, dtype=np.int64)
    if spread and 4 * enough <= buckets.size:
        mask[buckets[: 4 * enough]] = _EVERY_FOURTH
    else:
        mask[buckets[:enough]] = -1
    return mask


def _proven(sketch: Sketch, tallied: Tally) -> bool:
    """Return whether the differing rows account for the whole difference of the sketch, so that none is missed and none invented.

    Four sums of 32-bit halves over all buckets: a missed or invented row goes unnoticed with a chance of 2⁻⁶⁴ and less.
    """
    rows = int(sketch.source_rows.sum()) - int(sketch.target_rows.sum())
    limbs = tuple(sum(int(value) for value in sums) for sums in sketch.sums)
    return rows == tallied.surplus and limbs == tallied.limbs


def _counts(sketch: Sketch, tallied: Tally) -> dict[str, int]:
    source, target = int(sketch.source_rows.sum()), int(sketch.target_rows.sum())
    rows = {name: tallied.rows.get(name, 0) for name in ("matched_by_rule", "changed", "missing", "extra", "multiplicity")}
    paired = rows["matched_by_rule"] + rows["changed"]
    return {"source_rows": source, "target_rows": target, "matched": source - paired - rows["missing"], **rows}


def _sampling(expected: float, sketch: Sketch, mask: Longs) -> Sampling:
    differing = min(1.0, _SAMPLE_ROWS / expected) if expected > _SAMPLE_ROWS else 1.0
    equal = max(fetched_rows(sketch, mask) / 2 - expected, 1.0)
    return Sampling(differing, min(1.0, CONTEXT_ROWS / equal))


def _result(request: Request, tallied: Tally, counts: Mapping[str, int], mode: str, reason: str, build: Build | None) -> Reconciliation:
    differing = sum(tallied.rows.get(name, 0) for name in ("changed", "missing", "extra", "matched_by_rule"))
    represented = sum(payload["copies"] for payload in tallied.sample)
    zeros = dict.fromkeys(("matched_by_rule", "changed", "missing", "extra", "multiplicity", "duplicate_keys", "null_keys"), 0)

    def pairs(raw: bool) -> DataFrame:
        chosen = build or few(request, np.zeros(BUCKETS + NULL_BUCKETS, dtype=np.int64), Sampling(), unique=False)
        return chosen(raw, False)

    return Reconciliation(
        counts={**zeros, **counts},
        cells=tallied.cells,
        rules=tallied.rules,
        refused={},
        sample=tallied.sample,
        context=tallied.context,
        sampled=represented < differing,
        mode=mode,
        reason=reason,
        seconds={},
        pairs=pairs,
    )
