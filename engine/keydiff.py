"""Two sets of rows to pairs: which row of the source belongs to which row of the target.

Both ways give the same table. `join_unique` needs keys without duplicates; `match_multisets` needs nothing.
Rows are in physical form, with columns
`side: int` (1 source, −1 target), `k: bigint` key hash, `h1 h2: bigint`, `v: struct` (the compared columns c0, c1, …).
A pair has `s: struct`, `t: struct` (NULL where that side has no row), `k`, `h1s h2s h1t h2t`, `copies: bigint`
(how many times this pair stands), `both: boolean` (a surplus row that also exists on the other side), `duplicate_source
duplicate_target: boolean` (true once per key with more than one row on that side).
"""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

__all__ = ["join_on_number", "join_unique", "match_multisets"]


def _single() -> list[Column]:
    """Return what a pair of unique keys has besides its rows."""
    return [F.expr(text) for text in ("1L AS copies", "false AS both", "false AS duplicate_source", "false AS duplicate_target")]


def join_unique(source: DataFrame, target: DataFrame, keys: Sequence[str], kept: Column | None = None) -> DataFrame:
    """Return the pairs of two sides whose keys are unique, NULLs included.

    Args:
        keys: fields of `v` that make the key; compared by value, so that a collision of `k` cannot pair two keys.
        kept: which pairs of equal rows are wanted; None: all.

    Returns:
        One row per key. Cost: one shuffle of each side on `k`, and a sort that spills where memory is short.
    """
    ours, theirs = _renamed(source, "s"), _renamed(target, "t")
    same = F.col("k_s") == F.col("k_t")
    for name in keys:
        same = same & F.col("s").getField(name).eqNullSafe(F.col("t").getField(name))
    joined = ours.join(theirs, same, "full_outer")
    pairs = joined.select("s", "t", F.coalesce("k_s", "k_t").alias("k"), "h1s", "h2s", "h1t", "h2t", *_single())
    return pairs if kept is None else pairs.where(~F.expr("h1s <=> h1t AND h2s <=> h2t") | kept)


def join_on_number(source: DataFrame, target: DataFrame) -> DataFrame:
    """Return the pairs of two sides whose keys are whole numbers, unique, and never NULL.

    Args:
        source, target: `number: bigint`, `v: struct`.

    Returns:
        One row per key, its hashes 0. Cost: one shuffle of each side, and a sort. Joined by the number and not by its hash, since rows
        that are in key order already stay neighbours in memory: a fifth less time at 8 M rows.
    """
    ours = source.select(F.col("number").alias("number_s"), F.col("v").alias("s"))
    theirs = target.select(F.col("number").alias("number_t"), F.col("v").alias("t"))
    joined = ours.join(theirs, F.col("number_s") == F.col("number_t"), "full_outer")
    zero = F.lit(0).cast("bigint")
    return joined.select("s", "t", *(zero.alias(name) for name in ("k", "h1s", "h2s", "h1t", "h2t")), *_single())


def _renamed(rows: DataFrame, side: str) -> DataFrame:
    return rows.select(
        F.col("v").alias(side),
        F.col("k").alias(f"k_{side}"),
        F.col("h1").alias(f"h1{side}"),
        F.col("h2").alias(f"h2{side}"),
    )


