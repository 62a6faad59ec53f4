# ruff: noqa: S608 -- the SQL of these tests is made of quoted names and constants
"""One snapshot for many connections: it holds, every reader proves it, nothing is written, and a lost one is never mixed with another."""

from __future__ import annotations

import re
import threading
from typing import Any

import psycopg
import pytest

from connectors.postgres_address import TableName
from connectors.postgres_connection import connect
from connectors.postgres_errors import HiddenRowsError, OffSnapshotError, translate_postgres_error
from connectors.postgres_proof import prove_read_only
from connectors.postgres_snapshot import ExportedSnapshot, exported_snapshot, pinned_source, with_fresh_snapshot
from schemas.errors import ConnectorError, MissingTableError, TransientConnectorError
from tests.connectors.postgres_stage import PostgresStage


@pytest.fixture
def orders(postgres_stage: PostgresStage) -> TableName:
    schema = postgres_stage.fresh_schema()
    postgres_stage.run("CREATE TABLE orders AS SELECT i AS id, i % 7 AS v FROM generate_series(1, 1000) AS i")
    return TableName(schema, "orders")


def reader(stage: PostgresStage, snapshot: ExportedSnapshot, query: str, init: str | None = None) -> list[tuple[Any, ...]]:
    """Run a query as a task of Spark does: a connection of its own, one transaction, the statement first."""
    with psycopg.connect(stage.server.dsn.replace("postgres@", "reader@")) as connection:
        connection.execute((snapshot.init_statement() if init is None else init).encode())
        return connection.execute(query.encode()).fetchall()


def test_readers_see_what_the_exporter_sees_while_others_write(postgres_stage: PostgresStage, orders: TableName) -> None:
    with pinned_source(postgres_stage.login(), [orders]) as snapshot:
        query = f"SELECT count(*), sum(id), sum(v) FROM {orders.sql} WHERE {snapshot.guard()}"
        before = reader(postgres_stage, snapshot, query)
        postgres_stage.run(f"INSERT INTO {orders.sql} VALUES (5000, 1); UPDATE {orders.sql} SET v = 9 WHERE id < 100")
        postgres_stage.run(f"DELETE FROM {orders.sql} WHERE id BETWEEN 200 AND 300")

        assert reader(postgres_stage, snapshot, query) == before == [(1000, 500500, 3003)]
        assert snapshot.count(orders.sql) == 1000
        assert snapshot.is_alive()
    assert postgres_stage.rows(f"SELECT count(*) FROM {orders.sql}") == [(900,)]


@pytest.mark.parametrize(
    "init",
    [
        "SELECT 1",
        "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY",
        "SET TRANSACTION ISOLATION LEVEL READ COMMITTED READ ONLY; SET LOCAL row_security = off",
    ],
)
def test_a_reader_that_is_not_on_the_snapshot_ends_itself(postgres_stage: PostgresStage, orders: TableName, init: str) -> None:
    with pinned_source(postgres_stage.login(), [orders]) as snapshot:
        postgres_stage.run(f"INSERT INTO {orders.sql} VALUES (5000, 1)")
        for query in (
            f"SELECT * FROM {orders.sql} WHERE {snapshot.guard()}",
            f"SELECT * FROM {orders.sql} WHERE {snapshot.guard()} AND id = -1",
            f"SELECT * FROM (SELECT id FROM ONLY {orders.sql} WHERE {snapshot.guard()}) AS t WHERE id < 0",
        ):
            with pytest.raises(psycopg.errors.InvalidTextRepresentation) as caught:
                reader(postgres_stage, snapshot, query, init)
            assert isinstance(translate_postgres_error(caught.value, "orders"), OffSnapshotError)


def test_a_reader_with_other_settings_ends_itself(postgres_stage: PostgresStage, orders: TableName) -> None:
    with pinned_source(postgres_stage.login(), [orders]) as snapshot:
        query = f"SELECT 1 FROM {orders.sql} WHERE {snapshot.guard()} LIMIT 1"
        for setting in ("TimeZone = 'Asia/Tokyo'", "DateStyle = 'German'", "extra_float_digits = 0", "row_security = on"):
            with pytest.raises(psycopg.errors.InvalidTextRepresentation):
                reader(postgres_stage, snapshot, query, f"{snapshot.init_statement()}; SET LOCAL {setting}")


