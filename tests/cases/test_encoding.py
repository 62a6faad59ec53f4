"""How rows become hashes: nothing that differs may be written alike (T1…T25, A*, B*)."""

from __future__ import annotations

import struct

import pytest
import xxhash
from pairs import Case, check, parametrised
from pyspark.sql import SparkSession

from jobs.compare import compare

VALUE = {"value": 1}
NULL_TO_VALUE = {"null_to_value": 1}
VALUE_TO_NULL = {"value_to_null": 1}
ONE = {"changed": 1}


def _differs(id_: str, columns: str, source: str, target: str, **classes: dict[str, int]) -> Case:
    return Case(id_, f"id, {columns}", f"(1, {source})", f"(1, {target})", "FAIL", ONE, classes)


def _equal(id_: str, columns: str, source: str, target: str) -> Case:
    return Case(id_, f"id, {columns}", f"(1, {source})", f"(1, {target})", "PASS", {"matched": 1}, {})


def _other_type(id_: str, source: str, target: str) -> Case:
    found = [("type_changed", "v")]
    return Case(id_, "id, v", f"(1, {source})", f"(1, {target})", "FAIL", {"matched": 1}, {}, findings=found, reasons=["type_changed"])


BOUNDARIES = [
    _differs("T1_boundary_moves_between_columns", "a, b", "'ab', 'c'", "'a', 'bc'", a=VALUE, b=VALUE),
    _differs("T2_digits_move_between_columns", "a, b", "'12', '3'", "'1', '23'", a=VALUE, b=VALUE),
    _differs(
        "T5_null_moves_between_columns", "a, b", "'x', CAST(NULL AS STRING)", "CAST(NULL AS STRING), 'x'", a=VALUE_TO_NULL, b=NULL_TO_VALUE
    ),
    _differs(
        "A1_null_moves_between_columns", "a, b", "CAST(NULL AS STRING), 'x'", "'x', CAST(NULL AS STRING)", a=NULL_TO_VALUE, b=VALUE_TO_NULL
    ),
    _differs("A10_no_length_of_arrays", "a, b", "array(1, 2), array(3)", "array(1), array(2, 3)", a=VALUE, b=VALUE),
    _differs("A19_no_separator", "a, b", "'x0', 'y'", "'x', '0y'", a=VALUE, b=VALUE),
    _differs(
        "A22_concat_ws_drops_null",
        "a, b, c",
        "'a', CAST(NULL AS STRING), 'b'",
        "'a', 'b', CAST(NULL AS STRING)",
        b=NULL_TO_VALUE,
        c=VALUE_TO_NULL,
    ),
    _differs("A23_null_swallows_the_row", "a, b", "CAST(NULL AS STRING), 'c'", "CAST(NULL AS STRING), 'd'", b=VALUE),
    _differs("N1_length_prefix_in_the_data", "a, b", "'1:a;1:b', ''", "'1:a', '1:b'", a=VALUE, b=VALUE),
    _differs("N2_json_in_the_data", "a, b", """'x","b":"y', 'z'""", """'x', 'y","b":"z'""", a=VALUE, b=VALUE),
    _differs("N3_text_and_number_columns", "a, b", "'1', 23", "'12', 3", a=VALUE, b=VALUE),
]

