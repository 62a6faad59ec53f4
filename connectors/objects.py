"""Objects by key below one root, in whatever store: what every store must do, and a URI to its store.

A key is a path below the root: names between `/`, none of them empty, `.` or `..`; it is taken literally, nothing in it is decoded.
An object is whole or it is not there: no reader ever sees a part of one.

* StateError
  + ObjectExistsError         there is an object under this key already
  + ObjectChangedError        the object is not the one that was expected
* UnreadableDataError
  + CorruptObjectError        the bytes are not those that were written
* MissingTableError
  + MissingObjectError        there is no object under this key
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from tempfile import TemporaryFile
from typing import BinaryIO, Protocol

from connectors.credentials import refuse_secrets
from connectors.locations import local_path
from connectors.options import check_names
from schemas.errors import ConfigError, MissingExtraError, MissingTableError, StateError, UnreadableDataError

__all__ = [
    "CHUNK_BYTES",
    "Content",
    "CorruptObjectError",
    "MissingObjectError",
    "ObjectChangedError",
    "ObjectExistsError",
    "ObjectStore",
    "StoredObject",
    "as_stream",
    "checked",
    "key_parts",
    "open_store",
    "rewound",
    "spark_settings",
]

Content = bytes | BinaryIO
"""What is written: bytes, or a binary stream, read from where it stands to its end."""

CHUNK_BYTES = 1 << 20
_KEY_BYTES = 1024  # what S3 allows, root included
_S3 = re.compile(r"s3a?://([^/]*)/*(.*)", re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_OTHER_STORE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")


class ObjectExistsError(StateError):
    """There is an object under this key already, and it was not to be overwritten."""

    code = "object_exists"


class ObjectChangedError(StateError):
    """The object is not the one that was expected: somebody else wrote or removed it."""

    code = "object_changed"


class CorruptObjectError(UnreadableDataError):
    """The bytes of an object are not those that were written."""

    code = "corrupt_object"


class MissingObjectError(MissingTableError):
    """There is no object under this key."""

    code = "missing_object"


@dataclass(frozen=True)
class StoredObject:
    """One object as the store lists it.

    Attributes:
        key: below the root of the store.
        bytes: its size.
        version: another one whenever the content is another; says nothing else. S3: the ETag.
        modified: by the clock of the store, UTC.
    """

    key: str
    bytes: int
    version: str
    modified: datetime


class ObjectStore(Protocol):
    """Objects below one root.

    Every method raises a ConnectorError, or its transient kind, when the store says no, and names the object; none holds a secret.
    """

    def uri(self, key: str = "") -> str:
        """Return where an object, a folder or the root is, for people."""
        ...

    def spark_path(self, key: str = "") -> str:
        """Return the path that Spark reads and writes for the same place."""
        ...

    def list(self, folder: str = "") -> Iterator[StoredObject]:
        """Return every object below a folder, in no order; none when there is no such folder."""
        ...

    def find(self, key: str) -> StoredObject | None:
        """Return the object under a key, or None."""
        ...

    def read(self, key: str, *, sha256: str | None = None) -> Iterator[bytes]:
        """Return the bytes of an object, piece by piece. The last piece comes only when all were what they must be.

        Args:
            sha256: of the content, hex, where it is known; what the store recorded at the upload is checked in any case.

        Raises:
            MissingObjectError: there is no such object.
            CorruptObjectError: the content is another.
            ObjectChangedError: it was replaced while it was read.
        """
        ...

    def read_range(self, key: str, start: int, length: int) -> bytes:
        """Return at most `length` bytes from `start`.

        Raises:
            MissingObjectError: there is no such object.
        """
        ...

    def write_new(self, key: str, content: Content) -> StoredObject:
        """Write an object that must not be there yet; of several writers at once, one wins.

        Raises:
            ObjectExistsError: there is one.
        """
        ...

    def replace(self, key: str, content: Content, expected: str | None) -> StoredObject:
        """Write an object over the one whose version was read; of several writers at once, one wins.

        Args:
            expected: its version; None: there must be none.

        Raises:
            ObjectChangedError: there is another object, or none, by now.
        """
        ...

    def copy(self, source: StoredObject, target: str) -> StoredObject:
        """Write an object again under a key that must not be there yet.

        Raises:
            ObjectChangedError: the source is another object by now, or gone.
            ObjectExistsError: there is an object under `target`.
        """
        ...

    def move(self, objects: Sequence[StoredObject], source: str, target: str) -> None:
        """Move a folder to a place where none is: `objects` must be all that lies in it.

        Called again after a crash, it ends what it began. Local: one rename, so that nobody sees a part of the folder.
        S3: copies, several at a time, then the originals are deleted.

        Raises:
            ObjectChangedError: what lies in the folder is not `objects`.
            ObjectExistsError: there is something else at `target`.
        """
        ...

    def delete(self, keys: Collection[str]) -> None:
        """Delete objects; one that is not there is passed over."""
        ...

    def delete_folder(self, folder: str) -> None:
        """Delete every object below a folder, and what the store keeps for empty folders."""
        ...

    def discard_unfinished(self, idle_s: float) -> int:
        """Remove what writes that never ended have left, unchanged for `idle_s` seconds; return how many.

        Local: a write that is under way is left alone, however long ago it wrote. S3: it is not known, so give it a day.
        """
        ...


def open_store(uri: str, options: Mapping[str, str] | None = None) -> ObjectStore:
    """Return the store that a URI names; nothing is asked of it yet.

    Args:
        uri: `s3://bucket/prefix` (the same as `s3a://`), `file:/folder` or a path.
        options: of S3: `endpoint`, `region`, `path_style`; what is not given is taken from the AWS environment and configuration.

    Raises:
        ConfigError: a secret in the URI, a store of another kind, an unknown option, no credentials.
        MissingExtraError: S3, and boto3 is not installed.
    """
    refuse_secrets(uri, "store")
    given = dict(options or {})
    found = _S3.fullmatch(uri)
    if found:
        check_names(given, ("endpoint", "region", "path_style"), uri)
        with _extra_for(uri):
            from connectors.objects_s3 import open_s3
        return open_s3(found.group(1), found.group(2).strip("/"), given)
    path = local_path(uri)
    if path is None:
        scheme = _OTHER_STORE.match(uri)
        raise ConfigError(
            f"{uri}: {scheme.group(0) if scheme else 'this'} is no store that objects are written to.",
            object=uri,
            hint="Write s3://bucket/prefix, or file:/folder.",
        )
    if given:
        raise ConfigError(f"{uri}: a folder of this machine has no options.", object=next(iter(given)), hint="Leave them out.")
    from connectors.objects_local import LocalObjectStore

    return LocalObjectStore(path)


def spark_settings(uri: str, options: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the Spark settings that a session needs to reach a store; none for a folder of this machine.

    They hold no credentials: Spark takes those from where boto3 takes them.
    """
    found = _S3.fullmatch(uri)
    if not found:
        return {}
    with _extra_for(uri):
        from connectors.objects_s3 import s3a_settings
    return s3a_settings(found.group(1), options or {})


