"""Staged files to a published table that nobody ever sees half of.

    <target>/_staging/<run>/<table>/data/…                what a run writes; nobody else reads it
    <target>/<table>/data/<run>-<digest>/…                a version: never changed again
    <target>/<table>/_parity/manifest.json                the pointer: names the version, and each of its files
    <target>/<table>/_parity/versions/<run>-<digest>.json the manifest of each version, kept

No store moves a folder of many objects in one step, so the one step is the writing of one small object, under the condition that it
still is what it was when the run began. Whoever asks the pointer gets a whole version or the one before it: its folder is what Spark,
Athena and DuckDB are given, and what a catalog is pointed to. A folder under `data/` that no manifest names is not part of the table.

`begin` → write into `Staging.spark_path` → `publish`. After a crash: `begin(resume=True)`, and the same again.

* StateError
  + PublishConflictError      another run has published the table since this one began
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from connectors.objects import CorruptObjectError, ObjectChangedError, ObjectExistsError, ObjectStore
from connectors.publishing_check import Fault, verify_published
from connectors.publishing_leftovers import Leftover, discard, find_leftovers, prune
from connectors.publishing_manifest import (
    DataFile,
    PreviousVersion,
    TableManifest,
    content_digest,
    describe_files,
    is_marker,
    parse_manifest,
    total_rows,
)
from connectors.publishing_places import (
    STAGING,
    Published,
    current_version,
    drop_version,
    folder_name,
    history_key,
    pointer_key,
    published_versions,
    read_pointer,
    run_of,
    told,
    version_names,
)
from schemas.canonical_json import canonical_bytes
from schemas.errors import ConfigError, ConnectorError, StateError, UnreadableDataError

__all__ = [
    "ExpectedFile",
    "Fault",
    "Leftover",
    "PublishConflictError",
    "Published",
    "Staging",
    "TableManifest",
    "begin",
    "current_version",
    "discard",
    "find_leftovers",
    "folder_name",
    "prune",
    "publish",
    "verify_published",
]

_RUN = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


class PublishConflictError(StateError):
    """Another run has published the table since this one began; what it published is untouched."""

    code = "publish_conflict"


@dataclass(frozen=True)
class ExpectedFile:
    """What a writer knows of a file that it staged; None = not known."""

    path: str
    bytes: int | None = None
    sha256: str | None = None
    rows: int | None = None


@dataclass(frozen=True)
class Staging:
    """The place where one run writes one table.

    Attributes:
        table: as the run calls it, any text.
        base: SHA-256 of the manifest that was current when the run began; None: the table had never been published.
        state: `open`: data are to be written; `sealed`: they are written and checked, only `publish` is to be called;
            `published`: that too is done.
    """

    store: ObjectStore
    table: str
    run: str
    base: str | None
    state: Literal["open", "sealed", "published"]

    @property
    def folder(self) -> str:
        return f"{STAGING}/{self.run}/{folder_name(self.table)}"

    @property
    def table_folder(self) -> str:
        return folder_name(self.table)

    @property
    def data(self) -> str:
        """Folder of the files, below the root of the store."""
        return f"{self.folder}/data"

    @property
    def uri(self) -> str:
        return self.store.uri(self.data)

    @property
    def spark_path(self) -> str:
        return self.store.spark_path(self.data)


def begin(store: ObjectStore, table: str, run: str, *, resume: bool = False) -> Staging:
    """Return the place where a run writes a table.

    Args:
        run: of this execution; letters a to z, digits and `-`, at most 63.
        resume: keep what an earlier attempt of the same run has written; else it is removed.

    Raises:
        ConfigError: the run has no valid name.
        ConnectorError: the service ignores the conditions of a write, on which all of this rests.
        PublishConflictError: another run has published the table since an earlier attempt of this one began. Its version stays; what
            this one wrote is removed.
    """
    if not _RUN.fullmatch(run):
        raise ConfigError(f"{run!r} is no name of a run.", object=run, hint="Use a to z, 0 to 9 and -, at most 63, not - first.")
    current = current_version(store, table)
    now = current.manifest_sha256 if current else None
    staging = Staging(store, table, run, now, "open")
    mark = f"{staging.folder}/begun.json"
    begun = canonical_bytes({"_type": "parity.staging.v1", "base": now, "run": run, "table": table})
    try:
        store.write_new(mark, begun)
        _require_conditions(store, mark, begun)
    except ObjectExistsError:
        staging = Staging(store, table, run, _base(store, mark), "open")
    if current and current.manifest.run == run:
        return Staging(store, table, run, staging.base, "published")
    try:
        _require_base(staging, current)
    except PublishConflictError:  # told once: the next attempt begins from what is published now
        store.delete_folder(staging.folder)
        raise
    published = set(published_versions(store, staging.table_folder))
    if run in map(run_of, published):
        raise _conflict(staging, current)
    if resume:
        return Staging(store, table, run, staging.base, "sealed" if store.find(_seal(staging)) else "open")
    store.delete([_seal(staging)])  # before the data: a seal without them would be believed
    store.delete_folder(staging.data)
    for version in version_names(store, staging.table_folder) - published:
        if run_of(version) == run:
            drop_version(store, staging.table_folder, version)
    return staging


def publish(
    staging: Staging, *, schema_sha256: str, rows: int | None = None, expected: Collection[ExpectedFile] | None = None
) -> Published:
    """Check what was staged, and make it the version that readers are given. Called again after a crash, it ends what it began.

    Args:
        schema_sha256: of the schema as the run describes it; goes into the manifest.
        rows: that all files together must hold, as their footers say.
        expected: all files there must be, with what is known of each; None: whatever was staged.

    Returns:
        The version. Cost: reads every staged byte once; S3: and copies it there, within the service.

    Raises:
        UnreadableDataError: what is staged is not what is expected, is unfinished, or is no Parquet; nothing was published.
        PublishConflictError: another run has published the table since this one began. Its version stays; what this one wrote is removed.
    """
    store, folder = staging.store, staging.table_folder
    found = read_pointer(store, folder)
    current, version = found or (None, None)
    if current and current.manifest.run == staging.run:  # by an attempt that was cut off just after
        _check(current.manifest.files, rows, expected, current.uri)
        store.delete_folder(staging.folder)
        return current
    try:
        _require_base(staging, current)
    except PublishConflictError:
        store.delete_folder(staging.folder)
        raise
    manifest = _sealed(staging, current, schema_sha256)
    resumed = manifest is not None
    if manifest is None:
        manifest = _describe(staging, current, schema_sha256, rows, expected)
    else:
        _check(manifest.files, rows, expected, staging.uri)
    _promote(staging, manifest, doubt=resumed)
    _keep(store, history_key(folder, manifest.version), manifest.stored())
    try:
        store.replace(pointer_key(folder), manifest.stored(), version)
    except ObjectChangedError:
        winner = current_version(store, staging.table)
        if winner is None or winner.manifest != manifest:
            drop_version(store, folder, manifest.version)
            store.delete_folder(staging.folder)
            raise _conflict(staging, winner) from None
    store.delete_folder(staging.folder)
    return told(store, folder, manifest)


def _require_conditions(store: ObjectStore, key: str, content: bytes) -> None:
    """Try two writes that must be refused; what they would write is what is there."""
    try:
        store.replace(key, content, "0" * 32)
    except ObjectChangedError:
        try:
            store.write_new(key, content)
        except ObjectExistsError:
            return
    raise ConnectorError(
        f"{store.uri()}: this service overwrites objects even when told not to, so no table can be published safely.",
        object=store.uri(),
        hint="It must know If-None-Match and If-Match on PUT, as AWS does: use a newer version of it, or another one.",
    )


def _base(store: ObjectStore, mark: str) -> str | None:
    try:
        base = json.loads(b"".join(store.read(mark)))["base"]
    except (ValueError, KeyError, TypeError):
        base = 0
    if base is None or isinstance(base, str):
        return base
    raise CorruptObjectError(f"{store.uri(mark)} is damaged.", object=store.uri(mark), hint="Start a new run.")


def _seal(staging: Staging) -> str:
    return f"{staging.folder}/sealed.json"


def _require_base(staging: Staging, current: Published | None) -> None:
    if (current.manifest_sha256 if current else None) != staging.base:
        raise _conflict(staging, current)


def _conflict(staging: Staging, winner: Published | None) -> PublishConflictError:
    by = f"run {winner.manifest.run} has published it" if winner else "its manifest was removed"
    return PublishConflictError(
        f"{staging.table}: {by} since run {staging.run} began; that one was not published.",
        object=staging.table,
        hint="Compare what is published now; start a new run if it is not what you want.",
    )


def _sealed(staging: Staging, current: Published | None, schema_sha256: str) -> TableManifest | None:
    """The manifest that an earlier attempt sealed, if it is for the same question."""
    key = _seal(staging)
    if staging.store.find(key) is None:
        return None
    manifest = parse_manifest(b"".join(staging.store.read(key)), staging.store.uri(key))
    if manifest.schema_sha256 != schema_sha256 or manifest.previous != _previous(current):
        raise UnreadableDataError(
            f"{staging.uri}: an earlier attempt of this run has sealed data of another schema.",
            object=staging.uri,
            hint="Begin the table again without resuming it.",
        )
    return manifest


def _previous(current: Published | None) -> PreviousVersion | None:
    return PreviousVersion(version=current.manifest.version, sha256=current.manifest_sha256) if current else None


def _describe(
    staging: Staging, current: Published | None, schema_sha256: str, rows: int | None, expected: Collection[ExpectedFile] | None
) -> TableManifest:
    """Read and check what was staged, and seal it."""
    store = staging.store
    staged = list(store.list(staging.data))
    markers = [one.key for one in staged if is_marker(one.key)]
    store.delete(markers)
    data = [one for one in staged if one.key not in set(markers)]
    if not data:
        raise UnreadableDataError(
            f"{staging.uri}: no data file was staged.", object=staging.uri, hint="An empty table needs one file that holds its schema."
        )
    files = describe_files(store, data, staging.data)
    _check(files, rows, expected, staging.uri)
    if {(one.key, one.version) for one in store.list(staging.data)} != {(one.key, one.version) for one in data}:
        raise ObjectChangedError(f"{staging.uri} changed while it was checked.", object=staging.uri, hint="Wait until its writer is done.")
    version = f"{staging.run}-{content_digest(files)}"
    manifest = TableManifest(
        table=staging.table,
        version=version,
        run=staging.run,
        location=f"data/{version}",
        schema_sha256=schema_sha256,
        rows=total_rows(files),
        bytes=sum(file.bytes for file in files),
        files=files,
        previous=_previous(current),
    )
    try:
        store.write_new(_seal(staging), manifest.stored())
    except ObjectExistsError:
        raise PublishConflictError(
            f"{staging.table}: another process publishes the same run {staging.run}.", object=staging.table, hint="Let one of them end."
        ) from None
    return manifest


def _check(files: Collection[DataFile], rows: int | None, expected: Collection[ExpectedFile] | None, uri: str) -> None:
    found = {file.path: file for file in files}
    if expected is not None:
        wanted = {one.path: one for one in expected}
        for path in sorted(set(found) ^ set(wanted)):
            fault = "is missing" if path in wanted else "was staged and is none of those that were written"
            raise _unexpected(uri, f"the file {path} {fault}")
        for path, one in sorted(wanted.items()):
            for name in ("bytes", "sha256", "rows"):
                told, seen = getattr(one, name), getattr(found[path], name)
                if told is not None and told != seen:
                    raise _unexpected(uri, f"the file {path} has {name} {seen}, not {told} as written")
    total = total_rows(list(files))
    if rows is not None and total != rows:
        raise _unexpected(uri, f"the files hold {total} rows, not {rows} as written")


def _unexpected(uri: str, fault: str) -> UnreadableDataError:
    return UnreadableDataError(f"{uri}: {fault}.", object=uri, hint="Write the table again.")


def _promote(staging: Staging, manifest: TableManifest, *, doubt: bool) -> None:
    """Move the data to their place, and see that they are there. `doubt`: read them again, much time may have passed."""
    store, folder = staging.store, f"{staging.table_folder}/{manifest.location}"
    staged = list(store.list(staging.data))
    if staged:  # none: an earlier attempt has moved them
        store.move(staged, staging.data, folder)
    there = list(store.list(folder))
    found = {one.key[len(folder) + 1 :]: one.bytes for one in there}
    whole = found == {file.path: file.bytes for file in manifest.files}
    if whole and doubt:
        whole = describe_files(store, there, folder) == manifest.files
    if not whole:
        raise UnreadableDataError(
            f"{store.uri(folder)} does not hold the files that were checked. Nothing was published.",
            object=store.uri(folder),
            hint="Begin the table again without resuming it.",
        )


def _keep(store: ObjectStore, key: str, content: bytes) -> None:
    """Write a document that an earlier attempt may have written."""
    try:
        store.write_new(key, content)
    except ObjectExistsError:
        if b"".join(store.read(key)) != content:
            raise CorruptObjectError(f"{store.uri(key)} is damaged.", object=store.uri(key), hint="Remove it, then resume.") from None
