"""A folder to the list of its files, before and after a read.

The list holds path, size, times and inode of every file, never a checksum of its content: reading everything twice would cost
as much as the comparison. A file that is replaced, grown, cut, added or removed is seen; on a local disk also one rewritten
in place (change time). Other stores give size and time to the millisecond only, S3 to the second; S3 itself is therefore asked too,
where it answers the credentials of this process: it knows a version of each file, and the files that Spark passes over.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from urllib.parse import unquote

from pyspark.sql import SparkSession

from connectors.base import Location
from connectors.locations import local_path
from connectors.names import looks_like_path
from connectors.objects_listing import list_s3
from connectors.spark_errors import SPARK_FAILURES, translate_spark_error
from schemas.errors import MissingTableError, ParityError, nearest
from schemas.verdict import Reason

__all__ = [
    "Manifest",
    "StoredFile",
    "escape_glob",
    "manifest_of_files",
    "path_in_store",
    "plain_path",
    "require_local",
    "require_path",
    "still_holds",
    "store_is_local",
    "take_manifest",
]

_HARMLESS = re.compile(
    r"_SUCCESS|_metadata|_common_metadata|_committed_.*|_started_.*|.*\.crc|\.DS_Store|\.gitkeep|\.gitignore|_symlink_format_manifest|_MANIFEST"
)
_UNFINISHED_FOLDERS = ("_temporary", ".spark-staging", ".hive-staging", "__magic")
_TABLE_LOGS = ("_delta_log", ".hoodie")
_S3 = re.compile(r"s3[an]?://[^/]+")
_STORE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:(?://[^/]*)?")
_FOLDER_SCHEMES = ("parquet", "orc", "avro", "csv", "json")
_SHOWN = 3


@dataclass(frozen=True, order=True)
class StoredFile:
    """One file: `path` as Spark is given it; times in nanoseconds since 1970, 0 where unknown; `version`: its ETag, where S3 tells it."""

    path: str
    bytes: int
    modified_ns: int
    changed_ns: int = 0
    inode: int = 0
    version: str = ""


@dataclass(frozen=True)
class Manifest:
    """What lies in a folder (or in one file) at one moment.

    Attributes:
        root: as Spark is given it: an absolute local path, or a URI of another store.
        local: whether the operating system was asked (hidden names are only visible then).
        files: what Spark reads, sorted by path, empty files included.
        hidden: files with content that Spark silently leaves out because of their name.
        unfinished: traces of a write that did not end.
        logs: transaction logs found inside: the folder is a table of another format.
    """

    root: str
    local: bool
    files: tuple[StoredFile, ...]
    hidden: tuple[str, ...] = ()
    unfinished: tuple[str, ...] = ()
    logs: tuple[str, ...] = ()

    @property
    def bytes(self) -> int:
        return sum(file.bytes for file in self.files)

    @property
    def filled(self) -> tuple[StoredFile, ...]:
        return tuple(file for file in self.files if file.bytes > 0)

    @property
    def empty(self) -> tuple[str, ...]:
        return tuple(file.path for file in self.files if file.bytes == 0)

    def relative(self, path: str) -> str:
        """Return a path below the root; the name where the root is the file itself; the whole path where it lies elsewhere."""
        if path == self.root:
            return path.rsplit("/", 1)[-1]
        return path[len(self.root) :].lstrip("/") if path.startswith(self.root.rstrip("/") + "/") else path

    def digest(self) -> str:
        """Return the SHA-256 hex digest of the sorted list, hidden and unfinished names included."""
        lines = [
            repr((self.relative(f.path), f.bytes, f.modified_ns, f.changed_ns, f.inode, *filter(None, [f.version]))) for f in self.files
        ]
        lines += [f"hidden {self.relative(path)}" for path in self.hidden] + [
            f"unfinished {self.relative(path)}" for path in self.unfinished
        ]
        return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()

    def blockers(self) -> tuple[Reason, ...]:
        """Return why what Spark reads here is not all that lies here."""
        found = []
        if self.hidden:
            found.append(
                Reason(
                    code="hidden_files",
                    text=f"Spark leaves out {_some(self.hidden)} because the name starts with _ or a dot. Rename or remove.",
                )
            )
        if self.unfinished:
            found.append(Reason(code="unfinished_write", text=f"A write into {self.root} did not end: {_some(self.unfinished)}."))
        if self.empty:
            found.append(
                Reason(code="empty_files", text=f"{_some(self.empty)} has no bytes: a part may be lost. Write it again or remove it.")
            )
        return tuple(found)


def take_manifest(spark: SparkSession, path: str, where: str) -> Manifest:
    """Return what lies at `path` now.

    Args:
        path: a folder or a file: an absolute or relative path, or a URI of any Hadoop file system.

    Returns:
        Cost: local: one walk, no Spark job. Elsewhere: one listing by Spark's `binaryFile` source, contents not read.

    Raises:
        MissingTableError: there is nothing at that path; siblings with a similar name are named.
    """
    local = local_path(path)
    if local is None or not (path.startswith("file:") or store_is_local(spark)):
        return _remote_manifest(spark, path, where)
    require_path(spark, path, where)
    return _local_manifest(local)


def require_path(spark: SparkSession, path: str, where: str) -> None:
    """Check that there is something at a path of this machine; another store is not asked.

    Raises:
        MissingTableError: there is not; siblings with a similar name are named.
    """
    local = local_path(path)
    if local is not None and (path.startswith("file:") or store_is_local(spark)) and not os.path.exists(local):
        raise _missing(local, where)


def require_local(location: Location) -> None:
    """Check, without Spark, that there is something at a location where that is a path of this machine's disk.

    Raises:
        MissingTableError: there is not; siblings with a similar name are named.
    """
    if location.scheme in _FOLDER_SCHEMES or (location.scheme == "delta" and looks_like_path(location.path)):
        local = local_path(location.path)
        if local is not None and not os.path.exists(local):
            raise _missing(local, str(location))


def manifest_of_files(spark: SparkSession, uris: Collection[str], root: str, where: str) -> Manifest:
    """Return the manifest of exactly these files, as `DataFrame.inputFiles` names them."""
    paths = sorted(plain_path(uri) for uri in uris)
    if all(path.startswith("/") for path in paths):
        files = tuple(_stored(path) for path in paths if os.path.exists(path))
        gone = sum(1 for path in paths if not os.path.exists(path))
        return Manifest(root, True, files, unfinished=(f"{gone} files gone",) if gone else ())
    folders = sorted({path.rsplit("/", 1)[0] for path in paths})
    wanted = set(paths)
    found = {file for folder in folders for file in _remote_manifest(spark, folder, where).files if plain_path(file.path) in wanted}
    return Manifest(root, False, tuple(sorted(found)))


def still_holds(taken: Manifest, retake: Callable[[], Manifest]) -> tuple[Reason, ...]:
    """Return nothing when the files are as they were, else one reason naming what changed."""
    try:
        now = retake()
    except ParityError as exc:
        return (Reason(code="source_changed", text=f"{taken.root} changed while it was read: {exc.message}"),)
    if now.digest() == taken.digest():
        return ()
    differing = sorted(
        {file.path for file in set(taken.files) ^ set(now.files)}
        | set(taken.hidden) ^ set(now.hidden)
        | set(taken.unfinished) ^ set(now.unfinished)
    )
    return (
        Reason(code="source_changed", text=f"{taken.root} changed while it was read: {_some(differing)}. Run again when writing is over."),
    )


def plain_path(uri: str) -> str:
    """Return a local `file:` URI, percent-encoded as Spark writes it, as a plain path; other URIs unchanged.

    >>> plain_path("file:///data/a%20b")
    '/data/a b'
    """
    return re.sub(r"^file:/*", "/", unquote(uri)) if uri.startswith("file:") else uri


def path_in_store(path: str) -> str:
    """Return a path without scheme and authority.

    >>> path_in_store("s3a://bucket/a/b.csv"), path_in_store("file:/a"), path_in_store("/a")
    ('/a/b.csv', '/a', '/a')
    """
    match = _STORE.match(path)
    return path[match.end() :] if match else path


def escape_glob(path: str) -> str:
    """Return a path that Spark, which reads every path as a pattern, takes literally."""
    return re.sub(r"([{}\[\]*?\\])", r"\\\1", path)


def _local_manifest(root: str) -> Manifest:
    if os.path.isfile(root):
        name = os.path.basename(root)
        return Manifest(root, True, (), hidden=(root,)) if _is_hidden(name) else Manifest(root, True, (_stored(root),))
    files: list[StoredFile] = []
    hidden: list[str] = []
    unfinished: list[str] = []
    logs: list[str] = []
    for path, name, under_hidden in _walk(root):
        if name.startswith(_UNFINISHED_FOLDERS) or name.endswith("._COPYING_"):
            unfinished.append(path)
        elif name in _TABLE_LOGS:
            logs.append(path)
        elif os.path.isdir(path) or _HARMLESS.fullmatch(name):
            continue
        elif under_hidden or _is_hidden(name):
            if os.path.getsize(path) > 0:
                hidden.append(path)
        else:
            files.append(_stored(path))
    return Manifest(root, True, tuple(sorted(files)), tuple(sorted(hidden)), tuple(sorted(unfinished)), tuple(sorted(logs)))


def _walk(root: str) -> Iterator[tuple[str, str, bool]]:
    """Every folder and file below root: path, name, whether a folder above it is hidden; logs and unfinished folders are not entered."""
    stack = [(root, False)]
    while stack:
        folder, under_hidden = stack.pop()
        for name in sorted(os.listdir(folder)):
            path = os.path.join(folder, name)
            yield path, name, under_hidden
            if os.path.isdir(path) and name not in _TABLE_LOGS and not name.startswith(_UNFINISHED_FOLDERS):
                stack.append((path, under_hidden or _is_hidden(name)))


def _is_hidden(name: str) -> bool:
    """Spark's own rule (HadoopFSUtils.shouldFilterOutPathName)."""
    return (name.startswith("_") and "=" not in name) or name.startswith(".") or name.endswith("._COPYING_")


