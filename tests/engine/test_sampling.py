# ruff: noqa: S608 -- the SQL of these tests is made of quoted names and constants
"""The sample: the same keys in Spark, Python and a real PostgreSQL; grows with the rate; as large as asked for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.natives import date_text
from engine.portable_sql import quote_identifier
from engine.sampling import SPACE, in_sample, in_sample_postgres, in_sample_python, parse_rate
from schemas.errors import ConfigError, InputError

_TYPES: Sequence[T.DataType] = (T.LongType(), T.StringType(), T.DecimalType(20, 3), T.DateType(), T.TimestampType(), T.BinaryType())
_NAMES = ("id", "Näme", "price", "day", "moment", "raw")
_STORED = ("bigint", "text", "numeric(20,3)", "date", "timestamptz", "bytea")


def _key(number: int) -> tuple[Any, ...]:
    """A composite key with NULL parts, signs beyond the BMP, days before the era and moments before the epoch."""
    parts = (
        number,
        ("𝔸", "é", "", "a;1:b", "'\"\\")[number % 5] + str(number),
        Decimal(number * 7919 - 5000) / 1000,
        number * 400 - 800_000,
        number * 1_000_003 - 500_000_000,
        bytes([number % 256, 0]),
    )
    return tuple(None if number % 11 == index else part for index, part in enumerate(parts))


def test_spark_python_and_postgres_choose_the_same_keys(spark: SparkSession, postgres: Any) -> None:
    keys = [_key(number) for number in range(1000)] + [(None,) * 6]
    threshold = parse_rate("25%")
    expected = [number for number, key in enumerate(keys) if in_sample_python(key, _TYPES, threshold)]
    assert 200 < len(expected) < 300

    raw = [T.LongType() if isinstance(kind, (T.DateType, T.TimestampType)) else kind for kind in _TYPES]
    schema = T.StructType([T.StructField("n", T.LongType()), *(T.StructField(f"c{i}", kind) for i, kind in enumerate(raw))])
    values = [F.col("c0"), F.col("c1"), F.col("c2"), F.date_from_unix_date(F.col("c3").cast("int")), F.timestamp_micros("c4"), F.col("c5")]
    chosen = in_sample(list(zip(values, _TYPES, strict=True)), threshold)
    for partitions in (1, 7):
        frame = spark.createDataFrame([(number, *key) for number, key in enumerate(keys)], schema).repartition(partitions)
        assert sorted(row["n"] for row in frame.where(chosen).select("n").collect()) == expected

    with postgres.cursor() as cursor:
        columns = ", ".join(f"{quote_identifier('postgres', name)} {stored}" for name, stored in zip(_NAMES, _STORED, strict=True))
        cursor.execute(f"CREATE TEMP TABLE keys (n int, {columns})")
        marks = "%s, %s, %s, date '1970-01-01' + %s::int, timestamptz '1970-01-01 00:00:00Z' + %s::bigint * interval '1 microsecond', %s"
        cursor.executemany(f"INSERT INTO keys VALUES (%s, {marks})", [(number, *key) for number, key in enumerate(keys)])
        condition = in_sample_postgres(list(zip(_NAMES, _TYPES, strict=True)), threshold)
        cursor.execute(f"SELECT n FROM keys WHERE {condition} ORDER BY n")
        assert [row[0] for row in cursor.fetchall()] == expected


def test_days_of_the_test_reach_back_before_the_era() -> None:
    assert date_text(-800_000).startswith("-")


def test_a_million_keys_give_the_rate_and_smaller_samples_are_parts_of_larger_ones(spark: SparkSession) -> None:
    """Three standard deviations of a binomial: 0.9 % of the rate at 10 %, 3 % at 1 %."""
    count = 1_000_000
    key = [(F.col("id"), T.LongType())]
    rates = ("1%", "5%", "10%", "1/2")
    marks = [in_sample(key, parse_rate(rate)) for rate in rates]
    counted = [F.count_if(mark).alias(f"n{i}") for i, mark in enumerate(marks)]
    inside = [F.count_if(marks[i] & ~marks[i + 1]).alias(f"out{i}") for i in range(len(rates) - 1)]
    (row,) = spark.range(count).agg(*counted, *inside).collect()
    for index, rate in enumerate(rates):
        share = parse_rate(rate) / SPACE
        assert abs(row[f"n{index}"] - share * count) <= 3 * math.sqrt(count * share * (1 - share)), rate
    assert [row[f"out{i}"] for i in range(len(rates) - 1)] == [0, 0, 0]


def test_the_whole_rate_takes_every_key(spark: SparkSession) -> None:
    assert spark.range(100).where(in_sample([(F.col("id"), T.LongType())], parse_rate("100%"))).count() == 100
    assert in_sample_python([None], [T.LongType()], SPACE)
    assert in_sample_postgres([("a", T.LongType())], SPACE) == "TRUE"


@pytest.mark.parametrize(
    ("rate", "expected"),
    [
        ("1%", round(Fraction(1, 100) * 2**32)),
        ("0.01", 42_949_673),
        (0.01, 42_949_673),
        ("1/64", 2**26),
        ("2/128", 2**26),
        (1, 2**32),
        ("100%", 2**32),
        ("1e-9", 4),
        ("0.1 %", 4_294_967),
        ("1/4294967296", 1),
    ],
)
def test_rates_are_read_exactly(rate: Any, expected: int) -> None:
    assert parse_rate(rate) == expected


@pytest.mark.parametrize(
    "rate", ["0", "0%", "-1%", "101%", "1.01", "2/1", "1/0", "1/2/3", "", "%", "one", "nan", "inf", "1e-10", "1e999999999", "0.5/2"]
)
def test_what_is_no_rate_is_refused(rate: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_rate(rate)
    assert caught.value.object == "--sample" and caught.value.hint


@pytest.mark.parametrize(
    "kind",
    [T.DoubleType(), T.FloatType(), T.ArrayType(T.DoubleType()), T.MapType(T.StringType(), T.FloatType())],
    ids=lambda kind: kind.simpleString(),
)
def test_a_float_key_is_refused(kind: T.DataType) -> None:
    for ask in (
        lambda: in_sample_python([None], [kind], 1),
        lambda: in_sample_postgres([("a", kind)], 1),
    ):
        with pytest.raises(InputError, match="float"):
            ask()