NULLS = [
    _differs("T6_sentinel_null_recon", "a", "CAST(NULL AS STRING)", "'_null_recon_'", a=NULL_TO_VALUE),
    *(
        _differs(f"T8_sentinel_{name}", "a", "CAST(NULL AS STRING)", text, a=NULL_TO_VALUE)
        for name, text in (("null_in_brackets", "'<null>'"), ("empty", "''"), ("NULL", "'NULL'"), ("hive_default", r"'\\N'"))
    ),
    _differs("T9_null_date_and_1900", "d", "CAST(NULL AS DATE)", "DATE'1900-01-01'", d=NULL_TO_VALUE),
    _differs("T10_empty_array_and_null", "v", "CAST(array() AS ARRAY<INT>)", "CAST(NULL AS ARRAY<INT>)", v=VALUE_TO_NULL),
    _differs("T12_struct_of_null_and_null", "v", "named_struct('a', CAST(NULL AS INT))", "CAST(NULL AS STRUCT<a: INT>)", v=VALUE_TO_NULL),
    _differs(
        "A12_null_moves_inside_a_struct",
        "v",
        "named_struct('a', CAST(NULL AS INT), 'b', 1)",
        "named_struct('a', 1, 'b', CAST(NULL AS INT))",
        v=VALUE,
    ),
    *(
        _differs(f"A21_sentinel_{number}", "a", text, "CAST(NULL AS STRING)", a=VALUE_TO_NULL)
        for number, text in enumerate(("'<null>'", "'DEFAULT_REPLACEMENT_STRING'", "'^^'", "'~'", "'N;'"))
    ),
    _differs("N4_empty_map_and_null", "v", "CAST(map() AS MAP<STRING, INT>)", "CAST(NULL AS MAP<STRING, INT>)", v=VALUE_TO_NULL),
    _differs("N5_null_in_array_and_shorter_array", "v", "array(1, NULL)", "array(1)", v=VALUE),
    _differs("N6_null_moves_in_array", "v", "array(1, NULL, 2)", "array(NULL, 1, 2)", v=VALUE),
    _differs("N7_null_and_zero", "v", "CAST(NULL AS INT)", "0", v=NULL_TO_VALUE),
    _differs("N8_null_and_false", "v", "CAST(NULL AS BOOLEAN)", "false", v=NULL_TO_VALUE),
    _differs("N9_null_and_empty_binary", "v", "CAST(NULL AS BINARY)", "X''", v=NULL_TO_VALUE),
    _differs(
        "N10_array_of_empty_and_empty_array", "v", "array(CAST(array() AS ARRAY<INT>))", "CAST(array() AS ARRAY<ARRAY<INT>>)", v=VALUE
    ),
    _differs("N11_map_value_null_and_no_entry", "v", "map('a', 1, 'b', CAST(NULL AS INT))", "map('a', 1)", v=VALUE),
]

