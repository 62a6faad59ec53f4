"""A PostgreSQL database to the description of its tables: deterministic queries over pg_catalog, nothing guessed from names."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from connectors.postgres_address import TableName
from connectors.postgres_errors import translate_postgres_error
from connectors.postgres_objects import (
    Catalog,
    CatalogColumn,
    CatalogIndex,
    CatalogKey,
    CatalogSequence,
    CatalogTable,
    Dependency,
    Excluded,
    Extension,
    Grant,
    Policy,
    Unreadable,
)
from connectors.postgres_patterns import matches, parse_patterns
from connectors.postgres_types import TypeKey, native_types
from engine.portable_sql import quote_identifier
from schemas.coercion import NativeType
from schemas.errors import MissingTableError, nearest

if TYPE_CHECKING:
    import psycopg

__all__ = ["describe_tables", "discover"]

Row = Mapping[str, Any]
Item = TypeVar("Item")

_KINDS = {"r": "table", "p": "partitioned table", "v": "view", "m": "materialized view", "f": "foreign table"}
_PERSISTENCE = {"p": "permanent", "u": "unlogged", "t": "temporary"}
_KEY_KINDS = {"p": "primary", "u": "unique", "f": "foreign", "c": "check", "x": "exclusion"}
_GENERATED = {"s": "stored", "v": "virtual"}
_IDENTITY = {"a": "always", "d": "by default"}
_OWN_SCHEMAS = ("pg_catalog", "information_schema", "pg_toast")

_SCHEMAS = """
SELECT nspname::text AS name, has_schema_privilege(oid, 'USAGE') AS usable
FROM pg_namespace WHERE nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema' ORDER BY nspname
"""
_TABLES = """
SELECT class.oid::bigint AS oid, space.nspname::text AS schema, class.relname::text AS name, class.relkind::text AS kind,
       class.relpersistence::text AS persistence, method.amname::text AS method, pg_get_userbyid(class.relowner)::text AS owner,
       class.relispartition AS is_partition, pg_get_expr(class.relpartbound, class.oid) AS bound,
       pg_get_partkeydef(class.oid) AS partition_key,
       ARRAY(SELECT attribute.attname::text FROM unnest(parts.partattrs::int2[]) WITH ORDINALITY AS key(number, place)
             LEFT JOIN pg_attribute AS attribute ON attribute.attrelid = class.oid AND attribute.attnum = key.number
             ORDER BY key.place) AS partition_columns,
       CASE WHEN class.relkind IN ('v', 'm') THEN pg_get_viewdef(class.oid) END AS definition, class.relispopulated AS populated,
       server.srvname::text AS server, CASE WHEN class.reltuples >= 0 THEN class.reltuples::bigint END AS rows,
       CASE WHEN class.relkind IN ('r', 'm') THEN pg_relation_size(class.oid) / current_setting('block_size')::bigint ELSE 0 END AS pages,
       CASE WHEN class.relkind IN ('r', 'm', 'p') THEN pg_total_relation_size(class.oid) ELSE 0 END AS bytes,
       class.relrowsecurity AS row_security, class.relforcerowsecurity AS forced, obj_description(class.oid, 'pg_class') AS comment,
       class.xmin::text || ':' || coalesce(pg_relation_filenode(class.oid), 0)::text AS marker,
       has_table_privilege(class.oid, 'SELECT') OR has_any_column_privilege(class.oid, 'SELECT') AS readable,
       has_table_privilege(class.oid, 'SELECT') AS whole, has_schema_privilege(space.oid, 'USAGE') AS usable
FROM pg_class AS class
JOIN pg_namespace AS space ON space.oid = class.relnamespace
LEFT JOIN pg_am AS method ON method.oid = class.relam
LEFT JOIN pg_partitioned_table AS parts ON parts.partrelid = class.oid
LEFT JOIN pg_foreign_table AS remote ON remote.ftrelid = class.oid
LEFT JOIN pg_foreign_server AS server ON server.oid = remote.ftserver
WHERE class.relkind IN ('r', 'p', 'v', 'm', 'f') AND space.nspname = ANY(%s::text[])
ORDER BY space.nspname, class.relname
"""
_COLUMNS = """
SELECT attribute.attrelid::bigint AS oid, attribute.attnum AS position, attribute.attname::text AS name,
       attribute.atttypid::bigint AS type, attribute.atttypmod AS modifier, attribute.attndims::int AS dimensions,
       NOT attribute.attnotnull AS nullable, pg_get_expr(value.adbin, value.adrelid) AS "default",
       attribute.attgenerated::text AS generated,
       attribute.attidentity::text AS identity, col_description(attribute.attrelid, attribute.attnum) AS comment,
       CASE WHEN collating.collname <> 'default' THEN collspace.nspname::text || '.' || collating.collname::text END AS collation,
       coalesce(collating.collisdeterministic, true) AS deterministic,
       has_column_privilege(attribute.attrelid, attribute.attnum, 'SELECT') AS readable
