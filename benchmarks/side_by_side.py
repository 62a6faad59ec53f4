"""Parity and its alternatives side by side, in one process on one data set: `python -m benchmarks.side_by_side`."""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import os
import platform
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
from pyspark.sql import SparkSession

from benchmarks.competitors import COMPETITORS, Found, Pair, missing_packages
from benchmarks.datasets import MIN_COLUMNS, SCENARIOS, DataSet, Planted, made
from jobs.session import build_session

__all__ = ["Plan", "WrongAnswerError", "main", "measured"]

_TYPE = "parity.benchmark.v1"
_SLOW = ("datacompy",)
_DISTRIBUTIONS = ("pyspark", "duckdb", "pyspark-extension", "datacompy")

# Median of Parity over the median of the competitor, at most: what 8 M rows of 12 columns are to reach, 60 columns too.
_TARGETS: Mapping[tuple[str, str], float] = {
    ("equal", "noop"): 1.5,
    ("equal", "extension"): 1 / 2.5,
    ("equal", "except_all"): 1 / 5,
    ("scattered", "noop"): 2.4,
    ("scattered", "extension"): 1 / 1.5,
    ("scattered", "join"): 1.0,
    ("scattered", "except_all"): 1 / 3,
    ("clustered", "noop"): 1.8,
    ("clustered", "except_all"): 1 / 3,
    ("half", "join"): 1.0,
    ("half", "except_all"): 1 / 3,
    **{(scenario, "datacompy"): 1 / 20 for scenario in SCENARIOS},
}


class WrongAnswerError(Exception):
    """A competitor did not find what was planted; its time means nothing."""


@dataclass(frozen=True)
class Plan:
    """What is to be measured.

    Attributes:
        rows, columns: of the tables.
        slow_rows: of the tables on which competitors run that take too long otherwise; Parity and the scan run on those too.
        rounds: counted ones; one more is run first, to warm up.
        limit_s: a competitor that takes longer in one run is stopped and not run again.
    """

    rows: int
    columns: int
    slow_rows: int
    rounds: int
    scenarios: tuple[str, ...]
    competitors: tuple[str, ...]
    folder: Path
    limit_s: float = 300.0
    threads: int = 2
    memory: str = "4g"


@dataclass
class _Case:
    """One cell of the table and its runs so far."""

    data: DataSet
    scenario: str
    competitor: str
    seconds: list[float] = field(default_factory=list)
    phases: list[Mapping[str, float]] = field(default_factory=list)
    over_limit: bool = False

    @property
    def median(self) -> float | None:
        return statistics.median(self.seconds) if self.seconds else None


