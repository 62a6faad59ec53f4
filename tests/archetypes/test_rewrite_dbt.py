"""The real dbt parses and builds the generated project over published tables; its tests find what is wrong with them."""

from __future__ import annotations

import gzip
import subprocess
from collections import Counter
from dataclasses import replace
from datetime import date, datetime, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pyarrow as pa
import pytest
from psycopg import sql

from archetypes.discovery import discover
from archetypes.mapping import map_tables
from archetypes.planning import plan_of
from archetypes.rewrite import rewrite
from schemas.agent_output import RewriteResult, StepOutput
from schemas.plan import MigrationPlan
from tests.archetypes.generated_projects import built, find_dbt, publish_files, publish_table, written
from tests.archetypes.mapping_documents import column, discovery, foreign, key, shop, table
from tests.connectors.postgres_stage import PostgresStage
from tests.standins.postgres_server import find_binaries

pytestmark = pytest.mark.skipif(find_dbt() is None, reason="dbt is not installed: scripts/setup_environment makes .venv/dbt")

_UTC = timezone.utc
_CUSTOMERS = pa.table(
    {
        "id": pa.array([1, 2, 3], pa.int64()),
        "email": pa.array(["a@example.com", "b@example.com", None]),
        "mood": pa.array(["sad", "it's", None]),
    }
)
_ORDERS = pa.table(
    {
        "id": pa.array([10, 11, 12], pa.int64()),
        "customer": pa.array([1, 1, 2], pa.int64()),
        "price": pa.array([Decimal("1.50"), Decimal("2.25"), None], pa.decimal128(12, 2)),
        "weight": pa.array(["1.000", "NaN", None]),
        "placed_at": pa.array([datetime(2026, 1, 1, tzinfo=_UTC)] * 3, pa.timestamp("us", "UTC")),
        "day": pa.array([date(2026, 1, 1), date(1400, 1, 1), None]),
        "tags": pa.array([["x", None], [], None], pa.list_(pa.string())),
        "about": pa.array(['{"a": 1}', "null", None]),
        "zip code": pa.array(["01234", "", None]),
    }
)
_LOG = pa.table({"at": pa.array([datetime(2026, 1, 1)], pa.timestamp("us")), "said": pa.array(["hello"])})


def planned(found: StepOutput, target: str) -> tuple[MigrationPlan, StepOutput]:
    mapping = map_tables(found, None, target=target)
    return plan_of(found, mapping, source="postgres://r@h/d", source_secret=None, schema="public", target=target), mapping


@pytest.fixture
def shop_project(tmp_path: Path) -> tuple[str, Path]:
    """A target with every table of the shop, and the project over it."""
    target = f"file:{tmp_path}/the 'lake' 100%"
    for path, rows in (("customers", _CUSTOMERS), ("orders", _ORDERS), ("log", _LOG)):
        publish_table(target, path, rows)
    found = shop()
    plan, mapping = planned(found, target)
    return target, written(rewrite(plan, found, mapping)[1], tmp_path / "out")


