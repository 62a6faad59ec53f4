"""20,000 rows of 20 columns of every type, 2,000 single cells mutated: exactly those are found, whichever way the engine goes."""

from __future__ import annotations

import math
import random
import struct
from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

import engine.reconcile
from jobs.compare import compare

ROWS = 20_000
MUTATIONS = 2_000
SCHEMA = (
    "id BIGINT, small SMALLINT, number INT, big BIGINT, narrow DECIMAL(12, 2), wide DECIMAL(38, 10), f FLOAT, d DOUBLE, short STRING, "
    "long STRING, flag BOOLEAN, day DATE, moment TIMESTAMP, wall TIMESTAMP_NTZ, bytes BINARY, list ARRAY<INT>, words ARRAY<STRING>, "
    "entries MAP<STRING, INT>, part STRUCT<a: INT, b: STRING>, deep STRUCT<x: ARRAY<STRUCT<y: DOUBLE>>, z: MAP<STRING, ARRAY<INT>>>"
)
Row = list[Any]
EPOCH = datetime(2000, 1, 1)


def _wide(units: int) -> Decimal:
    """Return a number of 10⁻¹⁰; Decimal's own arithmetic would keep 28 digits."""
    return Decimal((int(units < 0), tuple(map(int, str(abs(units)))), -10))


def _row(rng: random.Random, key: int) -> Row:
    row: Row = [
        key,
        rng.randint(-32768, 32766),
        rng.randint(-(2**31), 2**31 - 2),
        rng.randint(-(2**63), 2**63 - 2),
        Decimal(rng.randint(-(10**11), 10**11)).scaleb(-2),
        _wide(rng.randint(-(10**36), 10**36)),
        struct.unpack("<f", struct.pack("<f", rng.uniform(-1e6, 1e6)))[0],
        rng.choice([rng.uniform(-1e9, 1e9), 0.0, math.inf, math.nan]) if rng.random() < 0.1 else rng.gauss(0, 1e3),
        "".join(rng.choices("abcxyz é€", k=rng.randint(0, 6))),
        "".join(rng.choices("abcdefghij \U0001f600", k=rng.randint(60, 120))),
        rng.random() < 0.5,
        date(1970, 1, 1) + timedelta(days=rng.randint(-40_000, 40_000)),
        EPOCH + timedelta(microseconds=rng.randint(-(10**15), 10**15)),
        EPOCH + timedelta(microseconds=rng.randint(-(10**15), 10**15)),
        bytearray(rng.randbytes(rng.randint(0, 40))),
        [rng.choice([None, 1, 2, 3]) for _ in range(rng.randint(0, 4))],
        rng.choices(["a", "b", "", "ab"], k=rng.randint(0, 3)),
        {name: rng.choice([None, 1, 2]) for name in rng.sample(["a", "b", "c"], rng.randint(0, 3))},
        (rng.choice([None, 1, 2]), rng.choice([None, "", "x"])),
        ([(rng.uniform(0, 1),) for _ in range(rng.randint(0, 2))], {"k": [1, 2], "l": []}),
    ]
    return [row[0], *(None if rng.random() < 0.06 else value for value in row[1:])]


def _ulp(value: float, width: str) -> float:
    """Return a neighbour of a float in its own width, other than by sign of zero or NaN."""
    if math.isnan(value) or math.isinf(value):
        return 1.0
    code = {"f": "<i", "d": "<q"}[width]
    bits = struct.unpack(code, struct.pack(f"<{width}", value))[0]
    return float(struct.unpack(f"<{width}", struct.pack(code, bits + 1))[0])


def _reordered(values: list[Any]) -> list[Any]:
    return values[::-1] if values != values[::-1] else [*values, None]


def _entry(entries: dict[str, Any]) -> dict[str, Any]:
    if not entries:
        return {"a": None}
    name = sorted(entries)[0]
    return {**entries, name: 1 if entries[name] != 1 else None}


