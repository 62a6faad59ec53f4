"""Whether old dates in files mean what Spark reads.

Before 1582-10-15 the Julian calendar was in force. Old Hive and Spark 2 wrote such dates in the hybrid calendar, everything newer
in the proleptic Gregorian one: the same bytes then mean two days. Spark records which, others mostly do not.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Literal

from pyspark.sql import functions as F
from pyspark.sql import types as T

from connectors.file_schemas import FileGroup, quoted
from connectors.folders import Folder
from connectors.spark_errors import SPARK_FAILURES, translate_spark_error
from schemas.verdict import Reason

__all__ = ["CALENDAR_START", "WriterCalendar", "ambiguous", "ancient_values_found", "rebase_options", "recorded_calendar"]

CALENDAR_START = date(1582, 10, 15)
WriterCalendar = Literal["recorded", "proleptic", "unknown"]
_REBASE: Mapping[str, str] = {"proleptic": "CORRECTED", "hybrid": "LEGACY", "refuse": "EXCEPTION"}
_SPARK_VERSION = b"org.apache.spark.version"
_HEADER_BYTES = 1 << 16


def rebase_options(scheme: str, calendar: str) -> dict[str, str]:
    """Return the read options that take old dates as of `proleptic`, as of `hybrid`, or `refuse` them.

    Spark applies them only to files in which it did not record the calendar itself.
    """
    if scheme == "parquet":
        return {"datetimeRebaseMode": _REBASE[calendar], "int96RebaseMode": _REBASE[calendar]}
    return {"datetimeRebaseMode": _REBASE[calendar]} if scheme == "avro" else {}


def recorded_calendar(scheme: str, path: str) -> WriterCalendar:
    """Return `recorded` for a local Avro or ORC file that Spark wrote; its reader then knows the calendar."""
    if scheme == "avro":
        with Path(path).open("rb") as file:
            return "recorded" if _SPARK_VERSION in file.read(_HEADER_BYTES) else "unknown"
    if scheme == "orc":
        from pyarrow import orc  # an optional part of pyarrow

        notes = orc.ORCFile(path).metadata
        return "recorded" if notes is not None and _SPARK_VERSION in notes else "unknown"
    return "unknown"


def ancient_values_found(folder: Folder, group: FileGroup) -> bool:
    """Return whether files without a recorded calendar hold a date before 1582-10-15 (INT96: a timestamp before 1900).

    Cost: one scan of the date and timestamp columns of these files, ended by the first such value. ORC readers cannot
    be told to refuse: minima are computed there, and a date inside an array, struct or map counts as found.
    """
    dated = [field for field in group.schema.fields if _is_dated(field.dataType)]
    if not dated:
        return False
    scheme = folder.location.scheme
    rows = folder.read(scheme, group.paths, group.schema, rebase_options(scheme, "refuse")).select(*(quoted(field.name) for field in dated))
    try:
        if scheme != "orc":
            rows.write.format("noop").mode("overwrite").save()
            return False
        if any(isinstance(field.dataType, (T.StructType, T.ArrayType, T.MapType)) for field in dated):
            return True
        old = [F.coalesce(F.min(F.col(quoted(field.name))) < F.lit(CALENDAR_START), F.lit(False)) for field in dated]
        return any(rows.agg(*(flag.alias(f"c{i}") for i, flag in enumerate(old))).collect()[0])
    except SPARK_FAILURES as exc:
        if "READ_ANCIENT_DATETIME" in str(exc):
            return True
        raise translate_spark_error(exc, folder.where) from None


def ambiguous(files: tuple[str, ...], writer: str) -> Reason:
    """Return the blocker for files whose old dates have two meanings."""
    shown = ", ".join(files[:3]) + ("…" if len(files) > 3 else "")
    by = f" (written by {writer})" if writer else ""
    return Reason(
        code="ambiguous_calendar",
        text=f"{shown}{by} holds dates before 1582-10-15 (INT96: 1900) and does not say in which calendar; read as proleptic. "
        "Say which: option calendar=proleptic or calendar=hybrid.",
    )


def _is_dated(kind: T.DataType) -> bool:
    if isinstance(kind, T.StructType):
        return any(_is_dated(field.dataType) for field in kind.fields)
    if isinstance(kind, T.ArrayType):
        return _is_dated(kind.elementType)
    if isinstance(kind, T.MapType):
        return _is_dated(kind.keyType) or _is_dated(kind.valueType)
    return isinstance(kind, (T.DateType, T.TimestampType, T.TimestampNTZType))
