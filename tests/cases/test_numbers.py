"""Numbers: exact ones stay exact, floats are compared to the bit, and a tolerance is what it says (T26…T45, E*)."""

from __future__ import annotations

from typing import Any

from pairs import Case, check, parametrised
from pyspark.sql import SparkSession

ONE = {"changed": 1}
RULED = {"matched_by_rule": 1}


def _differs(id_: str, source: str, target: str, class_: str = "value", **options: Any) -> Case:
    return Case(id_, "id, v", f"(1, {source})", f"(1, {target})", "FAIL", ONE, {"v": {class_: 1}}, options=options)


def _equal(id_: str, source: str, target: str, **options: Any) -> Case:
    return Case(id_, "id, v", f"(1, {source})", f"(1, {target})", "PASS", {"matched": 1}, {}, options=options)


def _within(id_: str, source: str, target: str, tolerance: str) -> Case:
    options = {"tolerance": {"v": tolerance}}
    return Case(id_, "id, v", f"(1, {source})", f"(1, {target})", "PASS_WITH_RULES", RULED, {"v": {"within_tolerance": 1}}, options=options)


def _beyond(id_: str, source: str, target: str, tolerance: str, class_: str = "value") -> Case:
    return _differs(id_, source, target, class_, tolerance={"v": tolerance})


def _other_type(id_: str, source: str, target: str) -> Case:
    return Case(id_, "id, v", f"(1, {source})", f"(1, {target})", "FAIL", {"matched": 1}, {}, findings=[("type_changed", "v")])


EXACT = [
    _differs("T26_beyond_2_to_53", "9007199254740992L", "9007199254740993L"),
    _differs("T27_beyond_2_to_24_decimal", "CAST(16777216.00 AS DECIMAL(12, 2))", "CAST(16777217.00 AS DECIMAL(12, 2))"),
    _differs("T27_beyond_2_to_24_double", "16777216.00D", "16777217.00D"),
    _differs("E1_tiny_decimal_and_zero", "CAST('0.00000000000000000001' AS DECIMAL(38, 20))", "CAST(0 AS DECIMAL(38, 20))"),
    _differs(
        "E2_rounded_at_18_digits", "CAST('0.1234567890123456789' AS DECIMAL(38, 19))", "CAST('0.123456789012345679' AS DECIMAL(38, 18))"
    ),
    _differs("E3_rounded_at_10_digits", "CAST('0.12345678901' AS DECIMAL(38, 11))", "CAST('0.1234567890' AS DECIMAL(38, 10))"),
    _differs("E5_spark_45905", "CAST('1.23456789012345678901' AS DECIMAL(38, 20))", "CAST(1 AS DECIMAL(38, 0))"),
    Case(
        "E5_no_common_decimal",
        "id, v",
        "(1, CAST('1.23456789012345678901' AS DECIMAL(38, 20)))",
        "(1, CAST('99999999999999999999999999999999999999' AS DECIMAL(38, 0)))",
        "FAIL",
        ONE,
    ),
    Case(
        "E5_no_common_decimal_both_lost",
        "id, v",
        "(1, CAST('99999999999999999999999999999999999999' AS DECIMAL(38, 0)))",
        "(1, CAST(NULL AS DECIMAL(38, 20)))",
        "INCONCLUSIVE",
        {"matched": 1},
        reasons=["lossy_cast"],
    ),
    _differs(
        "N53_38_digits",
        "CAST('99999999999999999999999999999999999999' AS DECIMAL(38, 0))",
        "CAST('99999999999999999999999999999999999998' AS DECIMAL(38, 0))",
    ),
    _equal(
        "N54_38_digits_equal",
        "CAST('-99999999999999999999999999999999999999' AS DECIMAL(38, 0))",
        "CAST('-99999999999999999999999999999999999999' AS DECIMAL(38, 0))",
    ),
    _differs(
        "N55_38_digits_behind_the_point",
        "CAST('0.99999999999999999999999999999999999999' AS DECIMAL(38, 38))",
        "CAST('0.99999999999999999999999999999999999998' AS DECIMAL(38, 38))",
    ),
    _equal("N56_narrow_and_wide_decimal", "CAST(1.5 AS DECIMAL(5, 1))", "CAST(1.5 AS DECIMAL(38, 10))"),
    _differs("N57_sign_of_wide_decimals", "CAST(-1 AS DECIMAL(38, 0))", "CAST(1 AS DECIMAL(38, 0))"),
    _differs("N58_extremes_of_bigint", "9223372036854775807L", "-9223372036854775807L"),
    _equal("N59_smallest_bigint", "CAST('-9223372036854775808' AS BIGINT)", "CAST('-9223372036854775808' AS DECIMAL(19, 0))"),
    _differs("N60_bigint_and_decimal_fraction", "1L", "CAST(1.1 AS DECIMAL(10, 1))"),
    _equal("N61_tinyint_and_bigint", "CAST(-128 AS TINYINT)", "-128L"),
    _differs("E8_overflow_wraps", "300", "CAST(44 AS TINYINT)"),
    _differs("E14_half_up_and_half_even", "CAST(3 AS DECIMAL(10, 0))", "CAST(2 AS DECIMAL(10, 0))"),
    _other_type("E15_tinyint_1_became_boolean", "CAST(2 AS TINYINT)", "true"),
    _other_type("E16_nullable_integers_became_double", "9007199254740993L", "9007199254740992D"),
    _other_type("E17_money_as_text", "CAST(1234.50 AS DECIMAL(10, 2))", "'$1,234.50'"),
    *(
        _differs(f"E19_text_of_a_number_{number}", one, other)
        for number, (one, other) in enumerate(
            (("'1e3'", "'1000'"), ("'1_000'", "'1000'"), ("'012'", "'12'"), ("'+1'", "'1'"), ("'1.0'", "'1'"))
        )
    ),
    _other_type("C9_int_and_float", "16777217", "CAST(16777216 AS FLOAT)"),
    _other_type("N62_decimal_and_double", "CAST(0.5 AS DECIMAL(10, 1))", "0.5D"),
]

