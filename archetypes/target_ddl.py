"""Columns of the target to the statements that create its tables, checked by a parser of the dialect."""

from __future__ import annotations

from collections.abc import Sequence

import sqlglot
from sqlglot import exp
from sqlglot.errors import ParseError

from engine.portable_sql import quote_identifier
from schemas.errors import EngineError

__all__ = ["athena_ddl", "parsed_type", "spark_ddl"]


def spark_ddl(name: str, columns: Sequence[tuple[str, str]], partition_by: Sequence[str], location: str) -> str:
    """Return the statement that makes a folder of Parquet files a table of Spark.

    Args:
        columns: name and Spark type, in order.
        partition_by: names of those that are folders.
        location: of the folder.

    Raises:
        EngineError: the statement is none of Spark's dialect.
    """
    lines = [f"  {quote_identifier('spark', column)} {declared}" for column, declared in columns]
    folders = f"\nPARTITIONED BY ({', '.join(quote_identifier('spark', column) for column in partition_by)})" if partition_by else ""
    body = " (\n" + ",\n".join(lines) + "\n)" if lines else " ()"
    ddl = f"CREATE TABLE {quote_identifier('spark', name)}{body}\nUSING PARQUET{folders}\nLOCATION {_literal(location)}"
    return _checked(ddl, "spark")


def athena_ddl(database: str, name: str, columns: Sequence[tuple[str, str]], partition_by: Sequence[str], location: str) -> str:
    """Return the statement that registers a folder of Parquet files with Glue, as Athena takes it.

    Names are folded by Athena; both kinds of timestamp are `timestamp` there.
    """
    types = {column: hive_type(declared) for column, declared in columns}
    plain = [f"  {quote_identifier('spark', column)} {types[column]}" for column, _ in columns if column not in partition_by]
    folders = ", ".join(f"{quote_identifier('spark', column)} {types[column]}" for column in partition_by)
    table = f"{quote_identifier('spark', database)}.{quote_identifier('spark', name)}"
    body = " (\n" + ",\n".join(plain) + "\n)"
    partitions = f"\nPARTITIONED BY ({folders})" if folders else ""
    return f"CREATE EXTERNAL TABLE {table}{body}{partitions}\nSTORED AS PARQUET\nLOCATION {_literal(location)}"


def hive_type(spark: str) -> str:
    """Return a Spark type as Glue and Athena write it.

    >>> hive_type("struct<a:timestamp_ntz,b:array<bigint>>")
    'struct<a:timestamp,b:array<bigint>>'
    """
    # Only types stand outside of quotes and before , > or the end; a field called timestamp_ntz stands before a colon.
    found, quoted = [], False
    word = ""
    for letter in [*spark, ""]:
        if letter == "`":
            quoted = not quoted
        if not quoted and (letter.isalnum() or letter == "_") and letter:
            word += letter
            continue
        found.append("timestamp" if word == "timestamp_ntz" and letter != ":" else word)
        found.append(letter)
        word = ""
    return "".join(found)


def parsed_type(spark: str) -> exp.DataType:
    """Return a Spark type as a tree, from which other dialects are written.

    Raises:
        EngineError: it is no type of Spark.
    """
    try:
        return exp.DataType.build(spark, dialect="spark")
    except (ParseError, ValueError) as error:
        raise EngineError(f"{spark} is no type of Spark: {error}", object=spark) from None


def _checked(statement: str, dialect: str) -> str:
    try:
        parsed = sqlglot.parse_one(statement, dialect=dialect)
    except ParseError as error:
        raise EngineError(f"The statement is none of {dialect}: {error}", object=statement.splitlines()[0]) from None
    if not isinstance(parsed, exp.Create):
        raise EngineError(f"The statement creates nothing in {dialect}.", object=statement.splitlines()[0])
    return statement


def _literal(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
