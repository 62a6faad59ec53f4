"""The tables of the benchmark: a number of rows and columns to Parquet files with a known number of differences."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

__all__ = ["SCENARIOS", "DataSet", "Planted", "made"]

SCENARIOS = ("equal", "scattered", "clustered", "half")
MIN_COLUMNS = 4  # the key and the three columns that are changed
_RECIPE = 2  # of the tables; another number makes them anew
_FILES = 8
_CLUSTER = 3  # the file, counted from 0, that holds all changes of the scenario `clustered`
_CHANGED_COLUMNS = ("price", "quantity", "status")


@dataclass(frozen=True)
class Planted:
    """What differs between the source and the target of one scenario.

    Attributes:
        changed: rows of one key that differ; no row is missing or extra.
        cells: column to cells that differ; one cell per changed row.
    """

    changed: int
    cells: Mapping[str, int]


@dataclass(frozen=True)
class DataSet:
    """One source and one target per scenario, as folders of Parquet files under `folder`.

    Attributes:
        planted: scenario to what its target has been given.
    """

    folder: Path
    rows: int
    columns: int
    planted: Mapping[str, Planted]

    @property
    def source(self) -> str:
        """Folder of the source."""
        return str(self.folder / "source")

    def target(self, scenario: str) -> str:
        """Return the folder of a scenario's target."""
        return str(self.folder / scenario)

    def size(self, name: str) -> int:
        """Return the bytes of the files of `source` or of a scenario."""
        return sum(path.stat().st_size for path in (self.folder / name).glob("*.parquet"))


def made(spark: SparkSession, folder: Path, rows: int, columns: int, scenarios: Sequence[str]) -> DataSet:
    """Return the tables of that size, written where they are not there yet.

    Both sides are written by the same query from the same range, 8 files each, so that rows stand in the same order.

    Args:
        folder: receives `<rows>x<columns>/source`, `<rows>x<columns>/<scenario>` and what was planted, `planted.json`.
        columns: at least 4, the key `id` included.
    """
    own = folder / f"{rows}x{columns}-{_RECIPE}"
    own.mkdir(parents=True, exist_ok=True)
    if not (own / "source" / "_SUCCESS").is_file():
        _generated(spark, rows, columns).write.mode("overwrite").parquet(str(own / "source"))
    notes = own / "planted.json"
    known = {name: Planted(**told) for name, told in json.loads(notes.read_text(encoding="utf-8")).items()} if notes.is_file() else {}
    for scenario in scenarios:
        if scenario in known and (own / scenario / "_SUCCESS").is_file():
            continue
        changed = _changed(scenario, rows)
        writer = _with_changes(_generated(spark, rows, columns), changed).write.mode("overwrite")
        # without the checksum in each page no file is a copy of another: Parity would not read those
        writer.option("parquet.page.write-checksum.enabled", "false").parquet(str(own / scenario))
        known[scenario] = _counted(spark, rows, changed)
        notes.write_text(json.dumps({name: asdict(planted) for name, planted in known.items()}, indent=1), encoding="utf-8")
    return DataSet(own, rows, columns, {scenario: known[scenario] for scenario in scenarios})


def _draw(salt: int, modulus: int) -> Column:
    """Return a number below `modulus` that depends on the id and the salt only."""
    return F.pmod(F.xxhash64(F.col("id"), F.lit(salt)), F.lit(modulus))


# Each makes one column from a salt; 12 columns are the key and each of these once, 60 repeat them with other salts.
_KINDS: Mapping[str, Callable[[int], Column]] = {
    "price": lambda salt: (_draw(salt, 10_000_000).cast("decimal(12,2)") / 100).cast("decimal(12,2)"),
    "quantity": lambda salt: _draw(salt, 100_000).cast("int"),
    "status": lambda salt: F.element_at(F.array(*map(F.lit, ("OPEN", "CLOSED", "PENDING", "LOST"))), (_draw(salt, 4) + 1).cast("int")),
    "ratio": lambda salt: _draw(salt, 1_000_000) / 997.0,
    "name": lambda salt: F.concat(F.lit("name-"), F.hex(_draw(salt, 10**9))),
    "created": lambda salt: F.timestamp_micros(F.lit(1_700_000_000_000_000) + _draw(salt, 30_000_000_000_000)),
    "due": lambda salt: F.date_add(F.lit("2023-01-01").cast("date"), _draw(salt, 700).cast("int")),
    "paid": lambda salt: _draw(salt, 2) == 0,
    "comment": lambda salt: F.concat_ws(" ", F.hex(F.xxhash64(F.col("id"), F.lit(salt))), F.lit("some comment text")),
    "reference": lambda salt: F.when(_draw(salt, 10) > 0, F.xxhash64(F.col("id"), F.lit(-salt))),  # NULL in one row of ten
    "customer": lambda salt: _draw(salt, 500).cast("int"),
}


def _generated(spark: SparkSession, rows: int, columns: int) -> DataFrame:
    """Return `id: bigint` from 0, then `columns - 1` columns of mixed types; the same values in every run."""
    kinds = list(_KINDS.items())
    values = []
    for index in range(columns - 1):
        name, kind = kinds[index % len(kinds)]
        turn = index // len(kinds)
        values.append(kind(index + 1).alias(name if turn == 0 else f"{name}_{turn + 1}"))
    return spark.range(0, rows, 1, _FILES).select("id", *values)


def _changed(scenario: str, rows: int) -> Column:
    """Return which rows of a scenario are changed: none, 0.1 % anywhere, as many within one file, or half."""
    if scenario == "equal":
        return F.lit(False)
    if scenario == "half":
        return _draw(-1, 2) == 0
    if scenario == "scattered":
        return _draw(-1, 1000) == 0
    first, end = (rows * index // _FILES for index in (_CLUSTER, _CLUSTER + 1))  # as spark.range cuts its partitions
    return F.col("id").between(F.lit(first), F.lit(end - 1)) & (_draw(-1, 1000) < _FILES)


def _with_changes(table: DataFrame, changed: Column) -> DataFrame:
    """Return the table with one other cell in each row that is to be changed."""
    changes = {
        "price": (F.col("price") + 1).cast("decimal(12,2)"),
        "quantity": F.col("quantity") + 1,
        "status": F.lit("REOPENED"),
    }
    cells = {name: F.when(changed & (_column_drawn() == name), value).otherwise(F.col(name)) for name, value in changes.items()}
    return table.select(*(cells[name].alias(name) if name in cells else F.col(name) for name in table.columns))


def _column_drawn() -> Column:
    return F.element_at(F.array(*map(F.lit, _CHANGED_COLUMNS)), (_draw(-2, len(_CHANGED_COLUMNS)) + 1).cast("int"))


def _counted(spark: SparkSession, rows: int, changed: Column) -> Planted:
    """Count what was planted from the ids alone, without a look at the files."""
    found = spark.range(rows).where(changed).groupBy(_column_drawn().alias("column")).count().collect()
    cells = {row["column"]: int(row["count"]) for row in found}
    return Planted(changed=sum(cells.values()), cells={name: cells.get(name, 0) for name in _CHANGED_COLUMNS})
