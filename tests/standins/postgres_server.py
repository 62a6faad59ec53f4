"""A real PostgreSQL on loopback TCP for tests, without installing anything on the system: jobs.local_postgres, open to the tests.

Label for reports: "PostgreSQL: real <version>". By hand: python -m tests.standins.postgres_server
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from jobs.local_postgres import find_binaries
from jobs.local_postgres import running_postgres as running_server
from tests.standins.process import wait_for_interrupt

__all__ = ["Postgres", "find_binaries", "running_postgres"]

_USER = "postgres"


@dataclass(frozen=True)
class Postgres:
    """A running server with one superuser, no password, loopback only."""

    port: int
    version: str
    database: str = "postgres"

    @property
    def dsn(self) -> str:
        """Address for psycopg."""
        return f"postgresql://{_USER}@127.0.0.1:{self.port}/{self.database}"

    @property
    def jdbc_url(self) -> str:
        """Address for Spark."""
        return f"jdbc:postgresql://127.0.0.1:{self.port}/{self.database}"

    def jdbc_properties(self) -> dict[str, str]:
        """Return the properties that go with `jdbc_url`."""
        return {"user": _USER, "driver": "org.postgresql.Driver"}


@contextmanager
def running_postgres(port: int | None = None, settings: Mapping[str, str] | None = None) -> Iterator[Postgres]:
    """Start an empty server and remove it at the end; arguments as those of jobs.local_postgres."""
    with running_server(port, settings, trusted=True) as server:
        yield Postgres(server.port, server.version)


def main() -> None:
    """Run a server until Ctrl-C and print how to reach it."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--port", type=int)
    with running_postgres(parser.parse_args().port) as postgres:
        print(f"PostgreSQL {postgres.version}: {postgres.dsn}\n{postgres.jdbc_url}", flush=True)
        wait_for_interrupt()


if __name__ == "__main__":
    main()
