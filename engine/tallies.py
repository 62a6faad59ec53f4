"""Pairs to plain numbers: runs the one job that classifies, counts and samples them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame

from engine.aggregates import ROW_COUNTS, Cells, Sampling, tally
from engine.columns import ColumnPlan
from engine.fingerprint import LIMBS
from engine.frames import step_plan

__all__ = ["Tally", "tallied"]


@dataclass
class Tally:
    """The collected sums, sorted out."""

    rows: dict[str, int] = field(default_factory=dict)
    surplus: int = 0
    limbs: tuple[int, ...] = (0, 0, 0, 0)
    cells: dict[tuple[int, str], tuple[int, float | None, float | None]] = field(default_factory=dict)
    rules: dict[tuple[int, str], int] = field(default_factory=dict)
    sample: list[dict[str, Any]] = field(default_factory=list)
    context: list[dict[str, Any]] = field(default_factory=list)


def tallied(pairs: DataFrame, plan: ColumnPlan, sampling: Sampling | None) -> Tally:
    """Run the one job that pairs, classifies, counts and samples."""
    cells = Cells.of(plan, [step_plan(column).compared for column in plan.compared])
    collected = tally(pairs, cells, sampling).toArrow()
    found = Tally()
    found.rows = {name: _total(collected, name) for name in ROW_COUNTS}
    found.surplus = _total(collected, "surplus")
    found.limbs = tuple(_total(collected, name) for name in LIMBS)
    for view, classes, resolved in zip(cells.views, cells.classes, cells.resolved, strict=True):
        i = view.position
        largest = tuple(_maximum(collected, f"{name}{i}") for name in "ad")
        for code, class_ in enumerate(classes):
            if count := _total(collected, f"n{i}_{code}"):
                found.cells[i, class_] = (count, largest[0], largest[1])
            if code < resolved and (rows := _total(collected, f"r{i}_{code}")):
                found.rules[i, class_] = rows
    for row in () if sampling is None else collected.select(["payload", *ROW_COUNTS[:5]]).to_pylist():
        payload = row.pop("payload")
        if payload is None:
            continue
        payload["copies"] = sum(row.values())  # pairs with equal values are one group
        codes = payload.pop("codes")
        payload["cells"] = [(i, cells.classes[i][code]) for i, code in enumerate(codes) if code is not None]
        (found.context if payload["row_class"] == "matched" else found.sample).append(payload)
    for payloads in (found.sample, found.context):
        payloads.sort(key=lambda payload: (payload["k"], payload["h1s"] or 0, payload["h1t"] or 0, payload["row_class"]))
    return found


def _total(collected: pa.Table, name: str) -> int:
    """Return the exact sum of a column, which may leave 64 bits."""
    return sum(value or 0 for value in collected[name].to_pylist())


def _maximum(collected: pa.Table, name: str) -> float | None:
    if name not in collected.column_names:
        return None
    values = [value for value in collected[name].to_pylist() if value is not None]
    return max(values) if values else None
