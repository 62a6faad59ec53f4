"""A migration to one page: every table with its verdict, and the way to the report of each comparison."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from reports import view
from reports.advice import Step
from reports.escape import crop
from reports.figures import bytes_text, count, duration, plural
from schemas.verdict import Severity, Verdict

__all__ = ["Fault", "MigrationPage", "StepRow", "TableRow", "listed", "render_migration"]

_STYLE = "report.css"
_TITLES: dict[str, str] = {
    "PASS": "Pass",
    "PASS_WITH_RULES": "Pass with rules",
    "SAMPLED_PASS": "Sampled pass",
    "FAIL": "Fail",
    "INCONCLUSIVE": "Inconclusive",
}
_WORST_FIRST: tuple[Verdict, ...] = ("FAIL", "INCONCLUSIVE", "SAMPLED_PASS", "PASS_WITH_RULES", "PASS")
_QUIET = ("LOW", "INFO")
_SHOWN = 3


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
        differing: rows.
        report: link to its comparison, relative to the page; None where there was none.
        why: reasons of the verdict.
        differs: which columns differ in how many rows, and how many rows are missing or extra.
        causes: best hypotheses where it differs: the share of the differing rows that each explains, and what it says.
        damaged: files of the target are not as they were published, or cannot be read.
        remedy: of a table that was not loaded.
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
    differs: str = ""
    causes: tuple[tuple[str, str], ...] = ()
    damaged: bool = False
    remedy: str = ""
    report: str | None = None

    @property
    def passed(self) -> bool:
        return self.verdict not in ("FAIL", "INCONCLUSIVE")

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
        resume: the call that goes on with this run, as words.
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
    resume: tuple[str, ...] = ()
    steps: tuple[StepRow, ...] = ()
    findings: tuple[Fault, ...] = ()
    questions: tuple[tuple[str, str], ...] = ()
    views: tuple[tuple[str, str], ...] = ()

    @property
    def title(self) -> str:
        return _TITLES[self.verdict]

    @property
    def sentence(self) -> str:
        """What came out, in one sentence; what is wrong comes first, by name."""
        failed = [table.name for table in self.tables if table.verdict == "FAIL"]
        unknown = [table.name for table in self.tables if table.verdict == "INCONCLUSIVE"]
        passed = len(self.tables) - len(failed) - len(unknown)
        parts = [f"{listed(failed)} {'differs' if len(failed) == 1 else 'differ'} from the source"] if failed else []
        parts += [f"of {listed(unknown)} it is not known"] if unknown else []
        parts += [f"{count(passed)} of {count(len(self.tables))} tables in the target hold what the source held"]
        return "; ".join(parts) + "."

    @property
    def ordered(self) -> tuple[TableRow, ...]:
        """The tables, the worst first."""
        return tuple(sorted(self.tables, key=lambda table: _WORST_FIRST.index(table.verdict)))

    @property
    def grave(self) -> tuple[Fault, ...]:
        """Findings that a person should read, without those that stand with their table already."""
        told = {text for table in self.tables for text in table.why}
        return tuple(one for one in self.findings if one.severity not in _QUIET and one.text not in told)

    @property
    def quiet(self) -> tuple[Fault, ...]:
        return tuple(one for one in self.findings if one.severity in _QUIET)

    @property
    def advice(self) -> tuple[Step, ...]:
        """What to do, most useful first."""
        damaged = [table.name for table in self.tables if table.verdict == "FAIL" and table.damaged]
        differing = [table.name for table in self.tables if table.verdict == "FAIL" and not table.damaged]
        unloaded = [table for table in self.tables if table.verdict == "INCONCLUSIVE" and not table.report]
        unknown = [table.name for table in self.tables if table.verdict == "INCONCLUSIVE" and table.report]
        steps = []
        if damaged:
            why = "Files of it are not as they were published. Find out who writes there, then let it be loaded and proven again."
            steps.append(Step(f"Load {listed(damaged)} again", why, words=self.resume))
        if differing:
            why = (
                "The files are as they were published, and yet they do not hold what the source holds. Its report says why, and what helps."
            )
            steps.append(Step(f"Read the report of {listed(differing)}", why))
        steps += [Step(f"{table.name} was not loaded", table.remedy) for table in unloaded[:_SHOWN]]
        if unknown:
            steps.append(
                Step(f"Read the report of {listed(unknown)}", "It says what could not be proven, and what is missing for a proof.")
            )
        if self.questions:
            why = "The plan was carried out as it is written; the questions are below. Who changes it runs it in another folder."
            steps.append(Step(f"Answer {plural(len(self.questions), 'open question')} of the plan", why))
        return tuple(steps) or (Step("Nothing to do", "Keep the folder of this run as evidence."),)

    @property
    def rows(self) -> int:
        return sum(table.source_rows for table in self.tables)

    @property
    def size(self) -> str:
        return bytes_text(sum(table.bytes for table in self.tables))

    @property
    def took(self) -> str:
        return duration(self.seconds)


def listed(names: Sequence[str]) -> str:
    """Return some names, as far as a sentence can hold them.

    >>> listed(["a"]), listed(["a", "b", "c"]), listed(["a", "b", "c", "d"])
    ('a', 'a, b and c', 'a, b, c and 1 more')
    """
    shown = [crop(name, 80) for name in names[:_SHOWN]]
    if len(names) > _SHOWN:
        return f"{', '.join(shown)} and {len(names) - _SHOWN} more"
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)


def render_migration(page: MigrationPage) -> str:
    """Return the page; its Content-Security-Policy allows nothing but its own style, by hash."""
    style = view.read(_STYLE)
    digest = base64.b64encode(hashlib.sha256(style.encode("utf-8")).digest()).decode("ascii")
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    return view.environment().get_template("migration.html").render(page=page, policy=policy, style=Markup(style))