def _stored(path: str) -> StoredFile:
    status = os.stat(path)
    return StoredFile(path, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)


def _remote_manifest(spark: SparkSession, path: str, where: str) -> Manifest:
    try:
        rows = (
            spark.read.format("binaryFile")
            .option("recursiveFileLookup", "true")
            .load(escape_glob(path))
            .selectExpr("path", "length", "unix_micros(modificationTime) AS modified_us")
            .collect()
        )
    except SPARK_FAILURES as exc:
        raise translate_spark_error(exc, where) from None
    files = tuple(sorted(StoredFile(row.path, row.length, row.modified_us * 1000) for row in rows))
    return _as_s3_lists_it(Manifest(_qualified(path, files), False, files))


def _as_s3_lists_it(manifest: Manifest) -> Manifest:
    """Add what S3 itself tells: versions, and names that Spark passes over. Unchanged where it is not the S3 that Spark reads."""
    bucket = _S3.match(manifest.root)
    listed = list_s3(manifest.root) if bucket else None
    if bucket is None or listed is None:
        return manifest
    found = {f"{bucket.group()}/{one.key}": one for one in listed}
    if not {(file.path, file.bytes) for file in manifest.files} <= {(path, one.bytes) for path, one in found.items()}:
        return manifest
    files = tuple(replace(file, version=found[file.path].version) for file in manifest.files)
    hidden: list[str] = []
    unfinished: set[str] = set()
    logs: set[str] = set()
    for path in sorted(set(found) - {file.path for file in files}):
        parts = path[len(manifest.root) :].strip("/").split("/")
        strange = next((number for number, part in enumerate(parts) if part.startswith(_UNFINISHED_FOLDERS) or part in _TABLE_LOGS), None)
        if strange is not None:
            place = "/".join([manifest.root, *parts[: strange + 1]])
            (logs if parts[strange] in _TABLE_LOGS else unfinished).add(place)
        elif any(map(_is_hidden, parts)) and found[path].bytes and not _HARMLESS.fullmatch(parts[-1]):
            hidden.append(path)
    return replace(manifest, files=files, hidden=tuple(hidden), unfinished=tuple(sorted(unfinished)), logs=tuple(sorted(logs)))


