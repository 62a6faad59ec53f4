# ruff: noqa: S608 -- the SQL of these tests is made of quoted names and constants
"""Addresses, passwords, TLS and session settings: what is accepted, what is refused, and that no password shows."""

from __future__ import annotations

import pickle
import sys
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from connectors.postgres_address import TableName, parse_address, parse_table_name
from connectors.postgres_connection import PostgresLogin, connect, connection_settings, jdbc_properties, jdbc_url, log_in
from connectors.postgres_password import Password, find_password, read_password_file
from jobs.jars import configuration
from schemas.errors import ConfigError, ConnectorError, InputError, MissingExtraError, TransientConnectorError
from tests.connectors.postgres_stage import PASSWORD, PostgresStage

ADDRESS = parse_address("postgres://reader@db.example:5433/shop")


@pytest.mark.parametrize(
    ("uri", "table"),
    [
        ("postgres://r@h/db?table=public.orders", TableName("public", "orders")),
        ("postgresql://r@h/db?table=Public.Orders", TableName("Public", "Orders")),
        ('postgres://r@h/db?table=public."My.Ord""ers"', TableName("public", 'My.Ord"ers')),
        ("postgres://r@h/db?table=a+b.%C3%A9%F0%9F%98%80", TableName("a+b", "é😀")),
        ("postgres://r@h/db", None),
    ],
)
def test_a_table_is_named_exactly(uri: str, table: TableName | None) -> None:
    parsed = parse_address(uri)

    assert parsed.table == table
    assert parse_address(str(parsed)) == parsed


