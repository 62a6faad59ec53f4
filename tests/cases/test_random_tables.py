"""Random tables of random types against an oracle in plain Python, whichever way the engine goes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import types as T
from random_tables import Expected, Plain, Trial, expected, plain, trial

import engine.pairing
import engine.reconcile
from jobs.compare import compare
from jobs.comparison import Comparison

_NEVER = 1e9
_ALWAYS = 0.001


@dataclass(frozen=True)
class Way:
    """A way through the engine.

    Attributes:
        mode: of the plan, where rows differ.
        reconcile, pairing: thresholds of the two modules that lead there with small tables.
        strength: of the row hash.
    """

    mode: str
    reconcile: Mapping[str, float] = field(default_factory=dict)
    pairing: Mapping[str, int] = field(default_factory=dict)
    strength: str | None = None


_FEW_RANGES = {"BUCKETS": 16}  # so that keys of small tables fill them, and each bucket is a range of the key
WAYS = {
    "plain": Way("sketch"),
    "ranges": Way("sketch", pairing=_FEW_RANGES),
    "join": Way("join", {"_MANY_PER_BUCKET": _ALWAYS}, _FEW_RANGES),
    "tallied": Way("sketch", {"_LISTED_ROWS": 0}, _FEW_RANGES),
    "crowded": Way("join", {"_SMALL_FETCH_ROWS": -1}),
    "sha256": Way("one_pass", strength="sha256"),
    "128": Way("sketch", strength="128"),
}
# Why these: rows of all classes and tolerances; keys that repeat or are NULL; keyless tables, files, and equality by tolerance alone.
SEEDS = {
    "plain": (489, 1, 33),  # 489: a key that is a struct, its fields in another order in the target
    "ranges": (10, 17, 27),
    "join": (2, 4, 6),
    "tallied": (18, 15, 4),
    "crowded": (18, 9, 7),
    "sha256": (9, 33, 31),
    "128": (30, 31, 7),
}
_QUICK = {("ranges", 10), ("join", 2), ("tallied", 18)}


@pytest.mark.parametrize(
    ("way", "seed"),
    [
        pytest.param(way, seed, id=f"{way}-{seed}", marks=[] if (way, seed) in _QUICK else [pytest.mark.slow])
        for way, seeds in SEEDS.items()
        for seed in seeds
    ],
)
def test_random_tables_are_compared_as_the_oracle_says(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str, seed: int
) -> None:
    tables = trial(way, seed)
    wanted = expected(tables)
    _lead(monkeypatch, WAYS[way])
    source, target = _sides(spark, tables, tmp_path)
    tolerance = {name: found.text for name, found in tables.tolerances.items()} or None
    outcome = compare(source, target, keys=tables.key_names, tolerance=tolerance, strength=WAYS[way].strength, spark=spark)
    told = f"{way} {seed}: {tables.source_types} against {tables.target_types}, {tolerance}, {outcome.result.plan}, {outcome.counts!r}"
    assert outcome.verdict in wanted.verdicts, told
    if wanted.verdicts != {"PASS"}:
        assert outcome.result.plan.mode == WAYS[way].mode, told
    counts = outcome.counts.model_dump()
    assert {name: counts[name] for name in wanted.counts} == wanted.counts, told
    assert counts["changed"] + counts["matched_by_rule"] == wanted.paired, told
    if wanted.settled:
        _check_columns(outcome, wanted, told)
        _check_listed(outcome, tables, wanted, told)
    else:
        assert (outcome.diffs().count() > 0) == (outcome.verdict == "FAIL"), told
    assert (outcome.missing().count(), outcome.extra().count()) == (wanted.counts["missing"], wanted.counts["extra"]), told


def _lead(monkeypatch: pytest.MonkeyPatch, way: Way) -> None:
    """Set the thresholds that lead small tables along a way; no other way takes all rows at once by what the first rows show."""
    for name, value in {"_MANY_PER_BUCKET": _NEVER, **way.reconcile}.items():
        monkeypatch.setattr(engine.reconcile, name, value)
    for name, value in way.pairing.items():
        monkeypatch.setattr(engine.pairing, name, value)


def _check_columns(outcome: Comparison, wanted: Expected, told: str) -> None:
    for column in outcome.columns:
        assert column.source is not None and column.compared, told
        assert column.changed == wanted.cells.get(column.source, 0), f"{column.source}: {told}"
        largest = wanted.deltas.get(column.source)
        if largest is None or column.max_abs_delta is None:
            assert (column.max_abs_delta, largest) == (None, None), f"{column.source}: {told}"
            continue
        # the distance of two decimal(38,38) is that of both rounded to 37 digits
        rounded = 2e-37 if column.canonical_type == "decimal(38,38)" else 0.0
        assert math.isclose(float(column.max_abs_delta), largest, rel_tol=1e-6, abs_tol=rounded), f"{column.source}: {largest}: {told}"


def _check_listed(outcome: Comparison, tables: Trial, wanted: Expected, told: str) -> None:
    rows = outcome.diffs().select(*tables.key_names, "row_class", "column").collect()
    listed = [
        (tuple(_key_value(row[name], _declared(tables, name)) for name in tables.key_names), row.row_class, row.column) for row in rows
    ]
    assert len(listed) == len(set(listed)), told
    assert set(listed) - wanted.listed == set(), told
    assert wanted.listed - set(listed) == set(), told


def _declared(tables: Trial, name: str) -> str:
    """Return the declared type of a column of the source."""
    return tables.source_types[tables.names.index(name)]


def _key_value(value: Any, kind: str) -> Plain:
    """Return a collected key value as the oracle has it; a struct by its names, an instant, which Spark gives in local time, in UTC."""
    if isinstance(value, T.Row):
        return plain(value.asDict(recursive=True))
    if kind == "timestamp" and isinstance(value, datetime):
        return plain(value.astimezone(timezone.utc).replace(tzinfo=None))
    return plain(value)


def _sides(spark: SparkSession, tables: Trial, folder: Path) -> tuple[DataFrame | str, DataFrame | str]:
    """Return the two tables as they are compared: DataFrames, or URIs of files."""
    sides: list[DataFrame | str] = []
    for name, types, rows, parts in (
        ("source", tables.source_types, tables.source, tables.parts[0]),
        ("target", tables.target_types, tables.target, tables.parts[1]),
    ):
        schema = T.StructType([T.StructField(column, T.DataType.fromDDL(kind)) for column, kind in zip(tables.names, types, strict=True)])
        stored = [tuple(_stored(value, part.dataType) for value, part in zip(row, schema, strict=True)) for row in rows]
        frame = spark.createDataFrame(stored, schema).coalesce(parts)
        if tables.stored:
            frame.write.parquet(str(folder / name))
        sides.append(f"parquet:{folder / name}" if tables.stored else frame)
    return sides[0], sides[1]


def _stored(value: Any, declared: T.DataType) -> Any:
    """Return a value as Spark takes it for a type: instants with their zone, whole numbers as decimals where the type is one."""
    if value is None:
        return None
    if isinstance(declared, T.StructType):
        return tuple(_stored(value[part.name], part.dataType) for part in declared)
    if isinstance(declared, T.ArrayType):
        return [_stored(part, declared.elementType) for part in value]
    if isinstance(declared, T.MapType):
        return {name: _stored(part, declared.valueType) for name, part in value.items()}
    if isinstance(declared, T.TimestampType):
        return value.replace(tzinfo=timezone.utc)
    return Decimal(value) if isinstance(declared, T.DecimalType) else value
