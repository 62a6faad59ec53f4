"""What the engine found to the parts of a result: columns, reasons, inputs."""

from __future__ import annotations

from collections.abc import Iterable

from connectors.base import OpenedTable
from connectors.copies import are_one
from engine.columns import ColumnPlan
from engine.reconcile import Reconciliation
from schemas.contract import Contract
from schemas.verdict import ColumnResult, InputResult, Reason

__all__ = ["cast_texts", "cells_changed", "column_results", "input_result", "reasons_unproven"]


def reasons_unproven(plan: ColumnPlan, opened: tuple[OpenedTable, OpenedTable], found: Reconciliation, contract: Contract) -> list[Reason]:
    """Return why equality is not proven, as far as columns, values and identity tell."""
    reasons = [
        Reason(code="unhashable_column", text=f"Column {name} is of a type Parity cannot hash, so nothing is known about it.")
        for name in plan.unhashable
    ]
    for (side, column), count in sorted(found.refused.items()):
        if column not in contract.accept_loss:
            text = (
                f"{count:,} values of {column} in the {side} have no exact form in the common type, or lose something in a declared cast."
            )
            reasons.append(Reason(code="lossy_cast", text=text))
    same = opened[0].identity is not None and opened[0].identity == opened[1].identity
    if same or are_one(opened[0], opened[1]):
        text = "Source and target are the same object, so their equality proves nothing."
        reasons.append(Reason(code="self_comparison", text=text))
    return reasons


def cast_texts(plan: ColumnPlan) -> Iterable[str]:
    """Yield the columns that were cast before they were compared, with the casts."""
    for column in plan.compared:
        if column.before:
            yield f"{column.name} ({', '.join(step.rule.text for step in column.before)})"


def cells_changed(found: Reconciliation) -> int:
    """Return how many cells differ, not counting those that rules or tolerances make equal."""
    return sum(
        cells
        for (_, class_), (cells, _, _) in found.cells.items()
        if not (class_.startswith("normalised:") or class_ == "within_tolerance")
    )


def column_results(plan: ColumnPlan, found: Reconciliation, opened: tuple[OpenedTable, OpenedTable]) -> Iterable[ColumnResult]:
    """Yield every column of both sides: those compared in canonical order, then those that were not."""
    for position, column in enumerate(plan.compared):
        classes = {class_: cells for (place, class_), (cells, _, _) in sorted(found.cells.items()) if place == position}
        deltas = [(absolute, relative) for (place, _), (_, absolute, relative) in found.cells.items() if place == position]
        changed = sum(cells for class_, cells in classes.items() if not (class_.startswith("normalised:") or class_ == "within_tolerance"))
        yield ColumnResult(
            source=column.name,
            target=column.target,
            canonical_type=(column.value_type if column.parsed else column.type).simpleString(),
            compared=True,
            changed=changed,
            classes=classes,
            max_abs_delta=_largest(absolute for absolute, _ in deltas),
            max_rel_delta=_largest(relative for _, relative in deltas),
        )
    source, target = opened[0].rows.schema, opened[1].rows.schema
    for name in (*plan.type_changed, *plan.unhashable):
        other = plan.target_names[name]
        pair = f"{source[name].dataType.simpleString()} / {target[other].dataType.simpleString()}"
        yield ColumnResult(source=name, target=other, canonical_type=pair, compared=False)
    for name in plan.missing:
        yield ColumnResult(source=name, target=None, canonical_type=source[name].dataType.simpleString(), compared=False)
    for name in plan.extra:
        yield ColumnResult(source=None, target=name, canonical_type=target[name].dataType.simpleString(), compared=False)


def _largest(values: Iterable[float | None]) -> str | None:
    found = [value for value in values if value is not None]
    return _plain(max(found)) if found else None


def _plain(value: float) -> str:
    """Return a number as text, whole numbers without a point."""
    return str(int(value)) if abs(value) < 2**63 and value == int(value) else repr(value)


def input_result(table: OpenedTable, total: int | None, compared: int) -> InputResult:
    """Return what is said of one side; `total`: its rows without filter and sample, None where they are those compared."""
    return InputResult(
        uri=table.uri, pin=table.pin, pinned=table.pinned, rows=compared if total is None else total, bytes=table.bytes, files=table.files
    )
