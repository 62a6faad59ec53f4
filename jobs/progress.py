"""What is going on, on stderr, for whatever takes longer than a moment."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pyspark.sql import SparkSession
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

__all__ = ["Phases", "shown_progress"]

_PATIENCE_S = 2.0
_LOOK_EVERY_S = 0.5
_WORDS = {
    "canary": "checking known answers",
    "opening": "opening both sides",
    "fingerprints": "fingerprints of both sides",
    "differences": "looking up what differs",
    "casts": "proving that casts lose nothing",
    "storing differences": "storing the differences",
    "explaining": "explaining",
}


class Phases:
    """Is told of each phase; shows it, with the tasks of Spark that are done, once the whole has taken two seconds.

    Holds a console and a clock. Shows nothing when `console` is None; plain lines where the console is no terminal.
    """

    def __init__(self, console: Console | None) -> None:
        self._console = console
        self._started = time.monotonic()
        self._phase = ""
        self._spark: SparkSession | None = None
        self._ended = threading.Event()
        self._looking: threading.Thread | None = None

    def __call__(self, phase: str) -> None:
        """Say which phase begins."""
        self._phase = _WORDS.get(phase, phase)
        if self._console is not None and not self._console.is_terminal:
            self._console.print(f"parity: {self._phase} ({time.monotonic() - self._started:.0f} s)", markup=False, highlight=False)

    def watch(self, spark: SparkSession) -> None:
        """Count this session's tasks from now on."""
        self._spark = spark

    def start(self) -> None:
        """Begin to look, on a terminal."""
        if self._console is not None and self._console.is_terminal:
            self._looking = threading.Thread(target=self._show, args=(self._console,), name="parity-progress", daemon=True)
            self._looking.start()

    def stop(self) -> None:
        """Take the display away."""
        self._ended.set()
        if self._looking is not None:
            self._looking.join()

    def _show(self, console: Console) -> None:
        if self._ended.wait(_PATIENCE_S):
            return
        bars = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[tasks]}"),
            TimeElapsedColumn(),
        )
        with Progress(*bars, console=console, transient=True, refresh_per_second=8) as display:
            bar = display.add_task(self._phase, total=None, tasks="")
            while not self._ended.wait(_LOOK_EVERY_S):
                self._draw(display, bar)

    def _draw(self, display: Progress, bar: TaskID) -> None:
        done, total = _tasks(self._spark)
        display.update(bar, description=self._phase, total=total or None, completed=done, tasks=f"{done}/{total} tasks" if total else "")


def _tasks(spark: SparkSession | None) -> tuple[int, int]:
    """Return how many tasks of the running stages are done, and how many there are; (0, 0) where that cannot be asked for."""
    if spark is None or type(spark).__module__.startswith("pyspark.sql.connect"):
        return 0, 0
    try:
        tracker: Any = spark.sparkContext.statusTracker()
        stages = [tracker.getStageInfo(stage) for stage in tracker.getActiveStageIds()]
    except Exception:  # noqa: BLE001 -- a display must never stop the work; without an answer the bar only pulses
        return 0, 0
    return sum(stage.numCompletedTasks for stage in stages if stage), sum(stage.numTasks for stage in stages if stage)


@contextmanager
def shown_progress(wanted: bool | None) -> Iterator[Phases]:
    """Give what is told of phases, and take its display away in the end.

    Args:
        wanted: None = only where stderr is a terminal.
    """
    console = Console(stderr=True)
    phases = Phases(console if wanted or (wanted is None and console.is_terminal) else None)
    phases.start()
    try:
        yield phases
    finally:
        phases.stop()
