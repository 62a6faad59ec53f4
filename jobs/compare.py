"""Two datasets to a verdict: `from jobs.compare import compare`, and `spark-submit jobs/compare.py SOURCE TARGET …`."""

from __future__ import annotations

import platform
import shutil
import sys
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pyspark
from py4j.protocol import Py4JError
from pyspark import inheritable_thread_target
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from connectors import open_table, translate_spark_error
from connectors.base import OpenedTable
from connectors.copies import are_copies
from connectors.memory import from_dataframe
from engine.columns import ColumnPlan, Side, plan_columns
from engine.differences import difference_cells, extra_rows, missing_rows
from engine.evidence import display_text, evidence_of
from engine.explain import Explained, explained
from engine.frames import SideFrames, quoted
from engine.reconcile import Progress, Reconciliation, Request, reconcile
from engine.sampling import parse_rate
from engine.uniqueness import distinct_keys
from jobs.canary import canary
from jobs.comparison import Comparison, Differences
from jobs.findings import findings_of
from jobs.masking import classifications, masker
from jobs.narrowing import filtered, sampled
from jobs.report_data import report_data
from jobs.request import build_contract, check_predicate
from jobs.results import cast_texts, cells_changed, column_results, input_result, reasons_unproven
from jobs.session import SessionEvidence, build_session, pinned, planned_for, still_pinned
from policy.coercion import load_rules, rule_for
from policy.coverage import CoverageFacts, coverage
from policy.severity import rated
from policy.verdict import SampleFact, VerdictFacts, judge
from schemas.coercion import Coercion, NativeType
from schemas.contract import Contract
from schemas.errors import ConfigError
from schemas.verdict import (
    CompareResult,
    Counts,
    Explanation,
    Finding,
    Inputs,
    PlanChoice,
    Reason,
    RuleCount,
)

__all__ = ["compare"]

VERSION = "0.1.0"
_ONE_PASS_BYTES = 64 * 1024 * 1024
_TOTAL_SAMPLE = 2**32
_DECLARED = {"parquet", "orc", "avro"}  # formats whose files say what they hold; in text, a broken line shows only when it is read


def compare(
    source: DataFrame | OpenedTable | str,
    target: DataFrame | OpenedTable | str,
    keys: str | Iterable[str] | None = None,
    *,
    mapping: Mapping[str, str] | None = None,
    columns: str | Iterable[str] | None = None,
    exclude: str | Iterable[str] | None = None,
    rules: Mapping[str, Any] | None = None,
    tolerance: Mapping[str, str] | None = None,
    where: str | None = None,
    sample: str | float | None = None,
    strength: str | None = None,
    expect_empty: bool | None = None,
    contract: Contract | str | Path | None = None,
    source_options: Mapping[str, str] | None = None,
    target_options: Mapping[str, str] | None = None,
    diffs: str | Path | None = None,
    spark: SparkSession | None = None,
    show_values: bool = False,
    progress: Progress = lambda phase: None,
) -> Comparison:
    """Return whether two datasets are the same, and every difference, located and explained.

    Args:
        source: the side trusted: a DataFrame, or a URI such as `parquet:/data/orders`, `delta:/data/orders@v12`.
        target: the side under test, of either form. A recipe may also give a side that it has opened itself, and the session with it.
        keys: columns that name a row, by source name. None: the catalog's primary key, else keyless; empty: keyless.
        mapping: source name to target name, where they differ.
        columns: compare these only, besides the key.
        exclude: leave these out.
        rules: column to normalisers, such as `{"name": "rtrim,nfc"}`; `source.` or `target.` before the column limits them.
        tolerance: column to `abs:0.01,rel:1e-6`, or a duration `abs:2s`.
        where: predicate over source names, for both sides.
        sample: share of the keys, `"1%"`, `"1/64"`, `0.01`.
        strength: of the row hash, `64` (default), `128`, `sha256`.
        expect_empty: two empty sides are then a PASS.
        contract: a contract, or the path of one; arguments that contradict it are an error.
        source_options, target_options: options of the format, such as `{"header": "false"}`.
        diffs: folder that receives all differences as Parquet; it must not exist yet, or be empty.
        spark: the session; None: that of the DataFrames, the running one, or a new local one.
        show_values: personal data is shown in reports; else values of such columns are masked there.
        progress: called with the name of each phase.

    Returns:
        The comparison. Cost: equal data, one scan per side; see `engine.reconcile`.

    Raises:
        ConfigError, InputError: the request is wrong or does not fit the tables (exit 2).
        ConnectorError, EngineError: it could not be carried out (exit 3).
    """
    _refuse_kinds(
        names={"keys": keys, "columns": columns, "exclude": exclude},
        mappings={
            "mapping": mapping,
            "rules": rules,
            "tolerance": tolerance,
            "source_options": source_options,
            "target_options": target_options,
        },
        paths={"contract": None if isinstance(contract, Contract) else contract, "diffs": diffs},
    )
    described = build_contract(
        contract,
        keys=keys,
        mapping=None if mapping is None else dict(mapping),
        columns=columns,
        exclude=exclude or None,
        rules=None if rules is None else dict(rules),
        tolerance=None if tolerance is None else dict(tolerance),
        where=where,
        sample=None if sample is None else str(sample),
        strength=None if strength is None else str(strength),
        expect_empty=expect_empty,
        source_options=None if source_options is None else dict(source_options),
        target_options=None if target_options is None else dict(target_options),
    )
    if described.where is not None:
        check_predicate(described.where)
    folder = _free_folder(diffs)
    session = _session(source, target, spark)
    planned = planned_for(session, rules=bool(described.rules))
    try:
        with pinned(session, caller_frames=isinstance(source, DataFrame) or isinstance(target, DataFrame)) as evidence, planned:
            return _Run(session, evidence, described, folder, show_values, progress).outcome(source, target)
    except (PySparkException, Py4JError) as error:
        raise translate_spark_error(error, "the comparison") from error


