"""A published table to its verdict: both sides are read live, the source on the snapshot of the load, the target by its manifest."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from archetypes.migrate import SourceTable, table_of
from connectors.base import OpenedTable
from connectors.objects import CorruptObjectError, ObjectStore
from connectors.postgres import PostgresDoor
from connectors.publishing import Fault, current_version, verify_published
from engine.portable_sql import quote_identifier
from policy.coercion import load_rules, rule_for
from schemas.agent_output import ObjectName, ReconciliationResult, StepFinding, TableVerdict
from schemas.canonical_json import sha256_of
from schemas.coercion import Coercion, NativeType
from schemas.contract import Contract
from schemas.errors import ConnectorError, EngineError, InputError, MissingTableError, TransientConnectorError
from schemas.plan import PlanTable
from schemas.verdict import CompareResult, Reason, Verdict

__all__ = [
    "Comparing",
    "Reconciled",
    "document_sha256",
    "findings_of",
    "reconcile_table",
    "reconciliation_of",
    "still_proven",
    "uncompared",
    "worst",
]

_WORST_LAST: tuple[Verdict, ...] = ("PASS", "PASS_WITH_RULES", "SAMPLED_PASS", "INCONCLUSIVE", "FAIL")
_ALL_PPM = 1_000_000
_SHOWN = 5
_PRINTED = {"parity": "as printed"}  # in place of the mark of char(n); PySpark takes empty metadata for none given


Comparing = Callable[[OpenedTable, str, Contract], CompareResult]
"""A source that is open already, the URI of the target and the contract to the document of their comparison."""


@dataclass(frozen=True)
class Reconciled:
    """The verdict on one table, and what it rests on.

    Attributes:
        result: of the comparison; None where the target could not be read.
        faults: files of the target that are not as they were published.
    """

    verdict: TableVerdict
    result: CompareResult | None
    faults: tuple[Fault, ...] = ()


def reconcile_table(
    spark: SparkSession,
    source: SourceTable,
    planned: PlanTable,
    store: ObjectStore,
    compare: Comparing,
    *,
    manifest_sha256: str | None = None,
) -> Reconciled:
    """Compare a table with what is published of it, then make sure that its files are those that were published.

    The files are looked at last: when they are what the manifest says after the comparison, and the comparison saw no change,
    then it read exactly them. A file that cannot be read any more is told by name.

    Args:
        compare: see Comparing.
        manifest_sha256: of the manifest that the load returned, where it is known.

    Raises:
        ParityError: the comparison could not be carried out although the target is as it was published.
    """
    table = table_of(planned)
    try:
        published = current_version(store, table)
        if published is None:
            raise MissingTableError(f"{store.uri(table)}: no version of {source.name} is published there.", object=str(source.name))
    except (MissingTableError, CorruptObjectError) as error:
        return _unread(source, planned, error.message, ())
    contract = _contract(planned, folders=published.manifest.rows != 0)
    opened = _exactly(PostgresDoor(_types(source)).open_on(spark, source.login, source.snapshot, source.name))
    try:
        result = compare(opened, f"parquet:{published.spark_path}", contract)
    except (ConnectorError, EngineError, InputError) as error:
        if isinstance(error, TransientConnectorError):
            raise
        faults = verify_published(store, table, manifest_sha256=manifest_sha256)
        if not faults:
            raise
        return _unread(source, planned, error.message, faults)
    faults = verify_published(store, table, manifest_sha256=manifest_sha256)
    return Reconciled(_verdict(source, result, faults), result, faults)


def still_proven(store: ObjectStore, planned: PlanTable, verdict: TableVerdict, manifest_sha256: str) -> bool:
    """Return whether a verdict of an earlier attempt on the same snapshot stands: nothing was different, and every file is as it was."""
    passed = verdict.verdict in ("PASS", "PASS_WITH_RULES")
    try:
        return passed and not verify_published(store, table_of(planned), manifest_sha256=manifest_sha256)
    except (MissingTableError, CorruptObjectError):
        return False


def reconciliation_of(verdicts: Sequence[TableVerdict]) -> ReconciliationResult:
    """Return the result of the step: as bad as the worst table."""
    return ReconciliationResult(verdict=worst([one.verdict for one in verdicts]), tables=tuple(verdicts))


def worst(verdicts: Sequence[Verdict]) -> Verdict:
    """Return the worst of some verdicts; INCONCLUSIVE where there is none."""
    return max(verdicts, key=_WORST_LAST.index, default="INCONCLUSIVE")


def uncompared(name: ObjectName, verdict: Verdict, reasons: tuple[Reason, ...], pin: str, contract: Contract) -> TableVerdict:
    """Return the verdict on a table that could not be compared: of its rows nothing is known."""
    return TableVerdict(
        origin="full_scan",
        name=name,
        verdict=verdict,
        reasons=reasons,
        source_rows=0,
        target_rows=0,
        matched=0,
        rows_ppm=0,
        columns_ppm=0,
        partitions_ppm=0,
        source_pin=pin,
        target_pin=None,
        contract_sha256=contract.digest(),
        result_sha256=sha256_of([reason.document() for reason in reasons]),
    )


def document_sha256(result: CompareResult) -> str:
    """Return the digest of a comparison's document, its timings left out."""
    return sha256_of({name: value for name, value in result.document().items() if name != "timings"})


