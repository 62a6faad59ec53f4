"""Many columns to one, in a tree that stays shallow: a chain of 1,600 is deeper than the stack of Spark's planner."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from pyspark.sql import Column

__all__ = ["any_of", "bits_of"]


def any_of(marks: Iterable[Column]) -> Column:
    """Return whether any of some marks holds.

    Raises:
        ValueError: there is none.
    """
    return _folded(list(marks), Column.__or__)


def bits_of(words: Iterable[Column]) -> Column:
    """Return all bits that are set in any of some numbers.

    Raises:
        ValueError: there is none.
    """
    return _folded(list(words), Column.bitwiseOR)


def _folded(parts: list[Column], combine: Callable[[Column, Column], Column]) -> Column:
    if not parts:
        raise ValueError("of no columns nothing can be made")
    while len(parts) > 1:
        pairs = [combine(one, other) for one, other in zip(parts[::2], parts[1::2], strict=False)]
        parts = pairs + parts[len(pairs) * 2 :]
    return parts[0]
