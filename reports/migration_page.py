"""A migration to one page: every table with its verdict, and the way to the report of each comparison."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass

from markupsafe import Markup

from reports import view
from reports.figures import bytes_text, count, duration
from schemas.verdict import Severity, Verdict

__all__ = ["Fault", "MigrationPage", "StepRow", "TableRow", "render_migration"]

_STYLE = "report.css"
_TITLES: dict[str, str] = {
    "PASS": "Pass",
    "PASS_WITH_RULES": "Pass with rules",
    "SAMPLED_PASS": "Sampled pass",
    "FAIL": "Fail",
    "INCONCLUSIVE": "Inconclusive",
}


@dataclass(frozen=True)
class Fault:
    """What a person should know: a finding of a step."""

    severity: Severity
    object: str
    text: str


@dataclass(frozen=True)
class TableRow:
    """One table.

    Attributes:
        report: link to its comparison, relative to the page; None where there was none.
        why: reasons of the verdict.
        causes: best hypotheses, where it differs.
    """

    name: str
    path: str
    verdict: Verdict
    source_rows: int
    target_rows: int
    differing: int
    bytes: int
    files: int
    seconds: float
    why: tuple[str, ...]
    causes: tuple[str, ...] = ()
    report: str | None = None

    @property
    def speed(self) -> str:
        return f"{count(round(self.source_rows / self.seconds))} rows/s" if self.seconds else "–"

    @property
    def size(self) -> str:
        return bytes_text(self.bytes) if self.files else "–"

    @property
    def title(self) -> str:
        return _TITLES[self.verdict]


@dataclass(frozen=True)
class StepRow:
    """One step: its status, how long it took, and the digest of its document."""

    name: str
    status: str
    seconds: float
    sha256: str

    @property
    def took(self) -> str:
        return duration(self.seconds)


@dataclass(frozen=True)
class MigrationPage:
    """Everything the page shows; plain values only.

    Attributes:
        pin: of the source.
        questions: open ones of the plan, with their table.
        views: of the source: name, and where its translation is or why there is none.
    """

    verdict: Verdict
    source: str
    schema: str
    target: str
    pin: str
    plan_sha256: str
    result_sha256: str
    seconds: float
    tables: tuple[TableRow, ...]
    steps: tuple[StepRow, ...] = ()
    findings: tuple[Fault, ...] = ()
    questions: tuple[tuple[str, str], ...] = ()
    views: tuple[tuple[str, str], ...] = ()

    @property
    def title(self) -> str:
        return _TITLES[self.verdict]

    @property
    def sentence(self) -> str:
        """What came out, in one sentence."""
        told = {one: sum(table.verdict == one for table in self.tables) for one in _TITLES}
        passed = told["PASS"] + told["PASS_WITH_RULES"] + told["SAMPLED_PASS"]
        parts = [f"{count(passed)} of {count(len(self.tables))} tables in the target hold what the source held"]
        parts += [f"{count(told['FAIL'])} differ"] if told["FAIL"] else []
        parts += [f"of {count(told['INCONCLUSIVE'])} it is not known"] if told["INCONCLUSIVE"] else []
        return ", ".join(parts) + "."

    @property
    def rows(self) -> int:
        return sum(table.source_rows for table in self.tables)

    @property
    def size(self) -> str:
        return bytes_text(sum(table.bytes for table in self.tables))

    @property
    def took(self) -> str:
        return duration(self.seconds)


def render_migration(page: MigrationPage) -> str:
    """Return the page; its Content-Security-Policy allows nothing but its own style, by hash."""
    style = view.read(_STYLE)
    digest = base64.b64encode(hashlib.sha256(style.encode("utf-8")).digest()).decode("ascii")
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    return view.environment().get_template("migration.html").render(page=page, policy=policy, style=Markup(style))
