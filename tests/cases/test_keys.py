"""Keys: duplicates, NULL, odd types; nothing is lost, doubled or merged (T4, T68…T84, C*)."""

from __future__ import annotations

from typing import Any

import pytest
from pairs import Case, check, differing_cells, parametrised
from pyspark.sql import SparkSession

from jobs.compare import compare
from schemas.errors import InputError

ONE = {"changed": 1}
APART = {"missing": 1, "extra": 1}


def _equal_keys(id_: str, first: str, second: str) -> Case:
    rows = f"({first}, 'a'), ({second}, 'b')"
    return Case(id_, "id, v", rows, f"({second}, 'b'), ({first}, 'a')", "PASS", {"matched": 2, "duplicate_keys": 0}, {})


def _changed_key(id_: str, first: str, second: str) -> Case:
    source, target = f"({first}, 'a'), ({second}, 'b')", f"({second}, 'c'), ({first}, 'a')"
    return Case(id_, "id, v", source, target, "FAIL", {"changed": 1, "matched": 1}, {"v": {"value": 1}})


def _apart(id_: str, source: str, target: str, **options: Any) -> Case:
    return Case(id_, "id, v", f"({source}, 'a')", f"({target}, 'a')", "FAIL", APART, {}, options=options)


DUPLICATES = [
    Case(
        "T68_two_and_one",
        "id, v",
        "(1, 'a'), (1, 'a')",
        "(1, 'a')",
        "FAIL",
        {"missing": 1, "multiplicity": 1, "matched": 1, "duplicate_keys": 1},
        {},
        findings=[("duplicate_keys", None)],
    ),
    Case(
        "C1_three_and_one",
        "id, v",
        "(1, 'a'), (1, 'a'), (1, 'a')",
        "(1, 'a')",
        "FAIL",
        {"missing": 2, "multiplicity": 2, "matched": 1, "duplicate_keys": 1},
        {},
    ),
    Case(
        "C1_one_and_three",
        "id, v",
        "(1, 'a')",
        "(1, 'a'), (1, 'a'), (1, 'a')",
        "FAIL",
        {"extra": 2, "multiplicity": 2, "matched": 1, "duplicate_keys": 1},
        {},
    ),
    Case(
        "T71_three_by_three",
        "id, v",
        "(1, 'a'), (1, 'b'), (1, 'c')",
        "(1, 'c'), (1, 'a'), (1, 'b')",
        "PASS",
        {"matched": 3, "duplicate_keys": 1},
        {},
        findings=[("duplicate_keys", None)],
    ),
    Case(
        "C2_duplicates_differ",
        "id, v",
        "(1, 'a'), (1, 'b')",
        "(1, 'a'), (1, 'c')",
        "FAIL",
        {"changed": 1, "matched": 1, "duplicate_keys": 1},
        {"v": {"value": 1}},
    ),
    Case(
        "C13_twice_in_the_target",
        "id, v",
        "(1, 'a'), (2, 'b')",
        "(1, 'a'), (2, 'b'), (2, 'c')",
        "FAIL",
        {"extra": 1, "matched": 2, "duplicate_keys": 1},
        {},
        findings=[("duplicate_keys", None)],
    ),
    Case(
        "C13_twice_in_the_source",
        "id, v",
        "(1, 'a'), (2, 'b'), (2, 'c')",
        "(1, 'a'), (2, 'b')",
        "FAIL",
        {"missing": 1, "matched": 2, "duplicate_keys": 1},
        {},
    ),
    Case(
        "N110_twice_on_different_keys",
        "id, v",
        "(1, 'a'), (1, 'x'), (2, 'b')",
        "(1, 'a'), (2, 'b'), (2, 'y')",
        "FAIL",
        {"missing": 1, "extra": 1, "matched": 2, "duplicate_keys": 2},
        {},
    ),
    Case(
        "N111_two_to_one_both_changed", "id, v", "(1, 'a'), (1, 'b')", "(1, 'c')", "FAIL", {"changed": 1, "missing": 1, "duplicate_keys": 1}
    ),
    Case(
        "N112_only_key_columns_twice",
        "id",
        "(1), (1), (2)",
        "(1), (2), (2)",
        "FAIL",
        {"missing": 1, "extra": 1, "multiplicity": 2, "matched": 2, "duplicate_keys": 2},
        {},
    ),
    Case(
        "N113_unique_keys_of_the_contract",
        "id, v",
        "(1, 'a'), (1, 'a')",
        "(1, 'a'), (1, 'a')",
        "PASS",
        {"matched": 2, "duplicate_keys": 1},
    ),
]

