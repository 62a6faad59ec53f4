"""What the server said of a schema, before it becomes a document."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from connectors.postgres_address import TableName
from connectors.postgres_connection import PostgresLogin
from connectors.postgres_objects import Catalog, CatalogSequence
from connectors.postgres_proof import ServerProof, TableRights
from connectors.postgres_surroundings import Surroundings
from engine.portable_sql import quote_identifier
from schemas.canonical_json import sha256_of
from schemas.model import Model

__all__ = ["SourceFacts", "quoted"]


@dataclass(frozen=True)
class SourceFacts:
    """What was asked, and what the server said.

    Attributes:
        sequences: that belong to tables which were matched.
    """

    login: PostgresLogin
    schema: str
    patterns: str
    catalog: Catalog
    around: Surroundings
    server: ServerProof
    sequences: tuple[CatalogSequence, ...]

    @cached_property
    def rights(self) -> dict[TableName, TableRights]:
        """Rights on tables and sequences, by name."""
        return {rights.table: rights for rights in self.server.tables}

    def digests(self) -> dict[str, str]:
        """Return the SHA-256 of everything that was read, by name."""
        return {
            "catalog": sha256_of(_plain(asdict(self.catalog))),
            "request": sha256_of({"schema": self.schema, "patterns": self.patterns}),
            "server": sha256_of(_plain({"proof": asdict(self.server), "surroundings": asdict(self.around)})),
        }


def quoted(name: str) -> str:
    """Return a name as PostgreSQL quotes it."""
    return quote_identifier("postgres", name)


def _plain(value: Any) -> Any:
    """Return dataclasses and models as JSON has them; sets are sorted."""
    if isinstance(value, Model):
        return value.document()
    if isinstance(value, Mapping):
        return {str(name): _plain(part) for name, part in value.items()}
    if isinstance(value, (set, frozenset)):
        return sorted(_plain(part) for part in value)
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    return value
