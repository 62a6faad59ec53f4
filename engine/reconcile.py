"""The funnel: the one module of the engine that starts Spark jobs.

    sketch (one scan per side) → equal: done
                               → differences: fetch the rows of the slots that differ → pair → cells → records
                               → too many of them: pair all rows of the buckets that differ

Proof of completeness: the rows reported as differing, taken from the sketch, leave zero in every bucket. If they do not, the
buckets concerned are fetched whole; if that does not help either, the run stops: it contradicts itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.aggregates import LIMBS, ROW_COUNTS, Cells, Sampling, is_context, tally
from engine.columns import ColumnPlan
from engine.fingerprint import BUCKETS, NULL_BUCKETS, Sketch, fetch_mask, fetched_rows, sketch_side, subtract
from engine.frames import SideFrames, step_plan
from engine.keydiff import join_unique, match_multisets
from schemas.errors import EngineError

__all__ = ["Progress", "Reconciliation", "Request", "reconcile"]

Progress = Callable[[str], None]
Longs = npt.NDArray[np.int64]

_SMALL_FETCH_ROWS = 1_500_000  # both sides; beyond it pairing by windows costs more than the hash join
_SAMPLE_ROWS = 4_000
_CONTEXT_ROWS = 400
_SUMS = ("h1_low", "h1_high", "h2_low", "h2_high")
_DUPLICATES_MARK = -1


@dataclass(frozen=True)
class Request:
    """What is to be compared, and how.

    Attributes:
        source, target: the two sides.
        one_pass: read each side once and pair all rows at once, since a second scan is dear or sums are not proof enough; the reason.
    """

    source: SideFrames
    target: SideFrames
    one_pass: str | None = None

    @property
    def plan(self) -> ColumnPlan:
        """What is compared."""
        return self.source.plan

    @property
    def keyed(self) -> bool:
        """Whether rows are paired by a key."""
        return bool(self.plan.keys)


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
        buckets: rows that differ per bucket, for charts.
        seconds: per phase.
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
    more scan per side; many, one shuffle of both sides.

    Raises:
        EngineError: the result contradicts the sketch.
    """
    clock = _Clock()
    refused = _refusals(request, clock, progress)
    found = _one_pass(request, clock, progress) if request.one_pass else _funnel(request, clock, progress)
    return replace(found, refused=refused, seconds=dict(clock.seconds))


# -- the funnel --------------------------------------------------------------------------------------------------------


def _funnel(request: Request, clock: _Clock, progress: Progress) -> Reconciliation:
    progress("fingerprints")
    sketch, unique = clock.measure("fingerprints", lambda: _sketch(request))
    differs = sketch.differs
    duplicates = 0 if unique or not request.keyed else clock.measure("duplicates", lambda: _duplicate_keys(request.source))
    if not differs.any():
        rows = int(sketch.source_rows.sum())
        counts = {"source_rows": rows, "target_rows": rows, "matched": rows}
        counts |= {"duplicate_keys": duplicates, "null_keys": sketch.null_key_rows if request.keyed else 0}
        reason = "the fingerprints of both sides are equal in every bucket; no row had to be moved"
        return _result(request, _Tally(), counts, "fingerprint", reason, None)
    return _localise(request, sketch, duplicates, duplicates == 0, clock, progress)


