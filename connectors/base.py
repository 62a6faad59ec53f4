"""What the rest of Parity knows about a place tables are read from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from pyspark.sql import DataFrame, SparkSession

from schemas.verdict import Finding, Reason

__all__ = ["Door", "LocalFile", "Location", "OpenedTable"]


@dataclass(frozen=True)
class Location:
    """A parsed URI `scheme:location[@version]`; holds no secret (one in a URI is refused before this is made).

    Attributes:
        scheme: `parquet orc avro csv json delta iceberg hive postgres`.
        path: what follows the scheme, version removed.
        version: what follows the last `@` (Delta: without its `v`), where the scheme knows versions; else None.
    """

    scheme: str
    path: str
    version: str | None = None

    def __str__(self) -> str:
        mark = "@v" if self.scheme == "delta" else "@"
        return f"{self.scheme}:{self.path}" + (f"{mark}{self.version}" if self.version else "")


@dataclass(frozen=True)
class LocalFile:
    """A file on this machine's disk: its folder below that of the table, where it is, its size and identity."""

    folder: str
    path: str
    bytes: int
    inode: int


def _holds() -> tuple[Reason, ...]:
    return ()


def _counts(rows: int) -> tuple[Reason, ...]:
    return ()


@dataclass(frozen=True)
class OpenedTable:
    """One side, pinned and ready to be read lazily, any number of times.

    Attributes:
        uri: for people; never with a secret.
        rows: the table with its own column names and types. Text formats: every column is string.
        text_columns: columns that carry text only because the format does (CSV, JSON): against a typed column they are parsed.
        nested_text_columns: those of them whose text is JSON for an array, struct or map.
        primary_key: as the catalog declares it; empty when it declares none.
        partition_columns: in order; empty when not partitioned.
        pin: what was pinned, for people and evidence ("delta version 12", "manifest sha256:…"), or None.
        pinned: whether Parity pinned it itself.
        identity: equal for two sides that are the same object and version, so that a self-comparison is noticed.
        bytes, files: as far as known.
        stored: the files, where they lie on this machine's disk and are read whole; else empty.
        dear: a second scan costs much more than a shuffle (CSV, JSON, databases).
        findings: worth telling (file_schema_drift, csv settings, …).
        blockers: why nothing proven on this side may be PASS (hidden files, ambiguous calendar, …).
        complete: call with the number of rows that were read; returns blockers when the store itself counts others.
        still_holds: call after the last read; returns blockers when the pin was broken meanwhile.
    """

    uri: str
    rows: DataFrame
    text_columns: frozenset[str] = frozenset()
    nested_text_columns: frozenset[str] = frozenset()
    primary_key: tuple[str, ...] = ()
    partition_columns: tuple[str, ...] = ()
    pin: str | None = None
    pinned: bool = False
    identity: str | None = None
    bytes: int | None = None
    files: int | None = None
    stored: tuple[LocalFile, ...] = ()
    dear: bool = False
    findings: tuple[Finding, ...] = ()
    blockers: tuple[Reason, ...] = ()
    complete: Callable[[int], tuple[Reason, ...]] = field(default=_counts)
    still_holds: Callable[[], tuple[Reason, ...]] = field(default=_holds)


class Door(Protocol):
    """A kind of place tables are read from."""

    def open(self, spark: SparkSession, location: Location, options: Mapping[str, str]) -> OpenedTable:
        """Return the table, pinned.

        Args:
            options: the user's `--source-options` or `--target-options`; one that this door does not know is refused.

        Raises:
            ConfigError: an option is unknown or its value invalid.
            MissingTableError: no such path, table, version or snapshot.
            UnreadableDataError: files that are not what they claim to be, or do not fit each other.
        """
        ...
