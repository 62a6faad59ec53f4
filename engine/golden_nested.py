"""Golden rows of nested types, and the small set of all types that every run checks itself against."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

from pyspark.sql import types as T

from engine.golden_scalars import BINARY, LONG, TEXT, Definition, columns_of

__all__ = ["NESTED_SETS"]

_BITS = 70


def _numbered(*rows: tuple[Any, ...]) -> list[tuple[Any, ...]]:
    return [(number, *row) for number, row in enumerate(rows)]


def _struct(**kinds: T.DataType) -> T.StructType:
    return T.StructType([T.StructField(name, kind) for name, kind in kinds.items()])


_INNER = _struct(a=LONG, b=TEXT)
_OUTER = _struct(x=_INNER, y=T.ArrayType(_INNER), z=T.DoubleType())
_FLAGS = T.StructType([T.StructField(f"f{number:02d}", LONG) for number in range(_BITS)])


def _flags(*holes: int) -> tuple[int | None, ...]:
    return tuple(None if number in holes else number for number in range(_BITS))


_CANARY_TYPES: dict[str, T.DataType] = {
    "flag": T.BooleanType(),
    "whole": LONG,
    "narrow": T.DecimalType(12, 2),
    "wide": T.DecimalType(38, 6),
    "ratio": T.DoubleType(),
    "single": T.FloatType(),
    "day": T.DateType(),
    "instant": T.TimestampType(),
    "clock": T.TimestampNTZType(),
    "text": TEXT,
    "raw": BINARY,
    "list": T.ArrayType(LONG),
    "lists": T.ArrayType(T.ArrayType(TEXT)),
    "inner": _INNER,
    "lookup": T.MapType(TEXT, LONG),
    "note": TEXT,
    "zero": LONG,
}
_FULL: tuple[Any, ...] = (
    True,
    2**53 + 1,
    Decimal("-3.25"),
    Decimal("123456789012345678901.5"),
    0.1,
    0.5,
    -141_427,
    1_711_848_600_123_456,
    -1,
    "Ünïcode 𝔸",
    b"\x00\xff",
    [1, None, 3],
    [["a"], [], None],
    (1, "x"),
    [("a", 1), ("b", None)],
    "x" * 65,
    0,
)
_EDGES: list[dict[str, Any]] = [
    {"ratio": -0.0, "single": -0.0},
    {"ratio": math.nan, "single": math.nan},
    {"ratio": math.inf, "single": -math.inf, "list": [], "lookup": []},
    {"text": "", "raw": b"", "lists": [[]], "inner": (None, None)},
    {"wide": Decimal(128).scaleb(-6), "narrow": Decimal("-0.01"), "day": -735_248, "instant": -62_135_596_800_000_001, "note": "é" * 16},
]


def _canary() -> list[tuple[Any, ...]]:
    holes = [tuple(None if place == hole else value for place, value in enumerate(_FULL)) for hole in range(len(_FULL))]
    edges = [tuple(edge.get(name, value) for name, value in zip(_CANARY_TYPES, _FULL, strict=True)) for edge in _EDGES]
    return _numbered(_FULL, *holes, *edges, (None,) * len(_FULL))


NESTED_SETS: list[Definition] = [
    (
        "arrays",
        columns_of(whole=T.ArrayType(LONG), text=T.ArrayType(TEXT), flag=T.ArrayType(T.BooleanType())),
        ("id",),
        False,
        _numbered(
            (None, None, None),
            ([], [], []),
            ([None], [None], [None]),
            ([1], ["a"], [True]),
            ([1, 2, 3], ["a", "bc"], [True, False]),
            ([3, 2, 1], ["ab", "c"], [False, True]),
            ([None, 1], [None, ""], [None, True]),
            ([1, None], ["", None], [True, None]),
            ([None, None], ["", ""], [None, None]),
            (list(range(100)), ["x" * 40] * 3, [False] * 70),
        ),
    ),
    (
        "arrays_of_all",
        columns_of(
            ratio=T.ArrayType(T.DoubleType()),
            single=T.ArrayType(T.FloatType()),
            narrow=T.ArrayType(T.DecimalType(10, 2)),
            wide=T.ArrayType(T.DecimalType(38, 2)),
            day=T.ArrayType(T.DateType()),
            instant=T.ArrayType(T.TimestampType()),
            raw=T.ArrayType(BINARY),
            moment=T.ArrayType(T.DayTimeIntervalType()),
        ),
        ("id",),
        False,
        _numbered(
            ([0.0, math.nan], [0.5], [Decimal("1.50")], [Decimal("1.50")], [0], [0], [b"a"], [1]),
            ([-0.0, math.inf], [-0.0], [Decimal("150")], [Decimal("150")], [-141_427, None], [-1, 1], [b"", None], [None, -1]),
            ([None, 5e-324], [None], [None], [None, Decimal("-1.28")], [None], [None], [None], [None, None]),
            (None, [], None, [], None, [], None, []),
        ),
    ),
    (
        "arrays_of_arrays",
        columns_of(nested=T.ArrayType(T.ArrayType(LONG)), deep=T.ArrayType(T.ArrayType(T.ArrayType(TEXT)))),
        ("id",),
        False,
        _numbered(
            (None, None),
            ([], []),
            ([[]], [[[]]]),
            ([[], []], [[[], []]]),
            ([None], [[None]]),
            ([[None]], [[[None]]]),
            ([[1], [2]], [[["a"], ["b"]]]),
            ([[1, 2], []], [[["a", "b"]], []]),
            ([[], [1, 2]], [[], [["a", "b"]]]),
            ([None, [1]], [[["ab"]], None]),
        ),
    ),
    (
        "structs",
        columns_of(s=_INNER, o=_OUTER),
        ("id",),
        False,
        _numbered(
            (None, None),
            ((None, None), (None, None, None)),
            ((1, None), ((None, None), [], 0.0)),
            ((None, "x"), ((1, "x"), [None], -0.0)),
            ((1, "x"), ((1, "x"), [(1, "x"), (None, None)], math.nan)),
            ((0, ""), (None, [(None, None), (1, "x")], 1.0)),
            ((1, "y" * 64), ((2, "z" * 80), [(3, "w" * 90)], 1.0)),
        ),
    ),
    (
        "more_than_64_null_bits",
        columns_of(s=_FLAGS),
        ("id",),
        False,
        _numbered((_flags(),), (_flags(0),), (_flags(61),), (_flags(62),), (_flags(63),), (_flags(69),), (_flags(*range(_BITS)),), (None,)),
    ),
    (
        "maps",
        columns_of(
            m=T.MapType(TEXT, LONG),
            lists=T.MapType(LONG, T.ArrayType(TEXT)),
            inner=T.MapType(TEXT, _INNER),
            maps=T.ArrayType(T.MapType(TEXT, LONG)),
        ),
        ("id",),
        False,
        _numbered(
            (None, None, None, None),
            ([], [], [], []),
            ([("a", 1), ("b", 2)], [(1, ["x"]), (2, [])], [("k", (1, "v"))], [[("a", 1)], []]),
            ([("b", 2), ("a", 1)], [(2, []), (1, ["x"])], [("k", (None, None))], [[], [("a", 1)]]),
            ([("a", 2), ("b", 1)], [(1, [None])], [("k", None)], [None]),
            ([("a", None)], [(1, None)], [("k", (1, None))], [[("a", None)]]),
            ([("", 0)], [(0, [""])], [("", (0, ""))], [[("", 0)], [("", 0)]]),
            (
                [(f"key{number}", number) for number in range(40)],
                [(-1, ["a", None])],
                [("a", (1, "a")), ("b", (1, "a"))],
                [[("b", 1), ("a", 2)]],
            ),
        ),
    ),
    (
        "long_texts",
        columns_of(a=TEXT, b=BINARY, c=TEXT),
        ("id",),
        True,
        _numbered(
            ("x" * 63, bytes(63), "y"),
            ("x" * 64, bytes(63), "y"),
            ("x" * 63, bytes(64), "y"),
            ("x" * 64, bytes(64), "y" * 64),
            (None, bytes(64), None),
            ("x" * 64, None, "x" * 64),
            ("x" * 66, bytes(range(67)), "é" * 33),
        ),
    ),
    ("canary", columns_of(**_CANARY_TYPES), ("id", "text"), False, _canary()),
]