NULL_KEYS = [
    Case(
        "T72_null_key",
        "id, v",
        "(NULL, 'a'), (1, 'b')",
        "(1, 'b'), (NULL, 'a')",
        "PASS",
        {"matched": 2, "null_keys": 2, "duplicate_keys": 0},
        {},
        findings=[("null_keys", None)],
    ),
    Case(
        "N114_null_key_changed",
        "id, v",
        "(NULL, 'a'), (1, 'b')",
        "(1, 'b'), (NULL, 'c')",
        "FAIL",
        {"changed": 1, "null_keys": 2},
        {"v": {"value": 1}},
    ),
    Case(
        "N115_null_keys_as_multiset",
        "id, v",
        "(NULL, 'a'), (NULL, 'a'), (NULL, 'b')",
        "(NULL, 'a'), (NULL, 'b'), (NULL, 'c')",
        "FAIL",
        {"changed": 1, "matched": 2, "null_keys": 6, "duplicate_keys": 1},
    ),
    Case(
        "N116_null_keys_twice_in_the_target_only",
        "id, v",
        "(NULL, 'a')",
        "(NULL, 'a'), (NULL, 'b')",
        "FAIL",
        {"extra": 1, "matched": 1, "null_keys": 3, "duplicate_keys": 1},
    ),
    Case(
        "N117_null_keys_twice_in_the_source_only",
        "id, v",
        "(NULL, 'a'), (NULL, 'b')",
        "(NULL, 'a')",
        "FAIL",
        {"missing": 1, "matched": 1, "null_keys": 3, "duplicate_keys": 1},
    ),
    Case("N118_null_key_and_empty_key", "id, v", "(NULL, 'a')", "('', 'a')", "FAIL", {**APART, "null_keys": 1}, {}),
    Case("N119_null_key_and_zero", "id, v", "(CAST(NULL AS INT), 'a')", "(0, 'a')", "FAIL", {**APART, "null_keys": 1}, {}),
    Case(
        "T76_null_part_changed",
        "id, part, v",
        "(1, NULL, 'a'), (1, 'x', 'b')",
        "(1, NULL, 'z'), (1, 'x', 'b')",
        "FAIL",
        {"changed": 1, "matched": 1, "null_keys": 2},
        {"v": {"value": 1}},
        keys=("id", "part"),
    ),
    Case(
        "N120_null_parts_keep_their_place",
        "a, b, v",
        "('x', NULL, 1)",
        "(NULL, 'x', 1)",
        "FAIL",
        {**APART, "null_keys": 2},
        {},
        keys=("a", "b"),
    ),
    Case(
        "N121_all_parts_null",
        "a, b, v",
        "(NULL, CAST(NULL AS INT), 1), (1, 1, 2)",
        "(NULL, CAST(NULL AS INT), 1), (1, 1, 2)",
        "PASS",
        {"matched": 2, "null_keys": 2},
        keys=("a", "b"),
    ),
]

