"""Paths of data files to partition columns, and the folders that are not what their scheme says."""

from __future__ import annotations

import os
from urllib.parse import unquote

from pyspark.sql import SparkSession

from connectors.manifest import Manifest, escape_glob
from connectors.spark_errors import SPARK_FAILURES, translate_spark_error
from schemas.errors import ConfigError, MissingTableError, UnreadableDataError

__all__ = ["partition_columns", "refuse_other_formats", "require_data"]

_LEVELS_ABOVE = 6


def partition_columns(manifest: Manifest, where: str) -> tuple[str, ...]:
    """Return the names in `name=value` folders, outermost first.

    Raises:
        UnreadableDataError: files lie under different partition names, or in folders that are not partitions
            (Spark would leave such files out without a word).
    """
    seen: dict[tuple[str, ...], str] = {}
    for file in manifest.filled:
        folders = manifest.relative(file.path).split("/")[:-1]
        keys = []
        for folder in folders:
            name, separator, value = folder.partition("=")
            if not separator or not name or not value:
                other = next((f.path for f in manifest.filled if f.path != file.path), None)
                beside = f", while {other} does not" if other and os.path.dirname(other) != os.path.dirname(file.path) else ""
                raise UnreadableDataError(
                    f"{where}: {file.path} lies in the folder {folder}, which is no partition folder (name=value){beside}.",
                    object=file.path,
                    hint="Compare one folder at a time, or name the folders name=value.",
                )
            keys.append(unquote(name))
        seen.setdefault(tuple(keys), file.path)
        if len(seen) > 1:
            (one, first), (two, second) = list(seen.items())[:2]
            raise UnreadableDataError(
                f"{where}: {first} is partitioned by {', '.join(one) or 'nothing'}, {second} by {', '.join(two) or 'nothing'}.",
                object=second,
                hint="All files of one table must lie under the same partition names.",
            )
    return next(iter(seen), ())


def require_data(manifest: Manifest, where: str) -> None:
    """Check that there is at least one file with content: without one there is no schema, and zero rows prove nothing."""
    if manifest.filled:
        return
    beside = "; those it holds are hidden by their names or empty" if manifest.hidden or manifest.empty else ""
    raise MissingTableError(
        f"{where}: no data files in {manifest.root}{beside}.",
        object=manifest.root,
        hint="Check the path; an empty table needs at least one file that holds its schema.",
    )


def refuse_other_formats(spark: SparkSession, manifest: Manifest, scheme: str, where: str) -> None:
    """Check that a folder is not the storage of a Delta, Iceberg or Hudi table: read as plain files, deleted rows come back.

    Raises:
        ConfigError: it is, or a folder above or inside it is.
    """
    for log in manifest.logs:
        raise _other_format("Delta" if log.endswith("_delta_log") else "Hudi", os.path.dirname(log), scheme, where)
    found = _format_above(manifest.root) if manifest.local else _remote_format(spark, manifest, where)
    if found:
        raise _other_format(*found, scheme, where)


def _format_above(root: str) -> tuple[str, str] | None:
    folder = root if os.path.isdir(root) else os.path.dirname(root)
    for _ in range(_LEVELS_ABOVE):
        if os.path.isdir(os.path.join(folder, "_delta_log")):
            return "Delta", folder
        metadata = os.path.join(folder, "metadata")
        if os.path.isdir(metadata) and any(name.endswith(".metadata.json") for name in os.listdir(metadata)):
            return "Iceberg", folder
        if os.path.dirname(folder) == folder:
            break
        folder = os.path.dirname(folder)
    return None


def _remote_format(spark: SparkSession, manifest: Manifest, where: str) -> tuple[str, str] | None:
    """Listing hides names with an underscore, so the log folder is asked for by name."""
    if any(file.path.endswith(".metadata.json") for file in manifest.files):
        return "Iceberg", manifest.root
    try:
        spark.read.format("binaryFile").load(f"{escape_glob(manifest.root)}/_delta_log").select("path").head(1)
    except SPARK_FAILURES as exc:
        translated = translate_spark_error(exc, where)
        if isinstance(translated, MissingTableError):
            return None
        raise translated from None
    return "Delta", manifest.root


def _other_format(name: str, folder: str, scheme: str, where: str) -> ConfigError:
    use = {"Delta": f"Write delta:{folder}", "Iceberg": f"Write iceberg:catalog.db.table, or iceberg:{folder}"}.get(
        name, "Read it through its catalog: hive:db.table"
    )
    return ConfigError(
        f"{where}: {folder} is a {name} table; read as {scheme}, deleted and replaced rows would come back.", object=folder, hint=f"{use}."
    )
