"""A table of a source, on one snapshot, to a published table of Parquet files.

    ranges of pages  ──►  parts of several ranges, each one Spark job  ──►  staging  ──►  counted, checked  ──►  published

Resuming: a run is named after its plan and its snapshot (`run_name`). Under the same snapshot the same run goes on, and parts that are
written stay. A new snapshot is a new run: a table that was not published yet starts over, since ranges of two snapshots do not make
one table. Whether a table that an earlier run published still is what the new snapshot shows, reconciliation has to say.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame, Observation, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from archetypes.planning import coercion_of
from connectors.manifest import escape_glob
from connectors.objects import ObjectExistsError, ObjectStore, StoredObject, open_store
from connectors.postgres_address import TableName
from connectors.postgres_catalog import describe_tables
from connectors.postgres_columns import ReadColumn
from connectors.postgres_connection import PostgresLogin
from connectors.postgres_errors import UnheldValueError
from connectors.postgres_objects import CatalogTable
from connectors.postgres_probe import unheld_columns
from connectors.postgres_reading import ReadingPlan, read_rows, reading_plan, require_all_rows
from connectors.postgres_snapshot import ExportedSnapshot
from connectors.publishing import ExpectedFile, Published, Staging, begin, current_version, folder_name, publish, verify_published
from connectors.publishing_manifest import is_marker
from connectors.publishing_places import published_versions, run_of
from connectors.spark_errors import translated
from engine.portable_sql import quote_identifier
from policy.coercion import field_name
from schemas.agent_output import ObjectName, TableLoad, TableProfile, WrittenFile
from schemas.canonical_json import canonical_bytes, sha256_of
from schemas.errors import ConfigError, EngineError, InputError
from schemas.plan import MigrationPlan, PlanColumn, PlanTable

__all__ = [
    "LoadProgress",
    "SourceTable",
    "is_of_run",
    "loaded",
    "migrate",
    "run_for",
    "run_name",
    "source_table",
    "store_of",
    "table_of",
]

LoadProgress = Callable[[int, int], None]
"""Is told rows written and rows there are, after each part."""

_PARQUET_SHARE = 0.4  # of the bytes in the heap, before the first part has told; text of TPC-H gives 0.3, numbers 0.5
_SMALLEST_FILE = 16 * 1024 * 1024  # fewer cores are used rather than smaller files written
_MIB = 1024 * 1024
_NULL_FOLDER = "__HIVE_DEFAULT_PARTITION__"
_REBASE = ("spark.sql.parquet.datetimeRebaseModeInWrite",)
_WRITING = {"compression": "snappy", "mapreduce.fileoutputcommitter.marksuccessfuljobs": "false"}


@dataclass(frozen=True)
class SourceTable:
    """A table as a snapshot shows it, and how its columns are read.

    Attributes:
        below: every table that the rows of a parent lie in.
        columns: those that are migrated, in the order of the plan.
    """

    login: PostgresLogin
    snapshot: ExportedSnapshot
    table: CatalogTable
    below: tuple[CatalogTable, ...]
    columns: tuple[ReadColumn, ...]

    @property
    def name(self) -> TableName:
        return self.table.name


def run_name(plan: MigrationPlan, snapshot: ExportedSnapshot) -> str:
    """Return the name of the run that moves this plan's tables as this snapshot shows them; equal inputs, equal name."""
    return f"run-{sha256_of([plan.digest(), snapshot.moment])[:20]}"


def run_for(planned: PlanTable, store: ObjectStore, run: str) -> str:
    """Return the name under which a run writes a table: its own, or the next one where what it published is no longer as it was.

    A version is never written again, so what was damaged is replaced by another one; on a source that nobody writes to, too.
    Cost: reads every byte of what this run has published.
    """
    table = table_of(planned)
    published = current_version(store, table)
    if published is None or not is_of_run(published.manifest.run, run):
        return run
    if not verify_published(store, table):
        return published.manifest.run
    return f"{run}-{sum(is_of_run(run_of(version), run) for version in published_versions(store, folder_name(table)))}"