FLOATS = [
    _differs("T30_infinities", "double('-Infinity')", "double('Infinity')"),
    _differs("T34_nan_and_null", "double('NaN')", "CAST(NULL AS DOUBLE)", "value_to_null"),
    _equal("T35_minus_zero", "0.0D", "-0.0D"),
    _equal("N63_nan", "double('NaN')", "double('NaN')"),
    _equal("N64_nan_float_and_double", "float('NaN')", "double('NaN')"),
    _equal("N65_infinity", "double('Infinity')", "double('Infinity')"),
    _differs("N66_nan_and_infinity", "double('NaN')", "double('Infinity')"),
    _differs("T41_float_of_another_store", "0.36640625D", "CAST(0.366406 AS FLOAT)"),
    _within("T41_declared", "0.36640625D", "CAST(0.366406 AS FLOAT)", "rel:1e-5"),
    _equal("N67_float_half_and_double_half", "CAST(0.5 AS FLOAT)", "0.5D"),
    _differs("N68_one_ulp_double", "1.0D", "1.0000000000000002D"),
    _differs("N69_one_ulp_float", "CAST(1.0 AS FLOAT)", "CAST(1.0000001 AS FLOAT)"),
    _differs("N70_subnormal_and_zero", "double('4.9E-324')", "0D"),
    _differs("E12_point_one_plus_point_two", "double('0.30000000000000004')", "0.3D"),
    Case(
        "T44_double_and_decimal",
        "id, v",
        "(1, double('1E20'))",
        "(1, CAST('100000000000000000000' AS DECIMAL(38, 0)))",
        "PASS_WITH_RULES",
        {"matched": 1},
        {},
        options={"rules": {"v": "double"}, "tolerance": {"v": "rel:1e-15"}},
        reasons=["declared_cast"],
    ),
    Case(
        "E16_declared_double_loses_digits",
        "id, v",
        "(1, 9007199254740993L)",
        "(1, 9007199254740992D)",
        "INCONCLUSIVE",
        {"matched": 1},
        options={"rules": {"v": "double"}, "tolerance": {"v": "rel:1e-15"}},
        reasons=["lossy_cast"],
    ),
    Case(
        "E7_declared_cast_rounds",
        "id, v",
        "(1, '1.005')",
        "(1, CAST(1.01 AS DECIMAL(10, 2)))",
        "FAIL",
        {"changed": 1},
        options={"rules": {"source.v": "cast:decimal(10,2)"}},
        reasons=["lossy_cast"],
    ),
    Case(
        "E7_declared_cast_cuts",
        "id, v",
        "(1, 2.9D)",
        "(1, 2)",
        "INCONCLUSIVE",
        {"matched": 1},
        options={"rules": {"source.v": "cast:int"}},
        reasons=["lossy_cast"],
    ),
    Case(
        "E8_declared_cast_of_no_number",
        "id, v",
        "(1, 'abc')",
        "(1, CAST(NULL AS INT))",
        "INCONCLUSIVE",
        {"matched": 1},
        options={"rules": {"source.v": "cast:int"}},
        reasons=["lossy_cast"],
    ),
    Case(
        "N71_declared_cast_exact",
        "id, v",
        "(1, '12'), (2, NULL)",
        "(1, 12), (2, NULL)",
        "PASS_WITH_RULES",
        {"matched": 2},
        options={"rules": {"source.v": "cast:int"}},
        reasons=["declared_cast"],
    ),
]

