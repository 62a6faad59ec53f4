"""The first rows of both sides: a cheap look before the funnel chooses its way. What it says is a suspicion, never a finding."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from pyspark import inheritable_thread_target
from pyspark.sql import DataFrame

from engine.frames import SideFrames

__all__ = ["Probe", "probed"]

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


def probed(source: SideFrames, target: SideFrames) -> Probe:
    """Return what the first 2,048 rows of each side show. Cost: two small jobs, of one task each where a scan feeds them."""
    heads = _head(source), _head(target)
    with ThreadPoolExecutor(1) as beside:
        waiting = beside.submit(inheritable_thread_target(target.rows.sparkSession)(heads[1].collect))
        ours = heads[0].collect()
        theirs = waiting.result()
    width = len(source.plan.compared)
    constant = tuple(len({row[f"f{index}"] for row in (*ours, *theirs)}) == 1 for index in range(width))
    there = {row["k"]: row["h1"] for row in theirs}
    shared = [(row["h1"], there[row["k"]]) for row in ours if row["k"] in there]
    return Probe(len(shared), sum(one != other for one, other in shared), constant)


def _head(side: SideFrames) -> DataFrame:
    hashes = [hashed.alias(f"f{index}") for index, hashed in enumerate(side.value_hashes())]
    return side.fingerprinted().select("k", "h1", *hashes).limit(_ROWS)