def measured(spark: SparkSession, plan: Plan, say: Callable[[str], None], keep: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Run everything, one warm-up round first, then the rounds that count, each in another order.

    Args:
        say: told of each run, one line.
        keep: given the document after each counted round.

    Returns:
        The document, see benchmarks/README.md.

    Raises:
        WrongAnswerError: a competitor's numbers are not the planted ones.
    """
    cases = _cases(spark, plan, say)
    runs: list[dict[str, Any]] = []
    for turn in range(plan.rounds + 1):
        start = turn * max(1, len(cases) // (plan.rounds + 1)) % len(cases)
        for case in [*cases[start:], *cases[:start]]:
            if not case.over_limit:
                runs += _run(spark, plan, case, turn, say)
        if turn:
            keep(_document(spark, plan, cases, runs))
    return _document(spark, plan, cases, runs)


def _cases(spark: SparkSession, plan: Plan, say: Callable[[str], None]) -> list[_Case]:
    say(f"tables of {plan.rows:,} rows and {plan.columns} columns")
    data = made(spark, plan.folder, plan.rows, plan.columns, plan.scenarios)
    slow = tuple(name for name in plan.competitors if name in _SLOW and plan.slow_rows < plan.rows)
    cases = [_Case(data, scenario, name) for scenario in plan.scenarios for name in plan.competitors if name not in slow]
    if slow:
        small = made(spark, plan.folder, plan.slow_rows, plan.columns, plan.scenarios)
        beside = [name for name in plan.competitors if name in (*slow, "noop", "parity")]
        cases += [_Case(small, scenario, name) for scenario in plan.scenarios for name in beside]
    return cases


def _run(spark: SparkSession, plan: Plan, case: _Case, turn: int, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """Run one case once; return its record, or none when its time was up."""
    pair = Pair(spark, case.data.source, case.data.target(case.scenario), plan.threads, plan.memory)
    label = f"round {turn}  {case.data.rows:,}  {case.scenario}  {case.competitor}"
    load = round(os.getloadavg()[0], 2)
    with _time_limit(pair, plan.limit_s) as is_over:
        begun = time.perf_counter()
        try:
            found = COMPETITORS[case.competitor](pair)
        except Exception:
            if not is_over():
                raise
            found = None
        seconds = time.perf_counter() - begun
    if found is None or seconds > plan.limit_s:
        case.over_limit = True
        say(f"{label}: stopped after {seconds:.1f} s, not run again")
        return []
    _check(found, case)
    say(f"{label}: {seconds:.2f} s" + ("" if turn else ", not counted"))
    if turn == 0:
        return []
    case.seconds.append(seconds)
    case.phases.append(found.phases)
    record = {"round": turn, "rows": case.data.rows, "scenario": case.scenario, "competitor": case.competitor}
    return [record | {"seconds": round(seconds, 3), "load_1m": load, "phases": dict(found.phases)}]


@contextmanager
def _time_limit(pair: Pair, limit_s: float) -> Iterator[Callable[[], bool]]:
    """Stop what runs inside when its time is up; gives a function that tells whether that has happened."""
    ended, over = threading.Event(), threading.Event()

    def watch() -> None:
        wait = limit_s
        while not ended.wait(wait):  # again and again: a competitor of many jobs may be between two of them
            over.set()
            pair.spark.sparkContext.cancelAllJobs()
            for interrupt in list(pair.interrupters):
                interrupt()
            wait = 1.0

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield over.is_set
    finally:
        ended.set()
        watcher.join()


def _check(found: Found, case: _Case) -> None:
    planted = case.data.planted[case.scenario]
    expected = _expected(planted)
    wrong = {name: (number, expected.get(name, 0)) for name, number in found.numbers.items() if number != expected.get(name, 0)}
    if case.competitor == "parity":
        wrong |= {
            name: (0, number) for name, number in expected.items() if name.startswith("cells.") and name not in found.numbers and number
        }
    verdict = "FAIL" if planted.changed else "PASS"
    if wrong or found.verdict not in (None, verdict):
        raise WrongAnswerError(
            f"{case.competitor}, {case.scenario}, {case.data.rows} rows: found, planted {wrong}; verdict {found.verdict}"
        )


def _expected(planted: Planted) -> dict[str, int]:
    sides = {"changed": planted.changed, "missing": 0, "extra": 0, "source_only": planted.changed, "target_only": planted.changed}
    return sides | {f"cells.{name}": number for name, number in planted.cells.items()}


def _document(spark: SparkSession, plan: Plan, cases: Sequence[_Case], runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    sets = {id(case.data): case.data for case in cases}.values()
    results = [_result(case, cases) for case in cases]
    return {
        "_type": _TYPE,
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        "machine": {"cores": os.cpu_count(), "threads": plan.threads, "driver_memory": plan.memory},
        "versions": _versions(spark),
        "rounds": plan.rounds,
        "limit_s": plan.limit_s,
        "data": [
            {
                "rows": data.rows,
                "columns": data.columns,
                "bytes": {name: data.size(name) for name in ("source", *plan.scenarios)},
                "changed_rows": {scenario: planted.changed for scenario, planted in data.planted.items()},
            }
            for data in sets
        ],
        "results": results,
        "targets": _targets(results),
        "runs": list(runs),
    }


def _versions(spark: SparkSession) -> dict[str, str]:
    versions = {"python": platform.python_version(), "spark": spark.version}
    for name in _DISTRIBUTIONS:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:  # not chosen, else it would have been missed before
            continue
    return versions


def _result(case: _Case, cases: Sequence[_Case]) -> dict[str, Any]:
    medians = {other.competitor: other.median for other in cases if other.data is case.data and other.scenario == case.scenario}
    median = case.median

    def times(competitor: str) -> float | None:
        other = medians.get(competitor)
        return round(median / other, 3) if median is not None and other else None

    names = [name for phases in case.phases[:1] for name in phases]
    return {
        "rows": case.data.rows,
        "columns": case.data.columns,
        "scenario": case.scenario,
        "competitor": case.competitor,
        "over_limit": case.over_limit,
        "runs": len(case.seconds),
        "median_s": None if median is None else round(median, 3),
        "min_s": round(min(case.seconds), 3) if case.seconds else None,
        "max_s": round(max(case.seconds), 3) if case.seconds else None,
        "times_noop": times("noop"),
        "times_parity": times("parity"),
        "rows_per_s": None if median is None else round(2 * case.data.rows / median),
        "ns_per_cell": None if median is None else round(median * 1e9 / (2 * case.data.rows * case.data.columns), 1),
        "phases": {name: round(statistics.median(phases.get(name, 0.0) for phases in case.phases), 3) for name in names},
    }


def _targets(results: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return each target that was measured; one whose competitor did not end in time has no ratio."""
    ours = {(one["rows"], one["scenario"]): one["median_s"] for one in results if one["competitor"] == "parity"}
    targets = []
    for result in results:
        at_most = _TARGETS.get((result["scenario"], result["competitor"]))
        median = ours.get((result["rows"], result["scenario"]))
        if at_most is None or not result["median_s"] or not median:
            continue
        ratio = round(median / result["median_s"], 3)
        head = {"rows": result["rows"], "scenario": result["scenario"], "competitor": result["competitor"]}
        targets.append(head | {"at_most": round(at_most, 3), "ratio": ratio, "met": ratio <= at_most})
    return targets


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown with columns of even width: the same text for the terminal and for README.md."""
    widths = [max(len(row[index]) for row in (head, *rows)) for index in range(len(head))]
    lines = [head, ["-" * width for width in widths], *rows]
    return "\n".join("| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines)


def tables(document: Mapping[str, Any]) -> str:
    """Return the results, Parity's phases and the targets as text."""
    results = document["results"]
    body = [
        [
            f"{one['rows']:,}",
            one["scenario"],
            one["competitor"],
            *(
                [f"{one['median_s']:.2f}", f"{one['min_s']:.2f}–{one['max_s']:.2f}", _times(one["times_noop"]), _times(one["times_parity"])]
                if one["runs"]
                else [f"> {document['limit_s']:.0f}", "", "", ""]
            ),
        ]
        for one in results
    ]
    parts = [_table(["rows", "scenario", "competitor", "median s", "min–max", "× no-op scan", "× Parity"], body)]
    phases = [
        [
            f"{one['rows']:,}",
            one["scenario"],
            f"{one['median_s']:.2f}",
            ", ".join(f"{name} {took:.2f}" for name, took in one["phases"].items()),
        ]
        for one in results
        if one["phases"]
    ]
    if phases:
        parts.append(_table(["rows", "scenario", "Parity s", "phases, s"], phases))
    speeds = [
        [f"{one['rows']:,} × {one['columns']}", one["scenario"], f"{one['rows_per_s']:,}", f"{one['ns_per_cell']:.1f}"]
        for one in results
        if one["competitor"] == "parity" and one["runs"]
    ]
    if speeds:
        parts.append(_table(["size", "scenario", "Parity, rows of both sides per s", "ns per cell"], speeds))
    targets = [
        [
            f"{one['rows']:,}",
            f"{one['scenario']}: Parity ÷ {one['competitor']}",
            f"≤ {one['at_most']:.2f}",
            f"{one['ratio']:.2f}",
            _met(one),
        ]
        for one in document["targets"]
    ]
    if targets:
        parts.append(_table(["rows", "target", "wanted", "measured", ""], targets))
    return "\n\n".join(parts)


def _times(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:.2f}"


def _met(target: Mapping[str, Any]) -> str:
    return "met" if target["met"] else "missed"


def _chosen(known: Sequence[str]) -> Callable[[click.Context, click.Parameter, str], tuple[str, ...]]:
    def parse(context: click.Context, parameter: click.Parameter, value: str) -> tuple[str, ...]:
        names = tuple(name.strip() for name in value.split(","))
        unknown = [name for name in names if name not in known]
        if unknown:
            raise click.BadParameter(f"{', '.join(unknown)}; there are {', '.join(known)}")
        return names

    return parse


@click.command()
@click.option("--rows", default=2_000_000, show_default=True, type=click.IntRange(min=8))
@click.option("--columns", default=12, show_default=True, type=click.IntRange(min=MIN_COLUMNS))
@click.option("--slow-rows", default=200_000, show_default=True, help=f"Rows for {', '.join(_SLOW)}, with Parity beside.")
@click.option("--rounds", default=3, show_default=True, type=click.IntRange(min=1), help="After one round that is not counted.")
@click.option("--scenarios", default=",".join(SCENARIOS), show_default=True, callback=_chosen(SCENARIOS))
@click.option("--competitors", default=",".join(COMPETITORS), show_default=True, callback=_chosen(tuple(COMPETITORS)))
@click.option("--limit", "limit_s", default=300.0, show_default=True, help="Seconds per run.")
@click.option("--threads", default=2, show_default=True, type=click.IntRange(min=1))
@click.option("--memory", default="4g", show_default=True, help="Heap of Spark; DuckDB may use as much.")
@click.option(
    "--data", "folder", type=click.Path(file_okay=False, path_type=Path), help="Where tables are kept. [default: temporary folder]"
)
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Receives every run, after each round.")
def main(folder: Path | None, json_file: Path | None, threads: int, memory: str, **chosen: Any) -> None:
    """Measure Parity, a scan that does nothing, and other ways to compare, interleaved on the same tables.

    Exits 1 when an answer is wrong.
    """
    if missing := missing_packages(chosen["competitors"]):
        raise click.UsageError(f"not installed: {', '.join(missing)}. Run: pip install 'parity[bench]'")
    plan = Plan(**chosen, folder=folder or Path(tempfile.gettempdir(), "parity-benchmarks"), threads=threads, memory=memory)
    spark = build_session("parity-benchmark", master=f"local[{threads}]", conf={"spark.driver.memory": memory})

    def keep(document: dict[str, Any]) -> None:
        if json_file is not None:
            json_file.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    try:
        document = measured(spark, plan, lambda line: click.echo(line, err=True), keep)
    except WrongAnswerError as error:
        click.echo(f"wrong answer: {error}", err=True)
        sys.exit(1)
    click.echo(tables(document))


if __name__ == "__main__":
    main()
