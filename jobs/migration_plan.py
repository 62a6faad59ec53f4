"""A live source to the plan of its migration, which a person reads and changes before it is run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from archetypes.discovery import discover
from archetypes.mapping import discovered as discovery_result
from archetypes.mapping import map_tables, mapped_objects
from archetypes.plan_text import plan_text
from archetypes.planning import plan_of
from archetypes.profiling import profile
from connectors.objects import open_store
from connectors.postgres_address import TableName
from connectors.postgres_snapshot import with_fresh_snapshot
from jobs.migration_run import login_of, role_warnings
from schemas.errors import ConfigError
from schemas.plan import MigrationPlan, read_plan

__all__ = ["load_plan", "make_plan"]

Tell = Callable[[str], None]


def make_plan(
    source: str, schema: str, target: str, *, tables: str = "*", source_secret: str | None = None, sample: str | None = None, tell: Tell
) -> tuple[MigrationPlan, str, tuple[str, ...]]:
    """Return the plan that a source proposes, its text with comments, and what a person should know of the role at once.

    Only catalog and profile are read, nothing is written.

    Args:
        source: `postgres://user@host:port/database`, without a secret.
        target: `s3://bucket/prefix` or `file:/folder`.
        tables: patterns, `orders,line*`.
        source_secret: `env://NAME` or `file:///path`.
        sample: share of the rows that the profile reads; None: all.
        tell: is told what is going on.

    Raises:
        ConfigError: source, target or patterns are not of the form wanted.
        MissingTableError: the schema is not there, or a pattern names nothing.
        ConnectorError: the server says no.
    """
    open_store(target)  # says what is wrong with it, before the source is asked
    login = login_of(source, source_secret)
    tell("discovery")
    discovery = discover(login, schema, tables)
    objects = mapped_objects(discovery_result(discovery))
    read = [TableName(one.name.schema_name, one.name.name) for one in objects]
    tell(f"profiling of {len(read)} tables")
    profiling = with_fresh_snapshot(
        login, read, lambda snapshot: profile(snapshot, discovery, tables=[name.name for name in read], sample=sample)
    )
    tell("mapping")
    mapping = map_tables(discovery, profiling, target=target)
    plan = plan_of(discovery, mapping, source=str(login.address), source_secret=source_secret, schema=schema, target=target)
    return plan, plan_text(plan, mapping), role_warnings(discovery)


def load_plan(path: Path) -> MigrationPlan:
    """Return the plan in a file.

    Raises:
        ConfigError: it cannot be read, or is no plan.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ConfigError(f"{path}: {reason}.", object=str(path), hint="Make a plan first: parity plan postgres-to-s3 …") from None
    return read_plan(text, str(path))
