"""A report to what the HTML templates show: plain values and escaped markup, no decisions left to take."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import resources
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from reports.advice import is_command
from reports.causes import entries
from reports.charts import meter
from reports.escape import Piece, crop, plain
from reports.figures import bytes_text, count, covered, percent, percent_at_most, plural, relative, share
from reports.interleave import interleaved
from reports.model import ReportData, SampleRow
from reports.sidebyside import lone_side, pair, value_pieces
from reports.summary import changed_share, column_name, coverage_parts, delta, differing_rows, sampled_rows, union_rows, without_columns
from schemas.verdict import ColumnResult, InputResult

__all__ = [
    "CauseView",
    "ColumnView",
    "Fact",
    "RowView",
    "causes",
    "columns",
    "environment",
    "facts",
    "markup",
    "pins",
    "read",
    "rows",
]

_MOST_ROWS = 500
_MOST_CELLS = 40
_SIGNS = {"changed": "~", "missing": "−", "extra": "+", "multiplicity": "×"}
_WORDS = {"multiplicity": "other count"}


@dataclass(frozen=True)
class Fact:
    label: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class ColumnView:
    name: str
    other: str
    type: str
    changed: str
    share: str
    classes: tuple[str, ...]
    absolute: str
    relative: str
    severity: str


@dataclass(frozen=True)
class CellView:
    column: str
    kind: str
    source: Markup
    target: Markup
    note: str


@dataclass(frozen=True)
class RowView:
    kind: str
    words: str
    sign: str
    key: Markup
    cells: tuple[CellView, ...]
    more: int
    causes: tuple[str, ...]
    columns: str


@dataclass(frozen=True)
class CauseView:
    statement: str
    cause: str
    also: str
    share: str
    meter: Markup
    supporting: tuple[str, ...]
    opposing: tuple[str, ...]
    fix_kind: str
    fix: str
    to_paste: bool
    refuted: bool


def read(name: str) -> str:
    """Return a template, style or script of this package; works from a folder and from a zip."""
    return (resources.files("reports") / "templates" / name).read_text(encoding="utf-8")


def environment() -> Environment:
    """Return the template environment: everything put into a page is made visible, then escaped."""
    made = Environment(
        loader=FunctionLoader(read),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_visible,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"breakable": _breakable, "count": count, "crop": crop, "percent": percent, "plural": plural, "share": share}
    return made


def _visible(value: Any) -> Any:
    return plain(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _breakable(name: str) -> Markup:
    """Return a name that may be broken after an underscore."""
    return Markup("_<wbr>").join(plain(name).split("_"))


def markup(pieces: Iterable[Piece], side: str = "") -> Markup:
    """Return a value as HTML; differing characters stand in `<mark>`."""
    inner, marked = Markup(""), False
    for piece in pieces:
        if piece.changed != marked:
            inner += Markup("<mark>") if piece.changed else Markup("</mark>")
            marked = piece.changed
        if piece.kind == "text":
            inner += Markup.escape(piece.text)
        else:
            name = {"mark": "sign-mark", "chip": "chip", "gap": "gap"}.get(piece.kind, "none")
            inner += Markup('<span class="{}">{}</span>').format(name, piece.text)
    if marked:
        inner += Markup("</mark>")
    return Markup('<span class="value {}">{}</span>').format(side, inner)


def facts(data: ReportData) -> tuple[Fact, ...]:
    """Return the few numbers below the verdict."""
    result = data.result
    counts, number = result.counts, differing_rows(result)
    others = ", ".join(f"{name} {covered(value)}" for name, value in coverage_parts(result) if name != "rows")
    coverage = Fact("Rows covered", covered(result.coverage.rows), others)
    sides = (("Source rows", counts.source_rows, counts.source_rows_total), ("Target rows", counts.target_rows, counts.target_rows_total))
    read_rows = tuple(Fact(label, count(rows), f"sampled of {count(whole)}" if whole is not None else "") for label, rows, whole in sides)
    if result.verdict == "SAMPLED_PASS":
        sampled = sampled_rows(result)
        limit = percent_at_most(3, sampled) if sampled > 3 else "–"
        return (*read_rows, Fact("Rows that may differ", f"≤ {limit}", "at 95 % confidence"), coverage)
    note = f"{percent(number, union_rows(result))} of the rows" if number else "" if result.verdict == "PASS" else "in what was compared"
    return (*read_rows, Fact("Rows that differ", count(number), note), coverage)


def columns(data: ReportData, chosen: Iterable[ColumnResult]) -> tuple[ColumnView, ...]:
    """Return column results, ready to show."""
    severities = dict(data.severities)
    return tuple(_column(data, column, severities.get(column_name(column), "")) for column in chosen)


def _column(data: ReportData, column: ColumnResult, severity: str) -> ColumnView:
    other = ""
    if column.source is None:
        other = "only in the target"
    elif column.target is None:
        other = "only in the source"
    elif column.source != column.target:
        other = f"→ {crop(column.target, 80)}"
    classes = tuple(f"{crop(name, 60)} {count(number)}" for name, number in column.classes.items())
    return ColumnView(
        name=crop(column_name(column), 120),
        other=other,
        type=crop(column.canonical_type, 120),
        changed=count(column.changed) if column.compared and not without_columns(data.result) else "–",
        share=changed_share(data.result, column) if column.compared and column.changed else "",
        classes=classes if column.compared else ("not compared", *classes),
        absolute=crop(delta(column), 40),
        relative=crop(relative(column.max_rel_delta or ""), 40),
        severity=severity,
    )


def rows(data: ReportData, limit: int = _MOST_ROWS) -> tuple[RowView, ...]:
    """Return sample rows, at most `limit`, with both sides of each cell marked up; one of each kind comes first."""
    told: set[str] = set()
    return tuple(_row(row, told) for row in interleaved(data.samples)[:limit])


def _row(row: SampleRow, told: set[str]) -> RowView:
    key = Markup("<br>").join(
        Markup('<span class="quiet">{}</span> {}').format(plain(crop(name, 60)), markup(value_pieces(value))) for name, value in row.key
    )
    shown = row.cells[:_MOST_CELLS]
    cells = tuple(_cells(row, told)) if row.row_class == "changed" else (_whole(row),)
    return RowView(
        kind=row.row_class,
        words=_WORDS.get(row.row_class, row.row_class),
        sign=_SIGNS.get(row.row_class, ""),
        key=key,
        cells=cells,
        more=len(row.cells) - len(shown),
        causes=tuple(crop(cause, 60) for cause in row.causes),
        columns=json.dumps(sorted({plain(crop(cell.column, 80), lines=False) for cell in row.cells})),
    )


def _cells(row: SampleRow, told: set[str]) -> Iterable[CellView]:
    for cell in row.cells[:_MOST_CELLS]:
        both = pair(cell, told)
        kind = "" if cell.cell_class == "value" else crop(cell.cell_class, 60)
        if cell.masked:
            kind = f"{kind}, masked".lstrip(", ")
        yield CellView(crop(cell.column, 80), kind, markup(both.source, "source"), markup(both.target, "target"), both.note)


def _whole(row: SampleRow) -> CellView:
    """Return a row that is on one side only, or more often there, as one cell."""
    side = lone_side(row)
    values = Markup(" · ").join(
        Markup('<span class="quiet">{}=</span>{}').format(
            plain(crop(cell.column, 60)), markup(value_pieces(cell.source_value if side == "source" else cell.target_value, cell.masked))
        )
        for cell in row.cells[:_MOST_CELLS]
    ) or Markup('<span class="quiet">{}</span>').format("nothing but the key")
    absent = Markup('<span class="quiet">{}</span>').format("fewer copies" if row.row_class == "multiplicity" else "no such row")
    return CellView("whole row", "", values if side == "source" else absent, absent if side == "source" else values, "")


def causes(data: ReportData) -> tuple[CauseView, ...]:
    """Return the hypotheses in rank order."""
    return tuple(
        CauseView(
            statement=" ".join(filter(None, (crop(item.statement, 600), crop(entry.where, 200)))),
            cause=crop(item.cause, 60),
            also=", ".join(crop(cause, 60) for cause in entry.also),
            share=share(item.share),
            meter=meter(item.share, f"explains {share(item.share)} of the differing rows"),
            supporting=tuple(crop(line, 300) for line in item.for_[:5]),
            opposing=tuple(crop(line, 300) for line in item.against[:5]),
            fix_kind=item.fix.kind.replace("_", " "),
            fix=crop(item.fix.text, 4_000),
            to_paste=is_command(item.fix),
            refuted=item.role == "refuted",
        )
        for entry in entries(data.result)
        for item in (entry.explanation,)
    )


def pins(data: ReportData) -> tuple[tuple[str, InputResult, str], ...]:
    """Return (side, input, what was read in words)."""
    inputs = data.result.inputs
    return tuple((side, item, _read_words(item)) for side, item in (("Source", inputs.source), ("Target", inputs.target)))


def _read_words(item: InputResult) -> str:
    parts = [plural(item.rows, "row")]
    if item.bytes is not None:
        parts.append(bytes_text(item.bytes))
    if item.files is not None:
        parts.append(plural(item.files, "file"))
    return ", ".join(parts)
