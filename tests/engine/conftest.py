"""Servers that the engine's tests ask for a second opinion."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.standins.postgres_server import running_postgres


@pytest.fixture(scope="session")
def postgres() -> Iterator[Any]:
    """A psycopg connection to a real PostgreSQL of its own."""
    import psycopg

    with running_postgres() as server, psycopg.connect(server.dsn, autocommit=True) as connection:
        yield connection