def test_the_guard_is_evaluated_once_per_query(postgres_stage: PostgresStage, orders: TableName) -> None:
    with pinned_source(postgres_stage.login(), [orders]) as snapshot:
        query = f"SELECT id FROM (SELECT id, ctid AS place FROM ONLY {orders.sql} WHERE {snapshot.guard()}) AS t"
        plan = "\n".join(
            str(row[0])
            for row in reader(postgres_stage, snapshot, f"EXPLAIN ANALYZE {query} WHERE place >= '(0,0)'::tid AND place < '(3,0)'::tid")
        )
    assert "One-Time Filter" in plan
    assert "Tid Range Scan" in plan
    assert re.search(r"InitPlan 1.*\n +-> +Result .*loops=1", plan)


def test_a_table_is_not_emptied_or_rewritten_while_it_is_read(postgres_stage: PostgresStage, orders: TableName) -> None:
    """TRUNCATE and rewrites ignore snapshots: without a lock, readers would see an empty table and no error."""
    postgres_stage.run("SET lock_timeout = '100ms'")
    with pinned_source(postgres_stage.login(), [orders]) as snapshot:
        for change in ("TRUNCATE {}", "ALTER TABLE {} ADD COLUMN w int DEFAULT 5", "VACUUM FULL {}", "DROP TABLE {}"):
            with pytest.raises(psycopg.errors.LockNotAvailable):
                postgres_stage.run(change.format(orders.sql))
        assert snapshot.count(orders.sql) == 1000
    postgres_stage.run(f"RESET lock_timeout; TRUNCATE {orders.sql}")


def test_a_materialized_view_is_not_refreshed_while_it_is_read(postgres_stage: PostgresStage, orders: TableName) -> None:
    postgres_stage.run("CREATE MATERIALIZED VIEW totals AS SELECT v, count(*) AS n FROM orders GROUP BY v; SET lock_timeout = '100ms'")
    totals = TableName(orders.schema, "totals")
    with pinned_source(postgres_stage.login(), [totals]) as snapshot:
        with pytest.raises(psycopg.errors.LockNotAvailable):
            postgres_stage.run("REFRESH MATERIALIZED VIEW totals")
        assert snapshot.count(totals.sql) == 7
    postgres_stage.run("RESET lock_timeout")


def test_a_lock_of_another_session_is_waited_for_only_so_long(postgres_stage: PostgresStage, orders: TableName) -> None:
    with psycopg.connect(postgres_stage.server.dsn) as other:
        other.execute(f"LOCK TABLE {orders.sql} IN ACCESS EXCLUSIVE MODE".encode())
        with (
            pytest.raises(TransientConnectorError, match="lock_timeout") as caught,
            pinned_source(postgres_stage.login(lock_timeout="100ms"), [orders]),
        ):
            pass
    assert str(orders) in str(caught.value)


def test_a_table_that_is_not_there_is_missing_with_its_likes(postgres_stage: PostgresStage, orders: TableName) -> None:
    with (
        pytest.raises(MissingTableError, match=rf"{orders.schema}\.orders"),
        pinned_source(postgres_stage.login(), [TableName(orders.schema, "Orders")]),
    ):
        pass


def test_a_missing_right_is_told_with_the_grant(postgres_stage: PostgresStage, orders: TableName) -> None:
    postgres_stage.run("REVOKE SELECT ON orders FROM reader")

    with (
        pytest.raises(ConnectorError, match=r'GRANT SELECT ON "s[0-9]+"."orders" TO "reader"'),
        pinned_source(postgres_stage.login(), [orders]),
    ):
        pass


