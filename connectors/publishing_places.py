"""A published table to where its parts lie, and to what is there now."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from connectors.objects import MissingObjectError, ObjectChangedError, ObjectStore
from connectors.publishing_manifest import TableManifest, parse_manifest
from schemas.errors import ConfigError

__all__ = [
    "STAGING",
    "Published",
    "current_version",
    "drop_version",
    "folder_name",
    "history_key",
    "pointer_key",
    "published_versions",
    "read_pointer",
    "run_of",
    "told",
    "version_folder",
    "version_names",
]

STAGING = "_staging"
_TROUBLE = re.compile(r"[\x00-\x20\x7f%/\\:*?\[\]{}\"'`$<>|#&;~!]")
_LONGEST = 200  # bytes; file systems take 255 in one name


@dataclass(frozen=True)
class Published:
    """A version of a table, whole.

    Attributes:
        manifest_sha256: of the stored manifest: names this version and its content for ever.
        manifest_uri: of the pointer.
        uri: folder of the files, for people.
        spark_path: the same, as Spark is given it.
    """

    manifest: TableManifest
    manifest_sha256: str
    manifest_uri: str
    uri: str
    spark_path: str


def folder_name(table: str) -> str:
    """Return the folder of a table: its name, with what would trouble a reader of paths percent-encoded. No two names share one.

    >>> folder_name("public.orders"), folder_name("_log"), folder_name("50% / día")
    ('public.orders', '%5Flog', '50%25%20%2F%20día')
    """
    if not table or any("\ud800" <= letter <= "\udfff" for letter in table):
        raise ConfigError(f"{table!r} is no name of a table.", object="table", hint="A name is Unicode text, not empty.")
    readable = table.isprintable() and unicodedata.is_normalized("NFC", table)
    name = "".join(
        letter if (letter.isascii() or readable) and not _TROUBLE.match(letter) else _encoded(letter)
        for letter in table
    )  # fmt: skip
    if name[0] in "_.":  # Spark and Athena pass over such folders
        name = _encoded(name[0]) + name[1:]
    if len(name.encode()) > _LONGEST:
        start = name.encode()[: _LONGEST - 65].decode("utf-8", "ignore")
        return f"{start}~{hashlib.sha256(name.encode()).hexdigest()}"
    return name


def pointer_key(folder: str) -> str:
    """Return the key of the object that names the current version."""
    return f"{folder}/_parity/manifest.json"


def history_key(folder: str, version: str) -> str:
    """Return the key of the kept manifest of a version."""
    return f"{folder}/_parity/versions/{version}.json"


def version_folder(folder: str, version: str) -> str:
    """Return the folder of the files of a version."""
    return f"{folder}/data/{version}"


def run_of(version: str) -> str:
    """Return the run that wrote a version."""
    return version.rpartition("-")[0]


def told(store: ObjectStore, folder: str, manifest: TableManifest) -> Published:
    """Return a version as it is told to whoever wants to read it."""
    data = f"{folder}/{manifest.location}"
    digest = hashlib.sha256(manifest.stored()).hexdigest()
    return Published(manifest, digest, store.uri(pointer_key(folder)), store.uri(data), store.spark_path(data))


def current_version(store: ObjectStore, table: str) -> Published | None:
    """Return the version that readers are to be given, or None when the table was never published.

    Raises:
        CorruptObjectError: the manifest is damaged.
    """
    found = read_pointer(store, folder_name(table))
    return found[0] if found else None


def read_pointer(store: ObjectStore, folder: str) -> tuple[Published, str] | None:
    """Return the current version of a table, and the version of the object that says so."""
    key = pointer_key(folder)
    while True:
        before = store.find(key)
        if before is None:
            return None
        try:
            content = b"".join(store.read(key))
        except (ObjectChangedError, MissingObjectError):
            continue  # replaced just now
        after = store.find(key)
        if after is not None and after.version == before.version:
            return told(store, folder, parse_manifest(content, store.uri(key))), before.version


def published_versions(store: ObjectStore, folder: str) -> Iterator[str]:
    """Return the versions that were published, from the current one back, as far as their manifests are kept."""
    found = read_pointer(store, folder)
    manifest = found[0].manifest if found else None
    while manifest is not None:
        yield manifest.version
        key = history_key(folder, manifest.previous.version) if manifest.previous else None
        if key is None or store.find(key) is None:
            return
        manifest = parse_manifest(b"".join(store.read(key)), store.uri(key))


def version_names(store: ObjectStore, folder: str) -> set[str]:
    """Return the versions that have files, published or not."""
    above = f"{folder}/data"
    return {one.key[len(above) + 1 :].split("/", 1)[0] for one in store.list(above)}


def drop_version(store: ObjectStore, folder: str, version: str) -> None:
    """Remove the files of a version, and its manifest."""
    store.delete([history_key(folder, version)])
    store.delete_folder(version_folder(folder, version))


def _encoded(letters: str) -> str:
    return "".join(f"%{byte:02X}" for byte in letters.encode())
