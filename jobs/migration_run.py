"""A plan to a proven target: the steps one after the other on one snapshot, kept in a working folder so that a later attempt goes on."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pyspark.sql import SparkSession

from archetypes.discovery import discover
from archetypes.mapping import map_tables
from archetypes.migrate import SourceTable, is_of_run, loaded, migrate, run_for, run_name, source_table, store_of, table_of
from archetypes.planning import require_fit
from archetypes.profiling import profile
from archetypes.reconciliation import Reconciled, document_sha256, reconcile_table, still_proven, worst
from archetypes.rewrite import rewrite
from archetypes.step_output import digest_of, load, path_of, stored
from connectors.base import OpenedTable
from connectors.locations import local_path
from connectors.objects import ObjectStore
from connectors.postgres_address import TableName, parse_address
from connectors.postgres_connection import PostgresLogin, connection_settings, log_in
from connectors.postgres_errors import UnheldValueError
from connectors.postgres_snapshot import ExportedSnapshot, with_fresh_snapshot
from connectors.publishing import current_version, discard, find_leftovers
from jobs.compare import compare
from jobs.comparison import Comparison
from jobs.migration_outcome import Gathered, explanation_document, load_report, reconciliation_document, result_digest, verdicts_of
from jobs.migration_result import Told, comparison_path
from jobs.migration_status import STEPS, RunState, StepState, TableState, Workdir
from jobs.output import write_whole
from jobs.session import pinned
from reports.figures import count, duration
from reports.migration_page import MigrationPage, render_migration
from schemas.agent_output import (
    ProfilingResult,
    Step,
    StepOutput,
    TableLoad,
    TableProfile,
)
from schemas.contract import Contract
from schemas.errors import ConfigError, ConnectorError, InputError, ParityError, TransientConnectorError
from schemas.plan import MigrationPlan, PlanTable
from schemas.verdict import EXIT_CODES, CompareResult, Verdict

__all__ = ["Ended", "Order", "login_of", "role_warnings", "run_plan"]

_DAY_S = 86_400.0
_YEARS_S = 10 * 365 * _DAY_S
_ON_SNAPSHOT: tuple[Step, ...] = ("profiling", "migrate", "reconciliation", "explanation")
_NEEDED: Mapping[Step, tuple[Step, ...]] = {
    "mapping": ("profiling",),
    "rewrite": ("profiling", "mapping"),
    "migrate": ("profiling",),
    "reconciliation": ("profiling",),
    "explanation": ("profiling",),
}

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Order:
    """What is to be run.

    Attributes:
        only: steps; the others are neither made nor made again.
        resume: go on with what the folder holds.
        report: place of the page; None: report.html in the folder.
        show_values: personal data are shown in reports.
    """

    plan: MigrationPlan
    workdir: Workdir
    only: tuple[Step, ...] = STEPS
    resume: bool = False
    report: Path | None = None
    show_values: bool = False


@dataclass(frozen=True)
class Ended:
    """How a run ended; without reconciliation there is no verdict, and the exit code says that the steps were done.

    Attributes:
        warnings: what a person should know of the role at once.
    """

    verdict: Verdict | None
    exit_code: int
    page: MigrationPage | None
    warnings: tuple[str, ...] = ()


def login_of(plan_source: str, source_secret: str | None) -> PostgresLogin:
    """Return the login of a plan's source.

    Raises:
        ConfigError: the address names a table, or the secret names nothing.
    """
    address = parse_address(plan_source)
    if address.table is not None:
        raise ConfigError(f"{plan_source} names a table.", object=plan_source, hint="Leave ?table=… out; tables are named by --tables.")
    options = {} if source_secret is None else {"password_secret": source_secret}
    return log_in(address, connection_settings(options, plan_source))


def role_warnings(discovery: StepOutput) -> tuple[str, ...]:
    """Return what a person should be told of the role at once: that it could write."""
    return tuple(f"{one.severity}: {one.text}" for one in discovery.findings if one.code == "role_can_write")


def run_plan(order: Order, start_spark: Callable[[], SparkSession], tell: Tell) -> Ended:
    """Carry out a plan and leave its documents in the folder.

    Args:
        start_spark: called when Spark is needed first.
        tell: is told what is going on.

    Raises:
        ConfigError: the folder holds a run already, or one of another plan; a step is missing that another one needs.
        InputError: the plan no longer fits the source; the message says where.
        ConnectorError, EngineError, StateError: it could not be carried out; `resume` goes on.
    """
    order.workdir.prepare()
    with order.workdir.alone():
        return _Run(order, start_spark, tell, _begun(order)).ended()


def _begun(order: Order) -> RunState:
    """Return the state to go on from, after making sure that it is of this plan."""
    workdir, digest = order.workdir, order.plan.digest()
    before = workdir.state()
    if before is None:
        write_whole(workdir.plan, order.plan.model_dump_json(by_alias=True, indent=1) + "\n")
        waiting = {table.name: TableState() for table in order.plan.tables}
        return workdir.store(RunState(plan_sha256=digest, owner=secrets.token_hex(8), tables=waiting))
    if before.plan_sha256 != digest:
        raise ConfigError(
            f"--workdir {workdir.folder} holds a run of another plan.",
            object=str(workdir.folder),
            hint="Name another folder; what is published there is compared with, and replaced whole.",
        )
    if not order.resume and order.only == STEPS:
        raise ConfigError(
            f"--workdir {workdir.folder} holds a run of this plan already.",
            object=str(workdir.folder),
            hint="Add --resume to go on with it, or name another folder.",
        )
    return workdir.store(before.model_copy(update={"attempts": before.attempts + 1, "verdict": None, "result_sha256": None}))


@dataclass
class _Run:
    """One attempt. `state` is what the folder holds at any moment."""

    order: Order
    start_spark: Callable[[], SparkSession]
    tell: Tell
    state: RunState

    def ended(self) -> Ended:
        started, plan = time.monotonic(), self.order.plan
        login = login_of(plan.source, plan.source_secret)
        self.tell("discovery")
        with self._step("discovery") as done:
            discovery = done(discover(login, plan.schema_name))
        require_fit(plan, discovery)
        if not set(self.order.only) & set(_ON_SNAPSHOT):
            self._documents(Gathered(plan, None, {"discovery": discovery}))  # type: ignore[arg-type]
            return Ended(None, 0, None, role_warnings(discovery))
        tables = [TableName(plan.schema_name, table.name) for table in plan.tables]
        found = with_fresh_snapshot(login, tables, lambda snapshot: self._on(snapshot, login, discovery))
        if "reconciliation" not in self.order.only:
            return Ended(None, 0, None, role_warnings(discovery))
        return self._concluded(found, time.monotonic() - started)

    def _on(self, snapshot: ExportedSnapshot, login: PostgresLogin, discovery: StepOutput) -> Gathered:
        found = Gathered(self.order.plan, snapshot, {"discovery": discovery})
        self._documents(found)
        if not {"migrate", "reconciliation", "explanation"} & set(self.order.only):
            return found
        spark = self.start_spark()
        run = run_name(self.order.plan, snapshot, self.state.owner)
        self._update(runs=tuple(dict.fromkeys((*self.state.runs, run))))
        places = {planned.name: store_of(self.order.plan.target, planned) for planned in self.order.plan.tables}
        sources = self._sources(found, login)
        if "migrate" in self.order.only:
            self._clear(places.values())
            with self._step("migrate") as done, pinned(spark):
                for planned in self.order.plan.tables:
                    if planned.name in sources:
                        self._migrate(spark, found, sources[planned.name], planned, places[planned.name], run)
                done(load_report(found))
            if "rewrite" in found.outputs:  # now it is known where the tables lie
                self._rewrite(found)
        if "reconciliation" in self.order.only:
            with self._step("reconciliation") as done:
                for planned in self.order.plan.tables:
                    if planned.name in sources and planned.name not in found.refused:
                        self._reconcile(spark, found, sources[planned.name], planned, places[planned.name])
                done(reconciliation_document(found))
        if "explanation" in self.order.only:
            with self._step("explanation") as done:
                done(explanation_document(found))
        return found

    # documents before the first row is moved

    def _documents(self, found: Gathered) -> None:
        discovery = found.outputs["discovery"]
        if self._wanted("profiling"):
            found.outputs["profiling"] = self._kept("profiling") or self._made(
                "profiling", lambda: profile(found.snapshot, discovery, tables=[table.name for table in self.order.plan.tables])
            )
        if self._wanted("mapping"):
            found.outputs["mapping"] = self._kept("mapping") or self._made(
                "mapping", lambda: map_tables(discovery, found.outputs["profiling"], target=self.order.plan.target)
            )
        if "rewrite" in self.order.only:
            self.tell("rewrite")
            self._rewrite(found)

    def _rewrite(self, found: Gathered) -> None:
        """Write the code, with the folders of those tables that are published."""
        versions = {name: state.version for name, state in self.state.tables.items() if state.version is not None}
        with self._step("rewrite") as done:
            output, files = rewrite(self.order.plan, found.outputs["discovery"], found.outputs["mapping"], versions)
            if digest_of(output) == (digest_of(found.outputs["rewrite"]) if "rewrite" in found.outputs else None):
                return
            for path, text in files.items():
                place = self.order.workdir.folder / path
                place.parent.mkdir(parents=True, exist_ok=True)
                write_whole(place, text)
            found.outputs["rewrite"] = done(output)

    def _wanted(self, step: Step) -> bool:
        return step in self.order.only or any(step in _NEEDED.get(other, ()) for other in self.order.only)

    def _kept(self, step: Step) -> StepOutput | None:
        """Return the document of an earlier attempt; a step that was not asked for must have one."""
        known, path = self.state.steps.get(step), path_of(step, self.order.workdir.outputs)
        if known is not None and (self.order.resume or step not in self.order.only):
            output = load(path)
            if digest_of(output) == known.sha256:
                return output
        if step in self.order.only:
            return None
        raise ConfigError(
            f"--only {','.join(self.order.only)} needs the step {step}, which was not run in {self.order.workdir.folder}.",
            object="--only",
            hint=f"Add {step} to it.",
        )

    def _made(self, step: Step, make: Callable[[], StepOutput]) -> StepOutput:
        self.tell(step)
        with self._step(step) as done:
            return done(make())

    # tables

    def _sources(self, found: Gathered, login: PostgresLogin) -> dict[str, SourceTable]:
        profiles = _profiles(found.outputs.get("profiling"))
        schema = self.order.plan.schema_name
        return {
            planned.name: source_table(login, found.snapshot, schema, planned, profiles.get(planned.name))
            for planned in self.order.plan.tables
        }

    def _migrate(self, spark: SparkSession, found: Gathered, source: SourceTable, planned: PlanTable, store: ObjectStore, run: str) -> None:
        """Load one table, unless what an earlier attempt published is proven to be what this snapshot shows."""
        name, before = planned.name, self.state.tables[planned.name]
        started = time.monotonic()
        if before.state in ("published", "proven") and not is_of_run(before.run, run):
            kept = loaded(source, planned, store)
            if kept is not None and self._is_proven(spark, found, source, planned, store):
                found.loads[name] = kept
                return
            found.reconciled.pop(name, None)
        run = run_for(planned, store, run)
        self._update(runs=tuple(dict.fromkeys((*self.state.runs, run))))
        dead = [earlier for earlier in self.state.runs if earlier != run]
        discard(store, find_leftovers(store, tables=[table_of(planned)], idle_s=_YEARS_S, runs=dead))
        here = before.run == run and before.state in ("published", "proven")
        if not here:
            self._table(name, TableState(state="writing", run=run))
        progress = _LoadProgress(self, name)
        try:
            load = migrate(spark, source, planned, store, run, progress)
        except (InputError, UnheldValueError) as error:  # of this table nothing is known then, of the others all
            found.refused[name] = error
            self._table(name, TableState(state="refused", reason=error.message))
            return
        found.loads[name] = load
        if not here or before.manifest_sha256 != load.manifest_sha256:
            published = current_version(store, table_of(planned))
            version = published.manifest.version if published and published.manifest_sha256 == load.manifest_sha256 else None
            self._table(name, _published(load, run, version, time.monotonic() - started))

    def _clear(self, stores: Iterable[ObjectStore]) -> None:
        """Remove parts of small objects that a process was writing when it was killed; no reader ever sees them."""
        idle_s = _DAY_S if local_path(self.order.plan.target) is None else 0.0
        for store in {one.uri(): one for one in stores}.values():
            with suppress(ConnectorError):  # a right to list them may be missing, and they harm nobody
                store.discard_unfinished(idle_s)

    def _is_proven(self, spark: SparkSession, found: Gathered, source: SourceTable, planned: PlanTable, store: ObjectStore) -> bool:
        self.tell(f"{planned.name}: is it still as it was published?")
        if planned.contract.columns is not None or planned.contract.where is not None or planned.contract.sample is not None:
            return False
        try:
            verdict = self._reconcile(spark, found, source, planned, store).verdict
        except TransientConnectorError:
            raise
        except ParityError:
            return False
        return verdict.verdict in ("PASS", "PASS_WITH_RULES") and not verdict.matched_by_rule

    def _reconcile(self, spark: SparkSession, found: Gathered, source: SourceTable, planned: PlanTable, store: ObjectStore) -> Reconciled:
        name = planned.name
        if name in found.reconciled:
            return found.reconciled[name]
        if (before := self._proven_before(found, planned, store)) is not None:
            found.reconciled[name] = before
            return before

        def compared(opened: OpenedTable, target: str, contract: Contract) -> CompareResult:
            outcome = compare(
                opened,
                target,
                contract=contract,
                spark=spark,
                show_values=self.order.show_values,
                progress=lambda phase: self.tell(f"{name}: reconciliation, {phase}"),
            )
            self._keep_comparison(name, outcome)
            return outcome.result

        load = found.loads.get(name)
        manifest = load.manifest_sha256 if load else self.state.tables[name].manifest_sha256
        reconciled = reconcile_table(spark, source, planned, store, compared, manifest_sha256=manifest)
        found.reconciled[name] = reconciled
        changes = {"state": "proven", "proof": reconciled.verdict, "proven_on": found.snapshot.moment, "manifest_sha256": manifest}
        self._table(name, self.state.tables[name].model_copy(update=changes))
        return reconciled

    def _proven_before(self, found: Gathered, planned: PlanTable, store: ObjectStore) -> Reconciled | None:
        """Return what an earlier attempt has proven on this very snapshot, if the target still is what it was."""
        state = self.state.tables[planned.name]
        if state.proof is None or state.manifest_sha256 is None or state.proven_on != found.snapshot.moment:
            return None
        place = comparison_path(self.order.workdir, planned.name, ".json")
        try:
            result = CompareResult.model_validate_json(place.read_text(encoding="utf-8"))
        except (OSError, ValidationError, UnicodeDecodeError):
            return None
        if document_sha256(result) != state.proof.result_sha256:
            return None
        return Reconciled(state.proof, result) if still_proven(store, planned, state.proof, state.manifest_sha256) else None

    def _keep_comparison(self, name: str, outcome: Comparison) -> None:
        outcome.to_json(comparison_path(self.order.workdir, name, ".json"))
        outcome.to_html(comparison_path(self.order.workdir, name, ".html"))

    # the end

    def _concluded(self, found: Gathered, seconds: float) -> Ended:
        workdir, verdicts = self.order.workdir, verdicts_of(found)
        digest = result_digest(found, verdicts)
        self._update(verdict=worst([one.verdict for one in verdicts.values()]), result_sha256=digest)
        told = Told(found, verdicts, self.state, workdir, self.order.report or workdir.report, digest, seconds)
        page = told.page()
        write_whole(workdir.result, json.dumps(told.document(), ensure_ascii=False, indent=2) + "\n")
        write_whole(told.report, render_migration(page))
        return Ended(told.verdict, EXIT_CODES[told.verdict], page, role_warnings(found.outputs["discovery"]))

    # the folder

    @contextmanager
    def _step(self, step: Step) -> Iterator[Callable[[StepOutput], StepOutput]]:
        """Give what stores the document of a step and notes that it is done."""
        started = time.monotonic()

        def done(output: StepOutput) -> StepOutput:
            stored(output, self.order.workdir.outputs)
            note = StepState(sha256=digest_of(output), status=output.status, seconds=time.monotonic() - started)
            self._update(steps={**self.state.steps, step: note})
            return output

        yield done

    def _table(self, name: str, state: TableState) -> None:
        self._update(tables={**self.state.tables, name: state})

    def _update(self, **changes: Any) -> None:
        self.state = self.order.workdir.store(self.state.model_copy(update=changes))


@dataclass
class _LoadProgress:
    """Tells how far a table is, how fast it goes and when it will be done."""

    run: _Run
    name: str
    started: float = field(default_factory=time.monotonic)

    def __call__(self, done: int, total: int) -> None:
        spent = time.monotonic() - self.started
        speed = done / spent if spent else 0.0
        text = f"{self.name}: {count(done)} of {count(total)} rows, {count(round(speed))} rows/s"
        if 0 < done < total and speed:
            text += f", {duration((total - done) / speed)} left"
        self.run.tell(text)
        state = self.run.state.tables[self.name]
        self.run._table(self.name, state.model_copy(update={"rows": total, "rows_done": done}))


def _published(load: TableLoad, run: str, version: str | None, seconds: float) -> TableState:
    return TableState(
        state="published",
        run=run,
        manifest_sha256=load.manifest_sha256,
        version=version,
        rows=load.read,
        rows_done=load.written,
        bytes=load.bytes,
        files=len(load.files),
        seconds=seconds,
    )


def _profiles(profiling: StepOutput | None) -> dict[str, TableProfile]:
    if profiling is None or not isinstance(profiling.result, ProfilingResult):
        return {}
    return {table.name.name: table for table in profiling.result.tables}