NESTED = [
    _differs("T13_array_order", "v", "array(1, 2, 3)", "array(3, 2, 1)", v=VALUE),
    Case(
        "T13_array_declared_a_set",
        "id, v",
        "(1, array(1, 2, 3))",
        "(1, array(3, 2, 1))",
        "PASS_WITH_RULES",
        {"matched_by_rule": 1},
        {"v": {"normalised:set": 1}},
        options={"rules": {"v": "set"}},
    ),
    Case(
        "T13_set_keeps_what_is_in_it", "id, v", "(1, array(1, 2, 3))", "(1, array(3, 2, 4))", "FAIL", ONE, options={"rules": {"v": "set"}}
    ),
    _equal("T15_map_order", "v", "map('a', 1, 'b', 2)", "map('b', 2, 'a', 1)"),
    _differs("T16_map_value", "v", "map('a', 1)", "map('a', 2)", v=VALUE),
    _differs("N12_map_key", "v", "map('a', 1)", "map('b', 1)", v=VALUE),
    _differs("N13_map_values_swapped", "v", "map('a', 1, 'b', 2)", "map('a', 2, 'b', 1)", v=VALUE),
    _equal(
        "N14_map_of_structs_as_keys",
        "v",
        "map(named_struct('x', 1), 'a', named_struct('x', 2), 'b')",
        "map(named_struct('x', 2), 'b', named_struct('x', 1), 'a')",
    ),
    _equal("N15_arrays_of_maps", "v", "array(map('a', 1, 'b', 2), map('c', 3))", "array(map('b', 2, 'a', 1), map('c', 3))"),
    _differs(
        "N16_arrays_of_maps_differ", "v", "array(map('a', 1, 'b', 2), map('c', 3))", "array(map('b', 2, 'a', 1), map('c', 4))", v=VALUE
    ),
    _equal("N17_map_of_maps", "v", "map('o', map('a', 1, 'b', 2))", "map('o', map('b', 2, 'a', 1))"),
    _equal("N18_struct_with_a_map", "v", "named_struct('m', map('a', 1, 'b', 2))", "named_struct('m', map('b', 2, 'a', 1))"),
    _differs(
        "N19_deep_value",
        "v",
        "named_struct('a', array(named_struct('b', map('k', array(1, 2)))))",
        "named_struct('a', array(named_struct('b', map('k', array(1, 3)))))",
        v=VALUE,
    ),
    _differs("N20_array_split", "v", "array(array(1, 2), array(3))", "array(array(1), array(2, 3))", v=VALUE),
    _equal("N21_struct_fields_reordered", "v", "named_struct('a', 1, 'b', 'x')", "named_struct('b', 'x', 'a', 1)"),
    _differs("N22_struct_fields_reordered_values_too", "v", "named_struct('a', 1, 'b', 2)", "named_struct('b', 1, 'a', 2)", v=VALUE),
    _other_type("N23_struct_field_renamed", "named_struct('a', 1)", "named_struct('b', 1)"),
    _other_type("N24_struct_field_added", "named_struct('a', 1)", "named_struct('a', 1, 'b', 2)"),
    _equal("N25_nested_integers_widen", "v", "named_struct('a', array(1, 2))", "named_struct('a', array(1L, 2L))"),
    _other_type("N26_nested_type_changed", "array(1)", "array('1')"),
    _equal("N27_struct_field_names_with_dots", "v", "named_struct('a.b', 1, 'c`d', 2)", "named_struct('c`d', 2, 'a.b', 1)"),
    _differs("N28_struct_field_with_a_dot_differs", "v", "named_struct('a.b', 1)", "named_struct('a.b', 2)", v=VALUE),
    _equal("N29_struct_fields_in_two_letter_cases", "v", "named_struct('a', 1, 'A', 2)", "named_struct('A', 2, 'a', 1)"),
    _equal("N30_variant_key_order", "v", """parse_json('{"a": 1, "b": [1, 2]}')""", """parse_json('{"b": [1, 2], "a": 1}')"""),
    _differs("N31_variant_value", "v", """parse_json('{"a": 1}')""", """parse_json('{"a": 2}')""", v=VALUE),
    _differs("N32_variant_null_and_null", "v", "parse_json('null')", "CAST(NULL AS VARIANT)", v=VALUE_TO_NULL),
    _differs("N33_variant_text_and_number", "v", """parse_json('"1"')""", "parse_json('1')", v=VALUE),
    _differs("N34_zeros_in_arrays", "v", "array(0D, 1D)", "array(1D, 0D)", v=VALUE),
    _equal("N35_minus_zero_in_containers", "v", "array(0D, double('NaN'))", "array(-0D, double('NaN'))"),
    _differs(
        "N36_array_of_structs_order",
        "v",
        "array(named_struct('a', 1), named_struct('a', 2))",
        "array(named_struct('a', 2), named_struct('a', 1))",
        v=VALUE,
    ),
    _differs("N37_array_of_intervals", "v", "array(INTERVAL '1' DAY)", "array(INTERVAL '2' DAY)", v=VALUE),
]

