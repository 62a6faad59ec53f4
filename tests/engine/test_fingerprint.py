"""The sketch: what it names is checked with sketches made in numpy, what it does not see would be a false PASS."""

from __future__ import annotations

import random

import numpy as np
import numpy.typing as npt
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

import engine.reconcile
from engine.columns import Side, plan_columns
from engine.fingerprint import BUCKETS, NULL_BUCKETS, PLACES, Sketch, fetch_mask, fetched_rows, sketch_side, subtract
from engine.frames import SideFrames
from engine.reconcile import Request, reconcile
from schemas.contract import Contract
from schemas.errors import EngineError

Longs = npt.NDArray[np.int64]
SIZE = BUCKETS + NULL_BUCKETS
MASK = 0xFFFFFFFF
ALL = -1
BITS = BUCKETS.bit_length() - 1


class Table:
    """One side as plain numbers: rows of (key hash, h1, h2)."""

    def __init__(self, rows: list[tuple[int, int, int]]) -> None:
        self.rows = rows

    def columns(self) -> dict[str, Longs]:
        dense = {name: np.zeros(SIZE, dtype=np.int64) for name in ("n", "h1_low", "h1_high", "h2_low", "h2_high", *PLACES)}
        for k, h1, h2 in self.rows:
            bucket, slot = _slot(k)
            for name, value in (("n", 1), ("h1_low", h1 & MASK), ("h1_high", h1 >> 32), ("h2_low", h2 & MASK), ("h2_high", h2 >> 32)):
                dense[name][bucket] += value
            for power, name in enumerate(PLACES, start=1):
                dense[name][bucket] += (h1 >> 32) * slot**power
        used = np.flatnonzero(dense["n"])
        return {"bucket": used, **{name: values[used] for name, values in dense.items()}}


def _sketch(source: Table, target: Table) -> Sketch:
    ours, theirs = source.columns(), target.columns()
    both = {name: np.concatenate([ours[name], theirs[name]]) for name in ours}
    is_source = np.concatenate([np.ones(len(ours["bucket"]), bool), np.zeros(len(theirs["bucket"]), bool)])
    return subtract(both, is_source, np.zeros(len(is_source), bool))


def _random_row(rng: random.Random, k: int | None = None) -> tuple[int, int, int]:
    return (rng.getrandbits(63) if k is None else k, rng.getrandbits(64), rng.getrandbits(64))


def _slot(k: int) -> tuple[int, int]:
    return k & (BUCKETS - 1), (k >> BITS) & 63


def _wanted(mask: Longs, k: int) -> bool:
    bucket, slot = _slot(k)
    return bool((int(mask[bucket]) >> slot) & 1)


def test_equal_tables_differ_nowhere() -> None:
    rng = random.Random(1)
    rows = [_random_row(rng) for _ in range(5000)]
    shuffled = rng.sample(rows, len(rows))
    sketch = _sketch(Table(rows), Table(shuffled))
    assert not sketch.differs.any()
    assert sketch.expected_differences() == 0


@pytest.mark.parametrize("seed", range(5))
def test_every_key_that_differs_is_fetched(seed: int) -> None:
    """Changed, missing, extra and repeated rows, few enough that most buckets hold one: no key may be left out, few others come along."""
    rng = random.Random(seed)
    rows = [_random_row(rng) for _ in range(20_000)]
    other = list(rows)
    concerned = rng.sample(range(len(rows)), 200)
    for index in concerned[:100]:
        other[index] = _random_row(rng, rows[index][0])
    extra = [_random_row(rng) for _ in range(50)]
    repeated = [rows[index] for index in concerned[100:150]]
    gone = set(concerned[150:])
    target = [row for index, row in enumerate(other) if index not in gone] + extra + repeated
    sketch = _sketch(Table(rows), Table(target))
    mask = fetch_mask(sketch)
    differing = [rows[index][0] for index in concerned] + [row[0] for row in extra]
    missed = [k for k in differing if not _wanted(mask, k)]
    # two keys of one bucket may be decoded wrongly together; the proof then fetches the bucket whole
    crowded = {bucket for bucket, _ in map(_slot, differing) if sum(_slot(k)[0] == bucket for k in differing) > 1}
    assert {_slot(k)[0] for k in missed} <= crowded
    whole = fetch_mask(sketch, whole=sketch.differs)
    assert all(_wanted(whole, k) for k in differing)
    assert fetched_rows(sketch, mask) < fetched_rows(sketch, whole) < 3_000
    assert 100 < sketch.expected_differences() < 1_500


def test_one_difference_of_a_bucket_names_its_slot() -> None:
    rng = random.Random(3)
    k = rng.getrandbits(63)
    filler = [_random_row(rng) for _ in range(100_000)]
    sketch = _sketch(Table([*filler, _random_row(rng, k)]), Table([*filler, _random_row(rng, k)]))
    bucket, slot = _slot(k)
    mask = fetch_mask(sketch)
    assert int(mask[bucket]) & (2**64 - 1) == 1 << slot
    assert [int(b) for b in np.flatnonzero(sketch.differs)] == [bucket]


@pytest.mark.parametrize("differing", [2, 3])
@pytest.mark.parametrize("seed", range(20))
def test_few_differences_of_a_bucket_name_their_slots(differing: int, seed: int) -> None:
    """Changed, missing and extra rows in one bucket: just their slots are fetched."""
    rng = random.Random(seed)
    slots = rng.sample(range(64), differing)
    keys = [(slot << BITS) | 17 for slot in slots]
    source = [_random_row(rng, k) for k in keys]
    target = [_random_row(rng, k) for k in keys]
    if seed % 2:
        source, target = source[: seed % 3], target[seed % 3 :]  # each key on one side only
    equal = [_random_row(rng, (rng.getrandbits(40) << BITS) | 18) for _ in range(1000)]  # what explanations compare with
    sketch = _sketch(Table(source + equal), Table(target + equal))
    assert int(fetch_mask(sketch)[17]) & (2**64 - 1) == sum(1 << slot for slot in slots)


