"""A result to one self-contained HTML file: no network, no dependency, readable without its script, printable."""

from __future__ import annotations

import base64
import hashlib
import json

from markupsafe import Markup

from reports import view
from reports.advice import steps
from reports.causes import label
from reports.charts import bar_chart, meter
from reports.escape import crop, json_for_script, plain
from reports.figures import covered, duration, share
from reports.interleave import interleaved
from reports.method import method
from reports.model import Bar, Breakdown, ReportData
from reports.summary import (
    coverage_parts,
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

__all__ = ["render"]

_STYLE, _SCRIPT = "report.css", "report.js"


def render(data: ReportData) -> str:
    """Return the page.

    Its Content-Security-Policy allows nothing but its own style and script, by hash; values are made visible and escaped;
    the document of `--json` is embedded as `<script type="application/json" id="parity-result">`.

    Source:
        CSP Level 3 (hashes in `style-src`, `script-src`); HTML 4.12.1.3 (what a script element may contain).
    """
    result = data.result
    style, script = view.read(_STYLE), view.read(_SCRIPT)
    notable, quiet = ordered_columns(data)
    rows = view.rows(data)
    cell_columns = {plain(crop(cell.column, 80), lines=False) for row in interleaved(data.samples)[: len(rows)] for cell in row.cells}
    return view.environment().get_template("report.html").render(
        result=result,
        policy=f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; base-uri 'none'; form-action 'none'",
        style=Markup(style),
        script=Markup(script),
        document=Markup(json_for_script(result.document())),
        title=title(result.verdict),
        sentence=_capital(headline(data).split(": ", 1)[1]),
        facts=view.facts(data),
        steps=steps(data),
        equations=equations(result),
        sampled=result.counts.source_rows_total is not None or result.counts.target_rows_total is not None,
        coverage=[(name, covered(value), meter(value, f"{name} covered: {covered(value)}")) for name, value in coverage_parts(result)],
        notable=view.columns(data, notable),
        quiet=view.columns(data, quiet),
        without_columns=without_columns(result),
        charts=[(item, bar_chart(item)) for item in (*data.breakdowns, _by_cause(data)) if item.bars],
        rows=rows,
        row_total=max(data.sample_total, differing_rows(result), len(data.samples)),
        row_columns=sorted(cell_columns),
        row_classes=sorted({row.kind for row in rows}),
        causes=view.causes(data),
        findings=findings(data),
        inputs=view.pins(data),
        method=method(data),
        profiles=data.profiles,
        settings=settings(data),
        timings=[(name, duration(seconds)) for name, seconds in phases(result)],
        took=duration(seconds_taken(data)),
        contract=json.dumps(result.contract, ensure_ascii=False, indent=2, sort_keys=True),
    )  # fmt: skip


def _by_cause(data: ReportData) -> Breakdown:
    """Return the shares of the causes, each named with its columns, since two may have one name."""
    bars = (
        Bar(label(item), round(item.share * 10**6), item.statement, share(item.share))
        for item in data.result.explanations
        if item.share > 0 and item.alternative_to is None
    )
    return Breakdown("Differences by hypothesis", "share of the differing rows", tuple(bars))


def _capital(text: str) -> str:
    """Return the sentence with a capital, unless it begins with something quoted."""
    return text[:1].upper() + text[1:]


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")
