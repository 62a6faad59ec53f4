"""The funnel: which way it goes, what it counts, and that Spark jobs stay few."""

from __future__ import annotations

from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

import engine.reconcile
from engine.columns import ColumnPlan, Side, plan_columns
from engine.differences import difference_cells
from engine.evidence import evidence_of
from engine.frames import SideFrames, quoted
from engine.profile import candidate_keys, constant_columns, distinct_sketches, is_unique_key
from engine.reconcile import Reconciliation, Request, probed, reconcile
from schemas.contract import Contract


def _request(source: DataFrame, target: DataFrame, one_pass: str | None = None, **contract: Any) -> tuple[Request, ColumnPlan]:
    described = Contract(**contract)
    plan = plan_columns(Side("source", source.schema), Side("target", target.schema), described)
    sides = [SideFrames(frame, plan, on_source, described.strength) for frame, on_source in ((source, True), (target, False))]
    return Request(sides[0], sides[1], one_pass), plan


def _reconciled(source: DataFrame, target: DataFrame, one_pass: str | None = None, **contract: Any) -> Reconciliation:
    return reconcile(_request(source, target, one_pass, **contract)[0])


def test_equal_sides_need_fingerprints_only(spark: SparkSession) -> None:
    frame = spark.range(100).selectExpr("id", "id AS v")
    found = _reconciled(frame, frame, keys=("id",))
    assert found.mode == "fingerprint"
    assert (found.counts["matched"], found.counts["duplicate_keys"]) == (100, 0)
    assert set(found.seconds) == {"first rows", "fingerprints"}
    assert not found.sampled and not found.cells


def test_duplicates_of_equal_sides_are_counted(spark: SparkSession) -> None:
    frame = spark.range(100).selectExpr("id % 40 AS id", "id AS v")
    assert _reconciled(frame, frame, keys=("id",)).counts["duplicate_keys"] == 40
    negative = spark.range(100).selectExpr("-(id % 40) - 1 AS id", "id AS v")
    assert _reconciled(negative, negative, keys=("id",)).counts["duplicate_keys"] == 40


@pytest.mark.parametrize(
    "key", ["id", "CAST(id AS STRING)", "date_add(DATE'2024-01-01', CAST(id AS INT))", "id / 3D", "CAST(id AS DECIMAL(30, 2))"]
)
def test_keys_of_every_kind_are_told_unique(spark: SparkSession, key: str) -> None:
    frame = spark.range(300).selectExpr(f"{key} AS id", "1 AS v")
    assert _reconciled(frame, frame, keys=("id",)).counts["duplicate_keys"] == 0


def test_many_differences_join(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine.reconcile, "_SMALL_FETCH_ROWS", 10)
    source = spark.range(1000).selectExpr("id", "id AS v", "'x' AS w")
    target = spark.range(10, 1010).selectExpr("id", "IF(id % 2 = 0, -id, id) AS v", "'x' AS w")
    request, plan = _request(source, target, keys=("id",))
    found = reconcile(request)
    assert found.mode == "join"
    assert [found.counts[name] for name in ("matched", "changed", "missing", "extra", "multiplicity")] == [495, 495, 10, 10, 0]
    classes = {
        (row.row_class, row.column): row["count"] for row in difference_cells(found, plan).groupBy("row_class", "column").count().collect()
    }
    assert classes == {("changed", "v"): 495, ("missing", None): 10, ("extra", None): 10}


def test_conservation_holds_for_every_way(spark: SparkSession) -> None:
    source = spark.range(500).selectExpr("id % 90 AS id", "id % 7 AS v")
    target = spark.range(480).selectExpr("id % 97 AS id", "id % 5 AS v")
    results = [_reconciled(source, target, way, keys=("id",)).counts for way in (None, "one pass")]
    for counts in results:
        shared = counts["matched"] + counts["matched_by_rule"] + counts["changed"]
        assert (shared + counts["missing"], shared + counts["extra"]) == (500, 480)
        assert (counts["source_rows"], counts["target_rows"]) == (500, 480)
    assert dict(results[0]) == dict(results[1])