def is_of_run(name: str | None, run: str) -> bool:
    """Return whether a run wrote under a name, be it because what it had published was damaged."""
    return name is not None and (name == run or name.startswith(f"{run}-"))


def store_of(target: str, planned: PlanTable) -> ObjectStore:
    """Return the store below whose root a table is published: the target, or the folders that its path has above its own."""
    return open_store("/".join([target.rstrip("/"), *planned.path.split("/")[:-1]]))


def table_of(planned: PlanTable) -> str:
    """Return what a table is called in its store."""
    return planned.path.split("/")[-1]


def source_table(
    login: PostgresLogin, snapshot: ExportedSnapshot, schema: str, planned: PlanTable, profile: TableProfile | None = None
) -> SourceTable:
    """Return a table of the plan as the snapshot shows it.

    Raises:
        InputError: a column of the plan is not there.
        ConfigError: its type cannot become what the plan says.
    """
    name = TableName(schema, planned.name)
    described = describe_tables(snapshot.connection, [name])
    table = next(one for one in described if one.name == name)
    natives = {column.name: column.type for column in table.columns}
    columns = []
    for column in planned.written():
        if column.name not in natives:
            raise InputError(f"{name} has no column {column.name}.", object=f"{name}.{column.name}", hint="Make the plan again.")
        known = profile.column(column.name) if profile else None
        try:
            coercion = coercion_of(column, natives[column.name], known)
        except ConfigError as error:
            where = f"{name}.{column.name}"
            raise ConfigError(f"{where}: column {error.message}", object=where, hint=error.hint) from None
        columns.append(ReadColumn(column.name, natives[column.name], coercion))
    return SourceTable(login, snapshot, table, tuple(one for one in described if one.name != name), tuple(columns))


def migrate(
    spark: SparkSession, source: SourceTable, planned: PlanTable, store: ObjectStore, run: str, progress: LoadProgress
) -> TableLoad:
    """Write a table and publish it; called again after a crash with the same run, go on where it ended.

    Args:
        spark: configured as pinned; only how old dates are written is changed, and given back.
        store: see `store_of`.
        run: see `run_name`.
        progress: called after each part, and once when nothing is left to do.

    Returns:
        What was published. Three counts agree: rows that the tasks read, rows in the footers of the files, rows that the exporting
        transaction counts. Cost: one query per range; reads each written file once.

    Raises:
        EngineError: rows were lost or gained, or a column arrived in another type than the plan says; nothing was published.
        InputError: a table without columns has no form in Parquet.
        PublishConflictError: another run has published the table meanwhile.
    """
    if not planned.written():
        raise InputError(
            f"{source.name}: no column is migrated, and Parquet has no files without columns.",
            object=str(source.name),
            hint="Leave the table out of the plan.",
        )
    reading = _reading(source, planned)
    pinned_rows = source.snapshot.count(reading.relation)
    staging = begin(store, table_of(planned), run, resume=True)
    read: int | None = None
    part_of: dict[str, int] = {}
    if staging.state == "open":
        try:
            written = _Writing(spark, source, planned, staging, reading, pinned_rows).parts(progress)
        except UnheldValueError as error:
            raise _with_columns(error, source, reading) from None
        part_of = {path: part.number for part in written for path, _ in part.files}
        read = sum(part.read for part in written)
        require_all_rows(read, source.snapshot, reading, str(source.name))
        _check_schema(spark, staging, source, planned, partitioned=pinned_rows > 0)
        expected = [ExpectedFile(path, bytes=size) for part in written for path, size in part.files]
        published = publish(staging, schema_sha256=_schema_sha256(planned), rows=pinned_rows, expected=expected)
    else:
        published = publish(staging, schema_sha256=_schema_sha256(planned), rows=pinned_rows)
    progress(pinned_rows, pinned_rows)
    return _load(source.name, planned, published, pinned_rows, part_of)


