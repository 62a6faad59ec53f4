"""Text is compared as it is stored; every softer equality is declared, and counted (T47…T55, G*)."""

from __future__ import annotations

import unicodedata
from typing import Any

import pytest
from pairs import Case, check, parametrised
from pyspark.sql import SparkSession

from jobs.compare import compare

ONE = {"changed": 1}


def _differs(id_: str, source: str, target: str, class_: str = "value", **options: Any) -> Case:
    return Case(id_, "id, v", f"(1, {source})", f"(1, {target})", "FAIL", ONE, {"v": {class_: 1}}, options=options)


def _ruled(id_: str, source: str, target: str, rule: str, decided_by: str | None = None) -> Case:
    cells = {"v": {f"normalised:{decided_by or rule}": 1}}
    return Case(
        id_, "id, v", f"(1, {source})", f"(1, {target})", "PASS_WITH_RULES", {"matched_by_rule": 1}, cells, options={"rules": {"v": rule}}
    )


def _unruled(id_: str, source: str, target: str, rule: str) -> Case:
    return _differs(id_, source, target, rules={"v": rule})


STORED = [
    _differs("T48_trailing_blank", "'ab '", "'ab'"),
    _differs("T49_trailing_tab", r"'a\t'", "'a'"),
    _differs("T51_nfc_and_nfd", r"'\u00e9'", r"'e\u0301'"),
    _differs("T52_empty_and_null", "''", "CAST(NULL AS STRING)", "value_to_null"),
    _differs("G4_case_under_a_collation", "'A' COLLATE UTF8_LCASE", "'a' COLLATE UTF8_LCASE"),
    _differs("G5_case_under_icu", "'ABC' COLLATE UNICODE_CI", "'abc' COLLATE UNICODE_CI"),
    _differs("G5_accents_under_icu", r"'\u00e9' COLLATE UNICODE_CI_AI", r"'e\u0301' COLLATE UNICODE_CI_AI"),
    _differs("G3_pad_space", "'a '", "'a'"),
    _differs("G7_question_marks", r"'Zo\u00eb'", "'Zo?'"),
    _differs("G7_replacement_character", r"'Zo\u00eb'", r"'Zo\ufffd'"),
    _differs("G8_cut", "'abcdefghijkl'", "'abcdefghij'"),
    _differs("G11_line_ends", r"'a\r\nb'", r"'a\nb'"),
    _differs("G11_byte_order_mark", r"'\ufeffa'", "'a'"),
    _differs("G11_zero_width_space", r"'a\u200bb'", "'ab'"),
    _differs("G11_no_break_space", r"'a\u00a0b'", "'a b'"),
    _differs("G11_nul", r"'a\u0000'", "'a'"),
    _differs("G16_spreadsheet", "'100000'", "'1E+05'"),
    _differs("G2_blanks_inside", "'a b'", "'ab'"),
    _differs("G14_json_numbers", """'{"a": 1.0}'""", """'{"a": 1.00}'"""),
    _differs("F7_zone_in_text", "'10:00+02'", "'08:00+00'"),
    _differs("F6_midnight_in_text", "'24:00:00'", "'00:00:00'"),
    _differs("F15_intervals_in_text", "'1 mon'", "'30 days'"),
    _differs("N92_non_bmp", r"'\U0001F600'", r"'\U0001F601'"),
    _differs("N93_turkish_i", "'I'", r"'\u0131'"),
    _differs("N94_look_alikes", "'a'", r"'\u0430'"),
]