def test_values_that_have_no_common_form_are_counted(spark: SparkSession) -> None:
    source = spark.sql("SELECT 1 AS id, CAST(repeat('9', 38) AS DECIMAL(38, 0)) AS v")
    target = spark.sql("SELECT 1 AS id, CAST(1 AS DECIMAL(38, 20)) AS v")
    assert dict(_reconciled(source, target, keys=("id",)).refused) == {("source", "v"): 1}


def test_strengths_find_the_same(spark: SparkSession) -> None:
    source = spark.range(200).selectExpr("id", "concat('v', id) AS v")
    target = spark.range(200).selectExpr("id", "concat('v', IF(id = 7, 8, id)) AS v")
    for strength in ("64", "128", "sha256"):
        assert _reconciled(source, target, keys=("id",), strength=strength).counts["changed"] == 1


def test_evidence_holds_values_and_context(spark: SparkSession) -> None:
    source = spark.sql(
        "SELECT * FROM VALUES (1, DATE'2024-01-01', 1.50BD, 'a'), (2, NULL, 2.50BD, 'b'), (3, NULL, 0BD, 'c') AS t(id, d, n, s)"
    )
    target = spark.sql(
        "SELECT * FROM VALUES (1, DATE'2024-01-02', 1.50BD, 'a'), (2, NULL, 2.50BD, 'b'), (4, NULL, 0BD, 'c') AS t(id, d, n, s)"
    )
    request, plan = _request(source, target, keys=("id",))
    evidence = evidence_of(reconcile(request), plan)
    shown = [(row.row_class, row.key, [(c.column, c.cell_class, c.source_text, c.target_text) for c in row.cells]) for row in evidence.rows]
    assert shown == [
        ("changed", {"id": "1"}, [("d", "value", "2024-01-01", "2024-01-02")]),
        ("extra", {"id": "4"}, []),
        ("missing", {"id": "3"}, []),
    ]
    assert evidence.changed_cells == {"d": 1}
    assert {column.name: column.family for column in evidence.columns} == {"d": "date", "id": "integer", "n": "decimal", "s": "text"}
    assert evidence.context and all(row["id"] == 2 for row in evidence.context)


def test_constant_columns_are_proven(spark: SparkSession) -> None:
    source = spark.range(200).selectExpr("id", "'x' AS same", "IF(id < 199, 1, 2) AS nearly", "CAST(NULL AS INT) AS none", "id % 2 AS two")
    request, plan = _request(source, source, keys=("id",))
    sides = (request.source, request.target)
    suspected = probed(request).constant
    names = [column.name for index, column in enumerate(plan.compared) if suspected[index]]
    assert {"same", "none"} <= set(names) and "two" not in names
    proven = constant_columns(sides, range(len(plan.compared))).collect()[0].asDict()
    assert {column.name for index, column in enumerate(plan.compared) if proven[f"f{index}"]} == {"same", "none"}


def test_keys_are_proposed_and_proven(spark: SparkSession) -> None:
    frame = spark.range(400).selectExpr(
        "id AS good", "id DIV 20 AS a", "id % 20 AS b", "IF(id = 3, NULL, id) AS gap", "id % 399 AS almost", "id / 3D AS f"
    )
    request, _ = _request(frame, frame, keys=())
    side = request.source
    found = candidate_keys(side, distinct_sketches(side).collect()[0].asDict())
    proven = {key.columns for key in found if is_unique_key(side, key).collect()[0]["unique"]}
    assert ("good",) in proven
    assert not {("gap",), ("almost",), ("f",)} & proven


def test_names_are_quoted() -> None:
    assert [quoted(name) for name in ("a", "a.b", "a`b", "")] == ["`a`", "`a.b`", "`a``b`", "``"]
