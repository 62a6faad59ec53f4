# ruff: noqa: S608 -- the SQL of these tests is made of quoted names and constants
"""Which queries read a table: all its rows once, however it is stored. No Spark: the queries are asked of the server itself."""

from __future__ import annotations

import random
from collections import Counter
from itertools import pairwise

import pytest

from connectors.postgres_address import TableName
from connectors.postgres_catalog import describe_tables
from connectors.postgres_objects import CatalogTable
from connectors.postgres_reading import KeyRange, ReadingPlan, _page_begins, reading_plan, require_all_rows
from connectors.postgres_snapshot import ExportedSnapshot, pinned_source
from connectors.postgres_views import moving_parts
from schemas.errors import ConfigError, EngineError
from tests.connectors.postgres_stage import PostgresStage


def described(snapshot: ExportedSnapshot, name: TableName) -> tuple[CatalogTable, list[CatalogTable]]:
    tables = describe_tables(snapshot.connection, [name])
    return next(one for one in tables if one.name == name), [one for one in tables if one.name != name]


def rows_per_task(snapshot: ExportedSnapshot, plan: ReadingPlan, columns: str = "id") -> list[Counter[object]]:
    place = f", {plan.place} AS parity_place" if plan.place else ""
    inner = f"SELECT {columns}{place} FROM {plan.relation} WHERE {snapshot.guard()}"
    return [Counter(row[0] for row in snapshot.fetch(f"SELECT id FROM ({inner}) AS p WHERE {one}")) for one in plan.predicates]


def all_of(parts: list[Counter[object]]) -> Counter[object]:
    return sum(parts, Counter())


@pytest.mark.parametrize("tasks", [1, 2, 3, 8, 50])
def test_ranges_of_pages_hold_every_row_once(postgres_stage: PostgresStage, tasks: int) -> None:
    schema = postgres_stage.fresh_schema()
    postgres_stage.run("CREATE TABLE t AS SELECT i AS id, repeat('x', i % 300) AS v FROM generate_series(1, 5000) AS i")
    postgres_stage.run("DELETE FROM t WHERE id BETWEEN 1000 AND 2500; UPDATE t SET v = 'moved' WHERE id % 10 = 0")
    name = TableName(schema, "t")
    with pinned_source(postgres_stage.login(), [name]) as snapshot:
        table, below = described(snapshot, name)
        plan = reading_plan(table, below, tasks=tasks)
        parts = rows_per_task(snapshot, plan)

        assert len(parts) == tasks
        assert all_of(parts) == Counter(row[0] for row in snapshot.fetch(f"SELECT id FROM {name.sql}"))
        assert plan.way == "ctid ranges"
        require_all_rows(all_of(parts).total(), snapshot, plan, str(name))
        with pytest.raises(EngineError, match="were read, but the snapshot holds"):
            require_all_rows(all_of(parts).total() - 1, snapshot, plan, str(name))


def test_pages_that_were_added_after_the_description_are_read(postgres_stage: PostgresStage) -> None:
    schema = postgres_stage.fresh_schema()
    postgres_stage.run("CREATE TABLE t AS SELECT i AS id, repeat('x', 300) AS v FROM generate_series(1, 1000) AS i")
    name = TableName(schema, "t")
    with pinned_source(postgres_stage.login(), [name]) as snapshot:
        plan = reading_plan(*described(snapshot, name), tasks=4)
    postgres_stage.run("INSERT INTO t SELECT i, repeat('x', 300) FROM generate_series(1001, 5000) AS i")
    with pinned_source(postgres_stage.login(), [name]) as snapshot:
        assert all_of(rows_per_task(snapshot, plan)).total() == 5000


