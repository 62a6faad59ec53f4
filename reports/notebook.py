"""A result to an HTML fragment for a notebook's output cell."""

from __future__ import annotations

from markupsafe import Markup

from reports import view
from reports.advice import steps
from reports.figures import duration
from reports.model import ReportData
from reports.summary import differing_rows, equations, findings, headline, ordered_columns, seconds_taken, title

__all__ = ["render"]

_MOST_ROWS = 10
_STYLE = "notebook.css"


def render(data: ReportData) -> str:
    """Return one `<div class="parity-result">` with its own scoped style and no script.

    Colours follow the notebook's theme; where a notebook drops styles (untrusted), the text remains.
    """
    result = data.result
    notable, quiet = ordered_columns(data)
    rows = view.rows(data, _MOST_ROWS)
    return view.environment().get_template("notebook.html").render(
        result=result,
        style=Markup(view.read(_STYLE)),
        title=title(result.verdict),
        sentence=headline(data).split(": ", 1)[1],
        steps=steps(data),
        facts=view.facts(data),
        equations=equations(result),
        notable=view.columns(data, notable),
        quiet=len(quiet),
        rows=rows,
        row_total=max(data.sample_total, differing_rows(result), len(data.samples)),
        causes=view.causes(data),
        findings=findings(data),
        inputs=view.pins(data),
        took=duration(seconds_taken(data)),
    )  # fmt: skip