def _with_columns(error: UnheldValueError, source: SourceTable, reading: ReadingPlan) -> UnheldValueError:
    """The server does not say in which column the value is that ended a query; asked for one column at a time, it does."""
    if "column " in error.message and "a column" not in error.message:
        return error
    names = unheld_columns(source.login, source.snapshot, reading.relation, source.columns)
    if not names:
        return error
    message = error.message.replace("a column holds", f"column {', '.join(names)} holds")
    return UnheldValueError(message, object=f"{source.name}.{names[0]}", hint=error.hint)


def loaded(source: SourceTable, planned: PlanTable, store: ObjectStore) -> TableLoad | None:
    """Return the published version of a table as a load of this snapshot; None where there is none, or it holds another number of rows.

    Equal numbers prove nothing more: reconciliation has to.
    """
    published = current_version(store, table_of(planned))
    if published is None or published.manifest.schema_sha256 != _schema_sha256(planned):
        return None
    rows = source.snapshot.count(source.table.name.sql if source.table.children else f"ONLY {source.table.name.sql}")
    return _load(source.name, planned, published, rows, {}) if published.manifest.rows == rows else None


def _load(name: TableName, planned: PlanTable, published: Published, pinned_rows: int, part_of: dict[str, int]) -> TableLoad:
    manifest = published.manifest
    files = tuple(
        WrittenFile(path=file.path, sha256=file.sha256, bytes=file.bytes, rows=file.rows or 0, range_index=part_of.get(file.path, 0))
        for file in manifest.files
    )
    return TableLoad(
        origin="full_scan",
        name=ObjectName(schema_name=name.schema, name=name.name),
        path=planned.path,
        read=pinned_rows,
        written=manifest.rows or 0,
        pinned_rows=pinned_rows,
        bytes=manifest.bytes,
        files=files,
        manifest_sha256=published.manifest_sha256,
    )


def _reading(source: SourceTable, planned: PlanTable) -> ReadingPlan:
    """Return ranges that are small enough for files of the size that the plan wants: a file holds whole ranges."""
    reading = reading_plan(source.table, source.below)
    files = math.ceil(_parquet_bytes(source) / (planned.file_mib * _MIB))
    if reading.way == "ctid ranges" and files > len(reading.predicates):
        reading = reading_plan(source.table, source.below, tasks=files)
    return reading


def _parquet_bytes(source: SourceTable) -> float:
    stored = (source.table, *source.below)
    return sum(max(0, one.bytes - sum(index.bytes for index in one.indexes)) for one in stored) * _PARQUET_SHARE


def _cores(spark: SparkSession) -> int:
    asked = spark.conf.get("spark.default.parallelism", None)
    if asked:
        return max(1, int(asked))
    try:
        return max(1, spark.sparkContext.defaultParallelism)
    except Exception:  # noqa: BLE001 -- Spark Connect has no context and says so in its own way; two is what works anywhere
        return 2


@dataclass(frozen=True)
class _Part:
    """Some ranges, written: paths and bytes of its files, and how many rows its tasks read."""

    number: int
    files: tuple[tuple[str, int], ...]
    read: int


