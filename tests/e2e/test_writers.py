# ruff: noqa: S608 -- the SQL of these tests is made of quoted names and constants
"""While others write at full speed a run proves, and publishes, exactly what one moment showed: nothing less, nothing later."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from jobs.migration_plan import load_plan
from jobs.migration_run import Ended, Order, run_plan
from jobs.migration_status import Workdir
from tests.connectors.postgres_stage import PostgresStage
from tests.e2e.conftest import command
from tests.e2e.published import in_folder, whole_table
from tests.standins.busy_writer import SCHEMA, Lane, busy_writers

_RUNS = 20


def _migrated(stage: PostgresStage, spark: SparkSession, place: Path, seed: int, told: Callable[[str], None]) -> tuple[Ended, str]:
    """Plan and run while two processes write; some time passes between the two calls."""
    place.mkdir(parents=True, exist_ok=True)
    schema, plan = stage.fresh_schema(), place / "plan.yaml"
    stage.run(SCHEMA)
    pause = random.Random(seed).uniform(0, 0.5)
    with busy_writers(stage.server.dsn, schema, seed):
        words = ("--source", stage.uri(), "--schema", schema, "--target", f"file:{place}/lake", "--out", plan)
        made = command("plan", "postgres-to-s3", *words)
        assert made.exit_code == 0, made.output
        plan.write_text(re.sub(r"file_mib: \d+", "file_mib: 1", plan.read_text()))
        time.sleep(pause)
        return run_plan(Order(load_plan(plan), Workdir(place / "work")), lambda: spark, told), schema


def _require_one_moment(stage: PostgresStage, lake: Path, seed: int, schema: str) -> None:
    """Every published table holds what the transactions had left that the published counters count, of both writers."""
    tables = {name: whole_table(in_folder(lake), name) for name in ("counters", "accounts", "entries")}
    assert None not in tables.values()
    counters = {row["lane"]: row["n"] for row in tables["counters"].to_pylist()}
    now = dict(stage.rows(f"SELECT lane, n FROM {schema}.counters"))
    for lane, n in counters.items():
        assert 0 < n < now[lane], "the writer wrote before the snapshot and after it"
        state = Lane.at(seed, lane, n)
        accounts, entries = (_of(tables[name], lane) for name in ("accounts", "entries"))
        assert {row["id"]: (row["cents"], row["note"]) for row in accounts} == state.accounts
        assert len(accounts) == len(state.accounts)
        assert {row["no"]: row["cents"] for row in entries} == state.entries
        assert len(entries) == len(state.entries)
    assert pc.sum(tables["accounts"]["cents"]).as_py() == 2 * 300 * 10_000
    assert pc.sum(tables["entries"]["cents"]).as_py() % 1 == 0


def _of(table: pa.Table, lane: int) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = table.filter(pc.equal(table["lane"], lane)).to_pylist()
    return rows


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, _RUNS))])
def test_what_is_written_during_a_run_is_neither_a_difference_nor_published(
    stage: PostgresStage, spark: SparkSession, tmp_path: Path, seed: int
) -> None:
    ended, schema = _migrated(stage, spark, tmp_path, seed, lambda _: None)

    assert ended.verdict == "PASS"
    assert ended.page is not None
    assert {row.name: (row.verdict, row.source_rows == row.target_rows) for row in ended.page.tables} == dict.fromkeys(
        ("accounts", "counters", "entries"), ("PASS", True)
    )
    _require_one_moment(stage, tmp_path / "lake", seed, schema)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 105))
def test_one_row_that_differs_is_found_while_others_write(stage: PostgresStage, spark: SparkSession, tmp_path: Path, seed: int) -> None:
    """One cent of one row is changed in the target between load and comparison; the source changes all the time, which is no difference."""
    harmed = []

    def told(text: str) -> None:
        if text.startswith("accounts: reconciliation") and not harmed:
            path = next((tmp_path / "lake" / "accounts").rglob("*.parquet"))
            table = pq.read_table(path)
            cents = table["cents"].to_pylist()
            cents[seed % len(cents)] += 1
            pq.write_table(table.set_column(table.schema.get_field_index("cents"), table.schema.field("cents"), [cents]), path)
            harmed.append(path)

    ended, _ = _migrated(stage, spark, tmp_path, seed, told)

    assert (ended.verdict, len(harmed)) == ("FAIL", 1)
    assert ended.page is not None
    assert {row.name: (row.verdict, row.differing) for row in ended.page.tables} == {
        "accounts": ("FAIL", 1),
        "counters": ("PASS", 0),
        "entries": ("PASS", 0),
    }
