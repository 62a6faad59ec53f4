# ruff: noqa: S608 -- the SQL of these tests is made of quoted names and constants
"""PCT-1: Spark, Python and a real PostgreSQL write the same bytes."""

from __future__ import annotations

import hashlib
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import Column, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.portable import pct1_row, pct1_value
from engine.portable_sql import postgres_pct1, quote_identifier
from engine.reference_text import pct1_row_python, pct1_value_python
from schemas.errors import ConfigError, InputError
from tests.engine.postgres_values import placeholder

_STRANGE = 'we"ird `n.ame'
_COLUMNS: list[tuple[str, T.DataType, str]] = [
    ("flag", T.BooleanType(), "boolean"),
    ("whole", T.LongType(), "bigint"),
    ("narrow", T.DecimalType(10, 3), "numeric(10,3)"),
    ("wide", T.DecimalType(38, 10), "numeric"),
    ("day", T.DateType(), "date"),
    ("instant", T.TimestampType(), "timestamptz"),
    ("clock", T.TimestampNTZType(), "timestamp"),
    (_STRANGE, T.StringType(), "text"),
    ("raw", T.BinaryType(), "bytea"),
]
_DAY_US = 86_400_000_000
_ROWS: list[tuple[Any, ...]] = [
    (True, 0, Decimal("0.000"), Decimal("0"), 0, 0, 0, "", b""),
    (False, -(2**63), Decimal("-9999999.999"), Decimal("-" + "9" * 28 + "." + "9" * 10), -719_162, -1, -1, "a;1:b;N;", b"\x00\xff"),
    (None, 2**63 - 1, Decimal("1.500"), Decimal("0.0000000001"), -735_248, -62_135_596_800_000_000, 1, "é", b"N;"),
    (True, None, Decimal("-0.001"), Decimal("1e20"), 3_000_000, 253_402_300_800_000_001, -719_162 * _DAY_US - 1, "𝔸\U0001f600", None),
    (None, 1, None, None, -141_427, -99_999_999_999, 5_000_000_000_000_001, "e\u0301 \t\n", b"abc"),
    (False, 10, Decimal("12"), Decimal("-12.5"), None, None, 123_456, None, b"\n"),
    (True, -7, Decimal("7.1"), Decimal("7.1"), 2_932_896, 1_711_848_600_000_000, None, "NULL", b""),
    (None,) * 9,
]


def _values() -> list[tuple[Column, T.DataType]]:
    return [(_typed(f"v{index}", declared), declared) for index, (_, declared, _) in enumerate(_COLUMNS)]


def _typed(raw: str, declared: T.DataType) -> Column:
    if isinstance(declared, T.DateType):
        return F.date_from_unix_date(F.col(raw).cast("int"))
    if isinstance(declared, (T.TimestampType, T.TimestampNTZType)):
        return F.timestamp_micros(raw).cast(declared)
    return F.col(raw)


def _raw_schema() -> T.StructType:
    numbers = (T.DateType, T.TimestampType, T.TimestampNTZType)
    kinds = [T.LongType() if isinstance(declared, numbers) else declared for _, declared, _ in _COLUMNS]
    return T.StructType([T.StructField(f"v{index}", kind) for index, kind in enumerate(kinds)])


def _expected() -> list[str]:
    return [pct1_row_python((value, declared) for value, (_, declared, _) in zip(row, _COLUMNS, strict=True)) for row in _ROWS]


def test_spark_writes_what_python_writes(spark: SparkSession) -> None:
    schema = T.StructType([T.StructField("i", T.LongType()), *_raw_schema()])
    frame = spark.createDataFrame([(index, *row) for index, row in enumerate(_ROWS)], schema)
    values = _values()
    texts = [pct1_value(value, declared).alias(f"t{index}") for index, (value, declared) in enumerate(values)]
    for found in frame.coalesce(1).select("i", pct1_row(values).alias("row"), *texts).collect():
        row = _ROWS[found["i"]]
        assert found["row"] == _expected()[found["i"]]
        for index, (value, (_, declared, _)) in enumerate(zip(row, _COLUMNS, strict=True)):
            assert found[f"t{index}"] == (None if value is None else pct1_value_python(value, declared))


def test_postgres_writes_what_python_writes(postgres: Any) -> None:
    definitions = ", ".join(f"{quote_identifier('postgres', name)} {stored}" for name, _, stored in _COLUMNS)
    with postgres.cursor() as cursor:
        cursor.execute("SET timezone = 'America/New_York'")  # the session's zone must not matter
        cursor.execute(f"CREATE TEMP TABLE t (i int, {definitions})")
        for index, row in enumerate(_ROWS):
            marks = ", ".join(placeholder(declared) for _, declared, _ in _COLUMNS)
            cursor.execute(f"INSERT INTO t VALUES (%s, {marks})", (index, *row))
        cursor.execute(f"SELECT {postgres_pct1([(name, declared) for name, declared, _ in _COLUMNS])} FROM t ORDER BY i")
        assert [row[0] for row in cursor.fetchall()] == _expected()
        cursor.execute("SET timezone = 'UTC'")


