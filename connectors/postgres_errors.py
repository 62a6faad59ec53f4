"""What PostgreSQL and its drivers report to errors a person can act on."""

from __future__ import annotations

import re
from dataclasses import dataclass

from connectors.postgres_address import TableName
from engine.portable_sql import quote_identifier
from schemas.errors import ConnectorError, EngineError, InputError, MissingTableError, ParityError, TransientConnectorError

__all__ = [
    "HiddenRowsError",
    "OffSnapshotError",
    "UnheldValueError",
    "postgres_condition",
    "translate_postgres_error",
    "translate_reader_error",
]

OFF_SNAPSHOT = "parity: this reader is not on the snapshot"
"""How the text begins that a reader's query fails with when it is not where it must be."""

_LOST = ("08", "57P01", "57P02", "57P03", "57P05", "53300", "40001", "40P01", "58000", "58030")
_STARTING_OVER = "Run again: a new snapshot is taken and everything is read from the start."
_TABLE = re.compile(r'(?:table|relation|view|foreign table|materialized view|sequence) "?((?:[^"]|"")+?)"?(?:$|\n| does| was)')
_SQLSTATE = re.compile(r"SQLState: ([0-9A-Z]{5})|SQLSTATE[: ]+([0-9A-Z]{5})")
_SNAPSHOT_GONE = re.compile(r"invalid snapshot identifier|snapshot .* does not exist|could not import the requested snapshot")
_SAID = re.compile(r"(?:FATAL|ERROR|PANIC): +([^\n]*)")
_SERVER_LINE = re.compile(r"(?:PSQLException|org\.postgresql\.util\.\w+): (?:ERROR|FATAL|PANIC)?:? ?([^\n]*)")
_AS_TEXT = "Read that column as text (a rule of the plan), exclude it, or mend the value."
_NO_FOLDER = "Take that column out of partition_by in the plan, or mend the value."
_RAISED = re.compile(r"parity: (column .*? cannot hold exactly)", re.DOTALL)
# What read forms end with where a value has no equal (schemas.coercion.READ_SQL).
_VALUES = (
    (
        r"infinit|year (?:-?Infinity|\d)|timestamp out of range|bigint out of range",
        "infinity, or a time beyond what 64 bits of microseconds hold",
    ),
    (r"Bad value for type BigDecimal", "NaN or infinity, which no decimal holds"),
    (r"invalid byte sequence for encoding|has no equivalent in encoding", "text that is no text in the encoding of the database"),
    (r'type integer: "array \[', "an array of another shape than one dimension that begins at 1"),
)
_ACCESS = ("28000", "28P01")
# What a server says while it refuses a connection, and all that reaches Spark, comes as text alone.
_REFUSALS = (
    (r"password authentication failed|no password supplied|server requested SCRAM", "28P01"),
    (r"no pg_hba\.conf entry|role \"[^\n]*\" does not exist|is not permitted to log in|authentication failed for user", "28000"),
    (r"database \"[^\n]*\" does not exist", "3D000"),
    (r"too many (?:clients|connections)|remaining connection slots", "53300"),
    (r"the database system is", "57P03"),
    (r"permission denied for", "42501"),
    (r"due to statement timeout", "57014"),
    (r"due to lock timeout", "55P03"),
    (r"due to conflict with recovery|could not serialize access", "40001"),
    (r"deadlock detected", "40P01"),
    (r"(?:relation|view|table) \"[^\n]*\" does not exist", "42P01"),
)
_UNREACHED = re.compile(
    r"Connection to [^\n]* refused|connection attempt failed|could not (?:connect|receive|send)|server closed the connection"
    r"|terminating connection|the database system is (?:starting up|shutting down|in recovery)|I/O error occurred"
    r"|connection (?:is lost|to server|timeout|has been closed|is closed)|Connection refused|Connection reset|Broken pipe|timeout expired"
    r"|could not translate host name|failed to resolve host|SSL SYSCALL error|EOF detected|Connection timed out|Read timed out",
    re.IGNORECASE,
)


