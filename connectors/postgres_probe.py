"""A table that could not be read, to the columns whose values are to blame."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from connectors.postgres_columns import ReadColumn, select_sql
from connectors.postgres_connection import PostgresLogin, connect
from connectors.postgres_errors import UnheldValueError, translate_postgres_error
from connectors.postgres_snapshot import ExportedSnapshot
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
            query = " ".join(("SELECT pg_catalog.count(", select_sql(column), ") FROM", relation, "WHERE", snapshot.guard()))
            connection.execute("BEGIN")
            try:
                connection.execute(snapshot.init_statement().encode())
                connection.execute(query.encode())
            except psycopg.Error as error:
                told: ParityError = translate_postgres_error(error, relation)
                if not isinstance(told, UnheldValueError):
                    raise told from None
                yield column.name
            finally:
                connection.execute("ROLLBACK")
