"""Proof, from the server itself, that a session cannot write, which server it is, and what the role could do elsewhere."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from connectors.postgres_address import TableName
from connectors.postgres_errors import translate_postgres_error
from schemas.errors import ConnectorError
from schemas.verdict import Finding

if TYPE_CHECKING:
    import psycopg

__all__ = ["ServerProof", "TableRights", "prove_read_only"]

_SHOWN = 5

_SERVER = """
SELECT current_setting('transaction_read_only'), current_setting('default_transaction_read_only'), current_setting('row_security'),
       current_user::text, role.rolsuper, role.rolbypassrls,
       current_setting('server_version'), current_setting('server_version_num')::int, pg_is_in_recovery(),
       database.oid::bigint, database.datname::text, pg_encoding_to_char(database.encoding)::text,
       (SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid() AND ssl),
       has_function_privilege('pg_control_system()', 'EXECUTE'), extract(epoch FROM pg_postmaster_start_time())::text
FROM pg_database AS database, pg_roles AS role
WHERE database.datname = current_database() AND role.rolname = current_user
"""

# A role that is only a member, without inheriting, can still take the rights by SET ROLE: so every role is asked that it can become.
_RIGHTS = """
SELECT space.nspname::text, class.relname::text, class.relrowsecurity, class.relforcerowsecurity,
       bool_or(has_any_column_privilege(role.oid, class.oid, 'INSERT')), bool_or(has_any_column_privilege(role.oid, class.oid, 'UPDATE')),
       bool_or(has_table_privilege(role.oid, class.oid, 'DELETE')), bool_or(has_table_privilege(role.oid, class.oid, 'TRUNCATE')),
       bool_or(role.oid = class.relowner), row_security_active(class.oid),
       has_table_privilege(class.oid, 'SELECT') OR has_any_column_privilege(class.oid, 'SELECT')
