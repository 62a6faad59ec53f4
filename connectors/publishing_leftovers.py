"""What runs that never ended have left below a root, and old versions: found, and removed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Literal

from connectors.objects import ObjectStore, StoredObject
from connectors.publishing_places import STAGING, drop_version, folder_name, published_versions, run_of, version_folder

__all__ = ["Leftover", "discard", "find_leftovers", "prune"]

_DAY_S = 86_400


@dataclass(frozen=True)
class Leftover:
    """The staging of a run for one table, or a version that was never published.

    Attributes:
        table_folder: of the table, below the root.
        folder: what is to be removed.
        newest: when anything in it was last written.
    """

    kind: Literal["staging", "version"]
    table_folder: str
    run: str
    folder: str
    objects: int
    bytes: int
    newest: datetime


def find_leftovers(
    store: ObjectStore, *, tables: Collection[str] = (), idle_s: float = _DAY_S, runs: Collection[str] = (), now: datetime | None = None
) -> tuple[Leftover, ...]:
    """Return what dead runs have left. A run that is still alive is left out, and so is every version that was published.

    Args:
        tables: whose folders are searched for versions never published; those with a staging are in any case.
        idle_s: a run that has written nothing for so long is taken for dead.
        runs: known to be dead, however short a time ago they wrote.
        now: the time to count back from; None: the clock of this machine.
    """
    before = (now or datetime.now(timezone.utc)) - timedelta(seconds=idle_s)
    stagings = list(_stagings(store))
    dead = [one for one in stagings if one.run in runs or one.newest <= before]
    alive = {(one.run, one.table_folder) for one in stagings if one not in dead}
    for folder in sorted({folder_name(table) for table in tables} | {one.table_folder for one in stagings}):
        dead += [one for one in _unpublished(store, folder) if (one.run, folder) not in alive and (one.run in runs or one.newest <= before)]
    return tuple(dead)


def discard(store: ObjectStore, leftovers: Collection[Leftover]) -> None:
    """Remove leftovers."""
    for one in leftovers:
        if one.kind == "version":
            drop_version(store, one.table_folder, one.folder.rpartition("/")[2])
        else:
            store.delete_folder(one.folder)


def prune(store: ObjectStore, table: str, *, keep: int = 1) -> tuple[str, ...]:
    """Remove old versions of a table; return which. Whoever still reads one of them will miss its files.

    Args:
        keep: how many versions before the current one stay, >= 0.
    """
    folder = folder_name(table)
    doomed = tuple(published_versions(store, folder))[1 + keep :]
    for version in reversed(doomed):  # the oldest first: those before it stay known
        drop_version(store, folder, version)
    return doomed


def _stagings(store: ObjectStore) -> Iterator[Leftover]:
    found: dict[tuple[str, str], list[StoredObject]] = {}
    for one in store.list(STAGING):
        parts = one.key.split("/")
        if len(parts) > 3:
            found.setdefault((parts[1], parts[2]), []).append(one)
    for (run, table_folder), objects in sorted(found.items()):
        yield _leftover("staging", table_folder, run, f"{STAGING}/{run}/{table_folder}", objects)


def _unpublished(store: ObjectStore, table_folder: str) -> Iterator[Leftover]:
    above = f"{table_folder}/data/"
    found: dict[str, list[StoredObject]] = {}
    for one in store.list(above.rstrip("/")):
        found.setdefault(one.key[len(above) :].split("/", 1)[0], []).append(one)
    for version in sorted(set(found) - set(published_versions(store, table_folder))):
        yield _leftover("version", table_folder, run_of(version), version_folder(table_folder, version), found[version])


def _leftover(kind: Literal["staging", "version"], table_folder: str, run: str, folder: str, objects: Iterable[StoredObject]) -> Leftover:
    all_of_it = list(objects)
    return Leftover(
        kind, table_folder, run, folder, len(all_of_it), sum(one.bytes for one in all_of_it), max(one.modified for one in all_of_it)
    )
