"""A finished comparison to what its reports show: bounded, masked, sorted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from engine.columns import ColumnPlan
from engine.evidence import display_text
from jobs.masking import Masker
from policy.classify import Classification
from policy.severity import row_severity, severity_of
from reports.model import Bar, Breakdown, ColumnProfile, ReportData, SampleCell, SampleRow
from schemas.evidence_rows import DifferenceEvidence, DifferingRow
from schemas.verdict import CompareResult

__all__ = ["report_data"]

_ROWS_PER_CLASS = 150
_CAUSES_PER_ROW = 3
_BARS = 20
_BINS = 12
_ORDERED = ("integer", "decimal", "date", "timestamp", "timestamp_ntz")
_SEVERITIES = ("CRITICAL", "HIGH", "MEDIUM", "LOW", "INFO")


def report_data(
    result: CompareResult,
    evidence: DifferenceEvidence,
    profiles: Sequence[Classification],
    hide: Masker | None,
    plan: ColumnPlan,
    duration_s: float,
    causes: Mapping[int, tuple[str, ...]],
) -> ReportData:
    """Return everything a report needs besides the result document.

    Args:
        hide: masks personal values; None shows them.
        duration_s: wall time of the comparison, seconds.
        causes: position of a row of the evidence to the causes that explain it.
    """
    counts = result.counts
    return ReportData(
        result=result,
        samples=tuple(_samples(evidence, plan, hide, causes)),
        sample_total=counts.changed + counts.missing + counts.extra,
        breakdowns=tuple(_breakdowns(result, evidence, plan, hide)),
        profiles=tuple(
            ColumnProfile(found.column, found.criticality, found.pii_kind, found.sensitivity, "; ".join(found.evidence))
            for found in profiles
        ),
        settings=tuple((finding.class_, finding.text) for finding in result.findings if finding.class_.endswith("_settings")),
        severities=tuple(sorted(_severities(result, profiles).items())),
        duration_s=duration_s,
    )


def _samples(evidence: DifferenceEvidence, plan: ColumnPlan, hide: Masker | None, causes: Mapping[int, tuple[str, ...]]) -> list[SampleRow]:
    shown: Counter[str] = Counter()
    rows = []
    for position, row in enumerate(evidence.rows):
        shown[row.row_class] += 1
        if shown[row.row_class] <= _ROWS_PER_CLASS:
            rows.append(replace(_sample_row(row, plan, hide), causes=causes.get(position, ())[:_CAUSES_PER_ROW]))
    return rows


def _sample_row(row: DifferingRow, plan: ColumnPlan, hide: Masker | None) -> SampleRow:
    def shown(column: str, text: str | None) -> str | None:
        return text if hide is None else hide.in_report(column, text)

    key = tuple((name, shown(name, text)) for name, text in row.key.items())
    if row.cells:
        cells = tuple(
            SampleCell(
                cell.column,
                cell.cell_class,
                shown(cell.column, cell.source_text),
                shown(cell.column, cell.target_text),
                masked=hide is not None and hide.hides(cell.column),
            )
            for cell in row.cells
        )
        return SampleRow(row.row_class, key, cells)
    return SampleRow(row.row_class, key, tuple(_whole(row, plan, hide, shown)))


def _whole(row: DifferingRow, plan: ColumnPlan, hide: Masker | None, shown: Any) -> list[SampleCell]:
    cells = []
    for column in plan.compared:
        texts = [None if side is None else shown(column.name, display_text(side[column.name], column)) for side in (row.source, row.target)]
        if not column.is_key:
            cells.append(SampleCell(column.name, row.row_class, texts[0], texts[1], masked=hide is not None and hide.hides(column.name)))
    return cells


def _severities(result: CompareResult, profiles: Sequence[Classification]) -> dict[str, str]:
    """Return the gravest severity of the differences of each column that differs."""
    criticality = {found.column: found.criticality for found in profiles}
    found: dict[str, str] = {}
    for column in result.columns:
        if column.source is not None and column.classes:
            grades = [severity_of(criticality.get(column.source, "normal"), class_) for class_ in column.classes]
            found[column.source] = min(grades, key=_SEVERITIES.index)
    for row_class in ("missing", "extra"):
        if getattr(result.counts, row_class):
            found[f"({row_class} rows)"] = row_severity(row_class)
    return found


def _breakdowns(result: CompareResult, evidence: DifferenceEvidence, plan: ColumnPlan, hide: Masker | None) -> list[Breakdown]:
    breakdowns = []
    columns = sorted(((c.changed, c.source or "") for c in result.columns if c.changed), key=lambda bar: (-bar[0], bar[1]))
    if columns:
        breakdowns.append(Breakdown("Differences by column", "differing cells", tuple(Bar(name, count) for count, name in columns[:_BARS])))
    where = _by_place(evidence, plan, hide)
    if where is not None:
        breakdowns.append(where)
    return breakdowns


def _by_place(evidence: DifferenceEvidence, plan: ColumnPlan, hide: Masker | None) -> Breakdown | None:
    """Return where differing rows lie: by partition, else by range of the first key column."""
    unit = "differing rows" + (" of the sample" if evidence.sampled else "")
    partition = next((column for column in evidence.columns if column.is_partition), None)
    if partition is not None and evidence.rows:
        column = plan.compared[plan.position(partition.name)]
        values = Counter(display_text(_one(row, partition.name), column) or "NULL" for row in evidence.rows for _ in range(row.count))
        bars = tuple(Bar(value, count) for value, count in sorted(values.items(), key=lambda item: (-item[1], item[0]))[:_BARS])
        return Breakdown(f"Differences by partition ({partition.name})", unit, bars)
    ordered = [column for column in evidence.columns if column.is_key and column.family in _ORDERED]
    ordered = [column for column in ordered if hide is None or not hide.hides(column.name)]
    if not ordered or len(evidence.rows) < 2:
        return None
    name = ordered[0].name
    numbers = [(value, row.count) for row in evidence.rows if isinstance(value := _one(row, name), int)]
    if len(numbers) < 2:
        return None
    low, high = min(value for value, _ in numbers), max(value for value, _ in numbers)
    width = max((high - low) // _BINS + 1, 1)
    bins: Counter[int] = Counter()
    for value, count in numbers:
        bins[(value - low) // width] += count
    column = plan.compared[plan.position(name)]
    last = (high - low) // width
    ranges = []
    for index in range(last + 1):
        start = display_text(low + index * width, column)
        end = display_text(min(low + (index + 1) * width - 1, high), column)
        ranges.append(Bar(f"{start} – {end}", bins[index]))
    return Breakdown(f"Differences by range of {name}", unit, tuple(ranges))


def _one(row: DifferingRow, name: str) -> Any:
    side: Mapping[str, Any] = row.source or row.target or {}
    return side.get(name)