TYPES = [
    _differs("T18_json_as_text", "v", """'{"a":1,"b":2}'""", """'{"b":2,"a":1}'""", v=VALUE),
    Case(
        "T18_json_as_json",
        "id, v",
        """(1, '{"a":1,"b":2}')""",
        """(1, '{"b":2,"a":1}')""",
        "PASS_WITH_RULES",
        {"matched_by_rule": 1},
        {"v": {"normalised:json": 1}},
        options={"rules": {"v": "json"}},
    ),
    _differs("T20_binary", "v", "X'616263'", "X'616264'", v=VALUE),
    _equal("T21_binary_equal", "v", "X'616263'", "X'616263'"),
    _other_type("T22_text_and_binary", "'abc'", "CAST('abc' AS BINARY)"),
    Case(
        "T24_decimal_scales",
        "id, v",
        "(1, CAST(1.5 AS DECIMAL(10, 2)))",
        "(1, CAST(1.500 AS DECIMAL(10, 3)))",
        "PASS",
        {"matched": 1},
        {},
        findings=[("narrowed", "v")],  # three digits after the point and one less before it
    ),
    Case("T25_int_and_bigint_keys", "id, v", "(1, 'a')", "(1L, 'a')", "PASS", {"matched": 1}, {}, findings=[("widened", "id")]),
    Case(
        "A2_column_vanished",
        "id",
        "SELECT 1 AS id, CAST(NULL AS STRING) AS v",
        "(1)",
        "FAIL",
        {"matched": 1},
        {},
        findings=[("missing_column", "v")],
    ),
    _differs("A3_unscaled_decimals", "v", "CAST(1.00 AS DECIMAL(10, 2))", "CAST(100 AS DECIMAL(10, 0))", v=VALUE),
    _differs("A5_decimal_and_unscaled_bigint", "v", "CAST(1.00 AS DECIMAL(10, 2))", "100L", v=VALUE),
    _equal("N38_decimal_and_bigint", "v", "CAST(100.00 AS DECIMAL(10, 2))", "100L"),
    _other_type("A6_boolean_and_int", "true", "1"),
    Case(
        "A6_boolean_and_int_cast",
        "id, v",
        "(1, true), (2, false)",
        "(1, 1), (2, 0)",
        "PASS_WITH_RULES",
        {"matched": 2},
        {},
        options={"rules": {"source.v": "cast:int"}},
        reasons=["declared_cast"],
    ),
    _other_type("A7_date_and_int", "DATE'1970-01-02'", "1"),
    _other_type("A8_timestamp_and_micros", "TIMESTAMP'1970-01-01 00:00:01'", "1000000L"),
    _other_type("A9_timestamp_and_ntz", "TIMESTAMP'2024-01-01 00:00:00'", "TIMESTAMP_NTZ'2024-01-01 00:00:00'"),
    Case(
        "A9_timestamp_and_ntz_with_a_zone",
        "id, v",
        "(1, TIMESTAMP'2024-07-01 10:00:00+00:00')",
        "(1, TIMESTAMP_NTZ'2024-07-01 12:00:00')",
        "PASS_WITH_RULES",
        {"matched": 1},
        options={"rules": {"target.v": "utc_from:Europe/Berlin"}},
        reasons=["declared_cast"],
    ),
    _other_type("A13_binary_and_text", "CAST('abc' AS BINARY)", "'abc'"),
    Case(
        "A13_binary_and_text_cast",
        "id, v",
        "(1, CAST('abc' AS BINARY))",
        "(1, 'abc')",
        "PASS_WITH_RULES",
        {"matched": 1},
        options={"rules": {"source.v": "cast:string"}},
        reasons=["declared_cast"],
    ),
    _equal("A14_minus_zero", "v", "0.0D", "-0.0D"),
    Case(
        "A15_calendar_interval",
        "id, v",
        "(1, make_interval(0, 0, 0, 1))",
        "(1, make_interval(0, 0, 0, 2))",
        "INCONCLUSIVE",
        {"matched": 1},
        findings=[("unhashable", "v")],
        reasons=["unhashable_column"],
    ),
    Case(
        "N39_calendar_interval_and_a_difference",
        "id, v, w",
        "(1, make_interval(0, 0, 0, 1), 'a')",
        "(1, make_interval(0, 0, 0, 1), 'b')",
        "FAIL",
        ONE,
        reasons=["unhashable_column", "changed"],
    ),
    Case(
        "N40_array_of_calendar_intervals",
        "id, v",
        "(1, array(make_interval(1)))",
        "(1, array(make_interval(1)))",
        "INCONCLUSIVE",
        {"matched": 1},
    ),
    _differs("A27_collated_text", "v", "'A' COLLATE UTF8_LCASE", "'a' COLLATE UTF8_LCASE", v=VALUE),
    _equal("N41_collated_and_plain_text", "v", "'A' COLLATE UTF8_LCASE", "'A'"),
    _differs("A25_equal_crc32", "v", "CAST('plumless' AS BINARY)", "CAST('buckeroo' AS BINARY)", v=VALUE),
    _differs("A18_equal_32_bit_hash", "v", "'plumless'", "'buckeroo'", v=VALUE),
    _differs("N42_year_month_intervals", "v", "INTERVAL '1-1' YEAR TO MONTH", "INTERVAL '1-2' YEAR TO MONTH", v=VALUE),
    _differs(
        "N43_day_time_intervals_by_a_microsecond",
        "v",
        "INTERVAL '1 00:00:00.000001' DAY TO SECOND",
        "INTERVAL '1 00:00:00' DAY TO SECOND",
        v=VALUE,
    ),
    _equal("N44_interval_units", "v", "INTERVAL '24' HOUR", "INTERVAL '1' DAY"),
    _differs("N45_negative_intervals", "v", "INTERVAL '-1' DAY", "INTERVAL '1' DAY", v=VALUE),
    _other_type("N46_interval_families", "INTERVAL '1' MONTH", "INTERVAL '30' DAY"),
    _equal("N47_void_columns", "v", "NULL", "NULL"),
    _differs("N48_void_and_text", "v", "NULL", "'a'", v=NULL_TO_VALUE),
    _equal("N49_void_and_null_text", "v", "NULL", "CAST(NULL AS STRING)"),
    _other_type("N50_text_and_int", "'1'", "1"),
    _other_type("N51_date_and_timestamp", "DATE'2024-01-01'", "TIMESTAMP'2024-01-01 00:00:00'"),
]


