"""Delta tables, by path or by name, at one version."""

from __future__ import annotations

from collections.abc import Mapping

from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F

from connectors.base import Location, OpenedTable
from connectors.locations import local_path
from connectors.manifest import require_path
from connectors.names import looks_like_path, quoted_table
from connectors.options import check_names
from connectors.spark_errors import SPARK_FAILURES, translate_spark_error, translated
from schemas.errors import MissingTableError, ParityError
from schemas.verdict import Reason

__all__ = ["DeltaDoor", "open_delta"]


class DeltaDoor:
    """`delta:/path@v12`, `delta:/path`, `delta:catalog.db.table`."""

    def open(self, spark: SparkSession, location: Location, options: Mapping[str, str]) -> OpenedTable:
        """Return the table at that version, or at the newest one now (see connectors.base.Door).

        A version is read with the schema it had: columns renamed or dropped later come back.
        """
        where = str(location)
        check_names(options, (), where)
        path = None
        if looks_like_path(location.path):
            path = local_path(location.path) if location.path.startswith("file:") else location.path
            require_path(spark, location.path, where)
            table = f"delta.`{location.path.replace('`', '``')}`"
        else:
            table = quoted_table(location.path, where)
        return open_delta(spark, str(location), table, path, location.version)


def open_delta(spark: SparkSession, uri: str, table: str, path: str | None, version: str | None) -> OpenedTable:
    """Return a Delta table that SQL calls `table`; read by `path` when it has one, else by that name.

    Cost: two commands on the transaction log; no data file is opened.
    """
    with translated(uri):
        detail = _detail(spark, table)
        chosen = int(version) if version is not None else _newest(spark, table)
        rows = _read(spark, uri, table, path, chosen)
    newest = version is None
    return OpenedTable(
        uri=uri,
        rows=rows,
        partition_columns=tuple(name for name in detail.partitionColumns if name in rows.columns),
        pin=f"delta version {chosen}",
        pinned=True,
        identity=f"delta {detail.id} version {chosen}",
        bytes=detail.sizeInBytes if newest else None,
        files=detail.numFiles if newest else None,
        still_holds=lambda: _still_holds(spark, uri, table, detail.id, chosen),
    )


def _detail(spark: SparkSession, table: str) -> Row:
    return spark.sql(f"DESCRIBE DETAIL {table}").select("id", "partitionColumns", "numFiles", "sizeInBytes").collect()[0]


def _newest(spark: SparkSession, table: str) -> int:
    return int(spark.sql(f"DESCRIBE HISTORY {table} LIMIT 1").select("version").collect()[0].version)


def _read(spark: SparkSession, uri: str, table: str, path: str | None, version: int) -> DataFrame:
    try:
        reader = spark.read.option("versionAsOf", version)
        rows = reader.format("delta").load(path) if path is not None else reader.table(table)
        _ = rows.schema
    except SPARK_FAILURES as exc:
        available = spark.sql(f"DESCRIBE HISTORY {table}").agg(F.min("version"), F.max("version")).collect()[0]
        if available[0] is not None and not available[0] <= version <= available[1]:
            raise MissingTableError(
                f"{uri}: there is no version {version}.", object=str(version), hint=f"Versions {available[0]} to {available[1]} exist."
            ) from None
        raise translate_spark_error(exc, uri) from None
    return rows


def _still_holds(spark: SparkSession, uri: str, table: str, identity: str, version: int) -> tuple[Reason, ...]:
    """A version never changes; the table can be replaced under its name."""
    try:
        with translated(uri):
            now = _detail(spark, table).id
            newest = _newest(spark, table)
    except ParityError as exc:
        return (Reason(code="source_changed", text=f"{uri} changed while it was read: {exc.message}"),)
    if now != identity or newest < version:
        return (Reason(code="source_changed", text=f"{uri} was replaced by another table while it was read."),)
    return ()
