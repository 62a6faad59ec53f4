"""Whether two tables are the same files, byte for byte: then their rows are equal, and nothing has to be parsed to know it."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from operator import attrgetter

from connectors.base import LocalFile, OpenedTable

__all__ = ["are_copies", "are_one"]

_CHUNK = 1 << 22
_AT_ONCE = 2


def are_copies(source: OpenedTable, target: OpenedTable) -> bool:
    """Return whether the files of two tables on this machine's disk hold the same bytes in the same partition folders.

    Names of files do not matter, their order does. Sizes are looked at first: where they differ, nothing is read.
    Both tables must have been opened in the same way; only the caller knows.

    Returns:
        False also where it cannot be told: other stores, no files, one and the same file on both sides.
        Cost: reads both sides once, as bytes.
    """
    pairs = _paired(source.stored, target.stored)
    if not pairs:
        return False
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return all(pool.map(_hold_the_same, pairs))


def are_one(source: OpenedTable, target: OpenedTable) -> bool:
    """Return whether both tables are the very same files, reached by links: their equality proves nothing."""
    ours, theirs = ({file.inode for file in side.stored} for side in (source, target))
    return bool(ours) and ours == theirs


def _paired(ours: Sequence[LocalFile], theirs: Sequence[LocalFile]) -> list[tuple[LocalFile, LocalFile]]:
    """Return the files of each folder beside those of the other side, in order; nothing where folders, numbers or sizes differ."""
    pairs: list[tuple[LocalFile, LocalFile]] = []
    by_folder = [{name: sorted(files, key=attrgetter("path")) for name, files in _folders(side)} for side in (ours, theirs)]
    if by_folder[0].keys() != by_folder[1].keys():
        return []
    for name, files in by_folder[0].items():
        others = by_folder[1][name]
        if [file.bytes for file in files] != [file.bytes for file in others]:
            return []
        pairs += zip(files, others, strict=True)
    return [] if any(one.inode == other.inode for one, other in pairs) else pairs


def _folders(files: Sequence[LocalFile]) -> list[tuple[str, list[LocalFile]]]:
    return [(name, list(found)) for name, found in groupby(sorted(files, key=attrgetter("folder")), attrgetter("folder"))]


def _hold_the_same(pair: tuple[LocalFile, LocalFile]) -> bool:
    try:
        with open(pair[0].path, "rb") as one, open(pair[1].path, "rb") as other:
            while chunk := one.read(_CHUNK):
                if chunk != other.read(_CHUNK):
                    return False
            return not other.read(1)
    except OSError:  # gone meanwhile, or not readable: the reader that follows says which
        return False