@dataclass(frozen=True)
class _Writing:
    """The writing of one table into its staging folder."""

    spark: SparkSession
    source: SourceTable
    planned: PlanTable
    staging: Staging
    reading: ReadingPlan
    pinned_rows: int

    def parts(self, progress: LoadProgress) -> tuple[_Part, ...]:
        """Write every part that is not there yet."""
        sizes = self._sizes()
        done: list[_Part] = []
        for number, (first, last, files) in enumerate(sizes):
            part = self._kept(number, first, last)
            if part is None:
                self._remove_unknown(done)
                part = self._written(number, first, last, files, done)
            done.append(part)
            progress(sum(one.read for one in done), self.pinned_rows)
        self._remove_unknown(done)
        return tuple(done)

    def _sizes(self) -> tuple[tuple[int, int, int], ...]:
        """First range, range after the last, and number of files of each part."""
        ranges, beside = len(self.reading.predicates), self._beside()
        per_range = max(1.0, _parquet_bytes(self.source) / ranges)
        file_bytes = self.planned.file_mib * _MIB
        per_part = max(beside, math.ceil(beside * file_bytes / per_range))
        sizes = []
        for first in range(0, ranges, per_part):
            last = min(ranges, first + per_part)
            bytes_expected = per_range * (last - first)
            files = max(math.ceil(bytes_expected / file_bytes), min(beside, int(bytes_expected / _SMALLEST_FILE)), 1)
            sizes.append((first, last, files if self.planned.partition_by else min(files, last - first)))
        return tuple(sizes)

    def _beside(self) -> int:
        """Return how many ranges are read at once: as many as there are cores, and no more than the plan says."""
        cores = _cores(self.spark)
        return min(cores, self.planned.ranges or cores)

    def _key(self, number: int) -> str:
        return f"{self.staging.folder}/parts/{number:05d}.json"

    def _question(self, first: int, last: int) -> str:
        """What a part is an answer to; another question under the same number is not this part."""
        columns = [(column.name, column.coercion.document()) for column in self.source.columns]
        return sha256_of([self.reading.relation, self.reading.predicates[first:last], columns, self.planned.document()])

    def _kept(self, number: int, first: int, last: int) -> _Part | None:
        """Return a part that an earlier attempt of the same run has written, whole."""
        store, key = self.staging.store, self._key(number)
        if store.find(key) is None:
            return None
        told = json.loads(b"".join(store.read(key)))
        files = tuple((str(path), int(size)) for path, size in told["files"])
        there = {path: one.bytes for path, one in self._staged().items()}
        if told["question"] == self._question(first, last) and all(there.get(path) == size for path, size in files):
            return _Part(number, files, int(told["read"]))
        store.delete([key])
        return None

    def _staged(self) -> dict[str, StoredObject]:
        prefix = len(self.staging.data) + 1
        listed = list(self.staging.store.list(self.staging.data))
        return {one.key[prefix:]: one for one in listed if not is_marker(one.key)}

    def _remove_unknown(self, done: Sequence[_Part]) -> None:
        """Remove what a part that was cut off has left; parts after it are told by their own notes."""
        known = {path for part in done for path, _ in part.files}
        for one in list(self.staging.store.list(f"{self.staging.folder}/parts")):
            known |= {str(path) for path, _ in json.loads(b"".join(self.staging.store.read(one.key)))["files"]}
        self.staging.store.delete([one.key for path, one in self._staged().items() if path not in known])

    def _written(self, number: int, first: int, last: int, files: int, done: Sequence[_Part]) -> _Part:
        before = set(self._staged())
        seen = Observation()
        rows = self._rows(first, last).observe(seen, F.count(F.lit(1)).alias("n"))
        with translated(str(self.source.name)), _proleptic(self.spark):
            writer = self._arranged(rows, files).write.mode("append").options(**_WRITING)
            if self.planned.partition_by and self.pinned_rows:  # of no rows no folder is made, and no file that holds the schema
                writer = writer.partitionBy(*self._targets(self.planned.partition_by))
            writer.parquet(self.staging.spark_path)
        after = self._staged()
        added = tuple(sorted((path, one.bytes) for path, one in after.items() if path not in before))
        part = _Part(number, added, int(seen.get["n"]))
        note = {"_type": "parity.part.v1", "files": part.files, "question": self._question(first, last), "read": part.read}
        try:
            self.staging.store.write_new(self._key(number), canonical_bytes(note))
        except ObjectExistsError:
            raise EngineError(
                f"{self.source.name}: another process writes the same run.", object=self.staging.uri, hint="Let one of them end."
            ) from None
        return part

    def _rows(self, first: int, last: int) -> DataFrame:
        """Return the rows of some ranges under their target names, each of the type that the plan says."""
        chosen = ReadingPlan(**{**self.reading.__dict__, "predicates": self.reading.predicates[first:last]})
        rows = read_rows(self.spark, self.source.login, self.source.snapshot, chosen, self.source.columns)
        planned = {column.name: column for column in self.planned.written()}
        for field in rows.schema.fields:
            if (arrived := _written_type(field.dataType)) != (wanted := planned[field.name].target_type):
                raise EngineError(
                    f"{self.source.name}.{field.name} arrives as {arrived}, not as {wanted}.",
                    object=f"{self.source.name}.{field.name}",
                    hint="Report this, with the type of the column.",
                )
        return rows.select(*(self._held(column).alias(column.target_name) for column in self.planned.written()))

    def _held(self, column: PlanColumn) -> Column:
        """Return the values of a column; a text that is no name of a folder must not become the folder of NULL."""
        value = F.col(_quoted(column.name))
        if column.name not in self.planned.partition_by or column.target_type != "string":
            return value
        what = f"'' or {_NULL_FOLDER}, which a folder of partition_by cannot hold exactly"
        told = F.raise_error(F.lit(f"parity: column {column.name} holds {what}"))
        return F.when(value.isin("", _NULL_FOLDER), told).otherwise(value)

    def _arranged(self, rows: DataFrame, files: int) -> DataFrame:
        by = [F.col(_quoted(name)) for name in self._targets(self.planned.sort_by)]
        folders = [F.col(_quoted(name)) for name in self._targets(self.planned.partition_by)]
        # No repartitionByRange: it would read the source twice, once for a sample, and count the rows of both.
        arranged = rows.coalesce(self._beside()).repartition(files, *folders) if folders else rows.coalesce(files)
        return arranged.sortWithinPartitions(*folders, *by) if folders or by else arranged

    def _targets(self, names: Sequence[str]) -> list[str]:
        target = {column.name: column.target_name for column in self.planned.written()}
        return [target[name] for name in names]