def rows(project: Path, query: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(project / "parity.duckdb"), read_only=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        return connection.execute(query).fetchall()


def test_dbt_parses_the_project_without_any_data(tmp_path: Path) -> None:
    found = shop()
    plan, mapping = planned(found, "file:/nowhere")
    project = written(rewrite(plan, found, mapping)[1], tmp_path)

    code, said, _ = built(project, "parse")

    assert code == 0, said
    assert "eprecat" not in said and "WARN" not in said.upper()


def test_dbt_builds_what_is_published_and_its_tests_find_what_the_source_could_not_hold(shop_project: tuple[str, Path]) -> None:
    target, project = shop_project

    code, said, statuses = built(project, "build")

    assert code == 0, said
    models = {name for name, status in statuses.items() if status == "success"}
    assert models == {"stg_customers", "stg_orders", "stg_log", "sums"}
    assert len(statuses) == 4 + 7 and {statuses[name] for name in set(statuses) - models} == {"pass"}
    assert rows(project, "SELECT * FROM sums ORDER BY 1") == [(1, "a@example.com", Decimal("3.75")), (2, "b@example.com", None)]
    assert rows(project, 'SELECT weight, "day", tags, "zip code" FROM stg_orders WHERE id = 11') == [("NaN", date(1400, 1, 1), [], "")]
    types = dict(rows(project, "SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = 'stg_orders'"))
    assert types["placed_at"] == "TIMESTAMP WITH TIME ZONE" and types["price"] == "DECIMAL(12,2)" and types["tags"] == "VARCHAR[]"

    publish_table(target, "log", pa.concat_tables([_LOG, _LOG, _LOG]), run="run-2")
    unpublished = next(Path(target.removeprefix("file:")).glob("log/data/run-1-*")).parent / "run-3-000000000000"
    unpublished.mkdir()
    (unpublished / "part-0.parquet").write_bytes(b"half a file")
    wrong = _CUSTOMERS.set_column(0, "id", pa.array([1, 1, None], pa.int64())).set_column(2, "mood", pa.array(["sad", "its", None]))
    publish_table(target, "customers", wrong, run="run-2")
    publish_table(target, "orders", _ORDERS.set_column(1, "customer", pa.array([1, 1, 9], pa.int64())), run="run-2")

    code, said, statuses = built(project, "build")

    assert code == 1, said
    assert rows(project, "SELECT count(*) FROM stg_log") == [(3,)]  # the version that is published, not those beside it
    failed = sorted(name for name, status in statuses.items() if status == "fail")
    expected = ["accepted_values_stg_customers", "not_null_stg_customers", "relationships_stg_orders", "unique_stg_customers"]
    assert [name.startswith(begin) for name, begin in zip(failed, expected, strict=True)] == [True] * 4, statuses


def test_names_types_keys_and_folders_of_every_kind_build(tmp_path: Path) -> None:
    target = f"file:{tmp_path}/lake"
    trouble = ['quo"te', "{{ brace }}", "new\nline", "it's", "🙂", "select", "Capital", "a.b", "x--y"]
    parent = table("Par{{ent", column("a", "bigint", nullable=False), column("b", "uuid", nullable=False), keys=(key("primary", "a", "b"),))
    odd = table(
        "o'dd",
        *(column(name, nullable=False) for name in trouble),
        column("p", "pair"),
        column("i", "interval"),
        column("bin", "bytea"),
        column("dbl", "double precision"),
        column("pa", "bigint"),
        column("pb", "uuid"),
        keys=(foreign("pa", "pb", to="Par{{ent", referenced=("a", "b")),),
    )
    child = table("c", column("x", "bigint"), column("y", "bigint"), keys=(foreign("x", "y", to="p", referenced=("a", "b")),))
    twice = table("p", column("a", "bigint", nullable=False), column("b", "bigint", nullable=False), keys=(key("primary", "a", "b"),))
    days = table("t", column("id", "bigint", nullable=False), column("day", "date"), column("code"), keys=(key("primary", "id"),))
    found = discovery(parent, odd, child, twice, days, table("never", column("id", "bigint")))
    plan, mapping = planned(found, target)
    moved = {"t": {"partition_by": ("day", "code"), "path": "sales/t x"}}
    plan = plan.model_copy(update={"tables": tuple(one.model_copy(update=moved.get(one.name, {})) for one in plan.tables)})
    paths = {one.name: one.path for one in plan.tables}
    pair = pa.struct([("from", pa.int32()), ("a b", pa.timestamp("us"))])
    parts = pa.struct([("months", pa.int32()), ("days", pa.int32()), ("microseconds", pa.int64())])
    publish_table(target, paths["Par{{ent"], pa.table({"a": pa.array([1, 1], pa.int64()), "b": ["u", "v"]}))
    columns: dict[str, Any] = {name: [f"value of {name}", ""] for name in trouble}
    columns |= {"p": pa.array([{"from": 1, "a b": datetime(2026, 1, 1)}, None], pair), "i": pa.array([None, None], parts)}
    columns |= {"bin": [b"\x00", None], "dbl": [float("nan"), -0.0], "pa": pa.array([1, None], pa.int64()), "pb": ["v", "nowhere"]}
    publish_table(target, paths["o'dd"], pa.table(columns))
    publish_table(target, "p", pa.table({"a": [1, 1], "b": [2, 2]}))
    publish_table(target, "c", pa.table({"x": [1, 2], "y": [2, 1]}))
    folders = {"2026-01-01": [1, 2], "__HIVE_DEFAULT_PARTITION__": [3]}
    publish_files(target, "sales/t x", {f"day={day}/code=2026-1-1/part-0.parquet": pa.table({"id": ids}) for day, ids in folders.items()})

    output, files = rewrite(plan, found, mapping)
    project = written(files, tmp_path / "out")
    code, said, statuses = built(project, "build")

    assert code == 1 and output.status == "DONE"
    assert "lake/never/_parity/manifest.json" in said
    assert {name: status for name, status in statuses.items() if status not in ("success", "pass")} == {
        "stg_never": "error",
        "p_unique_1": "fail",
        "c_references_1": "fail",
    }, said
    assert statuses["par_ent_unique_1"] == statuses["o_dd_references_1"] == "pass"
    (row,) = rows(project, "SELECT * FROM stg_o_dd WHERE pa = 1")
    assert row[: len(trouble)] == tuple(f"value of {name}" for name in trouble)
    assert row[len(trouble)] == {"from": 1, "a b": datetime(2026, 1, 1)}
    day, code = date(2026, 1, 1), "2026-1-1"
    assert rows(project, "SELECT id, day, code FROM stg_sales_t_x ORDER BY id") == [(1, day, code), (2, day, code), (3, None, code)]


def stored_rows(stage_dsn: str, plan: MigrationPlan, target: str) -> None:
    """Publish every table of a plan as the server gives it, without Spark."""
    arrow = {
        "int": pa.int32(),
        "bigint": pa.int64(),
        "smallint": pa.int16(),
        "string": pa.string(),
        "boolean": pa.bool_(),
        "binary": pa.binary(),
    }
    arrow |= {"date": pa.date32(), "timestamp": pa.timestamp("us", "UTC"), "timestamp_ntz": pa.timestamp("us"), "double": pa.float64()}
    arrow |= {"array<string>": pa.list_(pa.string())}
    with psycopg.connect(stage_dsn) as connection:
        for one in plan.tables:
            types = [one.target_type or "" for one in one.columns]
            fields = [arrow.get(name) or pa.decimal128(*map(int, name[8:-1].split(","))) for name in types]
            named = sql.SQL(", ").join(sql.Identifier(column.name) for column in one.columns)
            found = connection.execute(sql.SQL("SELECT {} FROM {}").format(named, sql.Identifier("public", one.name))).fetchall()
            held = list(zip(*found, strict=True)) or [()] * len(fields)
            arrays = [pa.array(values, field) for values, field in zip(held, fields, strict=True)]
            publish_table(target, one.path, pa.table(arrays, names=[column.target_name for column in one.columns]))


@pytest.mark.shared_data
def test_views_of_a_real_database_give_the_rows_of_the_source(stage: PostgresStage, shared_data: Path, tmp_path: Path) -> None:
    stage.run("CREATE DATABASE pagila_dbt")
    server = replace(stage.server, database="pagila_dbt")
    dump = gzip.decompress((shared_data / "pagila" / "pagila.sql.gz").read_bytes())
    refresh = b"\nREFRESH MATERIALIZED VIEW public.rental_by_category;\n"
    subprocess.run([f"{find_binaries()}/psql", "-q", "-d", server.dsn], input=dump + refresh, check=True, capture_output=True)
    login = stage.login(user="postgres")
    found = discover(replace(login, address=replace(login.address, database="pagila_dbt")), "public", "*")
    target = f"file:{tmp_path}/lake"
    plan, mapping = planned(found, target)
    stored_rows(server.dsn, plan, target)

    output, files = rewrite(plan, found, mapping)
    project = written(files, tmp_path / "out")
    code, said, statuses = built(project, "build")

    assert code == 0, said
    assert len([name for name, status in statuses.items() if status == "pass"]) > 50
    assert isinstance(output.result, RewriteResult)
    translated = [one.name.name for one in output.result.views if one.path]
    assert translated == ["customer_list", "rental_by_category", "sales_by_film_category", "sales_by_store", "staff_list"]
    with psycopg.connect(server.dsn) as connection:
        for name in translated:
            expected = connection.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier("public", name))).fetchall()
            assert expected and Counter(rows(project, f"FROM {name}")) == Counter(expected)