def findings_of(reconciled: Mapping[str, Reconciled]) -> tuple[StepFinding, ...]:
    """Return what a person should know besides the verdicts: files that changed, and what the comparisons found."""
    found = []
    for name, one in sorted(reconciled.items()):
        found += [StepFinding(code=f"file_{fault.kind}", severity="CRITICAL", object=name, text=fault.text) for fault in one.faults]
        for finding in one.result.findings if one.result else ():
            where = f"{name}.{finding.column}" if finding.column else name
            found.append(StepFinding(code=finding.class_, severity=finding.severity, object=where, text=finding.text))
    return tuple(found)


def _exactly(opened: OpenedTable) -> OpenedTable:
    """Padding of `char(n)` is no matter of taste here: the load wrote the blanks, so they must be there.

    Nor is it dear to read a table twice that will hardly ever be: the load wrote what it read, so one scan of sums decides nearly always.
    """
    names = [F.col(quote_identifier("spark", field.name)).alias(field.name, metadata=_PRINTED) for field in opened.rows.schema.fields]
    return replace(opened, rows=opened.rows.select(*names), dear=False)


def _contract(planned: PlanTable, *, folders: bool) -> Contract:
    """The contract of the plan; what it does not say of the target is known here, since the load wrote it.

    Args:
        folders: there are some; of no rows none is made.
    """
    targets = {column.target_name: column.target_type for column in planned.written() if column.name in planned.partition_by}
    own = {"calendar": "proleptic"}
    typed = [f"{name}:{kind}" for name, kind in targets.items() if kind != "string"]
    if typed and folders:
        own["partition_types"] = ",".join(typed)
    contract = planned.comparison()
    return contract.model_copy(update={"target_options": {**own, **contract.target_options}})


def _types(source: SourceTable) -> Callable[[NativeType, str], Coercion]:
    """Columns are read as the load reads them; those that it leaves out, by the first rule that matches."""
    chosen = {column.name: column.coercion for column in source.columns}

    def choice(native: NativeType, column: str) -> Coercion:
        return chosen[column] if column in chosen else rule_for(native, None, load_rules(), column=column)

    return choice


def _verdict(source: SourceTable, result: CompareResult, faults: tuple[Fault, ...]) -> TableVerdict:
    counts, coverage = result.counts, result.coverage
    return TableVerdict(
        origin="sample" if result.verdict == "SAMPLED_PASS" else "full_scan",
        name=_name(source),
        verdict="FAIL" if faults else result.verdict,
        reasons=(*_reasons(faults), *result.reasons),
        source_rows=counts.source_rows,
        target_rows=counts.target_rows,
        matched=counts.matched,
        matched_by_rule=counts.matched_by_rule,
        changed=counts.changed,
        missing=counts.missing,
        extra=counts.extra,
        rows_ppm=_ppm(coverage.rows),
        columns_ppm=_ppm(coverage.columns),
        partitions_ppm=_ppm(coverage.partitions),
        source_pin=result.inputs.source.pin,
        target_pin=result.inputs.target.pin,
        contract_sha256=result.contract_sha256,
        result_sha256=document_sha256(result),
    )


def _unread(source: SourceTable, planned: PlanTable, why: str, faults: tuple[Fault, ...]) -> Reconciled:
    """The verdict on a target that is gone or broken: it was published whole, so this is a difference."""
    reasons = (*_reasons(faults), Reason(code="target_unreadable", text=why))
    return Reconciled(uncompared(_name(source), "FAIL", reasons, source.snapshot.pin, _contract(planned, folders=True)), None, faults)


def _reasons(faults: tuple[Fault, ...]) -> tuple[Reason, ...]:
    told = tuple(Reason(code=f"file_{fault.kind}", text=fault.text) for fault in faults[:_SHOWN])
    more = len(faults) - len(told)
    return (*told, Reason(code="file_changed", text=f"{more} more files are not as they were published.")) if more > 0 else told


def _name(source: SourceTable) -> ObjectName:
    return ObjectName(schema_name=source.name.schema, name=source.name.name)


def _ppm(share: float) -> int:
    return int(share * _ALL_PPM)