def _refuse_kinds(names: Mapping[str, object], mappings: Mapping[str, object], paths: Mapping[str, object]) -> None:
    """Refuse arguments of another kind than `compare` takes; a text where a mapping belongs is what a command line would take."""
    for name, value in names.items():
        if value is None or isinstance(value, (str, Iterator)):  # an iterator can be read once only, and not here
            continue
        if not isinstance(value, Collection) or isinstance(value, Mapping) or not all(isinstance(one, str) for one in value):
            raise ConfigError(f"{name}: names of columns are wanted, not {_kind_of(value)}.", object=name, hint=f'Write {name}=["id"].')
    for name, value in mappings.items():
        if value is not None and not isinstance(value, Mapping):
            raise ConfigError(f"{name}: a dictionary is wanted, not {_kind_of(value)}.", object=name, hint=f'Write {name}={{"…": "…"}}.')
    for name, value in paths.items():
        if value is not None and not isinstance(value, (str, Path)):
            raise ConfigError(f"{name}: a path is wanted, not {_kind_of(value)}.", object=name)


def _kind_of(value: object) -> str:
    return f"{type(value).__name__} {value!r}" if isinstance(value, (int, float, str)) else type(value).__name__


def _free_folder(diffs: str | Path | None) -> str | None:
    """Return where the differences go; a folder that holds something is refused before anything is read."""
    if diffs is None:
        return None
    folder = str(diffs)
    if "://" not in folder:
        path = Path(folder)
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise ConfigError(
                f"--diffs {folder}: something is there already.", object=folder, hint="Name a folder that does not exist yet."
            )
    return folder


def _session(source: DataFrame | OpenedTable | str, target: DataFrame | OpenedTable | str, spark: SparkSession | None) -> SparkSession:
    frames = [side for side in (source, target) if isinstance(side, DataFrame)]
    sessions = {id(frame.sparkSession): frame.sparkSession for frame in frames}
    if len(sessions) > 1:
        raise ConfigError("source and target belong to two Spark sessions.", hint="Read both with one session.")
    if sessions:
        return next(iter(sessions.values()))
    locations = [side for side in (source, target) if isinstance(side, str)]
    return spark or SparkSession.getActiveSession() or build_session("parity compare", locations=locations)