def test_rights_on_some_columns_are_enough(postgres_stage: PostgresStage, orders: TableName) -> None:
    postgres_stage.run("REVOKE SELECT ON orders FROM reader; GRANT SELECT (id) ON orders TO reader; SET lock_timeout = '100ms'")

    with pinned_source(postgres_stage.login(), [orders]) as snapshot:
        assert snapshot.count(orders.sql) == 1000
        with pytest.raises(psycopg.errors.LockNotAvailable):
            postgres_stage.run("TRUNCATE orders")
    postgres_stage.run("RESET lock_timeout")


def test_hidden_rows_are_an_error_and_not_fewer_rows(postgres_stage: PostgresStage, orders: TableName) -> None:
    postgres_stage.run("ALTER TABLE orders ENABLE ROW LEVEL SECURITY; CREATE POLICY few ON orders FOR SELECT TO reader USING (id < 10)")
    with psycopg.connect(postgres_stage.server.dsn.replace("postgres@", "reader@")) as naive:
        assert naive.execute(f"SELECT count(*) FROM {orders.sql}".encode()).fetchone() == (9,)  # what this is about

    with pytest.raises(HiddenRowsError) as caught, pinned_source(postgres_stage.login(), [orders]):
        pass

    assert caught.value.object == orders.sql
    assert 'ALTER ROLE "reader" BYPASSRLS' in str(caught.value)
    with pinned_source(postgres_stage.login("postgres"), [orders]) as snapshot:
        assert snapshot.count(orders.sql) == 1000


# Loss of the connection


def test_a_snapshot_whose_holder_ended_is_known_to_be_gone(postgres_stage: PostgresStage, orders: TableName) -> None:
    with pinned_source(postgres_stage.login(), [orders]) as snapshot:
        assert postgres_stage.end_sessions("parity") >= 1  # other tests leave some open

        assert not snapshot.is_alive()
        with pytest.raises(TransientConnectorError, match="ended"):
            snapshot.require_alive()
        with pytest.raises(psycopg.Error) as caught:
            reader(postgres_stage, snapshot, "SELECT 1")
        assert isinstance(translate_postgres_error(caught.value, "t"), TransientConnectorError)


def test_after_a_loss_everything_starts_over_on_a_new_snapshot(postgres_stage: PostgresStage, orders: TableName) -> None:
    seen: list[tuple[str, int]] = []
    waits: list[float] = []

    def work(snapshot: ExportedSnapshot) -> int:
        rows = snapshot.count(orders.sql)
        seen.append((snapshot.visible, rows))
        postgres_stage.run(f"INSERT INTO {orders.sql} VALUES (1, 1)")
        if len(seen) == 2:
            postgres_stage.crash()  # the server restarts: every session is gone
            snapshot.count(orders.sql)
        elif len(seen) == 1:
            postgres_stage.end_sessions("parity")  # found out only when everything was read
        return rows

    assert with_fresh_snapshot(postgres_stage.login(), [orders], work, sleep=waits.append) == 1002

    assert [rows for _, rows in seen] == [1000, 1001, 1002]
    assert len({visible for visible, _ in seen}) == 3
    assert waits == [0.5, 1.0]


def test_a_loss_that_lasts_is_told_in_the_end(postgres_stage: PostgresStage, orders: TableName) -> None:
    def work(snapshot: ExportedSnapshot) -> None:
        postgres_stage.end_sessions("parity")

    with pytest.raises(TransientConnectorError, match="ended"):
        with_fresh_snapshot(postgres_stage.login(), [orders], work, attempts=2, sleep=lambda seconds: None)


def test_what_is_wrong_for_good_is_not_tried_again(postgres_stage: PostgresStage, orders: TableName) -> None:
    attempts: list[str] = []

    def work(snapshot: ExportedSnapshot) -> None:
        attempts.append(snapshot.identifier)
        snapshot.count("nowhere")

    with pytest.raises(MissingTableError):
        with_fresh_snapshot(postgres_stage.login(), [orders], work, sleep=lambda seconds: None)
    assert len(attempts) == 1


# Read-only


