"""Pairs of rows to counts, deltas, proof and sample, in one pass.

Each pair gets the class of every cell as a small number; sums over conditions on these numbers are all that counting needs, in
generated code without a branch per class. A sampled pair forms a group of its own, so that its values come out of the same
aggregate as the counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.canonical import family
from engine.celldiff import CellView, cell_code, cell_view, deltas, possible_classes, resolved_classes, row_class
from engine.columns import ColumnPlan, ComparedColumn
from engine.fingerprint import LIMBS
from engine.parsing import PARSED_TEXT, PARSED_VALUE

__all__ = ["ROW_COUNTS", "SAMPLE_CHARACTERS", "Cells", "Sampling", "classified", "is_context", "listing", "native", "tally"]

SAMPLE_CHARACTERS = 4000
ROW_COUNTS = ("matched", "matched_by_rule", "changed", "missing", "extra", "multiplicity", "duplicate_keys", "duplicate_only_target")
_SAMPLE_RANGE = 1 << 20


@dataclass(frozen=True)
class Sampling:
    """How many pairs leave their values in the sample: shares of differing and of equal pairs, chosen by the hashes of key and rows."""

    differing: float = 1.0
    equal: float = 1.0


@dataclass(frozen=True)
class Cells:
    """The columns of a plan as cells of a pair, with the classes that each can have."""

    plan: ColumnPlan
    views: tuple[CellView, ...]
    classes: tuple[tuple[str, ...], ...]
    resolved: tuple[int, ...]

    @classmethod
    def of(cls, plan: ColumnPlan, compared_steps: Sequence[Sequence[int]]) -> Cells:
        """Return the cells of a plan; `compared_steps` as in `engine.celldiff.cell_view`."""
        columns = list(zip(plan.compared, compared_steps, strict=True))
        return cls(
            plan,
            tuple(cell_view(column, position, steps) for position, (column, steps) in enumerate(columns)),
            tuple(possible_classes(column, steps) for column, steps in columns),
            tuple(resolved_classes(column, steps) for column, steps in columns),
        )


def classified(pairs: DataFrame, cells: Cells) -> DataFrame:
    """Add to each pair `x0, x1, …: int`, the code of each cell (NULL: equal, or one row is absent), and `row_class: string`."""
    both = F.col("s").isNotNull() & F.col("t").isNotNull()
    codes = [F.when(both, cell_code(view)).alias(f"x{view.position}") for view in cells.views]
    coded = pairs.select("*", *codes)
    return coded.select("*", row_class([F.col(f"x{view.position}") for view in cells.views], cells.resolved).alias("row_class"))


def native(value: Column, column: ComparedColumn) -> Column:
    """Return a physical value as Python shall see it in the sample: text cut, points in time as integers, nested as JSON text."""
    if column.parsed:
        typed = _native(value.getField(PARSED_VALUE), column.value_type)
        return F.when(value.isNotNull(), F.struct(typed.alias(PARSED_VALUE), _text(value.getField(PARSED_TEXT)).alias(PARSED_TEXT)))
    return _native(value, column.type)


def _native(value: Column, canonical: T.DataType) -> Column:
    kind = family(canonical)
    if kind in ("text", "variant"):
        return _text(value)
    if kind == "binary":
        return F.substring(value, 1, SAMPLE_CHARACTERS)
    if kind == "date":
        return F.unix_date(value)
    if kind in ("timestamp", "timestamp_ntz"):
        return F.unix_micros(value.cast("timestamp"))
    if kind in ("array", "struct", "map"):
        return F.substring(F.to_json(value, {"ignoreNullFields": "false"}), 1, SAMPLE_CHARACTERS)
    if kind in ("interval_ym", "interval_dt", "time"):
        return value.cast("string")
    return value


def _text(value: Column) -> Column:
    return F.substring(F.make_valid_utf8(value), 1, SAMPLE_CHARACTERS)


def tally(pairs: DataFrame, cells: Cells, sampling: Sampling | None) -> DataFrame:
    """Return counts, deltas and proof of all pairs, and the values of a few.

    Args:
        sampling: None leaves the values out, and with them most of the cost: for millions of pairs.

    Returns:
        One row per `payload: struct` (NULL: all pairs that are not sampled, else the values of one), with the sums
        `matched … duplicate_only_target: bigint`, `surplus: bigint` and `h1_low … h2_high: bigint` (rows and hash halves, source
        minus target), `n<i>_<code>: bigint` cells per column and class, `r<i>_<code>: bigint` rows equal only by rules,
        `a<i>` and `d<i>: double` largest absolute and relative delta. Those of the comparison are the sums over all rows.
        Cost: one shuffle of as many rows per task as it samples.
    """
    rows = classified(pairs, cells)
    sums = [F.expr(text) for text in _sums(cells)]
    for position, name, distance in _distances(cells):
        sums.append(F.max(F.when(F.col(f"x{position}").isNotNull(), distance)).alias(f"{name}{position}"))
    if sampling is None:
        return rows.agg(*sums)
    return rows.withColumn("payload", _payload(cells, sampling)).groupBy("payload").agg(*sums)


def _sums(cells: Cells) -> list[str]:
    """Return the sums as SQL over the engine's own columns: one call to the JVM each, where as Column operations it would be ten."""

    def total(condition: str, amount: str = "copies") -> str:
        return f"sum(CASE WHEN {condition} THEN {amount} ELSE 0L END)"

    sums = [total(f"row_class = '{name}'") + f" AS {name}" for name in ROW_COUNTS[:5]]
    sums.append(total("row_class IN ('missing', 'extra') AND both") + " AS multiplicity")
    sums.append(total("duplicate_target OR duplicate_source", "1L") + " AS duplicate_keys")
    sums.append(total("duplicate_target AND NOT duplicate_source", "1L") + " AS duplicate_only_target")
    sums.append(total("s IS NOT NULL") + " - " + total("t IS NOT NULL") + " AS surplus")
    for name in LIMBS:
        hash_, half = name.split("_")
        net = [f"CASE WHEN {side} IS NOT NULL THEN {_half(hash_ + side, half)} ELSE 0L END" for side in ("s", "t")]
        sums.append(f"sum(({net[0]} - {net[1]}) * copies) AS {name}")
    for view, classes, resolved in zip(cells.views, cells.classes, cells.resolved, strict=True):
        i = view.position
        sums += [total(f"x{i} = {code}") + f" AS n{i}_{code}" for code in range(len(classes))]
        by_rule = "row_class = 'matched_by_rule'"
        sums += [total(f"x{i} = {code} AND {by_rule}") + f" AS r{i}_{code}" for code in range(resolved)]
    return sums


