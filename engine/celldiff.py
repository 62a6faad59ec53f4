"""Pairs of rows to their classes, cell by cell: tolerances and normalisers are applied here and only here (VERDICT 3).

A pair comes from engine.keydiff; `s` and `t` hold the physical values `c<i>` of column `i` and, for columns with normalisers, the
value after each step, `r<i>_<j>`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.columns import ComparedColumn
from engine.folding import any_of
from engine.parsing import PARSED_TEXT, PARSED_VALUE
from engine.tolerance import delta, relative_delta, within

__all__ = ["CellView", "cell_code", "cell_view", "deltas", "possible_classes", "resolved_classes", "row_class"]

CHANGED, MISSING, EXTRA, MATCHED, BY_RULE = "changed", "missing", "extra", "matched", "matched_by_rule"
WITHIN = "within_tolerance"
NORMALISED = "normalised:"


@dataclass(frozen=True)
class CellView:
    """One column of a pair: its physical values, and its values after each normaliser."""

    column: ComparedColumn
    position: int
    source: Column
    target: Column
    after: tuple[tuple[str, Column, Column], ...]


def cell_view(column: ComparedColumn, position: int, compared_steps: Sequence[int]) -> CellView:
    """Return the cell of a column in a pair.

    Args:
        compared_steps: indexes of the steps after which both sides have one type and can be compared.
    """
    source, target = F.col("s"), F.col("t")
    after = tuple(
        (column.steps[j].rule.text, source.getField(f"r{position}_{j}"), target.getField(f"r{position}_{j}")) for j in compared_steps
    )
    return CellView(column, position, source.getField(f"c{position}"), target.getField(f"c{position}"), after)


def possible_classes(column: ComparedColumn, compared_steps: Sequence[int]) -> tuple[str, ...]:
    """Return the classes that a differing cell of a column can have; `cell_code` gives positions in this tuple.

    Those that mean equal under the rules come first; `resolved_classes` says how many they are.
    """
    normalised = tuple(f"{NORMALISED}{column.steps[j].rule.text}" for j in compared_steps)
    within_ = (WITHIN,) if column.tolerance is not None else ()
    unparsable = ("unparsable",) if column.parsed else ()
    return (*normalised, *within_, *unparsable, "null_to_value", "value_to_null", "value")


def resolved_classes(column: ComparedColumn, compared_steps: Sequence[int]) -> int:
    """Return how many of the possible classes mean equal under the rules."""
    return len(compared_steps) + (column.tolerance is not None)


def cell_code(cell: CellView) -> Column:
    """Return the class of a cell of a pair with both rows, as int position in `possible_classes`; NULL when both are equal to the bit.

    `value`, `null_to_value`, `value_to_null`, `unparsable`; or `normalised:<rule>` for the first normaliser after which both are
    equal, or `within_tolerance`.
    """
    found = F.when(cell.source.eqNullSafe(cell.target), F.lit(None).cast("int"))
    code = 0
    proven = ~_lost(cell) if cell.column.casts else F.lit(True)
    for _, source, target in cell.after:
        found = found.when(proven & source.eqNullSafe(target), F.lit(code))
        code += 1
    if cell.column.tolerance is not None:
        source, target = _final(cell)
        near = proven & source.isNotNull() & target.isNotNull() & within(source, target, cell.column.last_type, cell.column.tolerance)
        if cell.column.parsed:
            near = near & cell.source.getField(PARSED_TEXT).isNull() & cell.target.getField(PARSED_TEXT).isNull()
        found = found.when(near, F.lit(code))
        code += 1
    if cell.column.parsed:
        bad = cell.source.getField(PARSED_TEXT).isNotNull() | cell.target.getField(PARSED_TEXT).isNotNull()
        found = found.when(bad, F.lit(code))
        code += 1
    found = found.when(cell.source.isNull(), F.lit(code)).when(cell.target.isNull(), F.lit(code + 1))
    return found.otherwise(F.lit(code + 2))


def _lost(cell: CellView) -> Column:
    """Return whether a declared cast lost something on either side: two values that both became NULL are not equal."""
    return F.col("s").getField(f"l{cell.position}") | F.col("t").getField(f"l{cell.position}")


def _final(cell: CellView) -> tuple[Column, Column]:
    """Return the values that a tolerance looks at: after the last normaliser, the text of a parsed column apart."""
    source, target = (cell.after[-1][1], cell.after[-1][2]) if cell.after else (cell.source, cell.target)
    if cell.column.parsed:
        return source.getField(PARSED_VALUE), target.getField(PARSED_VALUE)
    return source, target


def _value_type(column: ComparedColumn) -> T.DataType:
    return column.value_type if column.parsed else column.type


def deltas(cell: CellView) -> tuple[Column | None, Column | None]:
    """Return absolute and relative distance of two raw values, double; None where the type has none."""
    source, target = cell.source, cell.target
    if cell.column.parsed:
        source, target = source.getField(PARSED_VALUE), target.getField(PARSED_VALUE)
    typed = _value_type(cell.column)
    return delta(source, target, typed), relative_delta(source, target, typed)


def row_class(codes: Sequence[Column], resolved: Sequence[int]) -> Column:
    """Return the class of a pair, string.

    Args:
        codes: of all its cells, as `cell_code` gives them.
        resolved: per cell, how many of its classes mean equal under the rules.
    """
    differs = any_of(code.isNotNull() for code in codes)
    unresolved = any_of(F.coalesce(code >= F.lit(limit), F.lit(False)) for code, limit in zip(codes, resolved, strict=True))
    return (
        F.when(F.col("t").isNull(), F.lit(MISSING))
        .when(F.col("s").isNull(), F.lit(EXTRA))
        .when(~differs, F.lit(MATCHED))
        .when(unresolved, F.lit(CHANGED))
        .otherwise(F.lit(BY_RULE))
    )
