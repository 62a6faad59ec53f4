"""The ways to compare two Parquet tables that are measured, each from two folders to the numbers it found.

All run in the same session, read the files themselves, and are checked: what they found must be what was planted.
"""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import reduce

import duckdb
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.compare import compare

__all__ = ["COMPETITORS", "Found", "Pair", "missing_packages"]

KEY = "id"
_PACKAGES = {"extension": ("gresearch", "pyspark-extension"), "datacompy": ("datacompy", "datacompy")}


@dataclass(frozen=True)
class Pair:
    """The two sides of one run, and what a competitor may use.

    Attributes:
        source, target: folders of Parquet files.
        threads: cores that Spark has; those that are not Spark take as many.
        memory: heap that Spark has, such as `4g`.
        interrupters: a competitor that is not Spark adds what stops it when its time is up.
    """

    spark: SparkSession
    source: str
    target: str
    threads: int
    memory: str
    interrupters: list[Callable[[], None]] = field(default_factory=list)

    def frames(self) -> tuple[DataFrame, DataFrame]:
        """Return both sides, read anew: listing files and asking for their schema is part of every run."""
        return self.spark.read.parquet(self.source), self.spark.read.parquet(self.target)


@dataclass(frozen=True)
class Found:
    """What a competitor found.

    Attributes:
        numbers: any of `changed missing extra source_only target_only cells.<column>`; each is checked.
        phases: phase to seconds, where the competitor tells.
        verdict: of Parity.
    """

    numbers: Mapping[str, int]
    phases: Mapping[str, float] = field(default_factory=dict)
    verdict: str | None = None


def noop(pair: Pair) -> Found:
    """Read every cell of both sides and do nothing with it: the floor under every exact comparison."""
    source, target = pair.frames()
    source.unionAll(target).write.format("noop").mode("overwrite").save()
    return Found({})


def parity(pair: Pair) -> Found:
    """Compare with Parity: verdict, counts, cells per column, explanations and the data of the report."""
    marks: dict[str, float] = {}

    def mark(phase: str) -> None:
        marks.setdefault(phase, time.perf_counter())

    begun = time.perf_counter()
    outcome = compare(
        f"parquet:{pair.source}",
        f"parquet:{pair.target}",
        [KEY],
        spark=pair.spark,
        progress=mark,
    )
    end = time.perf_counter()
    phases = _phases(outcome.result.timings, marks, begun, end)
    counts = outcome.counts
    numbers = {"changed": counts.changed, "missing": counts.missing, "extra": counts.extra}
    cells = {f"cells.{column.source}": column.changed for column in outcome.columns if column.changed}
    return Found(numbers | cells, phases, outcome.verdict)


def _phases(timings: Mapping[str, float], marks: Mapping[str, float], begun: float, end: float) -> dict[str, float]:
    """Return Parity's own timings, and what they leave out: they begin with the canary, as part of `opening`, and end with the engine."""
    canary = marks["opening"] - marks["canary"]
    phases = {"session": marks["canary"] - begun, "canary": canary, **timings}
    phases["opening"] -= canary
    phases["explaining and report data"] = end - marks["explaining"]
    return {name: round(seconds, 3) for name, seconds in phases.items()}


def join(pair: Pair) -> Found:
    """Full outer join on the key that compares all columns and counts rows per class: what an engineer writes by hand."""
    source, target = (frame.withColumn("is_there", F.lit(True)).alias(name) for frame, name in zip(pair.frames(), ("s", "t"), strict=True))
    differs = [~F.col(f"s.{name}").eqNullSafe(F.col(f"t.{name}")) for name in source.columns if name not in (KEY, "is_there")]
    here, there = F.col("s.is_there").isNotNull(), F.col("t.is_there").isNotNull()
    classes = {"changed": here & there & reduce(lambda one, other: one | other, differs), "missing": ~there, "extra": ~here}
    joined = source.join(target, F.col(f"s.{KEY}") == F.col(f"t.{KEY}"), "full_outer")
    row = joined.agg(*(F.count_if(condition).alias(name) for name, condition in classes.items())).collect()[0]
    return Found({name: int(row[name]) for name in classes})


