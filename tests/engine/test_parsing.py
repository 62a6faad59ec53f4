"""What text says exactly one value of a type, and what does not."""

from __future__ import annotations

import math
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.parsing import PARSED_TEXT, PARSED_VALUE, can_parse, parse_strictly, typed_as_parsed

REFUSED = object()
CASES: dict[str, tuple[T.DataType, list[tuple[str, Any]]]] = {
    "bigint": (
        T.LongType(),
        [
            ("0", 0),
            ("-0", 0),
            ("12", 12),
            ("-12", -12),
            ("9223372036854775807", 2**63 - 1),
            ("-9223372036854775808", -(2**63)),
            ("9223372036854775808", REFUSED),
            ("012", REFUSED),
            ("00", REFUSED),
            ("1.0", REFUSED),
            ("1e3", REFUSED),
            ("1_000", REFUSED),
            ("1,000", REFUSED),
            (" 1", REFUSED),
            ("1 ", REFUSED),
            ("1\n", REFUSED),
            ("+1", REFUSED),
            ("", REFUSED),
            ("-", REFUSED),
            ("0x10", REFUSED),
            ("١", REFUSED),
            ("NaN", REFUSED),
            ("true", REFUSED),
            ("1L", REFUSED),
            ("1\x00", REFUSED),
        ],
    ),
    "decimal(10,2)": (
        T.DecimalType(10, 2),
        [
            ("1", Decimal("1.00")),
            ("1.5", Decimal("1.50")),
            ("1.50", Decimal("1.50")),
            ("1.5000", Decimal("1.50")),
            ("-0.01", Decimal("-0.01")),
            ("1e2", Decimal("100.00")),
            ("1.5E+2", Decimal("150.00")),
            ("150e-2", Decimal("1.50")),
            ("15e-1", Decimal("1.50")),
            ("99999999.99", Decimal("99999999.99")),
            ("100000000", REFUSED),
            ("1.005", REFUSED),
            ("0.001", REFUSED),
            ("1e-3", REFUSED),
            (".5", REFUSED),
            ("1.", REFUSED),
            ("01", REFUSED),
            ("1,5", REFUSED),
            ("", REFUSED),
            ("NaN", REFUSED),
            ("Infinity", REFUSED),
            ("$1", REFUSED),
            (" 1", REFUSED),
            ("1.00\n", REFUSED),
            ("1e999", REFUSED),
            ("--1", REFUSED),
        ],
    ),
    "decimal(38,0)": (
        T.DecimalType(38, 0),
        [
            ("1.0E20", Decimal(10**20)),
            ("9" * 38, Decimal("9" * 38)),
            ("9" * 39, REFUSED),
            ("1e37", Decimal(10**37)),
            ("1e38", REFUSED),
            ("0.5", REFUSED),
        ],
    ),
    "double": (
        T.DoubleType(),
        [
            ("1", 1.0),
            ("0.1", 0.1),
            ("1e-3", 0.001),
            ("1E3", 1000.0),
            (".5", 0.5),
            ("1.", 1.0),
            ("+1", 1.0),
            ("-0", 0.0),
            ("NaN", math.nan),
            ("nan", math.nan),
            ("Infinity", math.inf),
            ("inf", math.inf),
            ("-Infinity", -math.inf),
            ("4.9E-324", 5e-324),
            ("1e999", REFUSED),
            ("1d", REFUSED),
            ("1f", REFUSED),
            ("0x1p3", REFUSED),
            (" 1", REFUSED),
            ("", REFUSED),
            ("infinite", REFUSED),
            ("1,5", REFUSED),
            ("1\n", REFUSED),
        ],
    ),
    "float": (T.FloatType(), [("0.5", 0.5), ("NaN", math.nan), ("-inf", -math.inf), ("1e39", REFUSED), ("x", REFUSED)]),
    "boolean": (
        T.BooleanType(),
        [
            ("true", True),
            ("TRUE", True),
            ("t", True),
            ("T", True),
            ("false", False),
            ("f", False),
            ("False", False),
            ("1", REFUSED),
            ("0", REFUSED),
            ("yes", REFUSED),
            ("", REFUSED),
            (" true", REFUSED),
            ("true\n", REFUSED),
        ],
    ),
    "date": (
        T.DateType(),
        [
            ("2024-02-29", date(2024, 2, 29)),
            ("0001-01-01", date(1, 1, 1)),
            ("9999-12-31", date(9999, 12, 31)),
            ("2024-02-30", REFUSED),
            ("2023-02-29", REFUSED),
            ("2024-2-9", REFUSED),
            ("2024-01", REFUSED),
            ("2024", REFUSED),
            ("24-01-01", REFUSED),
            ("2024-01-01 00:00:00", REFUSED),
            ("2024/01/01", REFUSED),
            ("01.02.2024", REFUSED),
            (" 2024-01-01", REFUSED),
            ("", REFUSED),
            ("today", REFUSED),
            ("infinity", REFUSED),
            ("2024-01-01\n", REFUSED),
            ("2024-01-01T", REFUSED),
            ("epoch", REFUSED),
            ("2024-13-01", REFUSED),
            ("0000-00-00", REFUSED),
        ],
    ),
    "timestamp": (
        T.TimestampType(),
        [
            ("2024-01-01 12:00:00", datetime(2024, 1, 1, 12)),
            ("2024-01-01T12:00:00Z", datetime(2024, 1, 1, 12)),
            ("2024-01-01T14:00:00+02:00", datetime(2024, 1, 1, 12)),
            ("2024-01-01 12:00:00.123456", datetime(2024, 1, 1, 12, 0, 0, 123456)),
            ("2024-01-01 12:00:00.1", datetime(2024, 1, 1, 12, 0, 0, 100000)),
            ("2024-01-01 12:00:00.123456000", datetime(2024, 1, 1, 12, 0, 0, 123456)),
            ("2024-01-01 12:00", datetime(2024, 1, 1, 12)),
            ("2024-01-01T10:00:00-0200", datetime(2024, 1, 1, 12)),
            ("2024-01-01 12:00:00 UTC", datetime(2024, 1, 1, 12)),
            ("2024-01-01 12:00:00.1234567", REFUSED),
            ("2024-01-01", REFUSED),
            ("2024-02-30 12:00:00", REFUSED),
            ("2024-01-01 25:00:00", REFUSED),
            ("2024-01-01 24:00:00", REFUSED),
            ("2024-01-01 12:60:00", REFUSED),
            ("1704110400", REFUSED),
            ("now", REFUSED),
            ("infinity", REFUSED),
            ("", REFUSED),
            (" 2024-01-01 12:00:00", REFUSED),
            ("2024-01-01 12:00:00\n", REFUSED),
            ("12:00:00", REFUSED),
            ("2024-01-01 12:00:00 Europe/Berlin", REFUSED),
            ("2024-01-01 12:00:00 PST", REFUSED),
        ],
    ),
    "timestamp_ntz": (
        T.TimestampNTZType(),
        [
            ("2024-03-10 02:30:00", datetime(2024, 3, 10, 2, 30)),
            ("2024-01-01T12:00:00.5", datetime(2024, 1, 1, 12, 0, 0, 500000)),
            ("2024-01-01T12:00:00Z", REFUSED),
            ("2024-01-01 12:00:00+02:00", REFUSED),
            ("2024-01-01", REFUSED),
            ("", REFUSED),
        ],
    ),
}