@dataclass(frozen=True)
class _Run:
    """One call of `compare`, from its inputs to its outcome."""

    session: SparkSession
    evidence: SessionEvidence
    contract: Contract
    folder: str | None
    show_values: bool
    progress: Progress

    def outcome(self, source: DataFrame | OpenedTable | str, target: DataFrame | OpenedTable | str) -> Comparison:
        """Compare, with the canary singing beside: nothing is said before it has answered."""
        with ThreadPoolExecutor(1) as beside:
            self.progress("canary")
            sings = beside.submit(inheritable_thread_target(self.session)(canary), self.session, self.contract.strength)
            return self._found(source, target, sings)

    def _found(self, source: DataFrame | OpenedTable | str, target: DataFrame | OpenedTable | str, sings: Future[None]) -> Comparison:
        started = time.perf_counter()
        self.progress("opening")
        opened = (self._open(source, "source"), self._open(target, "target"))
        still_pinned(self.session)
        opening_s = time.perf_counter() - started
        contract = self._with_keys(opened)
        plan = plan_columns(_side(opened[0], "source"), _side(opened[1], "target"), contract)
        _keyless_limits(contract, plan)
        sides, totals = self._frames(opened, plan, contract)
        found = self._reconciled(sides, opened, contract)
        sings.result()
        if self.folder is not None:
            self.progress("storing differences")
            _store(difference_cells(found, plan), self.folder)
        self.progress("explaining")
        looked = time.perf_counter()
        findings = [*opened[0].findings, *(one for one in opened[1].findings if one not in opened[0].findings)]
        findings += findings_of(plan, sides, found)
        reasons = [*opened[0].blockers, *opened[1].blockers, *reasons_unproven(plan, opened, found, contract)]
        for table, total, rows in zip(opened, totals, (found.counts["source_rows"], found.counts["target_rows"]), strict=True):
            reasons += table.complete(rows if total is None else total)
        reasons += [*opened[0].still_holds(), *opened[1].still_holds()]
        evidence = evidence_of(found, plan, [*opened[0].partition_columns, *opened[1].partition_columns])
        texts = {column.name: column for column in plan.compared}
        profiles = classifications(evidence, contract, lambda name, value: display_text(value, texts[name]))
        hide = None if self.show_values else masker(profiles)
        differing = any(found.counts[name] for name in ("changed", "missing", "extra"))
        told = explained(evidence, mask=None if hide is None else hide.in_document) if differing else Explained()
        partitions = _partitions(opened[0], sides[0])
        now = time.perf_counter()
        timings = {"opening": opening_s, **found.seconds, "explaining": now - looked, "total": now - started}
        sample = _sample_fact(contract, plan, sides, found)
        result = self._result(opened, contract, plan, found, totals, sample, findings, reasons, told.explanations, partitions, timings)
        data = report_data(result, evidence, profiles, hide, plan, time.perf_counter() - started, told.causes)
        return Comparison(result, data, self._differences(found, plan), partial(pinned, self.session))

    def _open(self, side: DataFrame | OpenedTable | str, name: str) -> OpenedTable:
        options = self.contract.source_options if name == "source" else self.contract.target_options
        if isinstance(side, OpenedTable):
            return side
        if isinstance(side, DataFrame):
            if options:
                raise ConfigError(f"--{name}-options: a DataFrame takes no options.", object=f"--{name}-options")
            return from_dataframe(side, name)
        if not isinstance(side, str):
            raise ConfigError(f"{name}: a DataFrame or a URI is wanted, not {type(side).__name__}.", object=name)
        return open_table(self.session, side, options, side=name, types=_type_choice)

    def _with_keys(self, opened: tuple[OpenedTable, OpenedTable]) -> Contract:
        """Return the contract with the catalog's primary key where the call names none."""
        if self.contract.keys is not None:
            return self.contract
        declared = opened[0].primary_key
        if not declared and opened[1].primary_key:
            back = {theirs: ours for ours, theirs in self.contract.mapping.items()}
            declared = tuple(back.get(name, name) for name in opened[1].primary_key)
            if not set(declared) <= set(opened[0].rows.columns):
                declared = ()
        return self.contract.model_copy(update={"keys": tuple(declared)})

    def _frames(
        self, opened: tuple[OpenedTable, OpenedTable], plan: ColumnPlan, contract: Contract
    ) -> tuple[tuple[SideFrames, SideFrames], tuple[int | None, int | None]]:
        """Return both sides, filtered and sampled, and how many rows they have without that."""
        frames = []
        for table, on_source in zip(opened, (True, False), strict=True):
            rows = table.rows if contract.where is None else filtered(table, plan, contract.where, on_source=on_source)
            frames.append(SideFrames(rows, plan, on_source, contract.strength))
        if contract.where is None and contract.sample is None:
            return (frames[0], frames[1]), (None, None)
        totals = [int(table.rows.agg(F.count(F.lit(1)).alias("n")).collect()[0]["n"]) for table in opened]
        if contract.sample is not None:
            threshold = parse_rate(contract.sample)
            if threshold < _TOTAL_SAMPLE:
                frames = [sampled(frame, threshold) for frame in frames]
        return (frames[0], frames[1]), (totals[0], totals[1])

    def _reconciled(
        self, sides: tuple[SideFrames, SideFrames], opened: tuple[OpenedTable, OpenedTable], contract: Contract
    ) -> Reconciliation:
        reason = None
        if contract.strength == "sha256":
            reason = "sums of hashes can be forged, so every row is paired and compared by its SHA-256"
        elif _are_small_and_dear(opened):
            reason = "little to read, but dear: pairing all rows at once costs less than parsing or fetching them twice"
        return reconcile(Request(sides[0], sides[1], reason, self._as_copies(opened, contract)), self.progress)

    def _as_copies(self, opened: tuple[OpenedTable, OpenedTable], contract: Contract) -> str | None:
        """Return why both sides are known to be equal without a look at their rows; None where they are not."""
        schemes = {table.uri.partition(":")[0] for table in opened}
        one_way = len(schemes) == 1 and schemes <= _DECLARED and contract.source_options == contract.target_options
        narrowed = any((contract.where, contract.sample, contract.rules, contract.mapping))
        if not one_way or narrowed or opened[0].rows.schema != opened[1].rows.schema:
            return None
        self.progress("files")
        if not are_copies(opened[0], opened[1]):
            return None
        files = len(opened[0].stored)
        same = "the file of the target is that" if files == 1 else f"the {files:,} files of the target are those"
        return f"{same} of the source, byte for byte; only keys were read"

    def _result(
        self,
        opened: tuple[OpenedTable, OpenedTable],
        contract: Contract,
        plan: ColumnPlan,
        found: Reconciliation,
        totals: tuple[int | None, int | None],
        sample: SampleFact | None,
        findings: list[Finding],
        unproven: list[Reason],
        explanations: tuple[Explanation, ...],
        partitions: tuple[int, int],
        timings: Mapping[str, float],
    ) -> CompareResult:
        counts = Counts(
            **found.counts,
            source_rows_total=None if sample is None else totals[0],
            target_rows_total=None if sample is None else totals[1],
        )
        rules = tuple(
            RuleCount(column=plan.compared[position].name, rule=class_.removeprefix("normalised:"), rows=rows)
            for (position, class_), rows in sorted(found.rules.items())
        )
        not_compared = {*plan.missing, *plan.type_changed, *plan.unhashable}
        facts = VerdictFacts(
            counts=counts,
            columns_required=len(plan.compared) + len(not_compared),
            columns_compared=len(plan.compared),
            cells_changed=cells_changed(found),
            unproven=tuple(unproven),
            missing_columns=plan.missing,
            type_changed=plan.type_changed,
            extra_columns=plan.extra,
            excluded=contract.exclude,
            chosen=contract.columns,
            where=contract.where,
            sample=sample,
            cross_family_casts=tuple(cast_texts(plan)),
            rules=rules,
            expect_empty=contract.expect_empty,
            unique_keys=contract.unique_keys,
            findings=tuple(findings),
        )
        judgement = judge(facts)
        rows = counts.source_rows + counts.target_rows
        total = rows if totals[0] is None or totals[1] is None else totals[0] + totals[1]
        covered = CoverageFacts(
            rows_compared=rows,
            rows_total=total,
            columns_compared=len(plan.compared),
            columns_total=len(plan.compared) + len(not_compared) + len(plan.excluded) + len(plan.extra),
            partitions_compared=partitions[0],
            partitions_total=partitions[1],
            left_out=(f"rows outside the predicate {contract.where}",) if contract.where is not None else (),
            expect_empty=contract.expect_empty,
        )
        return CompareResult(
            verdict=judgement.verdict,
            exit_code=judgement.exit_code,
            reasons=judgement.reasons,
            counts=counts,
            coverage=coverage(covered),
            columns=tuple(column_results(plan, found, opened)),
            findings=rated(findings),
            rules=rules,
            explanations=explanations,
            inputs=Inputs(
                source=input_result(opened[0], totals[0], counts.source_rows),
                target=input_result(opened[1], totals[1], counts.target_rows),
            ),
            contract=contract.document(),
            contract_sha256=contract.digest(),
            strength=contract.strength,
            plan=PlanChoice(mode=found.mode, reason=found.reason),
            session_sha256=self.evidence.sha256,
            canary="passed",
            timings={phase: round(seconds, 3) for phase, seconds in timings.items()},
            versions={
                "parity": VERSION,
                "pyspark": pyspark.__version__,
                "spark": self.session.version,
                "python": platform.python_version(),
            },
        )

    def _differences(self, found: Reconciliation, plan: ColumnPlan) -> Differences:
        def stored() -> DataFrame:
            folder = str(self.folder)
            return self.session.read.parquet(folder if "://" in folder else Path(folder).absolute().as_uri())

        cells: Callable[[], DataFrame] = stored if self.folder is not None else partial(difference_cells, found, plan)
        return Differences(cells, partial(missing_rows, found), partial(extra_rows, found))