FROM pg_attribute AS attribute
LEFT JOIN pg_attrdef AS value ON value.adrelid = attribute.attrelid AND value.adnum = attribute.attnum
LEFT JOIN pg_collation AS collating ON collating.oid = attribute.attcollation
LEFT JOIN pg_namespace AS collspace ON collspace.oid = collating.collnamespace
WHERE attribute.attrelid = ANY(%s::oid[]) AND attribute.attnum > 0 AND NOT attribute.attisdropped
ORDER BY attribute.attrelid, attribute.attnum
"""
_CONSTRAINTS = """
SELECT found.conrelid::bigint AS oid, found.conname::text AS name, found.contype::text AS kind, found.condeferrable AS deferrable,
       found.convalidated AS validated, pg_get_constraintdef(found.oid) AS definition,
       ARRAY(SELECT attribute.attname::text FROM unnest(found.conkey) WITH ORDINALITY AS key(number, place)
             JOIN pg_attribute AS attribute ON attribute.attrelid = found.conrelid AND attribute.attnum = key.number
             ORDER BY key.place) AS columns,
       otherspace.nspname::text AS other_schema, other.relname::text AS other_name,
       ARRAY(SELECT attribute.attname::text FROM unnest(found.confkey) WITH ORDINALITY AS key(number, place)
             JOIN pg_attribute AS attribute ON attribute.attrelid = found.confrelid AND attribute.attnum = key.number
             ORDER BY key.place) AS other_columns
FROM pg_constraint AS found
LEFT JOIN pg_class AS other ON other.oid = found.confrelid
LEFT JOIN pg_namespace AS otherspace ON otherspace.oid = other.relnamespace
WHERE found.conrelid = ANY(%s::oid[]) AND found.contype IN ('p', 'u', 'f', 'c', 'x')
ORDER BY found.conrelid, found.conname, found.oid
"""
_INDEXES = """
SELECT found.indrelid::bigint AS oid, class.relname::text AS name, method.amname::text AS method, found.indisunique AS is_unique,
       found.indisprimary AS is_primary, found.indisvalid AS is_valid, pg_get_expr(found.indpred, found.indrelid) AS predicate,
       pg_get_indexdef(found.indexrelid) AS definition, found.indnkeyatts::int AS key_columns,
       ARRAY(SELECT coalesce(attribute.attname::text, pg_get_indexdef(found.indexrelid, place, false))
             FROM generate_series(1, found.indnatts) AS place
             LEFT JOIN pg_attribute AS attribute ON attribute.attrelid = found.indrelid AND attribute.attnum = found.indkey[place - 1]
               AND attribute.attnum > 0
             ORDER BY place) AS columns,
       coalesce(pg_relation_size(found.indexrelid), 0) AS bytes
FROM pg_index AS found
JOIN pg_class AS class ON class.oid = found.indexrelid
JOIN pg_am AS method ON method.oid = class.relam
WHERE found.indrelid = ANY(%s::oid[])
ORDER BY found.indrelid, class.relname
"""
_INHERITS = """
SELECT child.inhrelid::bigint AS child, childspace.nspname::text AS child_schema, childclass.relname::text AS child_name,
       child.inhparent::bigint AS parent, parentspace.nspname::text AS parent_schema, parentclass.relname::text AS parent_name
