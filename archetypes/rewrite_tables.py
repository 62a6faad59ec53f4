"""A table of a plan to what generated code says of it: names, types and folders in every dialect."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from archetypes.mapping import discovered, mapped_objects, shown
from archetypes.planning import coercion_of
from archetypes.target_ddl import parsed_type
from archetypes.target_names import alike, plain_names
from archetypes.views import Readable, ReadableColumn
from connectors.publishing import folder_name
from schemas.agent_output import DiscoveredColumn, DiscoveredObject, StepOutput
from schemas.coercion import Coercion, NativeType
from schemas.errors import InputError
from schemas.plan import MigrationPlan, PlanTable

__all__ = ["GeneratedColumn", "GeneratedTable", "dbt_location", "generated_tables"]

_UNSPEAKABLE = re.compile(r'["{}\\]')
_ORDERED_TEXT = ("text", "varchar", "name", "uuid")
_COMPARED_TEXT = (*_ORDERED_TEXT, "char", "macaddr", "macaddr8")
_BYTEWISE = ("C", "POSIX", "C.UTF-8", "C.UTF8", "C.utf8", "ucs_basic")
_NESTED = ("array<", "struct<", "map<")


@dataclass(frozen=True)
class GeneratedColumn:
    """A column that is migrated.

    Attributes:
        source: name in the source.
        target: name in the files.
        exposed: name in staging models; another one only where dbt cannot carry the target's.
        collated: the source orders text otherwise than by its bytes.
    """

    source: str
    target: str
    exposed: str
    found: DiscoveredColumn
    coercion: Coercion
    collated: bool

    @property
    def spark(self) -> str:
        return self.coercion.spark or ""

    @property
    def duckdb(self) -> str:
        """Type in DuckDB."""
        return parsed_type(self.spark).sql("duckdb")

    def readable(self, name: str) -> ReadableColumn:
        """Return what a view may do with it under a name."""
        root = _root(self.found.native_type)
        text, nested = self.spark == "string", self.spark.startswith(_NESTED)
        plain = self.found.collation is None
        return ReadableColumn(
            name,
            self.spark,
            ordered=not nested and plain and (not text or (root.kind == "base" and root.name in _ORDERED_TEXT)),
            compared=not nested and plain and (not text or root.kind == "enum" or root.name in _COMPARED_TEXT),
            collated=text and self.collated,
        )


@dataclass(frozen=True)
class GeneratedTable:
    """A table of the plan.

    Attributes:
        stem: of the names of its files and models: a to z, 0 to 9 and `_`; no two tables share one.
        folder: below the target, where its manifest lies.
        columns: that are written, in order.
        unstaged: why no model can read it; None where one can.
    """

    planned: PlanTable
    found: DiscoveredObject
    stem: str
    folder: str
    columns: tuple[GeneratedColumn, ...]
    unstaged: str | None

    @property
    def shown(self) -> str:
        return shown(self.found.name.schema_name, self.found.name.name)

    @property
    def model(self) -> str:
        """Name of its staging model."""
        return f"stg_{self.stem}"

    def column(self, source: str) -> GeneratedColumn | None:
        """Return the column of this name in the source, if it is written."""
        return next((column for column in self.columns if column.source == source), None)

    def readable(self, parts: tuple[str, ...], *, staged: bool) -> Readable:
        """Return what views may read of it: staged under the names of models, else those of the files."""
        names = {column.source: column.exposed if staged else column.target for column in self.columns}
        return Readable(parts, {column.source: column.readable(names[column.source]) for column in self.columns})


def generated_tables(plan: MigrationPlan, discovery: StepOutput) -> tuple[GeneratedTable, ...]:
    """Return every table of the plan.

    Raises:
        InputError: a table or column of the plan is not in the discovery.
        ConfigError: nobody has decided about a column, or its rule is not for its type.
    """
    source = discovered(discovery)
    collated = source.identity.collation not in _BYTEWISE
    objects = {one.name.name: one for one in mapped_objects(source) if one.name.schema_name == plan.schema_name}
    stems = plain_names(table.path for table in plan.tables)
    tables = []
    for table in plan.tables:
        if table.name not in objects:
            raise InputError(
                f"Table {shown(plan.schema_name, table.name)} is in the plan, but not in the discovery.",
                object=table.name,
                hint="Plan again.",
            )
        columns = _columns(table, objects[table.name], collated)
        *above, last = table.path.split("/")
        folder = "/".join([*above, folder_name(last)])
        tables.append(GeneratedTable(table, objects[table.name], stems[table.path].strip("_"), folder, columns, _unstaged(columns)))
    return tuple(tables)


def dbt_location(target: str) -> str:
    """Return the target as DuckDB reads it.

    >>> dbt_location("s3a://lake/shop/"), dbt_location("file:///data/shop")
    ('s3://lake/shop', '/data/shop')
    """
    scheme, _, path = target.partition(":")
    if scheme == "file":
        return "/" + path.strip("/")
    return f"s3:{path.rstrip('/')}"


def _columns(table: PlanTable, found: DiscoveredObject, collated: bool) -> tuple[GeneratedColumn, ...]:
    there = {column.name: column for column in found.columns}
    written = table.written()
    if missing := [column.name for column in written if column.name not in there]:
        where = shown(found.name.schema_name, table.name)
        raise InputError(f"{where} has no column {missing[0]}.", object=f"{where}.{shown(missing[0])}", hint="Plan again.")
    exposed = _exposed([column.target_name for column in written])
    return tuple(
        GeneratedColumn(
            source=column.name,
            target=column.target_name,
            exposed=exposed[column.target_name],
            found=there[column.name],
            coercion=coercion_of(column, there[column.name].native_type),
            collated=collated,
        )
        for column in written
    )


def _exposed(names: Sequence[str]) -> dict[str, str]:
    plain = plain_names(names)
    return {name: plain[name] if _UNSPEAKABLE.search(name) or not name.isprintable() else name for name in names}


def _unstaged(columns: Sequence[GeneratedColumn]) -> str | None:
    if groups := alike(column.target for column in columns):
        return f"{', '.join(groups[0])} differ only in case, which SQL engines other than the source take for one name."
    if groups := alike(column.exposed for column in columns):
        return f"{', '.join(groups[0])} would have one name in dbt."
    return None


def _root(native: NativeType) -> NativeType:
    while native.base is not None:
        native = native.base
    return native
