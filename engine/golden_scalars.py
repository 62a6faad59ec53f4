"""Golden rows of scalar types: values at the edges of each type and of the hash functions' blocks."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from pyspark.sql import types as T

__all__ = ["SCALAR_SETS", "Definition", "columns_of"]

Definition = tuple[str, Sequence[tuple[str, T.DataType]], tuple[str, ...], bool, list[tuple[Any, ...]]]

LONG, TEXT, BINARY = T.LongType(), T.StringType(), T.BinaryType()
_DAY_US = 86_400_000_000


def columns_of(**kinds: T.DataType) -> tuple[tuple[str, T.DataType], ...]:
    """Return columns, an `id` before them."""
    return (("id", LONG), *kinds.items())


def _numbered(rows: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return [(number, *row) for number, row in enumerate(rows)]


def _null_everywhere() -> list[tuple[Any, ...]]:
    """A full row, the same with NULL in each place, in each place but one, and everywhere."""
    full = (1, True, 2, Decimal("3.25"), Decimal("4.5"), 5, 6, 7, "eight", b"nine")
    holes = [tuple(None if place == hole else value for place, value in enumerate(full)) for hole in range(len(full))]
    alone = [tuple(value if place == only else None for place, value in enumerate(full)) for only in range(len(full))]
    empty = (0, False, 0, Decimal(0), Decimal(0), 0, 0, 0, "", b"")
    return [full, *holes, *alone, (None,) * len(full), empty]


def _bits(text: str) -> float:
    return float(struct.unpack(">d", bytes.fromhex(text))[0])


_DOUBLES = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.1,
    0.1 + 0.2,
    1 / 3,
    5e-324,
    -5e-324,
    2.2250738585072009e-308,
    2.2250738585072014e-308,
    1.7976931348623157e308,
    9007199254740993.0,
    1e22,
    1e23,
    100.0,
    math.inf,
    -math.inf,
    math.nan,
    _bits("7ff8000000000001"),
    _bits("fff8000000000000"),
    None,
]
_SINGLES = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    struct.unpack("f", struct.pack("f", 0.1))[0],
    16777216.0,
    1e-45,
    -1e-45,
    1.17549435e-38,
    3.4028234663852886e38,
    0.5,
    math.inf,
    -math.inf,
    math.nan,
    None,
]
_INTEGERS = [0, 1, -1, 127, 128, -128, -129, 2**31 - 1, 2**31, -(2**31), 2**53, 2**53 + 1, 2**63 - 1, -(2**63), None]
_UNSCALED = [
    0,
    1,
    -1,
    127,
    128,
    -128,
    -129,
    255,
    256,
    32767,
    32768,
    -32768,
    -32769,
    10**17,
    10**18 - 1,
    -(10**18 - 1),
    10**18,
    2**63 - 1,
    2**63,
    -(2**63),
    -(2**63) - 1,
    2**64,
    10**37,
    10**38 - 1,
    -(10**38 - 1),
    2**119 - 1,
    2**119,
    -(2**119),
    None,
]
_DAYS = [
    0,
    1,
    -1,
    -141_427,
    -141_428,
    -141_437,
    -141_438,
    -719_162,
    -719_163,
    -719_528,
    -735_248,
    -25_567,
    2_932_896,
    2_932_897,
    3_000_000,
    19_782,
    None,
]
_MICROS = [
    0,
    1,
    -1,
    999_999,
    -999_999,
    1_711_846_800_000_000,
    1_711_848_600_123_456,
    -12_219_292_800_000_000,
    -12_219_292_800_000_001,
    -62_135_596_800_000_000,
    -62_135_596_800_000_001,
    -99_999_999_999_999_999,
    253_402_300_799_999_999,
    253_402_300_800_000_000,
    999_999_999_999_999_999,
    100_000,
    None,
]
_LENGTHS = (0, 1, 2, 3, 4, 5, 7, 8, 9, 12, 15, 16, 17, 24, 28, 31, 32, 33, 36, 40, 47, 48, 63, 64, 65, 95, 96, 97, 127, 128, 129, 300)
_SIGNS = [
    "é",
    "e\u0301",
    "ß",
    "ﬁ",
    "\u00a0",
    " ",
    "\t",
    "\n",
    "\r\n",
    "\u200b",
    "\ufeff",
    "\uffff",
    "𝔸",
    "\U0001f600",
    "\U0001f468\u200d\U0001f469",
    "مرحبا",
    "日本語",
    "N;",
    "1:a;",
    "NULL",
    "\\N",
    "'\"\\",
    "é" * 16,
    "é" * 32,
    "𝔸" * 8,
    "𝔸" * 16,
    "a" * 31 + "é",
    "a" * 63 + "é",
]
_KEYS = [
    ("ab", "c", 0),
    ("a", "bc", 0),
    ("abc", "", 0),
    ("", "abc", 0),
    (None, "abc", 0),
    ("abc", None, 0),
    (None, None, 0),
    (None, None, None),
    ("", "", None),
    ("N;", None, 1),
    (None, "N;", 1),
    ("a-b", "c", 2),
    ("a", "b-c", 2),
]


def _at(values: Sequence[Any], number: int) -> Any:
    return values[number] if number < len(values) else None


def _decimals(scale: int, digits: int) -> list[Decimal | None]:
    kept = [number for number in _UNSCALED if number is None or abs(number) < 10**digits]
    return [
        None if number is None else Decimal(number).scaleb(-scale) if abs(number) < 10**28 else Decimal(f"{number}e-{scale}")
        for number in kept
    ]


def _side_by_side(*columns: Sequence[Any]) -> list[tuple[Any, ...]]:
    longest = max(map(len, columns))
    return _numbered([tuple(_at(column, number) for column in columns) for number in range(longest)])


def _wide() -> list[tuple[Any, ...]]:
    plain = tuple(range(39))
    holes = [tuple(None if place == hole else value for place, value in enumerate(plain)) for hole in (0, 13, 14, 15, 16, 30, 31, 38)]
    return _numbered([plain, *holes, (None,) * 39, (0,) * 39, plain[::-1]])


SCALAR_SETS: list[Definition] = [
    (
        "null_in_every_place",
        (
            ("id", LONG),
            ("flag", T.BooleanType()),
            ("whole", LONG),
            ("narrow", T.DecimalType(10, 2)),
            ("wide", T.DecimalType(38, 10)),
            ("day", T.DateType()),
            ("instant", T.TimestampType()),
            ("clock", T.TimestampNTZType()),
            ("text", TEXT),
            ("raw", BINARY),
        ),
        ("id",),
        True,
        _null_everywhere(),
    ),
    ("integers", columns_of(flag=T.BooleanType(), whole=LONG), ("whole",), True, _side_by_side([True, False, None], _INTEGERS)),
    ("floats", columns_of(d=T.DoubleType(), f=T.FloatType()), ("id",), False, _side_by_side(_DOUBLES, _SINGLES)),
    (
        "decimals",
        columns_of(narrow=T.DecimalType(18, 4), wide=T.DecimalType(38, 10), whole=T.DecimalType(38, 0), nineteen=T.DecimalType(19, 2)),
        ("narrow", "whole"),
        True,
        _side_by_side(_decimals(4, 18), _decimals(10, 38), _decimals(0, 38), _decimals(2, 19)),
    ),
    (
        "time",
        columns_of(day=T.DateType(), instant=T.TimestampType(), clock=T.TimestampNTZType()),
        ("day", "instant"),
        True,
        _side_by_side(_DAYS, _MICROS, _MICROS[::-1]),
    ),
    (
        "lengths",
        columns_of(text=TEXT, raw=BINARY),
        ("text",),
        True,
        _numbered([(("abcdefghij" * 30)[:length], bytes(number * 7 % 256 for number in range(length))) for length in _LENGTHS]),
    ),
    ("signs", columns_of(text=TEXT), ("text",), True, _numbered([(sign,) for sign in _SIGNS])),
    ("text_that_postgres_cannot_hold", columns_of(text=TEXT), ("id",), False, _numbered([("\0",), ("a\0",), ("a",), ("\0" * 64,)])),
    ("keys", columns_of(a=TEXT, b=TEXT, c=LONG), ("a", "b", "c"), True, _numbered(_KEYS)),
    ("three_groups", columns_of(**{f"c{number:02d}": LONG for number in range(39)}), ("id",), True, _wide()),
    (
        "intervals",
        columns_of(months=T.YearMonthIntervalType(), moment=T.DayTimeIntervalType()),
        ("id",),
        False,
        _side_by_side([0, 1, -1, 11, 12, -13, 2**31 - 1, None], [0, 1, -1, 999_999, -1_000_001, _DAY_US, -_DAY_US - 1, 10**17, None]),
    ),
    (
        "variants",
        columns_of(v=T.VariantType()),
        ("id",),
        False,
        _numbered(
            [
                (None,),
                ("null",),
                ("1",),
                ('"1"',),
                ('{"a":1,"b":[true,null,"x"]}',),
                ("[]",),
                ("{}",),
                ("12345678901234567890",),
                (f'"{"v" * 70}"',),
            ]
        ),
    ),
]
