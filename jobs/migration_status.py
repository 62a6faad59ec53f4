"""The working folder of a migration: what is done, so that a run that was cut off can go on and anyone can look."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import click
from pydantic import Field, ValidationError

from jobs.output import write_whole
from reports.escape import plain
from reports.figures import bytes_text, count, duration
from schemas.agent_output import Step, TableVerdict
from schemas.errors import ConfigError, StateError
from schemas.model import Model
from schemas.plan import MigrationPlan
from schemas.verdict import Verdict

__all__ = ["STEPS", "RunState", "StepState", "TableState", "Workdir", "tell_status"]

STEPS: tuple[Step, ...] = ("discovery", "profiling", "mapping", "rewrite", "migrate", "reconciliation", "explanation")
"""In the order in which they run."""

_WORDS = {"waiting": "waiting", "writing": "being written", "published": "published", "proven": "reconciled", "refused": "not loaded"}


class StepState(Model):
    """A step that is done: the digest of its document, and how long it took."""

    sha256: str
    status: str
    seconds: float


class TableState(Model):
    """How far a table is.

    Attributes:
        run: of the publishing; another one under every snapshot.
        version: that was published.
        seconds: of the load.
        proof: the verdict on it.
        proven_on: the snapshot that it was compared on.
        reason: why it was not loaded.
    """

    state: Literal["waiting", "writing", "published", "proven", "refused"] = "waiting"
    run: str | None = None
    manifest_sha256: str | None = None
    version: str | None = None
    rows: int = 0
    rows_done: int = 0
    bytes: int = 0
    files: int = 0
    seconds: float = 0.0
    proof: TableVerdict | None = None
    proven_on: str | None = None
    reason: str | None = None


class RunState(Model):
    """Everything that a later attempt needs to know.

    Attributes:
        owner: of this folder alone; chosen once, by chance.
        runs: names of publishing runs of earlier and of this attempt.
        attempts: how often the run was started.
        verdict, result_sha256: once it has ended.
    """

    type_: Literal["parity.migration_state.v1"] = Field(default="parity.migration_state.v1", alias="_type")
    plan_sha256: str
    attempts: int = 1
    owner: str = ""
    runs: tuple[str, ...] = ()
    steps: dict[str, StepState] = {}
    tables: dict[str, TableState] = {}
    verdict: Verdict | None = None
    result_sha256: str | None = None


@dataclass(frozen=True)
class Workdir:
    """The folder, and where everything lies in it."""

    folder: Path

    @property
    def outputs(self) -> Path:
        return self.folder / "outputs"

    @property
    def comparisons(self) -> Path:
        return self.folder / "comparisons"

    @property
    def result(self) -> Path:
        return self.folder / "result.json"

    @property
    def report(self) -> Path:
        return self.folder / "report.html"

    @property
    def plan(self) -> Path:
        return self.folder / "plan.json"

    @property
    def _state(self) -> Path:
        return self.folder / "state.json"

    @property
    def _lock(self) -> Path:
        return self.folder / "run.lock"

    def prepare(self) -> None:
        """Make the folders.

        Raises:
            ConfigError: they cannot be made.
        """
        try:
            for folder in (self.folder, self.outputs, self.comparisons):
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(
                f"--workdir {self.folder}: {error.strerror}.", object=str(self.folder), hint="Name a folder that can be written to."
            ) from None

    def state(self) -> RunState | None:
        """Return what is known of the run, or None when there was none.

        Raises:
            StateError: the file was changed or damaged.
        """
        if not self._state.exists():
            return None
        try:
            return RunState.model_validate_json(self._state.read_text(encoding="utf-8"))
        except (ValidationError, OSError, UnicodeDecodeError):
            raise StateError(
                f"{self._state} is damaged.", object=str(self._state), hint="Start again with another --workdir; the target is whole."
            ) from None

    def store(self, state: RunState) -> RunState:
        """Keep what is known, whole or not at all, and return it."""
        write_whole(self._state, json.dumps(state.document(), ensure_ascii=False, indent=1, sort_keys=True) + "\n")
        return state

    def planned(self) -> MigrationPlan:
        """Return the plan that the run was started with."""
        try:
            return MigrationPlan.model_validate_json(self.plan.read_text(encoding="utf-8"))
        except (OSError, ValidationError, UnicodeDecodeError):
            raise StateError(f"{self.plan} is damaged.", object=str(self.plan), hint="Start again with another --workdir.") from None

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other processes from running in this folder; the operating system lets go when the process ends, however it ends.

        Raises:
            StateError: another process runs in it.
        """
        with self._lock.open("a", encoding="utf-8") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise StateError(
                    f"{self.folder}: another run is at work there.", object=str(self.folder), hint="Wait for it, or look: parity status."
                ) from None
            yield

    def is_running(self) -> bool:
        """Return whether a process runs in this folder now."""
        if not self._lock.exists():
            return False
        with self._lock.open("r", encoding="utf-8") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                return True
        return False


def tell_status(folder: Path) -> int:
    """Print what a run has done so far; return its exit code once it has ended, else 0.

    Raises:
        ConfigError: nothing was run in this folder.
    """
    workdir = Workdir(folder)
    state = workdir.state()
    if state is None:
        raise ConfigError(f"{folder}: no run was started here.", object=str(folder), hint="Start one: parity run plan.yaml --workdir DIR.")
    for line in _lines(workdir, state):
        click.echo(plain(line, lines=False))
    return 0


def _lines(workdir: Workdir, state: RunState) -> Iterator[str]:
    plan = workdir.planned()
    yield f"{plan.source}, schema {plan.schema_name}, to {plan.target}"
    attempt = f"attempt {state.attempts}" if state.attempts > 1 else "first attempt"
    if workdir.is_running():
        yield f"running, {attempt}"
    elif state.verdict is not None:
        yield f"ended: {state.verdict}, {attempt}; result digest {(state.result_sha256 or '')[:16]}"
    else:
        yield f"cut off, {attempt}: parity run plan.yaml --workdir {workdir.folder} --resume goes on"
    for step in STEPS:
        done = state.steps.get(step)
        yield f"  {step:<15} {done.status.lower() + ' in ' + duration(done.seconds) if done else _open(step, state)}"
    width = max((len(name) for name in state.tables), default=0)
    for name, table in state.tables.items():
        yield f"  {name:<{width}}  {_table(table)}"


def _open(step: Step, state: RunState) -> str:
    wanted = {"migrate": ("published", "proven", "refused"), "reconciliation": ("proven",)}.get(step)
    if wanted is None or not state.tables:
        return "open"
    return f"{sum(table.state in wanted for table in state.tables.values())} of {len(state.tables)} tables"


def _table(table: TableState) -> str:
    told = _WORDS[table.state]
    if table.state == "writing" and table.rows:
        told += f", {count(table.rows_done)} of {count(table.rows)} rows"
    elif table.state in ("published", "proven"):
        speed = f", {count(round(table.rows / table.seconds))} rows/s" if table.seconds else ""
        told += f", {count(table.rows)} rows, {bytes_text(table.bytes)}{speed}"
    if table.proof:
        told += f": {table.proof.verdict}"
    return told + (f" ({table.reason})" if table.reason else "")
