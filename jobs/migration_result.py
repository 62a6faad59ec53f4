"""What a run has found, to `result.json` and to the page of all tables."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from archetypes.mapping import TABLES, discovered, shown
from archetypes.reconciliation import worst
from archetypes.step_output import load, path_of
from connectors.postgres_address import TableName
from connectors.publishing import folder_name
from jobs.compare import VERSION
from jobs.migration_outcome import Gathered
from jobs.migration_status import STEPS, RunState, Workdir
from reports.causes import entries
from reports.figures import plural, share
from reports.migration_page import Fault, MigrationPage, StepRow, TableRow
from schemas.agent_output import RewriteResult, Step, StepOutput, TableLoad, TableVerdict
from schemas.plan import MigrationPlan, PlanTable
from schemas.verdict import EXIT_CODES, CompareResult, Verdict

__all__ = ["Told", "comparison_path"]

_SHOWN_CAUSES = 5
_SHOWN_COLUMNS = 5
_COUNTED = ("changed", "missing", "extra")  # reasons that the counts beside them say as well


def comparison_path(workdir: Workdir, name: str, ending: str) -> Path:
    """Return where the comparison of a table is kept."""
    return workdir.comparisons / f"{folder_name(name)}{ending}"


@dataclass(frozen=True)
class Told:
    """A run that has a verdict, as people and machines are told of it.

    Attributes:
        report: place of the page; links on it are relative to that.
        seconds: that this attempt took.
    """

    found: Gathered
    verdicts: Mapping[str, TableVerdict]
    state: RunState
    workdir: Workdir
    report: Path
    result_sha256: str
    seconds: float

    @property
    def verdict(self) -> Verdict:
        """As bad as that of the worst table."""
        return worst([one.verdict for one in self.verdicts.values()])

    def document(self) -> dict[str, Any]:
        """Return what stands in `result.json`."""
        plan = self.found.plan
        return {
            "_type": "parity.migration_result.v1",
            "verdict": self.verdict,
            "exit_code": EXIT_CODES[self.verdict],
            "result_sha256": self.result_sha256,
            "plan_sha256": plan.digest(),
            "source": plan.source,
            "schema": plan.schema_name,
            "target": plan.target,
            "pin": self.found.snapshot.pin,
            "attempts": self.state.attempts,
            "seconds": round(self.seconds, 3),
            "tables": [self._table(planned) for planned in plan.tables],
            "steps": {step: self.state.steps[step].document() for step in STEPS if step in self.state.steps},
            "versions": {"parity": VERSION},
        }

    def page(self) -> MigrationPage:
        """Return what the page shows."""
        plan, workdir = self.found.plan, self.workdir
        documents = [output for step in STEPS if (output := self._output(step)) is not None]
        elsewhere = _elsewhere(plan, self.found.outputs["discovery"])
        told = (one for output in documents for one in output.findings if not f"{one.object}.".startswith(elsewhere))
        faults = (Fault(one.severity, one.object, self._short(one.text)) for one in told)
        return MigrationPage(
            verdict=self.verdict,
            source=plan.source,
            schema=plan.schema_name,
            target=plan.target,
            pin=self.found.snapshot.pin,
            plan_sha256=plan.digest(),
            result_sha256=self.result_sha256,
            seconds=self.seconds,
            tables=tuple(self._row(planned) for planned in plan.tables),
            resume=("parity", "run", shlex.quote(str(workdir.plan)), "--workdir", shlex.quote(str(workdir.folder)), "--resume"),
            steps=tuple(
                StepRow(step, done.status, done.seconds, done.sha256) for step in STEPS if (done := self.state.steps.get(step)) is not None
            ),
            findings=tuple(dict.fromkeys(faults)),
            questions=tuple((table.name, text) for table in plan.tables for text in table.questions),
            views=_views(self._output("rewrite")),
        )

    def _table(self, planned: PlanTable) -> dict[str, Any]:
        load = self.found.loads.get(planned.name)
        compared = self.found.result(planned.name)
        return {
            **self.verdicts[planned.name].document(),
            "name": planned.name,
            "path": planned.path,
            "load": _loaded(load, self.state.tables[planned.name].seconds) if load else None,
            "comparison": f"comparisons/{folder_name(planned.name)}.json" if compared else None,
        }

    def _output(self, step: Step) -> StepOutput | None:
        """Return the document of a step, be it of an earlier attempt."""
        if step in self.found.outputs:
            return self.found.outputs[step]
        return load(path_of(step, self.workdir.outputs)) if step in self.state.steps else None

    def _row(self, planned: PlanTable) -> TableRow:
        name, one, state = planned.name, self.verdicts[planned.name], self.state.tables[planned.name]
        reconciled, load, refused = self.found.reconciled.get(name), self.found.loads.get(name), self.found.refused.get(name)
        result = self.found.result(name)
        page = os.path.relpath(comparison_path(self.workdir, name, ".html").absolute(), self.report.absolute().parent)
        return TableRow(
            name=name,
            path=planned.path,
            verdict=one.verdict,
            source_rows=one.source_rows,
            target_rows=one.target_rows,
            differing=one.changed + one.missing + one.extra,
            bytes=load.bytes if load else state.bytes,
            files=len(load.files) if load else state.files,
            seconds=state.seconds,
            why=tuple(self._short(reason.text) for reason in one.reasons if not (result and reason.code in _COUNTED)),
            differs=_differs(result) if result else "",
            causes=_causes(result) if result else (),
            damaged=bool(reconciled and (reconciled.faults or result is None)),
            remedy=(refused.hint if refused else None) or "",
            report=quote(page) if result else None,
        )

    def _short(self, text: str) -> str:
        """Files of the target are named from there on: the page says where that is."""
        return text.replace(f"{self.found.plan.target.rstrip('/')}/", "")


def _loaded(load: TableLoad, seconds: float) -> dict[str, Any]:
    return {
        "read": load.read,
        "written": load.written,
        "rejected": load.rejected,
        "bytes": load.bytes,
        "files": len(load.files),
        "seconds": round(seconds, 3),
        "rows_per_s": round(load.read / seconds) if seconds else None,
    }


def _differs(result: CompareResult) -> str:
    """Say which columns differ, most cells first, and how many rows are on one side only; nothing where none is."""
    columns = sorted((column for column in result.columns if column.changed), key=lambda column: -column.changed)
    parts = [f"{column.source or column.target} in {plural(column.changed, 'row')}" for column in columns[:_SHOWN_COLUMNS]]
    parts += [f"{plural(len(columns) - _SHOWN_COLUMNS, 'more column')}"] if len(columns) > _SHOWN_COLUMNS else []
    counts = ((result.counts.missing, "missing"), (result.counts.extra, "extra"))
    return ", ".join([*parts, *(f"{plural(number, 'row')} {what}" for number, what in counts if number)])


def _causes(result: CompareResult) -> tuple[tuple[str, str], ...]:
    told = sorted((entry for entry in entries(result) if entry.explanation.share), key=lambda entry: entry.explanation.role == "place")
    places = {result.explanations[entry.explanation.place].statement for entry in told if entry.explanation.place is not None}
    return tuple(
        (share(one.explanation.share), f"{one.explanation.statement.partition(' Explains ')[0]} {one.where}".rstrip())
        for one in told
        if one.explanation.statement not in places  # it is told with the mechanism whose rows lie there
    )[:_SHOWN_CAUSES]


def _elsewhere(plan: MigrationPlan, discovery: StepOutput) -> tuple[str, ...]:
    """Return how the findings begin that are about tables outside the plan, and about their columns."""
    planned, found = {table.name for table in plan.tables}, discovered(discovery)
    inside = {part.name for one in found.objects if one.name.name in planned for part in one.partitions}
    others = [one.name for one in found.objects if one.kind in TABLES and one.name.name not in planned and one.name not in inside]
    return tuple(
        f"{written}." for name in others for written in (str(TableName(name.schema_name, name.name)), shown(name.schema_name, name.name))
    )


def _views(rewritten: StepOutput | None) -> tuple[tuple[str, str], ...]:
    if rewritten is None or not isinstance(rewritten.result, RewriteResult):
        return ()
    return tuple((f"{one.name.schema_name}.{one.name.name}", one.path or one.reason or "") for one in rewritten.result.views)
