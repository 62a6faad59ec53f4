"""The probe suspects; what it suspects must lead to the same answer by another way."""

from __future__ import annotations

import struct
from collections.abc import Mapping

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

import engine.reconcile
from engine.columns import Side, plan_columns
from engine.frames import SideFrames
from engine.probe import Probe
from engine.reconcile import Request, probed, reconcile
from schemas.contract import Contract
from schemas.errors import EngineError

_ROWS = 3_000


def _request(source: DataFrame, target: DataFrame, tolerance: Mapping[str, str] | None = None) -> Request:
    contract = Contract(keys=("id",), tolerance=dict(tolerance or {}))
    plan = plan_columns(Side("source", source.schema), Side("target", target.schema), contract)
    return Request(SideFrames(source, plan, True, "64"), SideFrames(target, plan, False, "64"))


def _source(spark: SparkSession) -> DataFrame:
    return spark.range(0, _ROWS, 1, 2).selectExpr("id", "id * 1.5D AS price", "concat('customer ', id) AS name", "1 AS one", "id AS whole")


def _target(spark: SparkSession) -> DataFrame:
    return (
        spark.range(10, _ROWS + 5, 1, 2)
        .selectExpr("id", "id * 1.5D + IF(id % 3 = 0, 0.25D, 0D) AS price", "concat('customer ', IF(id % 2 = 0, -id, id)) AS name")
        .selectExpr("*", "1 AS one", "IF(id % 5 = 0, NULL, id) AS whole")
    )


def test_it_estimates_the_share_that_differs_and_suspects_constants(spark: SparkSession) -> None:
    request = _request(_source(spark), _target(spark))
    found = probed(request)
    names = [column.name for column in request.plan.compared]
    assert [name for name, constant in zip(names, found.constant, strict=True) if constant] == ["one"]
    assert found.shared > 1_000
    assert found.share == pytest.approx(1 - 1 / 2 * 2 / 3 * 4 / 5, abs=0.02)


@pytest.mark.parametrize(("shared", "differing"), [(0, 0), (255, 255), (2_000, 15)])
def test_it_says_nothing_from_too_little(shared: int, differing: int) -> None:
    assert Probe(shared, differing, ()).share == 0


def test_both_ways_give_the_same_answer(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of all rows and more changed: paired at once by value, or found by the sketch; counts, cells and deltas are the same."""
    request = _request(_source(spark), _target(spark), {"price": "abs:0.3"})
    by_sketch = reconcile(request)
    monkeypatch.setattr(engine.reconcile, "_MANY_PER_BUCKET", 0.001)
    at_once = reconcile(_request(_source(spark), _target(spark), {"price": "abs:0.3"}))
    assert (by_sketch.mode, at_once.mode) == ("sketch", "join")
    assert "at once" in at_once.reason
    changed = sum(1 for i in range(10, _ROWS) if i % 2 == 0 or i % 5 == 0)
    assert dict(at_once.counts) == dict(by_sketch.counts)
    assert at_once.counts["changed"] == changed
    assert at_once.counts["matched_by_rule"] == sum(1 for i in range(10, _ROWS) if i % 3 == 0 and i % 2 and i % 5)
    assert dict(at_once.cells) == dict(by_sketch.cells)
    assert dict(at_once.rules) == dict(by_sketch.rules)
    assert len(at_once.sample) > 100
    assert {row["k"] for row in at_once.sample} <= {row["k"] for row in by_sketch.sample}
    assert at_once.pairs(False).where("s IS NULL OR t IS NULL").count() == 15


def test_keys_that_repeat_are_not_joined_at_once(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine.reconcile, "_MANY_PER_BUCKET", 0.001)
    target = _target(spark).unionAll(_target(spark).where("id = 500"))
    found = reconcile(_request(_source(spark), target))
    assert found.mode == "sketch"
    assert (found.counts["duplicate_keys"], found.counts["target_rows"]) == (1, _ROWS - 4)


def test_texts_that_collide_in_xxh64_are_told_apart_when_joined_at_once(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> None:
    """CASES A16: what moves is a hash of the text, which published collisions must not deceive."""
    lanes = [0x0101010101010101 * (i + 1) for i in range(8)]
    crafted = [(lane + {0: 0x0BA79078168D4BAF, 4: 0x9C90005B80000000}.get(i, 0)) % 2**64 for i, lane in enumerate(lanes)]
    pair = [struct.pack("<8Q", *values).hex() for values in (lanes, crafted)]
    monkeypatch.setattr(engine.reconcile, "_MANY_PER_BUCKET", 0.001)
    ours, theirs = (
        spark.range(0, _ROWS, 1, 1).selectExpr("id", f"IF(id = 7, X'{text}', X'00') AS t", f"id + IF(id % 2 = 0, {extra}, 0) AS n")
        for text, extra in zip(pair, (0, 1), strict=True)
    )
    found = reconcile(_request(ours, theirs))
    assert found.mode == "join"
    assert sorted(count for count, _, _ in found.cells.values()) == [1, _ROWS // 2]


def test_a_join_that_finds_nothing_contradicts_the_first_rows(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine.reconcile, "_MANY_PER_BUCKET", 0.001)
    join = engine.reconcile.join_on_number
    monkeypatch.setattr(engine.reconcile, "join_on_number", lambda source, target: join(source, source))
    same_keys = _target(spark).withColumn("id", F.col("id") - 10).where(f"id < {_ROWS}")
    target = same_keys.unionByName(_source(spark).join(same_keys, "id", "left_anti"))
    with pytest.raises(EngineError, match="seen to differ"):
        reconcile(_request(_source(spark).orderBy("id"), target.orderBy("id")))