def test_parts_are_decoded_and_written_back() -> None:
    parsed = parse_address("postgres://r%40corp@[::1]:6000/my%2Fdb")

    assert (parsed.user, parsed.host, parsed.port, parsed.database) == ("r@corp", "::1", 6000, "my/db")
    assert parsed.jdbc_url == "jdbc:postgresql://[::1]:6000/my%2Fdb"
    assert parse_address(str(parsed)) == parsed


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("postgres://r@h/db?table=orders", "schema"),
        ("postgres://r@h/db?table=a.b.c", "schema"),
        ('postgres://r@h/db?table=a."b', "schema"),
        ("postgres://r@h/db?sslmode=require", "--source-options sslmode"),
        ("postgres://r@h/db?table=a.b&table=a.c", "several"),
        ("postgres://r@h", "database"),
        ("postgres://r@/db", "host"),
        ("postgres://r@h:99999/db", "port"),
        ("postgres://r@h1,h2/db", "several hosts"),
        ("postgres://r@%2Fvar%2Frun/db", "socket"),
        ("postgres:h/db", "not the address"),
    ],
)
def test_an_address_that_cannot_be_reached_is_refused(uri: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        parse_address(uri)


def test_a_password_in_the_address_is_refused_and_not_repeated() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_address("postgres://me:hunter2@h/db")  # secret-scan: allow

    assert "hunter2" not in str(caught.value)  # secret-scan: allow
    assert "password_secret=env://NAME" in str(caught.value)


def test_the_user_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGUSER", "me")
    assert parse_address("postgres://h/db").user == "me"
    monkeypatch.delenv("PGUSER")
    with pytest.raises(ConfigError, match="no user"):
        parse_address("postgres://h/db")


def test_table_names_are_shown_as_they_can_be_written() -> None:
    for name in (TableName("public", "orders"), TableName("a.b", 'c"d e'), TableName("s", "ü😀")):
        assert parse_table_name(str(name), "test") == name


# Passwords


def test_a_password_shows_itself_to_nobody() -> None:
    login = log_in(ADDRESS, connection_settings({"password_secret": "env://P"}, "x", {}), {"P": PASSWORD})

    assert login.password is not None
    assert login.password.reveal() == PASSWORD
    for shown in (repr(login), str(login.password), f"{login.password}", repr(login.settings)):
        assert PASSWORD not in shown
    with pytest.raises(TypeError):
        pickle.dumps(login)


def test_the_places_of_a_password_are_asked_in_order(tmp_path: Path) -> None:
    file = tmp_path / "pass"
    file.write_text("*:*:*:*:from file\n", encoding="utf-8")
    file.chmod(0o600)
    secret = tmp_path / "secret"
    secret.write_text("from secret\n", encoding="utf-8")
    environment = {"PGPASSFILE": str(file), "PGPASSWORD": "from variable", "NAMED": "from name"}

    def found(reference: str | None = None, **environment: str) -> str | None:
        password = find_password("h", 1, "d", "u", reference=reference, environment=environment).password
        return password.reveal() if password else None

    assert found(**environment) == "from variable"
    assert found(PGPASSFILE=str(file)) == "from file"
    assert found("env://NAMED", **environment) == "from name"
    assert found(f"file://{secret}", **environment) == "from secret"
    assert found(HOME=str(tmp_path)) is None


@pytest.mark.parametrize("reference", ["hunter2", "env://", "env://NOT_SET", "file:///nowhere/at/all", "vault://a#b", "file://relative"])
def test_a_reference_that_names_nothing_is_refused_unrepeated(reference: str) -> None:
    with pytest.raises(ConfigError, match="env://NAME") as caught:
        find_password("h", 1, "d", "u", reference=reference, environment={})

    assert "hunter2" not in str(caught.value)


PASSWORD_LINES = [
    "db.example:5433:shop:reader:plain",
    "*:*:*:*:any",
    r"db.example:5433:shop:reader:with\:colon and\\backslash",
    "db.example:5433:shop:reader:a:b",
    "other:5433:shop:reader:no\n*:*:shop:*:second",
    "# db.example:5433:shop:reader:remark\n\ndb.example:*:*:reader:third",
    r"db\.example:5433:shop:reader:escaped host",
    "db.example:5433:shop:reader:\n*:*:*:*:after empty",
    "db.example:5433:shop\n*:*:*:*:after short",
    "db.example:5433:shop:reade:no",
    "*x:*:*:*:no",
    "db.example:5433:shop:reader: blanks kept ",
    "db.example:5433:shop:reader:ünï",
]


@pytest.mark.parametrize("lines", PASSWORD_LINES)
def test_a_password_file_is_read_as_libpq_reads_it(tmp_path: Path, lines: str) -> None:
    file = tmp_path / "pass"
    file.write_text(lines + "\n", encoding="utf-8")
    file.chmod(0o600)

    ours = read_password_file(file, "db.example", 5433, "shop", "reader")

    options = {"host": "db.example", "hostaddr": "127.0.0.1", "port": "5433", "dbname": "shop", "user": "reader", "passfile": str(file)}
    connection = psycopg.pq.PGconn.connect_start(" ".join(f"{name}='{value}'" for name, value in options.items()).encode())
    theirs = (connection.password or b"").decode()
    assert (ours.password.reveal() if ours.password else "") == theirs


def test_a_password_file_that_others_may_read_is_left_aside_and_the_refusal_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgres_stage: PostgresStage
) -> None:
    file = tmp_path / "pass"
    file.write_text(f"*:*:*:*:{PASSWORD}\n", encoding="utf-8")
    file.chmod(0o644)
    monkeypatch.setenv("PGPASSFILE", str(file))
    monkeypatch.delenv("PGPASSWORD", raising=False)

    with pytest.raises(ConnectorError, match="chmod 0600") as caught, connect(postgres_stage.login("locked")):
        pass

    assert PASSWORD not in str(caught.value)
    file.chmod(0o600)
    with connect(postgres_stage.login("locked")) as connection:
        assert connection.execute("SELECT current_user").fetchone() == ("locked",)


# Connections


def test_a_session_can_only_read_and_has_the_settings_answers_depend_on(postgres_stage: PostgresStage) -> None:
    schema = postgres_stage.fresh_schema()
    postgres_stage.run("CREATE TABLE t (i int); GRANT INSERT ON t TO reader; ALTER ROLE reader SET default_transaction_read_only = off")
    with connect(postgres_stage.login()) as connection:
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            connection.execute(f"INSERT INTO {schema}.t VALUES (1)".encode())
        shown = {name: connection.execute(f"SHOW {name}".encode()).fetchone() for name in ("row_security", "timezone", "intervalstyle")}
    assert shown == {"row_security": ("off",), "timezone": ("UTC",), "intervalstyle": ("postgres",)}
    postgres_stage.run("ALTER ROLE reader RESET default_transaction_read_only")


def test_limits_of_time_reach_the_server(postgres_stage: PostgresStage) -> None:
    with connect(postgres_stage.login(statement_timeout="200ms", lock_timeout="1min")) as connection:
        assert connection.execute("SHOW lock_timeout").fetchone() == ("1min",)
        with pytest.raises(psycopg.errors.QueryCanceled):
            connection.execute("SELECT pg_sleep(5)")


@pytest.mark.parametrize(("name", "value"), [("statement_timeout", "soon"), ("lock_timeout", "-1"), ("connect_timeout", "99999999h")])
def test_a_duration_that_is_none_is_refused(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=name):
        connection_settings({name: value}, "x")


