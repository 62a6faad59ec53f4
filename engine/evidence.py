"""Sampled records to the rows that the explainer reads and reports show: plain Python values, sorted."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

from pyspark.sql import types as T

from engine.canonical import family
from engine.columns import ColumnPlan, ComparedColumn
from engine.parsing import PARSED_TEXT, PARSED_VALUE
from engine.reconcile import Reconciliation
from schemas.evidence_rows import ColumnMeta, DifferenceEvidence, DifferingCell, DifferingRow

__all__ = ["display_text", "evidence_of", "family_name"]

_EPOCH = datetime(1970, 1, 1)
_EPOCH_DAY = _EPOCH.toordinal()


def evidence_of(found: Reconciliation, plan: ColumnPlan, partitions: Sequence[str] = ()) -> DifferenceEvidence:
    """Return the sample of a reconciliation in the explainer's terms.

    Args:
        partitions: names of partition columns of either side.
    """
    columns = tuple(_meta(column, partitions) for column in plan.compared)
    rows = tuple(sorted((_row(payload, plan) for payload in found.sample), key=_order))
    context = tuple(_natives(payload["s"], plan) for payload in found.context if payload["s"] is not None)
    changed: dict[str, int] = {}
    for (position, class_), (cells, _, _) in found.cells.items():
        if not (class_.startswith("normalised:") or class_ == "within_tolerance"):
            name = plan.compared[position].name
            changed[name] = changed.get(name, 0) + cells
    return DifferenceEvidence(
        columns=columns,
        rows=tuple(row for row in rows if row.row_class != "matched_by_rule"),
        context=context,
        counts=dict(found.counts),
        changed_cells=changed,
        sampled=found.sampled,
        keys=plan.keys,
        rules_in_force={name: tuple(rules) for name, rules in plan.rules_in_force.items()},
    )


def _order(row: DifferingRow) -> tuple[Any, ...]:
    natives = row.source or row.target or {}
    numbers = tuple((natives[name] is None, natives[name] if isinstance(natives[name], int) else 0) for name in row.key)
    return (row.row_class, numbers, tuple((text is None, text or "") for text in row.key.values()), repr(natives))


def family_name(canonical: T.DataType) -> str:
    """Return the family word that evidence uses."""
    if isinstance(canonical, T.LongType):
        return "integer"
    if isinstance(canonical, T.DecimalType):
        return "decimal"
    if isinstance(canonical, T.FloatType):
        return "float"
    if isinstance(canonical, T.DoubleType):
        return "double"
    kind = family(canonical)
    return "interval" if kind.startswith("interval") else kind


def _meta(column: ComparedColumn, partitions: Sequence[str]) -> ColumnMeta:
    canonical = column.value_type if column.parsed else column.type
    return ColumnMeta(
        name=column.name,
        target=column.target,
        family=family_name(canonical),
        type=canonical.simpleString(),
        source_type=column.declared[0].simpleString(),
        target_type=column.declared[1].simpleString(),
        is_key=column.is_key,
        source_is_text=column.text[0],
        target_is_text=column.text[1],
        is_partition=column.name in partitions or column.target in partitions,
    )


def _natives(values: Mapping[str, Any], plan: ColumnPlan) -> dict[str, Any]:
    natives = {}
    for index, column in enumerate(plan.compared):
        value = values[f"c{index}"]
        if column.parsed and value is not None:
            value = value[PARSED_VALUE] if value[PARSED_TEXT] is None else value[PARSED_TEXT]
        natives[column.name] = value
    return natives


def _row(payload: Mapping[str, Any], plan: ColumnPlan) -> DifferingRow:
    source = None if payload["s"] is None else _natives(payload["s"], plan)
    target = None if payload["t"] is None else _natives(payload["t"], plan)
    shown = source if source is not None else target
    assert shown is not None
    key = {column.name: display_text(shown[column.name], column) for column in plan.key_columns}
    cells = []
    for position, class_ in payload["cells"]:
        column = plan.compared[position]
        one = display_text((source or {}).get(column.name), column)
        other = display_text((target or {}).get(column.name), column)
        cells.append(DifferingCell(column.name, class_, one, other))
    row_class = "multiplicity" if payload["row_class"] in ("missing", "extra") and payload["both"] else payload["row_class"]
    return DifferingRow(row_class, key, source, target, tuple(cells), payload["copies"])


def display_text(value: Any, column: ComparedColumn) -> str | None:
    """Return a native value as a person reads it; instants in UTC. NULL is None.

    `diffs()` writes PCT-1 instead, where an instant is a number of microseconds.
    """
    if value is None:
        return None
    canonical = column.value_type if column.parsed else column.type
    kind = family(canonical)
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).hex()
    if isinstance(value, Decimal):
        return format(value, "f")
    if kind == "date" and isinstance(value, int):
        return _date(value)
    if kind in ("timestamp", "timestamp_ntz") and isinstance(value, int):
        return _instant(value, zoned=kind == "timestamp")
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


def _date(days: int) -> str:
    ordinal = _EPOCH_DAY + days
    if 1 <= ordinal <= datetime.max.toordinal():
        return datetime.fromordinal(ordinal).date().isoformat()
    return f"day {days} since 1970-01-01"


def _instant(microseconds: int, *, zoned: bool) -> str:
    try:
        moment = _EPOCH + timedelta(microseconds=microseconds)
    except OverflowError:
        return f"{microseconds} µs since 1970-01-01"
    text = moment.replace(tzinfo=timezone.utc).isoformat(sep=" ")[:-6]
    return f"{text}Z" if zoned else text