DECLARED = [
    _ruled("T48_declared", "'ab '", "'ab'", "rtrim"),
    _unruled("G1_rtrim_leaves_the_start", "' ab'", "'ab'", "rtrim"),
    _ruled("G13_ltrim", "' ab'", "'ab'", "ltrim"),
    _ruled("G2_trim", "' ab '", "'ab'", "trim"),
    _unruled("G2_trim_leaves_the_middle", "'a b'", "'ab'", "trim"),
    _ruled("T49_trim_takes_tabs", r"'a\t'", "'a'", "rtrim"),
    _ruled("T51_declared", r"'\u00e9'", r"'e\u0301'", "nfc"),
    _ruled("G5_nfkc", r"'\ufb01'", "'fi'", "nfkc"),
    _unruled("G5_nfc_is_not_nfkc", r"'\ufb01'", "'fi'", "nfc"),
    _ruled("T52_declared", "''", "CAST(NULL AS STRING)", "empty_as_null"),
    _ruled("G12_casefold_sharp_s", r"'Stra\u00dfe'", "'STRASSE'", "casefold"),
    _unruled("T55_casefold_leaves_dotless_i", "'I'", r"'\u0131'", "casefold"),
    _unruled("G12_lower_leaves_sharp_s", r"'Stra\u00dfe'", "'STRASSE'", "lower"),
    _ruled("G13_lower", "'ABC'", "'abc'", "lower"),
    _ruled("N95_null_marker", "'N/A'", "CAST(NULL AS STRING)", "null_as:N/A"),
    _unruled("N96_null_marker_of_other_text", "'n/a'", "'N/A '", "null_as:N/A"),
    _ruled("N97_two_rules_in_order", "' ABC'", "'abc'", "trim,lower", "lower"),
    _ruled("G14_json", """'{"a": 1.0, "b": [1, 2]}'""", """'{"b":[1,2],"a":1.00}'""", "json"),
    _unruled("G14_json_arrays_keep_their_order", """'{"b": [1, 2]}'""", """'{"b": [2, 1]}'""", "json"),
    _unruled("N98_json_text_and_number", """'{"a": "1"}'""", """'{"a": 1}'""", "json"),
    Case("N99_rule_that_decides_nothing", "id, v", "(1, 'a')", "(1, 'a')", "PASS", {"matched": 1}, {}, options={"rules": {"v": "trim"}}),
    Case(
        "N100_rule_of_one_side",
        "id, v",
        "(1, 'ab '), (2, 'c')",
        "(1, 'ab'), (2, 'c ')",
        "FAIL",
        {"changed": 1, "matched_by_rule": 1},
        {"v": {"value": 1, "normalised:rtrim": 1}},
        options={"rules": {"source.v": "rtrim"}},
    ),
    Case(
        "N101_rule_and_real_difference_in_one_row",
        "id, v, w",
        "(1, 'ab ', 1)",
        "(1, 'ab', 2)",
        "FAIL",
        ONE,
        options={"rules": {"v": "rtrim"}},
    ),
]


@parametrised([*STORED, *DECLARED])
def test_text(spark: SparkSession, case: Case) -> None:
    check(spark, case)


TRUNCATED = [chr(0xE9) * 5 + "xy", "abcdefghijkl", "q" * 15, chr(0x20AC) * 4, "short"]
CAUSES = [
    ("T51_explained", ["caf\u00e9", "na\u00efve", "\u00fcber", "plain"], lambda t: unicodedata.normalize("NFD", t), "unicode_form"),
    ("T52_explained", ["", "", "", "x"], lambda t: t or None, "null_and_empty"),
    ("T53_truncation_at_10_bytes", TRUNCATED, lambda t: t.encode()[:10].decode(errors="ignore"), "truncation"),
]


@pytest.mark.parametrize(("name", "values", "change", "cause"), CAUSES, ids=[one[0] for one in CAUSES])
def test_explained(spark: SparkSession, name: str, values: list[str], change: Any, cause: str) -> None:
    source = spark.createDataFrame(list(enumerate(values)), "id INT, v STRING")
    target = spark.createDataFrame([(index, change(value)) for index, value in enumerate(values)], "id INT, v STRING")
    outcome = compare(source, target, keys=["id"])
    assert outcome.verdict == "FAIL"
    assert outcome.counts.changed == sum(change(value) != value for value in values)
    assert outcome.explain()[0].cause == cause, [(e.cause, e.share) for e in outcome.explain()]


def test_t47_char_padding_is_no_difference(spark: SparkSession) -> None:
    spark.sql("CREATE TABLE IF NOT EXISTS t47_char (id INT, v CHAR(5)) USING parquet")
    spark.sql("INSERT OVERWRITE t47_char VALUES (1, 'ab'), (2, ' c'), (3, NULL)")
    try:
        target = spark.sql("SELECT * FROM VALUES (1, 'ab'), (2, ' c'), (3, NULL) AS t(id, v)")
        outcome = compare("hive:default.t47_char", target, keys=["id"])
        assert outcome.verdict == "PASS", outcome.result.reasons
        assert ("pad", "v") in {(found.class_, found.column) for found in outcome.result.findings}
        other = compare("hive:default.t47_char", spark.sql("SELECT * FROM VALUES (1, 'ab'), (2, 'c'), (3, '') AS t(id, v)"), keys=["id"])
        assert (other.verdict, other.counts.changed) == ("FAIL", 2)
    finally:
        spark.sql("DROP TABLE t47_char")


def test_g1_varchar_blanks_are_a_difference(spark: SparkSession) -> None:
    """Blanks after a VARCHAR belong to it: only CHAR is padded."""
    spark.sql("CREATE TABLE IF NOT EXISTS g1_varchar (id INT, v VARCHAR(5)) USING parquet")
    spark.sql("INSERT OVERWRITE g1_varchar VALUES (1, 'ab ')")
    try:
        outcome = compare("hive:default.g1_varchar", spark.sql("SELECT 1 AS id, 'ab' AS v"), keys=["id"])
        assert (outcome.verdict, outcome.counts.changed) == ("FAIL", 1)
    finally:
        spark.sql("DROP TABLE g1_varchar")
