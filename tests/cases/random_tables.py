"""Two random tables of random types, one a mutation of the other, and what must come out: an oracle in plain Python, without Spark.

A value is what Python has for it: maps and structs are dicts, instants are UTC without a zone. `plain` brings a value to a form in
which equality is that of Parity: numbers of any type by their exact value, NaN equal to itself, 0.0 to -0.0, structs and maps by name.
"""

from __future__ import annotations

import math
import struct
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import count
from random import Random
from typing import Any

__all__ = ["Expected", "Plain", "Trial", "expected", "plain", "trial"]

Draw = Callable[[Random], Any]
Row = list[Any]
Plain = tuple[Any, ...]
Key = tuple[Plain, ...]
ListedRow = tuple[Key, str, str | None]
"""Of `diffs()`: the key, the class of the row, the column."""

_PIECES = [
    "",
    "a",
    "A",
    "ab",
    " a",
    "a ",
    "é",
    "e\u0301",
    "\u0000",
    "NULL",
    "\\N",
    "x" * 70,
    "\U0001f389",
    "\n",
    '"',
    "ß",
    ",",
    "b",
    "c",
    "d",
]
_DAY = timedelta(days=1)
_MICROSECOND = timedelta(microseconds=1)
_TEMPORAL = ("date", "timestamp", "timestamp_ntz")
_WHOLE = ("tinyint", "smallint", "int", "bigint")
_NUMBERED = ("smallint", "int", "bigint")  # as keys they are counted, not drawn
_NUMBERED_WAYS = ("ranges", "join", "tallied")
_FULL_DECIMALS = {"decimal(38,18)": 18, "decimal(38,38)": 38}
_DISTANCE_DIGITS = 37


# -- values ------------------------------------------------------------------------------------------------------------


def _single(value: float) -> float:
    """Return the nearest number of 32 bits."""
    return float(struct.unpack("<f", struct.pack("<f", value))[0])


def _whole(lowest: int, highest: int) -> Draw:
    return lambda rng: rng.choice(
        [lowest, highest, 0, 1, -1, rng.randint(max(lowest, -50), min(highest, 50)), rng.randint(lowest, highest)]
    )


def _double(rng: Random) -> float:
    return rng.choice([0.0, -0.0, math.nan, math.inf, -math.inf, 1.5, 0.1, rng.uniform(-10, 10), 1e300, -1e-300])


def _float(rng: Random) -> float:
    return _single(rng.choice([0.0, -0.0, math.nan, math.inf, -math.inf, 1.5, 0.1, rng.uniform(-10, 10)]))


def _decimal(precision: int, scale: int) -> Draw:
    """Draw numbers of a decimal type, its bounds among them; built from digits, since Decimal's own arithmetic keeps only 28."""
    most = 10**precision - 1

    def draw(rng: Random) -> Decimal:
        units = rng.choice([0, 1, -1, most, -most, rng.randint(-1000, 1000), rng.randint(-most, most)])
        return Decimal((int(units < 0), tuple(map(int, str(abs(units)))), -scale))

    return draw


def _text(rng: Random) -> str:
    return rng.choice(_PIECES) + (rng.choice(_PIECES) if rng.random() < 0.4 else "")


def _bytes(rng: Random) -> bytearray:
    return bytearray(rng.choice([b"", b"\0", b"\xff", b"a", b"ab", b"x" * 70, bytes([rng.randint(0, 255)])]))


def _flag(rng: Random) -> bool:
    return rng.random() < 0.5


def _date(rng: Random) -> date:
    return date(2000, 1, 1) + rng.choice([0, 1, -1, rng.randint(-30_000, 30_000)]) * _DAY


def _moment(rng: Random) -> datetime:
    return datetime(2000, 1, 1) + rng.choice([0, 1, -1, 500, 10**6, rng.randint(-(10**15), 10**15)]) * _MICROSECOND


def _or_null(draw: Draw, share: float = 0.15) -> Draw:
    return lambda rng: None if rng.random() < share else draw(rng)


def _array(draw: Draw) -> Draw:
    return lambda rng: [draw(rng) for _ in range(rng.choice([0, 1, 1, 2, 3]))]


def _map(key: Draw, value: Draw) -> Draw:
    return lambda rng: {key(rng): value(rng) for _ in range(rng.choice([0, 1, 2, 3]))}


def _struct(**parts: Draw) -> Draw:
    return lambda rng: {name: draw(rng) for name, draw in parts.items()}


