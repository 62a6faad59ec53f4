"""Generated code: the same bytes each time, quoted whatever the names, and true to the plan."""

from __future__ import annotations

import ast
import gzip
import hashlib
import re
import runpy
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlglot
import yaml

from archetypes.discovery import discover
from archetypes.mapping import map_tables
from archetypes.migrate import source_table
from archetypes.plan_text import plan_text
from archetypes.planning import plan_of, require_fit
from archetypes.rewrite import rewrite
from archetypes.step_output import digest_of
from connectors.postgres_address import TableName
from connectors.postgres_columns import select_sql
from connectors.postgres_connection import connect
from connectors.postgres_snapshot import exported_snapshot
from schemas.agent_output import DiscoveredColumn, DiscoveredKey, DiscoveredObject, DiscoveryResult, Partition, RewriteResult, StepOutput
from schemas.errors import ConfigError, InputError
from schemas.plan import MigrationPlan, read_plan
from tests.archetypes.mapping_documents import column, discovery, foreign, key, named, shop, table, view
from tests.connectors.postgres_stage import PostgresStage
from tests.standins.postgres_server import find_binaries

_ID = column("id", "bigint", nullable=False)


def planned(found: StepOutput, target: str = "s3://lake/shop", schema: str = "public") -> tuple[MigrationPlan, StepOutput]:
    mapping = map_tables(found, None, target=target)
    return plan_of(found, mapping, source="postgres://r@h/d", source_secret=None, schema=schema, target=target), mapping


def without_refused(plan: MigrationPlan) -> MigrationPlan:
    """Return the plan as a person leaves it who excludes whatever is refused."""
    tables = []
    for one in plan.tables:
        refused = tuple(column.name for column in one.refused())
        contract = one.contract.model_copy(update={"exclude": refused})
        if len(refused) < len(one.columns):
            tables.append(one.model_copy(update={"contract": contract}))
    return plan.model_copy(update={"tables": tuple(tables)})


def rewritten(found: StepOutput, **facts: Any) -> tuple[RewriteResult, dict[str, str], StepOutput]:
    plan, mapping = planned(found, **facts)
    output, files = rewrite(plan, found, mapping)
    assert isinstance(output.result, RewriteResult)
    return output.result, dict(files), output


def test_equal_inputs_give_equal_bytes_and_the_document_names_each_file() -> None:
    result, files, output = rewritten(shop())
    _, again, output_again = rewritten(shop())

    assert files == again and output.canonical() == output_again.canonical()
    assert {file.path: file.sha256 for file in result.files} == {
        path: hashlib.sha256(text.encode()).hexdigest() for path, text in files.items()
    }
    assert [read.name for read in output.inputs] == ["discovery", "mapping", "plan"] and output.confidence_bp == 10_000


def test_every_rule_is_named_with_the_model_that_it_made() -> None:
    result, files, _ = rewritten(shop())

    rules = {one.object: one.rule_ids for one in result.source_sql_map}
    assert rules["stg_log"] == ("PG-06", "PG-11")
    assert "-- PG-11: timestamp without time zone" in files["dbt/models/staging/stg_log.sql"]


def test_no_model_reads_a_star() -> None:
    _, files, _ = rewritten(shop())

    assert not [path for path, text in files.items() if path.startswith("dbt/models") and re.search(r"select\s+\*", text, re.IGNORECASE)]


_PARENT = table("p", column("a", "bigint", nullable=False), keys=(key("primary", "a"),))
_INHERITED = _PARENT.model_copy(update={"partitions": (Partition(name=named("c")),)})
_TEXTS = table("p", column("a", nullable=False), keys=(key("primary", "a"),))
_REFERS = foreign("x", to="p", referenced=("a",))


