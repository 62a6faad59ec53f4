"""A result to a terminal: the verdict first, then what to do, then the details. Plain text when nobody looks at it live."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text

from reports.advice import is_command, steps
from reports.causes import entries
from reports.escape import Piece, ascii_only, crop, plain, plain_piece
from reports.figures import bytes_text, count, covered, duration, plural, share
from reports.interleave import interleaved
from reports.method import method
from reports.model import ReportData, SampleRow
from reports.sidebyside import lone_side, pair, value_pieces
from reports.summary import (
    changed_share,
    column_name,
    coverage_parts,
    delta,
    differing_rows,
    equations,
    findings,
    headline,
    ordered_columns,
    phases,
    seconds_taken,
    settings,
    title,
    without_columns,
)
from schemas.verdict import ColumnResult, ErrorDocument

__all__ = ["render", "render_error"]

_WIDEST = 120
_MOST_COLUMNS = 20
_MOST_CELLS = 12
_VERDICT_STYLES = {
    "PASS": "bold green",
    "PASS_WITH_RULES": "bold cyan",
    "SAMPLED_PASS": "bold yellow",
    "FAIL": "bold red",
    "INCONCLUSIVE": "bold magenta",
}
_VERDICT_SIGNS = {"PASS": "✓", "PASS_WITH_RULES": "✓", "SAMPLED_PASS": "~", "FAIL": "✗", "INCONCLUSIVE": "?"}
_SEVERITY_STYLES = {"CRITICAL": "bold red", "HIGH": "red", "MEDIUM": "yellow", "LOW": "cyan", "INFO": "dim"}
_CLASS_SIGNS = {"changed": "~", "missing": "-", "extra": "+", "multiplicity": "×"}
_CLASS_WORDS = {"multiplicity": "other number of copies"}
_PIECE_STYLES = {
    "text": "",
    "mark": "dim",
    "chip": "magenta",
    "gap": "dim italic",
    "null": "dim italic",
    "empty": "dim italic",
    "masked": "dim italic",
}


def render(data: ReportData, console: Console, *, limit: int = 20) -> None:
    """Print a report.

    Nothing that came from data is sent as it is: control characters are shown as signs, and rich markup is not read.
    Where the output has no styles (a file, a pipe), differing characters stand in ⟦brackets⟧.

    Args:
        data: the report.
        console: where to; its width (at most 120 is used), encoding and NO_COLOR are respected.
        limit: sample rows shown at most, a count >= 0.
    """
    _Printer(console).report(data, limit)


def render_error(document: ErrorDocument, console: Console) -> None:
    """Print an error as one line, not folded so that paths stay whole: what is wrong, then what to do."""
    printer = _Printer(console)
    message = Text.assemble(("error", "bold red"), ": ", printer.text(document.message))
    if document.object is not None and document.object not in document.message:
        message.append_text(printer.text(f" [{document.object}]", "dim"))
    if document.hint:
        message.append_text(printer.text(f" {document.hint}"))
    printer.put(message)


class _Printer:
    """Holds the console and what it can carry."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._unicode = console.encoding.lower().startswith("utf")
        self._styled = console.is_terminal and not console.is_dumb_terminal
        self._width = max(20, min(console.width, _WIDEST))

    # words ---------------------------------------------------------------------------------------------------------

    def _carry(self, text: str) -> str:
        return text if self._unicode else ascii_only(text)

    def text(self, text: str, style: str = "", *, lines: bool = False) -> Text:
        return Text(self._carry(plain(text, lines=lines).expandtabs(4)), style=style)

    def value(self, pieces: Iterable[Piece]) -> Text:
        """Return a value with its differing characters marked, by style or by brackets."""
        shown, marked = Text(), False
        for piece in pieces:
            if piece.changed != marked and not self._styled:
                shown.append(self._carry("⟦" if piece.changed else "⟧"))
            marked = piece.changed
            style = f"{_PIECE_STYLES[piece.kind]} bold reverse" if piece.changed else _PIECE_STYLES[piece.kind]
            shown.append(self._carry(plain_piece(piece)), style=style if self._styled else "")
        if marked and not self._styled:
            shown.append(self._carry("⟧"))
        return shown

    def line(self, text: Text | str = "", indent: int = 0, hang: int = 0) -> None:
        """Print a paragraph, folded; lines after the first are indented by `hang` more."""
        body = text if isinstance(text, Text) else self.text(text)
        if not body.plain:
            self.put(Text())
            return
        hang = hang if body.cell_len > self._width - indent else 0
        for index, part in enumerate(body.wrap(self._console, max(8, self._width - indent - hang), overflow="fold", no_wrap=False)):
            self.put(Text(" " * (indent + (hang if index else 0))) + part)

    def put(self, text: Text) -> None:
        """Print a line as it is."""
        text.rstrip()
        self._console.print(text, highlight=False, markup=False, emoji=False, soft_wrap=True)

    def heading(self, words: str, note: str = "") -> None:
        self.line()
        self.line(Text.assemble(self.text(words, "bold"), self.text(f"  {note}", "dim") if note else ""))

    def command(self, words: tuple[str, ...], indent: int) -> None:
        """Print a command line that can be copied as it stands: long ones are continued with a backslash."""
        row = ""
        for word in words:
            if row and len(row) + len(word) + 3 > self._width - indent:
                self.put(Text(" " * indent) + self.text(row + " \\", "cyan"))
                row = "  " + word
            else:
                row = f"{row} {word}" if row else word
        self.put(Text(" " * indent) + self.text(row, "cyan"))

    def table(self, heads: Sequence[str], rows: Iterable[Sequence[Text | str]], indent: int = 2, folded: Collection[int] = ()) -> None:
        """Print a table without borders. A heading that starts with `>` is of numbers; only columns in `folded` are wrapped."""
        table = Table(box=None, show_header=any(heads), header_style="dim", pad_edge=False, padding=(0, 2, 0, 0), expand=False)
        for index, head in enumerate(heads):
            justify: Literal["left", "right"] = "right" if head.startswith(">") else "left"
            fold = index in folded
            table.add_column(
                head.lstrip(">"), justify=justify, no_wrap=not fold, overflow="fold" if fold else "ellipsis", min_width=10 if fold else None
            )
        for row in rows:
            table.add_row(*row)
        options = self._console.options.update(width=max(8, self._width - indent), highlight=False, markup=False)
        for segments in self._console.render_lines(table, options, pad=False):
            self.put(Text.assemble(" " * indent, *((segment.text, segment.style or "") for segment in segments)))

    # sections ------------------------------------------------------------------------------------------------------

    def report(self, data: ReportData, limit: int) -> None:
        self._verdict(data)
        self._steps(data)
        self._counts(data)
        self._rules(data)
        self._columns(data)
        self._samples(data, limit)
        self._explanations(data)
        self._findings(data)
        self._inputs(data)

    def _verdict(self, data: ReportData) -> None:
        result = data.result
        style = _VERDICT_STYLES[result.verdict]
        sentence = headline(data).split(": ", 1)[1]
        sign = self._carry(_VERDICT_SIGNS[result.verdict])
        self.line(Text.assemble((f"{sign} {title(result.verdict)}", style), self.text(f": {sentence}", "bold")))

    def _steps(self, data: ReportData) -> None:
        self.heading("What to do")
        for number, step in enumerate(steps(data), 1):
            detail = self.text(f" {step.detail}" if step.detail else "", "dim")
            self.line(Text.assemble(self.text(f"{number}. ", "dim"), self.text(step.title + "."), detail), 2, 3)
            for row in crop(step.text, 2_000).splitlines():
                self.line(self.text(row, "cyan"), 7)
            if step.words:
                self.command(step.words, 7)

    def _counts(self, data: ReportData) -> None:
        result = data.result
        sampled = result.counts.source_rows_total is not None or result.counts.target_rows_total is not None
        self.heading("Counts", "of the sample" if sampled else "")
        for equation in equations(result):
            parts = " + ".join(
                f"{count(number)} {name}" for name, number in equation.parts if number or name in {"matched", "missing", "extra"}
            )
            text = self.text(f"{equation.side}  {count(equation.total)} = {parts}")
            text.append_text(self.text("  ✓" if equation.holds else "  ✗ does not add up", "green" if equation.holds else "bold red"))
            self.line(text, 2, 8)
        counts = result.counts
        if sampled:
            self.line(f"whole tables: {_maybe(counts.source_rows_total)} source, {_maybe(counts.target_rows_total)} target rows", 2)
        others = (
            (counts.multiplicity, "copy too many or too few", "copies too many or too few"),
            (counts.duplicate_keys, "key with several rows", "keys with several rows"),
            (counts.null_keys, "row with NULL in the key", "rows with NULL in the key"),
        )
        if notes := [plural(*words) for words in others if words[0]]:
            self.line(self.text(", ".join(notes), "dim"), 2)
        shares = ", ".join(f"{name} {covered(value)}" for name, value in coverage_parts(result))
        self.heading("Coverage", shares)
        self.line(result.coverage.text, 2)

    def _rules(self, data: ReportData) -> None:
        if not data.result.rules:
            return
        self.heading("Rules", "rows that are equal only because of the rule")
        rows = [(self.text(crop(rule.column, 60)), self.text(crop(rule.rule, 80)), count(rule.rows)) for rule in data.result.rules]
        self.table(("column", "rule", ">rows"), rows, folded=(0, 1))

    def _columns(self, data: ReportData) -> None:
        notable, quiet = ordered_columns(data)
        if without_columns(data.result) and not notable:
            self.heading("Columns", "were not compared one by one: there is no key")
            return
        if not notable:
            self.heading("Columns", f"no difference in {plural(len(quiet), 'column')}")
            return
        rest = "not compared one by one: there is no key" if without_columns(data.result) else "without difference"
        self.heading(
            "Columns that differ" if any(column.changed for column in notable) else "Columns",
            f"{plural(len(quiet), 'other')} {rest}",
        )
        severities = dict(data.severities)
        wide = self._width >= 100
        deltas = any(column.max_abs_delta is not None for column in notable)
        heads = ["column", *(["type"] if wide else []), ">cells", ">share", "classes", *(["largest delta"] if deltas else []), "severity"]
        rows = []
        for column in notable[:_MOST_COLUMNS]:
            level = severities.get(column_name(column), "")
            row = [self.text(_column_words(column)), *([self.text(_short(column.canonical_type, 20), "dim")] if wide else [])]
            row += [Text(count(column.changed)), Text(changed_share(data.result, column) if column.changed else "")]
            row += [self.text(_classes(column), lines=True), *([self.text(_delta(column))] if deltas else [])]
            rows.append((*row, self.text(level, _SEVERITY_STYLES.get(level, ""))))
        self.table(heads, rows, folded=(0,))
        if len(notable) > _MOST_COLUMNS:
            self.line(self.text(f"… and {plural(len(notable) - _MOST_COLUMNS, 'more column')}: see --report or --json", "dim"), 2)

    def _samples(self, data: ReportData, limit: int) -> None:
        rows = interleaved(data.samples)[: max(0, limit)]
        if not rows:
            return
        total = max(data.sample_total, differing_rows(data.result), len(data.samples))
        marks = "" if self._styled else self._carry("; differing characters in ⟦ ⟧")
        self.heading("Differences", f"{count(len(rows))} of {count(total)}{marks}")
        told: set[str] = set()
        for row in rows:
            self._sample(row, told)

    def _sample(self, row: SampleRow, told: set[str]) -> None:
        head = Text()
        head.append_text(self.text(f"{_CLASS_SIGNS.get(row.row_class, ' ')} {_CLASS_WORDS.get(row.row_class, row.row_class)}  ", "bold"))
        for index, (name, value) in enumerate(row.key):
            head.append(", " if index else "")
            head.append_text(self.text(f"{crop(name, 40)}="))
            head.append_text(self.value(value_pieces(value)))
        if row.causes:
            head.append_text(self.text("  " + ", ".join(crop(cause, 40) for cause in row.causes), "dim"))
        self.line(head, 2)
        cells = row.cells[:_MOST_CELLS]
        if row.row_class == "changed":
            self._changed_cells(row, len(cells), told)
        elif cells:
            side = lone_side(row)
            where = f"only in {side}: " if row.row_class != "multiplicity" else f"more often in {side}: "
            text = Text.assemble(self.text(where, "dim"))
            for index, cell in enumerate(cells):
                value = cell.source_value if side == "source" else cell.target_value
                text.append_text(self.text(f"{'  ' if index else ''}{crop(cell.column, 40)}=", "dim"))
                text.append_text(self.value(value_pieces(value, cell.masked)))
            self.line(text, 6)
        if len(row.cells) > len(cells):
            self.line(self.text(f"… and {plural(len(row.cells) - len(cells), 'more cell')}", "dim"), 6)

    def _changed_cells(self, row: SampleRow, most: int, told: set[str]) -> None:
        """Print source and target side by side when both fit, else one under the other."""
        shown = [(cell, pair(cell, told)) for cell in row.cells[:most]]
        values = [(self.value(both.source), self.value(both.target)) for _, both in shown]
        names = [
            self.text(crop(cell.column, 60) + ("" if cell.cell_class == "value" else f" ({crop(cell.cell_class, 40)})"))
            for cell, _ in shown
        ]
        name_width = max((name.cell_len for name in names), default=0)
        widest = [max((value[side].cell_len for value in values), default=0) for side in (0, 1)]
        beside = name_width + sum(widest) + 14 <= self._width
        for name, (left, right), (_, both) in zip(names, values, shown, strict=True):
            if beside:
                name.pad_right(name_width - name.cell_len + 2)
                left.pad_right(widest[0] - left.cell_len + 2)
                self.put(Text.assemble(" " * 6, name, left, self.text("→ ", "dim"), right))
            else:
                self.line(name, 6)
                self.line(Text.assemble(self.text("source  ", "dim"), left), 8, 8)
                self.line(Text.assemble(self.text("target  ", "dim"), right), 8, 8)
            if both.note:
                self.line(self.text(both.note, "dim"), 8)

    def _explanations(self, data: ReportData) -> None:
        if not data.result.explanations:
            return
        self.heading("Why, probably", "share of the differing rows that each cause explains")
        for rank, entry in enumerate(entries(data.result), 1):
            item = entry.explanation
            fits = item.role != "refuted"
            rank_text = self.text(f"{rank}. {share(item.share):>9}  ", "bold" if fits else "dim")
            where = f" {crop(entry.where, 200)}" if entry.where else ""
            statement = self.text(f"{crop(item.statement, 600)}{where}", "" if fits else "dim")
            self.line(Text.assemble(rank_text, statement, self.text(f"  [{crop(item.cause, 60)}]", "dim")), 2, 14)
            for words, evidence in (("for", item.for_), ("against", item.against)):
                if evidence:
                    more = f" … and {len(evidence) - 2:,} more" if len(evidence) > 2 else ""
                    self.line(self.text(f"{words}: {'; '.join(crop(line, 120) for line in evidence[:2])}{more}", "dim"), 7)
            if entry.also:
                self.line(self.text(f"the same rows fit also: {', '.join(crop(cause, 60) for cause in entry.also)}", "dim"), 7)
            if not is_command(item.fix) and fits:
                self.line(self.text(f"fix ({item.fix.kind}): {crop(item.fix.text, 400)}", "dim"), 7)

    def _findings(self, data: ReportData) -> None:
        found = findings(data)
        if not found:
            return
        self.heading("Findings")
        for finding in found:
            where = f"{crop(finding.column, 60)}: " if finding.column else ""
            level = self.text(f"{finding.severity:<10}", _SEVERITY_STYLES[finding.severity])
            words = self.text(f"{where}{crop(finding.text, 600)}")
            self.line(Text.assemble(level, words, self.text(f" [{crop(finding.class_, 40)}]", "dim")), 2, 10)

    def _inputs(self, data: ReportData) -> None:
        result = data.result
        self.heading("Inputs")
        for side, read in (("source", result.inputs.source), ("target", result.inputs.target)):
            size = "" if read.bytes is None else f", {bytes_text(read.bytes)}"
            files = "" if read.files is None else f" in {plural(read.files, 'file')}"
            pin = f"pinned: {read.pin or 'yes'}" if read.pinned else f"NOT PINNED by Parity{f' ({read.pin})' if read.pin else ''}"
            self.line(f"{side}  {crop(read.uri, 400)}", 2, 8)
            self.line(self.text(f"{plural(read.rows, 'row')}{size}{files}; {crop(pin, 200)}", "dim"), 10)
        for name, value in settings(data):
            self.line(self.text(f"{crop(name, 60)}: {crop(value, 200)}", "dim"), 2)
        claim = method(data)
        self.heading("Method", claim.title)
        self.line(self.text(f"Plan: {result.plan.mode}; {crop(result.plan.reason, 300)}", "dim"), 2)
        self.line(self.text(f"{claim.claims[0]} {claim.budget} {claim.limits[0]}", "dim"), 2)
        total = seconds_taken(data)
        self.heading("Timings", duration(total))
        slowest = phases(result)
        self.line(self.text(", ".join(f"{name} {duration(seconds)}" for name, seconds in slowest[:8]) or "not measured", "dim"), 2)
        versions = ", ".join(f"{name} {version}" for name, version in result.versions.items())
        self.line(
            self.text(f"contract {result.contract_sha256[:12]}, canon {result.canon}, {versions}, exit code {result.exit_code}", "dim"), 2
        )


def _short(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _maybe(number: int | None) -> str:
    return "unknown" if number is None else count(number)


def _column_words(column: ColumnResult) -> str:
    if column.source is None:
        return f"{crop(column.target or '', 60)} (target only)"
    if column.target is None:
        return f"{crop(column.source, 60)} (source only)"
    return crop(column.source, 60) if column.source == column.target else f"{crop(column.source, 40)} / {crop(column.target, 40)}"


def _classes(column: ColumnResult) -> str:
    if not column.compared:
        return "not compared"
    names = {plain(_short(name, 24), lines=False): number for name, number in column.classes.items()}
    return "\n".join(name if number == column.changed else f"{name} {count(number)}" for name, number in names.items())


def _delta(column: ColumnResult) -> str:
    return _short(delta(column), 18)
