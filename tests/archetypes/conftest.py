"""A real PostgreSQL with a schema of torture, for the steps that read it without Spark."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.archetypes.torture import TORTURE
from tests.connectors.postgres_stage import PostgresStage, running_stage


@pytest.fixture(scope="session")
def stage() -> Iterator[PostgresStage]:
    """A server of its own, so that nothing else moves its snapshots."""
    with running_stage() as running:
        yield running


@pytest.fixture(scope="session")
def torture(stage: PostgresStage) -> str:
    """Return the schema with every type family, odd names, and what a role may not see."""
    schema = stage.fresh_schema()
    stage.run(TORTURE.replace("SCHEMA_NAME", schema))
    return schema
