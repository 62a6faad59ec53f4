"""PostgreSQL to Parquet by the two calls of the command line: what is moved, proven, found and told."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import Result
from pyspark.sql import SparkSession

from archetypes.step_output import load
from jobs.migration_plan import load_plan
from jobs.migration_run import Order, run_plan
from jobs.migration_status import STEPS, Workdir
from tests.connectors.postgres_stage import PASSWORD, PostgresStage
from tests.e2e.conftest import schema_of

Parity = Callable[..., Result]


@dataclass(frozen=True)
class Migrated:
    """A schema that was planned and run once."""

    schema: str
    place: Path
    planned: Result
    ran: Result

    @property
    def plan(self) -> Path:
        return self.place / "plan.yaml"

    @property
    def workdir(self) -> Path:
        return self.place / "work"

    @property
    def target(self) -> Path:
        return self.place / "lake"

    @property
    def result(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.workdir / "result.json").read_text())
        return found


@pytest.fixture(scope="module")
def migrated(stage: PostgresStage, parity: Parity, tmp_path_factory: pytest.TempPathFactory) -> Migrated:
    place = tmp_path_factory.mktemp("migrated")
    schema = schema_of(stage, "locked")
    secret = place / "secret"
    secret.write_text(PASSWORD)
    planned = parity(
        "plan", "postgres-to-s3", "--source", stage.uri(user="locked"), "--schema", schema, "--target", f"file:{place}/lake",
        "--out", place / "plan.yaml", "--source-secret", f"file://{secret}",
    )  # fmt: skip
    ran = parity("run", place / "plan.yaml", "--workdir", place / "work")
    secret.unlink()
    return Migrated(schema, place, planned, ran)


def test_tables_of_tricky_types_arrive_and_are_proven(migrated: Migrated) -> None:
    assert (migrated.planned.exit_code, migrated.ran.exit_code) == (0, 0), migrated.planned.output + migrated.ran.output
    assert migrated.ran.stdout.startswith("PASS: 2 of 2 tables")
    result = migrated.result
    assert (result["verdict"], result["exit_code"]) == ("PASS", 0)
    tables = {table["name"]: table for table in result["tables"]}
    assert {name: (table["source_rows"], table["matched"], table["load"]["rejected"]) for name, table in tables.items()} == {
        "lines": (200, 200, 0),
        "orders": (500, 500, 0),
    }


def test_another_reader_sees_the_same_rows(migrated: Migrated) -> None:
    (folder,) = (migrated.target / "orders" / "data").iterdir()
    query = 'SELECT count(*), count("Nä me"), sum(amount), min(placed)::text FROM read_parquet(?)'
    rows = duckdb.connect().execute(query, [f"{folder}/*.parquet"]).fetchall()
    assert [str(value) for value in rows[0]] == ["500", "400", "41750.000", "0044-03-16 (BC)"]


def test_the_statements_for_spark_name_the_folder_that_was_published(migrated: Migrated) -> None:
    for name in ("lines", "orders"):
        (folder,) = (migrated.target / name / "data").iterdir()
        assert f"LOCATION 'file:{folder}'" in (migrated.workdir / "ddl" / "spark" / f"{name}.sql").read_text()
    generated = load(migrated.workdir / "outputs" / "rewrite.json").result.files  # type: ignore[union-attr]
    for file in generated:
        assert hashlib.sha256((migrated.workdir / file.path).read_bytes()).hexdigest() == file.sha256


def test_every_step_leaves_its_document(migrated: Migrated) -> None:
    for step in STEPS:
        assert load(migrated.workdir / "outputs" / f"{step}.json").step == step
    assert (migrated.workdir / "dbt" / "dbt_project.yml").is_file()


def test_one_page_shows_all_tables_and_leads_to_each_comparison(migrated: Migrated) -> None:
    page = (migrated.workdir / "report.html").read_text()
    assert "2 of 2 tables in the target hold what the source held" in page
    for name in ("orders", "lines"):
        assert f'href="comparisons/{name}.html"' in page
        assert "<html" in (migrated.workdir / "comparisons" / f"{name}.html").read_text()[:500]


def test_the_password_is_nowhere(migrated: Migrated) -> None:
    held = [path for path in migrated.place.rglob("*") if path.is_file() and PASSWORD.encode() in path.read_bytes()]
    assert held == []
    assert PASSWORD not in migrated.planned.output + migrated.ran.output


def test_status_tells_what_is_done(migrated: Migrated, parity: Parity) -> None:
    told = parity("status", migrated.workdir).stdout
    assert "ended: PASS" in told
    assert "orders  reconciled, 500 rows" in told


def test_a_folder_with_a_run_is_not_run_in_again_unasked(migrated: Migrated, parity: Parity) -> None:
    again = parity("run", migrated.plan, "--workdir", migrated.workdir)
    assert again.exit_code == 2
    assert "--resume" in again.stderr


@pytest.fixture
def planned(stage: PostgresStage, parity: Parity, tmp_path: Path) -> tuple[str, Path]:
    """A schema and its plan, with only the small table in it."""
    schema = schema_of(stage)
    plan = tmp_path / "plan.yaml"
    made = parity(
        "plan", "postgres-to-s3", "--source", stage.uri(), "--schema", schema, "--tables", "li*", "--target", f"file:{tmp_path}/lake",
        "--out", plan,
    )  # fmt: skip
    assert made.exit_code == 0, made.output
    return schema, plan


def test_what_changes_in_the_source_after_the_snapshot_is_no_difference(
    stage: PostgresStage, spark: SparkSession, planned: tuple[str, Path], tmp_path: Path
) -> None:
    schema, plan = planned
    changes = ("UPDATE SCHEMA.lines SET note = 'late'", "DELETE FROM SCHEMA.lines WHERE order_id < 5")
    statements = iter([change.replace("SCHEMA", schema) for change in changes])

    def told(text: str) -> None:
        if "rows/s" in text or "opening" in text:
            stage.run(next(statements, "SELECT 1"))

    ended = run_plan(Order(load_plan(plan), Workdir(tmp_path / "work")), lambda: spark, told)
    assert (ended.verdict, next(statements, None)) == ("PASS", None)


@pytest.mark.parametrize(
    ("damage", "code"), [("cut", "file_truncated"), ("gone", "file_removed"), ("rewritten", "file_changed"), ("added", "file_added")]
)
def test_a_target_changed_after_the_write_is_found(
    planned: tuple[str, Path], parity: Parity, tmp_path: Path, damage: str, code: str
) -> None:
    plan, workdir = planned[1], tmp_path / "work"
    assert parity("run", plan, "--workdir", workdir).exit_code == 0
    (file,) = (tmp_path / "lake").rglob("*.parquet")
    if damage == "cut":
        file.write_bytes(file.read_bytes()[:-50])
    elif damage == "gone":
        file.unlink()
    elif damage == "rewritten":
        pq.write_table(pq.read_table(file).set_column(1, "note", pa.array(["other"] * 200)), f"{file}.x")
        Path(f"{file}.x").replace(file)
    else:
        file.with_name("more.parquet").write_bytes(file.read_bytes())
    again = parity("run", plan, "--workdir", workdir, "--resume", "--only", "reconciliation,explanation")
    assert again.exit_code == 1, again.output
    result = json.loads((workdir / "result.json").read_text())
    assert code in {reason["code"] for reason in result["tables"][0]["reasons"]}
    if damage == "rewritten":
        assert result["tables"][0]["changed"] + result["tables"][0]["missing"] > 0
        assert load(workdir / "outputs" / "explanation.json").result.tables  # type: ignore[union-attr]
    if damage in ("gone", "rewritten"):  # nobody has written to the source, and yet the table is loaded again
        mended = parity("run", plan, "--workdir", workdir, "--resume")
        assert (mended.exit_code, mended.stdout.partition(":")[0]) == (0, "PASS"), mended.output


def test_a_plan_that_no_longer_fits_the_source_is_refused_and_told_where(
    stage: PostgresStage, planned: tuple[str, Path], parity: Parity, tmp_path: Path
) -> None:
    schema, plan = planned
    stage.run(f"ALTER TABLE {schema}.lines ADD COLUMN price int")
    refused = parity("run", plan, "--workdir", tmp_path / "work")
    assert refused.exit_code == 2
    assert f"{schema}.lines" in refused.stderr
    assert "price" in refused.stderr
    assert not (tmp_path / "lake").exists()


def test_a_value_that_its_type_cannot_hold_stops_its_table_only(
    stage: PostgresStage, planned: tuple[str, Path], parity: Parity, tmp_path: Path
) -> None:
    schema = stage.fresh_schema()
    stage.run("CREATE TABLE bad (id int PRIMARY KEY, at date); CREATE TABLE good (id int PRIMARY KEY); INSERT INTO good VALUES (1)")
    stage.run("CREATE TABLE elsewhere (without_a_key int)")
    words = ("--source", stage.uri(), "--schema", schema, "--target", f"file:{tmp_path}/lake", "--out", tmp_path / "both.yaml")
    words = (*words, "--tables", "bad,good")
    assert parity("plan", "postgres-to-s3", *words).exit_code == 0
    stage.run("INSERT INTO bad VALUES (1, 'infinity')")
    ran = parity("run", tmp_path / "both.yaml", "--workdir", tmp_path / "work")
    assert ran.exit_code == 4, ran.output
    result = json.loads((tmp_path / "work" / "result.json").read_text())
    assert {table["name"]: table["verdict"] for table in result["tables"]} == {"bad": "INCONCLUSIVE", "good": "PASS"}
    assert "column at holds infinity" in result["tables"][0]["reasons"][0]["text"]
    assert "elsewhere" not in (tmp_path / "work" / "report.html").read_text()
