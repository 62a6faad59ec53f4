"""Many columns to one: what it says, and that Spark can still plan it where there are very many."""

from __future__ import annotations

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from engine.folding import any_of, bits_of


@pytest.mark.parametrize("count", [1, 2, 3, 7, 8])
def test_it_is_any_of_them_and_all_their_bits(spark: SparkSession, count: int) -> None:
    for chosen in range(count):
        marks = [F.lit(number == chosen) for number in range(count)]
        words = [F.lit(1 << number).cast("bigint") for number in range(count)]
        row = spark.range(1).select(any_of(marks), bits_of(words)).first()
        assert row is not None
        assert (row[0], row[1]) == (True, (1 << count) - 1)
    none = spark.range(1).select(any_of([F.lit(False)] * count)).first()
    assert none is not None and none[0] is False


def test_of_nothing_nothing_is_made() -> None:
    with pytest.raises(ValueError, match="no columns"):
        any_of([])


def test_sixteen_hundred_columns_are_planned(spark: SparkSession) -> None:
    wide = spark.range(3).select(*(F.col("id").alias(f"c{number}") for number in range(1600)))
    assert wide.where(any_of(F.col(name) == 2 for name in wide.columns)).count() == 1