def _half(column: str, half: str) -> str:
    return f"({column} & 4294967295L)" if half == "low" else f"shiftrightunsigned({column}, 32)"


def is_context(sampling: Sampling) -> Column:
    """Return whether an equal pair of this `k` is in the sample of equal pairs."""
    return _is_within(sampling.equal, "k")


def _is_within(share: float, *identity: str) -> Column:
    return F.pmod(F.xxhash64(*identity), F.lit(_SAMPLE_RANGE)) < F.lit(round(share * _SAMPLE_RANGE))


def listing(pairs: DataFrame, cells: Cells, sampling: Sampling) -> DataFrame:
    """Return the pairs that differ, and a few equal ones, one by one: where they are few, less to compile and to shuffle than `tally`.

    Args:
        pairs: of unique keys; equal ones are all in the sample.

    Returns:
        One row per pair: `row_class: string`, `k h1s h2s h1t h2t: bigint`, `both: boolean`, `copies: bigint`, `x<i>: int` the code of
        each cell, `a<i>` and `d<i>: double` its absolute and relative delta, `chosen: boolean`, and of chosen ones `s t: struct` with
        the values. Narrow.
    """
    rows = classified(pairs, cells)
    distances = [distance.alias(f"{name}{position}") for position, name, distance in _distances(cells)]
    facts = ("row_class", "k", "both", "copies", "h1s", "h2s", "h1t", "h2t", *(f"x{view.position}" for view in cells.views))
    chosen = _is_chosen(sampling)
    values = [F.when(chosen, _values(cells, name)).alias(name) for name in ("s", "t")]
    return rows.select(*facts, *distances, chosen.alias("chosen"), *values)


def _distances(cells: Cells) -> Iterator[tuple[int, str, Column]]:
    """Yield position, `a` or `d`, and the absolute or relative distance of each cell that has one."""
    for view in cells.views:
        for name, distance in zip("ad", deltas(view), strict=True):
            if distance is not None:
                yield view.position, name, distance


def _is_chosen(sampling: Sampling) -> Column:
    equal = F.col("row_class") == F.lit("matched")
    return F.when(equal, is_context(sampling)).otherwise(_is_within(sampling.differing, "k", "h1s", "h1t"))


def _values(cells: Cells, side: str) -> Column:
    """Return the values of one side of a pair; every field is nullable, since pyarrow refuses NULL structs whose fields are not."""
    present = F.col(side).isNotNull()
    parts = [F.when(present, native(F.col(side).getField(f"c{i}"), column)).alias(f"c{i}") for i, column in enumerate(cells.plan.compared)]
    return F.when(present, F.struct(*parts))


def _payload(cells: Cells, sampling: Sampling) -> Column:
    """Return the values of a sampled pair as a struct, NULL for the others."""
    chosen = _is_chosen(sampling)
    facts = [F.when(chosen, F.col(name)).alias(name) for name in ("row_class", "k", "both", "copies", "h1s", "h1t")]
    codes = F.when(chosen, F.array(*(F.col(f"x{view.position}") for view in cells.views))).alias("codes")
    return F.when(chosen, F.struct(*facts, codes, *(_values(cells, side).alias(side) for side in ("s", "t"))))
