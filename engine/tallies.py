"""Collected counts of pairs to plain numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from engine.aggregates import ROW_COUNTS, Cells
from engine.columns import ColumnPlan
from engine.fingerprint import LIMBS

__all__ = ["Tally", "cells_of", "listed", "tallied"]


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


def cells_of(plan: ColumnPlan) -> Cells:
    """Return the cells of a plan with the steps after which they are compared."""
    return Cells.of(plan, [column.step_types.compared for column in plan.compared])


def tallied(collected: pa.Table, cells: Cells) -> Tally:
    """Return what `engine.aggregates.tally` counted, with the sample if it took one."""
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
    for row in collected.select(["payload", *ROW_COUNTS[:5]]).to_pylist() if "payload" in collected.column_names else ():
        payload = row.pop("payload")
        if payload is None:
            continue
        payload["copies"] = sum(row.values())  # pairs with equal values are one group
        codes = payload.pop("codes")
        payload["cells"] = [(i, cells.classes[i][code]) for i, code in enumerate(codes) if code is not None]
        (found.context if payload["row_class"] == "matched" else found.sample).append(payload)
    _sort(found)
    return found


def listed(rows: pa.Table, cells: Cells) -> Tally:
    """Return the counts of the pairs that `engine.aggregates.listing` gave one by one, with the sample."""
    found = Tally()
    classes = np.asarray(rows["row_class"])
    copies = np.asarray(rows["copies"])
    found.rows = dict.fromkeys(ROW_COUNTS, 0) | {name: int(copies[classes == name].sum()) for name in ROW_COUNTS[:5]}
    sides = {side: np.asarray(rows[f"h1{side}"].is_valid()) for side in "st"}
    found.surplus = int(copies[sides["s"]].sum()) - int(copies[sides["t"]].sum())
    halves = {f"{name}{side}": _halves(rows[f"{name}{side}"], copies) for name in ("h1", "h2") for side in "st"}
    found.limbs = tuple(halves[f"{name}s"][half] - halves[f"{name}t"][half] for name, half in (("h1", 0), ("h1", 1), ("h2", 0), ("h2", 1)))
    by_rule = classes == "matched_by_rule"
    for view, names, resolved in zip(cells.views, cells.classes, cells.resolved, strict=True):
        i = view.position
        codes = np.asarray(rows[f"x{i}"].fill_null(-1))
        largest = tuple(_largest(rows, f"{name}{i}", codes >= 0) for name in "ad")
        for code in np.unique(codes[codes >= 0]):
            found.cells[i, names[code]] = (int(copies[codes == code].sum()), largest[0], largest[1])
            if code < resolved and (count := int(copies[(codes == code) & by_rule].sum())):
                found.rules[i, names[code]] = count
    for payload in rows.filter(rows["chosen"]).to_pylist():
        kept = {name: payload[name] for name in ("row_class", "k", "both", "copies", "h1s", "h1t", "s", "t")}
        codes_of = [(view.position, payload[f"x{view.position}"]) for view in cells.views]
        kept["cells"] = [(i, cells.classes[i][code]) for i, code in codes_of if code is not None]
        (found.context if kept["row_class"] == "matched" else found.sample).append(kept)
    _sort(found)
    return found


def _sort(found: Tally) -> None:
    for payloads in (found.sample, found.context):
        payloads.sort(key=lambda payload: (payload["k"], payload["h1s"] or 0, payload["h1t"] or 0, payload["row_class"]))


def _halves(hashes: pa.ChunkedArray, copies: npt.NDArray[np.int64]) -> tuple[int, int]:
    """Return the sums of the lower and of the upper halves of some hashes, NULL as nothing."""
    unsigned = np.asarray(hashes.fill_null(0)).astype(np.int64).view(np.uint64)
    low, high = unsigned & np.uint64(0xFFFFFFFF), unsigned >> np.uint64(32)
    return int((low.astype(np.int64) * copies).sum()), int((high.astype(np.int64) * copies).sum())


def _largest(rows: pa.Table, name: str, there: npt.NDArray[np.bool_]) -> float | None:
    if name not in rows.column_names:
        return None
    values = rows[name].filter(pa.array(there)).drop_null()
    return max(values.to_pylist(), default=None)


def _total(collected: pa.Table, name: str) -> int:
    """Return the exact sum of a column, which may leave 64 bits."""
    return sum(value or 0 for value in collected[name].to_pylist())


def _maximum(collected: pa.Table, name: str) -> float | None:
    if name not in collected.column_names:
        return None
    values = [value for value in collected[name].to_pylist() if value is not None]
    return max(values) if values else None