class HiddenRowsError(ConnectorError):
    """Row-level security would have hidden rows from this role."""

    code = "row_security"


class UnheldValueError(ConnectorError):
    """A column holds a value that the type it is read as cannot hold exactly."""

    code = "unheld_value"


class OffSnapshotError(EngineError):
    """A reader was not on the snapshot that everything is read from, so what it read proves nothing."""

    code = "off_snapshot"


def postgres_condition(exc: BaseException) -> str | None:
    """Return the SQLSTATE of an error of psycopg, or of one that Spark passes on as text; None when there is none."""
    state = getattr(exc, "sqlstate", None)
    if isinstance(state, str):
        return state
    text = str(exc)
    if match := _SQLSTATE.search(text):
        return match.group(1) or match.group(2)
    return next((state for pattern, state in _REFUSALS if re.search(pattern, text)), None)


def translate_postgres_error(
    exc: BaseException, where: str, note: str | None = None, *, table: TableName | None = None, role: str | None = None
) -> ParityError:
    """Return what to raise instead of an error of psycopg: what, where, what to do; no values of rows.

    Args:
        where: the database or table that was asked.
        note: what else may be the reason, such as a password file that was left aside.
        table: that was asked for; None: as the server names it.
        role: that asked.

    Returns:
        TransientConnectorError where starting over may help; HiddenRowsError for row security; MissingTableError (2) for
        a name that does not exist; ConnectorError else.
    """
    if isinstance(exc, ParityError):
        return exc
    state = postgres_condition(exc)
    primary = str(getattr(getattr(exc, "diag", None), "message_primary", None) or str(exc).strip().split("\n")[0])
    said = _SAID.search(primary)
    told = said.group(1) if said else primary
    return _translated(_Told(state, told, str(exc), where, note, table.sql if table else _named(told) or where, _role_sql(role)))


def translate_reader_error(exc: BaseException, where: str) -> ParityError | None:
    """Return what to raise instead of an error of Spark that came from PostgreSQL's driver; None when it did not.

    Args:
        exc: what an action of Spark raised.
        where: the table that was read.
    """
    if isinstance(exc, ParityError):
        return exc
    text = f"{type(exc).__name__}: {exc}"
    if raised := _RAISED.search(text):
        hint = _NO_FOLDER if "partition_by" in raised.group(1) else _AS_TEXT
        return UnheldValueError(f"{where}: {raised.group(1)}.", object=where, hint=hint)
    if "org.postgresql" not in text and OFF_SNAPSHOT not in text:
        return None
    line = _SERVER_LINE.search(text)
    told = line.group(1) if line else ""
    return _translated(_Told(postgres_condition(exc), told, text, where, None, _named(told) or where, _role_sql(None)))


@dataclass(frozen=True)
class _Told:
    """What is known of an error; `table` and `role` as they stand in a statement that mends it."""

    state: str | None
    primary: str
    text: str
    where: str
    note: str | None
    table: str
    role: str


