"""A PostgreSQL address to connections that can only read: psycopg's own, and the properties of those that Spark opens."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from connectors.options import check_names, choice
from connectors.postgres_address import PostgresAddress
from connectors.postgres_errors import translate_postgres_error
from connectors.postgres_password import Password, find_password
from schemas.coercion import READ_SETTINGS
from schemas.errors import ConfigError, ConnectorError, MissingExtraError

if TYPE_CHECKING:
    import psycopg

__all__ = [
    "CONNECTION_OPTIONS",
    "ConnectionSettings",
    "PostgresLogin",
    "connect",
    "connection_settings",
    "jdbc_properties",
    "jdbc_url",
    "log_in",
]

CONNECTION_OPTIONS = ("connect_timeout", "lock_timeout", "password_secret", "sslmode", "sslrootcert", "statement_timeout")
"""What a user may say about connections."""

SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_OLDEST_SERVER = 140000
_SYSTEM_CERTIFICATES = "system"
_DURATION = re.compile(r"(\d{1,9})(ms|s|min|h)?")
_UNITS_MS = {"ms": 1, "s": 1000, "min": 60_000, "h": 3_600_000}

# What an answer depends on, and what keeps a session from writing or from being ended while it only waits.
SESSION_SETTINGS: Mapping[str, str] = {
    "default_transaction_read_only": "on",
    "row_security": "off",
    **READ_SETTINGS,
    "idle_in_transaction_session_timeout": "0",
    "idle_session_timeout": "0",
}


@dataclass(frozen=True)
class ConnectionSettings:
    """How connections are made; the same for psycopg and for Spark.

    Attributes:
        sslmode: as libpq names them, `disable` to `verify-full`.
        sslrootcert: a file of certificates that are trusted; `system` for those of the machine; None: ~/.postgresql/root.crt, if any.
        password_secret: `env://NAME` or `file:///path`; None: PGPASSWORD, then ~/.pgpass.
        statement_timeout_ms, lock_timeout_ms: of the server, 0 for no limit.
        connect_timeout_s: until a connection is there, at least 2 (what libpq makes of less).
        application_name: as the server's own views show it.
    """

    sslmode: str = "prefer"
    sslrootcert: str | None = None
    password_secret: str | None = None
    statement_timeout_ms: int = 0
    lock_timeout_ms: int = 30_000
    connect_timeout_s: int = 15
    application_name: str = "parity"

    def server_options(self) -> str:
        """Return the settings a session starts with, as the start-up parameter `options` takes them."""
        settings = {
            **SESSION_SETTINGS,
            "statement_timeout": f"{self.statement_timeout_ms}ms",
            "lock_timeout": f"{self.lock_timeout_ms}ms",
        }
        return " ".join(f"-c {name}={_escaped(value)}" for name, value in settings.items())


@dataclass(frozen=True)
class PostgresLogin:
    """All that is needed to connect; `repr` shows no password.

    Attributes:
        ignored_password_file: why ~/.pgpass was left aside, or None.
    """

    address: PostgresAddress
    settings: ConnectionSettings
    password: Password | None
    ignored_password_file: str | None = None


def connection_settings(options: Mapping[str, str], where: str, environment: Mapping[str, str] | None = None) -> ConnectionSettings:
    """Return the settings that options give; PGSSLMODE and PGSSLROOTCERT count where an option is absent.

    Args:
        options: some of CONNECTION_OPTIONS.
        where: what is opened, for errors.

    Raises:
        ConfigError: an unknown option, or a value it cannot have.
    """
    check_names(options, CONNECTION_OPTIONS, where)
    variables = os.environ if environment is None else environment
    sslmode = choice({"sslmode": variables.get("PGSSLMODE", "prefer"), **options}, "sslmode", SSL_MODES, "prefer") or "prefer"
    sslrootcert = options.get("sslrootcert", variables.get("PGSSLROOTCERT")) or None
    if sslrootcert not in (None, _SYSTEM_CERTIFICATES) and not os.path.isfile(str(sslrootcert)):
        raise ConfigError(
            f"Option sslrootcert: there is no file {sslrootcert}.",
            object="sslrootcert",
            hint="Give a file of trusted certificates, or system for those of this machine.",
        )
    if sslrootcert == _SYSTEM_CERTIFICATES and sslmode != "verify-full":
        raise ConfigError(
            f"Option sslrootcert=system does not go with sslmode={sslmode}.",
            object="sslrootcert",
            hint="With the machine's certificates anybody's server is trusted unless its name is checked: sslmode=verify-full.",
        )
    return ConnectionSettings(
        sslmode=sslmode,
        sslrootcert=sslrootcert,
        password_secret=options.get("password_secret"),
        statement_timeout_ms=_milliseconds(options, "statement_timeout", "0"),
        lock_timeout_ms=_milliseconds(options, "lock_timeout", "30s"),
        connect_timeout_s=max(2, -(-_milliseconds(options, "connect_timeout", "15s") // 1000)),
    )


def log_in(address: PostgresAddress, settings: ConnectionSettings, environment: Mapping[str, str] | None = None) -> PostgresLogin:
    """Return an address with the password its role needs, looked for once so that psycopg and Spark use the same.

    Raises:
        ConfigError: the password reference names nothing.
    """
    found = find_password(
        address.host, address.port, address.database, address.user, reference=settings.password_secret, environment=environment
    )
    return PostgresLogin(address, settings, found.password, found.ignored)


@contextmanager
def connect(login: PostgresLogin) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """Open a connection that can only read, outside any transaction, and close it at the end.

    Raises:
        MissingExtraError: psycopg is not installed.
        TransientConnectorError: nobody answers, or the server is starting, stopping or full.
        ConnectorError: the server refuses the role or the kind of connection, is too old, or dropped a setting of ours.
    """
    try:
        import psycopg
    except ImportError:
        raise MissingExtraError("postgres", "psycopg", "Reading PostgreSQL") from None
    where = str(login.address)
    refused = None
    try:
        connection = psycopg.connect(**_libpq_parameters(login), autocommit=True)
    except psycopg.Error as exc:
        refused = translate_postgres_error(exc, where, login.ignored_password_file)
    if refused is not None:  # raised here, so that the driver's error, which holds the password, does not hang behind it
        raise refused
    try:
        connection.prepare_threshold = None  # a prepared statement is kept by name on the server, and a pooler loses it
        _check_session(connection, where)
        yield connection
    finally:
        connection.close()


def jdbc_url(login: PostgresLogin) -> str:
    """Return the address for Spark, with every property whose name has capitals: Spark passes names on in small letters."""
    settings = login.settings
    properties = {
        "ApplicationName": settings.application_name,
        "connectTimeout": str(settings.connect_timeout_s),
        "loginTimeout": str(settings.connect_timeout_s),
        "tcpKeepAlive": "true",
        "readOnly": "true",
        "logServerErrorDetail": "false",  # values of rows stand in it
    }
    return f"{login.address.jdbc_url}?{urlencode(properties, quote_via=quote)}"


def jdbc_properties(login: PostgresLogin) -> dict[str, str]:
    """Return the properties of the connections that Spark opens; the password is among them, under the name that Spark redacts."""
    settings = login.settings
    properties = {
        "driver": "org.postgresql.Driver",
        "user": login.address.user,
        "sslmode": settings.sslmode,
        "options": settings.server_options(),
    }
    if settings.sslrootcert == _SYSTEM_CERTIFICATES:
        properties["sslfactory"] = "org.postgresql.ssl.DefaultJavaSSLFactory"
    elif settings.sslrootcert:
        properties["sslrootcert"] = settings.sslrootcert
    if login.password is not None:
        properties["password"] = login.password.reveal()
    return properties


def _libpq_parameters(login: PostgresLogin) -> dict[str, Any]:
    """Every parameter that libpq would else take from its environment and that Spark's driver would not."""
    address, settings = login.address, login.settings
    parameters: dict[str, Any] = {
        "host": address.host,
        "port": address.port,
        "dbname": address.database,
        "user": address.user,
        "sslmode": settings.sslmode,
        "application_name": settings.application_name,
        "options": settings.server_options(),
        "connect_timeout": settings.connect_timeout_s,
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 6,
        "client_encoding": "UTF8",
        "target_session_attrs": "any",
        "hostaddr": "",
    }
    if login.password is not None:
        parameters["password"] = login.password.reveal()
    if settings.sslrootcert:
        parameters["sslrootcert"] = settings.sslrootcert
    return parameters


