"""Pairs to the tables that list differences: one row per differing cell, or whole rows of one side. Lazy, no job."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.aggregates import classified
from engine.columns import ColumnPlan, ComparedColumn
from engine.frames import RAW, quoted
from engine.parsing import PARSED_TEXT, PARSED_VALUE
from engine.portable import pct1_value
from engine.reconcile import Reconciliation
from engine.tallies import cells_of

__all__ = ["difference_cells", "extra_rows", "missing_rows"]

_COLUMNS = ("row_class", "column", "source_value", "target_value", "cell_class")
_PREFIX = "parity_"
_NESTED = (T.ArrayType, T.MapType, T.StructType)


def difference_cells(found: Reconciliation, plan: ColumnPlan) -> DataFrame:
    """Return one row per differing cell and one per missing or extra row; see `Comparison.diffs` for the columns.

    Cost: lazy; its action fetches and pairs the differing rows again.
    """
    cells = cells_of(plan)
    differing = classified(found.pairs(True), cells).where(F.col("row_class").isin("changed", "missing", "extra"))
    changed = []
    whole = []
    for view, classes in zip(cells.views, cells.classes, strict=True):
        source, target = _as_text(view.source, view.column), _as_text(view.target, view.column)
        whole.append((view.column.name, source, target))
        code = F.col(f"x{view.position}")
        names = F.element_at(F.array(*(F.lit(name) for name in classes)), code + 1)
        record = F.struct(
            F.lit(view.column.name).alias("column"), source.alias("source_value"), target.alias("target_value"), names.alias("cell_class")
        )
        changed.append(F.when(code.isNotNull(), record))
    both = F.col("s").isNotNull() & F.col("t").isNotNull()
    found_cells = F.filter(F.array(*changed), lambda record: record.isNotNull())
    copies = F.sequence(F.lit(1), F.col("copies").cast("int"))
    records = F.when(both, found_cells).otherwise(F.transform(copies, lambda _: _whole_row(plan, whole)))
    row_class = F.when(F.col("row_class").isin("missing", "extra") & F.col("both"), F.lit("multiplicity")).otherwise(F.col("row_class"))
    keys = [_key(plan, name).alias(name) for name in plan.keys]
    taken = set(plan.keys)
    renamed = [_free(name, taken) for name in _COLUMNS]
    cell = _free(f"{_PREFIX}cell", {*taken, *renamed})
    exploded = differing.select(*keys, row_class.alias(renamed[0]), F.explode(records).alias(cell))
    parts = [F.col(quoted(cell)).getField(name).alias(free) for name, free in zip(_COLUMNS[1:], renamed[1:], strict=True)]
    return exploded.select(*(F.col(quoted(name)) for name in plan.keys), renamed[0], *parts)


def _free(name: str, taken: Collection[str]) -> str:
    while name in taken:
        name = f"{_PREFIX}{name}"
    return name


def _whole_row(plan: ColumnPlan, texts: Sequence[tuple[str, Column, Column]]) -> Column:
    """Return the record of a row that stands alone; keyless, its values as one JSON document, since nothing else names it."""
    none = F.lit(None).cast("string")
    source, target = none, none
    if not plan.keys:
        options = {"ignoreNullFields": "false"}
        source = F.when(F.col("s").isNotNull(), F.to_json(F.struct(*(one.alias(name) for name, one, _ in texts)), options))
        target = F.when(F.col("t").isNotNull(), F.to_json(F.struct(*(other.alias(name) for name, _, other in texts)), options))
    return F.struct(none.alias("column"), source.alias("source_value"), target.alias("target_value"), none.alias("cell_class"))


def _as_text(value: Column, column: ComparedColumn) -> Column:
    if column.parsed:
        return F.coalesce(value.getField(PARSED_TEXT), _typed_text(value.getField(PARSED_VALUE), column.value_type))
    return _typed_text(value, column.type)


def _typed_text(value: Column, canonical: T.DataType) -> Column:
    if isinstance(canonical, _NESTED):
        return F.to_json(value, {"ignoreNullFields": "false"})
    return pct1_value(value, canonical, allow_float=True)


def _key(plan: ColumnPlan, name: str) -> Column:
    """Return a key value in the source's own type; where the target's is another of its family, in the one that holds both."""
    position = plan.position(name)
    column = plan.compared[position]
    if column.declared[0] == column.declared[1] or column.before or column.parsed:
        ours = F.col("s").getField(f"{RAW}_source").getField(name)
        theirs = F.col("t").getField(f"{RAW}_target").getField(column.target).try_cast(column.declared[0])
    else:
        ours, theirs = (F.col(side).getField(f"c{position}") for side in "st")
    return F.when(F.col("s").isNotNull(), ours).otherwise(theirs)


def missing_rows(found: Reconciliation) -> DataFrame:
    """Return source rows without a partner, in their own types, every copy; lazy."""
    return _lonely(found, "s", "t", f"{RAW}_source")


def extra_rows(found: Reconciliation) -> DataFrame:
    """Return target rows without a partner, in their own types, every copy; lazy."""
    return _lonely(found, "t", "s", f"{RAW}_target")


def _lonely(found: Reconciliation, side: str, other: str, field: str) -> DataFrame:
    alone = found.pairs(True).where(F.col(other).isNull())
    copies = F.explode(F.sequence(F.lit(1), F.col("copies").cast("int")))
    return alone.select(F.col(side).getField(field).alias(RAW), copies.alias("copy")).select(f"{RAW}.*")
