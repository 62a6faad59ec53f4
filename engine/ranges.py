"""Where keys that are whole numbers lie: buckets that are ranges of the key, and the ranges that some buckets stand for.

A table is often stored in the order of its key, and changes often lie together. With a range of the key per bucket, the rows of the
buckets that differ are a few ranges of the key, and Spark skips the files, row groups and pages that hold none of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["KeySpan"]

_SPARSEST = 64  # numbers per key; beyond it a range may hold many times the keys of another
_MOST_RANGES = 64
_LARGEST = 1 << 62  # so that no bound of a range leaves a bigint
_WORTHWHILE = 0.6  # of the span; to look for more than that saves nothing


@dataclass(frozen=True)
class KeySpan:
    """The keys of a side, all whole numbers.

    Attributes:
        rows: with a key that is not NULL.
        distinct: different keys among them.
        lowest, highest: bounds of the keys, at most 63 too wide at each end; 0 and -1 where there is none.
    """

    rows: int
    distinct: int
    lowest: int
    highest: int

    @property
    def unique(self) -> bool:
        """Whether no key has two rows."""
        return self.rows == self.distinct

    def spacing(self, buckets: int) -> int | None:
        """Return how many bits of a key its bucket ignores, so that all keys fill the buckets once; None where keys are too far apart.

        It follows from the keys alone, so it is the same however rows are stored.
        """
        span = self.highest - self.lowest + 1
        near_the_end = max(abs(self.lowest), abs(self.highest)) >= _LARGEST
        if self.distinct < buckets or span > _SPARSEST * self.distinct or near_the_end:
            return None
        return max(0, (span - 1).bit_length() - (buckets.bit_length() - 1))

    def ranges_of(self, wanted: npt.NDArray[np.bool_], spacing: int) -> list[tuple[int, int]] | None:
        """Return at most 64 ranges of the key, ends included, that hold all keys of some buckets.

        Args:
            wanted: per bucket; their number is a power of two.

        Returns:
            Ascending ranges; those near each other are joined. None where they would cover most of the span.
        """
        cells = np.arange(self.lowest >> spacing, (self.highest >> spacing) + 1, dtype=np.int64)
        chosen = cells[wanted[cells & (wanted.size - 1)]]
        if not chosen.size:
            return []
        gaps = np.diff(chosen)
        widest = np.sort(np.argsort(-gaps, kind="stable")[: _MOST_RANGES - 1])
        breaks = widest[gaps[widest] > 1]
        first = chosen[np.concatenate([[0], breaks + 1])]
        last = chosen[np.concatenate([breaks, [chosen.size - 1]])]
        if int((last - first + 1).sum()) > _WORTHWHILE * cells.size:
            return None
        return [(int(one) << spacing, ((int(other) + 1) << spacing) - 1) for one, other in zip(first, last, strict=True)]