def _check_session(connection: psycopg.Connection[tuple[object, ...]], where: str) -> None:
    """A pooler between us and the server may drop start-up settings without a word."""
    found = connection.info.server_version
    if found < _OLDEST_SERVER:
        raise ConnectorError(
            f"{where}: the server is PostgreSQL {found // 10000}; Parity reads 14 and later.",
            object=where,
            hint="Compare a copy, such as a restored dump in a newer server.",
        )
    row = connection.execute("SELECT name, setting FROM pg_catalog.pg_settings WHERE name = ANY(%s)", [[*SESSION_SETTINGS]]).fetchall()
    settings = {str(name): str(value) for name, value in row}
    for name, wanted in SESSION_SETTINGS.items():
        if settings.get(name) != wanted:
            raise ConnectorError(
                f"{where}: the session has {name} = {settings.get(name)}, not {wanted}, as it was asked for.",
                object=name,
                hint="Something between Parity and the server drops start-up settings: connect past the pooler.",
            )


def _milliseconds(options: Mapping[str, str], name: str, default: str) -> int:
    text = options.get(name, default)
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ConfigError(f"Option {name}: {text!r} is no duration.", object=name, hint=f"Write {name}=30s (ms, s, min, h; 0: no limit).")
    milliseconds = int(match.group(1)) * _UNITS_MS[match.group(2) or "s"]
    if milliseconds >= 2**31:
        raise ConfigError(f"Option {name}: {text} is longer than the server can count.", object=name, hint="Write 0 for no limit.")
    return milliseconds


def _escaped(value: str) -> str:
    return re.sub(r"([\\\s])", r"\\\1", value)
