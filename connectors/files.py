"""Folders of Parquet, ORC and Avro files to one table, whatever the files disagree on."""

from __future__ import annotations

import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import reduce

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from connectors.base import Location, OpenedTable
from connectors.calendars import WriterCalendar, ambiguous, ancient_values_found, rebase_options, recorded_calendar
from connectors.file_schemas import FileGroup, conform, merge_schemas, quoted
from connectors.folders import Folder, open_folder
from connectors.manifest import escape_glob
from connectors.options import check_names, choice
from connectors.parquet_footers import Footer, read_footers
from connectors.publishing_reader import current_version_of
from connectors.spark_errors import SPARK_FAILURES, translate_spark_error, translated
from schemas.errors import ConfigError
from schemas.verdict import Finding, Reason

__all__ = ["FileDoor"]

_OPTIONS: Mapping[str, tuple[str, ...]] = {
    "parquet": ("calendar", "int96", "partition_types"),
    "orc": ("calendar", "partition_types"),
    "avro": ("calendar", "partition_types"),
}
_PROBES_AT_ONCE = 8
_SPARK_FILE = re.compile(r"part-\d{5}-[0-9a-f-]{36}[.-]c\d{3}(\.\w+)?\.parquet")


@dataclass(frozen=True)
class _Sight:
    """What is known of a file before it is read; files with an equal shape get one schema."""

    path: str
    shape: str
    calendar: WriterCalendar
    writer: str = ""
    modern: bool = False


class FileDoor:
    """`parquet:`, `orc:` and `avro:` folders or single files."""

    def open(self, spark: SparkSession, location: Location, options: Mapping[str, str]) -> OpenedTable:
        """Return the folder as one table, pinned by its manifest (see connectors.base.Door).

        Of a table that Parity has published the current version is read, and nothing else that lies there (see connectors.publishing).
        Every file's schema is read first; files are then read in groups of one schema each and widened exactly.
        Spark's own schema merging is not used: it fails, or gives NULL, where decimals or integers grew (CASES E20).
        """
        scheme, where = location.scheme, str(location)
        check_names(options, _OPTIONS[scheme], where)
        calendar = choice(options, "calendar", ("proleptic", "hybrid"), None)
        int96 = choice(options, "int96", ("accept",), None)
        if scheme == "orc" and calendar == "hybrid":
            raise ConfigError(
                f"{where}: ORC files cannot be read as hybrid.",
                object="calendar",
                hint="Spark converts them by their own footer: calendar=proleptic accepts that.",
            )
        published = current_version_of(spark, location, where) if scheme == "parquet" else None
        folder = open_folder(spark, published.location if published else location, options)
        sights, findings, blockers = _sights(folder, int96 == "accept")
        schemas = _schemas(folder, sights)
        merged, drift = merge_schemas(schemas, where)
        folder.refuse_shadowed(merged.names)
        parts = []
        for group in schemas:
            members = [sight for sight in sights if sight.path in set(group.paths)]
            for mode, paths, reason in _calendars(folder, group, members, calendar):
                rows = folder.read(scheme, paths, group.schema, _read_options(scheme, mode))
                parts.append(folder.select(rows, _conformed(group.schema, merged)))
                blockers += [reason] if reason else []
        opened = folder.opened(reduce(DataFrame.unionByName, parts))
        if published:
            opened = replace(opened, uri=where, pin=f"{published.pin}; {opened.pin}")
            blockers += published.blockers(folder.manifest)
        return replace(opened, findings=(*findings, *drift), blockers=(*opened.blockers, *blockers))


def _read_options(scheme: str, calendar: str) -> dict[str, str]:
    options = rebase_options(scheme, calendar)
    if scheme == "avro":
        return {**options, "mode": "FAILFAST", "ignoreExtension": "true"}
    return {**options, "mergeSchema": "false"}


def _sights(folder: Folder, int96_accepted: bool) -> tuple[list[_Sight], list[Finding], list[Reason]]:
    """What the files say about themselves; local Parquet footers are read by pyarrow, many at a time."""
    scheme, local = folder.location.scheme, folder.manifest.local
    if scheme == "parquet" and local:
        footers = read_footers(folder.paths, folder.where)
        sights = [_Sight(f.path, f.shape, f.calendar, f.writer, f.modern) for f in footers]
        return sights, *_int96(footers, int96_accepted)
    with ThreadPoolExecutor(_PROBES_AT_ONCE) as pool:
        shapes = list(pool.map(lambda path: _spark_schema(folder, path).json(), folder.paths))
        holds_int96 = list(pool.map(lambda path: _holds_int96(folder, path), folder.paths)) if scheme == "parquet" else []
    sights = [_Sight(p, s, recorded_calendar(scheme, p) if local else "unknown") for p, s in zip(folder.paths, shapes, strict=True)]
    foreign = [
        path for path, held in zip(folder.paths, holds_int96, strict=False) if held and not _SPARK_FILE.fullmatch(path.rsplit("/", 1)[-1])
    ]
    if not foreign or int96_accepted:
        return sights, [], []
    text = (
        f"{foreign[0]}{' and others' if len(foreign) > 1 else ''} holds INT96 and is not named as Spark names its files: digits below a "
        "microsecond are cut off when read, and Impala and Hive may have written local time. Option int96=accept takes them as read."
    )
    return sights, [], [Reason(code="int96", text=text)]


