"""A real PostgreSQL, a target, and the command line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from pyspark.sql import SparkSession

from jobs.cli import main
from tests.connectors.postgres_stage import PostgresStage, running_stage

TABLES = """
CREATE TABLE orders (
    id bigint PRIMARY KEY, "Nä me" text, amount numeric(12,3), free numeric, placed date, at timestamp, seen timestamptz,
    raw bytea, tags text[], doc jsonb, mark uuid, span interval, range int4range);
INSERT INTO orders SELECT i, CASE i % 5 WHEN 0 THEN NULL WHEN 1 THEN '' WHEN 2 THEN E'a\\nb' WHEN 3 THEN '\\N' ELSE 'émoji 🙂' END,
    i / 3.0, i / 7.0, date '0044-03-15 BC' + i, timestamp '1582-10-04 12:00' + i * interval '1 hour', '2026-01-01 00:00:00.123456+00',
    '\\xdeadbeef', ARRAY['x', NULL, ''], '{"a": [1, null]}', '00000000-0000-0000-0000-000000000001', '1 mon 2 days 00:00:00.000001',
    int4range(1, i + 2) FROM generate_series(1, 500) AS i;
CREATE TABLE lines (order_id bigint, note text, code char(5) DEFAULT 'ab');
INSERT INTO lines SELECT i % 40, 'n' || i % 3 FROM generate_series(1, 200) AS i;
"""


@pytest.fixture(scope="session")
def stage() -> Iterator[PostgresStage]:
    """A server of its own, so that nothing else moves its snapshots."""
    with running_stage() as running:
        yield running


@pytest.fixture(scope="session")
def parity(spark: SparkSession) -> Callable[..., Result]:
    """Return a function that runs `parity` with these words, on the session of the tests."""

    return command


def command(*words: str | Path) -> Result:
    """Run `parity` in this process; what needs Spark takes the session that runs, or starts one."""
    return CliRunner().invoke(main, [str(word) for word in words])


def schema_of(stage: PostgresStage, role: str = "reader") -> str:
    """Return a fresh schema with the tables, which the role may read."""
    schema = stage.fresh_schema()
    stage.run(TABLES)
    stage.run(f"GRANT USAGE ON SCHEMA {schema} TO {role}; GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {role}; ANALYZE")
    return schema


__all__ = ["TABLES", "command", "schema_of"]
