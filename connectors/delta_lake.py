"""Delta tables, by path or by name, at one version."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F

from connectors.base import Location, OpenedTable
from connectors.locations import local_path
from connectors.manifest import require_path, store_is_local
from connectors.names import looks_like_path, quoted_table
from connectors.options import check_names
from connectors.spark_errors import SPARK_FAILURES, translate_spark_error, translated
from schemas.errors import ConfigError, MissingTableError, ParityError
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
        path = _path(spark, location.path, where)
        table = quoted_table(location.path, where) if path is None else f"delta.`{path.replace('`', '``')}`"
        return open_delta(spark, where, table, path, location.version)


def _path(spark: SparkSession, text: str, where: str) -> str | None:
    """Return where the table lies, from the top; None for a name in a catalog.

    Raises:
        ConfigError: a folder here and a table in the catalog both have that name.
        MissingTableError: there is no such folder, or it holds no `_delta_log`.
    """
    local = local_path(text) if text.startswith("file:") or store_is_local(spark) else None
    if not looks_like_path(text):
        if local is None or not os.path.isdir(local):
            return None
        with translated(where):
            in_catalog = spark.catalog.tableExists(quoted_table(text, where)) if re.fullmatch(r"\w+(\.\w+)*", text) else False
        if in_catalog and os.path.isdir(os.path.join(local, "_delta_log")):
            raise ConfigError(
                f"{where}: is both a table of the catalog and a folder here.",
                object=text,
                hint=f"Write delta:./{text} for the folder, delta:spark_catalog.default.{text} for the table.",
            )
        if in_catalog:
            return None
    if local is None:
        return text
    require_path(spark, text, where)
    if not os.path.isdir(os.path.join(local, "_delta_log")):
        raise MissingTableError(
            f"{where}: {local} is no Delta table: it holds no folder _delta_log.",
            object=local,
            hint="Name the folder that holds _delta_log, or say what the files are: parquet:, orc:, csv:, …",
        )
    return local if store_is_local(spark) else text


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