def _localise(request: Request, sketch: Sketch, duplicates: int, source_unique: bool, clock: _Clock, progress: Progress) -> Reconciliation:
    mask = fetch_mask(sketch)
    rows = fetched_rows(sketch, mask)
    total = int(sketch.source_rows.sum() + sketch.target_rows.sum())
    sampling = _sampling(sketch.expected_differences(), sketch, mask)
    progress("differences")
    if rows <= _SMALL_FETCH_ROWS:
        mode, reason = "sketch", f"few differences: {rows:,} of {total:,} rows had to be read again to find them all"
        build = _few(request, mask, sampling)
        tallied = clock.measure("differences", lambda: _tally(request, build, sampling))
        if not _proven(sketch, tallied):
            build = _few(request, fetch_mask(sketch, whole=sketch.differs), sampling)
            tallied = clock.measure("differences", lambda: _tally(request, build, sampling))
        if request.keyed and (sketch.null_key_rows or any(column.steps for column in request.plan.key_columns)):
            # Rows of one such key lie in several buckets, of which only those that differ were fetched.
            tallied.rows["duplicate_only_target"] = clock.measure("duplicates", lambda: _duplicates_of_target_only(request))
    else:
        mode, reason = "join", f"many differences: about {rows:,} of {total:,} rows had to be paired to find them all"
        target_unique = request.keyed and clock.measure("duplicates", lambda: _is_unique(request.target))
        build = _many(request, sketch, source_unique and target_unique)
        tallied = clock.measure("differences", lambda: _tally(request, build, None))
        some = _sample_mask(sketch)
        few = Sampling(1.0, min(1.0, 2 * _CONTEXT_ROWS / max(fetched_rows(sketch, some), 1)))
        seen = clock.measure("sample", lambda: _tally(request, _few(request, some, few), few))
        tallied.sample, tallied.context = seen.sample, seen.context
        if request.keyed and not target_unique:
            tallied.rows["duplicate_only_target"] = clock.measure("duplicates", lambda: _duplicates_of_target_only(request))
    if not _proven(sketch, tallied):
        raise EngineError(
            "The differences found do not add up to the difference of the fingerprints; no verdict is given.",
            hint="Run parity selftest in this session; if it passes, the inputs changed during the run.",
        )
    counts = _counts(sketch, tallied)
    counts["duplicate_keys"] = duplicates + tallied.rows.get("duplicate_only_target", 0)
    counts["null_keys"] = sketch.null_key_rows if request.keyed else 0
    return _result(request, tallied, counts, mode, reason, build)


def _few(request: Request, mask: Longs, sampling: Sampling) -> _Build:
    def build(raw: bool, with_matched: bool) -> DataFrame:
        rows = request.source.candidates(mask, raw=raw)
        other = request.target.candidates(mask, raw=raw)
        return _matched_up(request, rows, other, raw=raw, with_matched=with_matched, kept=is_context(sampling))

    return build


def _many(request: Request, sketch: Sketch, unique: bool) -> _Build:
    """Return how to pair a large part of all rows: by hash join when keys are unique, else as multisets."""
    every = np.where(sketch.differs, -1, 0).astype(np.int64)
    restricted = fetched_rows(sketch, every) < 0.7 * (sketch.source_rows.sum() + sketch.target_rows.sum())

    def build(raw: bool, with_matched: bool) -> DataFrame:
        mask = every if restricted else None
        rows = request.source.candidates(mask, raw=raw)
        other = request.target.candidates(mask, raw=raw)
        if unique and not _ruled(request):
            if raw:
                rows, other = _both_raw(rows, other)
            return join_unique(rows, other, _key_fields(request))
        return _matched_up(request, rows, other, raw=raw, with_matched=False)

    return build


def _matched_up(
    request: Request, source: DataFrame, target: DataFrame, *, raw: bool, with_matched: bool, kept: Column | None = None
) -> DataFrame:
    if raw:
        source, target = _both_raw(source, target)
    both = source.unionByName(target)
    return match_multisets(
        both,
        _key_fields(request),
        keyed=request.keyed,
        ruled=_ruled(request),
        with_matched=with_matched,
        kept=kept,
        one_sided=("raw_source", "raw_target") if raw else (),
    )


def _both_raw(source: DataFrame, target: DataFrame) -> tuple[DataFrame, DataFrame]:
    """Give each side the other's declared row as a typed NULL, so that both have one schema."""
    ours, theirs = source.schema["v"].dataType, target.schema["v"].dataType
    assert isinstance(ours, T.StructType) and isinstance(theirs, T.StructType)

    def with_both(frame: DataFrame, own: str, other: str, other_type: T.DataType) -> DataFrame:
        value = F.col("v").withField(own, F.col("v").getField("raw")).withField(other, F.lit(None).cast(other_type)).dropFields("raw")
        ordered = F.struct(*(value.getField(name).alias(name) for name in [*shared, "raw_source", "raw_target"]))
        return frame.withColumn("v", ordered)

    shared = [name for name in ours.names if name != "raw"]
    return (
        with_both(source, "raw_source", "raw_target", theirs["raw"].dataType),
        with_both(target, "raw_target", "raw_source", ours["raw"].dataType),
    )


_Build = Callable[[bool, bool], DataFrame]