TOLERANCES = [
    _beyond("T29_infinity_absolute_0", "1.0D", "double('Infinity')", "abs:0"),
    _beyond("T29_infinity_relative", "1.0D", "double('Infinity')", "rel:0.01"),
    _beyond("N72_infinities_relative_1", "double('-Infinity')", "double('Infinity')", "rel:1"),
    _beyond("T32_nan_relative", "1.0D", "double('NaN')", "rel:0.01"),
    _beyond("N73_nan_huge_absolute", "1.0D", "double('NaN')", "abs:1e300"),
    _beyond("T36_null_and_zero", "CAST(NULL AS INT)", "0", "abs:1", "null_to_value"),
    _within("T37_within_absolute", "100.0D", "100.99D", "abs:1"),
    _beyond("T39_beyond_both", "204.5D", "200.0D", "abs:1,rel:0.01"),
    _within("N74_decimal_at_the_absolute_end", "CAST(100.00 AS DECIMAL(10, 2))", "CAST(101.00 AS DECIMAL(10, 2))", "abs:1"),
    _beyond("N75_decimal_beyond_the_absolute_end", "CAST(100.00 AS DECIMAL(10, 2))", "CAST(101.01 AS DECIMAL(10, 2))", "abs:1"),
    _within("N76_decimal_at_the_relative_end", "CAST(99.00 AS DECIMAL(10, 2))", "CAST(100.00 AS DECIMAL(10, 2))", "rel:0.01"),
    _beyond("N77_decimal_beyond_the_relative_end", "CAST(98.99 AS DECIMAL(10, 2))", "CAST(100.00 AS DECIMAL(10, 2))", "rel:0.01"),
    _within("N78_the_larger_of_both_limits", "CAST(98.00 AS DECIMAL(10, 2))", "CAST(100.00 AS DECIMAL(10, 2))", "abs:2,rel:0.01"),
    _within("N79_bigint_at_the_end", "9007199254740992L", "9007199254740993L", "abs:1"),
    _beyond("N80_bigint_beyond_the_end", "9007199254740992L", "9007199254740994L", "abs:1"),
    _beyond("N81_bigint_too_near_for_doubles", "9007199254740992L", "9007199254740993L", "abs:0.5"),
    _beyond("N82_extremes_overflow", "9223372036854775807L", "-9223372036854775807L", "abs:5"),
    _within(
        "N83_38_digits_by_one",
        "CAST('99999999999999999999999999999999999999' AS DECIMAL(38, 0))",
        "CAST('99999999999999999999999999999999999998' AS DECIMAL(38, 0))",
        "abs:1",
    ),
    _beyond(
        "N84_38_digits_signs",
        "CAST('99999999999999999999999999999999999999' AS DECIMAL(38, 0))",
        "CAST('-99999999999999999999999999999999999999' AS DECIMAL(38, 0))",
        "abs:1",
    ),
    _beyond("E10_relative_with_zero", "0D", "1e-9D", "rel:1e-6"),
    _equal("E10_infinity_minus_infinity", "double('Infinity')", "double('Infinity')", tolerance={"v": "rel:1e-6"}),
    _equal("N85_tolerance_that_decides_nothing", "1.5D", "1.5D", tolerance={"v": "abs:1"}),
    _within("N86_negative_numbers", "CAST(-100.00 AS DECIMAL(10, 2))", "CAST(-101.00 AS DECIMAL(10, 2))", "rel:0.01"),
    _beyond("N87_signs_differ", "CAST(-0.50 AS DECIMAL(10, 2))", "CAST(0.51 AS DECIMAL(10, 2))", "abs:1"),
    _within(
        "N88_tiny_tolerance_of_wide_decimal",
        "CAST('1.00000000000000000001' AS DECIMAL(38, 20))",
        "CAST('1.00000000000000000002' AS DECIMAL(38, 20))",
        "abs:0.00000000000000000001",
    ),
    _beyond(
        "N89_tinier_tolerance_of_wide_decimal",
        "CAST('1.00000000000000000001' AS DECIMAL(38, 20))",
        "CAST('1.00000000000000000003' AS DECIMAL(38, 20))",
        "abs:0.00000000000000000001",
    ),
    _within("N90_int_and_decimal", "1", "CAST(1.01 AS DECIMAL(10, 2))", "abs:0.01"),
]


@parametrised([*EXACT, *FLOATS, *TOLERANCES])
def test_numbers(spark: SparkSession, case: Case) -> None:
    check(spark, case)


def test_t42_float_widened_is_explained(spark: SparkSession) -> None:
    rows = "(1, {0}), (2, {1}), (3, {2}), (4, {3}), (5, {4})"
    values = ("0.1", "0.2", "0.3", "1.1", "0.5")
    case = Case(
        "T42",
        "id, v",
        rows.format(*(f"float('{value}')" for value in values)),
        rows.format(*(f"double('{value}')" for value in values)),
        "FAIL",
        {"changed": 4, "matched": 1},
        {"v": {"value": 4}},
        findings=[("widened", "v")],
        cause="float_widened",
    )
    check(spark, case)


def test_n91_deltas_are_exact(spark: SparkSession) -> None:
    outcome = check(
        spark, Case("N91", "id, v", "(1, 9007199254740993L), (2, 5L)", "(1, 9007199254740992L), (2, 8L)", "FAIL", {"changed": 2})
    )
    column = next(column for column in outcome.columns if column.source == "v")
    assert (column.max_abs_delta, column.max_rel_delta) == ("3", "0.375")