def except_all(pair: Pair) -> Found:
    """`exceptAll` both ways, counted."""
    source, target = pair.frames()
    return Found({"source_only": source.exceptAll(target).count(), "target_only": target.exceptAll(source).count()})


def extension(pair: Pair) -> Found:
    """`diff` of pyspark-extension, its rows counted per class."""
    from gresearch.spark.diff import Differ  # type: ignore[import-untyped]  # an extra of the benchmark

    source, target = pair.frames()
    counted = Differ().diff(source, target, KEY).groupBy("diff").count().collect()
    found = {row["diff"]: int(row["count"]) for row in counted}
    return Found({name: found.get(sign, 0) for name, sign in (("changed", "C"), ("missing", "D"), ("extra", "I"))})


def datacompy(pair: Pair) -> Found:
    """`SparkSQLCompare` of datacompy, with its report, as its manual shows it.

    Dates go in as days since 1970: datacompy 1.1.0 casts every column to DOUBLE, which Spark 4 refuses for dates.
    """
    from datacompy.spark import SparkSQLCompare  # an extra of the benchmark

    source, target = (_dates_as_days(frame) for frame in pair.frames())
    compared = SparkSQLCompare(pair.spark, source, target, join_columns=[KEY])
    try:
        if not compared.report():
            raise AssertionError("datacompy wrote no report")
        changed = compared.intersect_rows.count() - compared.count_matching_rows()
        return Found({"changed": changed, "missing": compared.df1_unq_rows.count(), "extra": compared.df2_unq_rows.count()})
    finally:
        pair.spark.catalog.clearCache()


def _dates_as_days(frame: DataFrame) -> DataFrame:
    days = {name: F.unix_date(name) for name, kind in frame.dtypes if kind == "date"}
    return frame.withColumns(days) if days else frame


def duckdb_join(pair: Pair) -> Found:
    """DuckDB's full outer join over the same files, with as many threads and as much memory as Spark has."""
    names = [name for name in pair.spark.read.parquet(pair.source).columns if name != KEY]
    differs = " OR ".join(f's."{name}" IS DISTINCT FROM t."{name}"' for name in names)
    with duckdb.connect(config={"threads": pair.threads, "memory_limit": f"{pair.memory}b"}) as connection:
        pair.interrupters.append(connection.interrupt)
        for name, folder in (("s", pair.source), ("t", pair.target)):
            connection.read_parquet(f"{folder}/*.parquet").create_view(name)
        row = connection.execute(
            f"SELECT count(*) FILTER (s.{KEY} IS NOT NULL AND t.{KEY} IS NOT NULL AND ({differs})),"  # noqa: S608 -- our own names
            f" count(*) FILTER (t.{KEY} IS NULL), count(*) FILTER (s.{KEY} IS NULL)"
            f" FROM s FULL OUTER JOIN t ON s.{KEY} = t.{KEY}"
        ).fetchone()
        pair.interrupters.clear()
    if row is None:
        raise AssertionError("DuckDB gave no row")
    return Found(dict(zip(("changed", "missing", "extra"), map(int, row), strict=True)))


COMPETITORS: Mapping[str, Callable[[Pair], Found]] = {
    "noop": noop,
    "parity": parity,
    "join": join,
    "except_all": except_all,
    "extension": extension,
    "datacompy": datacompy,
    "duckdb": duckdb_join,
}


def missing_packages(names: tuple[str, ...]) -> list[str]:
    """Return the distributions that chosen competitors need and that are not installed."""
    needed = [_PACKAGES[name] for name in names if name in _PACKAGES]
    return [distribution for module, distribution in needed if importlib.util.find_spec(module) is None]
