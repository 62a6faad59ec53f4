"""Every rule: Spark's expression and Python's twin say the same; what does not fit is refused by name."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.natives import micros
from engine.rules import (
    RULE_FORMS,
    apply_in_python,
    apply_rule,
    apply_with_arrow,
    check_rule,
    is_native,
    loses,
    parse_rules,
    result_type,
)
from engine.rules.text import WHITE_SPACE
from schemas.errors import ConfigError, EngineError, InputError

_TEXTS = [
    "",
    " ",
    "a",
    " a ",
    "a\t",
    "\u00a0a\u3000",
    "\u200ba\ufeff",
    "a\x1f",
    "\x85\u1680a b\u2028",
    "Straße",
    "STRASSE",
    "I",
    "ı",
    "İ",
    "ΑΣ",
    "é",
    "e\u0301",
    "ﬁ",
    "𝔸 ",
    "null",
    "NULL",
    "a,b",
    '"',
    "\\N",
    "a   ",
    "\U0001f600\u3000",
]
_NUMBERS = [
    "0",
    "-0",
    "1",
    "12",
    "-7",
    "007",
    "1.0",
    "1.005",
    "1e3",
    "1E-2",
    " 1",
    "1 ",
    "1\n",
    "+1",
    "1_0",
    "",
    "x",
    "9" * 18,
    "9" * 19,
    "9" * 40,
    "0.1",
    "123456.789",
    "-128",
    "300",
    "2147483648",
    "NaN",
    "Infinity",
    "-inf",
    "1e400",
    ".5",
    "5.",
    "1d",
    "0x1",
    "true",
    "T",
    "f",
    "yes",
]
_POINTS = [
    "2024-02-29",
    "2024-02-30",
    "2024-1-1",
    "1582-10-10",
    "0001-01-01",
    "2024-03-31 02:30:00",
    "2024-03-31T02:30",
    "2024-01-01 00:00:00.1",
    "2024-01-01 00:00:00.1234567",
    "2024-01-01 24:00:00",
    "2024-01-01 00:00:00Z",
    "2024-01-01 00:00:00+05:30",
    "2024-01-01 00:00:00 -03",
    "2024-01-01 00:00",
    "today",
    "",
]
_DOUBLES = [
    0.0,
    -0.0,
    0.5,
    1.5,
    2.5,
    -2.5,
    1.005,
    2.675,
    0.49999999999999994,
    1e22,
    1e23,
    1e300,
    -1e300,
    5e-324,
    math.nan,
    math.inf,
    -math.inf,
    4503599627370495.5,
    9007199254740993.0,
    123456.789,
    -0.3,
    0.1 + 0.2,
    1250.0,
]
_LONGS = [0, 1, -1, 5, -5, 15, 25, 2**53 + 1, 2**63 - 1, -(2**63), 1250, 1249, -1250, 300, 2**31]
_DECIMALS = [
    Decimal(t)
    for t in ("0.000", "1.005", "-1.005", "2.345", "9999999.999", "-9999999.995", "0.004", "0.005", "1250.000", "300.000", "2.900")
]
_WIDE = [Decimal(t) for t in ("1e-18", "0." + "5" * 18, "9" * 20, "-" + "9" * 20, "1.5", "-0.000000000000000005")]
_MOMENTS = [
    micros(datetime(*parts))
    for parts in (
        (2024, 3, 31, 2, 30),
        (2024, 10, 27, 2, 30),
        (1970, 1, 1),
        (1969, 12, 31, 23, 59, 59, 999999),
        (1582, 10, 10, 1, 2, 3, 4),
        (1, 1, 1),
        (9999, 12, 31, 23, 59, 59, 999999),
        (2024, 1, 1, 0, 0, 0, 123456),
        (1890, 6, 1, 12),
        (2050, 7, 1, 12),
        (2007, 3, 11, 2, 59, 59),
    )
] + [-62_200_000_000_000_000, -99_999_999_999_999_999, 253_402_300_800_000_001, 999_999_999_999_999_999]
_ARRAYS = [[3, 1, 2], [1, None, 1], [], [None], [2, 1, 1]]
_NESTED = [[{"a": 1, "b": [2]}, {"a": None, "b": [9]}, None, {"a": 1, "b": [None]}, {"a": 1, "b": []}]]
_STRUCTS = T.ArrayType(T.StructType([T.StructField("a", T.LongType()), T.StructField("b", T.ArrayType(T.LongType()))]))

_CASES: list[tuple[str, T.DataType, Sequence[Any]]] = [
    *(
        (rule, T.StringType(), _TEXTS)
        for rule in ("trim", "ltrim", "rtrim", "lower", "pad", "empty_as_null", "null_as:NULL", 'null_as:"a,b"', "text")
    ),
    *(
        (f"cast:{to}", T.StringType(), _NUMBERS)
        for to in ("tinyint", "int", "bigint", "decimal(20,3)", "decimal(38,0)", "double", "float", "boolean")
    ),
    *((f"cast:{to}", T.StringType(), _POINTS) for to in ("date", "timestamp", "timestamp_ntz")),
    ("double", T.StringType(), _NUMBERS),
    *((f"round:{n}", T.DoubleType(), _DOUBLES) for n in (0, 1, 2, 15, 22, -2, -22)),
    *(
        (
            f"round:{n}",
            T.FloatType(),
            [struct.unpack("f", struct.pack("f", x))[0] for x in (0.1, 2.5, -2.5, 1e38, 16777217.0, math.nan, -0.0)],
        )
        for n in (0, 1)
    ),
    *((f"round:{n}", T.LongType(), _LONGS) for n in (0, 2, -1, -2, -18)),
    *((f"round:{n}", T.DecimalType(10, 3), _DECIMALS) for n in (0, 1, 2, 3, 5, -2)),
    *((f"round:{n}", T.DecimalType(38, 18), _WIDE) for n in (0, 17, 18)),
    *(
        (f"trunc:{unit}", kind, _MOMENTS)
        for unit in ("us", "ms", "s", "min", "h", "day")
        for kind in (T.TimestampType(), T.TimestampNTZType())
    ),
    *(
        (f"utc_from:{zone}", kind, _MOMENTS)
        for zone in ("Europe/Berlin", "America/New_York", "Asia/Kolkata", "+05:30", "UTC", "Australia/Lord_Howe")
        for kind in (T.TimestampType(), T.TimestampNTZType())
    ),
    *((f"cast:{to}", T.LongType(), _LONGS) for to in ("tinyint", "int", "decimal(10,2)", "double", "float", "boolean", "string")),
    *(
        (f"cast:{to}", T.DecimalType(10, 3), _DECIMALS)
        for to in ("int", "tinyint", "decimal(5,2)", "decimal(38,10)", "double", "boolean", "string")
    ),
    *((f"cast:{to}", T.DoubleType(), _DOUBLES) for to in ("int", "bigint", "decimal(20,2)", "float", "boolean")),
    *((f"cast:{to}", T.BooleanType(), [True, False]) for to in ("int", "decimal(3,1)", "double", "string")),
    *((f"cast:{to}", T.TimestampType(), _MOMENTS) for to in ("date", "string")),
    *((f"cast:{to}", T.TimestampNTZType(), _MOMENTS) for to in ("date", "string")),
    *((f"cast:{to}", T.DateType(), [0, -141_427, -719_162, 2_932_896, -800_000, 3_000_000]) for to in ("timestamp_ntz", "string")),
    *((f"cast:{to}", T.BinaryType(), [b"", b"abc", "é".encode()]) for to in ("string",)),
    *(
        ("text", kind, values)
        for kind, values in (
            (T.LongType(), _LONGS),
            (T.DecimalType(10, 3), _DECIMALS),
            (T.TimestampType(), _MOMENTS),
            (T.BinaryType(), [b"\xff"]),
        )
    ),
    ("double", T.LongType(), _LONGS),
    ("set", T.ArrayType(T.LongType()), _ARRAYS),
    ("set", T.ArrayType(T.DoubleType()), [[math.nan, 1.0, None, -math.inf, math.inf], [2.0, 1.0]]),
    ("set", T.ArrayType(T.StringType()), [["b", "a", "𝔸", "\uffff", "é", None, ""]]),
    ("set", _STRUCTS, _NESTED),
]


def _typed(raw: str, declared: T.DataType) -> Any:
    """Points in time and dates travel as integers: Python has no values for all of them."""
    if isinstance(declared, T.DateType):
        return F.date_from_unix_date(F.col(raw).cast("int"))
    if isinstance(declared, (T.TimestampType, T.TimestampNTZType)):
        return F.timestamp_micros(raw).cast(declared)
    return F.col(raw)


def _raw_type(declared: T.DataType) -> T.DataType:
    return T.LongType() if isinstance(declared, (T.DateType, T.TimestampType, T.TimestampNTZType)) else declared


def _native(value: Any, declared: T.DataType) -> Any:
    if isinstance(declared, T.DateType):
        return F.unix_date(value)
    if isinstance(declared, (T.TimestampType, T.TimestampNTZType)):
        return F.unix_micros(value.cast("timestamp"))
    return value


def _comparable(value: Any) -> Any:
    if isinstance(value, float):
        return "NaN" if math.isnan(value) else (value + 0.0).hex()
    if isinstance(value, (list, tuple)):
        return [_comparable(item) for item in value]
    if isinstance(value, dict):
        return [_comparable(item) for item in value.values()]
    return bytes(value) if isinstance(value, bytearray) else value


@pytest.fixture(scope="module")
def answers(spark: SparkSession) -> list[list[Any]]:
    """What Spark makes of every case, in one job: a row per position, a column per case."""
    longest = max(len(values) for _, _, values in _CASES)
    schema = T.StructType([T.StructField(f"v{i}", _raw_type(kind)) for i, (_, kind, _) in enumerate(_CASES)])
    rows = [tuple(values[row] if row < len(values) else None for _, _, values in _CASES) for row in range(longest)]
    frame = spark.createDataFrame(rows, schema, verifySchema=False).coalesce(1)
    results = []
    for index, (text, kind, _) in enumerate(_CASES):
        (rule,) = parse_rules(text)
        check_rule(rule, kind, "c")
        value, result = apply_rule(rule, _typed(f"v{index}", kind), kind)
        assert result == result_type(rule, kind)
        results.append(_native(value, result).alias(f"r{index}"))
    collected = frame.select(*results).collect()
    return [[row[index] for row in collected] for index in range(len(_CASES))]


@pytest.mark.parametrize("index", range(len(_CASES)), ids=[f"{text} on {kind.simpleString()}" for text, kind, _ in _CASES])
def test_spark_and_python_agree_on_every_value(answers: list[list[Any]], index: int) -> None:
    text, kind, values = _CASES[index]
    (rule,) = parse_rules(text)
    expected = [_comparable(apply_in_python(rule, value, kind)) for value in values]
    assert [_comparable(found) for found in answers[index][: len(values)]] == expected
    assert all(found is None for found in answers[index][len(values) :])


def test_the_type_that_is_announced_is_the_type_that_comes_out(spark: SparkSession) -> None:
    for text, kind, _ in _CASES:
        (rule,) = parse_rules(text)
        value, result = apply_rule(rule, F.lit(None).cast(kind), kind)
        (found,) = spark.range(0).select(value.alias("v")).schema
        assert found.dataType.simpleString() == result.simpleString(), text


_ARROW = [
    ("nfc", "e\u0301", "é"),
    ("nfkc", "ﬁ①", "fi1"),
    ("casefold", "Straße", "strasse"),
    ("casefold", "ı", "ı"),
    ("casefold", "I", "i"),
    ("json", '{"b": 2, "a": [1.0, {}]}', '{"a":[1,{}],"b":2}'),
    ("json", '{"a":1,"a":2}', '{"a":2}'),
    ("json", "12345678901234567890123456789012345678901", "12345678901234567890123456789012345678901"),
    ("json", "[1e2, 100, 100.0, -0, 0e5, 1.10]", "[1e2,1e2,1e2,0,0,11e-1]"),
    ("json", "{broken", "{broken"),
    ("json", "NaN", "NaN"),
    ("json", '"\\ud800"', '"\\ud800"'),
    ("json", '"\\u00e9"', '"é"'),
    ("json", "[" * 100_000, "[" * 100_000),
    ("json", "1e" + "9" * 5000, "1e" + "9" * 5000),
    ("json", "", ""),
]


@pytest.mark.parametrize("travels", [True, False], ids=["through Arrow", "beside a column that Arrow does not carry"])
def test_rules_without_an_expression_go_through_arrow(spark: SparkSession, travels: bool) -> None:
    rows = [(text, names, value, expected) for text, (names, value, expected) in enumerate(_ARROW)] + [(99, "nfc", None, None)]
    frame = spark.createDataFrame(rows, "id int, rule string, `a.b` string, expected string").coalesce(1)
    if not travels:
        frame = frame.withColumn("odd", F.expr("interval '3' month"))
    for name in ("nfc", "nfkc", "casefold", "json"):
        done = apply_with_arrow(frame.where(F.col("rule") == name), {"a.b": parse_rules(name)})
        assert done.schema.simpleString() == frame.schema.simpleString()
        for row in done.drop("odd").collect():
            assert row["a.b"] == row["expected"], (name, row["id"])
            assert apply_in_python(parse_rules(name)[0], _ARROW[row["id"]][1] if row["id"] < 99 else None, T.StringType()) == row["a.b"]


def test_bytes_that_are_no_text_are_left_alone(spark: SparkSession) -> None:
    frame = spark.sql("select cast(x'6180' as string) v").coalesce(1)
    for name in ("trim", "ltrim", "rtrim", "lower", "pad", "empty_as_null", "null_as:a"):
        value, _ = apply_rule(parse_rules(name)[0], F.col("v"), T.StringType())
        assert frame.select(F.hex(value).alias("h")).collect()[0]["h"] == "6180", name
    done = apply_with_arrow(frame, {"v": parse_rules("nfc,nfkc,casefold,json")})
    assert done.select(F.hex("v").alias("h")).collect()[0]["h"] == "6180"


def test_a_collation_does_not_decide(spark: SparkSession) -> None:
    frame = spark.sql("select collate('NULL', 'UTF8_LCASE') v")
    declared = frame.schema["v"].dataType
    value, result = apply_rule(parse_rules("null_as:null")[0], F.col("v"), declared)
    row = frame.select(value.alias("r"), F.col("v")).collect()[0]
    assert row["r"] == "NULL" and result == T.StringType()


def test_a_cast_that_loses_is_told(spark: SparkSession) -> None:
    def lost(text: str, values: list[Any], kind: T.DataType) -> list[bool]:
        (rule,) = parse_rules(text)
        frame = spark.createDataFrame([(value,) for value in values], T.StructType([T.StructField("v", kind)]))
        after, result = apply_rule(rule, F.col("v"), kind)
        return [row["l"] for row in frame.coalesce(1).select(loses(F.col("v"), kind, after, result).alias("l")).collect()]

    assert lost("cast:int", ["1", "x", "1.0", None], T.StringType()) == [False, True, True, False]
    assert lost("cast:tinyint", [1, 300, None], T.LongType()) == [False, True, False]
    assert lost("double", [2**53, 2**53 + 1], T.LongType()) == [False, True]
    assert lost("cast:decimal(5,1)", [Decimal("1.100"), Decimal("1.110")], T.DecimalType(10, 3)) == [False, True]


def test_white_space_is_what_unicode_says() -> None:
    assert len(WHITE_SPACE) == 25 == len(set(WHITE_SPACE))
    assert all(sign.isspace() for sign in WHITE_SPACE)
    beyond = {chr(code) for code in range(0x110000) if chr(code).isspace()} - set(WHITE_SPACE)
    assert beyond == set("\x1c\x1d\x1e\x1f")  # Python's own addition; they are no White_Space


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param("rtrm", "rtrim", id="misspelt"),
        pytest.param("round", "round:<n>", id="no argument"),
        pytest.param("round:two", "integer", id="argument is no number"),
        pytest.param("trim:x", "no argument", id="argument not wanted"),
        pytest.param("trunc:week", "us, ms, s", id="unknown unit"),
        pytest.param("utc_from:Europe/Berln", "Europe/Berlin", id="unknown zone"),
        pytest.param("utc_from:Berlin", "Europe/Berlin", id="city without continent"),
        pytest.param("utc_from:EST", "no time zone", id="ambiguous abbreviation"),
        pytest.param("cast:itn", "int", id="unknown type"),
        pytest.param("cast:decimal(40,2)", "no type", id="impossible decimal"),
        pytest.param("null_as", "null_as:<text>", id="null_as without text"),
        pytest.param('null_as:"a', "not closed", id="open quote"),
        pytest.param("", "no rule", id="empty"),
        pytest.param("trim,,nfc", "no rule", id="empty between commas"),
    ],
)
def test_a_wrong_rule_is_refused_with_the_way_out(text: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_rules(text)
    assert says in str(caught.value)


def test_rules_survive_being_written_and_read_again() -> None:
    rules = parse_rules('rtrim, null_as:"a,""b""",null_as:`x,y`,null_as:it"s,cast:decimal(10, 2),utc_from:Europe/Berlin')
    assert [rule.argument for rule in rules] == [None, 'a,"b"', "x,y", 'it"s', "decimal(10, 2)", "Europe/Berlin"]
    assert parse_rules([rule.text for rule in rules]) == rules
    assert parse_rules(",".join(rule.text for rule in rules)) == rules