FROM unnest(%s::text[], %s::text[]) AS wanted(space, name)
JOIN pg_namespace AS space ON space.nspname = wanted.space
JOIN pg_class AS class ON class.relnamespace = space.oid AND class.relname = wanted.name
JOIN pg_roles AS role ON pg_has_role(current_user, role.oid, 'MEMBER')
GROUP BY space.nspname, class.relname, class.oid, class.relrowsecurity, class.relforcerowsecurity
ORDER BY 1, 2
"""


@dataclass(frozen=True)
class TableRights:
    """What the role, or one it can become, may do with a table.

    Attributes:
        inserts, updates, deletes, truncates: rights to write, on the table or some of its columns.
        owns: may also alter and drop it.
        selects: may read it, or some of its columns.
        row_security: policies exist and are on.
        row_security_forced: for the owner too.
        row_security_active: they would hide rows from this role.
    """

    table: TableName
    inserts: bool
    updates: bool
    deletes: bool
    truncates: bool
    owns: bool
    selects: bool
    row_security: bool
    row_security_forced: bool
    row_security_active: bool

    @property
    def writes(self) -> tuple[str, ...]:
        """Names of the rights to write, in the words of GRANT."""
        rights = (("INSERT", self.inserts), ("UPDATE", self.updates), ("DELETE", self.deletes), ("TRUNCATE", self.truncates))
        return (*(name for name, given in rights if given), *(("ownership",) if self.owns else ()))


@dataclass(frozen=True)
class ServerProof:
    """What the server said about itself and the session, before anything was read.

    Attributes:
        transaction_read_only, default_transaction_read_only: that the session cannot write.
        row_security_off: rows that policies would hide are an error.
        role: that reads; `superuser` and `bypasses_row_security` are its attributes.
        version, version_number: `16.14`, 160014.
        in_recovery: it is a standby.
        system_identifier: of the cluster; None when the role may not ask.
        database, database_oid: which with the cluster name the database for good.
        encoding: of the database.
        tls: the version of TLS, or None for a connection in the clear.
        started: when the server was; a database that was set back to an earlier state is one that started later.
        tables: rights on each table that exists, sorted.
    """

    transaction_read_only: bool
    default_transaction_read_only: bool
    row_security_off: bool
    role: str
    superuser: bool
    bypasses_row_security: bool
    version: str
    version_number: int
    in_recovery: bool
    system_identifier: str | None
    database: str
    database_oid: int
    encoding: str
    tls: str | None
    started: str
    tables: tuple[TableRights, ...] = ()

    @property
    def identity(self) -> str:
        """Text that two databases share only if they are the same one, as far as the role may know."""
        return f"postgres {self.system_identifier or 'unknown'}/{self.database_oid}/{self.database}"

    def findings(self, host: str) -> tuple[Finding, ...]:
        """Return what a person should know: a role that could write, a connection that others could read.

        Args:
            host: that was connected to; on this machine nobody listens in.
        """
        found = []
        writable = [(str(rights.table), rights.writes) for rights in self.tables if rights.writes]
        if self.superuser:
            text = f"The role {self.role} is a superuser: only the session's own settings keep it from writing."
            found.append(_finding("role_can_write", "MEDIUM", f"{text} Read as a role with SELECT alone."))
        elif writable:
            named = "; ".join(f"{table} ({', '.join(rights)})" for table, rights in writable[:_SHOWN])
            more = f" and {len(writable) - _SHOWN} more tables" if len(writable) > _SHOWN else ""
            text = f"The role {self.role} could write: {named}{more}. Sessions of Parity are read-only; read as a role with SELECT alone."
            found.append(_finding("role_can_write", "MEDIUM", text))
        if self.tls is None and not _is_this_machine(host):
            text = f"The connection to {host} is not encrypted; the option sslmode=verify-full asks for a server that proves who it is."
            found.append(_finding("unencrypted_connection", "MEDIUM", text))
        return tuple(found)


def prove_read_only(connection: psycopg.Connection[Any], tables: Sequence[TableName] = ()) -> ServerProof:
    """Return what the server says of a session and a role; one that could write in this session is refused.

    Args:
        connection: of `connect`; inside a transaction, that one is looked at.
        tables: whose rights are asked for; those that do not exist are left out.

    Raises:
        ConnectorError: the session is not read-only, or row security is not off.
        TransientConnectorError: the connection was lost.
    """
    import psycopg

    try:
        row = _one(connection, _SERVER)
        control = _one(connection, "SELECT system_identifier::text FROM pg_control_system()") if row[13] else (None,)
        rights = connection.execute(_RIGHTS, [[table.schema for table in tables], [table.name for table in tables]]).fetchall()
    except psycopg.Error as exc:
        raise translate_postgres_error(exc, "PostgreSQL") from None
    proof = ServerProof(
        transaction_read_only=row[0] == "on",
        default_transaction_read_only=row[1] == "on",
        row_security_off=row[2] == "off",
        role=row[3],
        superuser=row[4],
        bypasses_row_security=row[5],
        version=row[6],
        version_number=row[7],
        in_recovery=row[8],
        database_oid=row[9],
        database=row[10],
        encoding=row[11],
        tls=row[12],
        started=row[14],
        system_identifier=control[0],
        tables=tuple(_rights(found) for found in rights),
    )
    for setting, holds in (
        ("transaction_read_only", proof.transaction_read_only),
        ("default_transaction_read_only", proof.default_transaction_read_only),
        ("row_security = off", proof.row_security_off),
    ):
        if not holds:
            raise ConnectorError(
                f"PostgreSQL: the session does not have {setting}, as it was asked for.",
                object=setting,
                hint="Something between Parity and the server changes settings: connect past the pooler.",
            )
    return proof


def _rights(row: Sequence[Any]) -> TableRights:
    return TableRights(
        table=TableName(row[0], row[1]),
        row_security=row[2],
        row_security_forced=row[3],
        inserts=row[4],
        updates=row[5],
        deletes=row[6],
        truncates=row[7],
        owns=row[8],
        row_security_active=row[9],
        selects=row[10],
    )


def _one(connection: psycopg.Connection[Any], query: str) -> Sequence[Any]:
    row: Sequence[Any] | None = connection.execute(query).fetchone()
    if row is None:
        raise ConnectorError("PostgreSQL: the server does not describe its own database and role.", object="pg_database")
    return row


def _finding(name: str, severity: str, text: str) -> Finding:
    return Finding.model_validate({"class": name, "severity": severity, "text": text})


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