@contextmanager
def _extra_for(uri: str) -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("boto3", "botocore"):
            raise
        raise MissingExtraError("aws", "boto3", f"Reading and writing {uri}") from None


def key_parts(key: str) -> tuple[str, ...]:
    """Return the names in a key.

    Raises:
        ConfigError: it is no key.

    >>> key_parts("orders/dt=2026-01-01/a b.parquet")
    ('orders', 'dt=2026-01-01', 'a b.parquet')
    """
    parts = tuple(key.split("/"))
    try:
        too_long = len(key.encode("utf-8")) > _KEY_BYTES
    except UnicodeEncodeError:
        raise ConfigError(f"The key {key!r} is no Unicode text.", object=repr(key)) from None
    if too_long or _CONTROL.search(key) or any(part in ("", ".", "..") for part in parts):
        raise ConfigError(
            f"{key!r} is no key of an object.",
            object=key,
            hint=f"A key is at most {_KEY_BYTES} bytes: names between /, none empty or only dots, without control characters.",
        )
    return parts


def as_stream(content: Content) -> BinaryIO:
    """Return content as a stream."""
    return io.BytesIO(content) if isinstance(content, bytes) else content


def rewound(content: Content) -> tuple[BinaryIO, int, str]:
    """Return content as a stream that can be read again from the start, its size in bytes, and its SHA-256 in hex.

    Cost: reads it once; what cannot be rewound is kept in a temporary file.
    """
    if isinstance(content, bytes):
        return io.BytesIO(content), len(content), hashlib.sha256(content).hexdigest()
    digest, size = hashlib.sha256(), 0
    target = None if content.seekable() and content.tell() == 0 else TemporaryFile()  # noqa: SIM115 - closed with the last reference
    while chunk := content.read(CHUNK_BYTES):
        digest.update(chunk)
        size += len(chunk)
        if target:
            target.write(chunk)
    stream = target or content
    stream.seek(0)
    return stream, size, digest.hexdigest()


def checked(chunks: Iterator[bytes], uri: str, expected: Collection[str]) -> Iterator[bytes]:
    """Return the same pieces; the last one is held back until the SHA-256 of all is each of those expected.

    Raises:
        CorruptObjectError: it is not.
    """
    digest, held = hashlib.sha256(), None
    for chunk in chunks:
        if held is not None:
            yield held
        digest.update(chunk)
        held = chunk
    found = digest.hexdigest()
    for wanted in expected:
        if found != wanted:
            raise CorruptObjectError(
                f"{uri}: the content is not what was written: its SHA-256 is {found}, not {wanted}.",
                object=uri,
                hint="It was changed or damaged in the store: write it again.",
            )
    if held is not None:
        yield held