@parametrised([*BOUNDARIES, *NULLS, *NESTED, *TYPES])
def test_encoding(spark: SparkSession, case: Case) -> None:
    check(spark, case)


AGGREGATES = [
    Case("B1_xor_of_pairs", "v", "('a'), ('a'), ('b'), ('b')", "('c'), ('c'), ('d'), ('d')", "FAIL", {"missing": 4, "extra": 4}, keys=[]),
    Case("B4_counts_differ_sums_agree", "id, v", "(1, 0), (2, 0)", "(1, 0)", "FAIL", {"missing": 1}, {}),
    Case("B6_null_rows_vanish_from_sums", "v", "(NULL), ('c')", "('c')", "FAIL", {"missing": 1}, keys=[]),
    Case("B7_values_swapped_between_rows", "id, v", "(1, 10), (2, 20)", "(1, 20), (2, 10)", "FAIL", {"changed": 2}, {"v": {"value": 2}}),
    Case(
        "B8_plus_one_minus_one",
        "id, v",
        "(1, 10), (2, 20), (3, 5)",
        "(1, 11), (2, 19), (3, 5)",
        "FAIL",
        {"changed": 2},
        {"v": {"value": 2}},
    ),
    Case(
        "B9_distinct_under_a_collation",
        "id, v",
        "(1, 'A' COLLATE UTF8_LCASE), (2, 'a' COLLATE UTF8_LCASE)",
        "(1, 'a' COLLATE UTF8_LCASE), (2, 'a' COLLATE UTF8_LCASE)",
        "FAIL",
        ONE,
    ),
    Case("B11_one_ulp", "id, v", "(1, 0.30000000000000004D), (2, 1D)", "(1, 0.3D), (2, 1D)", "FAIL", ONE, {"v": {"value": 1}}),
    Case(
        "B14_difference_beyond_1024_characters",
        "id, v",
        "SELECT 1 AS id, concat(repeat('x', 5000), 'a') AS v",
        "SELECT 1 AS id, concat(repeat('x', 5000), 'b') AS v",
        "FAIL",
        ONE,
    ),
    Case(
        "B15_both_sums_null",
        "id, v",
        "SELECT 1 AS id, 1 AS v WHERE false",
        "SELECT 1 AS id, 1 AS v WHERE false",
        "INCONCLUSIVE",
        reasons=["empty"],
    ),
    Case("B17_rounded_checksums", "id, v", "(1, 1.008)", "(1, 1.009)", "FAIL", ONE, {"v": {"value": 1}}),
    Case(
        "B17_declared_rounding",
        "id, v",
        "(1, 1.008)",
        "(1, 1.009)",
        "PASS_WITH_RULES",
        {"matched_by_rule": 1},
        {"v": {"normalised:round:2": 1}},
        options={"rules": {"v": "round:2"}},
    ),
    Case("T98_null_aggregate", "id, v", "(1, CAST(NULL AS INT))", "(1, 5)", "FAIL", ONE, {"v": {"null_to_value": 1}}),
    Case(
        "T99_equal_average", "id, v", "(1, 1D), (2, 2D), (3, 3D)", "(1, 2D), (2, 3D), (3, 1D)", "FAIL", {"changed": 3}, {"v": {"value": 3}}
    ),
    Case(
        "A29_no_key_64_bits",
        "v",
        "('a'), ('b')",
        "('a'), ('c')",
        "FAIL",
        {"missing": 1, "extra": 1, "matched": 1},
        keys=[],
        options={"strength": "128"},
    ),
    Case(
        "B12_proof_mode",
        "id, v",
        "(1, 'a'), (2, 'b')",
        "(1, 'a'), (2, 'c')",
        "FAIL",
        ONE,
        {"v": {"value": 1}},
        options={"strength": "sha256"},
    ),
    Case(
        "B12_proof_mode_equal",
        "id, v, w",
        "(1, 'a', 1D), (2, NULL, double('NaN'))",
        "(1, 'a', 1D), (2, NULL, double('NaN'))",
        "PASS",
        {"matched": 2},
        {},
        options={"strength": "sha256"},
    ),
    Case(
        "A30_masked_on_both_sides",
        "id, v",
        "(1, '***'), (2, '***')",
        "(1, '***'), (2, '***')",
        "PASS",
        {"matched": 2},
        findings=[("constant", "v")],
    ),
]


