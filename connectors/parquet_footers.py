"""Parquet footers to groups of files that are read alike: same schema, same calendar."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pyarrow.parquet as pq
from pyarrow import ArrowException

from connectors.calendars import CALENDAR_START, WriterCalendar
from schemas.errors import UnreadableDataError

__all__ = ["Footer", "read_footers"]

_SPARK_VERSION = b"org.apache.spark.version"
_SPARK_SCHEMA = b"org.apache.spark.sql.parquet.row.metadata"
_THREADS = 8
# Written in languages whose only calendar is the proleptic one, or documented so; parquet-mr alone says nothing (Hive used it).
_PROLEPTIC = re.compile(
    r"parquet-cpp|duckdb|impala|parquet-rs|polars|arrow2|parquet-go|arrow-go|github\.com/(?:apache/arrow|xitongsys|segmentio|parquet-go)"
    r"|fastparquet|clickhouse|datafusion|velox|trino|parquet-mr-trino|cudf|photon",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Footer:
    """What one file says about itself.

    Attributes:
        shape: text that is equal for files that Spark reads with one schema.
        calendar: `recorded`: Spark wrote it and its reader knows; `proleptic`: known writer; `unknown`.
        writer: `created_by`.
        int96: columns stored in the deprecated type INT96.
        by_spark: whether Spark wrote it (its INT96 hold microseconds).
        dated: whether any column holds dates or timestamps.
        modern: statistics prove that all of those are after the change of the calendar.
    """

    path: str
    shape: str
    calendar: WriterCalendar
    writer: str
    int96: tuple[str, ...]
    by_spark: bool
    dated: bool
    modern: bool


def read_footers(paths: Sequence[str], where: str) -> list[Footer]:
    """Return the footer of every local file, in order; no row is read, several files at a time.

    Raises:
        UnreadableDataError: a file is damaged or not Parquet.
    """
    read: Callable[[str], Footer] = lambda path: _footer(path, where)  # noqa: E731 - bound to where for the pool
    with ThreadPoolExecutor(_THREADS) as pool:
        return list(pool.map(read, paths))


def _footer(path: str, where: str) -> Footer:
    try:
        with open(path, "rb") as file:
            metadata: Any = pq.ParquetFile(file).metadata
    except (ArrowException, OSError) as exc:
        reason = str(exc).split("\n", 1)[0][:160].rstrip(". ")
        raise UnreadableDataError(
            f"{where}: {path} is no readable Parquet file: {reason}.",
            object=path,
            hint="Check the scheme, and copy or unload the file again.",
        ) from None
    notes: dict[bytes, bytes] = metadata.metadata or {}
    writer = str(metadata.created_by or "")
    columns = [metadata.schema.column(i) for i in range(metadata.num_columns)]
    dated = [i for i, column in enumerate(columns) if _is_dated(column)]
    by_spark = _SPARK_VERSION in notes
    return Footer(
        path=path,
        shape=f"{_shape(metadata.schema)}\n{notes.get(_SPARK_SCHEMA, b'').decode('utf-8', 'replace')}",
        calendar="recorded" if by_spark else "proleptic" if _PROLEPTIC.search(writer) else "unknown",
        writer=writer,
        int96=tuple(column.path for column in columns if column.physical_type == "INT96"),
        by_spark=by_spark,
        dated=bool(dated),
        modern=all(_is_modern(metadata, i) for i in dated),
    )


def _shape(schema: Any) -> str:
    """The schema as text, without the address pyarrow puts on the first line."""
    return str(schema).split("\n", 1)[-1]


def _is_dated(column: Any) -> bool:
    return column.physical_type == "INT96" or column.logical_type.type in ("DATE", "TIMESTAMP") or "TIMESTAMP" in str(column.converted_type)


def _is_modern(metadata: Any, column: int) -> bool:
    """Whether statistics of every row group prove that no value is before the change; False when they are missing."""
    for group in range(metadata.num_row_groups):
        chunk = metadata.row_group(group).column(column)
        statistics = chunk.statistics
        if statistics is None:
            return False
        if statistics.null_count == chunk.num_values:
            continue
        if not statistics.has_min_max:
            return False
        try:
            lowest = statistics.min
        except (ValueError, OverflowError):  # a date that Python cannot express is not modern
            return False
        if isinstance(lowest, datetime.datetime):
            lowest = lowest.date()
        if not isinstance(lowest, datetime.date) or lowest < CALENDAR_START:
            return False
    return True