def _ruled(request: Request) -> bool:
    return any(column.steps for column in request.plan.compared)


def _key_fields(request: Request) -> list[str]:
    """Return the fields of `v` that make the key, under its normalisers where it has some."""
    fields = []
    for index, column in enumerate(request.plan.compared):
        if column.is_key:
            fields.append(f"r{index}_{len(column.steps) - 1}" if column.steps else f"c{index}")
    return fields


# -- one pass ----------------------------------------------------------------------------------------------------------


def _one_pass(request: Request, clock: _Clock, progress: Progress) -> Reconciliation:
    """Pair all rows of both sides in one job."""
    progress("differences")

    def build(raw: bool, with_matched: bool) -> DataFrame:
        return _matched_up(
            request, request.source.candidates(None, raw=raw), request.target.candidates(None, raw=raw), raw=raw, with_matched=True
        )

    counted = clock.measure("counts", lambda: _row_counts(request))
    expected = max(counted["source"] + counted["target"], 1)
    sampling = Sampling(min(1.0, _SAMPLE_ROWS / expected), min(1.0, _CONTEXT_ROWS / expected))
    tallied = clock.measure("differences", lambda: _tally(request, build, sampling))
    differing = sum(tallied.rows.get(name, 0) for name in ("changed", "missing", "extra", "matched_by_rule"))
    if sampling.differing < 1 and len(tallied.sample) < min(differing, _SAMPLE_ROWS // 4):
        better = Sampling(min(1.0, _SAMPLE_ROWS / differing), sampling.equal)
        tallied = clock.measure("differences", lambda: _tally(request, build, better))
    rows = tallied.rows
    shared = rows.get("matched", 0) + rows.get("matched_by_rule", 0) + rows.get("changed", 0)
    counts = {
        "source_rows": counted["source"],
        "target_rows": counted["target"],
        "null_keys": counted["null_keys"],
        "duplicate_keys": rows.get("duplicate_keys", 0),
        "matched": rows.get("matched", 0),
    }
    counts |= {name: rows.get(name, 0) for name in ("matched_by_rule", "changed", "missing", "extra", "multiplicity")}
    if shared + rows.get("missing", 0) != counted["source"] or shared + rows.get("extra", 0) != counted["target"]:
        raise EngineError(
            f"The rows paired ({shared + rows.get('missing', 0):,} and {shared + rows.get('extra', 0):,}) are not the rows counted "
            f"({counted['source']:,} and {counted['target']:,}); no verdict is given.",
            hint="If the inputs did not change during the run, this is a fault of Spark or Parity: please report it.",
        )
    assert request.one_pass is not None
    return _result(request, tallied, counts, "one_pass", request.one_pass, build)


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


def _sketch(request: Request) -> tuple[Sketch, bool]:
    """Return the sketch of both sides, and whether the source's keys are known to be unique; one job."""
    sides = []
    for side in (request.source, request.target):
        hashed = side.hashed().select("k", "h1", "h2", "bucket")
        sides.append(sketch_side(hashed).withColumn("is_source", F.lit(side.on_source)))
    union = sides[0].unionAll(sides[1])
    if request.keyed:
        union = union.unionAll(_uniqueness(request.source))
    collected = union.toArrow()
    marks = np.asarray(collected["bucket"]) == _DUPLICATES_MARK
    table = collected.filter(pa.array(~marks))
    overflowed = np.asarray(table["located"].is_null())
    located = table["located"].fill_null(0)
    columns = {name: np.asarray(table[name]).astype(np.int64) for name in ("bucket", "n", *_SUMS)}
    columns["located"] = np.asarray(located).astype(np.int64)
    unique = True
    if request.keyed:
        proof = collected.filter(pa.array(marks)).to_pylist()[0]
        unique = (proof["n"] or 0) == (proof["h1_low"] or 0)
    return subtract(columns, np.asarray(table["is_source"]).astype(np.bool_), overflowed), unique


def _single_integral_key(side: SideFrames) -> Column | None:
    """Return the physical key as a bigint when it is one column of whole numbers, days or instants."""
    keys = [(index, column) for index, column in enumerate(side.plan.compared) if column.is_key]
    if len(keys) != 1 or keys[0][1].parsed or keys[0][1].steps:
        return None
    index, column = keys[0]
    value = F.col(f"c{index}")
    return value if isinstance(column.type, T.LongType) else None


def _uniqueness(side: SideFrames) -> DataFrame:
    """Return one row shaped like a bucket: `n` key rows, `h1_low` distinct keys (a lower bound is enough to tell uniqueness).

    Reads the key columns only. Whole numbers set bits in words of 64, which for dense keys is a hundredth of a distinct count;
    NULLs set none, so a table that has some is looked at again by `_duplicate_keys`.
    """
    number = _single_integral_key(side)
    if number is not None:
        words = side.physical().select(number.alias("key"))
        word = F.shiftright("key", 6).alias("word")
        bit = F.call_function("shiftleft", F.lit(1).cast("bigint"), F.col("key").bitwiseAND(F.lit(63)).cast("int"))
        grouped = words.groupBy(word).agg(F.bit_or(bit).alias("bits"), F.count(F.lit(1)).alias("n"))
        summed = grouped.agg(F.sum("n").alias("n"), F.sum(F.bit_count("bits").cast("bigint")).alias("h1_low"))
    else:
        grouped = _keys_of(side).groupBy("k").agg(F.count(F.lit(1)).alias("n"))
        summed = grouped.agg(F.sum("n").alias("n"), F.count(F.lit(1)).alias("h1_low"))
    zero = F.lit(0).cast("bigint")
    return summed.select(
        F.lit(_DUPLICATES_MARK).alias("bucket"),
        "n",
        "h1_low",
        *(zero.alias(name) for name in ("h1_high", "h2_low", "h2_high", "located")),
        F.lit(side.on_source).alias("is_source"),
    )


def _keys_of(side: SideFrames) -> DataFrame:
    """Return the key hash of every row, under the key's normalisers where it has some."""
    if any(column.is_key and column.steps for column in side.plan.compared):
        return side.candidates(None).select("k")
    return side.hashed().select("k")


def _is_unique(side: SideFrames) -> bool:
    row = _uniqueness(side).collect()[0]
    return (row.n or 0) == (row.h1_low or 0) or _duplicate_keys(side) == 0


def _duplicate_keys(side: SideFrames) -> int:
    """Return how many distinct keys have more than one row; reads the key columns, one shuffle of key hashes."""
    grouped = _keys_of(side).groupBy("k").agg(F.count(F.lit(1)).alias("n")).where(F.col("n") > 1)
    return int(grouped.agg(F.count(F.lit(1)).alias("keys")).collect()[0]["keys"])


def _duplicates_of_target_only(request: Request) -> int:
    sides = [
        _keys_of(side).groupBy("k").agg(F.count(F.lit(1)).alias("n")).where(F.col("n") > 1).select("k", F.lit(side.on_source).alias("s"))
        for side in (request.source, request.target)
    ]
    keys = sides[0].unionAll(sides[1]).groupBy("k").agg(F.bool_or("s").alias("in_source"))
    return int(keys.where(~F.col("in_source")).agg(F.count(F.lit(1)).alias("n")).collect()[0]["n"])


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


@dataclass
class _Tally:
    """The collected sums, sorted out."""

    rows: dict[str, int] = field(default_factory=dict)
    surplus: int = 0
    limbs: tuple[int, ...] = (0, 0, 0, 0)
    cells: dict[tuple[int, str], tuple[int, float | None, float | None]] = field(default_factory=dict)
    rules: dict[tuple[int, str], int] = field(default_factory=dict)
    sample: list[dict[str, Any]] = field(default_factory=list)
    context: list[dict[str, Any]] = field(default_factory=list)


def _sample_mask(sketch: Sketch) -> Longs:
    """Return the mask of as many whole buckets as hold about the wanted number of differing rows, lowest first.

    Buckets are parts of the key's hash, so this is a uniform sample of the keys, the same in every run.
    """
    differing = np.flatnonzero(sketch.differs)
    per_bucket = max(sketch.expected_differences() / max(differing.size, 1), 1.0)
    rows = np.cumsum((sketch.source_rows + sketch.target_rows)[differing])
    enough = min(int(_SAMPLE_ROWS / per_bucket) + 1, int(np.searchsorted(rows, _SMALL_FETCH_ROWS)) + 1)
    mask = np.zeros(sketch.source_rows.size, dtype=np.int64)
    mask[differing[:enough]] = -1
    return mask


def _tally(request: Request, build: _Build, sampling: Sampling | None) -> _Tally:
    """Run the one job that pairs, classifies, counts and samples."""
    cells = Cells.of(request.plan, [step_plan(column).compared for column in request.plan.compared])
    collected = tally(build(False, True), cells, sampling).toArrow()
    found = _Tally()
    found.rows = {name: _total(collected, name) for name in ROW_COUNTS}
    found.surplus = _total(collected, "surplus")
    found.limbs = tuple(_total(collected, name) for name in LIMBS)
    for view, classes, resolved in zip(cells.views, cells.classes, cells.resolved, strict=True):
        i = view.position
        largest = tuple(_maximum(collected, f"{name}{i}") for name in "ad")
        for code, class_ in enumerate(classes):
            if count := _total(collected, f"n{i}_{code}"):
                found.cells[i, class_] = (count, largest[0], largest[1])
            if code < resolved and (rows := _total(collected, f"r{i}_{code}")):
                found.rules[i, class_] = rows
    for row in () if sampling is None else collected.select(["payload", *ROW_COUNTS[:5]]).to_pylist():
        payload = row.pop("payload")
        if payload is None:
            continue
        payload["copies"] = sum(row.values())  # pairs with equal values are one group
        codes = payload.pop("codes")
        payload["cells"] = [(i, cells.classes[i][code]) for i, code in enumerate(codes) if code is not None]
        (found.context if payload["row_class"] == "matched" else found.sample).append(payload)
    for payloads in (found.sample, found.context):
        payloads.sort(key=lambda payload: (payload["k"], payload["h1s"] or 0, payload["h1t"] or 0, payload["row_class"]))
    return found


def _total(collected: pa.Table, name: str) -> int:
    """Return the exact sum of a column, which may leave 64 bits."""
    return sum(value or 0 for value in collected[name].to_pylist())


def _maximum(collected: pa.Table, name: str) -> float | None:
    if name not in collected.column_names:
        return None
    values = [value for value in collected[name].to_pylist() if value is not None]
    return max(values) if values else None


def _proven(sketch: Sketch, tallied: _Tally) -> bool:
    """Return whether the differing rows account for the whole difference of the sketch, so that none is missed and none invented.

    Four sums of 32-bit halves over all buckets: a missed or invented row goes unnoticed with a chance of 2⁻⁶⁴ and less.
    """
    rows = int(sketch.source_rows.sum()) - int(sketch.target_rows.sum())
    limbs = tuple(sum(int(value) for value in sums) for sums in sketch.sums)
    return rows == tallied.surplus and limbs == tallied.limbs


def _counts(sketch: Sketch, tallied: _Tally) -> dict[str, int]:
    source, target = int(sketch.source_rows.sum()), int(sketch.target_rows.sum())
    rows = {name: tallied.rows.get(name, 0) for name in ("matched_by_rule", "changed", "missing", "extra", "multiplicity")}
    paired = rows["matched_by_rule"] + rows["changed"]
    return {"source_rows": source, "target_rows": target, "matched": source - paired - rows["missing"], **rows}


def _sampling(expected: float, sketch: Sketch, mask: Longs) -> Sampling:
    differing = min(1.0, _SAMPLE_ROWS / expected) if expected > _SAMPLE_ROWS else 1.0
    equal = max(fetched_rows(sketch, mask) / 2 - expected, 1.0)
    return Sampling(differing, min(1.0, _CONTEXT_ROWS / equal))


def _result(request: Request, tallied: _Tally, counts: Mapping[str, int], mode: str, reason: str, build: _Build | None) -> Reconciliation:
    differing = sum(tallied.rows.get(name, 0) for name in ("changed", "missing", "extra", "matched_by_rule"))
    represented = sum(payload["copies"] for payload in tallied.sample)
    zeros = dict.fromkeys(("matched_by_rule", "changed", "missing", "extra", "multiplicity", "duplicate_keys", "null_keys"), 0)

    def pairs(raw: bool) -> DataFrame:
        chosen = build or _few(request, np.zeros(BUCKETS + NULL_BUCKETS, dtype=np.int64), Sampling())
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
