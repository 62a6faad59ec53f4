"""Tables and views of PostgreSQL, pinned by a snapshot that every query proves it is on."""

from __future__ import annotations

import atexit
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from connectors.base import Location, OpenedTable
from connectors.options import check_names
from connectors.postgres_address import PostgresAddress, TableName, parse_address
from connectors.postgres_catalog import describe_tables
from connectors.postgres_columns import ReadColumn
from connectors.postgres_connection import CONNECTION_OPTIONS, PostgresLogin, connect, connection_settings, log_in
from connectors.postgres_objects import CatalogColumn, CatalogTable
from connectors.postgres_reading import ReadingPlan, read_rows, reading_plan
from connectors.postgres_snapshot import ExportedSnapshot, exported_snapshot
from connectors.postgres_views import moving_parts
from connectors.spark_errors import SPARK_FAILURES, translate_spark_error
from engine.portable_sql import quote_identifier
from schemas.coercion import Coercion, NativeType
from schemas.errors import ConfigError, InputError, TransientConnectorError
from schemas.verdict import Finding, Reason

__all__ = ["PostgresDoor", "TypeChoice"]

TypeChoice = Callable[[NativeType, str], Coercion]
"""What becomes of a type, given the name of its column for the words; the rules are those of the policy."""

_OPTIONS = (*CONNECTION_OPTIONS, "fetchsize", "ranges")
_PARSED = ("numeric", "date", "timestamp", "timestamptz")
_MOST_OPEN = 8

# Rows are read lazily, long after a table was opened: the transactions that hold the snapshots last as long as the process, but no
# more than so many, since each keeps the server from cleaning up behind writers.
_open: deque[ExitStack] = deque()


@dataclass(frozen=True)
class PostgresDoor:
    """`postgres://user@host:port/database?table=schema.table`."""

    types: TypeChoice

    def open(self, spark: SparkSession, location: Location, options: Mapping[str, str]) -> OpenedTable:
        """Return the table as one snapshot shows it (see connectors.base.Door).

        A column whose type nothing can read exactly, or that the role may not read, arrives as one that cannot be compared: the
        verdict names it, unless it is excluded.
        """
        where = str(location)
        address = parse_address(where, "postgres")
        if address.table is None:
            raise ConfigError(
                f"{where}: names no table.", object=where, hint="Write postgres://user@host:5432/database?table=schema.table."
            )
        check_names(options, _OPTIONS, where)
        settings = connection_settings({name: value for name, value in options.items() if name in CONNECTION_OPTIONS}, where)
        numbers = {name: _whole(options, name) for name in ("fetchsize", "ranges")}
        login = log_in(address, settings)
        with ExitStack() as stack:
            connection = stack.enter_context(connect(login))
            snapshot = stack.enter_context(exported_snapshot(connection, [address.table]))
            opened = self.open_on(spark, login, snapshot, address.table, ranges=numbers["ranges"], fetch_rows=numbers["fetchsize"])
            _keep(stack.pop_all())
            return opened

    def open_on(
        self,
        spark: SparkSession,
        login: PostgresLogin,
        snapshot: ExportedSnapshot,
        name: TableName,
        *,
        ranges: int | None = None,
        fetch_rows: int | None = None,
    ) -> OpenedTable:
        """Return a table as a snapshot shows it that the caller holds, for as long as it is held.

        Args:
            ranges, fetch_rows: see `reading_plan`.
        """
        table, below = _described(snapshot, name)
        plan = reading_plan(table, below, tasks=ranges, fetch_rows=fetch_rows)
        return self._opened(spark, replace(login, address=replace(login.address, table=name)), snapshot, plan, (table, *below))

    def _opened(
        self, spark: SparkSession, login: PostgresLogin, snapshot: ExportedSnapshot, plan: ReadingPlan, tables: Sequence[CatalogTable]
    ) -> OpenedTable:
        table = tables[0]
        columns = [(column, self.types(column.type, column.name)) for column in table.columns]
        readable = [
            ReadColumn(column.name, column.type, coercion) for column, coercion in columns if column.readable and not coercion.refused
        ]
        try:
            rows = read_rows(spark, login, snapshot, plan, readable)
        except SPARK_FAILURES as exc:
            raise translate_spark_error(exc, str(login.address)) from None
        rows = rows.select(*(_named(column) for column in readable))
        names = {column.name for column in readable}
        blockers = _blockers(login.address, moving_parts(snapshot, table))
        return OpenedTable(
            uri=str(login.address),
            rows=_with_unread(rows, [column.name for column, _ in columns], names),
            text_columns=frozenset(one.name for one in readable if one.coercion.spark == "string" and _root(one.native).name in _PARSED),
            primary_key=table.primary_key if set(table.primary_key) <= names else (),
            partition_columns=table.partition_columns if set(table.partition_columns) <= names else (),
            pin=f"{snapshot.pin}; {plan.reason}",
            pinned=not blockers,
            identity=f"{snapshot.server.identity}/{table.oid} {snapshot.visible}",
            bytes=sum(one.bytes for one in tables) or None,
            dear=True,
            findings=(*snapshot.server.findings(login.address.host), *_column_findings(columns, snapshot.server.role, table)),
            blockers=blockers,
            complete=lambda read: _complete(snapshot, plan, login.address, read),
            still_holds=lambda: _still_holds(snapshot, login.address),
        )


