# ruff: noqa: S608 -- the SQL of these tests is made of quoted names and constants
"""The door: tables as one snapshot shows them, through Spark, while others write; and that nothing of it shows a password."""

from __future__ import annotations

import re
import threading
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from connectors import OpenedTable, open_table
from connectors.postgres_address import TableName
from connectors.postgres_catalog import describe_tables
from connectors.postgres_columns import read_columns
from connectors.postgres_errors import HiddenRowsError, OffSnapshotError
from connectors.postgres_reading import read_rows, reading_plan, require_all_rows
from connectors.postgres_snapshot import ExportedSnapshot, pinned_source, with_fresh_snapshot
from connectors.spark_errors import SPARK_FAILURES, translate_spark_error
from jobs.compare import compare
from policy.coercion import load_rules, rule_for
from schemas.coercion import Coercion, NativeType
from schemas.errors import ConfigError, TransientConnectorError
from tests.connectors.postgres_stage import PASSWORD, PostgresStage


def types(native: NativeType, column: str) -> Coercion:
    return rule_for(native, None, load_rules(), column=column)


@pytest.fixture
def orders(postgres_stage: PostgresStage) -> TableName:
    schema = postgres_stage.fresh_schema()
    postgres_stage.run("""
        CREATE TABLE orders (id int PRIMARY KEY, v text, n numeric(10,2), at timestamptz);
        INSERT INTO orders SELECT i, 'v' || i, i * 1.01, timestamptz '2024-01-01' + i * interval '1 s' FROM generate_series(1, 5000) AS i
    """)
    return TableName(schema, "orders")


def opened(spark: SparkSession, stage: PostgresStage, name: TableName, user: str = "reader", **options: str) -> OpenedTable:
    return open_table(spark, stage.uri(name, user), options, side="source", types=types)


def sums(table: OpenedTable) -> tuple[Any, ...]:
    (row,) = table.rows.agg(
        F.count(F.lit(1)), F.sum("id"), F.sum("n"), F.max("at").cast("string"), F.bit_xor(F.xxhash64("id", "v"))
    ).collect()
    return tuple(row)


def test_rows_stay_as_they_were_while_others_write(spark: SparkSession, postgres_stage: PostgresStage, orders: TableName) -> None:
    table = opened(spark, postgres_stage, orders, ranges="8", fetchsize="100")
    before = sums(table)
    stop = threading.Event()

    def write() -> None:
        number = 10_000
        with psycopg.connect(postgres_stage.server.dsn, autocommit=True) as connection:
            while not stop.is_set():
                number += 1
                connection.execute(f"INSERT INTO {orders.sql} VALUES ({number}, 'new', 1, now())".encode())
                connection.execute(f"UPDATE {orders.sql} SET n = n + 1, v = v || 'x' WHERE id % 50 = {number % 50}".encode())
                connection.execute(f"DELETE FROM {orders.sql} WHERE id = {number % 5000}".encode())

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert [sums(table) for _ in range(3)] == [before] * 3
    finally:
        stop.set()
        writer.join()
    assert table.complete(before[0]) == ()
    assert [reason.code for reason in table.complete(before[0] - 1)] == ["row_count"]
    assert table.still_holds() == ()
    assert table.primary_key == ("id",)
    assert table.pin is not None and "PostgreSQL snapshot" in table.pin and "8 ranges" in table.pin
    assert sums(opened(spark, postgres_stage, orders)) != before


def columns_of(snapshot: ExportedSnapshot, name: TableName) -> Any:
    (table,) = describe_tables(snapshot.connection, [name])
    return table, read_columns(table.columns, tuple(types(column.type, column.name) for column in table.columns))


def test_a_reader_without_a_fetch_size_would_see_live_rows_and_ends_itself(
    spark: SparkSession, postgres_stage: PostgresStage, orders: TableName
) -> None:
    with pinned_source(postgres_stage.login(), [orders]) as snapshot:
        table, columns = columns_of(snapshot, orders)
        careless = replace(reading_plan(table), fetch_rows=0)
        rows = read_rows(spark, postgres_stage.login(), snapshot, careless, columns)
        with pytest.raises(SPARK_FAILURES) as caught:
            rows.count()

    assert isinstance(translate_spark_error(caught.value, "orders"), OffSnapshotError)
    with pytest.raises(ConfigError, match="live data"):
        opened(spark, postgres_stage, orders, fetchsize="0")


def test_the_server_is_lost_while_spark_reads(spark: SparkSession, postgres_stage: PostgresStage, orders: TableName) -> None:
    seen: list[str] = []

    def work(snapshot: ExportedSnapshot) -> int:
        seen.append(snapshot.visible)
        table, columns = columns_of(snapshot, orders)
        plan = reading_plan(table, tasks=3)
        rows = read_rows(spark, postgres_stage.login(), snapshot, plan, columns)
        if len(seen) == 1:
            postgres_stage.run(f"DELETE FROM {orders.sql} WHERE id <= 100")
            postgres_stage.crash()
        count = rows.count()
        require_all_rows(count, snapshot, plan, str(orders))
        return count

    assert with_fresh_snapshot(postgres_stage.login(), [orders], work, sleep=lambda seconds: None) == 4900
    assert len(set(seen)) == 2


