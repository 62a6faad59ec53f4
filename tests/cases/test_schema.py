"""Schemas: what is not compared is said, and no column's name can hurt (T86…T96, D12)."""

from __future__ import annotations

import pytest
from pairs import Case, check, differing_cells, parametrised
from pyspark.sql import SparkSession

from jobs.compare import compare
from schemas.errors import ConfigError, InputError, MissingColumnError

ONE = {"changed": 1}

CASES = [
    Case(
        "T86_extra_column",
        "id",
        "SELECT 1 AS id, 'a' AS v",
        "SELECT 1 AS id, 'a' AS v, current_timestamp() AS load_ts",
        "PASS_WITH_RULES",
        {"matched": 1},
        {},
        findings=[("extra_column", "load_ts")],
    ),
    Case(
        "T86_extra_column_excluded",
        "id",
        "SELECT 1 AS id, 'a' AS v",
        "SELECT 1 AS id, 'a' AS v, 5 AS load_ts",
        "PASS_WITH_RULES",
        {"matched": 1},
        options={"exclude": ["load_ts"]},
        reasons=["columns_excluded"],
    ),
    Case(
        "T87_column_dropped",
        "id",
        "SELECT 1 AS id, 'a' AS v, 2 AS w",
        "SELECT 1 AS id, 'a' AS v",
        "FAIL",
        {"matched": 1},
        {},
        findings=[("missing_column", "w")],
        reasons=["missing_column"],
    ),
    Case(
        "T87_column_dropped_excluded",
        "id",
        "SELECT 1 AS id, 'a' AS v, 2 AS w",
        "SELECT 1 AS id, 'a' AS v",
        "PASS_WITH_RULES",
        {"matched": 1},
        options={"exclude": "w"},
        reasons=["columns_excluded"],
    ),
    Case(
        "T88_renamed",
        "id",
        "SELECT 1 AS cust_id, 'a' AS v",
        "SELECT 1 AS customer_id, 'a' AS v",
        "PASS",
        {"matched": 1},
        {},
        keys=("cust_id",),
        findings=[("renamed", "cust_id")],
        options={"mapping": {"cust_id": "customer_id"}},
    ),
    Case(
        "N136_renamed_crosswise",
        "id",
        "SELECT 1 AS id, 'x' AS a, 'y' AS b",
        "SELECT 1 AS id, 'y' AS a, 'x' AS b",
        "PASS",
        {"matched": 1},
        {},
        options={"mapping": {"a": "b", "b": "a"}},
    ),
    Case(
        "N137_renamed_onto_a_taken_name",
        "id",
        "SELECT 1 AS id, 'x' AS a, 'y' AS b",
        "SELECT 1 AS id, 'x' AS b",
        "FAIL",
        {"matched": 1},
        {},
        options={"mapping": {"a": "b"}},
        findings=[("missing_column", "b")],
    ),
    Case(
        "T90_order",
        "id",
        "SELECT 1 AS id, 'x' AS a, 'y' AS b",
        "SELECT 'y' AS b, 'x' AS a, 1 AS id",
        "PASS",
        {"matched": 1},
        {},
        findings=[("order", "id")],
    ),
    Case("T91_names_that_start_alike", "id, month, month_num", "(1, 'May', 5)", "(1, 'May', 5)", "PASS", {"matched": 1}, {}),
    Case(
        "T91_names_that_start_alike_differ",
        "id, month, month_num",
        "(1, 'May', 5)",
        "(1, 'May', 6)",
        "FAIL",
        ONE,
        {"month_num": {"value": 1}},
    ),
    Case("T93_two_letter_cases", "id, A, a", "(1, 'x', 'y')", "(1, 'x', 'y')", "PASS", {"matched": 1}, {}),
    Case("T93_two_letter_cases_swapped", "id, A, a", "(1, 'x', 'y')", "(1, 'y', 'x')", "FAIL", ONE, {"A": {"value": 1}, "a": {"value": 1}}),
    Case(
        "I10_letter_case_of_a_name",
        "id",
        "SELECT 1 AS id, 'x' AS v",
        "SELECT 1 AS id, 'x' AS V",
        "FAIL",
        {"matched": 1},
        findings=[("missing_column", "v"), ("extra_column", "V")],
    ),
    Case(
        "T96_cannot_be_hashed",
        "id, v, w",
        "(1, make_interval(1), 'a')",
        "(1, make_interval(1), 'a')",
        "INCONCLUSIVE",
        {"matched": 1},
        findings=[("unhashable", "v")],
    ),
    Case(
        "T96_cannot_be_hashed_excluded",
        "id, v, w",
        "(1, make_interval(1), 'a')",
        "(1, make_interval(1), 'a')",
        "PASS_WITH_RULES",
        {"matched": 1},
        options={"exclude": ["v"]},
    ),
    Case(
        "N138_columns_chosen",
        "id, v, w",
        "(1, 'a', 1)",
        "(1, 'a', 2)",
        "PASS_WITH_RULES",
        {"matched": 1},
        options={"columns": ["v"]},
        reasons=["columns_chosen"],
    ),
    Case("N139_only_the_key", "id", "(1), (2)", "(2), (1)", "PASS", {"matched": 2}, {}),
    Case("N140_only_the_key_differs", "id", "(1), (2)", "(2), (3)", "FAIL", {"missing": 1, "extra": 1, "matched": 1}, {}),
    Case(
        "N141_all_columns_are_the_key",
        "a, b",
        "(1, 'x'), (2, 'y')",
        "(2, 'y'), (1, 'z')",
        "FAIL",
        {"missing": 1, "extra": 1, "matched": 1},
        {},
        keys=("a", "b"),
    ),
    Case(
        "N142_nullability",
        "id",
        "SELECT id, 1 AS v FROM range(1)",
        "SELECT id, IF(id >= 0, 1, NULL) AS v FROM range(1)",
        "PASS",
        {"matched": 1},
        findings=[("nullability", "v")],
    ),
    Case(
        "N143_type_changed_and_a_difference",
        "id, v, w",
        "(1, '1', 'a')",
        "(1, 1, 'b')",
        "FAIL",
        ONE,
        {"w": {"value": 1}},
        findings=[("type_changed", "v")],
        reasons=["type_changed", "changed"],
    ),
    Case("N144_narrowed", "id, v", "(1L, 5L)", "(1, 5)", "PASS", {"matched": 1}, {}, findings=[("narrowed", "v"), ("narrowed", "id")]),
]


