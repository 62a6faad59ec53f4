"""Tables of Spark's catalog (Hive metastore or Spark's own), pinned by the files they read."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from pyspark.sql import DataFrame, SparkSession

from connectors.base import Location, OpenedTable
from connectors.delta_lake import open_delta
from connectors.locations import local_path
from connectors.manifest import Manifest, manifest_of_files, plain_path, still_holds, take_manifest
from connectors.names import quoted_table
from connectors.options import check_names
from connectors.spark_errors import translated
from schemas.errors import ConfigError, MissingTableError, nearest
from schemas.verdict import Finding, Reason

__all__ = ["HiveDoor"]

_FILE_PROVIDERS = ("parquet", "orc", "avro", "csv", "json", "text", "hive")
_SHOWN = 5


@dataclass(frozen=True)
class _Described:
    """What the catalog says about a table."""

    kind: str
    provider: str
    location: str
    partition_columns: tuple[str, ...]


class HiveDoor:
    """`hive:db.table`, `hive:catalog.db.table`."""

    def open(self, spark: SparkSession, location: Location, options: Mapping[str, str]) -> OpenedTable:
        """Return the table as the catalog describes it (see connectors.base.Door).

        Delta tables are pinned by version; tables of files by the manifest of what they read; views and tables of other
        services not at all. The catalog's partitions are compared with the folders: Spark reads a registered partition
        without a folder as empty, and leaves out a folder without a registration, both in silence.
        """
        where = str(location)
        check_names(options, (), where)
        name = quoted_table(location.path, where)
        _require(spark, name, location.path, where)
        with translated(where):
            described = _describe(spark, name)
            if described.provider == "delta" and described.kind != "VIEW":
                return open_delta(spark, where, name, None, None)
            if described.provider == "iceberg":
                raise ConfigError(
                    f"{where}: is an Iceberg table.", object=location.path, hint=f"Write iceberg:{location.path}, which pins its snapshot."
                )
            if described.kind != "VIEW" and described.provider in _FILE_PROVIDERS:
                spark.catalog.refreshTable(name)  # a cached copy or listing is not what lies there now (CASES I14)
            rows = spark.table(name)
            _ = rows.schema
            if described.kind == "VIEW" or described.provider not in _FILE_PROVIDERS or not described.location:
                return _unpinned(where, rows, described)
            return _pinned(spark, where, name, rows, described)


def _unpinned(where: str, rows: DataFrame, described: _Described) -> OpenedTable:
    what = "a view" if described.kind == "VIEW" else f"a table of {described.provider or 'an unknown provider'}"
    reason = Reason(
        code="unpinned_source", text=f"{where} is {what}: what it reads cannot be pinned. Compare the tables behind it, or a copy."
    )
    return OpenedTable(uri=where, rows=rows, identity=f"catalog {where}", partition_columns=described.partition_columns, blockers=(reason,))


def _pinned(spark: SparkSession, where: str, name: str, rows: DataFrame, described: _Described) -> OpenedTable:
    root = plain_path(described.location)
    manifest = _manifest(spark, where, rows, root)
    findings, blockers = _partitions(spark, where, name, root, manifest, described) if described.partition_columns else ([], [])
    return OpenedTable(
        uri=where,
        rows=rows,
        partition_columns=described.partition_columns,
        pin=f"manifest sha256:{manifest.digest()}",
        pinned=True,
        identity=f"catalog {root} {manifest.digest()}",
        bytes=manifest.bytes,
        files=len(manifest.files),
        findings=tuple(findings),
        blockers=(*manifest.blockers(), *blockers),
        still_holds=lambda: still_holds(manifest, lambda: _again(spark, where, name, root)),
    )


def _again(spark: SparkSession, where: str, name: str, root: str) -> Manifest:
    with translated(where):
        spark.catalog.refreshTable(name)  # else Spark repeats its first listing
        return _manifest(spark, where, spark.table(name), root)


def _manifest(spark: SparkSession, where: str, rows: DataFrame, root: str) -> Manifest:
    """The files the table reads now, wherever its partitions lie, and what its own folder hides."""
    files = rows.inputFiles()
    local = local_path(root)
    if local is None:
        return manifest_of_files(spark, files, root, where) if files else Manifest(root, False, ())
    if not os.path.isdir(local):
        return Manifest(root, True, (), unfinished=(f"{root}, the folder of the table, is gone",))
    folder = take_manifest(spark, root, where)
    read = manifest_of_files(spark, [file for file in files if not os.path.isdir(plain_path(file))], root, where)
    # Hive SerDe tables only name their folders, and Spark leaves empty files out of its list.
    listed = set(read.files) | {file for file in folder.files if not files or file.bytes == 0 or _is_below(file.path, files)}
    return Manifest(root, True, tuple(sorted(listed)), folder.hidden, (*folder.unfinished, *read.unfinished), ())


def _is_below(path: str, inputs: list[str]) -> bool:
    return any(os.path.isdir(folder) and path.startswith(folder.rstrip("/") + "/") for folder in map(plain_path, inputs))


def _partitions(
    spark: SparkSession, where: str, name: str, root: str, manifest: Manifest, described: _Described
) -> tuple[list[Finding], list[Reason]]:
    """Compare the catalog's partitions with the folders, both ways."""
    registered = [row[0] for row in spark.sql(f"SHOW PARTITIONS {name}").collect()]
    read_folders = {os.path.dirname(file.path) for file in manifest.files}
    missing, places = [], set()
    for spec in registered:
        place = f"{root.rstrip('/')}/{spec}"
        if place not in read_folders:
            place = plain_path(_partition_location(spark, name, spec, described.partition_columns)) or place
            if not _exists(spark, place, where):
                missing.append(f"{spec} ({place})")
        places.add(place.rstrip("/"))
    findings, blockers = [], []
    if missing:
        blockers.append(
            Reason(
                code="partition_folder_missing",
                text=f"{where}: the catalog has {_some(missing)}, whose folder is missing; Spark reads it as empty. "
                "Restore it, or drop the partition.",
            )
        )
    local = local_path(root)
    if local is not None and os.path.isdir(local):
        present = {os.path.dirname(file.path) for file in take_manifest(spark, root, where).files if file.bytes}
        unregistered = sorted(
            folder for folder in present if folder.rstrip("/") not in places and not any(folder.startswith(f"{place}/") for place in places)
        )
        if unregistered:
            text = (
                f"{where}: {_some(unregistered)} holds files but is no partition in the catalog; not read. "
                "Register it (MSCK REPAIR TABLE), or remove it."
            )
            findings.append(Finding.model_validate({"class": "partition_not_registered", "severity": "MEDIUM", "text": text}))
            blockers.append(Reason(code="partition_not_registered", text=text))
    return findings, blockers


