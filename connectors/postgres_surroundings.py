"""What a discovery needs beside the tables: the database, what the role could do in it, publications, triggers and functions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from connectors.postgres_address import TableName
from connectors.postgres_errors import translate_postgres_error

if TYPE_CHECKING:
    import psycopg

__all__ = ["FunctionUse", "PublishedChanges", "RoleRights", "Surroundings", "one_view", "surroundings"]

Operation = Literal["insert", "update", "delete", "truncate"]

_DATABASE = """
SELECT found.datcollate::text, current_setting('lc_monetary'), bool_or(has_database_privilege(role.oid, found.oid, 'CREATE')),
       bool_or(has_database_privilege(role.oid, found.oid, 'TEMP')), bool_or(role.rolsuper), bool_or(role.rolbypassrls),
       bool_or(role.rolcreaterole OR EXISTS (SELECT FROM pg_auth_members AS held WHERE held.member = role.oid AND held.admin_option))
FROM pg_database AS found, pg_roles AS role
WHERE found.datname = current_database() AND pg_has_role(current_user, role.oid, 'MEMBER')
GROUP BY found.oid, found.datcollate
"""
_SCHEMAS = """
SELECT space.nspname::text, has_schema_privilege(space.oid, 'USAGE'), bool_or(has_schema_privilege(role.oid, space.oid, 'CREATE'))
FROM pg_namespace AS space, pg_roles AS role
WHERE space.nspname = ANY(%s::text[]) AND pg_has_role(current_user, role.oid, 'MEMBER')
GROUP BY space.oid, space.nspname ORDER BY 1
"""
_PUBLICATIONS = """
SELECT found.pubname::text, found.puballtables, found.pubinsert, found.pubupdate, found.pubdelete, found.pubtruncate,
       coalesce((SELECT array_agg(ARRAY[held.schemaname::text, held.tablename::text] ORDER BY held.schemaname, held.tablename)
                 FROM pg_publication_tables AS held WHERE held.pubname = found.pubname), '{}')
FROM pg_publication AS found ORDER BY 1
"""
_FUNCTIONS = """
SELECT space.nspname::text, class.relname::text, callspace.nspname::text, called.proname::text, 'trigger'
FROM pg_trigger AS fired
JOIN pg_class AS class ON class.oid = fired.tgrelid
JOIN pg_namespace AS space ON space.oid = class.relnamespace
JOIN pg_proc AS called ON called.oid = fired.tgfoid
JOIN pg_namespace AS callspace ON callspace.oid = called.pronamespace
WHERE NOT fired.tgisinternal
UNION
SELECT space.nspname::text, class.relname::text, callspace.nspname::text, called.proname::text, 'function'
FROM pg_depend AS found
LEFT JOIN pg_rewrite AS rule ON found.classid = 'pg_rewrite'::regclass AND rule.oid = found.objid
LEFT JOIN pg_attrdef AS value ON found.classid = 'pg_attrdef'::regclass AND value.oid = found.objid
JOIN pg_class AS class ON class.oid = coalesce(rule.ev_class, value.adrelid)
JOIN pg_namespace AS space ON space.oid = class.relnamespace
JOIN pg_proc AS called ON called.oid = found.refobjid
JOIN pg_namespace AS callspace ON callspace.oid = called.pronamespace
WHERE found.refclassid = 'pg_proc'::regclass AND callspace.nspname <> 'pg_catalog'
ORDER BY 1, 2, 5, 3, 4
"""


@dataclass(frozen=True)
class RoleRights:
    """What the role, or one it can become, could do with the database and a schema; rights are asked for, never tried.

    Attributes:
        uses_schemas: schemas it may look into.
        creates: it may create objects in the database or in one of the schemas.
        temporary: it may create temporary tables.
        administers_roles: it may create roles or give some away.
    """

    uses_schemas: frozenset[str]
    creates: bool
    temporary: bool
    superuser: bool
    bypasses_row_security: bool
    administers_roles: bool


@dataclass(frozen=True)
class PublishedChanges:
    """A logical publication; `tables` are those it publishes now."""

    name: str
    every_table: bool
    operations: tuple[Operation, ...]
    tables: tuple[TableName, ...]


@dataclass(frozen=True, order=True)
class FunctionUse:
    """A trigger, or a view or default, that calls a function of a user."""

    table: TableName
    function: TableName
    kind: Literal["trigger", "function"]


@dataclass(frozen=True)
class Surroundings:
    """Everything around the tables, sorted.

    Attributes:
        collation, lc_monetary: of the database, of the session.
    """

    collation: str
    lc_monetary: str
    rights: RoleRights
    publications: tuple[PublishedChanges, ...]
    functions: tuple[FunctionUse, ...]


@contextmanager
def one_view(connection: psycopg.Connection[Any]) -> Iterator[None]:
    """Hold one read-only transaction for all questions of a discovery, in which names without schema are those of the server.

    Raises:
        ParityError: see connectors.postgres_errors.
    """
    import psycopg

    try:
        connection.execute("BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        connection.execute("SET LOCAL search_path = pg_catalog")
        try:
            yield
        finally:
            if not connection.closed:
                connection.execute("ROLLBACK")
    except psycopg.Error as exc:
        raise translate_postgres_error(exc, f"database {connection.info.dbname}") from None


def surroundings(connection: psycopg.Connection[Any], schemas: Sequence[str]) -> Surroundings:
    """Return what is around the tables of some schemas; called inside `one_view`."""
    ((collation, lc_monetary, creates, temporary, superuser, bypasses, administers),) = connection.execute(_DATABASE).fetchall()
    spaces = connection.execute(_SCHEMAS, [list(schemas)]).fetchall()
    return Surroundings(
        collation=collation,
        lc_monetary=lc_monetary,
        rights=RoleRights(
            uses_schemas=frozenset(name for name, usable, _ in spaces if usable),
            creates=creates or any(may_create for _, _, may_create in spaces),
            temporary=temporary,
            superuser=superuser,
            bypasses_row_security=bypasses,
            administers_roles=administers,
        ),
        publications=tuple(_publication(row) for row in connection.execute(_PUBLICATIONS).fetchall()),
        functions=tuple(
            sorted(FunctionUse(TableName(row[0], row[1]), TableName(row[2], row[3]), row[4]) for row in connection.execute(_FUNCTIONS))
        ),
    )


def _publication(row: Sequence[Any]) -> PublishedChanges:
    operations: tuple[tuple[Operation, bool], ...] = (("insert", row[2]), ("update", row[3]), ("delete", row[4]), ("truncate", row[5]))
    tables = tuple(TableName(schema, name) for schema, name in row[6])
    return PublishedChanges(row[0], row[1], tuple(name for name, published in operations if published), tables)
