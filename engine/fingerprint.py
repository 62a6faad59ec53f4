"""Two tables to one small sketch of their difference: where rows differ, and which keys to fetch.

Rows fall into buckets by the hash of their key, or by the key itself where it is a whole number and such keys lie close together.
Per bucket and side: the number of rows and four exact sums of 32-bit halves of `h1` and `h2`; equal tables have equal sums. Three
more sums, of the upper half of `h1` times the first, second and third power of six further bits of the key hash, name those six bits
when up to three keys of the bucket differ: as many 64ths of the bucket are then fetched instead of all of it. So one fetch settles a
comparison. (Bucketing by row hash, as in CANONICAL_HASH 2.5, leaves undecoded buckets whose rows only a third scan finds.)

The arithmetic of the driver works on at most `BUCKETS + NULL_BUCKETS` rows per side.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

__all__ = [
    "BUCKETS",
    "CONTEXT_ROWS",
    "LIMBS",
    "NULL_BUCKETS",
    "PLACES",
    "Sketch",
    "apart",
    "bucket_of",
    "evenly",
    "fetch_mask",
    "fetched_rows",
    "sketch_side",
    "subtract",
    "wanted_rows",
]

_BUCKET_BITS = 14  # 2^16 and more leave the cache of a core, and each task gives its buckets to a shuffle: a quarter more time
BUCKETS = 1 << _BUCKET_BITS
NULL_BUCKETS = 1 << 10  # rows with a NULL in the key, apart, by row hash: one key value may hold them all
SLOT_BITS = 6
_NEIGHBOURS = 5  # 2^5
_LOW = 0xFFFFFFFF
_ALL_SLOTS = -1
_SLOTS = 1 << SLOT_BITS
PLACES = ("located", "located_2", "located_3")
LIMBS = ("h1_low", "h1_high", "h2_low", "h2_high")
CONTEXT_ROWS = 400  # of each side, about
_EVERY_16TH = 0x0001_0001_0001_0001  # slot
_TRIED_AT_ONCE = 1 << 20
_MOST_TRIPLES = 4_000  # buckets; with more of them, most hold more than three differences

Longs = npt.NDArray[np.int64]


def bucket_of(key_hash: Column, number: Column | None, spacing: int | None) -> Column:
    """Return the bucket of a row whose key has no NULL, int, 0 ≤ bucket < BUCKETS.

    Args:
        number: the key, where it is one whole number: neighbours then share a bucket, so that the aggregate finds the bucket of
            most rows of a table in key order in the cache (a fifth less time at 8 M rows).
        spacing: how many bits of the number a bucket ignores, which makes buckets ranges of it; None: 32 neighbours share a bucket.
    """
    spread = key_hash
    if number is not None:
        spread = F.xxhash64(F.shiftright(number, _NEIGHBOURS)) if spacing is None else F.shiftright(number, spacing)
    return spread.bitwiseAND(F.lit(BUCKETS - 1)).cast("int")


def apart(bucket: Column, row_hash: Column, has_null_key: Column) -> Column:
    """Return the bucket with rows that have a NULL in the key moved behind all others, by row hash."""
    behind = row_hash.bitwiseAND(F.lit(NULL_BUCKETS - 1)) + F.lit(BUCKETS)
    return F.when(has_null_key, behind.cast("int")).otherwise(bucket)


def _slot(key_hash: Column) -> Column:
    """Return six bits of the key hash that the bucket does not use, bigint 0…63."""
    return F.shiftrightunsigned(key_hash, _BUCKET_BITS).bitwiseAND(F.lit(_SLOTS - 1))


def sketch_side(rows: DataFrame) -> DataFrame:
    """Return the buckets of one side.

    Args:
        rows: one row per row of the table; columns `k: bigint`, `h1: bigint`, `h2: bigint`, `bucket: int`; non-null.

    Returns:
        One row per non-empty bucket: `bucket: int`, `n: bigint`, `h1_low h1_high h2_low h2_high: bigint`, `located
        located_2 located_3: bigint` (NULL where the sum left 64 bits). Cost: one shuffle of at most 17,408 rows per task; no action.
    """
    halves = {
        "h1_low": F.col("h1").bitwiseAND(F.lit(_LOW)),
        "h1_high": F.shiftrightunsigned(F.col("h1"), 32),
        "h2_low": F.col("h2").bitwiseAND(F.lit(_LOW)),
        "h2_high": F.shiftrightunsigned(F.col("h2"), 32),
    }
    slot = _slot(F.col("k"))
    located = F.shiftrightunsigned(F.col("h1"), 32) * slot
    sums = [F.sum(halves[name]).alias(name) for name in LIMBS]
    powers = (located, located * slot, located * slot * slot)
    places = [F.try_sum(power).alias(name) for name, power in zip(PLACES, powers, strict=True)]
    return rows.groupBy("bucket").agg(F.count(F.lit(1)).alias("n"), *sums, *places)


@dataclass(frozen=True)
class Sketch:
    """Source minus target per bucket, dense arrays of BUCKETS + NULL_BUCKETS.

    Attributes:
        source_rows, target_rows: rows per bucket and side.
        sums: net of the four sums, shape (4, buckets).
        places: net of the last three sums, shape (3, buckets); `decodable` is False where one overflowed.
    """

    source_rows: Longs
    target_rows: Longs
    sums: Longs
    places: Longs
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

    def expected_differences(self, buckets: Longs | None = None) -> float:
        """Return an estimate of how many rows of some buckets (all unless told) differ, from the size of the net sums.

        A changed row adds the difference of two uniform 32-bit numbers to its bucket: variance 2⁶⁴ / 6.
        """
        net = (self.sums[1] if buckets is None else self.sums[1][buckets]).astype(np.float64)
        return float((net * net).sum() / (2.0**64 / 6))


def subtract(buckets: dict[str, npt.NDArray[np.int64]], source: npt.NDArray[np.bool_], overflowed: npt.NDArray[np.bool_]) -> Sketch:
    """Return source minus target.

    Args:
        buckets: the collected columns of `sketch_side` of both sides, one entry per bucket and side.
        source: True for rows of the source.
        overflowed: where one of `located located_2 located_3` was NULL (and is 0 in `buckets`).
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
        sums=np.stack([net(buckets[name]) for name in LIMBS]),
        places=np.stack([net(buckets[name]) for name in PLACES]),
        decodable=decodable,
    )


