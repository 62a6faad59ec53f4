"""Whether keys name rows: questions that read the key columns only."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from engine.fingerprint import PLACES
from engine.frames import SideFrames

__all__ = ["DUPLICATES_MARK", "duplicate_keys", "duplicates_of_target_only", "is_unique", "rows_of_numbered", "uniqueness"]

DUPLICATES_MARK = -1


def uniqueness(side: SideFrames) -> DataFrame:
    """Return one row shaped like a bucket: `n` key rows, `h1_low` distinct keys (a lower bound is enough to tell uniqueness).

    Reads the key columns only. Whole numbers set bits in words of 64, which for dense keys is a hundredth of a distinct count;
    NULLs set none, so a table that has some is looked at again by `duplicate_keys`.
    """
    number = side.number()
    if number is not None:
        words = side.physical().select(number.alias("key"))
        word = F.shiftright("key", 6).alias("word")
        bit = F.call_function("shiftleft", F.lit(1).cast("bigint"), F.col("key").bitwiseAND(F.lit(63)).cast("int"))
        grouped = words.groupBy(word).agg(F.bit_or(bit).alias("bits"), F.count(F.lit(1)).alias("n"))
        summed = grouped.agg(F.sum("n").alias("n"), F.sum(F.bit_count("bits").cast("bigint")).alias("h1_low"))
    else:
        grouped = _keys_of(side).groupBy("k").agg(F.count(F.lit(1)).alias("n"))
        summed = grouped.agg(F.sum("n").alias("n"), F.count(F.lit(1)).alias("h1_low"))
    zero = F.lit(0).cast("bigint")
    return summed.select(
        F.lit(DUPLICATES_MARK).alias("bucket"),
        "n",
        "h1_low",
        *(zero.alias(name) for name in ("h1_high", "h2_low", "h2_high", *PLACES)),
        F.lit(side.on_source).alias("is_source"),
    )


def _keys_of(side: SideFrames) -> DataFrame:
    """Return the key hash of every row, under the key's normalisers where it has some."""
    if any(column.is_key and column.steps for column in side.plan.compared):
        return side.candidates(None).select("k")
    return side.hashed().select("k")


def is_unique(side: SideFrames) -> bool:
    row = uniqueness(side).collect()[0]
    return (row.n or 0) == (row.h1_low or 0) or duplicate_keys(side) == 0


def duplicate_keys(side: SideFrames) -> int:
    """Return how many distinct keys have more than one row; reads the key columns, one shuffle of key hashes."""
    grouped = _keys_of(side).groupBy("k").agg(F.count(F.lit(1)).alias("n")).where(F.col("n") > 1)
    return int(grouped.agg(F.count(F.lit(1)).alias("keys")).collect()[0]["keys"])


def duplicates_of_target_only(source: SideFrames, target: SideFrames) -> int:
    sides = [
        _keys_of(side).groupBy("k").agg(F.count(F.lit(1)).alias("n")).where(F.col("n") > 1).select("k", F.lit(side.on_source).alias("s"))
        for side in (source, target)
    ]
    keys = sides[0].unionAll(sides[1]).groupBy("k").agg(F.bool_or("s").alias("in_source"))
    return int(keys.where(~F.col("in_source")).agg(F.count(F.lit(1)).alias("n")).collect()[0]["n"])


def rows_of_numbered(source: SideFrames, target: SideFrames) -> tuple[int, int] | None:
    """Return the rows of two sides whose keys are whole numbers, unique on each side and never NULL; None where they are not."""
    rows = {row["is_source"]: row for row in uniqueness(source).unionAll(uniqueness(target)).collect()}
    if any((row["n"] or 0) != (row["h1_low"] or 0) for row in rows.values()):
        return None
    return rows[True]["n"] or 0, rows[False]["n"] or 0
