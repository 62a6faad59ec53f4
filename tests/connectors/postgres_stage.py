# ruff: noqa: S608 -- the SQL of these tests is made of quoted names and constants
"""A real PostgreSQL for the tests of its door: an owner who writes, a role that only reads, and the log of every statement."""

from __future__ import annotations

import itertools
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg

from connectors.postgres_address import TableName, parse_address
from connectors.postgres_connection import PostgresLogin, connection_settings, log_in
from tests.standins.postgres_server import Postgres, running_postgres

__all__ = ["PostgresStage", "running_stage"]

PASSWORD = "canary-7d1f"  # secret-scan: allow
_serial = itertools.count()


@dataclass
class PostgresStage:
    """A running server.

    Attributes:
        owner: a superuser's connection, in autocommit.
    """

    server: Postgres
    owner: psycopg.Connection[Any]
    log_file: Path

    def fresh_schema(self) -> str:
        """Return an empty schema whose future tables `reader` may read, and nothing else."""
        name = f"s{next(_serial)}"
        self.run(f"CREATE SCHEMA {name}; GRANT USAGE ON SCHEMA {name} TO reader")
        self.run(f"ALTER DEFAULT PRIVILEGES IN SCHEMA {name} GRANT SELECT ON TABLES TO reader; SET search_path = {name}")
        return name

    def run(self, statements: str) -> None:
        self.owner.execute(statements.encode())

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return self.owner.execute(query.encode()).fetchall()

    def uri(self, table: TableName | None = None, user: str = "reader") -> str:
        return str(parse_address(f"postgres://{user}@127.0.0.1:{self.server.port}/postgres")) + (
            f'?table="{_quoted(table.schema)}"."{_quoted(table.name)}"' if table else ""
        )

    def login(self, user: str = "reader", **options: str) -> PostgresLogin:
        return log_in(parse_address(self.uri(user=user)), connection_settings(options, "test"))

    def logged(self) -> str:
        return self.log_file.read_text(encoding="utf-8", errors="replace")

    def end_sessions(self, application: str) -> int:
        """End the sessions of an application, as an administrator does; return how many there were."""
        query = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '{application}'"
        return len(self.rows(query))

    def crash(self) -> None:
        """Kill one server process: the server ends every session and starts again."""
        (row,) = self.rows("SELECT pg_backend_pid()")
        self.run("CHECKPOINT")  # the stand-in does not wait for its disk
        os.kill(row[0], signal.SIGKILL)
        for _ in range(200):
            time.sleep(0.05)
            try:
                self.owner = psycopg.connect(self.server.dsn, autocommit=True)
            except psycopg.OperationalError:
                continue
            return
        raise RuntimeError("the server did not come back")


@contextmanager
def running_stage() -> Iterator[PostgresStage]:
    """Start a server with two roles: `reader`, who is trusted, and `locked`, who needs a password."""
    settings = {"log_statement": "all", "log_line_prefix": "%a@", "lc_messages": "C"}
    with running_postgres(settings=settings) as server, psycopg.connect(server.dsn, autocommit=True) as owner:
        data = Path(owner.execute("SHOW data_directory").fetchone()[0])  # type: ignore[index]
        rules = data / "pg_hba.conf"
        rules.write_text("host all locked 127.0.0.1/32 scram-sha-256\n" + rules.read_text(encoding="utf-8"), encoding="utf-8")
        owner.execute(f"CREATE ROLE reader LOGIN; CREATE ROLE locked LOGIN PASSWORD '{PASSWORD}'".encode())
        owner.execute("SELECT pg_reload_conf()")
        stage = PostgresStage(server, owner, data.parent / "postgres.log")
        yield stage
        stage.owner.close()


def _quoted(name: str) -> str:
    return quote(name.replace('"', '""'), safe="")