def match_multisets(
    rows: DataFrame,
    keys: Sequence[str],
    *,
    keyed: bool,
    ruled: bool = False,
    with_matched: bool = True,
    kept: Column | None = None,
    one_sided: Sequence[str] = (),
) -> DataFrame:
    """Return the pairs of both sides, duplicates as multisets.

    Per key: equal rows match first, `min(source copies, target copies)` times; then rows that are equal under the rules
    (`hr`); what remains is paired in the order of its row hash; the surplus stands alone.

        | side | k | v |        | s | t | copies |
        |------|---|---|        |---|---|--------|
        | 1    | 7 | a |   ->   | a | a | 1      |
        | 1    | 7 | a |        | a | b | 1      |
        | -1   | 7 | a |
        | -1   | 7 | b |

    Args:
        rows: both sides, see the module. With `ruled` also `hr: bigint`, the hash of the row under the rules. Without matched pairs also
            `other: bigint`, where wanted: a hash of what is not compared, so that copies that differ in it stay apart.
        keys: fields of `v` that make the key.
        keyed: False when the whole row is the key: nothing is paired but equal rows.
        with_matched: whether pairs of equal rows, and the flags of duplicate keys, are wanted. Without them a key that half of
            all rows share is spread over all tasks, as far as its rows are equal.
        kept: with matched pairs, those whose `k` satisfies this are kept beside those of keys that differ; None keeps all.
        one_sided: fields of `v` that are NULL in the rows of one side (declared rows); equal rows of both sides share them.

    Returns:
        One row per pair and per surplus row (keyless: per distinct surplus row). Cost: one shuffle by (k, h1, h2), one by key;
        no join, so that n source rows and m target rows of one key never become n x m.
    """
    identity = ["k", "h1", "h2", *(["hr"] if ruled else [])]
    apart = "other" in rows.columns
    assert not (apart and with_matched)
    together = "hr" if ruled and not keyed else "k"
    groups = (
        (rows.repartition(together) if with_matched else rows)
        .groupBy(*identity, *(["other"] if apart else []))
        .agg(
            F.sum((F.col("side") > 0).cast("bigint")).alias("in_source"),
            F.sum((F.col("side") < 0).cast("bigint")).alias("in_target"),
            F.first("v").alias("v"),
            *(F.first(F.col("v").getField(name), ignorenulls=True).alias(name) for name in one_sided),
        )
    )
    for name in one_sided:
        groups = groups.withColumn("v", F.col("v").withField(name, F.col(name))).drop(name)
    matched = F.least("in_source", "in_target") > 0
    groups = _unmatched(groups, identity) if apart else groups.select("*", matched.alias("both"), F.lit(0).cast("bigint").alias("other"))
    surplus = F.col("in_source") != F.col("in_target")
    if not with_matched:
        groups = groups.where(surplus)
    elif kept is not None:
        anywhere = F.max(surplus.cast("int")).over(Window.partitionBy(together)) > 0
        groups = groups.select("*", anywhere.alias("anywhere")).where(F.col("anywhere") | kept)
    key: list[Column] = _key(keys, keyed=keyed, ruled=ruled)
    groups = _with_duplicates(groups, key, wanted=keyed and with_matched)
    units = _units(groups, with_matched=with_matched)
    if keyed or ruled:
        units = _one_by_one(units, key)
    return _paired(_placed(units, key, keyed=keyed, ruled=ruled), key)


def _unmatched(groups: DataFrame, identity: Sequence[str]) -> DataFrame:
    """Take the matched copies of equal rows away, those first whose `other` comes first; add `both`, whether there were any."""
    whole = Window.partitionBy(*identity)
    earlier = whole.orderBy("other").rowsBetween(Window.unboundedPreceding, -1)
    matched = F.least(F.sum("in_source").over(whole), F.sum("in_target").over(whole))
    zero = F.lit(0).cast("bigint")
    groups = groups.select(
        "*",
        matched.alias("matched"),
        *(F.coalesce(F.sum(name).over(earlier), zero).alias(f"{name}_before") for name in ("in_source", "in_target")),
    )
    left = {}
    for name in ("in_source", "in_target"):
        still = F.greatest(F.col("matched") - F.col(f"{name}_before"), zero)
        left[name] = F.greatest(F.col(name) - still, zero)
    return groups.withColumns({**left, "both": F.col("matched") > 0}).drop("matched", "in_source_before", "in_target_before")


def _key(keys: Sequence[str], *, keyed: bool, ruled: bool) -> list[Column]:
    if keyed:
        return [F.col("k"), *(F.col("v").getField(name) for name in keys)]
    return [F.col("hr")] if ruled else [F.col("k"), F.col("h2")]


def _with_duplicates(groups: DataFrame, key: Sequence[Column], *, wanted: bool) -> DataFrame:
    """Add the flags that are true once per key with several rows on a side."""
    if not wanted:
        return groups.select("*", F.lit(False).alias("duplicate_source"), F.lit(False).alias("duplicate_target"))
    whole = Window.partitionBy(*key)
    first = F.row_number().over(whole.orderBy("h1", "h2")) == 1
    return groups.select(
        "*",
        (first & (F.sum("in_source").over(whole) > 1)).alias("duplicate_source"),
        (first & (F.sum("in_target").over(whole) > 1)).alias("duplicate_target"),
    )


def _units(groups: DataFrame, *, with_matched: bool) -> DataFrame:
    """Split each group of equal rows into its matched part and its surplus on one side."""
    matched = F.least("in_source", "in_target")
    surplus = F.col("in_source") - F.col("in_target")
    kinds = [
        F.when(surplus != 0, F.struct(F.signum(surplus).cast("int").alias("side"), F.abs(surplus).alias("copies"))),
        F.when(matched > 0, F.struct(F.lit(0).alias("side"), matched.alias("copies"))),
    ]
    split = groups.select(
        "*",
        F.posexplode(F.filter(F.array(*kinds if with_matched else kinds[:1]), lambda kind: kind.isNotNull())).alias("part", "unit"),
    )
    flags = [(F.col(name) & (F.col("part") == 0)).alias(name) for name in ("duplicate_source", "duplicate_target")]
    kept = [name for name in groups.columns if name not in ("in_source", "in_target", "duplicate_source", "duplicate_target")]
    return split.select(*kept, *flags, F.col("unit.side").alias("side"), F.col("unit.copies").alias("copies"))