PAIRING = [
    Case("T4_parts_with_a_dash", "a, b, v", "('a-b', 'c', 1)", "('a', 'b-c', 1)", "FAIL", APART, {}, keys=("a", "b")),
    Case("T75_null_row_and_no_row", "id, v", "(1, CAST(NULL AS STRING)), (2, 'b')", "(2, 'b')", "FAIL", {"missing": 1, "matched": 1}, {}),
    Case("T80_extra_rows", "id, v", "(1, 'a')", "(1, 'a'), (2, 'b')", "FAIL", {"extra": 1, "matched": 1}, {}),
    Case("C3_both_ways", "id, v", "(1, 'a'), (2, 'b')", "(2, 'b'), (3, 'c')", "FAIL", {**APART, "matched": 1}, {}),
    Case(
        "C6_null_and_value",
        "id, v",
        "(1, NULL), (2, 'b'), (3, 'c')",
        "(1, 'a'), (2, NULL), (3, 'd')",
        "FAIL",
        {"changed": 3},
        {"v": {"null_to_value": 1, "value_to_null": 1, "value": 1}},
    ),
    Case(
        "T82_order_under_collations",
        "id, v",
        "('a-1', 1), ('a_1', 2), ('A1', 3)",
        "('A1' COLLATE UNICODE, 3), ('a_1' COLLATE UNICODE, 2), ('a-1' COLLATE UNICODE, 1)",
        "PASS",
        {"matched": 3},
    ),
    _apart("T83_letter_case", "'x'", "'X'"),
    _apart("C12_case_under_a_collation", "'ABC' COLLATE UTF8_LCASE", "'abc' COLLATE UTF8_LCASE"),
    _apart("C12_accents_under_a_collation", r"'\u00e9' COLLATE UNICODE", r"'e\u0301' COLLATE UNICODE"),
    _apart("C10_trailing_blank", "'x '", "'x'"),
    _apart("C15_precision_of_timestamps", "TIMESTAMP'2024-01-01 00:00:00.123456'", "TIMESTAMP'2024-01-01 00:00:00.123'"),
    Case(
        "C15_declared",
        "id, v",
        "(TIMESTAMP'2024-01-01 00:00:00.123456', 1)",
        "(TIMESTAMP'2024-01-01 00:00:00.123', 1)",
        "PASS_WITH_RULES",
        {"matched_by_rule": 1},
        options={"rules": {"id": "trunc:ms"}},
    ),
    Case("T83_declared", "id, v", "('x', 1)", "('X', 1)", "PASS_WITH_RULES", {"matched_by_rule": 1}, options={"rules": {"id": "casefold"}}),
    Case(
        "T83_declared_and_changed",
        "id, v",
        "('x', 1), ('y', 2)",
        "('X', 3), ('Y', 2)",
        "FAIL",
        {"changed": 1, "matched_by_rule": 1},
        options={"rules": {"id": "casefold"}},
    ),
    Case(
        "T83_collision_is_told",
        "id, v",
        "('x', 1), ('X', 2)",
        "('x', 1), ('X', 2)",
        "PASS",
        {"matched": 2, "duplicate_keys": 1},
        findings=[("duplicate_keys", None)],
        options={"rules": {"id": "casefold"}},
    ),
    Case(
        "C10_collision_in_the_target_only",
        "id, v",
        "('x', 1)",
        "('x', 1), ('X', 2)",
        "FAIL",
        {"extra": 1, "matched": 1, "duplicate_keys": 1},
        findings=[("duplicate_keys", None)],
        options={"rules": {"id": "casefold"}},
    ),
    Case("T84_no_key_rows_swapped", "a, b", "(1, 'x'), (2, 'y')", "(2, 'y'), (1, 'x')", "PASS", {"matched": 2}, {}, keys=[]),
    Case("N122_no_key_named_at_all", "a, b", "(1, 'x'), (2, 'y')", "(2, 'z'), (1, 'x')", "FAIL", {**APART, "matched": 1}, {}, keys=None),
    Case(
        "N123_no_key_all_null",
        "a, b",
        "(CAST(NULL AS INT), CAST(NULL AS STRING))",
        "(CAST(NULL AS INT), CAST(NULL AS STRING))",
        "PASS",
        {"matched": 1, "null_keys": 0},
        {},
        keys=[],
    ),
    Case(
        "N124_no_key_multiplicity",
        "a",
        "(1), (1), (2)",
        "(1), (2), (2)",
        "FAIL",
        {**APART, "multiplicity": 2, "matched": 2, "duplicate_keys": 0},
        {},
        keys=[],
    ),
    Case(
        "N125_no_key_with_a_rule",
        "a",
        "('x '), ('y')",
        "('x'), ('y')",
        "PASS_WITH_RULES",
        {"matched_by_rule": 1, "matched": 1},
        keys=[],
        options={"rules": {"a": "rtrim"}},
    ),
]

TYPES = [
    maker(f"N126_{name}_{maker.__name__.strip('_')}", first, second)
    for name, first, second in (
        ("binary", "X'00ff'", "X'00fe'"),
        ("empty_text", "''", "' '"),
        ("unicode", r"'\u00e9'", r"'e\u0301'"),
        ("emoji", r"'\U0001F600'", r"'\U0001F601'"),
        ("long_text", "repeat('x', 400)", "concat(repeat('x', 399), 'y')"),
        ("double", "1.5D", "double('NaN')"),
        ("float", "CAST(0.1 AS FLOAT)", "CAST(0.2 AS FLOAT)"),
        ("infinity", "double('Infinity')", "double('-Infinity')"),
        ("date", "DATE'0001-01-01'", "DATE'9999-12-31'"),
        ("timestamp", "TIMESTAMP'1969-12-31 23:59:59.999999'", "TIMESTAMP'1970-01-01 00:00:00'"),
        ("ntz", "TIMESTAMP_NTZ'2024-01-01 00:00:00'", "TIMESTAMP_NTZ'2024-01-01 00:00:00.000001'"),
        ("boolean", "true", "false"),
        ("decimal", "CAST(1.00 AS DECIMAL(10, 2))", "CAST(1.01 AS DECIMAL(10, 2))"),
        ("wide_decimal", "CAST('99999999999999999999999999999999999999' AS DECIMAL(38, 0))", "CAST(-1 AS DECIMAL(38, 0))"),
        ("negative_bigint", "CAST('-9223372036854775808' AS BIGINT)", "9223372036854775807L"),
        ("struct", "named_struct('a', 1, 'b', 'x')", "named_struct('a', 1, 'b', 'y')"),
        ("array", "array(1, 2)", "array(1, 3)"),
        ("map", "map('a', 1, 'b', 2)", "map('a', 1, 'b', 3)"),
        ("interval", "INTERVAL '1' DAY", "INTERVAL '2' DAY"),
        ("year_month", "INTERVAL '1' MONTH", "INTERVAL '1' YEAR"),
        ("variant", "parse_json('1')", "parse_json('2')"),
        ("collated", "'a' COLLATE UTF8_LCASE", "'A' COLLATE UTF8_LCASE"),
    )
    for maker in (_equal_keys, _changed_key)
]

