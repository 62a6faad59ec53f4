"""A database to the document that says what is there, what was refused and what could not be seen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from archetypes.discovery_findings import object_findings, role_findings
from archetypes.source_facts import SourceFacts, quoted
from archetypes.step_output import finished
from connectors.postgres_address import TableName
from connectors.postgres_catalog import discover as read_catalog
from connectors.postgres_connection import PostgresLogin, connect
from connectors.postgres_objects import Catalog, CatalogColumn, CatalogKey, CatalogSequence, CatalogTable
from connectors.postgres_proof import TableRights, prove_read_only
from connectors.postgres_surroundings import one_view, surroundings
from schemas.agent_output import (
    Citation,
    Dependency,
    DiscoveredColumn,
    DiscoveredIndex,
    DiscoveredKey,
    DiscoveredObject,
    DiscoveryResult,
    Identity,
    ObjectName,
    Partition,
    Publication,
    StepOutput,
    Unseen,
)
from schemas.coercion import NativeType

__all__ = ["discover"]

_ROUTE: Literal["postgres_to_s3"] = "postgres_to_s3"

_SELECT, _USAGE, _INSERT, _UPDATE, _DELETE, _TRUNCATE, _CREATE, _TEMPORARY, _OWNER, _SUPERUSER, _BYPASS, _ROLES = (
    1 << bit for bit in range(12)
)
_KINDS: Mapping[str, Literal["table", "partitioned_table", "view", "materialized_view", "foreign_table"]] = {
    "table": "table",
    "partitioned table": "partitioned_table",
    "view": "view",
    "materialized view": "materialized_view",
    "foreign table": "foreign_table",
}
_LINKS: Mapping[str, Literal["foreign_key", "view", "partition", "inherits", "sequence"]] = {
    "foreign key": "foreign_key",
    "view": "view",
    "partition": "partition",
    "inheritance": "inherits",
    "sequence": "sequence",
}
_STORED = ("table", "materialized view")


def discover(login: PostgresLogin, schema: str, patterns: str = "*") -> StepOutput:
    """Return what a schema holds of the objects that patterns name; nothing is read but the catalog.

    That the session cannot write is proven first. Every object that is matched is described, or refused with the reason;
    a partition or child is described with its parent, in whatever schema it lies.

    Args:
        schema: exact name.
        patterns: `orders,line*`; see connectors.postgres_patterns.

    Returns:
        DONE; PARTIAL where something is refused or could not be seen; REFUSED where nothing at all can be read. Its inputs are
        digests of what the server said: `catalog`, `server` and the `request`; citations point into the catalog.

    Raises:
        MissingTableError: there is no such schema, or a pattern names nothing.
        ConnectorError: the server cannot be reached, or the session could write.
    """
    with connect(login) as connection, one_view(connection):
        prove_read_only(connection)
        catalog = read_catalog(connection, [schema], patterns)
        spaces = sorted({schema, *(table.name.schema for table in catalog.tables)})
        around = surroundings(connection, spaces)
        sequences = _sequences(catalog)
        server = prove_read_only(connection, [*(table.name for table in catalog.tables), *(one.name for one in sequences)])
    return _document(SourceFacts(login, schema, patterns, catalog, around, server, sequences))


def _document(seen: SourceFacts) -> StepOutput:
    inputs = seen.digests()
    tables, sequences = _objects(seen, inputs["catalog"])
    result = DiscoveryResult(
        identity=_identity(seen),
        objects=(*tables, *sequences),
        excluded=tuple(_name(one.name) for one in seen.catalog.excluded),
        dependencies=_dependencies(seen),
        publications=_publications(seen),
        permission_bits=_all_bits(seen, (*tables, *sequences)),
        unseen=_unseen(seen),
    )
    findings = (*role_findings(seen, result), *object_findings(seen, tables))
    refused = [table for table in tables if table.origin == "refused"]
    if tables and len(refused) == len(tables):
        return finished(
            "discovery", archetype=_ROUTE, dataset=seen.schema, inputs=inputs, result=result, findings=findings, status="REFUSED"
        )
    status: Literal["PARTIAL", "DONE"] = "PARTIAL" if refused or any(one.code == "unreadable_column" for one in findings) else "DONE"
    return finished("discovery", archetype=_ROUTE, dataset=seen.schema, inputs=inputs, result=result, findings=findings, status=status)


def _identity(seen: SourceFacts) -> Identity:
    address, server = seen.login.address, seen.server
    return Identity(
        system=f"PostgreSQL {server.version}",
        cluster=server.system_identifier,
        host=address.host,
        port=address.port,
        database=server.database,
        role=server.role,
        encoding=server.encoding,
        collation=seen.around.collation,
        lc_monetary=seen.around.lc_monetary,
        standby=server.in_recovery,
    )


def _name(name: TableName) -> ObjectName:
    return ObjectName(schema_name=name.schema, name=name.name)


# objects


def _objects(seen: SourceFacts, catalog_sha256: str) -> tuple[list[DiscoveredObject], list[DiscoveredObject]]:
    places = {table.name: table for table in seen.catalog.tables}
    tables = [
        _table(seen, table, places, Citation(sha256=catalog_sha256, pointer=f"/tables/{place}"))
        for place, table in enumerate(seen.catalog.tables)
    ]
    return tables, [_sequence(seen, sequence) for sequence in seen.sequences]


def _table(seen: SourceFacts, table: CatalogTable, tables: Mapping[TableName, CatalogTable], cited: Citation) -> DiscoveredObject:
    refusal = _refusal(seen, table, tables)
    rights = seen.rights.get(table.name)
    indexed = sum(index.bytes for index in table.indexes)
    return DiscoveredObject(
        origin="refused" if refusal else "metadata",
        citations=(cited,) if refusal else (),
        name=_name(table.name),
        kind="partition" if table.is_partition and table.kind == "table" else _KINDS[table.kind],
        columns=() if refusal else tuple(_column(column) for column in table.columns),
        keys=tuple(_key(key) for key in table.keys),
        indexes=tuple(
            DiscoveredIndex(
                name=index.name,
                method=index.method,
                columns=index.columns,
                unique=index.unique,
                predicate=index.predicate,
                valid=index.valid,
                bytes=index.bytes,
            )
            for index in table.indexes
        ),
        partition_by=table.partition_key,
        partitions=tuple(_partition(tables[child]) for child in table.children if child in tables),
        parents=tuple(_name(parent) for parent in table.parents),
        sql=table.definition,
        rows_estimate=table.rows_estimate,
        bytes=max(table.bytes - indexed, 0) if table.kind in _STORED else None,
        pages=table.pages if table.kind in _STORED else None,
        owner=table.owner,
        comment=table.comment,
        grants=tuple(f"{one.privilege} to {one.grantee}{' with grant option' if one.grantable else ''}" for one in table.grants),
        permission_bits=_bits(seen, table.name, rights),
        row_security="forced" if table.row_security and table.row_security_forced else "enabled" if table.row_security else "off",
        persistence=table.persistence,
        change_marker=table.change_marker or None,
        refusal=refusal,
    )


def _refusal(seen: SourceFacts, table: CatalogTable, tables: Mapping[TableName, CatalogTable]) -> str | None:
    """Return why a table is not read, with what would change that; None when it is."""
    grant = next((one.grant for one in seen.catalog.unreadable if one.object == f"{table.kind} {table.name}"), None)
    rights = seen.rights.get(table.name)
    if table.kind == "foreign table":
        return "A foreign table is no part of the snapshot of this server; read it where it lives."
    if table.name.schema not in seen.around.rights.uses_schemas:
        return f"The role {seen.server.role} may not look into the schema {table.name.schema}. {_usage_grant(seen, table.name.schema)}"
    if not table.readable or grant:
        return f"The role {seen.server.role} may not read it. {grant or _select_grant(seen, table.name)}"
    if rights is not None and rights.row_security_active:
        return f"Row-level security would hide rows from the role {seen.server.role}. {_remedy(seen, table) or ''}".strip()
    if not table.populated:
        return f"The materialized view was never filled. REFRESH MATERIALIZED VIEW {table.name.sql};"
    if far := sorted(str(below.name) for below in _below(table, tables) if below.kind == "foreign table"):
        return f"Rows of it lie in foreign tables, which are no part of the snapshot of this server: {', '.join(far)}."
    return None


def _below(table: CatalogTable, tables: Mapping[TableName, CatalogTable]) -> Iterator[CatalogTable]:
    for child in table.children:
        if child in tables:
            yield tables[child]
            yield from _below(tables[child], tables)


def _usage_grant(seen: SourceFacts, schema: str) -> str:
    return f"GRANT USAGE ON SCHEMA {quoted(schema)} TO {quoted(seen.server.role)};"


def _select_grant(seen: SourceFacts, table: TableName) -> str:
    return f"GRANT SELECT ON {table.sql} TO {quoted(seen.server.role)};"


def _remedy(seen: SourceFacts, table: CatalogTable) -> str | None:
    return next((one.grant for one in seen.catalog.unreadable if one.object.startswith(f"rows of {table.name} ")), None)


def _column(column: CatalogColumn) -> DiscoveredColumn:
    return DiscoveredColumn(
        name=column.name,
        position=column.position,
        native_type=column.type,
        nullable=column.nullable,
        default=None if column.generated else column.default,
        generated=column.default if column.generated else None,
        identity="always" if column.identity == "always" else "by_default" if column.identity else None,
        collation=column.collation,
        comment=column.comment,
        readable=column.readable,
    )


def _key(key: CatalogKey) -> DiscoveredKey:
    return DiscoveredKey(
        name=key.name,
        kind=key.kind,
        columns=key.columns,
        references=_name(key.references) if key.references else None,
        referenced_columns=key.referenced_columns,
        definition=key.definition if key.kind in ("check", "exclusion") else None,
        validated=key.validated,
    )


def _partition(child: CatalogTable) -> Partition:
    size = child.bytes - sum(index.bytes for index in child.indexes) if child.kind in _STORED else None
    return Partition(name=_name(child.name), bound=child.bound, rows_estimate=child.rows_estimate, bytes=size)


def _sequences(catalog: Catalog) -> tuple[CatalogSequence, ...]:
    """Sequences that belong to a table that was matched, or that its columns take values from."""
    described = {table.name for table in catalog.tables}
    used = {link.on for link in catalog.dependencies if link.kind == "sequence" and link.dependent in described}
    return tuple(one for one in catalog.sequences if one.name in used or (one.owned_by and one.owned_by[0] in described))


def _sequence(seen: SourceFacts, sequence: CatalogSequence) -> DiscoveredObject:
    owner = sequence.owned_by[0] if sequence.owned_by else None
    table = seen.catalog.table(owner) if owner else None
    ends = f"from {sequence.minimum} to {sequence.maximum} by {sequence.increment}{', in a cycle' if sequence.cycles else ''}"
    return DiscoveredObject(
        origin="metadata",
        name=_name(sequence.name),
        kind="sequence",
        owner=table.owner if table else "unknown",
        comment=f"{sequence.type} {ends}; last value {'unknown' if sequence.last_value is None else sequence.last_value}",
        permission_bits=_bits(seen, sequence.name, seen.rights.get(sequence.name)),
    )


# what belongs together


def _dependencies(seen: SourceFacts) -> tuple[Dependency, ...]:
    described = {table.name for table in seen.catalog.tables}
    links = {(link.dependent, link.on, _LINKS[link.kind]) for link in seen.catalog.dependencies}
    called = {(use.table, use.function, use.kind) for use in seen.around.functions if use.table in described}
    typed = {
        (table.name, TableName(named.schema_name, named.name), "type")
        for table in seen.catalog.tables
        for column in table.columns
        for named in _named_types(column.type)
    }
    return tuple(
        Dependency.model_validate({"source": _name(one), "target": _name(other), "kind": kind})
        for one, other, kind in sorted({*links, *called, *typed})
    )


def _named_types(native: NativeType) -> Iterator[NativeType]:
    """Yield the types of users that a type consists of."""
    inside = [part for part in (native.element, native.base) if part] + [field for _, field in native.fields]
    if native.kind != "array" and native.schema_name != "pg_catalog":
        yield native
    for part in inside:
        yield from _named_types(part)


def _publications(seen: SourceFacts) -> tuple[Publication, ...]:
    described = {table.name for table in seen.catalog.tables}
    return tuple(
        Publication(
            name=one.name,
            tables=() if one.every_table else tuple(_name(table) for table in one.tables if table in described),
            operations=one.operations,
        )
        for one in seen.around.publications
        if one.every_table or described & set(one.tables)
    )


# rights


def _bits(seen: SourceFacts, name: TableName, rights: TableRights | None) -> int:
    bits = _USAGE if name.schema in seen.around.rights.uses_schemas else 0
    if rights is None:
        return bits
    held = (
        (_SELECT, rights.selects),
        (_INSERT, rights.inserts),
        (_UPDATE, rights.updates),
        (_DELETE, rights.deletes),
        (_TRUNCATE, rights.truncates),
        (_OWNER, rights.owns),
    )
    return bits | sum(bit for bit, given in held if given)


def _all_bits(seen: SourceFacts, objects: Sequence[DiscoveredObject]) -> int:
    rights = seen.around.rights
    bits = _USAGE if seen.schema in rights.uses_schemas else 0
    for found in objects:
        bits |= found.permission_bits
    held = (
        (_CREATE, rights.creates),
        (_TEMPORARY, rights.temporary),
        (_SUPERUSER, rights.superuser),
        (_BYPASS, rights.bypasses_row_security),
        (_ROLES, rights.administers_roles),
    )
    return bits | sum(bit for bit, given in held if given)


def _unseen(seen: SourceFacts) -> tuple[Unseen, ...]:
    role = seen.server.role
    found = [
        Unseen(what=one.object, reason=f"hidden from the role {role}", remedy=one.grant)
        if one.object.startswith("rows of ")
        else Unseen(what=one.object, reason=f"the role {role} may not read it", remedy=one.grant)
        for one in seen.catalog.unreadable
    ]
    if seen.server.system_identifier is None:
        reason = f"the role {role} may not call pg_control_system(), so two servers with databases of one name look alike"
        found.append(
            Unseen(
                what="the identifier of the cluster",
                reason=reason,
                remedy=f"GRANT EXECUTE ON FUNCTION pg_control_system() TO {quoted(role)};",
            )
        )
    return tuple(found)
