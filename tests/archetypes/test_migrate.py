"""A table of a real server to a published table: parts, resumption, folders, sorting, what is refused."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path

import duckdb
import psycopg
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

import archetypes.migrate as subject
from archetypes.migrate import SourceTable, loaded, migrate, run_name, source_table, store_of, table_of
from connectors.postgres_address import TableName
from connectors.postgres_catalog import describe_tables
from connectors.postgres_errors import UnheldValueError
from connectors.postgres_snapshot import ExportedSnapshot, pinned_source
from policy.coercion import load_rules, rule_for
from schemas.agent_output import TableLoad
from schemas.contract import Contract
from schemas.errors import ConfigError, EngineError, InputError, ParityError
from schemas.plan import MigrationPlan, PlanColumn, PlanTable
from tests.connectors.postgres_stage import PostgresStage


def _table(snapshot: ExportedSnapshot, schema: str, name: str, **changes: object) -> PlanTable:
    """Return the plan of a table by the first rule that matches each column."""
    described = next(one for one in describe_tables(snapshot.connection, [TableName(schema, name)]) if one.name.name == name)
    columns = []
    for column in described.columns:
        found = rule_for(column.type, None, load_rules(), column=column.name)
        columns.append(PlanColumn(name=column.name, rule_id=found.rule_id, target_type=found.spark))
    return PlanTable.model_validate({"name": name, "path": name, "columns": columns, **changes})


@contextmanager
def _pinned(
    stage: PostgresStage, schema: str, name: str, place: Path, database: str = "postgres", **changes: object
) -> Iterator[tuple[MigrationPlan, SourceTable]]:
    login = stage.login()
    login = replace(login, address=replace(login.address, database=database))
    with pinned_source(login, [TableName(schema, name)]) as snapshot:
        table = _table(snapshot, schema, name, **changes)
        plan = MigrationPlan(
            archetype="postgres_to_s3",
            source=stage.uri(),
            schema_name=schema,
            target=f"file:{place}",
            discovery_sha256="0" * 64,
            tables=(table,),
        )
        yield plan, source_table(login, snapshot, schema, table)


def _moved(spark: SparkSession, plan: MigrationPlan, source: SourceTable, told: list[tuple[int, int]] | None = None) -> TableLoad:
    table, said = plan.tables[0], told if told is not None else []
    store = store_of(plan.target, table)
    return migrate(spark, source, table, store, run_name(plan, source.snapshot), lambda done, total: said.append((done, total)))


def _rows(place: Path, columns: str = "count(*)") -> list[tuple[object, ...]]:
    query = "SELECT COLUMNS FROM read_parquet(?, hive_partitioning = true)".replace("COLUMNS", columns)
    return duckdb.connect().execute(query, [f"{place}/*/data/*/**/*.parquet"]).fetchall()


def test_counts_of_tasks_footers_and_snapshot_agree(spark: SparkSession, stage: PostgresStage, tmp_path: Path) -> None:
    schema = stage.fresh_schema()
    stage.run("CREATE TABLE t (id int, v text); INSERT INTO t SELECT i, 'v' || i FROM generate_series(1, 1000) AS i")
    told: list[tuple[int, int]] = []
    with _pinned(stage, schema, "t", tmp_path, ranges=3) as (plan, source):
        stage.run("DELETE FROM t WHERE id > 10")
        load = _moved(spark, plan, source, told)
        assert (load.read, load.written, load.rejected, load.pinned_rows) == (1000, 1000, 0, 1000)
        assert sum(file.rows for file in load.files) == 1000
        assert told[-1] == (1000, 1000)
        assert _moved(spark, plan, source) == load  # it is published already
        again = loaded(source, plan.tables[0], store_of(plan.target, plan.tables[0]))
        assert again == load
    assert _rows(tmp_path) == [(1000,)]


def test_parts_that_are_written_are_not_written_again(
    spark: SparkSession, stage: PostgresStage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    schema = stage.fresh_schema()
    stage.run(
        "CREATE TABLE t (id int, v text); INSERT INTO t SELECT i, md5(i::text) || repeat('x', 900) FROM generate_series(1, 8000) AS i"
    )
    stage.run("ANALYZE t")
    with _pinned(stage, schema, "t", tmp_path, file_mib=1) as (plan, source):
        store, run = store_of(plan.target, plan.tables[0]), run_name(plan, source.snapshot)
        told: list[int] = []

        def cut_off(done: int, total: int) -> None:
            told.append(done)
            raise EngineError("the power went")

        with pytest.raises(EngineError, match="the power went"):
            migrate(spark, source, plan.tables[0], store, run, cut_off)
        assert not list(tmp_path.rglob("manifest.json"))
        stray = next((tmp_path / "_staging").rglob("data")) / "part-of-a-job-that-died.parquet"
        stray.write_bytes(b"half")
        kept = {path.name for path in stray.parent.glob("part-0*.parquet")}
        writes: list[int] = []
        written = subject._Writing._written

        def noted(self: subject._Writing, number: int, first: int, last: int, files: int, done: Sequence[subject._Part]) -> subject._Part:
            writes.append(number)
            return written(self, number, first, last, files, done)

        monkeypatch.setattr(subject._Writing, "_written", noted)
        load = _moved(spark, plan, source)
    assert 0 < told[0] < 8000
    assert writes[:1] == [1]
    assert kept <= {file.path for file in load.files}
    assert {file.range_index for file in load.files} == set(range(writes[-1] + 1))
    assert _rows(tmp_path, "count(*), count(DISTINCT id)") == [(8000, 8000)]


def test_another_snapshot_is_another_run(stage: PostgresStage, tmp_path: Path) -> None:
    schema = stage.fresh_schema()
    stage.run("CREATE TABLE t (id int)")
    names = []
    for statement in ("SELECT 1", "SELECT 1", "INSERT INTO t VALUES (1)"):
        stage.run(statement)
        with _pinned(stage, schema, "t", tmp_path) as (plan, source):
            names.append(run_name(plan, source.snapshot))
    assert names[0] == names[1] != names[2]


def test_files_are_sorted_and_lie_in_folders_as_the_plan_says(spark: SparkSession, stage: PostgresStage, tmp_path: Path) -> None:
    schema = stage.fresh_schema()
    stage.run("CREATE TABLE t (id int, day date); INSERT INTO t SELECT 100 - i, date '2026-01-01' + i % 3 FROM generate_series(1, 90) AS i")
    stage.run("INSERT INTO t VALUES (0, NULL)")
    with _pinned(stage, schema, "t", tmp_path, partition_by=["day"], sort_by=["id"], path="a/b c/t") as (plan, source):
        load = _moved(spark, plan, source)
    files = {file.path.split("/")[0] for file in load.files}
    assert files == {"day=2026-01-01", "day=2026-01-02", "day=2026-01-03", "day=__HIVE_DEFAULT_PARTITION__"}
    assert table_of(plan.tables[0]) == "t"
    for file in (tmp_path / "a" / "b c" / "t").rglob("*.parquet"):
        ids = pq.read_table(file, columns=["id"], partitioning=None)["id"].to_pylist()
        assert ids == sorted(ids)


@pytest.mark.parametrize("text", ["", "__HIVE_DEFAULT_PARTITION__"])
def test_a_text_that_a_folder_would_make_null_is_refused(spark: SparkSession, stage: PostgresStage, tmp_path: Path, text: str) -> None:
    schema = stage.fresh_schema()
    stage.run("CREATE TABLE t (id int, code text); INSERT INTO t VALUES (1, 'a'), (2, NULL)")
    stage.owner.execute("INSERT INTO t VALUES (3, %s)", [text])
    says = "column code holds '' or __HIVE_DEFAULT_PARTITION__"
    with (
        _pinned(stage, schema, "t", tmp_path, partition_by=["code"]) as (plan, source),
        pytest.raises(UnheldValueError, match=says) as told,
    ):
        _moved(spark, plan, source)
    assert "partition_by" in (told.value.hint or "")
    assert not list(tmp_path.rglob("manifest.json"))


@pytest.mark.parametrize("folders", [[], ["day"]])
def test_a_table_without_rows_keeps_its_schema(spark: SparkSession, stage: PostgresStage, tmp_path: Path, folders: list[str]) -> None:
    schema = stage.fresh_schema()
    stage.run("CREATE TABLE t (id int, day date)")
    with _pinned(stage, schema, "t", tmp_path, partition_by=folders) as (plan, source):
        load = _moved(spark, plan, source)
    (file,) = tmp_path.rglob("*.parquet")
    assert (load.written, pq.read_schema(file).names) == (0, ["id", "day"])


def test_old_dates_are_written_as_they_are_and_the_session_is_given_back(spark: SparkSession, stage: PostgresStage, tmp_path: Path) -> None:
    schema = stage.fresh_schema()
    stage.run("CREATE TABLE t (d date, at timestamp); INSERT INTO t VALUES ('0001-01-01', '1500-02-28 01:02:03.000004')")
    with _pinned(stage, schema, "t", tmp_path) as (plan, source):
        _moved(spark, plan, source)
    assert _rows(tmp_path, 'd::text, "at"::text') == [("0001-01-01", "1500-02-28 01:02:03.000004")]
    assert spark.conf.get("spark.sql.parquet.datetimeRebaseModeInWrite") == "EXCEPTION"


def test_a_value_that_the_type_cannot_hold_is_told(spark: SparkSession, stage: PostgresStage, tmp_path: Path) -> None:
    schema = stage.fresh_schema()
    stage.run("CREATE TABLE t (id int, fine date, d date, at timestamp); INSERT INTO t VALUES (1, '2026-01-01', 'infinity', '-infinity')")
    with _pinned(stage, schema, "t", tmp_path) as (plan, source):
        with pytest.raises(UnheldValueError, match="column d, at holds infinity"):
            _moved(spark, plan, source)
        source.snapshot.require_alive()
    assert not list(tmp_path.rglob("manifest.json"))


def test_a_decimal_that_is_no_number_is_told_with_its_column(spark: SparkSession, stage: PostgresStage, tmp_path: Path) -> None:
    schema = stage.fresh_schema()
    stage.run(
        "CREATE DOMAIN price AS numeric(5,2); CREATE TABLE t (id int, fine numeric(5,2), n price); INSERT INTO t VALUES (1, 1, 'NaN')"
    )
    with _pinned(stage, schema, "t", tmp_path) as (plan, source), pytest.raises(UnheldValueError, match="column n holds NaN") as told:
        _moved(spark, plan, source)
    assert told.value.object == f"{schema}.t.n"


def test_bytes_that_are_no_text_are_told_with_their_column(spark: SparkSession, stage: PostgresStage, tmp_path: Path) -> None:
    stage.run("CREATE DATABASE bytes ENCODING 'SQL_ASCII' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'")
    with psycopg.connect(replace(stage.server, database="bytes").dsn, autocommit=True) as owner:
        owner.execute(rb"CREATE TABLE t (id int, fine text, t text); INSERT INTO t VALUES (1, E'caf\xc3\xa9', E'caf\xe9')")
        owner.execute("GRANT SELECT ON t TO reader")
    try:
        with (
            _pinned(stage, "public", "t", tmp_path, database="bytes") as (plan, source),
            pytest.raises(UnheldValueError, match="column t holds text that is no text"),
        ):
            _moved(spark, plan, source)
    finally:
        stage.run("DROP DATABASE bytes WITH (FORCE)")


def test_fields_of_composites_keep_names_that_must_be_quoted(spark: SparkSession, stage: PostgresStage, tmp_path: Path) -> None:
    schema = stage.fresh_schema()
    stage.run("""CREATE TYPE pair AS (a int, "b ""c`" text[], "Z" date); CREATE TABLE t (p pair, ps pair[]);
        INSERT INTO t VALUES (ROW(1, '{x}', '2026-01-01'), ARRAY[NULL, ROW(NULL, NULL, NULL)::pair])""")
    with _pinned(stage, schema, "t", tmp_path) as (plan, source):
        assert _moved(spark, plan, source).written == 1
    assert _rows(tmp_path, "p, ps") == [({"a": 1, 'b "c`': ["x"], "Z": date(2026, 1, 1)}, [None, {"a": None, 'b "c`': None, "Z": None}])]


def test_the_plan_decides_about_rule_and_digits(stage: PostgresStage, tmp_path: Path) -> None:
    schema = stage.fresh_schema()
    stage.run("CREATE TABLE t (n numeric)")

    def decided(rule_id: str | None, target_type: str | None) -> str | None:
        with pinned_source(stage.login(), [TableName(schema, "t")]) as snapshot:
            column = PlanColumn(name="n", rule_id=rule_id, target_type=target_type)
            return source_table(stage.login(), snapshot, schema, PlanTable(name="t", path="t", columns=(column,))).columns[0].coercion.spark

    assert decided("PG-03a", "decimal(38,4)") == "decimal(38,4)"
    assert decided("PG-03b", "string") == "string"
    for rule_id, target_type, error in (
        ("PG-03b", "int", ConfigError),
        ("PG-10", "date", ConfigError),
        ("PG-03x", "string", ConfigError),
        (None, None, ConfigError),
    ):
        with pytest.raises(error) as told:
            decided(rule_id, target_type)
        assert isinstance(told.value, ParityError)
        assert "t.n" in str(told.value)


def test_a_table_of_which_no_column_is_left_is_refused(spark: SparkSession, stage: PostgresStage, tmp_path: Path) -> None:
    schema = stage.fresh_schema()
    stage.run("CREATE TABLE t (id int)")
    left_out = Contract(exclude=("id",))
    with _pinned(stage, schema, "t", tmp_path, contract=left_out) as (plan, source), pytest.raises(InputError, match="no column"):
        _moved(spark, plan, source)
