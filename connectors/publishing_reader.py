"""A folder that somebody names to the version of a published table that its readers are given."""

from __future__ import annotations

import hashlib
import os
import posixpath
import re
from dataclasses import dataclass

from pyspark.sql import SparkSession

from connectors.base import Location
from connectors.locations import local_path
from connectors.manifest import Manifest, escape_glob, store_is_local
from connectors.publishing_manifest import TableManifest, parse_manifest
from connectors.publishing_places import pointer_key
from connectors.spark_errors import SPARK_FAILURES, translate_spark_error
from schemas.errors import ConfigError, MissingTableError
from schemas.verdict import Reason

__all__ = ["CurrentVersion", "current_version_of"]

_S3 = re.compile(r"s3[an]?://")
_VERSIONS = "data"
_SHOWN = 3


@dataclass(frozen=True)
class CurrentVersion:
    """What the pointer of a published table names now.

    Attributes:
        location: of the folder of its files.
        sha256: of the manifest.
    """

    location: Location
    manifest: TableManifest
    sha256: str

    @property
    def pin(self) -> str:
        """For people and evidence."""
        return f"published version {self.manifest.version}, manifest sha256:{self.sha256}"

    def blockers(self, found: Manifest) -> tuple[Reason, ...]:
        """Return why what lies in the folder is not what was published; names and sizes are looked at, content is not read."""
        lying = {found.relative(file.path): file.bytes for file in found.files}
        named = {file.path: file.bytes for file in self.manifest.files}
        differing = sorted(path for path in lying.keys() | named.keys() if lying.get(path) != named.get(path))
        if not differing:
            return ()
        shown = ", ".join(differing[:_SHOWN]) + (f" and {len(differing) - _SHOWN} more" if len(differing) > _SHOWN else "")
        text = f"{found.root} is not as it was published: {shown} was changed, removed or added. Publish the table again."
        return (Reason(code="not_as_published", text=text),)


def current_version_of(spark: SparkSession, location: Location, where: str) -> CurrentVersion | None:
    """Return the current version of the table published at a location; None: it is no published table.

    Cost: local: one look. S3: two requests.

    Raises:
        CorruptObjectError: its manifest is damaged.
        ConfigError: the location holds the versions of a published table, not one of them.
    """
    folder = location.path.rstrip("/")
    content = _content(spark, pointer_key(folder), where)
    if content is None:
        above, name = posixpath.split(folder)
        if name == _VERSIONS and _content(spark, pointer_key(above), where) is not None:
            raise ConfigError(
                f"{where}: this folder holds all versions of a published table, older ones too.",
                object=str(location),
                hint=f"Write {location.scheme}:{above}: the current version is read.",
            )
        return None
    manifest = parse_manifest(content, pointer_key(folder))
    return CurrentVersion(Location(location.scheme, f"{folder}/{manifest.location}"), manifest, hashlib.sha256(content).hexdigest())


def _content(spark: SparkSession, path: str, where: str) -> bytes | None:
    """Return what a file holds, where tables can be published; None where there is none."""
    local = local_path(path)
    if local is not None and not path.startswith("file:") and not store_is_local(spark):
        return None
    if local is not None:
        try:
            with open(local, "rb") as file:
                return file.read()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None
        except OSError as error:
            raise ConfigError(f"{where}: {os.path.basename(local)} cannot be read: {error.strerror}.", object=local) from None
    if not _S3.match(path):  # tables are published in folders of a machine and in S3 alone
        return None
    try:
        rows = spark.read.format("binaryFile").load(escape_glob(path)).select("content").collect()
    except SPARK_FAILURES as exc:
        found = translate_spark_error(exc, where)
        if isinstance(found, MissingTableError):
            return None
        raise found from None
    return bytes(rows[0].content) if rows else None