FROM pg_inherits AS child
JOIN pg_class AS childclass ON childclass.oid = child.inhrelid
JOIN pg_namespace AS childspace ON childspace.oid = childclass.relnamespace
JOIN pg_class AS parentclass ON parentclass.oid = child.inhparent
JOIN pg_namespace AS parentspace ON parentspace.oid = parentclass.relnamespace
WHERE childclass.relkind IN ('r', 'p', 'f')
ORDER BY child.inhrelid, child.inhseqno
"""
_GRANTS = """
SELECT class.oid::bigint AS oid, CASE WHEN given.grantee = 0 THEN 'PUBLIC' ELSE pg_get_userbyid(given.grantee)::text END AS grantee,
       given.privilege_type::text AS privilege, given.is_grantable AS grantable
FROM pg_class AS class, aclexplode(coalesce(class.relacl, acldefault('r', class.relowner))) AS given
WHERE class.oid = ANY(%s::oid[])
"""
_POLICIES = """
SELECT found.polrelid::bigint AS oid, found.polname::text AS name, found.polpermissive AS permissive, found.polcmd::text AS command,
       ARRAY(SELECT CASE WHEN role = 0 THEN 'PUBLIC' ELSE pg_get_userbyid(role)::text END FROM unnest(found.polroles) AS role) AS roles,
       pg_get_expr(found.polqual, found.polrelid) AS using, pg_get_expr(found.polwithcheck, found.polrelid) AS with_check
FROM pg_policy AS found WHERE found.polrelid = ANY(%s::oid[]) ORDER BY found.polrelid, found.polname
"""
_COMMANDS = {"r": "SELECT", "a": "INSERT", "w": "UPDATE", "d": "DELETE", "*": "ALL"}
_PUBLICATIONS = "SELECT schemaname::text AS schema, tablename::text AS name, pubname::text AS publication FROM pg_publication_tables"
_SEQUENCES = """
SELECT found.schemaname::text AS schema, found.sequencename::text AS name, found.data_type::text AS type, found.start_value AS start,
       found.min_value AS minimum, found.max_value AS maximum, found.increment_by AS increment, found.cycle AS cycles,
       found.last_value AS last,
       ownerspace.nspname::text AS owner_schema, ownerclass.relname::text AS owner_name, ownercolumn.attname::text AS owner_column
FROM pg_sequences AS found
JOIN pg_namespace AS space ON space.nspname = found.schemaname
JOIN pg_class AS class ON class.relnamespace = space.oid AND class.relname = found.sequencename
LEFT JOIN pg_depend AS owned ON owned.classid = 'pg_class'::regclass AND owned.objid = class.oid
  AND owned.refclassid = 'pg_class'::regclass AND owned.refobjsubid > 0 AND owned.deptype IN ('a', 'i')
LEFT JOIN pg_class AS ownerclass ON ownerclass.oid = owned.refobjid
LEFT JOIN pg_namespace AS ownerspace ON ownerspace.oid = ownerclass.relnamespace
LEFT JOIN pg_attribute AS ownercolumn ON ownercolumn.attrelid = owned.refobjid AND ownercolumn.attnum = owned.refobjsubid
WHERE found.schemaname = ANY(%s::text[])
ORDER BY found.schemaname, found.sequencename
"""
_DEPENDENCIES = """
SELECT viewspace.nspname::text AS schema, view.relname::text AS name, usedspace.nspname::text AS on_schema, used.relname::text AS on_name,
       'view' AS kind