def _sample_fact(contract: Contract, plan: ColumnPlan, sides: tuple[SideFrames, SideFrames], found: Reconciliation) -> SampleFact | None:
    """Return what is to be said of the sample, if one was taken: rows of one key, or equal ones without a key, are one draw."""
    if contract.sample is None or parse_rate(contract.sample) >= _TOTAL_SAMPLE:
        return None
    draws = min(found.counts["source_rows"], found.counts["target_rows"])
    if not plan.keys or found.counts["duplicate_keys"]:
        draws = min(int(distinct_keys(side).collect()[0]["n"]) for side in sides)
    return SampleFact(rate=contract.sample, rows=draws)


def _partitions(table: OpenedTable, side: SideFrames) -> tuple[int, int]:
    """Return how many partitions of the source hold compared rows, and how many there are; one of one without partitions."""
    if not table.partition_columns:
        return (1, 1)
    names = [quoted(name) for name in table.partition_columns]
    frames = {"total": table.rows, "compared": side.rows}
    counted = {key: frame.select(*names).distinct().agg(F.count(F.lit(1)).alias("n")) for key, frame in frames.items()}
    total = int(counted["total"].collect()[0]["n"])
    compared = total if side.rows is table.rows else int(counted["compared"].collect()[0]["n"])
    return (compared, total)


