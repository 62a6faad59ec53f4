"""What an attempt on one snapshot has found, to the documents of its last steps and the digest of what came out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from archetypes.explanation import explanation_of
from archetypes.reconciliation import Reconciled, document_sha256, findings_of, reconciliation_of, uncompared
from archetypes.step_output import digest_of, finished
from connectors.postgres_snapshot import ExportedSnapshot
from schemas.agent_output import LoadReport, ObjectName, Step, StepFinding, StepOutput, TableLoad, TableVerdict
from schemas.canonical_json import sha256_of
from schemas.errors import ParityError
from schemas.plan import MigrationPlan, PlanTable
from schemas.verdict import CompareResult, Reason

__all__ = ["Gathered", "explanation_document", "load_report", "reconciliation_document", "result_digest", "verdicts_of"]


@dataclass
class Gathered:
    """What one attempt on one snapshot has found; of no use on another one.

    Attributes:
        outputs: documents of the steps so far.
        loads, refused, reconciled: by the name of the table.
    """

    plan: MigrationPlan
    snapshot: ExportedSnapshot
    outputs: dict[Step, StepOutput]
    loads: dict[str, TableLoad] = field(default_factory=dict)
    refused: dict[str, ParityError] = field(default_factory=dict)
    reconciled: dict[str, Reconciled] = field(default_factory=dict)

    def result(self, name: str) -> CompareResult | None:
        """Return the comparison of a table, if there was one."""
        reconciled = self.reconciled.get(name)
        return reconciled.result if reconciled else None


def load_report(found: Gathered) -> StepOutput:
    """Return the document of the step migrate."""
    ordered = tuple(found.loads[table.name] for table in found.plan.tables if table.name in found.loads)
    return finished(
        "migrate",
        dataset=found.plan.schema_name,
        inputs=_inputs(found),
        result=LoadReport(pin=found.snapshot.pin, tables=ordered),
        findings=_not_loaded(found),
        status="PARTIAL" if found.refused else None,
    )


def verdicts_of(found: Gathered) -> dict[str, TableVerdict]:
    """Return the verdict on each table of the plan, in its order."""
    return {
        table.name: found.reconciled[table.name].verdict if table.name in found.reconciled else _unloaded(found, table)
        for table in found.plan.tables
    }


def reconciliation_document(found: Gathered) -> StepOutput:
    """Return the document of the step reconciliation."""
    plan, verdicts = found.plan, tuple(verdicts_of(found).values())
    told = findings_of({f"{plan.schema_name}.{name}": one for name, one in found.reconciled.items()})
    return finished(
        "reconciliation",
        dataset=plan.schema_name,
        inputs=_inputs(found) | {f"comparison {one.name.name}": one.result_sha256 for one in verdicts},
        result=reconciliation_of(verdicts),
        findings=[*_not_loaded(found), *told],
    )


def explanation_document(found: Gathered) -> StepOutput:
    """Return the document of the step explanation."""
    results = {name: one.result for name, one in found.reconciled.items() if one.result is not None}
    inputs = {f"comparison {name}": document_sha256(result) for name, result in results.items()}
    return finished(
        "explanation",
        dataset=found.plan.schema_name,
        inputs=inputs or _inputs(found),
        result=explanation_of(found.plan.schema_name, results),
    )


def result_digest(found: Gathered, verdicts: Mapping[str, TableVerdict]) -> str:
    """Return the digest of what came out: no file name, no snapshot, no time, which differ from run to run on the same data."""
    told = []
    for name, one in verdicts.items():
        result = found.result(name)
        counts = {key: value for key, value in one.document().items() if isinstance(value, int)}
        columns = result.columns if result else ()
        told.append(
            {
                **counts,
                "name": name,
                "verdict": one.verdict,
                "reasons": sorted({reason.code for reason in one.reasons}),
                "contract": one.contract_sha256,
                "columns": [[column.source, column.target, column.canonical_type, column.compared, column.changed] for column in columns],
            }
        )
    return sha256_of({"plan": found.plan.digest(), "tables": told})


def _inputs(found: Gathered) -> dict[str, str]:
    own = {"plan": found.plan.digest(), "snapshot": sha256_of(found.snapshot.pin)}
    return own | {step: digest_of(output) for step, output in found.outputs.items() if step in ("discovery", "profiling")}


def _not_loaded(found: Gathered) -> list[StepFinding]:
    return [
        StepFinding(code="table_not_loaded", severity="HIGH", object=f"{found.plan.schema_name}.{name}", text=str(error))
        for name, error in sorted(found.refused.items())
    ]


def _unloaded(found: Gathered, planned: PlanTable) -> TableVerdict:
    """A table that could not be loaded proves nothing; the error names the column."""
    error = found.refused[planned.name]
    reason = Reason(code="not_loaded", text=f"{error.message} {error.hint or ''}".strip())
    name = ObjectName(schema_name=found.plan.schema_name, name=planned.name)
    return uncompared(name, "INCONCLUSIVE", (reason,), found.snapshot.pin, planned.comparison())
