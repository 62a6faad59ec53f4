"""A result to Markdown for a pull request: the sentence, what to do, the numbers; details folded away."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from reports.advice import is_command, steps
from reports.causes import entries
from reports.escape import Piece, crop, markdown_code, markdown_prose, plain, plain_piece
from reports.figures import count, covered, duration, plural, share
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
    seconds_taken,
    title,
    without_columns,
)

__all__ = ["render"]

_SIGNS = {"PASS": "✅", "PASS_WITH_RULES": "☑️", "SAMPLED_PASS": "🔶", "FAIL": "❌", "INCONCLUSIVE": "❔"}
_MOST_COLUMNS = 15
_MOST_ROWS = 10
_MOST_CELLS = 6
_LONGEST_VALUE = 160
_LIMIT = 60_000  # GitHub refuses comments beyond 65,536 characters


def render(data: ReportData) -> str:
    """Return GitHub-flavoured Markdown, at most 60,000 characters.

    Whatever came from data is escaped: it cannot make markup, mention people, link issues or sites, or leave its table cell.
    """
    sections = [*_head(data), _counts(data), _rules(data), _columns(data), _samples(data), _causes(data), _findings(data), _foot(data)]
    kept: list[str] = []
    size = 0
    for section in filter(None, sections):
        size += len(section) + 2
        if size > _LIMIT:
            kept.append("*The rest is left out here: see the HTML report.*")
            break
        kept.append(section)
    return "\n\n".join(kept) + "\n"


def _head(data: ReportData) -> Iterable[str]:
    result = data.result
    sentence = headline(data).split(": ", 1)[1]
    yield f"### {_SIGNS[result.verdict]} {title(result.verdict)}: {markdown_prose(sentence)}"
    uris = [markdown_code(crop(side.uri, 300)) for side in (result.inputs.source, result.inputs.target)]
    yield f"{uris[0]} compared with {uris[1]}"
    yield "**What to do**"
    yield "\n".join(_step(number, step.title, step.detail, step.command) for number, step in enumerate(steps(data), 1))


def _step(number: int, name: str, detail: str, command: str) -> str:
    text = f"{number}. **{markdown_prose(crop(name, 400))}**" + (f"<br>{markdown_prose(crop(detail, 600))}" if detail else "")
    if not command:
        return text
    return f"{text}\n\n{_fenced(crop(command, 2_000), '   ')}\n"


def _fenced(text: str, indent: str) -> str:
    """Return a code block whose fence is longer than any run of backticks inside."""
    shown = plain(text)
    fence = "```"
    while fence in shown:
        fence += "`"
    return "\n".join(indent + line for line in (fence, *shown.splitlines(), fence))


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; a heading that starts with `>` is of numbers. Cells must be escaped already."""
    rules = ["---:" if head.startswith(">") else "---" for head in heads]
    lines = [[head.lstrip(">") for head in heads], rules, *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _details(words: str, inner: str) -> str:
    return f"<details><summary>{words}</summary>\n\n{inner}\n\n</details>"


def _counts(data: ReportData) -> str:
    result = data.result
    rows = []
    for equation in equations(result):
        parts = " + ".join(
            f"{count(number)} {name}" for name, number in equation.parts if number or name in {"matched", "missing", "extra"}
        )
        rows.append((equation.side, count(equation.total), f"{parts} {'✓' if equation.holds else '**✗ does not add up**'}"))
    shares = ", ".join(f"{name} {covered(value)}" for name, value in coverage_parts(result))
    of = " (of the sample)" if result.counts.source_rows_total is not None else ""
    return _table(("", f">rows{of}", "="), rows) + f"\n\nCoverage: {shares} – {markdown_prose(crop(result.coverage.text, 400))}"


def _rules(data: ReportData) -> str:
    rows = [(markdown_code(crop(rule.column, 80)), markdown_code(crop(rule.rule, 80)), count(rule.rows)) for rule in data.result.rules]
    return "**Rules** (rows that are equal only because of the rule)\n\n" + _table(("column", "rule", ">rows"), rows) if rows else ""


def _columns(data: ReportData) -> str:
    notable, quiet = ordered_columns(data)
    if without_columns(data.result) and not notable:
        return "Columns were not compared one by one: there is no key."
    if not notable:
        return f"No difference in {plural(len(quiet), 'column')}."
    severities = dict(data.severities)
    rows = []
    for column in notable[:_MOST_COLUMNS]:
        classes = ", ".join(f"{markdown_prose(crop(name, 40))} {count(number)}" for name, number in column.classes.items())
        rows.append(
            (
                markdown_code(crop(column_name(column), 80)),
                count(column.changed) if column.compared else "–",
                changed_share(data.result, column) if column.changed else "",
                classes if column.compared else "not compared",
                markdown_prose(crop(delta(column), 40)),
                markdown_prose(severities.get(column_name(column), "")),
            )
        )
    more = f"\n\n… and {plural(len(notable) - _MOST_COLUMNS, 'more column')}." if len(notable) > _MOST_COLUMNS else ""
    table = _table(("column", ">cells", ">share", "classes", ">largest delta", "severity"), rows)
    rest = "not compared one by one: there is no key" if without_columns(data.result) else "without difference"
    return f"{table}{more}\n\n{plural(len(quiet), 'other column')} {rest}."


def _samples(data: ReportData) -> str:
    rows = interleaved(data.samples)[:_MOST_ROWS]
    if not rows:
        return ""
    lines = [line for row in rows for line in _row(row)]
    total = max(data.sample_total, differing_rows(data.result), len(data.samples))
    return _details(f"{count(len(rows))} of {count(total)} differences", _table(("kind", "key", "column", "source", "target"), lines))


def _row(row: SampleRow) -> Iterable[tuple[str, ...]]:
    key = ", ".join(f"{markdown_prose(crop(name, 40))}={_value(value_pieces(value))}" for name, value in row.key) or "–"
    lone = "" if row.row_class == "changed" else lone_side(row)
    for cell in row.cells[:_MOST_CELLS]:
        both = pair(cell)
        if lone:
            value = _value(value_pieces(cell.source_value if lone == "source" else cell.target_value, cell.masked))
            cells = (value, "–") if lone == "source" else ("–", value)
            yield (markdown_prose(row.row_class), key, markdown_code(crop(cell.column, 60)), *cells)
            continue
        yield markdown_prose(row.row_class), key, markdown_code(crop(cell.column, 60)), _value(both.source), _value(both.target)
    if not row.cells:
        yield markdown_prose(row.row_class), key, "–", "", ""
    if len(row.cells) > _MOST_CELLS:
        yield markdown_prose(row.row_class), key, f"… {plural(len(row.cells) - _MOST_CELLS, 'more cell')}", "", ""


def _value(pieces: Sequence[Piece]) -> str:
    """Return a value in one table cell, differing characters in bold."""
    shown, size, marked = "", 0, False
    for piece in pieces:
        text = plain_piece(piece)
        size += len(text)
        if size > _LONGEST_VALUE:
            text = crop(text, max(1, len(text) - (size - _LONGEST_VALUE)))
        if piece.changed != marked:
            shown += "<b>" if piece.changed else "</b>"
            marked = piece.changed
        shown += markdown_code(text)[len("<code>") : -len("</code>")]
        if size > _LONGEST_VALUE:
            break
    return f"<code>{shown}{'</b>' if marked else ''}</code>"


def _causes(data: ReportData) -> str:
    lines = []
    for entry in entries(data.result):
        item = entry.explanation
        fix = markdown_code(crop(item.fix.text, 300)) if is_command(item.fix) else markdown_prose(crop(item.fix.text, 300))
        also = f"<br>The same rows fit also: {markdown_prose(', '.join(crop(cause, 60) for cause in entry.also))}" if entry.also else ""
        where = f" {markdown_prose(crop(entry.where, 200))}" if entry.where else ""
        lines.append(f"1. {share(item.share)} – {markdown_prose(crop(item.statement, 400))}{where} Fix: {fix}{also}")
    return _details("Probable causes, with the share of the differing rows that each explains", "\n".join(lines)) if lines else ""


def _findings(data: ReportData) -> str:
    rows = [
        (finding.severity, markdown_code(crop(finding.column, 80)) if finding.column else "–", markdown_prose(crop(finding.text, 400)))
        for finding in findings(data)
    ]
    return _details(plural(len(rows), "finding"), _table(("severity", "column", "finding"), rows)) if rows else ""


def _foot(data: ReportData) -> str:
    result = data.result
    pinned = result.inputs.source.pinned and result.inputs.target.pinned
    claim = method(data)
    parts = [
        "inputs pinned" if pinned else "**inputs not pinned**",
        markdown_prose(claim.title),
        f"contract <code>{result.contract_sha256[:12]}</code>",
        f"took {duration(seconds_taken(data))}",
        f"Parity {markdown_prose(result.versions.get('parity', ''))}".rstrip(),
        f"exit code {result.exit_code}",
    ]
    return f"<sub>{' · '.join(parts)}</sub>"
