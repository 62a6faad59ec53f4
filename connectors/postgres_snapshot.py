"""One view of a database for many connections: exported by a transaction that stays open, proven by every query that reads.

exporter   BEGIN; LOCK … ACCESS SHARE; pg_export_snapshot() ───────────── count(*), is_alive ── ROLLBACK
reader 1        BEGIN; SET TRANSACTION SNAPSHOT; SELECT … WHERE guard
reader 2                 BEGIN; SET TRANSACTION SNAPSHOT; SELECT … WHERE guard
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from typing import TYPE_CHECKING, Any, TypeVar

from connectors.postgres_address import TableName
from connectors.postgres_connection import PostgresLogin, connect
from connectors.postgres_errors import OFF_SNAPSHOT, translate_postgres_error
from connectors.postgres_proof import ServerProof, prove_read_only
from connectors.spark_errors import SPARK_FAILURES, translate_spark_error
from engine.portable_sql import quote_identifier
from schemas.coercion import READ_SETTINGS
from schemas.errors import MissingTableError, TransientConnectorError, nearest

if TYPE_CHECKING:
    import psycopg

__all__ = ["ExportedSnapshot", "exported_snapshot", "pinned_source", "with_fresh_snapshot"]

Answer = TypeVar("Answer")

_BEGIN = "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"
_EXPORT = "SELECT pg_catalog.pg_export_snapshot(), pg_catalog.pg_current_snapshot()::text, pg_catalog.current_setting('lc_monetary')"
_LONGEST_WAIT_S = 30.0
_LOCKABLE = ("r", "p", "v")
_FOREIGN = "f"
_TRANSACTION_TIMEOUT_SINCE = 170000

# What every reading session must have when its query runs; checked there, at the price of one evaluation per query.
_READERS_HAVE = {
    "transaction_isolation": "repeatable read",
    "transaction_read_only": "on",
    "row_security": "off",
    **READ_SETTINGS,
}
_MONEY = "lc_monetary"  # of which the text and the digits of money depend

_KINDS = """
SELECT space.nspname::text, class.relname::text, class.relkind::text, class.oid::bigint, has_table_privilege(class.oid, 'SELECT')
FROM unnest(%s::text[], %s::text[]) AS wanted(space, name)
JOIN pg_catalog.pg_namespace AS space ON space.nspname = wanted.space
JOIN pg_catalog.pg_class AS class ON class.relnamespace = space.oid AND class.relname = wanted.name
WHERE class.relkind IN ('r', 'p', 'v', 'm', 'f')
"""

# pg_class is seen as of the snapshot, pg_relation_filenode as of now: they differ where a table was rewritten or emptied in between.
_REWRITTEN = """
WITH RECURSIVE family(oid) AS (
    SELECT unnest(%s::oid[]) UNION SELECT child.inhrelid FROM pg_catalog.pg_inherits AS child JOIN family ON child.inhparent = family.oid
)
SELECT space.nspname::text, class.relname::text
FROM family JOIN pg_catalog.pg_class AS class USING (oid) JOIN pg_catalog.pg_namespace AS space ON space.oid = class.relnamespace
WHERE class.relkind IN ('r', 'm') AND class.relfilenode <> 0
  AND class.relfilenode IS DISTINCT FROM pg_catalog.pg_relation_filenode(class.oid)