def test_a_snapshot_that_ended_is_told_by_readers_and_by_the_pin(
    spark: SparkSession, postgres_stage: PostgresStage, orders: TableName
) -> None:
    table = opened(spark, postgres_stage, orders)
    postgres_stage.end_sessions("parity")

    with pytest.raises(SPARK_FAILURES) as caught:
        table.rows.count()
    assert isinstance(translate_spark_error(caught.value, "orders"), TransientConnectorError)
    assert [reason.code for reason in table.still_holds()] == ["snapshot_lost"]
    assert table.complete(5000) == ()


def test_nothing_is_written_and_the_password_shows_nowhere(
    spark: SparkSession,
    postgres_stage: PostgresStage,
    orders: TableName,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    postgres_stage.run(f"GRANT USAGE ON SCHEMA {orders.schema} TO locked; GRANT SELECT ON orders TO locked")
    monkeypatch.setenv("THE_PASSWORD", PASSWORD)
    start = len(postgres_stage.logged())

    table = opened(spark, postgres_stage, orders, "locked", password_secret="env://THE_PASSWORD")
    table.rows.explain("extended")
    assert table.rows.count() == 5000
    told = [repr(table), str(table), str(dict(spark.conf.getAll)), str(spark.sparkContext.getConf().getAll()), *capfd.readouterr()]
    monkeypatch.setenv("THE_PASSWORD", "not the password")
    with pytest.raises(Exception, match="password_secret") as caught:
        opened(spark, postgres_stage, orders, "locked", password_secret="env://THE_PASSWORD")
    told.append(str(caught.value))

    assert not [text for text in told if PASSWORD in text]
    records = re.split(r"\n(?!\t)", postgres_stage.logged()[start:])
    executed = [text for one in records if (text := re.sub(r"^parity@LOG:  (?:statement|execute [^:]*):\s*", "", one)) != one]
    assert any("SET TRANSACTION SNAPSHOT" in one for one in executed)
    assert any(one.startswith("BEGIN READ ONLY") for one in executed)
    assert "PostgreSQL JDBC Driver@" not in postgres_stage.logged()[start:]  # every session of Spark's is among those looked at
    written = [
        one for one in executed if one.split()[0].upper() not in ("SELECT", "BEGIN", "SET", "LOCK", "ROLLBACK", "COMMIT", "WITH", "SHOW")
    ]
    assert written == []


def test_names_arrive_as_they_are(spark: SparkSession, postgres_stage: PostgresStage) -> None:
    schema = postgres_stage.fresh_schema()
    names = ["Id", "id", 'a.b "c"', "select", "😀", "ta`ck", "c1", "parity_place", "x'; --", "{0}", "%s"]
    columns = ", ".join('"' + name.replace('"', '""') + '" int' for name in names)
    postgres_stage.run(f'CREATE TABLE "We.ird ""😀" (gone int, {columns}); ALTER TABLE "We.ird ""😀" DROP COLUMN gone')
    postgres_stage.run(f'INSERT INTO "We.ird ""😀" VALUES ({", ".join(str(number) for number in range(len(names)))})')

    table = opened(spark, postgres_stage, TableName(schema, 'We.ird "😀'))

    assert table.rows.columns == names
    assert [tuple(row) for row in table.rows.collect()] == [tuple(range(len(names)))]


def test_generated_and_dropped_columns_no_rows_no_columns_and_many(spark: SparkSession, postgres_stage: PostgresStage) -> None:
    schema = postgres_stage.fresh_schema()
    postgres_stage.run(f"""
        CREATE TABLE made (a int, gone text, b int GENERATED ALWAYS AS (a * 2) STORED); ALTER TABLE made DROP COLUMN gone;
        INSERT INTO made (a) VALUES (21); CREATE TABLE empty (a int); CREATE TABLE bare (); INSERT INTO bare DEFAULT VALUES;
        CREATE TABLE wide ({", ".join(f"c{number} int" for number in range(1600))});
        INSERT INTO wide VALUES ({", ".join(str(number) for number in range(1600))})
    """)

    def rows(name: str) -> Any:
        return opened(spark, postgres_stage, TableName(schema, name)).rows

    assert [tuple(row) for row in rows("made").collect()] == [(21, 42)]
    assert (rows("empty").columns, rows("empty").collect()) == (["a"], [])
    assert (rows("bare").columns, rows("bare").count()) == ([], 1)
    assert [tuple(row) for row in rows("wide").collect()] == [tuple(range(1600))]


def test_parents_views_and_materialized_views_are_read_whole(spark: SparkSession, postgres_stage: PostgresStage) -> None:
    schema = postgres_stage.fresh_schema()
    postgres_stage.run("""
        CREATE TABLE sales (id int, p text) PARTITION BY LIST (p); CREATE TABLE sales_a PARTITION OF sales FOR VALUES IN ('a');
        CREATE TABLE sales_rest PARTITION OF sales DEFAULT;
        INSERT INTO sales SELECT i, (ARRAY['a', 'b', NULL])[1 + i % 3] FROM generate_series(1, 3000) AS i;
        CREATE TABLE parent (id int); CREATE TABLE child (more int) INHERITS (parent);
        INSERT INTO parent VALUES (1); INSERT INTO child VALUES (2, 3);
        CREATE VIEW v AS SELECT id FROM sales WHERE p = 'a'; CREATE MATERIALIZED VIEW m AS SELECT count(*) AS id FROM sales;
        CREATE VIEW today AS SELECT id, now() AS at FROM parent
    """)

    def ids(name: str, **options: str) -> Counter[int]:
        return Counter(row["id"] for row in opened(spark, postgres_stage, TableName(schema, name), **options).rows.collect())

    assert ids("sales", ranges="3") == Counter(range(1, 3001))
    sales = opened(spark, postgres_stage, TableName(schema, "sales"))
    assert sales.partition_columns == ("p",) and (sales.bytes or 0) > 100_000
    assert ids("parent") == Counter([1, 2])
    assert ids("v") == Counter(number for number in range(1, 3001) if number % 3 == 0)
    assert ids("m") == Counter([3000])
    moving = opened(spark, postgres_stage, TableName(schema, "today"))
    assert (moving.pinned, [reason.code for reason in moving.blockers]) == (False, ["unpinned_source"])
    assert "now()" in moving.blockers[0].text


def test_what_cannot_be_read_is_a_finding_and_no_proof(spark: SparkSession, postgres_stage: PostgresStage, tmp_path: Path) -> None:
    schema = postgres_stage.fresh_schema()
    postgres_stage.run("""
        CREATE TABLE t (id int PRIMARY KEY, k regclass, shut text, n numeric); INSERT INTO t VALUES (1, 'pg_class', 'x', 1.50);
        REVOKE SELECT ON t FROM reader; GRANT SELECT (id, k, n) ON t TO reader; GRANT INSERT ON t TO reader
    """)
    name = TableName(schema, "t")
    table = opened(spark, postgres_stage, name)

    found = {(one.class_, one.column) for one in table.findings}
    assert {("refused_type", "k"), ("unreadable_column", "shut"), ("role_can_write", None)} <= found
    assert dict(table.rows.dtypes)["k"] == dict(table.rows.dtypes)["shut"] == "interval"
    assert table.text_columns == {"n"}
    spark.createDataFrame([(1, "pg_class", "x", "1.50")], "id int, k string, shut string, n string").selectExpr(
        "id", "k", "shut", "CAST(n AS DECIMAL(10,2)) AS n"
    ).write.parquet(str(tmp_path / "t"))
    without = compare(postgres_stage.uri(name), f"parquet:{tmp_path / 't'}", exclude=["k", "shut"], spark=spark)
    assert without.verdict == "PASS_WITH_RULES"
    assert compare(postgres_stage.uri(name), f"parquet:{tmp_path / 't'}", spark=spark).verdict != "PASS"


def test_row_security_and_options_are_refused_at_the_door(spark: SparkSession, postgres_stage: PostgresStage, orders: TableName) -> None:
    for options in ({"ranges": "0"}, {"ranges": "many"}, {"fetchsize": "-1"}, {"sslmode": "x"}, {"fetch_size": "5"}):
        with pytest.raises(ConfigError):
            opened(spark, postgres_stage, orders, **options)
    with pytest.raises(ConfigError, match="table=schema"):
        open_table(spark, postgres_stage.uri(), {}, side="source", types=types)
    postgres_stage.run("ALTER TABLE orders ENABLE ROW LEVEL SECURITY")
    with pytest.raises(HiddenRowsError):
        opened(spark, postgres_stage, orders)


def test_a_table_equals_its_copy_and_a_changed_copy_does_not(
    spark: SparkSession, postgres_stage: PostgresStage, orders: TableName, tmp_path: Path
) -> None:
    table = opened(spark, postgres_stage, orders)
    table.rows.write.parquet(str(tmp_path / "same"))
    table.rows.withColumn("n", F.when(F.col("id") == 77, F.col("n") + 1).otherwise(F.col("n")).cast("decimal(10,2)")).write.parquet(
        str(tmp_path / "other")
    )

    same = compare(postgres_stage.uri(orders), f"parquet:{tmp_path / 'same'}", spark=spark)
    other = compare(postgres_stage.uri(orders), f"parquet:{tmp_path / 'other'}", spark=spark)

    assert (same.verdict, same.counts.source_rows) == ("PASS", 5000)
    assert (other.verdict, other.counts.changed) == ("FAIL", 1)