def test_more_differences_than_can_be_named_are_fetched_whole() -> None:
    rng = random.Random(7)
    rows = [_random_row(rng, (slot << BITS) | 17) for slot in range(9)]
    assert int(fetch_mask(_sketch(Table(rows), Table([])))[17]) == ALL


def test_slot_63_is_the_sign_bit() -> None:
    rng = random.Random(4)
    k = (63 << BITS) | 17
    sketch = _sketch(Table([_random_row(rng, k)]), Table([]))
    assert int(fetch_mask(sketch)[17]) == -(2**63)


def test_overflowed_sum_is_not_decoded() -> None:
    rng = random.Random(5)
    table = Table([_random_row(rng, 5)])
    columns = table.columns()
    for name in PLACES:
        columns[name][:] = 0
    sketch = subtract(columns, np.ones(1, bool), np.ones(1, bool))
    assert int(fetch_mask(sketch)[5]) == ALL


def test_null_keys_are_fetched_whole() -> None:
    rows = np.zeros(SIZE, dtype=np.int64)
    rows[BUCKETS + 3] = 1
    sums = np.zeros((4, SIZE), dtype=np.int64)
    sums[:, BUCKETS + 3] = 12345
    sketch = Sketch(rows, np.zeros_like(rows), sums, np.zeros((3, SIZE), dtype=np.int64), np.ones(SIZE, bool))
    assert int(fetch_mask(sketch)[BUCKETS + 3]) == ALL
    assert sketch.null_key_rows == 1


def test_bucket_with_equal_sums_of_h1_is_still_different() -> None:
    """h1 alone may collide; any of the four sums is enough."""
    sketch = _sketch(Table([(5, 7, 8)]), Table([(5, 7, 9)]))
    assert [int(b) for b in np.flatnonzero(sketch.differs)] == [5]
    assert int(fetch_mask(sketch)[5]) == ALL


def test_sketch_of_spark_is_the_sketch_of_numpy(spark: SparkSession) -> None:
    frame = spark.range(3000).selectExpr(
        "id",
        "xxhash64(id) AS k",
        "xxhash64(id, 1L) AS h1",
        "xxhash64(id, 2L) AS h2",
        f"CAST(xxhash64(id) & {BUCKETS - 1} AS INT) AS bucket",
    )
    rows = [tuple(value & (2**64 - 1) for value in (row.k, row.h1, row.h2)) for row in frame.collect()]
    expected = Table([(k, h1, h2) for k, h1, h2 in rows]).columns()
    found = {row.bucket: row for row in sketch_side(frame.drop("id")).collect()}
    assert sorted(found) == expected["bucket"].tolist()
    for index, bucket in enumerate(expected["bucket"].tolist()):
        for name in ("n", "h1_low", "h1_high", "h2_low", "h2_high", *PLACES):
            assert found[bucket][name] == int(expected[name][index])


@pytest.mark.slow
def test_hundred_runs_over_shuffled_rows_give_one_sketch(spark: SparkSession) -> None:
    """100 permutations in 100 numbers of partitions, side by side; the sums of each are the same to the bit."""
    base = spark.range(1000).selectExpr("id", "IF(id % 7 = 0, NULL, concat('v', id)) AS v", "id / 7D AS f", "map('a', id) AS m")
    plan = plan_columns(Side("source", base.schema), Side("target", base.schema), Contract(keys=("id",)))
    union = None
    for run in range(100):
        shuffled = base.repartition(1 + run % 13, F.xxhash64(F.col("id"), F.lit(run))).sortWithinPartitions(
            F.xxhash64(F.lit(run), F.col("id"))
        )
        sums = sketch_side(SideFrames(shuffled, plan, True, "64").hashed().select("k", "h1", "h2", "bucket"))
        one = (
            sums.select(F.lit(run).alias("run"), F.hash(*sums.columns).alias("h"))
            .groupBy("run")
            .agg(F.sum("h").alias("h"), F.count("h").alias("n"))
        )
        union = one if union is None else union.unionAll(one)
        if run % 10 == 9:
            found = {(row.h, row.n) for row in union.collect()}
            assert len(found) == 1
            union = None


def _request(spark: SparkSession) -> Request:
    source = spark.range(5000).selectExpr("id", "id AS v")
    target = spark.range(5000).selectExpr("id", "IF(id % 50 = 0, -id, id) AS v")
    plan = plan_columns(Side("source", source.schema), Side("target", target.schema), Contract(keys=("id",)))
    return Request(SideFrames(source, plan, True, "64"), SideFrames(target, plan, False, "64"))


def test_a_wrong_decoding_is_noticed_and_repaired(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mask that misses half of the buckets leaves a proof that does not add up: everything is fetched instead."""
    calls = []

    def broken(sketch: Sketch, whole: npt.NDArray[np.bool_] | None = None) -> Longs:
        calls.append(whole)
        mask = fetch_mask(sketch, whole)
        if whole is None:
            mask[::2] = 0
        return mask

    monkeypatch.setattr(engine.reconcile, "fetch_mask", broken)
    found = reconcile(_request(spark))
    assert len(calls) == 2
    assert (found.counts["changed"], found.counts["matched"]) == (99, 4901)


def test_a_list_that_stays_incomplete_is_no_result(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine.reconcile, "fetch_mask", lambda sketch, whole=None: np.zeros(SIZE, dtype=np.int64))
    with pytest.raises(EngineError, match="do not add up"):
        reconcile(_request(spark))
