"""`postgres://user@host:port/db?table=schema.table` to its parts."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, unquote

from connectors.credentials import refuse_secrets
from engine.portable_sql import quote_identifier
from schemas.errors import ConfigError

__all__ = ["PostgresAddress", "TableName", "parse_address", "parse_table_name"]

_FORM = "Write postgres://user@host:5432/database?table=schema.table."
_DEFAULT_PORT = 5432
_URI = re.compile(
    r"(?:postgres(?:ql)?:)?//(?:(?P<user>[^@/?#]*)@)?(?P<host>\[[0-9A-Fa-f:.%]+\]|[^:/?#@\[\]]*)(?::(?P<port>[^/?#]*))?"
    r"(?:/(?P<database>[^/?#]*))?(?:\?(?P<query>[^#]*))?"
)
_PART = re.compile(r'"((?:[^"]|"")+)"|([^".]+)')


@dataclass(frozen=True, order=True)
class TableName:
    """A schema and a name, exactly as the catalog has them."""

    schema: str
    name: str

    @property
    def sql(self) -> str:
        """Quoted for PostgreSQL."""
        return f"{quote_identifier('postgres', self.schema)}.{quote_identifier('postgres', self.name)}"

    def __str__(self) -> str:
        """For people: plain where no reader can mistake it, else quoted."""
        return ".".join(
            part if re.fullmatch(r"[^\s\".]+", part) else quote_identifier("postgres", part) for part in (self.schema, self.name)
        )


@dataclass(frozen=True)
class PostgresAddress:
    """A database and the role that reads it; holds no secret.

    Attributes:
        table: which the URI names, or None.
    """

    host: str
    port: int
    database: str
    user: str
    table: TableName | None = None

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        table = f"?table={quote(str(self.table), safe='')}" if self.table else ""
        return f"postgres://{quote(self.user, safe='')}@{host}:{self.port}/{quote(self.database, safe='')}{table}"

    @property
    def jdbc_url(self) -> str:
        """For Spark: where, and nothing else."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"jdbc:postgresql://{host}:{self.port}/{quote(self.database, safe='')}"


def parse_address(uri: str, side: str = "source") -> PostgresAddress:
    """Return the parts of a PostgreSQL URI; percent-encoding is resolved. Without a user, PGUSER names it.

    Raises:
        ConfigError: a secret in it, a part missing or of the wrong form, a parameter other than `table`.

    >>> parse_address("postgres://reader@db.example:5433/shop?table=public.orders").table
    TableName(schema='public', name='orders')
    """
    refuse_secrets(uri, side)
    match = _URI.fullmatch(uri)
    if match is None:
        raise ConfigError(f"{side}: {uri} is not the address of a PostgreSQL database.", object=uri, hint=_FORM)
    user = unquote(match.group("user") or "") or os.environ.get("PGUSER", "")
    missing = [part for part, there in (("user", user), ("host", match.group("host")), ("database", match.group("database"))) if not there]
    if missing:
        raise ConfigError(f"{side}: {uri} names no {' and no '.join(missing)}.", object=uri, hint=_FORM)
    port = match.group("port") or str(_DEFAULT_PORT)
    if not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise ConfigError(f"{side}: {port!r} is no port.", object=uri, hint=_FORM)
    host = match.group("host").strip("[]")
    if host.startswith(("%2F", "%2f")) or "," in host:
        raise ConfigError(f"{side}: {uri} names a socket or several hosts; Spark reaches one host by TCP only.", object=uri, hint=_FORM)
    return PostgresAddress(host, int(port), unquote(match.group("database")), user, _table(match.group("query") or "", uri, side))


def parse_table_name(text: str, where: str) -> TableName:
    """Return `schema.table`; a part with dots, blanks or quotes stands in double quotes. Letters are never folded.

    Raises:
        ConfigError: not exactly two parts.

    >>> parse_table_name('public."My.Orders"', "source")
    TableName(schema='public', name='My.Orders')
    """
    parts: list[str] = []
    position = 0
    while match := _PART.match(text, position):
        quoted, plain = match.groups()
        parts.append(plain if quoted is None else quoted.replace('""', '"'))
        position = match.end()
        if position == len(text) or text[position] != ".":
            break
        position += 1
    if position != len(text) or len(parts) != 2:
        raise ConfigError(
            f"{where}: {text!r} is no table name of a schema and a table.",
            object=text,
            hint='Write schema.table, such as public.orders; a part with dots, blanks or quotes as "My ""odd"" table".',
        )
    return TableName(parts[0], parts[1])


def _table(query: str, uri: str, side: str) -> TableName | None:
    parameters = parse_qsl(query.replace("+", "%2B"), keep_blank_values=True)  # a plus sign is a letter of a name here
    for name, _ in parameters:
        if name != "table":
            raise ConfigError(
                f"{side}: the postgres: URI has the parameter {name}.",
                object=name,
                hint=f"Only table stands in the URI; everything else is an option: --{side}-options {name}=…",
            )
    if len(parameters) > 1:
        raise ConfigError(f"{side}: the postgres: URI names several tables.", object=uri, hint=_FORM)
    return parse_table_name(parameters[0][1], side) if parameters else None
