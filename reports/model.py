"""What a report shows beyond the result document: a bounded sample of differences, already masked, and breakdowns."""

from __future__ import annotations

from dataclasses import dataclass

from schemas.verdict import CompareResult

__all__ = ["Bar", "Breakdown", "ColumnProfile", "ReportData", "SampleCell", "SampleRow"]


@dataclass(frozen=True)
class SampleCell:
    """One cell of a sample row. `None` is NULL; `masked` values are placeholders, not data."""

    column: str
    cell_class: str
    source_value: str | None
    target_value: str | None
    masked: bool = False


@dataclass(frozen=True)
class SampleRow:
    """One differing row: for `missing` and `extra` the cells hold the whole row, one side None."""

    row_class: str
    key: tuple[tuple[str, str | None], ...]
    cells: tuple[SampleCell, ...]
    causes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Bar:
    """One bar; `text` is shown instead of the value and its share, where the value is only a length."""

    label: str
    value: int
    hint: str = ""
    text: str = ""


@dataclass(frozen=True)
class Breakdown:
    """A bar chart: differences by column, by partition or range of keys. `bars` are in display order."""

    title: str
    unit: str
    bars: tuple[Bar, ...]


@dataclass(frozen=True)
class ColumnProfile:
    """What the classifier holds of a column, with its evidence."""

    column: str
    criticality: str
    pii_kind: str | None
    sensitivity: str
    evidence: str


@dataclass(frozen=True)
class ReportData:
    """Everything a report needs; plain values only, no Spark.

    Attributes:
        result: the document of `--json`.
        samples: differing rows, display order, at most a few hundred.
        sample_total: differing rows in all, so that "20 of 8,000" can be said.
        breakdowns: charts, in display order.
        profiles: classification of the columns.
        settings: how the text formats were read, and other things to print, as (name, value).
        severities: column name to the severity of its differences.
        duration_s: wall time of the whole comparison, seconds.
    """

    result: CompareResult
    samples: tuple[SampleRow, ...] = ()
    sample_total: int = 0
    breakdowns: tuple[Breakdown, ...] = ()
    profiles: tuple[ColumnProfile, ...] = ()
    settings: tuple[tuple[str, str], ...] = ()
    severities: tuple[tuple[str, str], ...] = ()
    duration_s: float = 0.0