ORDER BY 1, 2
"""


class ExportedSnapshot:
    """A view of the database that stays the same, and the transaction that keeps it available.

    Attributes:
        identifier: under which other transactions adopt it, until this one ends.
        visible: `xmin:xmax:xip`, which transactions' work it shows.
        server: what the server said of itself in this very transaction.
        connection: of the transaction; for queries of the same view.
    """

    def __init__(self, connection: psycopg.Connection[Any], exported: Sequence[Any], server: ServerProof) -> None:
        self.connection = connection
        self.identifier, self.visible = str(exported[0]), str(exported[1])
        self.server = server
        self._settings = {"row_security": "off", **READ_SETTINGS, _MONEY: str(exported[2])}

    def __repr__(self) -> str:
        return f"ExportedSnapshot({self.identifier}, {self.visible})"

    @property
    def pin(self) -> str:
        """For people and evidence."""
        return f"PostgreSQL snapshot {self.visible} of {self.server.identity}"

    @property
    def moment(self) -> str:
        """Text that two snapshots share only if they show the same rows: a backup that was restored counts its transactions anew."""
        return f"{self.server.identity} since {self.server.started}, {self.visible}"

    def init_statement(self, *, search_path: str | None = "pg_catalog") -> str:
        """Return what a reader executes first in its transaction; Spark does so only when it also has a fetch size.

        Args:
            search_path: where names that types and functions write as text are looked up; None: the role's own.
        """
        statements = [
            "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY",
            f"SET TRANSACTION SNAPSHOT {_literal(self.identifier)}",
            *(f"SET LOCAL {name} = {_literal(value)}" for name, value in self._settings.items()),
            *([f"SET LOCAL search_path = {quote_identifier('postgres', search_path)}"] if search_path else []),
        ]
        return "; ".join(statements)

    def guard(self) -> str:
        """Return a condition that ends any query that is not on this snapshot, and else is true.

        It depends on no row, so the server evaluates it once per query, before the first row and also when there is none.
        """
        now = "pg_catalog.pg_current_snapshot()::text"
        asked = " AND ".join(
            f"pg_catalog.current_setting({_literal(name)}) = {_literal(value)}"
            for name, value in sorted({**_READERS_HAVE, **self._settings}.items())
        )
        return (
            f"(SELECT CASE WHEN {now} = {_literal(self.visible)} AND {asked} THEN true"
            f" ELSE ({_literal(OFF_SNAPSHOT + ' ' + self.visible + ' but on ')} || {now})::boolean END)"
        )

    def count(self, relation: str, condition: str = "true") -> int:
        """Return how many rows the snapshot shows.

        Args:
            relation: quoted, with `ONLY` in front where its children do not belong to it.
            condition: SQL that Parity wrote.
        """
        query = " ".join(("SELECT pg_catalog.count(*) FROM", relation, "WHERE", condition))
        return int(self.fetch(query)[0][0])

    def fetch(self, query: str, parameters: Sequence[Any] | None = None) -> list[tuple[Any, ...]]:
        """Return all rows of a query on the snapshot.

        Raises:
            ParityError: see connectors.postgres_errors.
        """
        import psycopg

        try:
            return list(self.connection.execute(query, parameters).fetchall())
        except psycopg.Error as exc:
            raise translate_postgres_error(exc, f"database {self.server.database}") from None

    def is_alive(self) -> bool:
        """Return whether the transaction is still open and still on its snapshot."""
        import psycopg

        if self.connection.closed:
            return False
        try:
            row = self.connection.execute("SELECT pg_catalog.pg_current_snapshot()::text").fetchone()
        except psycopg.Error:
            return False
        return row is not None and row[0] == self.visible

    def require_alive(self) -> None:
        """Check that everything read so far came from one snapshot, which others can still adopt.

        Raises:
            TransientConnectorError: the transaction ended.
        """
        if not self.is_alive():
            raise TransientConnectorError(
                f"database {self.server.database}: the transaction that held the snapshot {self.visible} has ended.",
                object=self.identifier,
                hint="Run again: a new snapshot is taken and everything is read from the start.",
            )


@contextmanager
def exported_snapshot(connection: psycopg.Connection[Any], tables: Sequence[TableName] = ()) -> Iterator[ExportedSnapshot]:
    """Hold one read-only transaction open, whose snapshot other connections can adopt, and end it afterwards.

    The tables are locked against being altered, emptied or rewritten (`ACCESS SHARE`, as any SELECT does) before the snapshot
    is taken: such changes ignore snapshots, and readers would see an empty table without an error. Writers are not held up.

    Args:
        connection: of `connect`, outside any transaction.
        tables: that will be read; partitions and children belong to their parent.

    Raises:
        MissingTableError: a table is not there.
        HiddenRowsError: row security would hide rows of it.
        TransientConnectorError: someone holds a lock, a table was rewritten meanwhile, or the connection was lost.
        ConnectorError: a right is missing.
    """
    import psycopg

    try:
        kinds = _kinds(connection, tables)
        connection.execute(_BEGIN)
        _set_transaction_limits(connection)
        for table, (kind, _, selectable) in kinds.items():
            if kind in _LOCKABLE and selectable:
                _execute(connection, f"LOCK TABLE {table.sql} IN ACCESS SHARE MODE", table)
        exported = connection.execute(_EXPORT).fetchone()
        for table, (kind, _, _) in kinds.items():
            if kind != _FOREIGN:  # a remote server is not asked for what costs a connection there
                _execute(connection, f"SELECT FROM {table.sql} LIMIT 0", table)
        rewritten = connection.execute(_REWRITTEN, [[oid for _, oid, _ in kinds.values()]]).fetchall()
    except psycopg.Error as exc:
        _roll_back(connection)
        raise translate_postgres_error(exc, f"database {connection.info.dbname}") from None
    except BaseException:
        _roll_back(connection)
        raise
    try:
        if rewritten:
            names = ", ".join(str(TableName(str(space), str(name))) for space, name in rewritten)
            raise TransientConnectorError(
                f"{names}: rewritten or emptied while the snapshot was taken.", object=names, hint="Run again when that is done."
            )
        yield ExportedSnapshot(connection, exported or (), prove_read_only(connection, tables))
    finally:
        _roll_back(connection)


@contextmanager
def pinned_source(login: PostgresLogin, tables: Sequence[TableName] = ()) -> Iterator[ExportedSnapshot]:
    """Connect and hold an exported snapshot of the tables; see `connect` and `exported_snapshot`."""
    with connect(login) as connection, exported_snapshot(connection, tables) as snapshot:
        yield snapshot


def with_fresh_snapshot(
    login: PostgresLogin,
    tables: Sequence[TableName],
    work: Callable[[ExportedSnapshot], Answer],
    *,
    attempts: int = 4,
    first_wait_s: float = 0.5,
    sleep: Callable[[float], None] = time.sleep,
) -> Answer:
    """Return what `work` makes of a snapshot; when the connection is lost, all of it starts over on a new one.

    Args:
        work: called with a snapshot that nothing was read from; what it gathered in an attempt that failed must not be used.
        attempts: in all, at least 1.
        first_wait_s: before the second attempt, seconds; doubled each time, at most 30.

    Raises:
        TransientConnectorError: of the last attempt.
    """
    for attempt in count(1):
        try:
            with pinned_source(login, tables) as snapshot:
                answer = _translated(work, snapshot, str(login.address))
                snapshot.require_alive()
                return answer
        except TransientConnectorError:
            if attempt >= attempts:
                raise
            sleep(min(_LONGEST_WAIT_S, first_wait_s * 2 ** (attempt - 1)))
    raise AssertionError("unreachable: counting has no end")


def _translated(work: Callable[[ExportedSnapshot], Answer], snapshot: ExportedSnapshot, where: str) -> Answer:
    """Errors of readers tell whether starting over may help."""
    try:
        return work(snapshot)
    except SPARK_FAILURES as exc:
        raise translate_spark_error(exc, where) from None


def _execute(connection: psycopg.Connection[Any], statement: str, table: TableName) -> None:
    import psycopg

    try:
        connection.execute(statement.encode())
    except psycopg.Error as exc:
        where = f"table {table} of database {connection.info.dbname}"
        raise translate_postgres_error(exc, where, table=table, role=connection.info.user) from None


def _kinds(connection: psycopg.Connection[Any], tables: Sequence[TableName]) -> dict[TableName, tuple[str, int, bool]]:
    rows = connection.execute(_KINDS, [[table.schema for table in tables], [table.name for table in tables]]).fetchall()
    found = {TableName(row[0], row[1]): (str(row[2]), int(row[3]), bool(row[4])) for row in rows}
    for table in tables:
        if table not in found:
            raise _missing(connection, table)
    return {table: found[table] for table in sorted(found)}


def _missing(connection: psycopg.Connection[Any], table: TableName) -> MissingTableError:
    rows = connection.execute(
        "SELECT n.nspname::text, c.relname::text FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace"
        " WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast') ORDER BY 1, 2"
    ).fetchall()
    close = nearest(str(table), [str(TableName(str(row[0]), str(row[1]))) for row in rows])
    database = connection.info.dbname
    return MissingTableError(
        f"database {database}: there is no table {table}.",
        object=str(table),
        hint=f"Did you mean {', '.join(close)}?" if close else "Check its schema and spelling; letters are taken as written.",
    )


def _set_transaction_limits(connection: psycopg.Connection[Any]) -> None:
    """The transaction lasts as long as the run."""
    if connection.info.server_version >= _TRANSACTION_TIMEOUT_SINCE:
        connection.execute("SET LOCAL transaction_timeout = 0")


def _roll_back(connection: psycopg.Connection[Any]) -> None:
    import psycopg

    try:
        connection.execute("ROLLBACK")
    except psycopg.Error:  # the connection is gone, and the transaction with it
        connection.close()


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