@contextmanager
def _proleptic(spark: SparkSession) -> Iterator[None]:
    """Write dates before 1582 as they are, and say so in the files; elsewhere the session refuses such writes."""
    before = {key: spark.conf.get(key) for key in _REBASE}
    try:
        for key in _REBASE:
            spark.conf.set(key, "CORRECTED")
        yield
    finally:
        for key, value in before.items():
            spark.conf.set(key, str(value))


def _check_schema(spark: SparkSession, staging: Staging, source: SourceTable, planned: PlanTable, *, partitioned: bool) -> None:
    """Check what the files say of themselves; columns that became folders are in no file."""
    folders = {column.target_name for column in planned.columns if column.name in planned.partition_by} if partitioned else set()
    wanted = {column.target_name: column.target_type for column in planned.written() if column.target_name not in folders}
    with translated(str(source.name)):
        schema = spark.read.option("mergeSchema", "false").parquet(escape_glob(staging.spark_path)).schema
    found = {field.name: _written_type(field.dataType) for field in schema.fields if field.name not in folders}
    if found != wanted:
        name = next(name for name in (*wanted, *found) if found.get(name) != wanted.get(name))
        raise EngineError(
            f"{source.name}: the files hold {name} as {found.get(name, 'nothing')}, not as {wanted.get(name, 'nothing')}.",
            object=f"{source.name}.{name}",
            hint="Report this, with the plan.",
        )


def _written_type(kind: T.DataType) -> str:
    """Return a type as rules write it: Spark itself leaves names of fields bare, whatever is in them."""
    if isinstance(kind, T.ArrayType):
        return f"array<{_written_type(kind.elementType)}>"
    if isinstance(kind, T.StructType):
        return f"struct<{','.join(f'{field_name(field.name)}:{_written_type(field.dataType)}' for field in kind.fields)}>"
    return kind.simpleString()


def _schema_sha256(planned: PlanTable) -> str:
    columns = [(column.target_name, column.target_type) for column in planned.written()]
    return sha256_of([columns, list(planned.partition_by), list(planned.sort_by)])


def _quoted(name: str) -> str:
    return quote_identifier("spark", name)