def _one_by_one(units: DataFrame, key: Sequence[Column]) -> DataFrame:
    """Give every copy of a surplus row its own row, where the other side has something to pair it with."""
    whole = Window.partitionBy(*key)
    ours = F.max((F.col("side") > 0).cast("int")).over(whole)
    theirs = F.max((F.col("side") < 0).cast("int")).over(whole)
    single = (F.col("side") != 0) & (ours + theirs == 2) & (F.col("copies") > 1)
    marked = units.select("*", single.alias("single"))
    copies = F.when(F.col("single"), F.sequence(F.lit(1).cast("bigint"), F.col("copies"))).otherwise(F.array(F.lit(1).cast("bigint")))
    spread = marked.select("*", F.posexplode(copies).alias("place", "copy"))
    first = F.col("place") == 0
    kept = [name for name in units.columns if name not in ("copies", "duplicate_source", "duplicate_target")]
    return spread.select(
        *kept,
        F.when(F.col("single"), F.lit(1).cast("bigint")).otherwise(F.col("copies")).alias("copies"),
        (F.col("duplicate_source") & first).alias("duplicate_source"),
        (F.col("duplicate_target") & first).alias("duplicate_target"),
        "copy",
    )


def _placed(units: DataFrame, key: Sequence[Column], *, keyed: bool, ruled: bool) -> DataFrame:
    """Add `pair`, a struct of `stage, p1, p2, p3`: units of one key with the same four make a pair."""

    def placed(stage: int, one: str, two: str | None = None) -> Column:
        zero = F.lit(0).cast("bigint")
        places = (F.col(one), F.col(two) if two else zero, F.col("other") if stage == 3 else zero)
        return F.struct(F.lit(stage).alias("stage"), *(place.alias(f"p{index}") for index, place in enumerate(places, 1)))

    matched = F.col("side") == 0
    alone, equal = placed(3, "h1", "h2"), placed(0, "h1", "h2")
    if not (keyed or ruled):
        return units.select("*", F.when(matched, equal).otherwise(alone).alias("pair"))
    order = ["h1", "h2", "other", "copy"]
    by_rule = F.lit(False)
    if ruled:
        same = Window.partitionBy(*key, "hr")
        place = F.row_number().over(Window.partitionBy(*key, "hr", "side").orderBy(*order)).cast("bigint")
        fewer = F.least(F.sum((F.col("side") > 0).cast("int")).over(same), F.sum((F.col("side") < 0).cast("int")).over(same))
        units = units.select("*", place.alias("rule_place"), (~matched & (place <= fewer)).alias("by_rule"))
        by_rule = F.col("by_rule")
    place = F.row_number().over(Window.partitionBy(*key, "side", by_rule).orderBy(*order)).cast("bigint")
    units = units.select("*", place.alias("place"))
    pair = F.when(matched, equal)
    if ruled:
        pair = pair.when(by_rule, placed(1, "hr", "rule_place"))
    return units.select("*", pair.otherwise(placed(2, "place") if keyed else alone).alias("pair"))


def _paired(units: DataFrame, key: Sequence[Column]) -> DataFrame:
    """Bring the two units of a pair into one row."""
    ours, theirs = F.col("side") >= 0, F.col("side") <= 0

    def one(name: str, side: Column) -> Column:
        return F.first(F.when(side, F.col(name)), ignorenulls=True)

    extended = units.select("*", *(part.alias(f"key_{index}") for index, part in enumerate(key)))
    grouped = extended.groupBy(*(f"key_{index}" for index in range(len(key))), "pair").agg(
        one("v", ours).alias("s"),
        one("v", theirs).alias("t"),
        F.min("k").alias("k"),
        *(one(name, side).alias(f"{name}{suffix}") for suffix, side in (("s", ours), ("t", theirs)) for name in ("h1", "h2")),
        F.max("copies").alias("copies"),
        F.max("both").alias("both"),
        F.max("duplicate_source").alias("duplicate_source"),
        F.max("duplicate_target").alias("duplicate_target"),
    )
    return grouped.drop("pair", *(f"key_{index}" for index in range(len(key))))