def _type_choice(native: NativeType, column: str) -> Coercion:
    """What becomes of a type of a database that Spark does not have; nothing is known yet of its values."""
    return rule_for(native, None, load_rules(), column=column)


def _are_small_and_dear(opened: tuple[OpenedTable, OpenedTable]) -> bool:
    known = [table.bytes for table in opened]
    if None in known or not any(table.dear for table in opened):
        return False
    return sum(size or 0 for size in known) <= _ONE_PASS_BYTES


def _store(differences: DataFrame, folder: str) -> None:
    """Write the differences as Parquet; on this machine's disk the folder appears whole or not at all."""
    if "://" in folder:
        differences.write.mode("append").parquet(folder)
        return
    place = Path(folder).absolute()
    draft = place.with_name(f".{place.name}.part")
    try:
        shutil.rmtree(draft, ignore_errors=True)
        differences.write.parquet(draft.as_uri())
        if place.exists():
            place.rmdir()
        draft.rename(place)
    except OSError as error:
        raise ConfigError(f"--diffs {folder}: cannot be written: {error.strerror}.", object=folder, hint="Choose another folder.") from None
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _side(table: OpenedTable, name: str) -> Side:
    return Side(f"{name} {table.uri}", table.rows.schema, table.text_columns, table.nested_text_columns)


def _keyless_limits(contract: Contract, plan: ColumnPlan) -> None:
    """Refuse what needs rows to be paired when no key pairs them."""
    if plan.keys:
        return
    if contract.tolerance:
        raise ConfigError(
            "--tolerance needs a key: without one, no row has a partner to be near to.", object="--tolerance", hint="Name a key with --key."
        )
    if contract.unique_keys:
        raise ConfigError("unique_keys needs a key.", object="unique_keys", hint="Name a key with --key.")


def main() -> None:
    """Run `parity compare` under spark-submit."""
    from jobs.cli import main as parity

    parity(["compare", *sys.argv[1:]])


if __name__ == "__main__":
    main()
