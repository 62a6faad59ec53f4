"""A folder of data files to the document that names each of them."""

from __future__ import annotations

import builtins
import hashlib
import io
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any, Literal

import pyarrow.parquet as pq
from pyarrow import ArrowException
from pydantic import Field, ValidationError, field_validator, model_validator

from connectors.objects import CorruptObjectError, ObjectStore, StoredObject, key_parts
from schemas.canonical_json import canonical_bytes, sha256_of
from schemas.errors import ParityError, UnreadableDataError
from schemas.model import Model

__all__ = ["DataFile", "PreviousVersion", "TableManifest", "content_digest", "describe_files", "is_marker", "parse_manifest"]

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0)]

_MARKERS = re.compile(r"_SUCCESS|_committed_.*|_started_.*|\..*\.crc|_metadata|_common_metadata")
_AT_ONCE = 8
_FOOTER_BYTES = 1 << 16
_DIGITS_OF_VERSION = 12


class DataFile(Model):
    """One file of a table.

    Attributes:
        path: below the folder of its version.
        bytes: its size.
        sha256: of its content.
        rows: as its footer says; None where the format has none.
    """

    path: str
    bytes: Count
    sha256: Sha256
    rows: Count | None = None

    @field_validator("path")
    @classmethod
    def _path_is_a_key(cls, path: str) -> str:
        try:
            key_parts(path)
        except ParityError as error:
            raise ValueError(error.message) from None
        return path


class PreviousVersion(Model):
    """The version that this one took the place of, and the SHA-256 of its manifest."""

    version: str
    sha256: Sha256


class TableManifest(Model):
    """What a published table is: exactly these files.

    Attributes:
        table: its name, as the run calls it.
        version: unique among the versions of the table.
        run: who published it.
        location: folder of the files, below that of the table.
        schema_sha256: of the schema, as the run describes it.
        rows: of all files; None where a file does not tell.
        files: sorted by path.
    """

    type_: Literal["parity.published_table.v1"] = Field(default="parity.published_table.v1", alias="_type")
    table: str
    version: str
    run: str
    location: str
    schema_sha256: Sha256
    rows: Count | None
    bytes: Count
    files: tuple[DataFile, ...] = Field(min_length=1)
    previous: PreviousVersion | None = None

    @model_validator(mode="after")
    def _sums_hold(self) -> TableManifest:
        paths = [file.path for file in self.files]
        if paths != sorted(set(paths)):
            raise ValueError("files are not sorted, or one is named twice")
        if self.bytes != sum(file.bytes for file in self.files) or self.rows != total_rows(self.files):
            raise ValueError("the sums of bytes or rows are wrong")
        if self.location != f"data/{self.version}" or self.version != f"{self.run}-{content_digest(self.files)}":
            raise ValueError("the version is not that of these files")
        return self

    def stored(self) -> builtins.bytes:
        """Return the one form in which the manifest is stored."""
        return canonical_bytes(self.document())


def parse_manifest(content: bytes, uri: str) -> TableManifest:
    """Return the manifest in these bytes.

    Raises:
        CorruptObjectError: they are no manifest, or not in its one form.
    """
    try:
        found = TableManifest.model_validate_json(content)
        whole = found.stored() == content
    except (ValidationError, UnicodeDecodeError):
        whole = False
    if not whole:
        raise CorruptObjectError(
            f"{uri} is no manifest of a published table.", object=uri, hint="It was changed or damaged: publish again."
        )
    return found


def content_digest(files: Sequence[DataFile]) -> str:
    """Return a short digest of what the files are, names included."""
    return sha256_of([file.document() for file in files])[:_DIGITS_OF_VERSION]


def total_rows(files: Sequence[DataFile]) -> int | None:
    """Return the rows of all files; None where one does not tell."""
    rows = [file.rows for file in files if file.rows is not None]
    return sum(rows) if len(rows) == len(files) else None


def is_marker(path: str) -> bool:
    """Return whether a file only says that a writer is done, or holds checksums of another: such files are not data."""
    return _MARKERS.fullmatch(path.rsplit("/", 1)[-1]) is not None


def describe_files(store: ObjectStore, objects: Sequence[StoredObject], folder: str) -> tuple[DataFile, ...]:
    """Return what each object of a folder holds, sorted by path. Cost: reads every byte once, several files at a time.

    Raises:
        UnreadableDataError: a file named .parquet has no footer, or a reader would pass over a file because of its name.
        ObjectChangedError: a file is no longer the one that was listed.
    """

    def describe(one: StoredObject) -> DataFile:
        path = one.key[len(folder) + 1 :]
        _refuse_hidden(path, store.uri(one.key))
        digest, size = hashlib.sha256(), 0
        for chunk in store.read(one.key):
            digest.update(chunk)
            size += len(chunk)
        rows = _rows(store, one) if path.endswith(".parquet") else None
        return DataFile(path=path, bytes=size, sha256=digest.hexdigest(), rows=rows)

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return tuple(sorted(pool.map(describe, objects), key=lambda file: file.path))


def _refuse_hidden(path: str, uri: str) -> None:
    for part in path.split("/"):
        if part.startswith(".") or (part.startswith("_") and "=" not in part):
            raise UnreadableDataError(
                f"{uri}: the name {part} hides this file from Spark and Athena: a write did not end, or a file was added.",
                object=uri,
                hint="Write the table again, into an empty folder.",
            )


def _rows(store: ObjectStore, one: StoredObject) -> int:
    try:
        metadata: Any = pq.read_metadata(io.BufferedReader(_StoredBytes(store, one), _FOOTER_BYTES))
    except (ArrowException, OSError) as error:
        reason = str(error).split("\n", 1)[0][:160].rstrip(". ")
        raise UnreadableDataError(
            f"{store.uri(one.key)} is no readable Parquet file: {reason}.", object=store.uri(one.key), hint="Write it again."
        ) from None
    return int(metadata.num_rows)


class _StoredBytes(io.RawIOBase):
    """An object as a file that can be read anywhere."""

    def __init__(self, store: ObjectStore, one: StoredObject) -> None:
        self._store, self._one, self._at = store, one, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._one.bytes}[whence]
        return self._at

    def readinto(self, buffer: Any) -> int:
        wanted = min(len(buffer), self._one.bytes - self._at)
        found = self._store.read_range(self._one.key, self._at, wanted) if wanted > 0 else b""
        buffer[: len(found)] = found
        self._at += len(found)
        return len(found)