@pytest.mark.parametrize(
    ("parent", "child", "reference", "tried"),
    [
        pytest.param(_PARENT, column("x", "bigint"), _REFERS, True, id="whole numbers"),
        pytest.param(_PARENT, column("x", "integer"), _REFERS, True, id="whole numbers of two widths"),
        pytest.param(_TEXTS, column("x"), _REFERS, True, id="text"),
        pytest.param(
            _PARENT, column("x", "bigint"), _REFERS.model_copy(update={"validated": False}), False, id="rows from before may break it"
        ),
        pytest.param(_INHERITED, column("x", "bigint"), _REFERS, False, id="rows of tables that inherit are not in the key"),
        pytest.param(_PARENT, column("x", "numeric"), _REFERS, False, id="digits that became text"),
        pytest.param(_TEXTS, column("x", collation="public.ci"), _REFERS, False, id="a collation of its own"),
    ],
)
def test_a_reference_is_tried_where_it_holds_of_the_files_too(
    parent: DiscoveredObject, child: DiscoveredColumn, reference: DiscoveredKey, tried: bool
) -> None:
    _, files, _ = rewritten(discovery(parent, table("t", child, keys=(reference,))))

    assert ("relationships" in files["dbt/models/staging/_staging.yml"]) is tried


def test_a_changed_plan_decides_not_the_mapping() -> None:
    found = discovery(table("t", _ID, column("price", "numeric(12,2)"), column("secret"), keys=(key("primary", "id"),)))
    plan, mapping = planned(found)
    first = plan.tables[0]
    price = first.columns[1].model_copy(update={"target": "amount", "rule_id": "PG-03b", "target_type": "string"})
    contract = first.contract.model_copy(update={"exclude": ("secret",)})
    first = first.model_copy(update={"path": "sales/orders", "columns": (first.columns[0], price, first.columns[2]), "contract": contract})

    _, files = rewrite(plan.model_copy(update={"tables": (first,)}), found, mapping)

    model = files["dbt/models/staging/stg_sales_orders.sql"]
    assert 'cast("amount" as TEXT) as "amount"  -- PG-03b' in model and "secret" not in model
    assert "`amount` string" in files["ddl/spark/sales_orders.sql"]
    assert "s3://lake/shop/sales/orders/data/{version}" in files["catalog/athena/sales_orders.sql"]


def test_generated_python_compiles_and_tells_what_is_read(tmp_path: Path) -> None:
    names = ['"""', "it's", "back\\slash", "new\nline", "{x}", "🙂", "%s"]
    found = discovery(table('t"""\\', *(column(name, "timestamptz") for name in names)))

    _, files, _ = rewritten(found, target="file:/t")

    (job,) = (text for path, text in files.items() if path.endswith(".py"))
    ast.parse(job)
    (tmp_path / "job.py").write_text(job, encoding="utf-8")
    told = runpy.run_path(str(tmp_path / "job.py"))
    assert [(one.name, one.rule, one.type) for one in told["COLUMNS"]] == [(name, "PG-12", "timestamp") for name in names]
    assert told["TABLE"] == TableName("public", 't"""\\')


def test_statements_parse_whatever_the_names() -> None:
    names = ["a`b", "it's", "new\nline", "🙂", 'quo"te', "back\\slash", "select", "{{x}}", "--", ";"]

    _, files, _ = rewritten(discovery(table("it's;`", *(column(name) for name in names))))

    for path, text in files.items():
        if path.startswith("ddl/"):
            assert [one.name for one in sqlglot.parse_one(text.split("\n", 1)[1], dialect="spark").this.expressions] == names
        if path.endswith(".yml"):
            assert yaml.safe_load(text)


@pytest.mark.parametrize("names", [("Price", "price"), ('A"b', 'a"b')])
def test_columns_that_differ_only_in_case_get_no_model_and_a_finding(names: tuple[str, str]) -> None:
    found = discovery(table("t", *map(column, names)), table("u", _ID), view("v", "SELECT t.price FROM public.t"))

    result, files, output = rewritten(found)

    assert "dbt/models/staging/stg_t.sql" not in files and "dbt/models/staging/stg_u.sql" in files and "spark/t.py" in files
    assert output.status == "PARTIAL" and ("unstaged_table", "public.t") in [(one.code, one.object) for one in output.findings]
    assert result.views[0].reason == "it reads public.t, which is not there."