def _qualified(root: str, files: tuple[StoredFile, ...]) -> str:
    """The root as the store spells it in the paths of its files: with scheme and authority, from the top."""
    if not files:
        return root
    prefix = _STORE.match(files[0].path)
    own = _STORE.match(root)
    below = root[own.end() :] if own else root
    rest = files[0].path[prefix.end() :] if prefix else files[0].path
    if not below.startswith("/"):  # relative to the user's folder
        below = rest[: rest.find(f"/{below}")] + f"/{below}"
    return (prefix.group(0) if prefix else "") + below


def store_is_local(spark: SparkSession) -> bool:
    """Whether a path without a scheme means this machine's disk."""
    default = spark.conf.get("spark.hadoop.fs.defaultFS", None)
    if default:
        return default.startswith("file:")
    return (spark.conf.get("spark.master", None) or "local").startswith("local")


def _missing(path: str, where: str) -> MissingTableError:
    folder = os.path.dirname(path)
    while folder and not os.path.isdir(folder):
        path, folder = folder, os.path.dirname(folder)
    siblings = sorted(os.listdir(folder)) if folder else []
    close = nearest(os.path.basename(path), siblings)
    hint = f"In {folder} there is: {', '.join(close or siblings[:5]) or 'nothing'}."
    if re.search(r"[*?\[{]", path):
        hint = "Wildcards are not read: give the folder. " + hint
    return MissingTableError(f"{where}: there is no {path}.", object=path, hint=hint)


def _some(paths: Collection[str]) -> str:
    names = list(paths)
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
