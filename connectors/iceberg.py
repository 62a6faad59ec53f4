"""Iceberg tables, by name or by path, at one snapshot."""

from __future__ import annotations

import csv
from collections.abc import Mapping

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from connectors.base import Location, OpenedTable
from connectors.names import looks_like_path, quoted_table
from connectors.options import check_names
from connectors.spark_errors import translated
from schemas.errors import MissingTableError, ParityError
from schemas.verdict import Reason

__all__ = ["IcebergDoor"]

_SHOWN = 5


class IcebergDoor:
    """`iceberg:catalog.db.table@<snapshot>`, `iceberg:catalog.db.table`, `iceberg:/path/of/table`."""

    def open(self, spark: SparkSession, location: Location, options: Mapping[str, str]) -> OpenedTable:
        """Return the table at that snapshot, or at the current one now (see connectors.base.Door).

        A snapshot is read with the schema it had. Identifier fields are the primary key. Cost: reads of table metadata only.
        """
        where = str(location)
        check_names(options, (), where)
        if not looks_like_path(location.path):
            quoted_table(location.path, where)
        with translated(where):
            table = _Table(spark, location.path, where)
            properties = table.properties()
            current = properties.get("current-snapshot-id", "none")
            chosen = location.version or (None if current == "none" else current)
            if location.version is not None:
                table.require(location.version)
            rows = table.rows(chosen)
            place = properties.get("location", location.path)
            partitions = table.partition_columns(rows)
            size = table.size(chosen)
        key = _identifier_fields(properties.get("identifier-fields", ""))
        return OpenedTable(
            uri=where,
            rows=rows,
            primary_key=key if set(key) <= set(rows.columns) else (),
            partition_columns=partitions,
            pin=f"iceberg snapshot {chosen}" if chosen else "iceberg, no snapshot yet",
            pinned=True,
            identity=f"iceberg {place} snapshot {chosen}",
            bytes=size[0],
            files=size[1],
            still_holds=lambda: _still_holds(table, chosen, place),
        )


class _Table:
    """One Iceberg table as Spark reaches it: by name in a catalog, or by path."""

    def __init__(self, spark: SparkSession, path: str, where: str) -> None:
        self._spark, self._path, self._where = spark, path, where
        self._name = None if looks_like_path(path) else quoted_table(path, where)

    def rows(self, snapshot: str | None) -> DataFrame:
        """The rows of a snapshot; of the (empty) table when it has none."""
        reader = self._spark.read.format("iceberg")
        if snapshot is not None:
            reader = reader.option("snapshot-id", snapshot)
        rows = reader.table(self._name) if self._name else reader.load(self._path)
        _ = rows.schema
        return rows

    def metadata(self, kind: str) -> DataFrame:
        """One of the metadata tables: snapshots, refs, files …"""
        if self._name:
            return self._spark.table(f"{self._name}.`{kind}`")
        return self._spark.read.format("iceberg").load(f"{self._path}#{kind}")

    def properties(self) -> dict[str, str]:
        """Table properties; by path only what the metadata tables tell."""
        if self._name:
            return {row.key: row.value for row in self._spark.sql(f"SHOW TBLPROPERTIES {self._name}").collect()}
        current = self.metadata("refs").where(F.col("name") == "main").select("snapshot_id").collect()
        return {"location": self._path, "current-snapshot-id": str(current[0].snapshot_id) if current else "none"}

    def require(self, snapshot: str) -> None:
        """Check that the snapshot exists."""
        known = (
            self.metadata("snapshots").orderBy(F.col("committed_at").desc(), F.col("snapshot_id").desc()).select("snapshot_id").collect()
        )
        if int(snapshot) not in {row.snapshot_id for row in known}:
            newest = ", ".join(str(row.snapshot_id) for row in known[:_SHOWN]) or "none"
            raise MissingTableError(f"{self._where}: there is no snapshot {snapshot}.", object=snapshot, hint=f"The newest are: {newest}.")

    def partition_columns(self, rows: DataFrame) -> tuple[str, ...]:
        """The columns that partition the table by their own value."""
        kinds = {field.name: field.dataType for field in self.metadata("partitions").schema.fields}
        partition = kinds.get("partition")
        names = partition.fieldNames() if partition is not None and hasattr(partition, "fieldNames") else []
        return tuple(name for name in names if name in rows.columns)

    def size(self, snapshot: str | None) -> tuple[int | None, int | None]:
        """Bytes and data files of a snapshot, as its summary says."""
        if snapshot is None:
            return 0, 0
        found = self.metadata("snapshots").where(F.col("snapshot_id") == F.lit(int(snapshot))).select("summary").collect()
        summary = (found[0].summary if found else None) or {}
        size, files = summary.get("total-files-size"), summary.get("total-data-files")
        return (int(size) if size else None, int(files) if files else None)


def _identifier_fields(text: str) -> tuple[str, ...]:
    """`[a,b]` as Spark shows it; nested fields do not name columns and make the key unusable."""
    names = next(csv.reader([text.strip().removeprefix("[").removesuffix("]")], skipinitialspace=True), [])
    return tuple(name for name in names if name)


def _still_holds(table: _Table, snapshot: str | None, place: str) -> tuple[Reason, ...]:
    """A snapshot never changes; the table can be replaced under its name, or the snapshot expired while it was read."""
    try:
        with translated(place):
            properties = table.properties()
            if snapshot is not None:
                table.require(snapshot)
    except ParityError as exc:
        return (Reason(code="source_changed", text=f"{place} changed while it was read: {exc.message}"),)
    if properties.get("location", place) != place or (snapshot is None and properties.get("current-snapshot-id", "none") != "none"):
        return (Reason(code="source_changed", text=f"{place} changed while it was read."),)
    return ()