@parametrised(CASES)
def test_schema(spark: SparkSession, case: Case) -> None:
    outcome = check(spark, case)
    uncompared = [column for column in outcome.columns if not column.compared]
    partial = bool(uncompared) or "exclude" in case.options or "columns" in case.options
    assert (outcome.coverage.columns < 1) == partial, outcome.coverage


NAMES = (
    "_hash", "diff", "row_class", "column", "k", "h1", "h2", "hr", "c0", "c1", "s", "t", "v", "side", "bucket", "copies", "both",
    "raw", "values", "cells", "n", "key", "value", "unparsable", "pair", "stage", "p1", "what", "class", "position", "payload",
    "source_value", "target_value", "cell_class", "parity_cell", "parity_row_class", "_temp_0", "r0_0", "key_0",
    "duplicate_source", "in_source", "place", "copy", "is_source", "located", "raw_source", "raw_target", "running0", "ruled_k",
    "r", "source", "target", "id.x", "a`b", "a b", "a,b", "a=b", 'a"b', "a'b", "ünïcode", "😀", "select", "1st", "*", "a.*", "%",
    "a\nb", " leading", "A", "a",
)  # fmt: skip


def test_t94_columns_named_like_helpers(spark: SparkSession) -> None:
    """70 columns with names that a tool could trip over: each is compared, each difference is found under its own name."""
    quoted = ["`" + name.replace("`", "``") + "`" for name in NAMES]
    source = spark.range(3).selectExpr("id", *(f"id * {index} AS {name}" for index, name in enumerate(quoted)))
    target = spark.range(3).selectExpr("id", *(f"id * {index} + CAST(id = 1 AS INT) AS {name}" for index, name in enumerate(quoted)))
    assert compare(source, source, keys=["id"]).verdict == "PASS"
    outcome = compare(source, target, keys=["id"])
    assert (outcome.verdict, outcome.counts.changed, outcome.counts.matched) == ("FAIL", 1, 2)
    assert differing_cells(outcome, ["id"]) == {(1, "changed", name, "value") for name in NAMES}
    assert compare(source, target, keys=[]).counts.missing == 1


