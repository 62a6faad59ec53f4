"""Two tables to one small sketch of their difference: where rows differ, and which keys to fetch.

Rows fall into buckets by the hash of their key. Per bucket and side: the number of rows and four exact sums of 32-bit halves of
`h1` and `h2`; equal tables have equal sums. A sixth sum, of the upper half of `h1` times six further bits of the key hash, names
those six bits when one key of the bucket differs: a 64th of the bucket is then fetched instead of all of it. So one fetch
settles a comparison. (Bucketing by row hash, as in CANONICAL_HASH 2.5, leaves undecoded buckets whose rows only a third scan finds.)

The arithmetic of the driver works on at most `BUCKETS + NULL_BUCKETS` rows per side.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

__all__ = ["BUCKETS", "NULL_BUCKETS", "Sketch", "bucket_of", "fetch_mask", "fetched_rows", "sketch_side", "subtract", "wanted_rows"]

BUCKETS = 1 << 15  # 2^16 and more leave the cache of a core: the aggregate then costs a quarter more
NULL_BUCKETS = 1 << 10  # rows with a NULL in the key, apart, by row hash: one key value may hold them all
SLOT_BITS = 6
_LOW = 0xFFFFFFFF
_ALL_SLOTS = -1
_SUMS = ("h1_low", "h1_high", "h2_low", "h2_high")
_CONTEXT_ROWS = 400

Longs = npt.NDArray[np.int64]


def bucket_of(key_hash: Column, row_hash: Column, has_null_key: Column | None) -> Column:
    """Return the bucket of a row, int, 0 ≤ bucket < BUCKETS + NULL_BUCKETS."""
    own = key_hash.bitwiseAND(F.lit(BUCKETS - 1))
    if has_null_key is None:
        return own.cast("int")
    apart = row_hash.bitwiseAND(F.lit(NULL_BUCKETS - 1)) + F.lit(BUCKETS)
    return F.when(has_null_key, apart).otherwise(own).cast("int")


def _slot(key_hash: Column) -> Column:
    """Return six bits of the key hash that the bucket does not use, bigint 0…63."""
    return F.shiftrightunsigned(key_hash, 15).bitwiseAND(F.lit((1 << SLOT_BITS) - 1))


def sketch_side(rows: DataFrame) -> DataFrame:
    """Return the buckets of one side.

    Args:
        rows: one row per row of the table; columns `k: bigint`, `h1: bigint`, `h2: bigint`, `bucket: int`; non-null.

    Returns:
        One row per non-empty bucket: `bucket: int`, `n: bigint`, `h1_low h1_high h2_low h2_high: bigint`, `located: bigint`
        (NULL where the sum left 64 bits). Cost: one shuffle of at most 33,792 rows per task; no action.
    """
    halves = {
        "h1_low": F.col("h1").bitwiseAND(F.lit(_LOW)),
        "h1_high": F.shiftrightunsigned(F.col("h1"), 32),
        "h2_low": F.col("h2").bitwiseAND(F.lit(_LOW)),
        "h2_high": F.shiftrightunsigned(F.col("h2"), 32),
    }
    located = F.shiftrightunsigned(F.col("h1"), 32) * _slot(F.col("k"))
    sums = [F.sum(halves[name]).alias(name) for name in _SUMS]
    return rows.groupBy("bucket").agg(F.count(F.lit(1)).alias("n"), *sums, F.try_sum(located).alias("located"))


@dataclass(frozen=True)
class Sketch:
    """Source minus target per bucket, dense arrays of BUCKETS + NULL_BUCKETS.

    Attributes:
        source_rows, target_rows: rows per bucket and side.
        sums: net of the four sums, shape (4, buckets).
        located: net of the sixth sum; `decodable` is False where it overflowed.
    """

    source_rows: Longs
    target_rows: Longs
    sums: Longs
    located: Longs
    decodable: npt.NDArray[np.bool_]

    @property
    def differs(self) -> npt.NDArray[np.bool_]:
        """Buckets whose rows are not the same multiset on both sides."""
        found: npt.NDArray[np.bool_] = (self.source_rows != self.target_rows) | (self.sums != 0).any(axis=0)
        return found

    @property
    def null_key_rows(self) -> int:
        """Rows of both sides with a NULL in the key."""
        return int(self.source_rows[BUCKETS:].sum() + self.target_rows[BUCKETS:].sum())

    def expected_differences(self) -> float:
        """Return an estimate of how many rows differ, from the size of the net sums.

        A changed row adds the difference of two uniform 32-bit numbers to its bucket: variance 2⁶⁴ / 6.
        """
        net = self.sums[1].astype(np.float64)
        return float((net * net).sum() / (2.0**64 / 6))


def subtract(buckets: dict[str, npt.NDArray[np.int64]], source: npt.NDArray[np.bool_], overflowed: npt.NDArray[np.bool_]) -> Sketch:
    """Return source minus target.

    Args:
        buckets: the collected columns of `sketch_side` of both sides, one entry per bucket and side.
        source: True for rows of the source.
        overflowed: where `located` was NULL (and is 0 in `buckets`).
    """
    size = BUCKETS + NULL_BUCKETS
    index = buckets["bucket"]

    def spread(values: Longs, mask: npt.NDArray[np.bool_]) -> Longs:
        dense = np.zeros(size, dtype=np.int64)
        dense[index[mask]] = values[mask]
        return dense

    def net(values: Longs) -> Longs:
        return spread(values, source) - spread(values, ~source)

    decodable = np.ones(size, dtype=np.bool_)
    decodable[index[overflowed]] = False
    return Sketch(
        source_rows=spread(buckets["n"], source),
        target_rows=spread(buckets["n"], ~source),
        sums=np.stack([net(buckets[name]) for name in _SUMS]),
        located=net(buckets["located"]),
        decodable=decodable,
    )


def fetch_mask(sketch: Sketch, whole: npt.NDArray[np.bool_] | None = None) -> Longs:
    """Return, per bucket, which of its 64 slots must be fetched to see all differences, as bits of a signed 64-bit number.

    Args:
        whole: buckets to fetch entirely, since a first decoding proved wrong.

    A few equal buckets are fetched too: their rows are what explanations compare the differing ones with.
    """
    differs = sketch.differs
    high, located = sketch.sums[1], sketch.located
    rows = np.abs(sketch.source_rows - sketch.target_rows)
    divisor = np.where(high == 0, 1, high)
    slot, remainder = np.divmod(located, divisor)
    named = differs & sketch.decodable & (high != 0) & (remainder == 0) & (slot >= 0) & (slot < 64) & (rows <= 1)
    named[BUCKETS:] = False
    if whole is not None:
        named &= ~whole
    bits = np.left_shift(np.uint64(1), np.where(named, slot, 0).astype(np.uint64)).astype(np.int64)
    mask = np.where(named, bits, np.where(differs, _ALL_SLOTS, 0)).astype(np.int64)
    return _with_context(mask, sketch)


def _with_context(mask: Longs, sketch: Sketch) -> Longs:
    equal = np.flatnonzero((mask == 0) & (sketch.source_rows > 0) & (np.arange(mask.size) < BUCKETS))
    counts = sketch.source_rows[equal]
    enough = int(np.searchsorted(np.cumsum(counts), _CONTEXT_ROWS)) + 1
    chosen = equal[:enough]
    mask[chosen[counts[:enough] <= 10 * _CONTEXT_ROWS]] = _ALL_SLOTS
    return mask


def fetched_rows(sketch: Sketch, mask: Longs) -> int:
    """Return about how many rows of both sides a mask fetches."""
    rows = sketch.source_rows + sketch.target_rows
    share = np.where(mask == 0, 0.0, np.where(mask == _ALL_SLOTS, 1.0, 1.0 / 64))
    return int((rows * share).sum())


def wanted_rows(rows: DataFrame, mask: Longs) -> DataFrame:
    """Return the rows whose slot the mask wants; their columns stay.

    The mask travels as a small table to a broadcast join: written as an array literal it would be printed into every
    description of the plan, which costs seconds, and as `isin` seconds of running.

    Args:
        rows: columns `k: bigint`, `bucket: int` among others.
    """
    used = np.flatnonzero(mask)
    table = pa.table({"parity_bucket": pa.array(used.astype(np.int32)), "parity_word": pa.array(mask[used])})
    words = rows.sparkSession.createDataFrame(table)
    joined = rows.join(F.broadcast(words), F.col("bucket") == F.col("parity_bucket"))
    bit = F.call_function("shiftrightunsigned", F.col("parity_word"), _slot(F.col("k")).cast("int")).bitwiseAND(F.lit(1).cast("bigint"))
    return joined.where(bit == F.lit(1)).select(*rows.columns)