FROM pg_rewrite AS rule
JOIN pg_depend AS found ON found.classid = 'pg_rewrite'::regclass AND found.objid = rule.oid AND found.refclassid = 'pg_class'::regclass
JOIN pg_class AS view ON view.oid = rule.ev_class AND view.relkind IN ('v', 'm')
JOIN pg_namespace AS viewspace ON viewspace.oid = view.relnamespace
JOIN pg_class AS used ON used.oid = found.refobjid AND used.oid <> view.oid AND used.relkind IN ('r', 'p', 'v', 'm', 'f')
JOIN pg_namespace AS usedspace ON usedspace.oid = used.relnamespace
UNION
SELECT classspace.nspname::text, class.relname::text, seqspace.nspname::text, sequence.relname::text, 'sequence'
FROM pg_attrdef AS value
JOIN pg_depend AS found ON found.classid = 'pg_attrdef'::regclass AND found.objid = value.oid AND found.refclassid = 'pg_class'::regclass
JOIN pg_class AS class ON class.oid = value.adrelid
JOIN pg_namespace AS classspace ON classspace.oid = class.relnamespace
JOIN pg_class AS sequence ON sequence.oid = found.refobjid AND sequence.relkind = 'S'
JOIN pg_namespace AS seqspace ON seqspace.oid = sequence.relnamespace
"""
_EXTENSIONS = """
SELECT extension.extname::text AS name, extension.extversion AS version, space.nspname::text AS schema
FROM pg_extension AS extension JOIN pg_namespace AS space ON space.oid = extension.extnamespace ORDER BY extension.extname
"""


def discover(connection: psycopg.Connection[Any], schemas: Sequence[str] = ("public",), patterns: str = "*") -> Catalog:
    """Return what the schemas hold of the tables that patterns name, with everything that belongs to those.

    Args:
        connection: of `connect`, or that of an exported snapshot.
        schemas: exact names.
        patterns: see connectors.postgres_patterns; a pattern with no table of its own is an error.

    Returns:
        Tables sorted by name. A partition or child is described with its parent, in whatever schema it lies.
        The same database and the same role give an equal answer.

    Raises:
        MissingTableError: a schema does not exist, or a pattern names nothing.
        ConfigError: the patterns cannot be read.
    """
    wanted = parse_patterns(patterns)
    with _reading(connection):
        catalog = _Query(connection)
        known = {row["name"]: row["usable"] for row in catalog.rows(_SCHEMAS)}
        for schema in schemas:
            if schema not in known:
                raise _missing("schema", schema, known)
        every = catalog.rows(_TABLES, [sorted(known)])
        lineage = catalog.rows(_INHERITS)
        roots = [row for row in every if row["schema"] in schemas and matches(row["name"], wanted)]
        for pattern in wanted:
            if not any(pattern.fullmatch(row["name"]) for row in roots):
                raise _missing("table", pattern.pattern, [row["name"] for row in every if row["schema"] in schemas])
        chosen = _with_children([row["oid"] for row in roots], lineage)
        tables = catalog.described([row for row in every if row["oid"] in chosen], lineage)
        excluded = tuple(
            Excluded(TableName(row["schema"], row["name"]), "no pattern names it")
            for row in every
            if row["schema"] in schemas and row["oid"] not in chosen
        )
        return Catalog(
            schemas=tuple(sorted(schemas)),
            tables=tables,
            sequences=catalog.sequences(schemas),
            dependencies=catalog.dependencies(tables),
            extensions=tuple(Extension(row["name"], row["version"], row["schema"]) for row in catalog.rows(_EXTENSIONS)),
            unreadable=catalog.unreadable(tables, {schema: known[schema] for schema in schemas}),
            excluded=excluded,
        )


def describe_tables(connection: psycopg.Connection[Any], names: Collection[TableName]) -> tuple[CatalogTable, ...]:
    """Return the named tables and everything below them, sorted by name.

    Raises:
        MissingTableError: one of them does not exist.
    """
    with _reading(connection):
        catalog = _Query(connection)
        every = catalog.rows(_TABLES, [sorted({row["name"] for row in catalog.rows(_SCHEMAS)} | set(_OWN_SCHEMAS))])
        named = {TableName(row["schema"], row["name"]): row["oid"] for row in every}
        for name in names:
            if name not in named:
                raise _missing("table", str(name), [str(known) for known in named if known.schema not in _OWN_SCHEMAS])
        lineage = catalog.rows(_INHERITS)
        chosen = _with_children([named[name] for name in names], lineage)
        return catalog.described([row for row in every if row["oid"] in chosen], lineage)


class _Query:
    """The catalog, asked."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self.connection = connection

    def rows(self, query: str, parameters: Sequence[Any] | None = None) -> list[Row]:
        from psycopg.rows import dict_row

        with self.connection.cursor(row_factory=dict_row) as cursor:
            return list(cursor.execute(query.encode(), parameters).fetchall())

    def grouped(self, query: str, oids: Sequence[int]) -> dict[int, list[Row]]:
        found: dict[int, list[Row]] = defaultdict(list)
        for row in self.rows(query, [list(oids)]):
            found[row["oid"]].append(row)
        return found

    def described(self, chosen: Sequence[Row], lineage: Sequence[Row]) -> tuple[CatalogTable, ...]:
        oids = [row["oid"] for row in chosen]
        columns = self.grouped(_COLUMNS, oids)
        keys, indexes = self.grouped(_CONSTRAINTS, oids), self.grouped(_INDEXES, oids)
        grants, policies = self.grouped(_GRANTS, oids), self.grouped(_POLICIES, oids)
        types = native_types(self.connection, {_type_key(row) for found in columns.values() for row in found})
        parents: dict[int, list[TableName]] = defaultdict(list)
        children: dict[int, list[TableName]] = defaultdict(list)
        for row in lineage:
            parents[row["child"]].append(TableName(row["parent_schema"], row["parent_name"]))
            children[row["parent"]].append(TableName(row["child_schema"], row["child_name"]))
        published: dict[TableName, list[str]] = defaultdict(list)
        for row in self.rows(_PUBLICATIONS):
            published[TableName(row["schema"], row["name"])].append(row["publication"])
        found = [
            CatalogTable(
                oid=row["oid"],
                name=TableName(row["schema"], row["name"]),
                kind=_KINDS[row["kind"]],  # type: ignore[arg-type]
                persistence=_PERSISTENCE[row["persistence"]],
                access_method=row["method"] if row["kind"] in ("r", "m") else None,
                owner=row["owner"],
                columns=tuple(_column(one, types) for one in columns[row["oid"]]),
                keys=tuple(_key(one) for one in keys[row["oid"]]),
                indexes=tuple(_index(one) for one in indexes[row["oid"]]),
                parents=tuple(parents[row["oid"]]),
                is_partition=row["is_partition"],
                bound=row["bound"],
                partition_key=row["partition_key"],
                partition_columns=tuple(row["partition_columns"]) if all(row["partition_columns"]) else (),
                children=tuple(sorted(children[row["oid"]])),
                definition=row["definition"],
                populated=row["populated"],
                foreign_server=row["server"],
                rows_estimate=row["rows"],
                pages=row["pages"] or 0,
                bytes=row["bytes"] or 0,
                grants=tuple(sorted(Grant(one["grantee"], one["privilege"], one["grantable"]) for one in grants[row["oid"]])),
                row_security=row["row_security"],
                row_security_forced=row["forced"],
                policies=tuple(_policy(one) for one in policies[row["oid"]]),
                publications=tuple(sorted(published[TableName(row["schema"], row["name"])])),
                comment=row["comment"],
                change_marker=row["marker"],
                readable=row["readable"] and row["usable"],
                readable_whole=row["whole"] and row["usable"],
            )
            for row in chosen
        ]
        return tuple(sorted(found, key=lambda table: table.name))

    def sequences(self, schemas: Sequence[str]) -> tuple[CatalogSequence, ...]:
        return tuple(
            CatalogSequence(
                name=TableName(row["schema"], row["name"]),
                type=row["type"],
                start=row["start"],
                minimum=row["minimum"],
                maximum=row["maximum"],
                increment=row["increment"],
                cycles=row["cycles"],
                last_value=row["last"],
                owned_by=(TableName(row["owner_schema"], row["owner_name"]), row["owner_column"]) if row["owner_name"] else None,
            )
            for row in self.rows(_SEQUENCES, [list(schemas)])
        )

    def dependencies(self, tables: Sequence[CatalogTable]) -> tuple[Dependency, ...]:
        described = {table.name for table in tables}
        found = {
            Dependency(TableName(row["schema"], row["name"]), TableName(row["on_schema"], row["on_name"]), row["kind"])
            for row in self.rows(_DEPENDENCIES)
        }
        for table in tables:
            found |= {Dependency(table.name, key.references, "foreign key") for key in table.keys if key.references is not None}
            found |= {Dependency(table.name, parent, "partition" if table.is_partition else "inheritance") for parent in table.parents}
        return tuple(sorted(one for one in found if one.dependent in described or one.on in described))

    def unreadable(self, tables: Sequence[CatalogTable], schemas: Mapping[str, bool]) -> tuple[Unreadable, ...]:
        (row,) = self.rows("SELECT current_user::text AS role")
        role = quote_identifier("postgres", row["role"])
        found = [
            Unreadable(f"schema {schema}", f"GRANT USAGE ON SCHEMA {quote_identifier('postgres', schema)} TO {role};")
            for schema, usable in schemas.items()
            if not usable
        ]
        for table in tables:
            hidden = [column.name for column in table.columns if not column.readable]
            if not table.readable or (hidden and len(hidden) == len(table.columns)):
                found.append(Unreadable(f"{table.kind} {table.name}", f"GRANT SELECT ON {table.name.sql} TO {role};"))
            else:
                found += [
                    Unreadable(
                        f"column {name} of {table.name}",
                        f"GRANT SELECT ({quote_identifier('postgres', name)}) ON {table.name.sql} TO {role};",
                    )
                    for name in hidden
                ]
            if (table.row_security or table.row_security_forced) and self._row_security_active(table.oid):
                found.append(Unreadable(f"rows of {table.name} that row-level security hides", f"ALTER ROLE {role} BYPASSRLS;"))
        return tuple(sorted(found))

    def _row_security_active(self, oid: int) -> bool:
        (row,) = self.rows("SELECT row_security_active(%s::oid) AS active", [oid])
        return bool(row["active"])