_PAIR = _struct(a=_or_null(_whole(-5, 5)), b=_or_null(_text))
_VALUES: dict[str, Draw] = {
    "tinyint": _whole(-128, 127),
    "smallint": _whole(-(2**15), 2**15 - 1),
    "int": _whole(-(2**31), 2**31 - 1),
    "bigint": _whole(-(2**63), 2**63 - 1),
    "float": _float,
    "double": _double,
    "decimal(10,2)": _decimal(10, 2),
    "decimal(18,4)": _decimal(18, 4),
    "decimal(38,18)": _decimal(38, 18),
    "decimal(20,0)": _decimal(20, 0),
    "decimal(38,38)": _decimal(38, 38),
    "string": _text,
    "binary": _bytes,
    "boolean": _flag,
    "date": _date,
    "timestamp": _moment,
    "timestamp_ntz": _moment,
    "array<int>": _array(_or_null(_whole(-5, 5))),
    "array<double>": _array(_or_null(_double)),
    "array<string>": _array(_or_null(_text)),
    "array<boolean>": _array(_or_null(_flag)),
    "array<binary>": _array(_or_null(_bytes)),
    "array<timestamp>": _array(_or_null(_moment)),
    "array<decimal(25,3)>": _array(_or_null(_decimal(25, 3))),
    "array<array<string>>": _array(_or_null(_array(_or_null(_text)))),
    "array<struct<a:int,m:map<string,double>>>": _array(
        _or_null(_struct(a=_or_null(_whole(-2, 2)), m=_or_null(_map(_text, _or_null(_double)))))
    ),
    "struct<a:int,b:string>": _PAIR,
    "struct<x:struct<p:double,q:array<int>>,y:decimal(12,3)>": _struct(
        x=_or_null(_struct(p=_or_null(_double), q=_or_null(_array(_or_null(_whole(-3, 3)))))), y=_or_null(_decimal(12, 3))
    ),
    "map<string,int>": _map(_text, _or_null(_whole(-3, 3))),
    "map<int,array<double>>": _map(_whole(-3, 3), _or_null(_array(_or_null(_double)))),
    "map<double,string>": _map(lambda rng: rng.choice([0.0, -0.0, 1.5, math.inf, 2.0]), _or_null(_text)),
    "map<date,struct<a:int,b:string>>": _map(_date, _or_null(_PAIR)),
}
_KEY_TYPES = [
    "int", "bigint", "int", "bigint", "smallint", "string", "date", "decimal(10,2)", "double", "timestamp", "binary", "boolean",
    "struct<a:int,b:string>",
]  # fmt: skip
# types of the target that hold every value of the source's
_WIDER = {
    "tinyint": ["int", "decimal(5,2)"],
    "smallint": ["bigint"],
    "int": ["bigint", "decimal(12,2)"],
    "bigint": ["decimal(20,0)", "decimal(25,5)"],
    "float": ["double"],
    "decimal(10,2)": ["decimal(12,4)", "decimal(30,2)"],
    "decimal(18,4)": ["decimal(38,10)"],
    "array<int>": ["array<bigint>"],
    "struct<a:int,b:string>": ["struct<b:string,a:bigint>"],
    "map<string,int>": ["map<string,decimal(14,2)>"],
}


def _is_number(kind: str) -> bool:
    return kind in (*_WHOLE, "float", "double") or kind.startswith("decimal")


def _has_distance(kind: str) -> bool:
    return _is_number(kind) or kind in _TEMPORAL


# -- a pair of tables --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Tolerance:
    """One tolerance, as `compare` takes it and as the oracle reads it; for points in time, `absolute` is in seconds."""

    text: str
    absolute: Fraction
    relative: Fraction = Fraction(0)


_SECOND_APART = Tolerance("abs:1s", Fraction(1))
_DAY_APART = Tolerance("abs:1day", Fraction(86_400))
_NUMBERS_APART = [
    Tolerance("abs:0.01", Fraction("0.01")),
    Tolerance("rel:0.05", Fraction(0), Fraction("0.05")),
    Tolerance("abs:1,rel:1e-6", Fraction(1), Fraction("1e-6")),
]


