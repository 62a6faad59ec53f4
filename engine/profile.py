"""Questions about whole columns: which hold one value only, and which could be a key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.frames import SideFrames
from engine.hashing import key_hash

__all__ = ["CandidateKey", "candidate_keys", "constant_columns", "distinct_sketches", "is_unique_key"]

_NEARLY_UNIQUE = 0.9  # the estimate of distinct values is off by up to 5 %
_TRIED_PAIRS = 3
_MOST_PROPOSED = 3
_NO_KEY = (T.FloatType, T.DoubleType, T.ArrayType, T.MapType, T.StructType, T.VariantType, T.BooleanType)


def constant_columns(sides: Sequence[SideFrames], positions: Sequence[int]) -> DataFrame:
    """Return one row with a boolean per position: whether all rows of both sides hold one and the same value, NULL included.

    Cost: one scan of these columns.
    """
    return _one_value([_fingerprints(side, positions) for side in sides], positions)


def _fingerprints(side: SideFrames, positions: Sequence[int]) -> DataFrame:
    compared = side.plan.compared
    hashes = [key_hash([compared[index].hashed(F.col(f"c{index}"))]).alias(f"f{index}") for index in positions]
    return side.physical().select(*hashes)


def _one_value(frames: Sequence[DataFrame], positions: Sequence[int]) -> DataFrame:
    union = frames[0]
    for frame in frames[1:]:
        union = union.unionAll(frame)
    return union.agg(*((F.min(f"f{index}") == F.max(f"f{index}")).alias(f"f{index}") for index in positions))


@dataclass(frozen=True)
class CandidateKey:
    """Columns whose values name each row of the source exactly once, without NULL."""

    columns: tuple[str, ...]


def distinct_sketches(side: SideFrames) -> DataFrame:
    """Return one row: `n: bigint`, and per column of a type fit for a key `d<i>` distinct values (estimate), `z<i>` NULLs.

    Cost: one scan. The estimate does not depend on partitioning.
    """
    parts: list[Column] = [F.count(F.lit(1)).alias("n")]
    for index in _fit(side):
        parts.append(F.approx_count_distinct(F.col(f"c{index}")).alias(f"d{index}"))
        parts.append(F.sum(F.col(f"c{index}").isNull().cast("bigint")).alias(f"z{index}"))
    return side.physical().agg(*parts)


def candidate_keys(side: SideFrames, sketches: dict[str, int]) -> list[CandidateKey]:
    """Return what is worth proving, most promising first: single columns, else pairs of the columns with most values."""
    rows = sketches["n"] or 0
    if not rows:
        return []
    compared = side.plan.compared
    full = [index for index in _fit(side) if not sketches[f"z{index}"]]
    single = [index for index in full if sketches[f"d{index}"] >= _NEARLY_UNIQUE * rows]
    names = [(compared[index].name,) for index in single]
    most = sorted(full, key=lambda index: (-sketches[f"d{index}"], compared[index].name))[:_TRIED_PAIRS]
    pairs = [
        tuple(sorted((compared[one].name, compared[other].name)))
        for one, other in combinations(most, 2)
        if one not in single and other not in single and sketches[f"d{one}"] * sketches[f"d{other}"] >= rows
    ]
    return [CandidateKey(found) for found in [*names, *pairs][:_MOST_PROPOSED]]


def _fit(side: SideFrames) -> list[int]:
    return [index for index, column in enumerate(side.plan.compared) if not isinstance(column.type, _NO_KEY)]


def is_unique_key(side: SideFrames, key: CandidateKey) -> DataFrame:
    """Return one row `unique: boolean`. Cost: a shuffle of the key's hashes."""
    columns = [column.hashed(F.col(f"c{side.plan.position(column.name)}")) for column in side.plan.compared if column.name in key.columns]
    counted = side.physical().groupBy(key_hash(columns).alias("k")).agg(F.count(F.lit(1)).alias("n"))
    return counted.agg((F.coalesce(F.max("n"), F.lit(1)) == 1).alias("unique"))