@pytest.mark.parametrize("name", sorted(CASES))
def test_table(spark: SparkSession, name: str) -> None:
    declared, cases = CASES[name]
    frame = spark.createDataFrame([(index, text) for index, (text, _) in enumerate(cases)], "i INT, t STRING")
    parsed = parse_strictly(F.col("t"), declared)
    shown = parsed.getField(PARSED_VALUE)
    if isinstance(declared, T.TimestampType):
        shown = shown.cast("timestamp_ntz")  # as UTC, whatever zone this Python lives in
    rows = frame.select("i", shown.alias("v"), parsed.getField(PARSED_TEXT).alias("bad")).collect()
    wrong = []
    for row in rows:
        text, wanted = cases[row.i]
        if wanted is REFUSED:
            ok = row.v is None and row.bad == text
        elif isinstance(wanted, float) and math.isnan(wanted):
            ok = row.v is not None and math.isnan(row.v) and row.bad is None
        else:
            ok = row.v == wanted and row.bad is None
        if not ok:
            wrong.append((text, wanted if wanted is not REFUSED else "refused", row.v, row.bad))
    assert not wrong, wrong


def test_null_stays_null(spark: SparkSession) -> None:
    frame = spark.sql("SELECT CAST(NULL AS STRING) AS t, CAST(NULL AS BIGINT) AS v")
    assert list(frame.select(parse_strictly(F.col("t"), T.LongType()), typed_as_parsed(F.col("v"))).collect()[0]) == [None, None]


def test_nested_json(spark: SparkSession) -> None:
    declared = T.StructType([T.StructField("a", T.ArrayType(T.LongType())), T.StructField("b", T.StringType())])
    cases = [
        ('{"a":[1,2],"b":"x"}', True),
        ('{"b":"x","a":[1,2]}', True),
        ('{"a":[1,2], "b" : null}', True),
        ('{"a":[1,2]}', None),
        ('{"a":[1,"2"],"b":"x"}', False),
        ('{"a":[1.5],"b":"x"}', False),
        ('{"a":[1],"b":"x","c":1}', False),
        ("[1]", False),
        ("x", False),
        ("", False),
    ]
    frame = spark.createDataFrame([(index, text) for index, (text, _) in enumerate(cases)], "i INT, t STRING")
    parsed = parse_strictly(F.col("t"), declared)
    found = {row.i: row.ok for row in frame.select("i", parsed.getField(PARSED_VALUE).isNotNull().alias("ok")).collect()}
    assert [(text, found[index]) for index, (text, wanted) in enumerate(cases) if wanted is not None and found[index] != wanted] == []


def test_what_can_be_parsed() -> None:
    assert can_parse(T.LongType()) and can_parse(T.DateType()) and not can_parse(T.BinaryType())
    assert not can_parse(T.ArrayType(T.LongType())) and can_parse(T.ArrayType(T.LongType()), nested_text=True)
