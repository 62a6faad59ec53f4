"""The route from PostgreSQL step by step, and its reading beside the fastest plain one: `python -m benchmarks.postgres_route`."""

from __future__ import annotations

import datetime
import json
import os
import platform
import secrets
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import click
import psycopg
from pyspark.sql import DataFrame, Observation, SparkSession
from pyspark.sql import functions as F

from archetypes.migrate import source_table
from connectors.postgres_address import TableName
from connectors.postgres_connection import PostgresLogin, jdbc_url
from connectors.postgres_reading import read_rows, reading_plan
from connectors.postgres_snapshot import pinned_source
from jobs.demo_tables import DATABASE, ROLE, SCHEMA, load_tables, make_tables
from jobs.local_postgres import running_postgres
from jobs.migration_plan import make_plan
from jobs.migration_run import Order, login_of, run_plan
from jobs.migration_status import Workdir
from jobs.session import build_session
from schemas.plan import MigrationPlan

__all__ = ["WrongAnswerError", "main", "measured", "table"]

_TYPE = "parity.benchmark_postgres.v1"
_TABLE = "lineitem"
_STEPS = ("profiling", "migrate", "reconciliation")
_AT_MOST = 1.5  # what reading may cost with all proofs, in times of the plain way
_PLAIN_FETCH_ROWS, _PLAIN_RANGES = 10_000, 8
_PAGE_BYTES = 8192

Say = Callable[[str], None]


class WrongAnswerError(Exception):
    """Rows were lost, or the verdict is not PASS; the times mean nothing."""


@dataclass(frozen=True)
class _Bench:
    """What every round needs."""

    spark: SparkSession
    plan: MigrationPlan
    login: PostgresLogin
    folder: Path
    rows: int
    threads: int


def measured(spark: SparkSession, folder: Path, scale: float, rounds: int, threads: int, memory: str, say: Say) -> dict[str, Any]:
    """Return the document of all rounds, after one that is not counted; see benchmarks/README.md.

    Raises:
        WrongAnswerError: what was read or migrated is not what is there.
    """
    tables = folder / "tables"
    if not tables.exists():
        make_tables(tables, scale)
    password = secrets.token_hex(16)
    secret = folder / "password"
    secret.write_text(password, encoding="ascii")
    say("loading the tables")
    with running_postgres() as server:
        load_tables(server, tables, password)
        source = f"postgres://{ROLE}@127.0.0.1:{server.port}/{DATABASE}"
        where = {"tables": _TABLE, "source_secret": f"file://{secret.resolve()}"}
        plan, *_ = make_plan(source, SCHEMA, f"file:{folder.resolve() / 'lake'}", tell=lambda text: None, **where)
        login = login_of(source, plan.source_secret)
        with pinned_source(login) as snapshot:
            rows = snapshot.count(TableName(SCHEMA, _TABLE).sql)
        bench = _Bench(spark, plan, login, folder, rows, threads)
        runs = [run for turn in range(rounds + 1) for run in _round(bench, turn, say) if turn]
        version = server.version
    return {
        "_type": _TYPE,
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        "machine": {"cores": os.cpu_count(), "threads": threads, "driver_memory": memory},
        "versions": {"python": platform.python_version(), "spark": spark.version, "postgresql": version},
        "rows": rows,
        "results": [_result(name, runs, rows) for name in (*_STEPS, "whole run", "plain", "proven")],
        "target": _target(runs),
        "runs": runs,
    }


def _round(bench: _Bench, turn: int, say: Say) -> list[dict[str, Any]]:
    """One migration, then both ways to read, in changing order."""
    load = round(os.getloadavg()[0], 2)
    taken = _migrated(bench)
    ways = {"plain": _plain, "proven": _proven}
    for name in sorted(ways, reverse=bool(turn % 2)):
        taken[name] = ways[name](bench)
    say(f"round {turn}{'' if turn else ', not counted'}: " + ", ".join(f"{name} {seconds:.2f} s" for name, seconds in taken.items()))
    return [{"round": turn, "what": name, "seconds": round(seconds, 3), "load_1m": load} for name, seconds in taken.items()]


def _migrated(bench: _Bench) -> dict[str, float]:
    for name in ("lake", "run"):
        shutil.rmtree(bench.folder / name, ignore_errors=True)
    workdir = Workdir(bench.folder / "run")
    begun = time.perf_counter()
    ended = run_plan(Order(bench.plan, workdir), lambda: bench.spark, lambda text: None)
    seconds = time.perf_counter() - begun
    state = workdir.state()
    if ended.verdict != "PASS" or state is None or state.tables[_TABLE].rows != bench.rows:
        raise WrongAnswerError(f"the run ended with {ended.verdict}: {state.tables if state else 'no state'}")
    return {step: state.steps[step].seconds for step in _STEPS} | {"whole run": seconds}


