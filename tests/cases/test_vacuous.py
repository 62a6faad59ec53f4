"""What proves nothing is never PASS: empty sides, filters, samples, the same object twice (T78, T103, T104, D*)."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from pairs import Case, check, parametrised
from pyspark.sql import SparkSession

from jobs.compare import compare

EMPTY = "SELECT 1 AS id, 'a' AS v WHERE false"

CASES = [
    Case("T78_nothing_on_both_sides", "id, v", EMPTY, EMPTY, "INCONCLUSIVE", {"matched": 0}, reasons=["empty"]),
    Case("T78_expected", "id, v", EMPTY, EMPTY, "PASS", {"matched": 0}, options={"expect_empty": True}),
    Case("D1_nothing_without_a_key", "id, v", EMPTY, EMPTY, "INCONCLUSIVE", keys=[]),
    Case("N146_expect_empty_is_no_excuse", "id, v", "(1, 'a')", EMPTY, "FAIL", {"missing": 1}, options={"expect_empty": True}),
    Case("D2_filter_matches_nothing", "id, v", "(1, 'a')", "(1, 'b')", "INCONCLUSIVE", options={"where": "id > 100"}),
    Case(
        "D13_filter_qualifies",
        "id, v, deleted",
        "(1, 'a', false), (2, 'b', true)",
        "(1, 'a', false)",
        "PASS_WITH_RULES",
        {"matched": 1},
        options={"where": "NOT deleted"},
        reasons=["where"],
    ),
    Case("D13_hidden_rows_are_missing", "id, v", "(1, 'a'), (2, 'b'), (3, 'c')", "(1, 'a')", "FAIL", {"missing": 2, "matched": 1}),
    Case(
        "D8_no_key",
        "id, v",
        "(1, 'a'), (2, 'b')",
        "(1, 'a'), (2, 'c')",
        "FAIL",
        {"missing": 1, "extra": 1, "matched": 1},
        keys=None,
        findings=[("candidate_key", "id")],
    ),
    Case("D10_sample_of_all_is_no_sample", "id, v", "(1, 'a')", "(1, 'a')", "PASS", {"matched": 1}, options={"sample": "100%"}),
    Case("N147_sample_of_no_rows", "id, v", "(1, 'a')", "(1, 'a')", "INCONCLUSIVE", options={"sample": "1/1000000"}),
    Case(
        "N148_where_with_mapping",
        "id",
        "SELECT 1 AS id, 5 AS a",
        "SELECT 1 AS id, 5 AS b",
        "PASS_WITH_RULES",
        {"matched": 1},
        options={"mapping": {"a": "b"}, "where": "a = 5"},
    ),
]


@parametrised(CASES)
def test_vacuous(spark: SparkSession, case: Case) -> None:
    check(spark, case)


def test_d7_the_same_files_twice(spark: SparkSession, tmp_path: Path) -> None:
    path = str(tmp_path / "t")
    spark.range(3).write.parquet(path)
    outcome = compare(f"parquet:{path}", f"parquet:{path}", keys=["id"], spark=spark)
    assert outcome.verdict == "INCONCLUSIVE"
    assert "self_comparison" in {reason.code for reason in outcome.result.reasons}
    linked = tmp_path / "link"
    linked.symlink_to(path)
    assert compare(f"parquet:{path}", f"parquet:{linked}", keys=["id"], spark=spark).verdict == "INCONCLUSIVE"


def test_d9_more_than_ten_thousand_differences_are_all_counted(spark: SparkSession) -> None:
    source = spark.range(25_000).selectExpr("id", "id AS v")
    target = spark.range(25_000).selectExpr("id", "IF(id < 24000, id + 1, id) AS v")
    outcome = compare(source, target, keys=["id"])
    assert (outcome.verdict, outcome.counts.changed, outcome.counts.matched) == ("FAIL", 24_000, 1_000)
    assert outcome.diffs().count() == 24_000


@pytest.mark.parametrize("type_", ["STRING", "BINARY"])
def test_d14_large_values_are_compared_to_their_end(spark: SparkSession, type_: str) -> None:
    source = spark.sql(f"SELECT 1 AS id, CAST(concat(repeat('x', 300000), 'a') AS {type_}) AS v")
    target = spark.sql(f"SELECT 1 AS id, CAST(concat(repeat('x', 300000), 'b') AS {type_}) AS v")
    assert compare(source, source, keys=["id"]).verdict == "PASS"
    outcome = compare(source, target, keys=["id"])
    assert (outcome.verdict, outcome.counts.changed) == ("FAIL", 1)
    values = outcome.diffs().collect()[0]
    assert values.source_value != values.target_value


ROWS = 20_000
RATE = 64


def _drawn(key: int) -> bool:
    """The rule of CANONICAL_HASH 4, with nothing but hashlib."""
    text = str(key)
    digest = hashlib.sha256(f"{len(text)}:{text};".encode()).hexdigest()
    return int(digest[-8:], 16) < 2**32 // RATE


def _sampled(spark: SparkSession, changed: int, **options: Any) -> Any:
    source = spark.range(ROWS).selectExpr("id", "id * 2 AS v")
    target = spark.range(ROWS).selectExpr("id", f"IF(id = {changed}, -1, id * 2) AS v")
    return compare(source, target, keys=["id"], sample=f"1/{RATE}", **options)


def test_t104_difference_outside_the_sample_is_no_pass(spark: SparkSession) -> None:
    outside = next(key for key in range(ROWS) if not _drawn(key))
    outcome = _sampled(spark, outside)
    assert outcome.verdict == "SAMPLED_PASS"
    told = next(reason.text for reason in outcome.result.reasons if reason.code == "sample")
    assert "95 %" in told and "no proof" in told
    assert outcome.coverage.rows < 0.1


def test_t103_the_sample_is_the_one_of_the_specification(spark: SparkSession) -> None:
    inside = next(key for key in range(ROWS) if _drawn(key))
    outcome = _sampled(spark, inside)
    drawn = sum(map(_drawn, range(ROWS)))
    assert (outcome.verdict, outcome.counts.changed) == ("FAIL", 1)
    assert (outcome.counts.source_rows, outcome.counts.source_rows_total) == (drawn, ROWS)
    assert [row.id for row in outcome.diffs().collect()] == [inside]


@pytest.mark.parametrize("keys", [["id"], []], ids=["keyed", "keyless"])
def test_copies_of_a_row_are_one_draw_of_the_sample(spark: SparkSession, keys: list[str]) -> None:
    rows = spark.range(ROWS).selectExpr("id")
    outcome = compare(rows.unionAll(rows), rows.unionAll(rows), keys=keys, sample=f"1/{RATE}")
    drawn = sum(map(_drawn, range(ROWS)))
    assert outcome.verdict == "SAMPLED_PASS"
    assert outcome.counts.source_rows == 2 * drawn
    assert f"at most 3/{drawn} " in next(reason.text for reason in outcome.result.reasons if reason.code == "sample")