FLOAT_KEYS = [
    Case("N127_minus_zero_key", "id, v", "(0.0D, 'a')", "(-0.0D, 'a')", "PASS", {"matched": 1}, {}),
    Case("N128_minus_zero_key_changed", "id, v", "(0.0D, 'a')", "(-0.0D, 'b')", "FAIL", ONE, {"v": {"value": 1}}),
    Case("N129_nan_key_changed", "id, v", "(double('NaN'), 'a')", "(double('NaN'), 'b')", "FAIL", ONE, {"v": {"value": 1}}),
    Case("N130_int_and_decimal_key", "id, v", "(1, 'a')", "(CAST(1.00 AS DECIMAL(10, 2)), 'b')", "FAIL", ONE, {"v": {"value": 1}}),
    Case("N131_float_and_double_key", "id, v", "(CAST(0.5 AS FLOAT), 'a')", "(0.5D, 'a')", "PASS", {"matched": 1}, {}),
]


@parametrised([*DUPLICATES, *NULL_KEYS, *PAIRING, *TYPES, *FLOAT_KEYS])
def test_keys(spark: SparkSession, case: Case) -> None:
    check(spark, case)


@pytest.mark.parametrize("partitions", [1, 7, 200])
def test_t70_three_to_two_whatever_the_partitions(spark: SparkSession, partitions: int) -> None:
    source = spark.createDataFrame([("k1", 2), ("k1", 0), ("k1", 0)], "id STRING, v INT").repartition(partitions)
    target = spark.createDataFrame([("k1", 2), ("k1", 0)], "id STRING, v INT").repartition(partitions)
    counts = compare(source, target, keys=["id"]).counts
    assert (counts.matched, counts.missing, counts.multiplicity, counts.extra, counts.changed) == (2, 1, 1, 0, 0)


@pytest.mark.parametrize(("rows", "counts"), [((5, 0), (5, 0)), ((0, 5), (0, 5))], ids=["all_missing", "all_extra"])
def test_t79_one_side_empty(spark: SparkSession, rows: tuple[int, int], counts: tuple[int, int]) -> None:
    source, target = (spark.range(n).selectExpr("id", "CAST(id AS STRING) AS v") for n in rows)
    outcome = compare(source, target, keys=["id"])
    assert outcome.verdict == "FAIL"
    assert (outcome.counts.missing, outcome.counts.extra) == counts
    lists = (outcome.missing(), outcome.extra())
    assert tuple(frame.count() for frame in lists) == counts
    assert all(frame.columns == ["id", "v"] for frame in lists)


def test_c7_text_key_against_number_key_is_refused(spark: SparkSession) -> None:
    source, target = spark.sql("SELECT '01' AS id, 'a' AS v"), spark.sql("SELECT 1 AS id, 'a' AS v")
    with pytest.raises(InputError, match="id"):
        compare(source, target, keys=["id"])


def test_n132_thousand_duplicates_one_changed(spark: SparkSession) -> None:
    """1,000 rows of one key never become a million pairs, and the one that differs is found."""
    source = spark.range(1000).selectExpr("7 AS id", "'same' AS v")
    target = spark.range(1000).selectExpr("7 AS id", "IF(id = 500, 'other', 'same') AS v")
    outcome = compare(source, target, keys=["id"])
    counts = outcome.counts
    assert (outcome.verdict, counts.matched, counts.changed, counts.missing, counts.extra, counts.duplicate_keys) == (
        "FAIL",
        999,
        1,
        0,
        0,
        1,
    )
    assert differing_cells(outcome, ["id"]) == {(7, "changed", "v", "value")}


