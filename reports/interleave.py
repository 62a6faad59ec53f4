"""Sample rows to the order in which they are shown: one of each kind first."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from itertools import zip_longest

from reports.model import SampleRow

__all__ = ["interleaved"]


def interleaved(rows: Iterable[SampleRow]) -> tuple[SampleRow, ...]:
    """Return the rows in turn from each kind, the rarest kind first, so that the first few show what there is.

    Rows are of one kind when class, causes and (of changed rows) columns are the same. Within a kind the order stays.
    """
    kinds: dict[tuple[object, ...], list[SampleRow]] = defaultdict(list)
    for row in rows:
        columns = frozenset(cell.column for cell in row.cells) if row.row_class == "changed" else frozenset[str]()
        kinds[(row.row_class, frozenset(row.causes), columns)].append(row)
    ordered = sorted(kinds.values(), key=len)  # stable: of kinds of one size, the one that came first
    return tuple(row for turn in zip_longest(*ordered) for row in turn if row is not None)