@pytest.mark.parametrize(
    "name", ["row_class", "column", "cell_class", "parity_cell", "k", "a.b", "a`b", "*", "a b", "\U0001f600", "s", "c1", "raw"]
)
def test_t94_keys_named_like_helpers(spark: SparkSession, name: str) -> None:
    quoted = "`" + name.replace("`", "``") + "`"
    source = spark.sql(f"SELECT * FROM VALUES (1, 'a'), (2, 'b') AS t({quoted}, w)")  # noqa: S608
    target = spark.sql(f"SELECT * FROM VALUES (1, 'a'), (2, 'c'), (3, 'd') AS t({quoted}, w)")  # noqa: S608
    outcome = compare(source, target, keys=[name])
    assert (outcome.counts.changed, outcome.counts.extra) == (1, 1)
    frame = outcome.diffs()
    classes = f"parity_{name}" if name in ("row_class", "column", "cell_class") else None
    assert frame.columns[0] == name
    expected = ["row_class", "column", "source_value", "target_value", "cell_class"]
    assert frame.columns[1:] == [classes if part == name else part for part in expected]
    assert sorted(row[0] for row in frame.collect()) == [2, 3]
    assert outcome.extra().columns == [name, "w"]


def test_n145_rules_on_columns_with_odd_names(spark: SparkSession) -> None:
    source = spark.sql("SELECT 1 AS id, 'a ' AS `x.y`, 1.0D AS `source.z`")
    target = spark.sql("SELECT 1 AS id, 'a' AS `x.y`, 1.5D AS `source.z`")
    outcome = compare(source, target, keys=["id"], rules={"x.y": "rtrim"}, tolerance={"source.z": "abs:1"})
    assert (outcome.verdict, outcome.counts.matched_by_rule) == ("PASS_WITH_RULES", 1)
    assert {(rule.column, rule.rule) for rule in outcome.result.rules} == {("x.y", "rtrim"), ("source.z", "within_tolerance")}


WRONG = [
    ("unknown_key", {"keys": ["idd"]}, MissingColumnError, "id"),
    ("unknown_column", {"keys": ["id"], "columns": ["prce"]}, MissingColumnError, "price"),
    ("unknown_exclude", {"keys": ["id"], "exclude": ["pirce"]}, MissingColumnError, "price"),
    ("unknown_rule_column", {"keys": ["id"], "rules": {"pric": "rtrim"}}, MissingColumnError, "price"),
    ("unknown_tolerance_column", {"keys": ["id"], "tolerance": {"pric": "abs:1"}}, MissingColumnError, "price"),
    ("unknown_map_source", {"keys": ["id"], "mapping": {"nope": "price"}}, MissingColumnError, "nope"),
    ("unknown_map_target", {"keys": ["id"], "mapping": {"price": "prices"}}, MissingColumnError, "price"),
    ("unknown_rule", {"keys": ["id"], "rules": {"name": "rtirm"}}, ConfigError, "rtrim"),
    ("rule_of_another_type", {"keys": ["id"], "rules": {"price": "rtrim"}}, InputError, "price"),
    ("tolerance_of_text", {"keys": ["id"], "tolerance": {"name": "abs:1"}}, InputError, "name"),
    ("tolerance_of_the_key", {"keys": ["id"], "tolerance": {"id": "abs:1"}}, InputError, "id"),
    ("tolerance_without_key", {"keys": [], "tolerance": {"price": "abs:1"}}, ConfigError, "key"),
    ("negative_tolerance", {"keys": ["id"], "tolerance": {"price": "abs:-1"}}, ConfigError, "-1"),
    ("tolerance_nan", {"keys": ["id"], "tolerance": {"price": "abs:nan"}}, ConfigError, "nan"),
    ("key_excluded", {"keys": ["id"], "exclude": ["id"]}, ConfigError, "id"),
    ("chosen_and_excluded", {"keys": ["id"], "columns": ["name"], "exclude": ["name"]}, ConfigError, "name"),
    ("key_twice", {"keys": ["id", "id"]}, ConfigError, "id"),
    ("sample_of_nothing", {"keys": ["id"], "sample": "0"}, ConfigError, "sample"),
    ("sample_above_one", {"keys": ["id"], "sample": "101%"}, ConfigError, "sample"),
    ("predicate_of_chance", {"keys": ["id"], "where": "rand() < 0.5"}, ConfigError, "rand"),
    ("predicate_with_a_subquery", {"keys": ["id"], "where": "id IN (SELECT 1)"}, ConfigError, "select"),
]


@pytest.mark.parametrize(("arguments", "error", "told"), [one[1:] for one in WRONG], ids=[f"D12_{one[0]}" for one in WRONG])
def test_d12_what_is_not_there_is_an_error(spark: SparkSession, arguments: dict[str, object], error: type[Exception], told: str) -> None:
    frame = spark.sql("SELECT 1 AS id, 'a' AS name, 1.5D AS price")
    with pytest.raises((ConfigError, InputError)) as caught:
        compare(frame, frame, **arguments)  # type: ignore[arg-type]
    assert isinstance(caught.value, error), caught.value
    assert caught.value.exit_code == 2
    assert told.lower() in str(caught.value).lower()
