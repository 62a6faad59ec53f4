"""A published table to what is no longer as it was published."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

from connectors.objects import CorruptObjectError, MissingObjectError, ObjectChangedError, ObjectStore
from connectors.publishing_manifest import DataFile
from connectors.publishing_places import folder_name, pointer_key, read_pointer
from schemas.errors import MissingTableError

__all__ = ["Fault", "verify_published"]

_AT_ONCE = 8


@dataclass(frozen=True)
class Fault:
    """One file that is not as the manifest says.

    Attributes:
        kind: `truncated`: the file has fewer bytes than it had; `changed`: as many or more, and others.
        path: below the folder of the table.
        text: one sentence for people.
    """

    kind: Literal["added", "changed", "removed", "truncated"]
    path: str
    text: str


def verify_published(store: ObjectStore, table: str, *, content: bool = True, manifest_sha256: str | None = None) -> tuple[Fault, ...]:
    """Return every file of the current version that was changed, removed, truncated or added; none when all is as it was published.

    Args:
        content: read every byte; else only names and sizes are looked at.
        manifest_sha256: of the manifest that `publish` returned, where it is known.

    Raises:
        MissingTableError: the table was never published, or its manifest was removed.
        CorruptObjectError: its manifest was changed into something that is none.
    """
    folder = folder_name(table)
    found = read_pointer(store, folder)
    if found is None:
        raise MissingTableError(
            f"{store.uri(folder)}: no version of {table} is published there.",
            object=store.uri(pointer_key(folder)),
            hint="Its manifest was removed, or the table was never published.",
        )
    published = found[0]
    faults = []
    if manifest_sha256 not in (None, published.manifest_sha256):
        faults.append(Fault("changed", "_parity/manifest.json", f"{published.manifest_uri} is not the manifest that was published."))
    return (*faults, *_faults(store, folder, published.manifest.location, published.manifest.files, content))


def _faults(store: ObjectStore, folder: str, location: str, files: tuple[DataFile, ...], content: bool) -> Iterator[Fault]:
    data = f"{folder}/{location}"
    wanted = {f"{data}/{file.path}": file for file in files}
    sizes = {one.key: one.bytes for one in store.list(folder)}
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        looked = pool.map(lambda key: _fault(store, key, wanted[key], sizes.get(key), content), sorted(wanted))
    for key, fault in zip(sorted(wanted), looked, strict=True):
        if fault:
            yield Fault(fault, key[len(folder) + 1 :], f"{store.uri(key)} was {fault} after it was published.")
    for key in sorted(set(sizes) - set(wanted)):
        below = key[len(folder) + 1 :]
        if key.startswith(f"{data}/") or not below.startswith(("data/", "_parity/")):
            yield Fault("added", below, f"{store.uri(key)} was added after the table was published.")


def _fault(
    store: ObjectStore, key: str, file: DataFile, size: int | None, content: bool
) -> Literal["changed", "removed", "truncated"] | None:
    if size is None:
        return "removed"
    if size != file.bytes:
        return "truncated" if size < file.bytes else "changed"
    if not content:
        return None
    digest = hashlib.sha256()
    try:
        for chunk in store.read(key):
            digest.update(chunk)
    except MissingObjectError:
        return "removed"
    except (CorruptObjectError, ObjectChangedError):
        return "changed"
    return None if digest.hexdigest() == file.sha256 else "changed"