@dataclass(frozen=True)
class Trial:
    """Two tables, and how they are compared.

    Attributes:
        names: of the columns; those of the key come first.
        keys: how many columns make the key; 0 is keyless.
        source_types, target_types: as in DDL, per column; a type of the target holds every value of the source's.
        source, target: rows.
        tolerances: by column.
        parts: into how many parts each side is stored.
        stored: whether both sides are files rather than DataFrames.
    """

    names: Sequence[str]
    keys: int
    source_types: Sequence[str]
    target_types: Sequence[str]
    source: Sequence[Row]
    target: Sequence[Row]
    tolerances: Mapping[str, Tolerance]
    parts: tuple[int, int]
    stored: bool

    @property
    def key_names(self) -> list[str]:
        """The columns of the key."""
        return list(self.names[: self.keys])

    def key_of(self, row: Row) -> Key:
        """Return the key of a row, as the oracle compares it; keyless, all rows have one."""
        return tuple(plain(value) for value in row[: self.keys])


def trial(way: str, seed: int) -> Trial:
    """Return the pair of tables of a seed.

    Args:
        way: through the engine; `ranges`, `join` and `tallied` need a key of one whole number, and `join` needs it unique, never
            NULL, with many rows that differ and both sides in one order.
    """
    rng = Random(f"{way} {seed}")
    numbered, joins = way in _NUMBERED_WAYS, way == "join"
    keys = 1 if numbered else rng.choice([1, 1, 1, 2, 0])
    key_types = [rng.choice(_NUMBERED if numbered else _KEY_TYPES) for _ in range(keys)]
    others = [rng.choice(list(_VALUES)) for _ in range(rng.randint(4, 7))]
    types = [*key_types, *others]
    unique = joins or rng.random() < 0.5
    rows = rng.choice([400, 500] if joins else [40, 150] if numbered else [5, 40, 150])
    nulls = 0.0 if joins else rng.choice([0.0, 0.0, 0.1])
    draws = [_or_null(_VALUES[kind], nulls) for kind in key_types] + [_or_null(_VALUES[kind], rng.choice([0, 0.1, 0.4])) for kind in others]
    if key_types and key_types[0] in _NUMBERED:
        draws[0] = _or_null(_counted(rng.choice([0, -150, 1000]), rng.choice([1, 1, 3, 30]), None if unique else rows), nulls)
    once = keys if unique else 0
    source = _distinct([[draw(rng) for draw in draws] for _ in range(rows)], once)
    rate = rng.choice([0.2, 0.5, 1.0] if joins else [0, 0.05, 0.3, 1.0])
    target = [row for original in source for row in _mutated(rng, original, types, draws, keys, rate, unique=unique)]
    target = _distinct(target + [[draw(rng) for draw in draws] for _ in range(rng.choice([0, 0, 3]))], once)
    if not joins:
        rng.shuffle(target)
    target_types = [_target_type(rng, kind) for kind in types]
    if numbered:
        target_types[0] = rng.choice(["smallint", "bigint"]) if types[0] == "smallint" else types[0]
    names = [*(f"k{index}" for index in range(keys)), *(f"c{index}" for index in range(len(others)))]
    tolerances = dict(_tolerances(rng, names[keys:], others)) if keys else {}
    parts = (1, 1) if joins else (rng.choice([1, 3]), rng.choice([1, 3]))
    stored = way in ("ranges", "tallied") and rng.random() < 0.6
    return Trial(names, keys, types, target_types, source, target, tolerances, parts, stored)


def _counted(first: int, step: int, repeating: int | None) -> Draw:
    """Draw whole numbers at even distances: each once and ascending, or any of so many; all are smallint."""
    numbers = count(1)
    return lambda rng: first + step * (next(numbers) if repeating is None else rng.randint(1, max(2, repeating)))


def _distinct(rows: list[Row], keys: int) -> list[Row]:
    """Return the first row of each key; all rows where no column is one."""
    if not keys:
        return rows
    first: dict[Key, Row] = {}
    for row in rows:
        first.setdefault(tuple(plain(value) for value in row[:keys]), row)
    return list(first.values())


def _target_type(rng: Random, kind: str) -> str:
    return rng.choice(_WIDER[kind]) if kind in _WIDER and rng.random() < 0.25 else kind


def _tolerances(rng: Random, names: Sequence[str], types: Sequence[str]) -> Iterator[tuple[str, Tolerance]]:
    """Yield a tolerance for about half of the columns that can have one."""
    for name, kind in zip(names, types, strict=True):
        if _has_distance(kind) and rng.random() < 0.5:
            yield name, _DAY_APART if kind == "date" else _SECOND_APART if kind in _TEMPORAL else rng.choice(_NUMBERS_APART)


