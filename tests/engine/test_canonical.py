"""Two types to the one both are compared in, and values to a form in which equality is equality."""

from __future__ import annotations

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.canonical import common_type, family, is_char, physical, physical_type, refusal, unhashable

COMMON = [
    ("int", "bigint", "bigint", {"widened"}),
    ("bigint", "tinyint", "bigint", {"narrowed"}),
    ("int", "int", "bigint", set()),
    ("decimal(10,2)", "decimal(10,3)", "decimal(11,3)", {"narrowed"}),
    ("decimal(10,2)", "decimal(12,2)", "decimal(12,2)", {"widened"}),
    ("decimal(10,2)", "decimal(10,2)", "decimal(10,2)", set()),
    ("decimal(10,2)", "int", "decimal(12,2)", {"narrowed"}),
    ("int", "decimal(12,2)", "decimal(12,2)", {"widened"}),
    ("bigint", "decimal(38,20)", "decimal(38,20)", {"narrowed"}),
    ("decimal(38,20)", "decimal(38,0)", "decimal(38,20)", {"narrowed"}),
    ("float", "double", "double", {"widened"}),
    ("double", "float", "double", {"narrowed"}),
    ("float", "float", "float", set()),
    ("string", "string", "string", set()),
    ("array<int>", "array<bigint>", "array<bigint>", {"widened"}),
    ("map<string,int>", "map<string,bigint>", "map<string,bigint>", {"widened"}),
    ("struct<a:int,b:string>", "struct<b:string,a:int>", "struct<a:bigint,b:string>", {"order"}),
    ("struct<a:int>", "struct<a:decimal(3,1)>", "struct<a:decimal(11,1)>", {"narrowed"}),
]
APART = [
    ("string", "int"),
    ("string", "binary"),
    ("boolean", "int"),
    ("date", "timestamp"),
    ("timestamp", "timestamp_ntz"),
    ("decimal(10,2)", "double"),
    ("int", "float"),
    ("array<int>", "array<string>"),
    ("struct<a:int>", "struct<b:int>"),
    ("struct<a:int>", "struct<a:int,b:int>"),
    ("struct<a:int>", "struct<A:int>"),
    ("map<string,int>", "map<int,int>"),
    ("interval month", "interval day"),
    ("date", "int"),
]


@pytest.mark.parametrize(("source", "target", "wanted", "notes"), COMMON, ids=[f"{one[0]}-{one[1]}" for one in COMMON])
def test_common_types(spark: SparkSession, source: str, target: str, wanted: str, notes: set[str]) -> None:
    found = common_type(T.DataType.fromDDL(source), T.DataType.fromDDL(target))
    assert found is not None
    assert (found.type.simpleString(), set(found.notes)) == (wanted, notes)


@pytest.mark.parametrize(("source", "target"), APART, ids=[f"{one}-{other}" for one, other in APART])
def test_types_of_two_families(spark: SparkSession, source: str, target: str) -> None:
    one, other = T.DataType.fromDDL(source), T.DataType.fromDDL(target)
    assert common_type(one, other) is None
    assert common_type(other, one) is None


@pytest.mark.parametrize("name", sorted({one[0] for one in COMMON} | {name for pair in APART for name in pair}))
def test_every_type_is_common_with_itself(spark: SparkSession, name: str) -> None:
    declared = T.DataType.fromDDL(name)
    found = common_type(declared, declared)
    assert found is not None and not found.notes
    assert not unhashable(declared)
    again = common_type(found.type, found.type)
    assert again is not None and again.type == found.type


def test_what_cannot_be_hashed() -> None:
    calendar = T.CalendarIntervalType()
    assert family(calendar) == "unhashable"
    for declared in (calendar, T.ArrayType(calendar), T.MapType(T.StringType(), calendar), T.StructType([T.StructField("a", calendar)])):
        assert unhashable(declared)
    assert not unhashable(T.DayTimeIntervalType())


def test_char_is_told_by_metadata() -> None:
    assert is_char(T.StructField("a", T.StringType(), True, {"__CHAR_VARCHAR_TYPE_STRING": "char(5)"}))
    assert not is_char(T.StructField("a", T.StringType(), True, {"__CHAR_VARCHAR_TYPE_STRING": "varchar(5)"}))
    assert not is_char(T.StructField("a", T.StringType()))


def test_maps_become_sorted_entries(spark: SparkSession) -> None:
    declared = T.MapType(T.StringType(), T.MapType(T.LongType(), T.LongType()))
    frame = spark.sql("SELECT map('b', map(2L, 1L, 1L, 2L), 'a', CAST(NULL AS MAP<BIGINT, BIGINT>)) AS m")
    value = frame.select(physical(F.col("m"), declared, declared).alias("p"))
    assert value.schema["p"].dataType.simpleString() == physical_type(declared).simpleString()
    found = [(entry.key, entry.value and [tuple(inner) for inner in entry.value]) for entry in value.collect()[0].p]
    assert found == [("a", None), ("b", [(1, 2), (2, 1)])]


def test_values_without_a_form_are_counted(spark: SparkSession) -> None:
    wide = T.DecimalType(38, 20)
    frame = spark.sql(
        "SELECT CAST(repeat('9', 38) AS DECIMAL(38, 0)) AS a, CAST(1 AS DECIMAL(38, 0)) AS b, CAST(NULL AS DECIMAL(38, 0)) AS c"
    )
    marks = [refusal(F.col(name), T.DecimalType(38, 0), wide) for name in "abc"]
    assert all(mark is not None for mark in marks)
    assert list(frame.select(*marks).collect()[0]) == [True, False, False]
    nested = refusal(F.array(F.col("b"), F.col("a")), T.ArrayType(T.DecimalType(38, 0)), T.ArrayType(wide))
    assert nested is not None and frame.select(nested).collect()[0][0] is True
    assert refusal(F.col("a"), T.LongType(), T.LongType()) is None
