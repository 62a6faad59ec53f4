"""A table that could not be read, to the columns whose values are to blame."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from connectors.postgres_columns import ReadColumn, base_of, select_sql
from connectors.postgres_connection import PostgresLogin, connect
from connectors.postgres_errors import UnheldValueError, translate_postgres_error
from connectors.postgres_snapshot import ExportedSnapshot
from engine.portable_sql import quote_identifier
from schemas.coercion import ReadForm
from schemas.errors import ParityError

__all__ = ["unheld_columns"]


def unheld_columns(login: PostgresLogin, snapshot: ExportedSnapshot, relation: str, columns: Sequence[ReadColumn]) -> tuple[str, ...]:
    """Return the columns that hold a value which their read form cannot let out, on the same snapshot.

    Args:
        relation: quoted, with `ONLY` where its children do not belong to it.

    Returns:
        Names in the order of the columns; none where the server has nothing against any. Cost: a query of all rows per column, each in a
        transaction of its own, since an error ends it and the one that holds the snapshot must not end.
    """
    return tuple(_failing(login, snapshot, relation, columns))


def _failing(login: PostgresLogin, snapshot: ExportedSnapshot, relation: str, columns: Sequence[ReadColumn]) -> Iterator[str]:
    import psycopg

    with connect(login) as connection:
        for column in columns:
            counted = (f"pg_catalog.count({_let_out_sql(column)})", f"pg_catalog.count(*) FILTER (WHERE {_unread_sql(column)})")
            query = " ".join(("SELECT", ", ".join(counted), "FROM", relation, "WHERE", snapshot.guard()))
            connection.execute("BEGIN")
            try:
                connection.execute(snapshot.init_statement().encode())
                row = connection.execute(query.encode()).fetchone()
                if row is not None and row[1]:
                    yield column.name
            except psycopg.Error as error:
                told: ParityError = translate_postgres_error(error, relation)
                if not isinstance(told, UnheldValueError):
                    raise told from None
                yield column.name
            finally:
                connection.execute("ROLLBACK")


def _let_out_sql(column: ReadColumn) -> str:
    """Return what the server computes to let a value out; a text, as it is sent."""
    read = select_sql(column)
    return f"pg_catalog.convert_to({read}, 'UTF8')" if base_of(column.native, column.coercion)[1].spark == "string" else read


def _unread_sql(column: ReadColumn) -> str:
    """Return a condition for values that the server lets out, and the driver cannot take."""
    coercion = base_of(column.native, column.coercion)[1]
    if coercion.read is ReadForm.AS_IS and (coercion.spark or "").startswith("decimal"):
        return f"{quote_identifier('postgres', column.name)} = 'NaN'"
    return "false"