def test_n133_thousand_different_duplicates(spark: SparkSession) -> None:
    source = spark.range(1000).selectExpr("7 AS id", "id AS v")
    target = spark.range(1000).selectExpr("7 AS id", "IF(id = 500, -1, id) AS v")
    outcome = compare(source, target, keys=["id"])
    counts = outcome.counts
    assert (counts.matched, counts.changed, counts.missing, counts.extra) == (999, 1, 0, 0)
    cells = [(row.source_value, row.target_value) for row in outcome.diffs().collect()]
    assert cells == [("500", "-1")]


def test_n134_surplus_copies_are_listed_one_by_one(spark: SparkSession) -> None:
    source = spark.sql("SELECT * FROM VALUES (1, 'a'), (1, 'a'), (1, 'a'), (2, 'b') AS t(id, v)")
    target = spark.sql("SELECT * FROM VALUES (1, 'a'), (3, 'c') AS t(id, v)")
    outcome = compare(source, target, keys=["id"])
    rows = sorted((row.id, row.row_class, row.column) for row in outcome.diffs().collect())
    assert rows == [(1, "multiplicity", None), (1, "multiplicity", None), (2, "missing", None), (3, "extra", None)]
    assert sorted(map(tuple, outcome.missing().collect())) == [(1, "a"), (1, "a"), (2, "b")]
    assert list(map(tuple, outcome.extra().collect())) == [(3, "c")]


def test_n135_diffs_have_the_key_in_its_own_type(spark: SparkSession) -> None:
    source = spark.sql("SELECT 1L AS id, DATE'2024-01-01' AS d, 1.5D AS v")
    target = spark.sql("SELECT CAST(1 AS SMALLINT) AS id, DATE'2024-01-01' AS d, 2.5D AS v UNION ALL SELECT 2, DATE'2024-01-02', 0D")
    frame = compare(source, target, keys=["id", "d"]).diffs()
    assert [(part.name, part.dataType.simpleString()) for part in frame.schema] == [
        ("id", "bigint"), ("d", "date"), ("row_class", "string"), ("column", "string"),
        ("source_value", "string"), ("target_value", "string"), ("cell_class", "string"),
    ]  # fmt: skip
    assert sorted((row.id, row.row_class, row.column) for row in frame.collect()) == [(1, "changed", "v"), (2, "extra", None)]


def test_keys_that_the_type_of_the_source_cannot_hold_are_told(spark: SparkSession) -> None:
    source = spark.range(20_000).selectExpr("CAST(id AS INT) AS id", "1 AS v")
    beyond = spark.sql("SELECT * FROM VALUES (1000000000000L, 1), (-9223372036854775808L, 1), (9223372036854775807L, 1) AS t(id, v)")
    outcome = compare(source, source.selectExpr("CAST(id AS BIGINT) AS id", "v").unionAll(beyond), keys=["id"])
    assert (outcome.verdict, outcome.counts.extra) == ("FAIL", 3)
    assert sorted(row.id for row in outcome.diffs().collect()) == [-(2**63), 10**12, 2**63 - 1]


@pytest.mark.parametrize("options", [{"keys": ["id"]}, {}, {"keys": ["id"], "rules": {"v": ["rtrim"]}}], ids=["keyed", "keyless", "ruled"])
def test_copies_that_differ_in_what_is_not_compared_stay_apart(spark: SparkSession, options: dict[str, Any]) -> None:
    source = spark.sql("""
        SELECT id, v, map(note, 1) AS seen, note, parse_json(concat('"', note, '"')) AS doc, make_interval(0, 0, 0, id) AS took
        FROM VALUES (1, 'a', 'n1'), (1, 'a', 'n2'), (1, 'a', 'n3'), (2, 'b', 'm1'), (2, 'b', 'm2') AS t(id, v, note)""")
    target = spark.sql("SELECT * FROM VALUES (1, 'a', 'other'), (3, 'c', 'o1'), (3, 'c', 'o2') AS t(id, v, note)")
    outcome = compare(source, target, columns=["id", "v"], **options)
    assert outcome.counts.missing == 4
    assert outcome.counts.extra == 2
    missing = outcome.missing().drop("took").collect()
    ones = [row.note for row in missing if row.id == 1]
    assert len(ones) == 2
    assert len(set(ones) & {"n1", "n2", "n3"}) == 2
    assert sorted(row.note for row in missing if row.id == 2) == ["m1", "m2"]
    assert [row.seen for row in missing] == [{row.note: 1} for row in missing]
    assert sorted(map(tuple, outcome.extra().collect())) == [(3, "c", "o1"), (3, "c", "o2")]
    assert sorted(row.note for row in outcome.missing().drop("took").collect() if row.id == 1) == sorted(ones)
    assert outcome.diffs().count() == 6
