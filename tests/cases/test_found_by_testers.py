"""Pairs that hostile testers found: each was a wrong verdict, a wrong figure or a traceback once."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.compare import compare
from schemas.errors import ConfigError


def _rows(spark: SparkSession, *values: str, name: str = "v") -> DataFrame:
    return spark.sql(" UNION ALL ".join(f"SELECT {number} AS id, {value} AS {name}" for number, value in enumerate(values)))


_WIDE = "CAST('1000000000000000000000000000000' AS DECIMAL(38,0))"
_NARROW = "CAST(NULL AS DECIMAL(38,10))"


@pytest.mark.parametrize(
    ("source", "target"),
    [
        (f"map('a', {_WIDE})", f"map('a', {_NARROW})"),
        (f"struct(map('a', {_WIDE}) AS m)", f"struct(map('a', {_NARROW}) AS m)"),
        (f"array(map('a', {_WIDE}))", f"array(map('a', {_NARROW}))"),
        (f"map('a', array({_WIDE}))", f"map('a', array({_NARROW}))"),
        (f"map('a', struct({_WIDE} AS x))", f"map('a', struct({_NARROW} AS x))"),
        ("map('a', 9223372036854775807L)", "map('a', CAST(NULL AS DECIMAL(38,30)))"),
        (f"array({_WIDE})", f"array({_NARROW})"),
    ],
)
@pytest.mark.parametrize(
    "options", [{"keys": ["id"]}, {"keys": []}, {"keys": ["id"], "strength": "sha256"}], ids=["keyed", "keyless", "sha"]
)
def test_a_number_that_the_common_type_cannot_hold_is_no_null(
    spark: SparkSession, source: str, target: str, options: dict[str, Any]
) -> None:
    outcome = compare(_rows(spark, source), _rows(spark, target), **options)
    assert outcome.verdict == "INCONCLUSIVE"
    assert "lossy_cast" in {reason.code for reason in outcome.result.reasons}


def test_a_key_of_a_map_that_the_common_type_cannot_hold_is_no_null(spark: SparkSession) -> None:
    outcome = compare(_rows(spark, f"map({_WIDE}, 1)"), _rows(spark, "map(CAST(1 AS DECIMAL(38,10)), 1)"), keys=["id"])
    assert outcome.verdict in ("FAIL", "INCONCLUSIVE")
    assert "lossy_cast" in {reason.code for reason in outcome.result.reasons}


@pytest.mark.parametrize(("tolerance", "verdict"), [(None, "FAIL"), ("rel:1.5", "FAIL"), ("rel:2", "PASS_WITH_RULES")])
def test_a_distance_beyond_every_double(spark: SparkSession, tolerance: str | None, verdict: str) -> None:
    outcome = compare(
        _rows(spark, "1.7e308D"), _rows(spark, "-1.7e308D"), keys=["id"], tolerance=None if tolerance is None else {"v": tolerance}
    )
    assert outcome.verdict == verdict
    outcome.to_json()


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("date_from_unix_date(200000000)", "DATE'2020-01-01'"),
        ("timestamp_micros(-4611686018427387904L)", "timestamp_micros(4611686018427387904L)"),
        ("timestamp_micros(-9223372036854775808L)", "timestamp_micros(9223372036854775807L)"),
    ],
)
@pytest.mark.parametrize("tolerance", [None, {"v": "abs:1s"}])
def test_points_in_time_too_far_apart_to_subtract(spark: SparkSession, source: str, target: str, tolerance: dict[str, str] | None) -> None:
    if tolerance and source.startswith("date"):
        tolerance = {"v": "abs:1day"}
    outcome = compare(_rows(spark, source), _rows(spark, target), keys=["id"], tolerance=tolerance)
    assert (outcome.verdict, outcome.counts.changed) == ("FAIL", 1)


@pytest.mark.parametrize("tolerance", ["abs:1", "rel:0.5", "abs:1e-18,rel:1e-6"])
@pytest.mark.parametrize("value", ["99999999999999999999.999999999999999999", "-99999999999999999999.999999999999999999"])
@pytest.mark.parametrize("turned", [False, True])
def test_a_decimal_of_38_digits_is_far_from_a_small_one(spark: SparkSession, value: str, tolerance: str, turned: bool) -> None:
    sides = [_rows(spark, f"CAST('{text}' AS DECIMAL(38,18))") for text in (value, "1")]
    outcome = compare(*(reversed(sides) if turned else sides), keys=["id"], tolerance={"v": tolerance})
    assert (outcome.verdict, outcome.counts.changed) == ("FAIL", 1)


@pytest.mark.parametrize(("other", "verdict"), [("3", "FAIL"), ("1", "PASS")])
def test_the_last_of_38_digits_behind_the_point_counts(spark: SparkSession, other: str, verdict: str) -> None:
    sides = [_rows(spark, f"CAST('0.{'0' * 37}{digit}' AS DECIMAL(38,38))") for digit in ("1", other)]
    assert compare(*sides, keys=["id"], tolerance={"v": "rel:0.05"}).verdict == verdict


def test_small_distances_of_long_decimals_are_told(spark: SparkSession) -> None:
    outcome = compare(
        _rows(spark, "CAST('0.000000000000000001' AS DECIMAL(38,18))"), _rows(spark, "CAST('0' AS DECIMAL(38,18))"), keys=["id"]
    )
    column = next(column for column in outcome.columns if column.source == "v")
    assert (float(column.max_abs_delta or 0), float(column.max_rel_delta or 0)) == (1e-18, 1.0)


@pytest.mark.parametrize("options", [{"exclude": ["src"]}, {"columns": ["v"]}], ids=str)
def test_a_predicate_may_speak_of_a_column_that_is_not_compared(spark: SparkSession, options: dict[str, Any]) -> None:
    source, target = spark.sql("SELECT 1 id, 1 v, 7 src"), spark.sql("SELECT 1 id, 1 v, 8 tgt")
    outcome = compare(source, target, keys=["id"], mapping={"src": "tgt"}, where="src > 5", **options)
    assert (outcome.verdict, outcome.counts.source_rows, outcome.counts.target_rows) == ("PASS_WITH_RULES", 1, 1)


def test_struct_keys_of_extra_rows_are_told_by_name(spark: SparkSession) -> None:
    source = spark.sql("SELECT named_struct('a', 1, 'b', 2) k, 1 v")
    target = spark.sql("SELECT named_struct('b', 2, 'a', 1) k, 1 v UNION ALL SELECT named_struct('b', 9, 'a', 8), 1")
    found = compare(source, target, keys=["k"]).diffs().collect()
    assert [(row.k.a, row.k.b, row.row_class) for row in found] == [(8, 9, "extra")]


@pytest.mark.parametrize("link", [os.link, os.symlink])
def test_d7_links_to_each_file_are_the_same_object(spark: SparkSession, tmp_path: Path, link: Any) -> None:
    spark.range(30).repartition(2).write.parquet(str(tmp_path / "t"))
    (tmp_path / "links").mkdir()
    for file in (tmp_path / "t").glob("*.parquet"):
        link(file, tmp_path / "links" / file.name)
    outcome = compare(f"parquet:{tmp_path}/t", f"parquet:{tmp_path}/links", keys=["id"], spark=spark)
    assert outcome.verdict == "INCONCLUSIVE"
    assert "self_comparison" in {reason.code for reason in outcome.result.reasons}


@pytest.mark.parametrize(
    "wrong",
    [
        {"keys": 5},
        {"columns": 5},
        {"exclude": 5},
        {"keys": F.col},
        {"keys": [1]},
        {"mapping": "v=v"},
        {"mapping": ["a"]},
        {"rules": "rtrim"},
        {"tolerance": "abs:1"},
        {"source_options": "header=true"},
        {"contract": {"keys": ["id"]}},
        {"contract": 5},
        {"diffs": 5},
    ],
    ids=lambda wrong: next(iter(wrong)) + " " + type(next(iter(wrong.values()))).__name__,
)
def test_arguments_of_another_kind_are_refused(spark: SparkSession, wrong: dict[str, Any]) -> None:
    name = next(iter(wrong))
    with pytest.raises(ConfigError, match=name):
        compare(spark.range(1), spark.range(1), **{"keys": ["id"], **wrong})


def test_names_that_can_be_read_once_are_not_read_before(spark: SparkSession) -> None:
    source, target = spark.sql("SELECT 1 id, 1 v"), spark.sql("SELECT 1 id, 2 v")
    outcome = compare(source, target, keys=(name for name in ("id",)))
    assert (outcome.verdict, outcome.counts.changed) == ("FAIL", 1)
