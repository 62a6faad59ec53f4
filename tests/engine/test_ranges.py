"""Buckets that are ranges of the key: what is left unread must hold no difference."""

from __future__ import annotations

import itertools
import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyspark.sql import DataFrame, SparkSession

from engine.columns import Side, plan_columns
from engine.fingerprint import BUCKETS
from engine.frames import SideFrames
from engine.ranges import KeySpan
from engine.reconcile import Reconciliation, Request, key_span, reconcile
from schemas.contract import Contract

_ROWS = 40_000


@given(
    lowest=st.integers(-(2**61), 2**61),
    span=st.integers(BUCKETS, BUCKETS * 300),
    wanted=st.lists(st.tuples(st.integers(0, BUCKETS - 1), st.integers(1, 200)), max_size=90),
    data=st.data(),
)
def test_ranges_hold_every_key_of_the_buckets_and_not_much_else(
    lowest: int, span: int, wanted: list[tuple[int, int]], data: st.DataObject
) -> None:
    keys = KeySpan(span, span, lowest, lowest + span - 1)
    spacing = keys.spacing(BUCKETS)
    assert spacing is not None
    mask = np.zeros(BUCKETS, dtype=bool)
    for first, length in wanted:
        mask[first : first + length] = True
    ranges = keys.ranges_of(mask, spacing)
    if ranges is None:
        return
    assert len(ranges) <= 64
    assert all(one[1] < other[0] for one, other in itertools.pairwise(ranges))
    for _ in range(20):
        key = data.draw(st.integers(lowest, lowest + span - 1))
        if mask[(key >> spacing) & (BUCKETS - 1)]:
            assert any(first <= key <= last for first, last in ranges)
    if len(ranges) < 64:
        for first, last in ranges:
            assert all(mask[(cell) & (BUCKETS - 1)] for cell in range(first >> spacing, (last >> spacing) + 1))


def test_all_keys_fill_the_buckets_once() -> None:
    for span in (BUCKETS, BUCKETS + 1, 8_000_000, 2**31):
        keys = KeySpan(span, span, 0, span - 1)
        spacing = keys.spacing(BUCKETS)
        assert spacing is not None
        assert BUCKETS // 2 < ((span - 1) >> spacing) + 1 <= BUCKETS


@pytest.mark.parametrize(
    "keys",
    [
        pytest.param(KeySpan(0, 0, 0, -1), id="none"),
        pytest.param(KeySpan(1000, 1000, 0, 1000), id="few"),
        pytest.param(KeySpan(10**6, 10**6, 0, 10**9), id="far apart"),
        pytest.param(KeySpan(10**6, 10**6, 2**63 - 10**6, 2**63 - 1), id="at the end of the type"),
    ],
)
def test_keys_that_do_not_fit_are_bucketed_by_hash(keys: KeySpan) -> None:
    assert keys.spacing(BUCKETS) is None


def test_ranges_over_most_of_the_span_are_no_ranges() -> None:
    keys = KeySpan(10**6, 10**6, 0, 10**6 - 1)
    spacing = keys.spacing(BUCKETS)
    assert spacing is not None
    assert keys.ranges_of(np.ones(BUCKETS, dtype=bool), spacing) is None
    assert keys.ranges_of(np.zeros(BUCKETS, dtype=bool), spacing) == []


def _source(spark: SparkSession) -> DataFrame:
    return spark.range(-100, _ROWS - 100, 1, 3).selectExpr("id", "id * 3 AS n", "concat('name ', id % 17) AS t")


def _reconciled(source: DataFrame, target: DataFrame) -> Reconciliation:
    plan = plan_columns(Side("source", source.schema), Side("target", target.schema), Contract(keys=("id",)))
    return reconcile(Request(SideFrames(source, plan, True, "64"), SideFrames(target, plan, False, "64")))


def test_the_span_of_keys_is_seen(spark: SparkSession) -> None:
    def span_of(frame: DataFrame) -> KeySpan | None:
        plan = plan_columns(Side("source", frame.schema), Side("target", frame.schema), Contract(keys=("id",)))
        return key_span(SideFrames(frame, plan, True, "64"))

    source = _source(spark)
    span = span_of(source)
    assert span is not None
    assert (span.rows, span.distinct, span.unique) == (_ROWS, _ROWS, True)
    assert -100 - 63 <= span.lowest <= -100
    assert _ROWS - 101 <= span.highest <= _ROWS - 101 + 63
    assert span_of(source.where("false")) == KeySpan(0, 0, 0, -1)
    repeated = span_of(source.unionAll(source.where("id < 0")))
    assert repeated is not None
    assert (repeated.rows, repeated.distinct, repeated.unique) == (_ROWS + 100, _ROWS, False)
    assert span_of(source.selectExpr("IF(id = 5, NULL, id) AS id")) is None


@pytest.mark.parametrize("seed", range(3))
def test_changes_that_lie_together_are_all_found_without_reading_the_rest(spark: SparkSession, seed: int) -> None:
    """Changed, missing and extra rows, near each other, at both ends, and beyond the keys of the source on both sides."""
    rng = random.Random(seed)
    middle = rng.randrange(1000, _ROWS - 2000)
    changed = f"id BETWEEN {middle} AND {middle + 200} OR id IN (-100, {_ROWS - 101})"
    kept = f"id NOT BETWEEN {middle + 300} AND {middle + 310}"
    target = _source(spark).where(kept).selectExpr("id", f"IF({changed}, -n - 1, n) AS n", "t")
    beyond = spark.sql("SELECT id, 0L AS n, 'x' AS t FROM VALUES (-5000L), (-101L), (39900L), (90000L), (9000000000000L) AS v(id)")
    found = _reconciled(_source(spark), target.unionAll(beyond))
    assert found.mode == "sketch"
    counts = {name: found.counts[name] for name in ("changed", "missing", "extra", "matched")}
    assert counts == {"changed": 203, "missing": 11, "extra": 5, "matched": _ROWS - 214}
    assert found.pairs(False).where("s IS NULL OR t IS NULL").count() == 16
    assert len(found.context) > 50
    # what equal rows are shown lies all over the table, not beside the differences
    assert len({row["s"]["c0"] // 10_000 for row in found.context}) >= 4


def test_the_files_are_asked_for_ranges_only(spark: SparkSession, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _source(spark).write.parquet(str(tmp_path / "t"))
    rows = spark.read.parquet(str(tmp_path / "t"))
    plan = plan_columns(Side("source", rows.schema), Side("target", rows.schema), Contract(keys=("id",)))
    side = SideFrames(rows, plan, True, "64")
    span = key_span(side)
    assert span is not None
    side = side.spaced(span.spacing(BUCKETS))
    assert side.spacing is not None
    mask = np.zeros(BUCKETS + 1024, dtype=np.int64)
    mask[(2000 >> side.spacing) & (BUCKETS - 1)] = -1
    read = side.candidates(mask, span)
    assert sorted(row.v.c0 for row in read.collect()) == [
        key for key in range(-100, _ROWS - 100) if key >> side.spacing == 2000 >> side.spacing
    ]
    read.explain()
    assert "GreaterThanOrEqual(id" in capsys.readouterr().out
