# ruff: noqa: S608 -- the SQL of these tests is made of quoted names and constants
"""Every type arrives equal: what Spark JDBC changes in silence (design SERVICES.md) is read so that it does not, or ends aloud."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from connectors.postgres_address import TableName
from connectors.postgres_catalog import describe_tables
from connectors.postgres_columns import read_columns
from connectors.postgres_reading import read_rows, reading_plan
from connectors.postgres_snapshot import ExportedSnapshot, pinned_source
from connectors.spark_errors import SPARK_FAILURES, translate_spark_error
from policy.coercion import load_rules, rule_for
from schemas.errors import ConnectorError
from tests.connectors.postgres_stage import PostgresStage

_DAY_US = 86_400_000_000


@dataclass(frozen=True)
class Case:
    """A value of a type; what arrives, as Spark's type and as the text of what Spark holds."""

    declared: str
    literal: str
    spark: str
    text: str
    shown: str = "CAST({0} AS STRING)"


def days(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01 in the proleptic Gregorian calendar, year 0 being 1 BC; by counting, not by a library's calendar."""
    leap = lambda y: y % 4 == 0 and (y % 100 != 0 or y % 400 == 0)  # noqa: E731
    lengths = [31, 29 if leap(year) else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    before = lambda y: 365 * y + (y + 3) // 4 - (y + 99) // 100 + (y + 399) // 400  # noqa: E731 -- days of the years 0 to y-1
    return before(year) - before(1970) + sum(lengths[: month - 1]) + day - 1


def date(literal: str, year: int, month: int, day: int) -> Case:
    return Case("date", literal, "date", str(days(year, month, day)), "CAST(unix_date({0}) AS STRING)")


def clock(declared: str, literal: str, micros: int) -> Case:
    spark = "timestamp" if declared.startswith("timestamptz") else "timestamp_ntz"
    return Case(declared, literal, spark, str(micros), "CAST(unix_micros(CAST({0} AS TIMESTAMP)) AS STRING)")


def at(year: int, month: int, day: int, seconds: str = "0") -> int:
    return days(year, month, day) * _DAY_US + int(Fraction(seconds) * 1_000_000)


JSON = "to_json({0})"
HEX = "hex({0})"
CASES = [
    Case("numeric", "1e-28", "string", "0." + "0" * 27 + "1"),
    Case("numeric", "1e-20", "string", "0." + "0" * 19 + "1"),
    Case("numeric", "123456789012345678901234567890.5", "string", "123456789012345678901234567890.5"),
    Case("numeric", "NaN", "string", "NaN"),
    Case("numeric", "-Infinity", "string", "-Infinity"),
    Case("numeric(50,10)", "1.5", "string", "1.5000000000"),
    Case("numeric(50,2)", "1.23", "string", "1.23"),
    Case("numeric(5,-2)", "12345", "string", "12300"),
    Case("numeric(10,2)", "-99999999.99", "decimal(10,2)", "-99999999.99"),
    Case("numeric(38,18)", "12345678901234567890.123456789012345678", "decimal(38,18)", "12345678901234567890.123456789012345678"),
    Case("numeric(38,38)", "0.99999999999999999999999999999999999999", "decimal(38,38)", "0.99999999999999999999999999999999999999"),
    Case("price", "12.30", "decimal(10,2)", "12.30"),
    Case("smallint", "-32768", "smallint", "-32768"),
    Case("integer", "2147483647", "int", "2147483647"),
    Case("bigint", "-9223372036854775808", "bigint", "-9223372036854775808"),
    Case("count_of", "7", "int", "7"),
    Case("oid", "4294967295", "bigint", "4294967295"),
    Case("real", "0.1", "float", "0.1"),
    Case("real", "1e-45", "float", "1.4E-45"),
    Case("double precision", "0.1", "double", "0.1"),
    Case("double precision", "5e-324", "double", "4.9E-324"),
    Case("double precision", "1.7976931348623157e308", "double", "1.7976931348623157E308"),
    Case("double precision", "NaN", "double", "NaN"),
    Case("double precision", "-Infinity", "double", "-Infinity"),
    Case("double precision", "-0", "double", "-0.0"),
    Case("boolean", "t", "boolean", "true"),
    Case("text", "", "string", ""),
    Case("text", "NULL", "string", "NULL"),
    Case("text", "\\N", "string", "\\N"),
    Case("text", "a\r\nb\tc 'q' \"d\" é e\u0301 漢 😀 ", "string", "a\r\nb\tc 'q' \"d\" é e\u0301 漢 😀 "),
    Case("varchar(3)", "äöü", "string", "äöü"),
    Case("char(5)", "ab", "string", "ab   "),
    Case("label", "x", "string", "x"),
    Case("mood", "o k", "string", "o k"),
    Case('"char"', "z", "string", "z"),
    Case("name", "n", "string", "n"),
    Case("bytea", "\\x00ff10", "binary", "00FF10", HEX),
    Case("bytea", "", "binary", "", HEX),
    Case("uuid", "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "string", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
    Case("json", '{"b":  1.0, "a": [1,2 ]}', "string", '{"b":  1.0, "a": [1,2 ]}'),
    Case("jsonb", '{"b":  1.0, "a": [1,2 ]}', "string", '{"a": [1, 2], "b": 1.0}'),
    Case("inet", "10.0.0.1", "string", "10.0.0.1"),
    Case("inet", "10.0.0.0/8", "string", "10.0.0.0/8"),
    Case("cidr", "2001:db8::/32", "string", "2001:db8::/32"),
    Case("macaddr", "08:00:2B:01:02:03", "string", "08:00:2b:01:02:03"),
    Case("bit(5)", "10101", "string", "10101"),
    Case("bit(1)", "1", "string", "1"),
    Case("varbit", "0101", "string", "0101"),
    Case("money", "-$1,234.56", "decimal(19,2)", "-1234.56"),
    Case("tsvector", "a:1 b:2", "string", "'a':1 'b':2"),
    Case("point", "(1.5,-2)", "string", "(1.5,-2)"),
    Case("int4multirange", "{[1,3),[5,8)}", "string", "{[1,3),[5,8)}"),
    date("2024-02-29", 2024, 2, 29),
    date("1970-01-01", 1970, 1, 1),
    date("1582-10-04", 1582, 10, 4),
    date("1582-10-05", 1582, 10, 5),
    date("1582-10-10", 1582, 10, 10),
    date("1582-10-14", 1582, 10, 14),
    date("1582-10-15", 1582, 10, 15),
    date("1500-02-28", 1500, 2, 28),
    date("0044-03-15 BC", -43, 3, 15),
    date("4714-11-24 BC", -4713, 11, 24),
    date("9999-12-31", 9999, 12, 31),
    date("12345-06-07", 12345, 6, 7),
    clock("timestamptz", "2024-02-29 12:34:56.123456+02", at(2024, 2, 29, "38096.123456")),
    clock("timestamptz", "1883-11-18 12:03:57-04:56:02", at(1883, 11, 18, "61199")),
    clock("timestamptz", "1582-10-10 00:00:00.000001+00", at(1582, 10, 10, "0.000001")),
    clock("timestamptz", "0044-03-15 01:02:03.000004+00 BC", at(-43, 3, 15, "3723.000004")),
    clock("timestamptz", "9999-12-31 23:59:59.999999+00", at(9999, 12, 31, "86399.999999")),
    clock("timestamptz(0)", "2024-01-01 00:00:00.5+00", at(2024, 1, 1, "1")),
    clock("timestamp", "2024-03-31 02:30:00.000001", at(2024, 3, 31, "9000.000001")),
    clock("timestamp", "1969-12-31 23:59:59.999999", -1),
    clock("timestamp", "1582-10-10 12:00:00", at(1582, 10, 10, "43200")),
    clock("timestamp", "0001-01-01 00:00:00 BC", at(0, 1, 1)),
    clock("timestamp", "290000-12-31 00:00:00", at(290000, 12, 31)),
    Case("time", "12:34:56.789012", "bigint", "45296789012"),
    Case("time", "00:00:00.000001", "bigint", "1"),
    Case("time", "23:59:59.999999", "bigint", "86399999999"),
    Case("timetz", "12:00:00.123456+05:30", "string", "12:00:00.123456+05:30"),
    Case("interval", "1 year 2 mons 3 days 04:05:06.789", "", '{"months":14,"days":3,"microseconds":14706789000}', JSON),
    Case("interval", "-1 mon +1 day -00:00:00.000001", "", '{"months":-1,"days":1,"microseconds":-1}', JSON),
    Case("interval", "25:00:00", "", '{"months":0,"days":0,"microseconds":90000000000}', JSON),
    Case("text[]", '{a,NULL,"NULL","x,\\"y\\"","",é😀}', "array<string>", '["a",null,"NULL","x,\\"y\\"","","é😀"]', JSON),
    Case("int[]", "{1,-2,NULL}", "array<int>", "[1,-2,null]", JSON),
    Case("int[]", "{}", "array<int>", "[]", JSON),
    Case("numeric(10,2)[]", "{1.5,NULL}", "array<decimal(10,2)>", "[1.50,null]", JSON),
    Case("numeric[]", "{1e-22}", "array<string>", '["0.' + "0" * 21 + '1"]', JSON),
    Case("date[]", "{1582-10-05}", "array<date>", f"[{days(1582, 10, 5)}]", "to_json(transform({0}, d -> unix_date(d)))"),
    Case("timestamptz[]", "{2024-02-29 00:00:00.000001+00}", "array<timestamp>", f"[{at(2024, 2, 29, '0.000001')}]",
         "to_json(transform({0}, d -> unix_micros(d)))"),
    Case("bytea[]", '{"\\\\x00ff",NULL}', "array<binary>", '["00FF",null]', "to_json(transform({0}, b -> hex(b)))"),
    Case("float8[]", "{0.1,NaN,-0}", "array<double>", '["0.1","NaN","-0.0"]', "to_json(transform({0}, v -> string(v)))"),
    Case("mood[]", '{"o k",sad}', "array<string>", '["o k","sad"]', JSON),
    Case("int4range", "(1,5]", "", '{"lower":2,"upper":6,"lower_inclusive":true,"upper_inclusive":false,"empty":false}', JSON),
    Case("numrange", "[1.50,)", "", '{"lower":"1.50","upper":null,"lower_inclusive":true,"upper_inclusive":false,"empty":false}', JSON),
    Case("int8range", "empty", "", '{"lower":null,"upper":null,"lower_inclusive":false,"upper_inclusive":false,"empty":true}', JSON),
    Case("pair", '(7,"a ""b"",c",sad)', "", '{"a":7,"B x":"a \\"b\\",c","m":"sad"}', JSON),
    Case("pair", "(,,)", "", '{"a":null,"B x":null,"m":null}', JSON),
    Case("pair[]", '{"(1,x,sad)",NULL}', "", '[{"a":1,"B x":"x","m":"sad"},null]', JSON),
    Case("only_base", "(5)", "struct<base:int>", '{"base":5}', JSON),
]  # fmt: skip
TYPES = """
    CREATE DOMAIN price AS numeric(10,2); CREATE DOMAIN count_of AS int; CREATE DOMAIN label AS varchar(5);
    CREATE TYPE mood AS ENUM ('sad', 'o k'); CREATE TYPE pair AS (a int, "B x" text, m mood); CREATE TYPE only_base AS (base int)
"""


def read(spark: SparkSession, stage: PostgresStage, snapshot: ExportedSnapshot, name: TableName, **plan: int) -> DataFrame:
    tables = describe_tables(snapshot.connection, [name])
    table = next(one for one in tables if one.name == name)
    coercions = tuple(rule_for(column.type, None, load_rules(), column=column.name) for column in table.columns)
    columns = read_columns(table.columns, coercions)
    return read_rows(spark, stage.login(), snapshot, reading_plan(table, [one for one in tables if one != table], **plan), columns)


def test_every_value_arrives_equal(spark: SparkSession, postgres_stage: PostgresStage) -> None:
    schema = postgres_stage.fresh_schema()
    postgres_stage.run(TYPES)
    postgres_stage.run(f"CREATE TABLE t ({', '.join(f'c{place} {case.declared}' for place, case in enumerate(CASES))})")
    places = ", ".join(f"%s::text::{case.declared}" for case in CASES)
    postgres_stage.owner.execute(f"INSERT INTO t VALUES ({places})".encode(), [case.literal for case in CASES])
    postgres_stage.run("INSERT INTO t DEFAULT VALUES")  # a row of NULLs
    with pinned_source(postgres_stage.login(), [TableName(schema, "t")]) as snapshot:
        rows = read(spark, postgres_stage, snapshot, TableName(schema, "t"))
        shown = rows.select(*(F.expr(case.shown.format(f"c{place}")).alias(f"c{place}") for place, case in enumerate(CASES)))
        first, second = sorted(shown.collect(), key=lambda row: row["c0"] is None)

    arrived = [(case.declared, case.literal, first[place]) for place, case in enumerate(CASES)]
    assert arrived == [(case.declared, case.literal, case.text) for case in CASES]
    types = dict(rows.dtypes)
    assert [(case.declared, types[f"c{place}"]) for place, case in enumerate(CASES) if case.spark] == [
        (case.declared, case.spark) for case in CASES if case.spark
    ]
    assert set(second) == {None}


@pytest.mark.parametrize(
    ("declared", "literal"),
    [
        ("date", "infinity"),
        ("timestamp", "-infinity"),
        ("timestamptz", "infinity"),
        ("numeric(10,2)", "NaN"),
        ("timestamptz[]", "{infinity}"),
        ("int[]", "{{1,2},{3,4}}"),
        ("int[]", "[0:1]={1,2}"),
    ],
)
def test_what_has_no_equal_ends_the_query(spark: SparkSession, postgres_stage: PostgresStage, declared: str, literal: str) -> None:
    schema = postgres_stage.fresh_schema()
    postgres_stage.run(f"CREATE TABLE t (c {declared}); INSERT INTO t VALUES ('{literal}')")
    with pinned_source(postgres_stage.login(), [TableName(schema, "t")]) as snapshot, pytest.raises(SPARK_FAILURES) as caught:
        read(spark, postgres_stage, snapshot, TableName(schema, "t")).collect()

    told = translate_spark_error(caught.value, "table t")
    assert isinstance(told, ConnectorError)
    assert told.message.startswith("table t: a column holds ")


def test_text_of_a_megabyte_arrives_whole(spark: SparkSession, postgres_stage: PostgresStage) -> None:
    schema = postgres_stage.fresh_schema()
    postgres_stage.run("CREATE TABLE t AS SELECT repeat('é', 1048576) AS v, ARRAY[repeat('y', 1048576)] AS a")
    with pinned_source(postgres_stage.login(), [TableName(schema, "t")]) as snapshot:
        rows = read(spark, postgres_stage, snapshot, TableName(schema, "t"))
        (row,) = rows.select(F.length("v"), F.md5(F.col("v").cast("binary")), F.length(F.col("a")[0])).collect()

    (expected,) = postgres_stage.rows("SELECT length(v), md5(v), length(a[1]) FROM t")
    assert tuple(row) == expected


def test_days_are_counted_right() -> None:
    assert (days(1970, 1, 1), days(2000, 3, 1), days(1, 1, 1), days(0, 12, 31)) == (0, 11017, -719162, -719163)