def _mutated(rng: Random, row: Row, types: Sequence[str], draws: Sequence[Draw], keys: int, rate: float, *, unique: bool) -> list[Row]:
    """Return what becomes of a row in the target: itself, nothing, one with some cells changed, another row, or two copies."""
    if rng.random() >= rate:
        return [list(row)]
    fate = rng.random()
    if fate < 0.15:
        return []
    if keys and fate >= 0.9:
        other = [draw(rng) for draw in draws]
    else:
        other = list(row)
        for _ in range(rng.choice([1, 1, 2])):
            position = rng.randrange(keys, len(types))
            other[position] = _changed(rng, row[position], types[position], draws[position])
    return [other, list(other)] if not unique and rng.random() < 0.2 else [other]


def _changed(rng: Random, value: Any, kind: str, draw: Draw) -> Any:
    """Return another value of a type: half of the time, where it has distances, one near the value."""
    if value is None or not _has_distance(kind) or kind == "date" or rng.random() < 0.5:
        return draw(rng)
    if isinstance(value, datetime):
        return value + rng.choice([1, 999_999, 1_000_000, 1_000_001]) * _MICROSECOND
    if isinstance(value, float):
        near = value + rng.choice([0.001, -0.5, 1e-9])
        return _single(near) if kind == "float" else near
    if isinstance(value, int):
        return max(-100, min(100, value + rng.choice([1, -1, 2])))
    return Decimal((0, (rng.randint(0, 9),), value.as_tuple().exponent))


# -- the oracle --------------------------------------------------------------------------------------------------------


def plain(value: Any) -> Plain:
    """Return a value in a form that is equal, and hashes alike, exactly where Parity takes two values for equal."""
    if value is None:
        return ("null",)
    if isinstance(value, bool):
        return ("boolean", value)
    if isinstance(value, float) and not math.isfinite(value):
        return ("nan",) if math.isnan(value) else ("infinity", value > 0)
    if isinstance(value, (int, float, Decimal)):
        return ("number", Fraction(value))
    if isinstance(value, (bytes, bytearray)):
        return ("bytes", bytes(value))
    if isinstance(value, list):
        return ("list", *(plain(part) for part in value))
    if isinstance(value, dict):
        return ("named", frozenset((plain(name), plain(part)) for name, part in value.items()))
    return ("value", value)


@dataclass(frozen=True)
class _Cell:
    """A cell of a pair that differs; `near`: within its tolerance, None where arithmetic of doubles may say either."""

    column: str
    near: bool | None
    distance: float | None


@dataclass(frozen=True)
class _Group:
    """All rows of one key."""

    key: Key
    source: tuple[Row, ...]
    target: tuple[Row, ...]

    def _counted(self) -> tuple[Counter[Plain], Counter[Plain]]:
        return Counter(plain(row) for row in self.source), Counter(plain(row) for row in self.target)

    def shared(self) -> int:
        """Return how many rows have an equal one."""
        ours, theirs = self._counted()
        return sum((ours & theirs).values())

    def lonely(self) -> tuple[int, int]:
        """Return how many rows of each side have no equal one."""
        shared = self.shared()
        return len(self.source) - shared, len(self.target) - shared

    def surplus(self) -> int:
        """Return how many rows are copies too many of one that the other side has too."""
        ours, theirs = self._counted()
        return sum(abs(ours[row] - theirs[row]) for row in ours.keys() & theirs.keys())

    @property
    def is_single(self) -> bool:
        """Whether no side has two rows."""
        return len(self.source) <= 1 and len(self.target) <= 1


@dataclass(frozen=True)
class Expected:
    """What a comparison must say.

    Attributes:
        counts: by their names in the result, those that are certain.
        paired: rows that differ from the row of the same key, whether by rule or not.
        settled: whether more than these is certain: keys are unique on both sides, and no cell lies on the edge of its tolerance.
        cells: changed cells per column, not those within a tolerance; for settled ones.
        deltas: largest distance of two values per column, where any have one; for settled ones.
        listed: the rows of `diffs()`; for settled ones.
    """

    counts: Mapping[str, int]
    paired: int
    settled: bool
    cells: Mapping[str, int]
    deltas: Mapping[str, float]
    listed: frozenset[ListedRow]

    @property
    def verdicts(self) -> set[str]:
        """The verdicts that are right."""
        alone = self.counts["missing"] + self.counts["extra"]
        if not alone + self.paired:
            return {"PASS"}
        if self.settled:
            return {"FAIL"} if alone + self.counts["changed"] else {"PASS_WITH_RULES"}
        return {"FAIL"} if alone else {"FAIL", "PASS_WITH_RULES"}