def test_views_come_after_those_that_they_read_and_fall_with_them() -> None:
    found = discovery(
        view("a", "SELECT b.id FROM public.b"),
        view("b", "SELECT t.id FROM public.t"),
        view("c", "SELECT d.n FROM public.d"),
        view("d", "SELECT count(*) FILTER (WHERE t.id > 1) AS n FROM public.t", kind="materialized_view"),
        view("e", "SELECT t.id FROM public.t", kind="materialized_view"),
        view("f", 'SELECT t."Id", t.id FROM (SELECT id AS "Id", id FROM public.t) t'),
        table("t", _ID),
        view("stg_t", "SELECT t.id FROM public.t"),
    )

    result, files, output = rewritten(found)

    told = {one.name.name: one.path or one.reason for one in result.views}
    assert told["a"] == "dbt/models/views/a.sql" and "{{ ref('b') }}" in files["dbt/models/views/a.sql"]
    assert told["c"] == "it reads public.d, which is not translated."
    assert "FILTER" in str(told["d"]) and "differ only in case" in str(told["f"])
    assert "materialized='table'" in files["dbt/models/views/e.sql"] and "views/spark/e.sql" in files
    assert told["stg_t"] == "dbt/models/views/stg_t_view.sql"
    assert [one.citations for one in result.views if one.reason] == [one.citations for one in output.findings]
    assert output.status == "PARTIAL"


def test_the_collation_of_the_database_decides_about_text() -> None:
    found = discovery(table("t", _ID, column("said")), view("v", "SELECT max(t.said) AS m FROM public.t"))
    assert isinstance(found.result, DiscoveryResult)
    identity = found.result.identity.model_copy(update={"collation": "en_US.UTF-8"})
    elsewhere = found.model_copy(update={"result": found.result.model_copy(update={"identity": identity})})

    assert rewritten(found)[0].views[0].reason is None
    assert "collation of the database" in (rewritten(elsewhere)[0].views[0].reason or "")


def test_catalogs_are_for_objects_in_s3_only() -> None:
    _, there, _ = rewritten(shop(), target="s3a://lake/shop")
    _, here, _ = rewritten(shop(), target="file:/t")

    assert "LOCATION 's3://lake/shop/log/data/{version}'" in there["catalog/athena/log.sql"]
    assert yaml.safe_load(there["dbt/dbt_project.yml"])["vars"] == {"parity_target": "s3://lake/shop"}
    assert not [path for path in here if path.startswith("catalog/")]
    assert yaml.safe_load(here["dbt/dbt_project.yml"])["vars"] == {"parity_target": "/t"}


def test_a_version_that_is_published_stands_in_the_statements() -> None:
    found = shop()
    plan, mapping = planned(found, target="s3a://lake/shop")
    before, there = rewrite(plan, found, mapping)
    output, files = rewrite(plan, found, mapping, {"log": "run-1-0f3c"})

    for path in ("ddl/spark/log.sql", "catalog/athena/log.sql"):
        assert "s3://lake/shop/log/data/run-1-0f3c'" in files[path].replace("s3a:", "s3:") and "{" not in files[path]
        assert "before the table was published" in there[path]
    changed = {path for path in files if files[path] != there[path]}
    assert changed == {"ddl/spark/log.sql", "catalog/athena/log.sql"}
    assert isinstance(output.result, RewriteResult)
    assert {file.path: file.sha256 for file in output.result.files} == {
        path: hashlib.sha256(text.encode()).hexdigest() for path, text in files.items()
    }
    assert {read.name for read in output.inputs} - {read.name for read in before.inputs} == {"versions"}


def test_folders_are_repaired_in_the_catalog() -> None:
    found = discovery(table("t", _ID, column("day", "date")))
    plan, mapping = planned(found)
    first = plan.tables[0].model_copy(update={"partition_by": ("day",)})

    _, files = rewrite(plan.model_copy(update={"tables": (first,)}), found, mapping)

    registered = files["catalog/athena/t.sql"]
    assert "PARTITIONED BY (`day` date)" in registered and "MSCK REPAIR TABLE `public`.`t`" in registered
    assert "hive_partitioning = true" in files["dbt/models/staging/_sources.yml"]