# what a cell becomes, by position; NULL becomes the default
CHANGES: list[tuple[Callable[[Any], Any], Any]] = [
    (lambda v: v + 1, 0),  # small
    (lambda v: v + 1, 0),  # number
    (lambda v: v + 1, 0),  # big
    (lambda v: v + Decimal("0.01"), Decimal("0.00")),  # narrow
    (lambda v: _wide(int(str(v).replace(".", "")) + 1), Decimal(0)),  # wide
    (lambda v: _ulp(v, "f"), 0.0),  # f
    (lambda v: _ulp(v, "d"), math.nan),  # d
    (lambda v: v + " ", ""),  # short
    (lambda v: v[:-1] + ("b" if v[-1] != "b" else "c"), ""),  # long
    (lambda v: not v, False),  # flag
    (lambda v: v + timedelta(days=1), date(1970, 1, 1)),  # day
    (lambda v: v + timedelta(microseconds=1), datetime(1970, 1, 1)),  # moment
    (lambda v: v + timedelta(microseconds=1), datetime(1970, 1, 1)),  # wall
    (lambda v: v + b"\x00", bytearray()),  # bytes
    (_reordered, []),  # list
    (_reordered, []),  # words
    (_entry, {}),  # entries
    (lambda v: (v[0], "y" if v[1] != "y" else "z"), (None, None)),  # part
    (lambda v: (v[0], {**v[1], "l": [7]}), ([], {})),  # deep
]


def _mutated(rng: random.Random, rows: list[Row], cells: int) -> tuple[list[Row], set[tuple[int, str]]]:
    """Return a copy of the rows with that many cells changed, and which they are."""
    names = [part.strip().split(" ")[0] for part in SCHEMA.split(", ") if part.strip().split(" ")[0] in _NAMES]
    planted = {(rng.randrange(len(rows)), 1 + rng.randrange(len(names) - 1)) for _ in range(cells)}
    copy = [list(row) for row in rows]
    for row, position in planted:
        change, default = CHANGES[position - 1]
        value = copy[row][position]
        copy[row][position] = default if value is None else None if rng.random() < 0.2 else change(value)
    return copy, {(rows[row][0], names[position]) for row, position in planted}


_NAMES = {
    "id", "small", "number", "big", "narrow", "wide", "f", "d", "short", "long", "flag", "day", "moment", "wall", "bytes", "list", "words",
    "entries", "part", "deep",
}  # fmt: skip


def _stored(spark: SparkSession, rows: list[Row], path: str) -> DataFrame:
    spark.createDataFrame([tuple(row) for row in rows], SCHEMA).repartition(4).write.parquet(path)
    return spark.read.parquet(path)


def _found(outcome: Any) -> set[tuple[int, str]]:
    rows = outcome.diffs().select("id", "row_class", "column").collect()
    assert {row.row_class for row in rows} <= {"changed"}
    cells = [(row.id, row.column) for row in rows]
    assert len(cells) == len(set(cells))
    return set(cells)


@pytest.mark.parametrize(("cells", "way", "reach"), [(MUTATIONS, "sketch", None), (MUTATIONS * 10, "join", 1_000)], ids=["sketch", "join"])
def test_every_mutated_cell_is_found_and_no_other(
    spark: SparkSession, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, cells: int, way: str, reach: int | None
) -> None:
    rng = random.Random(cells)
    rows = [_row(rng, key * 3 - 7) for key in range(ROWS)]
    changed, planted = _mutated(rng, rows, cells)
    rng.shuffle(changed)
    if reach is not None:
        monkeypatch.setattr(engine.reconcile, "_SMALL_FETCH_ROWS", reach)
    folder = tmp_path_factory.mktemp("mutations")
    source, target = _stored(spark, rows, str(folder / "s")), _stored(spark, changed, str(folder / "t"))
    outcome = compare(source, target, keys=["id"])
    assert outcome.result.plan.mode == way
    found = _found(outcome)
    assert found - planted == set(), sorted(found - planted)[:10]
    assert planted - found == set(), sorted(planted - found)[:10]
    assert (outcome.verdict, outcome.counts.changed) == ("FAIL", len({key for key, _ in planted}))
    assert sum(column.changed for column in outcome.columns) == len(planted)


def test_equal_mixed_tables_pass(spark: SparkSession) -> None:
    rng = random.Random(5)
    rows = [tuple(_row(rng, key)) for key in range(500)]
    shuffled = rng.sample(rows, len(rows))
    assert compare(spark.createDataFrame(rows, SCHEMA), spark.createDataFrame(shuffled, SCHEMA), keys=["id"]).verdict == "PASS"