_FITS = {
    "trim": ["string"],
    "nfc": ["string"],
    "json": ["string", "variant"],
    "empty_as_null": ["string"],
    "null_as:x": ["string"],
    "pad": ["string"],
    "round:2": ["bigint", "decimal(10,4)", "double"],
    "trunc:s": ["timestamp", "timestamp_ntz"],
    "utc_from:UTC": ["timestamp", "timestamp_ntz"],
    "set": ["array<bigint>"],
    "double": ["string", "bigint", "decimal(10,4)", "double", "boolean"],
    "text": ["string", "bigint", "decimal(10,4)", "boolean", "date", "timestamp", "timestamp_ntz", "binary", "variant"],
    "cast:date": ["string", "date", "timestamp", "timestamp_ntz"],
    "cast:timestamp": ["string", "timestamp"],
    "cast:string": ["string", "bigint", "decimal(10,4)", "boolean", "date", "timestamp", "timestamp_ntz", "binary"],
}
_KINDS: dict[str, T.DataType] = {
    kind.simpleString(): kind
    for kind in (
        T.StringType(),
        T.LongType(),
        T.DecimalType(10, 4),
        T.DoubleType(),
        T.BooleanType(),
        T.DateType(),
        T.TimestampType(),
        T.TimestampNTZType(),
        T.BinaryType(),
        T.VariantType(),
        T.ArrayType(T.LongType()),
        T.ArrayType(T.MapType(T.StringType(), T.LongType())),
        T.StructType([T.StructField("a", T.StringType())]),
        T.MapType(T.StringType(), T.StringType()),
    )
}