@pytest.mark.parametrize("kind", ["partitions", "children"])
def test_a_parent_is_read_with_all_below_it_in_ranges_of_pages(postgres_stage: PostgresStage, kind: str) -> None:
    schema = postgres_stage.fresh_schema()
    if kind == "partitions":
        postgres_stage.run("""
            CREATE TABLE t (id int, p int) PARTITION BY RANGE (p); CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (0) TO (10);
            CREATE TABLE t2 PARTITION OF t FOR VALUES FROM (10) TO (20) PARTITION BY LIST (id);
            CREATE TABLE t2r PARTITION OF t2 DEFAULT; CREATE TABLE t3 PARTITION OF t DEFAULT;
            INSERT INTO t SELECT i, i % 25 FROM generate_series(1, 20000) AS i; REVOKE SELECT ON t1, t2, t2r, t3 FROM reader
        """)
    else:
        postgres_stage.run("""
            CREATE TABLE t (id int, p int); CREATE TABLE t1 (more text) INHERITS (t); CREATE TABLE t2 () INHERITS (t1);
            INSERT INTO t SELECT i, 1 FROM generate_series(1, 100) AS i; INSERT INTO t1 SELECT i, 1 FROM generate_series(101, 9000) AS i;
            INSERT INTO t2 SELECT i, 1 FROM generate_series(9001, 20000) AS i; REVOKE SELECT ON t1, t2 FROM reader
        """)
    name = TableName(schema, "t")
    with pinned_source(postgres_stage.login(), [name]) as snapshot:
        plan = reading_plan(*described(snapshot, name), tasks=4)
        parts = rows_per_task(snapshot, plan)

        assert plan.way == "ctid ranges"
        assert all_of(parts) == Counter(range(1, 20001))
        assert max(part.total() for part in parts) < 10000  # no task has it all
        explained = snapshot.fetch(
            f"EXPLAIN SELECT id FROM (SELECT id, ctid AS parity_place FROM {name.sql}) AS p WHERE {plan.predicates[1]}"
        )
        assert sum("Tid Range Scan" in str(row[0]) for row in explained) == 3


def test_a_table_alone_does_not_bring_its_future_children(postgres_stage: PostgresStage) -> None:
    schema = postgres_stage.fresh_schema()
    postgres_stage.run("CREATE TABLE t (id int); CREATE TABLE child () INHERITS (t); INSERT INTO child VALUES (1)")
    name = TableName(schema, "child")
    with pinned_source(postgres_stage.login(), [name]) as snapshot:
        assert reading_plan(*described(snapshot, name)).relation == f'ONLY "{schema}"."child"'


def test_views_are_read_at_once_or_in_ranges_of_a_key(postgres_stage: PostgresStage) -> None:
    schema = postgres_stage.fresh_schema()
    postgres_stage.run(
        "CREATE TABLE t AS SELECT nullif(i, 50) AS id FROM generate_series(-100, 100) AS i; CREATE VIEW v AS SELECT * FROM t"
    )
    name = TableName(schema, "v")
    with pinned_source(postgres_stage.login(), [name]) as snapshot:
        table, _ = described(snapshot, name)
        alone = reading_plan(table)
        ranged = reading_plan(table, key_range=KeyRange("id", (-10, 0, 90)))

        assert (alone.way, alone.predicates, alone.pinned_search_path) == ("one query", ("true",), False)
        assert (ranged.way, len(ranged.predicates)) == ("key ranges", 4)
        assert all_of(rows_per_task(snapshot, ranged)) == Counter(row[0] for row in snapshot.fetch(f"SELECT id FROM {name.sql}"))
        with pytest.raises(ConfigError, match="no pages"):
            reading_plan(table, tasks=4)


def test_a_materialized_view_has_pages(postgres_stage: PostgresStage) -> None:
    schema = postgres_stage.fresh_schema()
    postgres_stage.run("CREATE MATERIALIZED VIEW m AS SELECT i AS id FROM generate_series(1, 3000) AS i")
    name = TableName(schema, "m")
    with pinned_source(postgres_stage.login(), [name]) as snapshot:
        plan = reading_plan(*described(snapshot, name), tasks=3)
        assert (plan.way, all_of(rows_per_task(snapshot, plan))) == ("ctid ranges", Counter(range(1, 3001)))