def test_nothing_is_written_says_the_servers_own_log(postgres_stage: PostgresStage, orders: TableName) -> None:
    start = len(postgres_stage.logged())

    with pinned_source(postgres_stage.login(), [orders]) as snapshot:
        snapshot.count(orders.sql)

    ours = [line for line in postgres_stage.logged()[start:].splitlines() if line.startswith("parity@")]
    statements = [line.partition(": ")[2].strip() for line in ours if "statement:" in line or "execute" in line]
    assert statements
    for statement in statements:
        first = re.sub(r"^(?:statement|execute [^:]*):? *", "", statement).split()[0:1]
        assert not first or first[0] in ("SELECT", "BEGIN", "LOCK", "ROLLBACK", "WITH", "SET"), statement


def test_a_role_that_could_write_is_a_finding(postgres_stage: PostgresStage, orders: TableName) -> None:
    def findings(user: str = "reader") -> list[str]:
        with connect(postgres_stage.login(user)) as connection:
            proof = prove_read_only(connection, [orders])
            return [f"{one.severity} {one.class_}: {one.text}" for one in proof.findings("localhost")]

    assert findings() == []
    postgres_stage.run("GRANT UPDATE (v) ON orders TO reader")
    assert "UPDATE" in findings()[0]
    assert f"MEDIUM role_can_write: The role reader could write: {orders} (UPDATE)" in findings()[0]
    postgres_stage.run("REVOKE UPDATE (v) ON orders FROM reader; CREATE ROLE writers; GRANT TRUNCATE, DELETE ON orders TO writers")
    assert findings() == []
    postgres_stage.run("GRANT writers TO reader; ALTER ROLE reader NOINHERIT")  # SET ROLE would do
    assert "DELETE, TRUNCATE" in findings()[0]
    postgres_stage.run("REVOKE writers FROM reader; ALTER ROLE reader INHERIT; DROP OWNED BY writers; DROP ROLE writers")
    assert findings() == []
    assert findings("postgres")[0].startswith("MEDIUM role_can_write: The role postgres is a superuser")


def test_an_unencrypted_connection_to_another_machine_is_a_finding(postgres_stage: PostgresStage) -> None:
    with connect(postgres_stage.login()) as connection:
        proof = prove_read_only(connection)

    assert [one.class_ for one in proof.findings("db.example")] == ["unencrypted_connection"]
    assert proof.findings("127.0.0.1") == proof.findings("localhost") == ()


def test_the_server_says_which_it_is(postgres_stage: PostgresStage) -> None:
    with connect(postgres_stage.login()) as connection:
        proof = prove_read_only(connection)

    assert (proof.role, proof.superuser, proof.in_recovery, proof.database, proof.encoding) == ("reader", False, False, "postgres", "UTF8")
    assert proof.version_number // 10000 >= 14
    assert proof.system_identifier == str(postgres_stage.rows("SELECT system_identifier FROM pg_control_system()")[0][0])
    assert proof.transaction_read_only and proof.default_transaction_read_only and proof.row_security_off


def test_a_session_that_could_write_is_refused(postgres_stage: PostgresStage) -> None:
    with psycopg.connect(postgres_stage.server.dsn, autocommit=True) as careless, pytest.raises(ConnectorError, match="read_only"):
        prove_read_only(careless)


def test_a_writer_beside_never_changes_what_is_seen(postgres_stage: PostgresStage, orders: TableName) -> None:
    stop = threading.Event()

    def write() -> None:
        with psycopg.connect(postgres_stage.server.dsn, autocommit=True) as connection:
            while not stop.is_set():
                connection.execute(f"UPDATE {orders.sql} SET v = v + 1 WHERE id % 13 = 0".encode())
                connection.execute(f"INSERT INTO {orders.sql} SELECT 10000, 1".encode())

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(10):
            with connect(postgres_stage.login()) as connection, exported_snapshot(connection, [orders]) as snapshot:
                query = f"SELECT count(*), sum(v) FROM {orders.sql} WHERE {snapshot.guard()}"
                assert len({tuple(reader(postgres_stage, snapshot, query)) for _ in range(5)}) == 1
    finally:
        stop.set()
        writer.join()
