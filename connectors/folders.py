"""What every door to a folder of files shares: reading some of its files, its partitions, its pin."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from connectors.base import LocalFile, Location, OpenedTable
from connectors.file_schemas import quoted
from connectors.layout import partition_columns, refuse_other_formats, require_data
from connectors.manifest import Manifest, escape_glob, still_holds, take_manifest
from connectors.options import typed_names
from schemas.errors import ConfigError, UnreadableDataError

__all__ = ["Folder", "open_folder"]


@dataclass(frozen=True)
class Folder:
    """A folder of files at one moment.

    Attributes:
        partitions: names of the `name=value` folders, outermost first.
        types: those of them that the user gave a type; the others are text, exactly as in the path.
        where: for errors.
    """

    spark: SparkSession
    location: Location
    manifest: Manifest
    partitions: tuple[str, ...]
    types: Mapping[str, str]
    where: str

    @property
    def paths(self) -> tuple[str, ...]:
        """The files that hold anything."""
        return tuple(file.path for file in self.manifest.filled)

    @property
    def text_partitions(self) -> frozenset[str]:
        return frozenset(name for name in self.partitions if name not in self.types)

    def read(self, scheme: str, paths: Iterable[str], schema: T.StructType, options: Mapping[str, str]) -> DataFrame:
        """Return the rows of some of the files: the columns of `schema`, then the partition columns as text. Lazy.

        A partition column that the schema declares as string is never inferred, so `00` stays `00` (CASES I11).
        """
        folders = [T.StructField(name, T.StringType(), True) for name in self.partitions]
        reader = self.spark.read.format(scheme).schema(T.StructType([*schema.fields, *folders])).options(**options)
        if self.partitions:
            reader = reader.option("basePath", self.manifest.root)
        wanted = tuple(paths)
        whole = len(wanted) == len(self.manifest.files) and self.manifest.root not in wanted
        # One folder is listed at once, a thousand files one by one; a file that comes between breaks the pin.
        return reader.load([escape_glob(path) for path in ((self.manifest.root,) if whole else wanted)])

    def select(self, rows: DataFrame, columns: Sequence[Column]) -> DataFrame:
        """Return `columns`, then the partition columns in their declared types. Narrow."""
        folders = [
            F.col(quoted(name)).cast(T.DataType.fromDDL(self.types[name])).alias(name) if name in self.types else F.col(quoted(name))
            for name in self.partitions
        ]
        return rows.select(*columns, *folders)

    def refuse_shadowed(self, names: Sequence[str]) -> None:
        """Check that no column is both in the files and in the folder names: Spark would hide the file's values."""
        for name in self.partitions:
            if name in names:
                raise UnreadableDataError(
                    f"{self.where}: {name} is a column in the files and a partition folder of {self.manifest.root}; "
                    "the file's values would be hidden.",
                    object=name,
                    hint="Read it through its catalog (hive:db.table), or move the files.",
                )

    def opened(self, rows: DataFrame) -> OpenedTable:
        """Return the table with its pin, its proof, its size and what is wrong with the folder."""
        manifest, root = self.manifest, self.manifest.root
        place = os.path.realpath(root) if manifest.local else root.rstrip("/")
        return OpenedTable(
            uri=str(self.location),
            rows=rows,
            text_columns=self.text_partitions,
            partition_columns=self.partitions,
            pin=f"manifest sha256:{manifest.digest()}",
            pinned=True,
            identity=f"{self.location.scheme} {place} {manifest.digest()}",
            bytes=manifest.bytes,
            files=len(manifest.files),
            stored=tuple(
                LocalFile(manifest.relative(file.path).rpartition("/")[0], file.path, file.bytes, file.inode) for file in manifest.files
            )
            if manifest.local
            else (),
            blockers=manifest.blockers(),
            still_holds=lambda: still_holds(manifest, lambda: take_manifest(self.spark, self.location.path, self.where)),
        )


def open_folder(spark: SparkSession, location: Location, options: Mapping[str, str]) -> Folder:
    """Return the folder, listed and checked; no file is opened.

    Raises:
        MissingTableError: no such path, or no file with content.
        ConfigError: it is a table of another format; `partition_types` names no partition or no type.
        UnreadableDataError: files under different partition names.
    """
    where = str(location)
    manifest = take_manifest(spark, location.path, where)
    refuse_other_formats(spark, manifest, location.scheme, where)
    require_data(manifest, where)
    partitions = partition_columns(manifest, where)
    spark.catalog.refreshByPath(manifest.root)  # a cached copy of these files is not what lies there now (CASES I14)
    return Folder(spark, location, manifest, partitions, _partition_types(options, partitions, where), where)


def _partition_types(options: Mapping[str, str], partitions: Sequence[str], where: str) -> dict[str, str]:
    types = typed_names(options, "partition_types")
    for name, kind in types.items():
        if name not in partitions:
            raise ConfigError(
                f"{where}: partition_types names {name}, which is no partition folder.",
                object=name,
                hint=f"They are: {', '.join(partitions) or 'none'}.",
            )
        try:
            T.DataType.fromDDL(kind)
        except PySparkException:
            raise ConfigError(f"{where}: {kind} is no type.", object=name, hint="Write for example partition_types=dt:date.") from None
    return types