def _described(snapshot: ExportedSnapshot, name: TableName) -> tuple[CatalogTable, tuple[CatalogTable, ...]]:
    tables = describe_tables(snapshot.connection, [name])
    table = next(one for one in tables if one.name == name)
    if not table.populated:
        raise InputError(
            f"The materialized view {name} was never filled.", object=str(name), hint=f"Run REFRESH MATERIALIZED VIEW {name.sql}."
        )
    return table, tuple(one for one in tables if one.name != name)


def _named(column: ReadColumn) -> Column:
    """Padding of `char(n)` is known for what it is by the mark that Spark's own tables have."""
    native, named = _root(column.native), F.col(_quoted(column.name))
    if native.name != "bpchar" or native.length is None:
        return named
    return named.alias(column.name, metadata={"__CHAR_VARCHAR_TYPE_STRING": f"char({native.length})"})


def _with_unread(rows: DataFrame, names: Sequence[str], read: set[str]) -> DataFrame:
    """A column that is not read stands in its place with a type that no comparison takes for proof."""
    if len(names) == len(read):
        return rows
    unread = F.lit(None).cast("interval")
    return rows.select(*(F.col(_quoted(name)) if name in read else unread.alias(name) for name in names))


def _quoted(name: str) -> str:
    return quote_identifier("spark", name)


def _column_findings(columns: Sequence[tuple[CatalogColumn, Coercion]], role: str, table: CatalogTable) -> list[Finding]:
    found = []
    for column, coercion in columns:
        if not column.readable:
            text = f"{column.name}: the role {role} may not read it; let its owner run GRANT SELECT ON {table.name.sql} TO {role}."
            found.append(_finding("unreadable_column", "MEDIUM", column.name, text))
        elif coercion.refused:
            text = f"{column.name}: {coercion.native} is not read. {coercion.reason} {coercion.remedy or ''}".strip()
            found.append(_finding("refused_type", "MEDIUM", column.name, text))
        elif coercion.question:
            text = f"{column.name}: {coercion.native} is read as {coercion.spark}. {coercion.reason}"
            found.append(_finding("read_as_text", "INFO", column.name, text))
    return found


def _finding(name: str, severity: str, column: str, text: str) -> Finding:
    return Finding.model_validate({"class": name, "severity": severity, "column": column, "text": text})


def _blockers(address: PostgresAddress, moving: Sequence[str]) -> tuple[Reason, ...]:
    if not moving:
        return ()
    text = f"{address}: two queries of one snapshot may differ, because of {', '.join(moving)}. Compare the tables behind it, or a copy."
    return (Reason(code="unpinned_source", text=text),)


def _complete(snapshot: ExportedSnapshot, plan: ReadingPlan, address: PostgresAddress, read: int) -> tuple[Reason, ...]:
    try:
        there = snapshot.count(plan.relation)
    except TransientConnectorError:  # _still_holds tells
        return ()
    if read == there:
        return ()
    return (Reason(code="row_count", text=f"{address}: {read:,} rows were read, but the snapshot holds {there:,}."),)


def _still_holds(snapshot: ExportedSnapshot, address: PostgresAddress) -> tuple[Reason, ...]:
    if snapshot.is_alive():
        return ()
    text = f"{address}: the connection that held the snapshot {snapshot.visible} has ended, and with it the proof. Run again."
    return (Reason(code="snapshot_lost", text=text),)


def _root(native: NativeType) -> NativeType:
    while native.base is not None:
        native = native.base
    return native


def _whole(options: Mapping[str, str], name: str) -> int | None:
    if name not in options:
        return None
    text = options[name]
    if not (text.isascii() and text.isdigit()):
        raise ConfigError(f"Option {name}: {text!r} is no whole number.", object=name, hint=f"Write {name}=1000, or leave it out.")
    return int(text)


def _keep(opened: ExitStack[Any]) -> None:
    _open.append(opened)
    if len(_open) > _MOST_OPEN:
        _open.popleft().close()


def _close_all() -> None:
    while _open:
        _open.popleft().close()


atexit.register(_close_all)
