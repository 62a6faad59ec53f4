"""The first rows of both sides: a cheap look before the funnel chooses its way. What it says is a suspicion, never a finding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pyspark.sql import DataFrame, Row

from engine.frames import SideFrames

__all__ = ["Probe", "first_rows", "probe_of"]

_ROWS = 2_048
_FEWEST_SHARED = 256
_FEWEST_DIFFERING = 16


@dataclass(frozen=True)
class Probe:
    """What the first rows of both sides show.

    Attributes:
        shared: keys that are among the first rows of both; none where the sides are not in one order.
        differing: how many of these have rows that differ.
        constant: per compared column, whether these rows hold one value.
    """

    shared: int
    differing: int
    constant: tuple[bool, ...]

    @property
    def share(self) -> float:
        """Estimated share of rows that differ, 0 where the probe cannot tell."""
        if self.shared < _FEWEST_SHARED or self.differing < _FEWEST_DIFFERING:
            return 0.0
        return self.differing / self.shared


def first_rows(side: SideFrames) -> DataFrame:
    """Return the first 2,048 rows of a side as `k h1 f0 f1 …: bigint`, hashes of key, row and values. Narrow but for the limit."""
    hashes = [hashed.alias(f"f{index}") for index, hashed in enumerate(side.value_hashes())]
    return side.fingerprinted().select("k", "h1", *hashes).limit(_ROWS)


def probe_of(ours: Sequence[Row], theirs: Sequence[Row], width: int) -> Probe:
    """Return what the first rows of source and target show.

    Args:
        width: number of compared columns.
    """
    constant = tuple(len({row[f"f{index}"] for row in (*ours, *theirs)}) == 1 for index in range(width))
    there = {row["k"]: row["h1"] for row in theirs}
    shared = [(row["h1"], there[row["k"]]) for row in ours if row["k"] in there]
    return Probe(len(shared), sum(one != other for one, other in shared), constant)