@pytest.mark.parametrize(("name", "options"), [("fetchsize", {"fetch_rows": 0}), ("ranges", {"tasks": 0})])
def test_zero_is_refused(postgres_stage: PostgresStage, name: str, options: dict[str, int]) -> None:
    schema = postgres_stage.fresh_schema()
    postgres_stage.run("CREATE TABLE t (id int)")
    table = TableName(schema, "t")
    with pinned_source(postgres_stage.login(), [table]) as snapshot, pytest.raises(ConfigError, match=name):
        reading_plan(*described(snapshot, table), **options)


def test_wide_rows_come_in_small_numbers(postgres_stage: PostgresStage) -> None:
    schema = postgres_stage.fresh_schema()
    postgres_stage.run("CREATE TABLE narrow AS SELECT i FROM generate_series(1, 5000) AS i; ANALYZE narrow")
    postgres_stage.run("CREATE TABLE wide (id int, v text); ALTER TABLE wide ALTER COLUMN v SET STORAGE EXTERNAL")
    postgres_stage.run("INSERT INTO wide SELECT i, repeat('x', 200000) FROM generate_series(1, 50) AS i; ANALYZE wide")
    names = [TableName(schema, "narrow"), TableName(schema, "wide")]
    with pinned_source(postgres_stage.login(), names) as snapshot:
        narrow, wide = (reading_plan(*described(snapshot, name)).fetch_rows for name in names)
    assert (narrow, wide) == (10_000, 100)


def test_page_ranges_are_even_whatever_the_tables() -> None:
    random.seed(7)
    for _ in range(200):
        pages = [random.choice([0, 1, 10, 1000, 100_000]) for _ in range(random.randint(1, 6))]
        tasks = random.randint(1, 20)
        begins = _page_begins(pages, tasks)
        assert list(begins) == sorted(set(begins))
        assert all(0 < begin < max(pages) for begin in begins)
        if sum(pages) > 10_000:
            ends = [0, *begins, max(pages)]
            shares = [sum(max(0, min(size, high) - low) for size in pages if size > low) for low, high in pairwise(ends)]
            assert max(shares) <= sum(pages) / tasks + 2 * len(pages) + 1


@pytest.mark.parametrize(
    ("definition", "moving"),
    [
        ("SELECT id FROM t WHERE id > 5", []),
        ("SELECT id, 'now() at CURRENT_DATE' AS text, id AS \"random()\" FROM t", []),
        ("SELECT id, age(timestamp '2020-01-01', timestamp '2019-01-01') AS a FROM t", []),
        ("SELECT id, now() AS at FROM t", ["now() in the view {}.v"]),
        ("SELECT id FROM t WHERE date '2020-01-01' < CURRENT_DATE", ["CURRENT_DATE in the view {}.v"]),
        ("SELECT id, age(timestamp '2020-01-01') AS a FROM t", ["age() in the view {}.v"]),
        ("SELECT id FROM t TABLESAMPLE SYSTEM (10)", ["TABLESAMPLE in the view {}.v"]),
        ("SELECT id, dice() AS d FROM t", ["the volatile function {}.dice"]),
        ("SELECT id FROM below", ["random() in the view {}.below"]),
        ("SELECT id FROM far", ["the foreign table {}.far, whose server has no part in the snapshot"]),
    ],
)
def test_what_a_snapshot_does_not_hold_still_is_told(postgres_stage: PostgresStage, definition: str, moving: list[str]) -> None:
    schema = postgres_stage.fresh_schema()
    postgres_stage.run(f"""
        CREATE TABLE t (id int); CREATE FUNCTION dice() RETURNS int LANGUAGE sql VOLATILE AS 'SELECT 4';
        CREATE VIEW below AS SELECT id FROM t WHERE random() < 0.5; CREATE FOREIGN DATA WRAPPER w_{schema};
        CREATE SERVER s_{schema} FOREIGN DATA WRAPPER w_{schema}; CREATE FOREIGN TABLE far (id int) SERVER s_{schema};
        CREATE VIEW v AS {definition}
    """)
    name = TableName(schema, "v")
    with pinned_source(postgres_stage.login()) as snapshot:
        assert list(moving_parts(snapshot, described(snapshot, name)[0])) == [one.format(schema) for one in moving]