def _translated(told: _Told) -> ParityError:
    state, primary, text, where = told.state, told.primary, told.text, told.where
    if OFF_SNAPSHOT in text:
        return OffSnapshotError(
            f"{where}: a reader was not on the exported snapshot, so the query ended itself.",
            object=where,
            hint="Something between Spark and the server changes sessions: connect past the pooler.",
        )
    if "row-level security" in primary or "row-level security" in text:
        return HiddenRowsError(
            f"{where}: row-level security on {told.table} would hide rows from this role, so the server refused the query.",
            object=told.table,
            hint=f"Let an administrator run ALTER ROLE {told.role} BYPASSRLS; or read as a role that its policies do not apply to.",
        )
    if _SNAPSHOT_GONE.search(primary):
        return TransientConnectorError(
            f"{where}: the exported snapshot is gone: the connection that held it has ended.", object=where, hint=_STARTING_OVER
        )
    if state in _ACCESS:
        why = f" {told.note}." if told.note else ""
        hint = "The password comes from the option password_secret (env://NAME, file:///path), PGPASSWORD or ~/.pgpass, in this order."
        if "no encryption" in text:
            hint = "It may take encrypted connections only: set PGSSLMODE, or the option sslmode, to require or verify-full."
        elif "no pg_hba.conf entry" in text:
            hint = "Its pg_hba.conf allows no such connection: ask its administrator for an entry for this role, database and address."
        return ConnectorError(f"{where}: the server refused the role: {primary}.{why}", object=where, hint=hint)
    if state is None and _is_tls(text):
        return ConnectorError(
            f"{where}: no connection that sslmode allows: {_tls_reason(text)}.",
            object=where,
            hint="Check the options sslmode and sslrootcert against what the server offers.",
        )
    if (state or "").startswith(_LOST) or (state is None and _UNREACHED.search(text)):
        named = f" ({state})" if state else ""
        return TransientConnectorError(
            f"{where}: the connection to the server was lost or refused{named}.",
            object=where,
            hint=f"Is it up? {_STARTING_OVER}",
        )
    return _of_the_query(told)


def _of_the_query(told: _Told) -> ParityError:
    state, primary, where, table = told.state, told.primary, told.where, told.table
    named = f" ({state})" if state else ""
    if state == "3D000":
        return InputError(f"{where}: there is no such database.", object=where, hint="Check its spelling; letters are taken as written.")
    if state in ("42P01", "3F000"):
        return MissingTableError(f"{where}: {primary}.", object=table, hint="Check its spelling; letters are taken as written.")
    if state == "42501":
        return ConnectorError(
            f"{where}: {primary}.",
            object=table,
            hint=f"Let its owner run GRANT SELECT ON {table} TO {told.role}; and GRANT USAGE ON SCHEMA for its schema.",
        )
    if state == "57014":
        timed = "statement timeout" in primary
        return ConnectorError(
            f"{where}: the server ended a query{' after statement_timeout' if timed else ' on request'}.",
            object="statement_timeout" if timed else where,
            hint="Give it more time: option statement_timeout=30min (0: no limit)." if timed else "Run again.",
        )
    if state == "55P03":
        return TransientConnectorError(
            f"{where}: {table} is locked by another session for longer than lock_timeout.",
            object=table,
            hint="Run again when that session is done, or wait longer: option lock_timeout=5min.",
        )
    if state == "25006":
        return EngineError(f"{where}: the server refused an attempt to write in a read-only transaction.", object=where)
    for pattern, what in _VALUES:
        if re.search(pattern, primary):
            return UnheldValueError(f"{where}: a column holds {what}.", object=where, hint=_AS_TEXT)
    more = f": {primary}" if state and state.startswith(("42", "0A")) else f": {_without_values(primary)}" if state is None else ""
    return ConnectorError(
        f"{where}: the server could not answer a query{named}{more}.", object=where, hint="The server's log has the details."
    )


def _without_values(primary: str) -> str:
    """Other errors than those of names quote values of rows."""
    return re.sub(r'"(?:[^"]|"")*"|\'(?:[^\']|\'\')*\'', "…", primary)


def _role_sql(role: str | None) -> str:
    return quote_identifier("postgres", role) if role else "<role>"


def _named(primary: str) -> str | None:
    match = _TABLE.search(primary)
    return match.group(1) if match else None


def _is_tls(text: str) -> bool:
    return bool(re.search(r"SSL(?! SYSCALL)|certificate|root\.crt|TLS", text)) and "SSL SYSCALL" not in text


def _tls_reason(text: str) -> str:
    for pattern, reason in (
        (r"does not support SSL", "the server offers no TLS"),
        (r"does not match host name|hostname|verify-full", "the certificate is of another host"),
        (r"root certificate file|root\.crt", "there is no file of trusted certificates"),
        (r"certificate verify failed|self.signed|unable to get", "the certificate is not trusted"),
    ):
        if re.search(pattern, text, re.IGNORECASE):
            return reason
    return "TLS failed"