def fetch_mask(sketch: Sketch, whole: npt.NDArray[np.bool_] | None = None) -> Longs:
    """Return, per bucket, which of its 64 slots must be fetched to see all differences, as bits of a signed 64-bit number.

    Args:
        whole: buckets to fetch entirely, since a first decoding proved wrong.

    A few equal buckets are fetched too: their rows are what explanations compare the differing ones with.
    """
    differs = sketch.differs
    decodable = differs & sketch.decodable
    decodable[BUCKETS:] = False
    if whole is not None:
        decodable &= ~whole
    mask = np.where(differs, _ALL_SLOTS, 0).astype(np.int64)
    for slots in (1, 2, 3):
        left = np.flatnonzero(decodable & (mask == _ALL_SLOTS))
        if slots < 3 or left.size <= _MOST_TRIPLES:
            mask[left] = _named(sketch, left, slots)
    return _with_context(mask, sketch)


def _named(sketch: Sketch, buckets: Longs, slots: int) -> Longs:
    """Return, per bucket, the bits of the slots where its differences lie if so many slots explain its sums, else all bits.

    Source:
        Net weights d in slots x give power sums S_j = sum of d x^j. The product of (z - x) over all slots but the last, as a
        recurrence on them, leaves T_j = S_(j+n-1) - e_1 S_(j+n-2) + …, which is a geometric series whose ratio is the last slot
        (Newton; as in decoding Reed-Solomon codes). All choices of the others are tried.
    """
    tried = list(combinations(range(_SLOTS), slots - 1))
    choices = np.array(tried, dtype=np.int64).reshape(len(tried), slots - 1)
    coefficients = np.ones((len(choices), 1), dtype=np.int64)  # of the product of (z - x), highest power first
    for place in range(slots - 1):
        shifted = coefficients * -choices[:, place : place + 1]
        coefficients = np.pad(coefficients, ((0, 0), (0, 1))) + np.pad(shifted, ((0, 0), (1, 0)))
    words = np.left_shift(np.uint64(1), choices.astype(np.uint64)).sum(axis=1, dtype=np.uint64)
    lowest = choices[:, -1:] + 1 if slots > 1 else np.zeros((1, 1), dtype=np.int64)  # of the last slot
    sums = np.stack([sketch.sums[1], *sketch.places])[:, buckets]
    found = np.full(buckets.size, _ALL_SLOTS, dtype=np.int64)
    step = max(1, _TRIED_AT_ONCE // len(choices))
    for begin in range(0, buckets.size, step):
        some = sums[:, begin : begin + step]
        series = [coefficients @ some[j : j + slots][::-1] for j in range(len(sums) - slots + 1)]
        there = series[0] != 0
        ratio = np.divide(series[1], series[0], out=np.full(there.shape, -1.0), where=there)
        fits = there & (ratio > lowest - 0.5) & (ratio < _SLOTS - 0.5)
        last = np.where(fits, np.rint(ratio), 0.0).astype(np.int64)
        for one, following in pairwise(series):
            fits &= following == last * one
        certain = (fits.sum(axis=0) == 1) & (some[0] != 0)
        chosen, columns = fits.argmax(axis=0)[certain], np.flatnonzero(certain)
        bits = words[chosen] | np.left_shift(np.uint64(1), last[chosen, columns].astype(np.uint64))
        found[begin : begin + step][certain] = bits.astype(np.int64)
    return found


def _with_context(mask: Longs, sketch: Sketch) -> Longs:
    """Add slots, of equal buckets first, until there are some equal rows to compare the differing ones with."""
    rows = np.minimum(sketch.source_rows, sketch.target_rows)
    allowed = (rows > 0) & (rows <= 10 * CONTEXT_ROWS) & (mask != _ALL_SLOTS)
    allowed[BUCKETS:] = False
    found = evenly(np.flatnonzero(allowed))
    chosen = found[np.argsort(mask[found] != 0, kind="stable")]
    slots, part = (_EVERY_16TH, 1 / 16) if rows[chosen].sum() >= 16 * CONTEXT_ROWS else (_ALL_SLOTS, 1.0)
    enough = int(np.searchsorted(np.cumsum(rows[chosen] * part), CONTEXT_ROWS)) + 1
    mask[chosen[:enough]] |= slots
    return mask


def evenly(buckets: Longs) -> Longs:
    """Return buckets in an order of which every beginning lies evenly over all of them, the same in every run (van der Corput)."""
    reversed_ = np.zeros_like(buckets)
    for bit in range(_BUCKET_BITS):
        reversed_ |= ((buckets >> bit) & 1) << (_BUCKET_BITS - 1 - bit)
    return buckets[np.argsort(reversed_, kind="stable")]


def fetched_rows(sketch: Sketch, mask: Longs) -> int:
    """Return about how many rows of both sides a mask fetches."""
    rows = sketch.source_rows + sketch.target_rows
    share = np.unpackbits(np.ascontiguousarray(mask).view(np.uint8).reshape(-1, 8), axis=1).sum(axis=1) / _SLOTS
    return int((rows * share).sum())


def wanted_rows(rows: DataFrame, mask: Longs) -> DataFrame:
    """Return the rows whose slot the mask wants; their columns stay.

    The mask travels as one broadcast row, an array with a word per bucket: a row costs one look into 136 KiB. As an array literal it would
    be printed into every description of the plan, which costs seconds; as `isin`, or as a hash join, it costs more per row.

    Args:
        rows: columns `k: bigint`, `bucket: int` among others.
    """
    table = pa.table({"parity_words": pa.array([mask], type=pa.list_(pa.int64()))})
    words = rows.sparkSession.createDataFrame(table)
    word = F.col("parity_words")[F.col("bucket")]
    bit = F.call_function("shiftrightunsigned", word, _slot(F.col("k")).cast("int")).bitwiseAND(F.lit(1).cast("bigint"))
    return rows.join(F.broadcast(words), bit == F.lit(1)).select(*rows.columns)