def _partition_location(spark: SparkSession, name: str, spec: str, columns: tuple[str, ...]) -> str:
    from urllib.parse import unquote

    values = dict(part.split("=", 1) for part in spec.split("/"))
    clause = ", ".join(f"`{column.replace('`', '``')}` = {_literal(unquote(values[column]))}" for column in columns if column in values)
    described = spark.sql(f"DESCRIBE TABLE EXTENDED {name} PARTITION ({clause})").collect()
    return next((str(row.data_type) for row in described if row.col_name == "Location"), "")


def _literal(value: str) -> str:
    if value == "__HIVE_DEFAULT_PARTITION__":
        return "NULL"
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _exists(spark: SparkSession, place: str, where: str) -> bool:
    local = local_path(place)
    if local is not None:
        return os.path.isdir(local)
    try:
        take_manifest(spark, place, where)
    except MissingTableError:
        return False
    return True


def _describe(spark: SparkSession, name: str) -> _Described:
    rows = spark.sql(f"DESCRIBE TABLE EXTENDED {name}").collect()
    detail = next((position for position, row in enumerate(rows) if row.col_name == "# Detailed Table Information"), len(rows))
    facts = {row.col_name: (row.data_type or "") for row in rows[detail:]}
    start = next((position for position, row in enumerate(rows) if row.col_name == "# Partition Information"), None)
    partitions: list[str] = []
    if start is not None:
        for row in rows[start + 1 : detail]:
            if row.col_name and not row.col_name.startswith("#"):
                partitions.append(row.col_name)
    return _Described(facts.get("Type", ""), facts.get("Provider", "").lower(), facts.get("Location", ""), tuple(partitions))


def _require(spark: SparkSession, quoted: str, name: str, where: str) -> None:
    with translated(where):
        if spark.catalog.tableExists(quoted):
            return
    database, _, table = name.rpartition(".")
    with translated(where):
        known = [
            row.tableName for row in spark.sql(f"SHOW TABLES IN {quoted_table(database, where)}" if database else "SHOW TABLES").collect()
        ]
    close = nearest(table, known)
    hint = (
        f"Did you mean {', '.join(close)}?"
        if close
        else f"{database or 'The current database'} has: {', '.join(known[:_SHOWN]) or 'no tables'}."
    )
    raise MissingTableError(f"{where}: there is no table {name}.", object=name, hint=hint)


def _some(items: list[str]) -> str:
    return ", ".join(items[:_SHOWN]) + (f" and {len(items) - _SHOWN} more" if len(items) > _SHOWN else "")