def _plain(bench: _Bench) -> float:
    """Read with nothing but ranges of pages and a fetch size: what was fastest among all ways that were tried."""
    begun = time.perf_counter()
    with psycopg.connect(**_parameters(bench.login)) as connection:
        size = connection.execute("SELECT pg_relation_size(%s::regclass)", [f"{SCHEMA}.{_TABLE}"]).fetchone()
    pages = int(size[0]) // _PAGE_BYTES if size else 0
    marks = [f"'({pages * number // _PLAIN_RANGES},0)'::tid" for number in range(_PLAIN_RANGES)]
    ranges = [f"ctid >= {begin} AND ctid < {end}" for begin, end in pairwise(marks)] + [f"ctid >= {marks[-1]}"]
    properties = {"driver": "org.postgresql.Driver", "user": bench.login.address.user, "fetchsize": str(_PLAIN_FETCH_ROWS)}
    properties |= {"password": bench.login.password.reveal()} if bench.login.password else {}
    url = jdbc_url(bench.login).partition("?")[0]
    return _read(bench, bench.spark.read.jdbc(url, f"{SCHEMA}.{_TABLE}", predicates=ranges, properties=properties), begun)


def _proven(bench: _Bench) -> float:
    """Read as Parity does: on one snapshot that every query proves it is on, every type exactly, rows counted in the end."""
    begun = time.perf_counter()
    (planned,) = bench.plan.tables
    with pinned_source(bench.login, [TableName(SCHEMA, _TABLE)]) as snapshot:
        source = source_table(bench.login, snapshot, SCHEMA, planned)
        reading = reading_plan(source.table, source.below)
        _read(bench, read_rows(bench.spark, bench.login, snapshot, reading, source.columns), begun)
        if snapshot.count(reading.relation) != bench.rows or not snapshot.is_alive():
            raise WrongAnswerError("the snapshot was lost")
        return time.perf_counter() - begun


def _read(bench: _Bench, rows: DataFrame, begun: float) -> float:
    seen = Observation()
    rows.observe(seen, F.count(F.lit(1)).alias("n")).write.format("noop").mode("overwrite").save()
    seconds = time.perf_counter() - begun
    if seen.get["n"] != bench.rows:
        raise WrongAnswerError(f"{seen.get['n']} of {bench.rows} rows were read")
    return seconds


def _parameters(login: PostgresLogin) -> dict[str, Any]:
    address = login.address
    password = login.password.reveal() if login.password else None
    return {"host": address.host, "port": address.port, "dbname": address.database, "user": address.user, "password": password}


def _result(name: str, runs: Sequence[dict[str, Any]], rows: int) -> dict[str, Any]:
    seconds = [run["seconds"] for run in runs if run["what"] == name]
    median = statistics.median(seconds)
    spread = {"min_s": min(seconds), "max_s": max(seconds)}
    return {"what": name, "median_s": round(median, 3), **spread, "rows_per_s": round(rows / median)}


def _target(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Proven ÷ plain, each pair of one round: what disturbs the machine disturbs both."""
    times = {(run["round"], run["what"]): run["seconds"] for run in runs}
    ratios = [times[turn, "proven"] / seconds for (turn, what), seconds in times.items() if what == "plain"]
    ratio = round(statistics.median(ratios), 3)
    return {"what": "proven ÷ plain", "at_most": _AT_MOST, "ratio": ratio, "met": ratio <= _AT_MOST}


def table(document: dict[str, Any]) -> str:
    """Return the results as a table in Markdown, and the target."""
    lines = ["| what | median s | min–max | rows/s |", "|---|---:|---|---:|"]
    for one in document["results"]:
        lines.append(f"| {one['what']} | {one['median_s']:.2f} | {one['min_s']:.2f}–{one['max_s']:.2f} | {one['rows_per_s']:,} |")
    target = document["target"]
    met = "met" if target["met"] else "missed"
    return "\n".join([*lines, "", f"{target['what']}: {target['ratio']:.2f}, wanted at most {target['at_most']:.2f}: {met}"])


@click.command()
@click.option("--scale", default=0.2, show_default=True, help="Of TPC-H; 0.2 = 1.2 million line items.")
@click.option("--rounds", default=3, show_default=True, type=click.IntRange(min=1), help="After one round that is not counted.")
@click.option("--threads", default=2, show_default=True, type=click.IntRange(min=1))
@click.option("--memory", default="2g", show_default=True, help="Heap of Spark.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Receives every run.")
def main(scale: float, rounds: int, threads: int, memory: str, json_file: Path | None) -> None:
    """Migrate TPC-H line items from a PostgreSQL of its own, and read them plainly and with all proofs, interleaved.

    Exits 1 when an answer is wrong.
    """
    spark = build_session("parity-benchmark", master=f"local[{threads}]", conf={"spark.driver.memory": memory})
    with tempfile.TemporaryDirectory(prefix="parity-benchmark-") as folder:
        try:
            document = measured(spark, Path(folder), scale, rounds, threads, memory, lambda line: click.echo(line, err=True))
        except WrongAnswerError as error:
            click.echo(f"wrong answer: {error}", err=True)
            sys.exit(1)
    if json_file is not None:
        json_file.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    click.echo(table(document))


if __name__ == "__main__":
    main()