@parametrised(AGGREGATES)
def test_aggregates_never_lift_a_verdict(spark: SparkSession, case: Case) -> None:
    check(spark, case)


def test_a16_crafted_collision_of_xxh64(spark: SparkSession) -> None:
    """Two values of 64 bytes with the same XXH64 for every seed (Cyan4973/xxHash #165)."""
    lanes = [0x0101010101010101 * (i + 1) for i in range(8)]
    crafted = list(lanes)
    crafted[0] = (crafted[0] + 0x0BA79078168D4BAF) % 2**64
    crafted[4] = (crafted[4] + 0x9C90005B80000000) % 2**64
    one, other = struct.pack("<8Q", *lanes), struct.pack("<8Q", *crafted)
    assert one != other
    assert xxhash.xxh64(one, seed=42).digest() == xxhash.xxh64(other, seed=42).digest()
    source, target = (spark.createDataFrame([(1, bytearray(value))], "id INT, v BINARY") for value in (one, other))
    outcome = compare(source, target, keys=["id"])
    assert (outcome.verdict, outcome.counts.changed) == ("FAIL", 1)
    keyless = compare(source, target, keys=[])
    assert (keyless.verdict, keyless.counts.missing, keyless.counts.extra) == ("FAIL", 1, 1)


@pytest.mark.parametrize("strength", ["64", "128", "sha256"])
def test_n52_strengths_agree_on_what_differs(spark: SparkSession, strength: str) -> None:
    rows = "(1, 'a', 1.5D, DATE'2024-01-01'), (2, 'b', 2.5D, NULL), (3, NULL, double('NaN'), DATE'2024-01-03')"
    changed = rows.replace("2.5D", "2.50000001D")
    outcome = check(
        spark, Case(f"N52_{strength}", "id, s, f, d", rows, changed, "FAIL", ONE, {"f": {"value": 1}}, options={"strength": strength})
    )
    assert outcome.result.strength == strength


def test_b18_one_of_many_is_never_shown_as_none(spark: SparkSession) -> None:
    """99.9996 % equal is not 100 % equal: counts are shown, and the share is rounded down."""
    source = spark.range(250_000).selectExpr("id", "id * 3 AS v")
    target = spark.range(250_000).selectExpr("id", "id * 3 + CAST(id = 77777 AS INT) AS v")
    outcome = compare(source, target, keys=["id"])
    assert (outcome.verdict, outcome.counts.changed, outcome.counts.matched) == ("FAIL", 1, 249_999)
    shown = outcome.to_markdown()
    assert "100.00 %" not in shown.replace("Coverage", "").split("rows equal")[-1] or "249,999" in shown