def expected(tables: Trial) -> Expected:
    """Return what a comparison of the two tables must say."""
    groups = _groups(tables)
    lonely = [group.lonely() for group in groups]
    paired = sum(min(sides) for sides in lonely) if tables.keys else 0
    repeated = sum(not group.is_single for group in groups) if tables.keys else 0
    counts = {
        "source_rows": len(tables.source),
        "target_rows": len(tables.target),
        "matched": sum(group.shared() for group in groups),
        "missing": sum(ours for ours, _ in lonely) - paired,
        "extra": sum(theirs for _, theirs in lonely) - paired,
        "duplicate_keys": repeated,
        "null_keys": sum(None in row[: tables.keys] for row in (*tables.source, *tables.target)),
    }
    if not tables.keys:
        counts |= {"changed": 0, "matched_by_rule": 0, "multiplicity": sum(group.surplus() for group in groups)}
    pairs = [(group.key, _cells(tables, group.source[0], group.target[0])) for group in groups if group.source and group.target]
    cells = [cell for _, found in pairs for cell in found]
    settled = bool(tables.keys) and not repeated and all(cell.near is not None for cell in cells)
    if not settled:
        return Expected(counts, paired, settled, {}, {}, frozenset())
    changed = [(key, found) for key, found in pairs if not all(cell.near for cell in found)]
    counts |= {"changed": len(changed), "matched_by_rule": paired - len(changed)}
    listed: set[ListedRow] = {(key, "changed", cell.column) for key, found in changed for cell in found}
    listed |= {(group.key, "missing" if group.source else "extra", None) for group in groups if not (group.source and group.target)}
    return Expected(counts, paired, settled, Counter(cell.column for cell in cells if not cell.near), _largest(cells), frozenset(listed))


def _groups(tables: Trial) -> list[_Group]:
    sides: tuple[dict[Key, list[Row]], dict[Key, list[Row]]] = ({}, {})
    for rows, found in zip((tables.source, tables.target), sides, strict=True):
        for row in rows:
            found.setdefault(tables.key_of(row), []).append(row)
    return [_Group(key, *(tuple(found.get(key, ())) for found in sides)) for key in {**sides[0], **sides[1]}]


def _cells(tables: Trial, source: Row, target: Row) -> tuple[_Cell, ...]:
    """Return the cells in which two rows of one key differ."""
    found = []
    for name, kind, ours, theirs in zip(tables.names, tables.source_types, source, target, strict=True):
        if plain(ours) != plain(theirs):
            distance = _distance(ours, theirs, kind)
            near = _near(ours, theirs, distance, tables.tolerances.get(name))
            found.append(_Cell(name, near, None if distance is None else float(distance)))
    return tuple(found)


def _largest(cells: Sequence[_Cell]) -> dict[str, float]:
    largest: dict[str, float] = {}
    for cell in cells:
        if cell.distance is not None:
            largest[cell.column] = max(largest.get(cell.column, 0.0), cell.distance)
    return largest


def _distance(ours: Any, theirs: Any, kind: str) -> Fraction | float | None:
    """Return how far apart two values are, points in time in seconds; None where the type, or one of the two, has no distance."""
    if ours is None or theirs is None or not _has_distance(kind):
        return None
    if kind in _TEMPORAL:
        return Fraction(abs(ours - theirs) // _MICROSECOND, 10**6)
    if isinstance(ours, float):
        distance = abs(ours - theirs)
        return distance if math.isfinite(distance) else None
    if kind in _FULL_DECIMALS and not (_has_room(ours, kind) and _has_room(theirs, kind)):
        return None
    return abs(Fraction(ours) - Fraction(theirs))


def _has_room(value: Decimal, kind: str) -> bool:
    """Return whether a decimal of 38 digits has a distance to others: in those of more than six after the point, it may need only 37."""
    digits = abs(Fraction(value)) * 10 ** min(_FULL_DECIMALS[kind], _DISTANCE_DIGITS)
    return digits.denominator == 1 and digits < 10**_DISTANCE_DIGITS


def _near(ours: Any, theirs: Any, distance: Fraction | float | None, tolerance: Tolerance | None) -> bool | None:
    """Return whether two values are within a tolerance, ends included; None where doubles are too near its end to say."""
    if tolerance is None or distance is None:
        return False
    if not isinstance(distance, float):
        if not tolerance.relative:
            return distance <= tolerance.absolute
        return distance <= max(tolerance.absolute, tolerance.relative * max(abs(Fraction(ours)), abs(Fraction(theirs))))
    limit = max(float(tolerance.absolute), float(tolerance.relative) * max(abs(ours), abs(theirs)))
    return None if limit and abs(distance - limit) <= 1e-12 * limit else distance <= limit