@pytest.mark.parametrize("text", _FITS)
def test_a_rule_is_refused_on_a_type_it_does_not_fit(text: str) -> None:
    (rule,) = parse_rules(text)
    for name, kind in _KINDS.items():
        if name in _FITS[text]:
            check_rule(rule, kind, "c")
        else:
            with pytest.raises(InputError, match=r"c=.*is for") as caught:
                check_rule(rule, kind, "c")
            assert caught.value.object == "c" and caught.value.exit_code == 2


def test_the_catalogue_is_that_of_the_contract() -> None:
    written = "nfc nfkc trim ltrim rtrim casefold lower empty_as_null null_as:<text> pad round:<n> trunc:<us|ms|s|min|h|day> "
    written += "utc_from:<zone> cast:<type> json set double text"
    assert sorted(RULE_FORMS) == sorted(written.split())


def test_only_what_spark_cannot_express_needs_arrow() -> None:
    assert [name for name in ("nfc", "nfkc", "casefold", "json", "trim", "lower", "text") if not is_native(parse_rules(name)[0])] == [
        "nfc",
        "nfkc",
        "casefold",
        "json",
    ]
    with pytest.raises(EngineError):
        apply_rule(parse_rules("nfc")[0], None, T.StringType())  # type: ignore[arg-type]
