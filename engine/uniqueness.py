"""Whether keys name rows: questions that read the key columns only, each a frame of one row. Nothing here starts a job."""

from __future__ import annotations

from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from engine.fingerprint import PLACES
from engine.frames import SideFrames
from engine.ranges import KeySpan

__all__ = [
    "DUPLICATES_MARK",
    "distinct_keys",
    "key_words",
    "repeated_in_target_only",
    "repeated_keys",
    "span_of",
    "uniqueness",
]

DUPLICATES_MARK = -1


def uniqueness(side: SideFrames) -> DataFrame:
    """Return one row shaped like a bucket: `n` key rows, `h1_low` distinct keys (a lower bound is enough to tell uniqueness)."""
    summed = _with_rows(side).agg(F.sum("n").alias("n"), F.count(F.lit(1)).alias("h1_low"))
    zero = F.lit(0).cast("bigint")
    return summed.select(
        F.lit(DUPLICATES_MARK).alias("bucket"),
        "n",
        "h1_low",
        *(zero.alias(name) for name in ("h1_high", "h2_low", "h2_high", *PLACES)),
        F.lit(side.on_source).alias("is_source"),
    )


def key_words(side: SideFrames) -> DataFrame:
    """Return what the keys of a side are, all whole numbers: one row that `span_of` reads.

    Reads the key column only. Numbers set bits in words of 64, which for dense keys is a hundredth of a distinct count.
    """
    number = side.number()
    assert number is not None
    word = F.shiftright("key", 6).alias("word")
    bit = F.call_function("shiftleft", F.lit(1).cast("bigint"), F.col("key").bitwiseAND(F.lit(63)).cast("int"))
    grouped = side.physical().select(number.alias("key")).groupBy(word).agg(F.bit_or(bit).alias("bits"), F.count(F.lit(1)).alias("n"))
    texts = ("sum(n) AS n", "sum(bit_count(bits)) AS keys", "min(word) AS low", "max(word) AS high", "bool_or(word IS NULL) AS nulls")
    return grouped.agg(*(F.expr(text) for text in texts))


def span_of(row: Row) -> KeySpan | None:
    """Return the keys that `key_words` found; None where some are NULL."""
    if row["nulls"]:
        return None
    if not row["n"]:
        return KeySpan(0, 0, 0, -1)
    return KeySpan(row["n"], row["keys"], row["low"] << 6, (row["high"] << 6) + 63)


def _keys_of(side: SideFrames) -> DataFrame:
    """Return the key hash of every row, under the key's normalisers where it has some."""
    if any(column.is_key and column.steps for column in side.plan.compared):
        return side.candidates(None).select("k")
    return side.hashed().select("k")


def repeated_keys(side: SideFrames) -> DataFrame:
    """Return `n`, how many distinct keys have more than one row; one shuffle of key hashes."""
    return _counted(_with_rows(side).where(F.col("n") > 1))


def distinct_keys(side: SideFrames) -> DataFrame:
    """Return `n`, how many distinct keys a side has, without a key how many distinct rows; one shuffle of key hashes."""
    return _counted(_keys_of(side).distinct())


def repeated_in_target_only(source: SideFrames, target: SideFrames) -> DataFrame:
    """Return `n`, how many distinct keys have more than one row in the target and not in the source; two shuffles of key hashes."""
    sides = [_with_rows(side).where(F.col("n") > 1).select("k", F.lit(side.on_source).alias("s")) for side in (source, target)]
    keys = sides[0].unionAll(sides[1]).groupBy("k").agg(F.bool_or("s").alias("in_source"))
    return _counted(keys.where(~F.col("in_source")))


def _with_rows(side: SideFrames) -> DataFrame:
    return _keys_of(side).groupBy("k").agg(F.count(F.lit(1)).alias("n"))


def _counted(rows: DataFrame) -> DataFrame:
    return rows.agg(F.count(F.lit(1)).alias("n"))