def _holds_int96(folder: Folder, path: str) -> bool:
    """Whether a file of another store, whose footer only Spark can read, holds INT96: asked to, Spark refuses to take it as a timestamp."""
    spark = folder.spark.newSession()  # settings of its own
    spark.conf.set("spark.sql.parquet.int96AsTimestamp", "false")
    try:
        _ = spark.read.parquet(escape_glob(path)).schema
    except SPARK_FAILURES as exc:
        if "INT96" in str(exc):
            return True
        raise translate_spark_error(exc, folder.where, path) from None
    return False


def _int96(footers: list[Footer], accepted: bool) -> tuple[list[Finding], list[Reason]]:
    """INT96 holds nanoseconds, Spark reads microseconds: only files that Spark wrote are known to lose nothing (CASES F10)."""
    concerned = [footer for footer in footers if footer.int96]
    if not concerned:
        return [], []
    columns = sorted({name for footer in concerned for name in footer.int96})
    findings = [
        Finding.model_validate(
            {
                "class": "int96",
                "column": name,
                "severity": "LOW",
                "text": f"Column {name} is stored as INT96 in {sum(name in f.int96 for f in concerned)} files.",
            }
        )
        for name in columns
    ]
    foreign = [footer for footer in concerned if not footer.by_spark]
    if not foreign or accepted:
        return findings, []
    text = (
        f"{foreign[0].path}{' and others' if len(foreign) > 1 else ''}, not written by Spark ({foreign[0].writer or 'writer unknown'}), "
        f"stores {', '.join(columns)} as INT96: digits below a microsecond are cut off when read, and Impala and Hive may have written "
        "local time. Option int96=accept takes them as read."
    )
    return findings, [Reason(code="int96", text=text)]


def _schemas(folder: Folder, sights: list[_Sight]) -> list[FileGroup]:
    """One group per shape, in the order of the files; Spark itself says what schema a shape has."""
    by_shape: dict[str, list[str]] = {}
    for sight in sights:
        by_shape.setdefault(sight.shape, []).append(sight.path)
    by_schema: dict[str, FileGroup] = {}
    for paths in by_shape.values():
        schema = _spark_schema(folder, paths[0])
        known = by_schema.get(schema.json())
        by_schema[schema.json()] = FileGroup((*(known.paths if known else ()), *paths), schema)
    return list(by_schema.values())


def _spark_schema(folder: Folder, path: str) -> T.StructType:
    with translated(folder.where, path):
        # basePath is the file's own folder: its partition columns come from the path, not from here.
        options = {"mergeSchema": "false", "ignoreExtension": "true", "basePath": path.rsplit("/", 1)[0] or "/"}
        return folder.spark.read.format(folder.location.scheme).options(**options).load(escape_glob(path)).schema


def _conformed(actual: T.StructType, merged: T.StructType) -> list[Column]:
    own = {field.name: field.dataType for field in actual.fields}
    return [
        (
            conform(F.col(quoted(field.name)), own[field.name], field.dataType) if field.name in own else F.lit(None).cast(field.dataType)
        ).alias(field.name, metadata=field.metadata)
        for field in merged.fields
    ]


def _calendars(folder: Folder, group: FileGroup, members: list[_Sight], declared: str | None) -> list[tuple[str, list[str], Reason | None]]:
    """Split a group by how its old dates are to be read: (calendar, paths, blocker)."""
    known = [sight.path for sight in members if sight.calendar != "unknown" or sight.modern]
    doubtful = [sight for sight in members if sight.calendar == "unknown" and not sight.modern]
    split: list[tuple[str, list[str], Reason | None]] = [("proleptic", known, None)] if known else []
    if not doubtful:
        return split
    paths = [sight.path for sight in doubtful]
    if declared is not None:
        return [*split, (declared, paths, None)]
    found = ancient_values_found(folder, FileGroup(tuple(paths), group.schema))
    reason = ambiguous(tuple(paths), doubtful[0].writer) if found else None
    if not known or not found:
        return [("proleptic", known + paths, reason)]
    return [*split, ("proleptic", paths, reason)]