def test_what_nobody_has_decided_is_refused() -> None:
    found = discovery(table("t", _ID, column("kind", "regclass")))
    plan, mapping = planned(found)

    with pytest.raises(ConfigError, match="kind"):
        rewrite(plan, found, mapping)
    with pytest.raises(InputError, match="t is in the plan, but not in the discovery"):
        rewrite(plan, discovery(table("u", _ID)), mapping)
    with pytest.raises(InputError, match="not a discovery"):
        rewrite(plan, found, found)


def job_of(files: dict[str, str], stem: str, folder: Path) -> dict[str, Any]:
    (folder / "job.py").write_text(files[f"spark/{stem}.py"], encoding="utf-8")
    return runpy.run_path(str(folder / "job.py"))


def test_a_schema_of_torture_is_planned_and_every_job_reads_as_the_migration_does(
    stage: PostgresStage, torture: str, tmp_path: Path
) -> None:
    found = discover(stage.login(), torture, "*")
    plan, mapping = planned(found, schema=torture)
    assert read_plan(plan_text(plan, mapping)) == plan
    plan = without_refused(plan)

    require_fit(plan, found)
    output, files = rewrite(plan, found, mapping)

    assert output.canonical() == rewrite(plan, discover(stage.login(), torture, "*"), mapping)[0].canonical()
    for path, text in files.items():
        if path.endswith(".py"):
            ast.parse(text)
    stems = [path.removeprefix("spark/").removesuffix(".py") for path in files if path.startswith("spark/")]
    jobs = {job["TABLE"]: job["COLUMNS"] for job in (job_of(files, stem, tmp_path) for stem in stems)}
    assert set(jobs) == {TableName(torture, one.name) for one in plan.tables}
    with connect(stage.login()) as connection, exported_snapshot(connection, list(jobs)) as snapshot:
        for one in plan.tables:
            source = source_table(stage.login(), snapshot, torture, one)
            read = [(column.name, select_sql(column), column.coercion.rule_id, column.coercion.spark) for column in source.columns]
            assert read == [(told.name, told.sql, told.rule, told.type) for told in jobs[source.name]]


@pytest.mark.shared_data
def test_pagila_is_planned_and_rewritten(stage: PostgresStage, shared_data: Path) -> None:
    stage.run("CREATE DATABASE pagila_rewrite")
    dump = gzip.decompress((shared_data / "pagila" / "pagila.sql.gz").read_bytes())
    server = replace(stage.server, database="pagila_rewrite")
    subprocess.run([f"{find_binaries()}/psql", "-q", "-d", server.dsn], input=dump, check=True, capture_output=True)
    login = stage.login(user="postgres")
    login = replace(login, address=replace(login.address, database="pagila_rewrite"))

    found = discover(login, "public", "*")
    plan, mapping = planned(found)
    require_fit(plan, found)
    output, files = rewrite(plan, found, mapping)

    assert isinstance(found.result, DiscoveryResult) and isinstance(output.result, RewriteResult)
    assert plan.refused() == () and read_plan(plan_text(plan, mapping)) == plan and plan.discovery_sha256 == digest_of(found)
    assert len(plan.tables) == 15 and not [one.name for one in plan.tables if one.name.startswith("payment_")]
    views = {one.name.name: one.path is not None for one in output.result.views}
    assert views == {
        "actor_info": False,
        "customer_list": True,
        "film_list": False,
        "nicer_but_slower_film_list": False,
        "rental_by_category": True,
        "sales_by_film_category": True,
        "sales_by_store": True,
        "staff_list": True,
    }
    assert "group_concat" in next(one.reason or "" for one in output.result.views if one.name.name == "film_list")
    schema = yaml.safe_load(files["dbt/models/staging/_staging.yml"])
    film = next(one for one in schema["models"] if one["name"] == "stg_film")
    rating = next(one for one in film["columns"] if one["name"] == "rating")
    assert rating["data_tests"][0]["accepted_values"]["arguments"]["values"] == ["'G'", "'PG'", "'PG-13'", "'R'", "'NC-17'"]