def test_tls_means_the_same_to_psycopg_and_to_spark(tmp_path: Path) -> None:
    roots = tmp_path / "roots.pem"
    roots.write_text("", encoding="utf-8")
    chosen = {mode: connection_settings({"sslmode": mode}, "x", {}) for mode in ("disable", "allow", "prefer", "require", "verify-ca")}
    for mode, settings in chosen.items():
        assert jdbc_properties(PostgresLogin(ADDRESS, settings, None))["sslmode"] == mode
    full = connection_settings({"sslmode": "verify-full", "sslrootcert": str(roots)}, "x", {})
    assert jdbc_properties(PostgresLogin(ADDRESS, full, None))["sslrootcert"] == str(roots)
    system = connection_settings({"sslmode": "verify-full", "sslrootcert": "system"}, "x", {})
    assert jdbc_properties(PostgresLogin(ADDRESS, system, None))["sslfactory"] == "org.postgresql.ssl.DefaultJavaSSLFactory"
    # What libpq takes from its environment, Spark must be told.
    assert connection_settings({}, "x", {"PGSSLMODE": "require", "PGSSLROOTCERT": str(roots)}) == replace(
        chosen["require"], sslrootcert=str(roots)
    )


@pytest.mark.parametrize(
    "options", [{"sslmode": "always"}, {"sslrootcert": "/nowhere.pem"}, {"sslrootcert": "system", "sslmode": "require"}, {"sslmod": "x"}]
)
def test_tls_options_that_cannot_be_are_refused(options: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="ssl"):
        connection_settings(options, "x", {})


def test_a_server_without_tls_is_refused_when_tls_is_asked_for(postgres_stage: PostgresStage) -> None:
    with pytest.raises(ConnectorError, match="offers no TLS"), connect(postgres_stage.login(sslmode="require")):
        pass


def test_what_a_server_refuses_is_told_apart(postgres_stage: PostgresStage) -> None:
    port = postgres_stage.server.port
    settings = connection_settings({}, "x", {})

    def opened(uri: str, **environment: str) -> None:
        with connect(log_in(parse_address(uri), settings, {"HOME": "/nowhere", **environment})):
            pass

    with pytest.raises(InputError, match="no such database"):
        opened(f"postgres://reader@127.0.0.1:{port}/nowhere")
    with pytest.raises(ConnectorError, match="nobody"):
        opened(f"postgres://nobody@127.0.0.1:{port}/postgres")
    with pytest.raises(TransientConnectorError, match="refused"):
        opened("postgres://reader@127.0.0.1:1/postgres")
    with pytest.raises(TransientConnectorError):
        opened("postgres://reader@no-such-host.invalid/postgres")
    with pytest.raises(ConnectorError, match="password_secret") as caught:
        opened(f"postgres://locked@127.0.0.1:{port}/postgres", PGPASSWORD="wrong-canary")
    assert "wrong-canary" not in str(caught.value)


def test_without_psycopg_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)

    with pytest.raises(MissingExtraError, match=r"parity\[postgres\]"), connect(PostgresLogin(ADDRESS, connection_settings({}, "x"), None)):
        pass


def test_properties_with_capitals_stand_in_the_address_because_spark_passes_names_on_in_small_letters() -> None:
    login = PostgresLogin(ADDRESS, connection_settings({"connect_timeout": "7s"}, "x", {}), None)

    assert all(name == name.lower() for name in jdbc_properties(login))
    assert jdbc_url(login).startswith("jdbc:postgresql://db.example:5433/shop?ApplicationName=parity&connectTimeout=7&")
    assert "readOnly=true" in jdbc_url(login) and "logServerErrorDetail=false" in jdbc_url(login)


def test_the_log_of_spark_does_not_hold_connection_properties() -> None:
    """At debug level Spark writes them as they are, the password too."""
    lines = configuration("log4j2-local.properties").splitlines()

    assert "logger.jdbc.name = org.apache.spark.sql.execution.datasources.jdbc.connection" in lines
    assert "logger.jdbc.level = info" in lines


def test_the_password_of_spark_stands_under_the_name_that_spark_redacts() -> None:
    properties = jdbc_properties(PostgresLogin(ADDRESS, connection_settings({}, "x", {}), Password(PASSWORD, "test")))

    assert [name for name, value in properties.items() if PASSWORD in value] == ["password"]
    assert PASSWORD not in jdbc_url(PostgresLogin(ADDRESS, connection_settings({}, "x", {}), Password(PASSWORD, "test")))