def test_postgres_values_that_no_other_engine_has_equal_nothing(postgres: Any) -> None:
    columns: list[tuple[str, T.DataType]] = [("d", T.DateType()), ("n", T.DecimalType(10, 2)), ("z", T.TimestampType())]
    with postgres.cursor() as cursor:
        source = "(VALUES (date 'infinity', 'NaN'::numeric, '-infinity'::timestamptz), (NULL, 1.005, NULL)) AS t(d, n, z)"
        cursor.execute(f"SELECT {postgres_pct1(columns)} FROM {source}")
        assert [row[0] for row in cursor.fetchall()] == ["8:infinity;3:NaN;9:-infinity;", "N;5:1.005;N;"]


def test_rows_that_look_alike_have_texts_that_differ() -> None:
    text = T.StringType()
    rows = [("ab", "c"), ("a", "bc"), (None, "N;"), ("N;", None), ("", None), (None, ""), ("1:a", ""), ("", "1:a")]
    assert len({pct1_row_python([(one, text), (other, text)]) for one, other in rows}) == len(rows)


_FLOATS = [0.0, -0.0, 1.5, float("nan"), float("inf"), 5e-324, 1e23, None]
_NESTED_TYPE = T.StructType(
    [
        T.StructField("a", T.ArrayType(T.DoubleType())),
        T.StructField("m", T.ArrayType(T.StructType([T.StructField("key", T.StringType()), T.StructField("value", T.LongType())]))),
        T.StructField("e", T.ArrayType(T.ArrayType(T.LongType()))),
    ]
)
_CANONICAL = T.StructType(
    [
        T.StructField("a", T.ArrayType(T.DoubleType())),
        T.StructField("m", T.MapType(T.StringType(), T.LongType())),
        T.StructField("e", T.ArrayType(T.ArrayType(T.LongType()))),
    ]
)
_NESTED: list[Any] = [
    None,
    (None, None, None),
    ([], [], []),
    ([1.0, None, -0.0], [("a", None), ("b", 2)], [[1], None, [], [None]]),
]


def test_the_form_for_one_run_is_the_same_in_spark_and_python(spark: SparkSession) -> None:
    schema = T.StructType([T.StructField("i", T.LongType()), T.StructField("f", T.DoubleType()), T.StructField("n", _NESTED_TYPE)])
    rows = [(index, value, _NESTED[index % 4]) for index, value in enumerate(_FLOATS)]
    frame = spark.createDataFrame(rows, schema).coalesce(1)
    text = pct1_row([(F.col("f"), T.DoubleType()), (F.col("n"), _CANONICAL)], allow_float=True)
    for found in frame.select("i", text.alias("t"), F.sha2(text, 256).alias("s")).collect():
        _, value, nested = rows[found["i"]]
        expected = pct1_row_python([(value, T.DoubleType()), (nested, _CANONICAL)])
        assert (found["t"], found["s"]) == (expected, hashlib.sha256(expected.encode()).hexdigest())


@pytest.mark.parametrize("kind", [T.DoubleType(), T.FloatType(), T.ArrayType(T.LongType()), _CANONICAL], ids=lambda kind: kind.typeName())
def test_what_is_not_portable_is_refused(spark: SparkSession, kind: T.DataType) -> None:
    with pytest.raises(InputError, match="writes alike"):
        pct1_row([(F.lit(None).cast(kind), kind)])
    with pytest.raises(InputError, match="writes alike"):
        pct1_value(F.lit(None).cast(kind), kind)
    with pytest.raises(InputError, match="writes alike"):
        postgres_pct1([("c", kind)])


def test_intervals_are_three_integers(spark: SparkSession) -> None:
    months, moment = T.YearMonthIntervalType(), T.DayTimeIntervalType()
    frame = spark.sql("select interval '-1-2' year to month m, interval '-1 02:03:04.000005' day to second t")
    found = frame.select(pct1_value(F.col("m"), months).alias("m"), pct1_value(F.col("t"), moment).alias("t")).collect()[0]
    assert (found["m"], found["t"]) == ("-14 0 0", f"0 0 {-(86_400 + 2 * 3600 + 3 * 60 + 4) * 1_000_000 - 5}")
    assert found["m"] == pct1_value_python(-14, months)


def test_names_are_quoted_whatever_they_hold(postgres: Any) -> None:
    name = 'a"; DROP TABLE x; --'
    with postgres.cursor() as cursor:
        cursor.execute(f"SELECT 1 AS {quote_identifier('postgres', name)}")
        assert cursor.description[0].name == name
    for dialect, bad in (("postgres", ""), ("postgres", "a\0b"), ("oracle", "a")):
        with pytest.raises(ConfigError):
            quote_identifier(dialect, bad)