@contextmanager
def _reading(connection: psycopg.Connection[Any]) -> Iterator[None]:
    """One view of the catalog for all queries, in which nothing but pg_catalog is found without its schema."""
    import psycopg
    from psycopg.pq import TransactionStatus

    alone = connection.info.transaction_status == TransactionStatus.IDLE
    try:
        if alone:
            connection.execute("BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        before = connection.execute("SELECT current_setting('search_path')").fetchone()
        try:
            connection.execute("SELECT set_config('search_path', 'pg_catalog', true)")
            yield
        finally:
            if connection.closed:
                pass
            elif alone:
                connection.execute("ROLLBACK")
            elif connection.info.transaction_status == TransactionStatus.INTRANS and before is not None:
                connection.execute("SELECT set_config('search_path', %s, true)", [before[0]])
    except psycopg.Error as exc:
        raise translate_postgres_error(exc, f"catalog of database {connection.info.dbname}") from None


def _with_children(roots: Sequence[int], lineage: Sequence[Row]) -> set[int]:
    below: dict[int, list[int]] = defaultdict(list)
    for row in lineage:
        below[row["parent"]].append(row["child"])
    found: set[int] = set()
    waiting = list(roots)
    while waiting:
        oid = waiting.pop()
        if oid not in found:
            found.add(oid)
            waiting += below[oid]
    return found


def _type_key(row: Row) -> TypeKey:
    return row["type"], row["modifier"], row["dimensions"]


def _column(row: Row, types: Mapping[TypeKey, NativeType]) -> CatalogColumn:
    return CatalogColumn(
        position=row["position"],
        name=row["name"],
        type=types[_type_key(row)],
        nullable=row["nullable"],
        default=row["default"],
        generated=_GENERATED.get(row["generated"]),
        identity=_IDENTITY.get(row["identity"]),
        collation=row["collation"],
        deterministic=row["deterministic"],
        readable=row["readable"],
        comment=row["comment"],
    )


def _key(row: Row) -> CatalogKey:
    return CatalogKey(
        name=row["name"],
        kind=_KEY_KINDS[row["kind"]],  # type: ignore[arg-type]
        columns=tuple(row["columns"]),
        references=TableName(row["other_schema"], row["other_name"]) if row["other_name"] is not None else None,
        referenced_columns=tuple(row["other_columns"]),
        deferrable=row["deferrable"],
        validated=row["validated"],
        definition=row["definition"],
    )


def _index(row: Row) -> CatalogIndex:
    return CatalogIndex(
        name=row["name"],
        method=row["method"],
        columns=tuple(row["columns"][: row["key_columns"]]),
        included=tuple(row["columns"][row["key_columns"] :]),
        unique=row["is_unique"],
        primary=row["is_primary"],
        valid=row["is_valid"],
        predicate=row["predicate"],
        definition=row["definition"],
        bytes=row["bytes"],
    )


def _policy(row: Row) -> Policy:
    roles = tuple(sorted(row["roles"]))
    return Policy(row["name"], row["permissive"], _COMMANDS[row["command"]], roles, row["using"], row["with_check"])


def _missing(what: str, name: str, known: Collection[str]) -> MissingTableError:
    close = nearest(name, known)
    some = ", ".join(sorted(known)[:10])
    return MissingTableError(
        f"There is no {what} {name}.", object=name, hint=f"Did you mean {', '.join(close)}?" if close else f"There are: {some or 'none'}."
    )
