"""What a PostgreSQL database holds, as its catalog tells it: the nouns of discovery."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from connectors.postgres_address import TableName
from schemas.coercion import NativeType

__all__ = [
    "Catalog",
    "CatalogColumn",
    "CatalogIndex",
    "CatalogKey",
    "CatalogSequence",
    "CatalogTable",
    "Dependency",
    "Excluded",
    "Extension",
    "Grant",
    "Policy",
    "TableKind",
    "Unreadable",
]

TableKind = Literal["table", "partitioned table", "view", "materialized view", "foreign table"]
KeyKind = Literal["primary", "unique", "foreign", "check", "exclusion"]
DependencyKind = Literal["view", "foreign key", "partition", "inheritance", "sequence"]


@dataclass(frozen=True)
class CatalogColumn:
    """A column that exists; dropped ones leave a gap in `position`.

    Attributes:
        default: SQL text, or None; of generated columns the expression.
        generated: `stored`, `virtual`, or None.
        identity: `always`, `by default`, or None.
        collation: `schema.name` where it is not that of the database, else None.
        deterministic: whether the collation tells apart all texts that differ; True without one.
        readable: the role may SELECT it.
    """

    position: int
    name: str
    type: NativeType
    nullable: bool
    default: str | None = None
    generated: str | None = None
    identity: str | None = None
    collation: str | None = None
    deterministic: bool = True
    readable: bool = True
    comment: str | None = None


@dataclass(frozen=True)
class CatalogKey:
    """A constraint of a table.

    Attributes:
        columns: in the order of the key; empty for checks on none.
        references, referenced_columns: of foreign keys.
        validated: False where rows from before it may break it.
        definition: as the server prints it.
    """

    name: str
    kind: KeyKind
    columns: tuple[str, ...]
    references: TableName | None
    referenced_columns: tuple[str, ...]
    deferrable: bool
    validated: bool
    definition: str


@dataclass(frozen=True)
class CatalogIndex:
    """An index.

    Attributes:
        columns: of the key; an expression stands as the server prints it.
        included: columns that only ride along.
        predicate: of a partial index.
        valid: False where building it failed.
    """

    name: str
    method: str
    columns: tuple[str, ...]
    included: tuple[str, ...]
    unique: bool
    primary: bool
    valid: bool
    predicate: str | None
    definition: str
    bytes: int


@dataclass(frozen=True, order=True)
class Grant:
    """A right that somebody has; `PUBLIC` is everybody."""

    grantee: str
    privilege: str
    grantable: bool


@dataclass(frozen=True)
class Policy:
    """A policy of row-level security."""

    name: str
    permissive: bool
    command: str
    roles: tuple[str, ...]
    using: str | None
    with_check: str | None


@dataclass(frozen=True)
class CatalogTable:
    """Anything that rows are read from.

    Attributes:
        oid: of the table in this database.
        persistence: `permanent`, `unlogged`, `temporary`.
        access_method: `heap` unless an extension stores it; None where nothing is stored.
        parents: of inheritance, in order; of a partition, the one table it is part of.
        bound: of a partition, as the server prints it: `FOR VALUES FROM (…) TO (…)`.
        partition_key: of a partitioned table: `RANGE (day)`.
        partition_columns: of that key, in order; empty where an expression is in it.
        children: partitions or inheriting tables, directly below.
        definition: SQL of a view or materialized view.
        populated: False for a materialized view that was never refreshed.
        foreign_server: of a foreign table.
        rows_estimate: of the last ANALYZE; None when there was none. Never exact.
        pages: of the table itself, 8 KiB each unless the server was built otherwise; 0 where nothing is stored.
        bytes: with indexes and oversized values.
        row_security, row_security_forced: flags.
        publications: that publish its changes.
        change_marker: changes when the table is altered, rewritten or emptied.
        readable, readable_whole: the role may SELECT some of its columns; the table as such.
    """

    oid: int
    name: TableName
    kind: TableKind
    persistence: str
    access_method: str | None
    owner: str
    columns: tuple[CatalogColumn, ...]
    keys: tuple[CatalogKey, ...] = ()
    indexes: tuple[CatalogIndex, ...] = ()
    parents: tuple[TableName, ...] = ()
    is_partition: bool = False
    bound: str | None = None
    partition_key: str | None = None
    partition_columns: tuple[str, ...] = ()
    children: tuple[TableName, ...] = ()
    definition: str | None = None
    populated: bool = True
    foreign_server: str | None = None
    rows_estimate: int | None = None
    pages: int = 0
    bytes: int = 0
    grants: tuple[Grant, ...] = ()
    row_security: bool = False
    row_security_forced: bool = False
    policies: tuple[Policy, ...] = ()
    publications: tuple[str, ...] = ()
    comment: str | None = None
    change_marker: str = ""
    readable: bool = True
    readable_whole: bool = True

    @property
    def primary_key(self) -> tuple[str, ...]:
        """Columns of the primary key, in its order; empty without one."""
        return next((key.columns for key in self.keys if key.kind == "primary"), ())


@dataclass(frozen=True)
class CatalogSequence:
    """A sequence; `last_value` is None before its first use, or where the role may not see it."""

    name: TableName
    type: str
    start: int
    minimum: int
    maximum: int
    increment: int
    cycles: bool
    last_value: int | None
    owned_by: tuple[TableName, str] | None


@dataclass(frozen=True, order=True)
class Dependency:
    """`dependent` cannot be had, or cannot be right, without `on`."""

    dependent: TableName
    on: TableName
    kind: DependencyKind


@dataclass(frozen=True, order=True)
class Extension:
    """An installed extension."""

    name: str
    version: str
    schema: str


@dataclass(frozen=True, order=True)
class Unreadable:
    """What the role could not see, and what an administrator would run to show it."""

    object: str
    grant: str


@dataclass(frozen=True, order=True)
class Excluded:
    """A table that exists and is not part of this, and why."""

    name: TableName
    reason: str


@dataclass(frozen=True)
class Catalog:
    """Everything discovered, sorted by name.

    Attributes:
        schemas: that were asked for.
        tables: described; partitions and children of a described parent are among them.
        dependencies: of which at least one end is described.
        excluded: tables of the schemas that no pattern named.
    """

    schemas: tuple[str, ...]
    tables: tuple[CatalogTable, ...]
    sequences: tuple[CatalogSequence, ...]
    dependencies: tuple[Dependency, ...]
    extensions: tuple[Extension, ...]
    unreadable: tuple[Unreadable, ...]
    excluded: tuple[Excluded, ...]

    def table(self, name: TableName) -> CatalogTable | None:
        """Return the described table of that name."""
        return next((table for table in self.tables if table.name == name), None)
