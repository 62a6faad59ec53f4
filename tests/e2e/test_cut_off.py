"""A run that is killed at any moment goes on, ends as an undisturbed one does, and shows nobody half a table meanwhile."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from tests.connectors.postgres_stage import PostgresStage
from tests.e2e.conftest import command
from tests.e2e.published import in_folder, leftovers, whole_table

__all__ = ["started"]

pytestmark = pytest.mark.slow

_ROOT = Path(__file__).parent.parent.parent
_SMALL = (
    "--conf", "spark.sql.shuffle.partitions=2", "--conf", "spark.sql.adaptive.enabled=false", "--master", "local[2]",
    "--conf", "spark.driver.extraJavaOptions=-XX:TieredStopAtLevel=1", "--conf", "spark.ui.enabled=false",
)  # fmt: skip
_TABLES = """
CREATE TABLE wide (id bigint PRIMARY KEY, note text, amount numeric(12,2));
INSERT INTO wide SELECT i, repeat(md5(i::text), 5), i / 7.0 FROM generate_series(1, 60000) AS i;
CREATE TABLE days (id int PRIMARY KEY, day date, note text);
INSERT INTO days SELECT i, date '2026-01-01' + i % 3, 'n' || i FROM generate_series(1, 300) AS i;
CREATE TABLE nothing (id int PRIMARY KEY);
"""
_NAMES = ("wide", "days", "nothing")
_KILLS = 30
_SEED = 20260731
_LIMIT_S = 600

Reached = Callable[[float, int], bool]
"""Seconds and changes of the two folders since a run began to whether it is to be killed now."""


@dataclass
class _Ground:
    """A plan, the folder that it fills, and what an undisturbed run came to."""

    place: Path
    digest: str = ""
    seconds: float = 0.0
    changes: int = 0
    tables: dict[str, pa.Table] = field(default_factory=dict)
    serial: Iterator[int] = field(default_factory=itertools.count)
    told: list[tuple[bool, tuple[str, ...]]] = field(default_factory=list)

    @property
    def lake(self) -> Path:
        return self.place / "lake"

    def run(self, work: str, *words: str, reached: Reached | None = None) -> int | None:
        """Run the plan; kill it with its JVM, as a power cut does, once `reached`. Return its exit code, None when it was killed."""
        process, _ = started(self.place, self.place / work, *words)
        begun, seen, changes = time.monotonic(), self._sight(work), 0
        try:
            while process.poll() is None:
                now = self._sight(work)
                changes, seen = changes + (now != seen), now
                if reached is not None and reached(time.monotonic() - begun, changes):
                    break
                assert time.monotonic() - begun < _LIMIT_S, "the run does not end"
                time.sleep(0.002)
        finally:
            _kill(process)
        if reached is None and not self.digest:
            self.seconds, self.changes = time.monotonic() - begun, changes
        return process.returncode if process.returncode != -signal.SIGKILL else None

    def _sight(self, work: str) -> tuple[Any, ...]:
        """What a listing shows: any step that a run takes on the disk is another sight."""
        found = [(folder, len(files)) for folder, _, files in os.walk(self.lake)]
        try:
            state = os.stat(self.place / work / "state.json").st_mtime_ns
        except FileNotFoundError:
            state = 0
        return state, *found

    def require_whole(self) -> None:
        """Whatever is published is the whole table."""
        for name in _NAMES:
            table = whole_table(in_folder(self.lake), name)
            assert table is None or table.sort_by("id").equals(self.tables[name]), f"{name} is published in part"

    def require_same(self, work: str) -> None:
        """What the run came to is what the undisturbed one came to, and nothing is left behind."""
        assert json.loads((self.place / work / "result.json").read_text())["result_sha256"] == self.digest
        self.require_whole()
        assert all(whole_table(in_folder(self.lake), name) is not None for name in _NAMES)
        assert list(leftovers(self.lake)) == []

    def cleared(self) -> str:
        """Empty the target, and return the name of a new working folder."""
        shutil.rmtree(self.lake, ignore_errors=True)
        return f"work{next(self.serial)}"


def started(place: Path, work: Path, *words: str) -> tuple[subprocess.Popen[bytes], Path]:
    """Start a run of the plan in a folder, in a process group of its own; return it, and the file of what it tells."""
    log = work.with_suffix(".log")
    line = [sys.executable, "-m", "jobs.cli", "run", "plan.yaml", "--workdir", str(work), *words, *_SMALL]
    environment = {**os.environ, "PYTHONPATH": str(_ROOT)}
    with log.open("ab") as told:
        return subprocess.Popen(line, cwd=place, env=environment, start_new_session=True, stdout=told, stderr=told), log


def _kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.fixture(scope="module")
def ground(stage: PostgresStage, tmp_path_factory: pytest.TempPathFactory) -> _Ground:
    place = tmp_path_factory.mktemp("cut")
    schema = stage.fresh_schema()
    stage.run(_TABLES + "ANALYZE")
    words = ("--source", stage.uri(), "--schema", schema, "--target", f"file:{place}/lake", "--out", place / "plan.yaml")
    made = command("plan", "postgres-to-s3", *words)
    assert made.exit_code == 0, made.output
    text = re.sub(r"file_mib: \d+", "file_mib: 1", (place / "plan.yaml").read_text())
    text = re.sub(r"(path: days\n)", r"\1    partition_by: [day]\n", text)
    (place / "plan.yaml").write_text(text)
    found = _Ground(place)
    work = found.cleared()
    assert found.run(work) == 0, (place / f"{work}.log").read_text()
    found.digest = json.loads((place / work / "result.json").read_text())["result_sha256"]
    for name in _NAMES:
        table = whole_table(in_folder(found.lake), name)
        assert table is not None
        found.tables[name] = table.sort_by("id")
    assert {name: table.num_rows for name, table in found.tables.items()} == {"wide": 60_000, "days": 300, "nothing": 0}
    assert len(list((found.lake / "wide").rglob("*.parquet"))) > 3, "several parts are wanted, so that one can be cut off"
    return found


@pytest.mark.parametrize("kill", range(_KILLS))
def test_a_run_killed_at_any_moment_goes_on_to_the_result_of_an_undisturbed_one(ground: _Ground, kill: int) -> None:
    """Half of the moments are times, half are steps on the disk, which come close to each other where tables are published."""
    chance = random.Random(f"{_SEED}/{kill}")
    after = chance.random() * ground.seconds if kill % 2 else float("inf")
    step = 1 + int(chance.random() * ground.changes) if kill % 2 == 0 else sys.maxsize
    again = chance.random() * ground.seconds if kill % 3 == 0 else None  # its resumption is killed as well
    work = ground.cleared()
    ended = [ground.run(work, reached=lambda spent, seen: spent >= after or seen >= step)]
    ground.require_whole()
    if again is not None:
        words = ("--resume",) if (ground.place / work / "state.json").exists() else ()
        ended.append(ground.run(work, *words, reached=lambda spent, _: spent >= again))
        ground.require_whole()
    published = tuple(name for name in _NAMES if whole_table(in_folder(ground.lake), name) is not None)
    ground.told.append((None in ended, published))
    print(kill, after, step, ended, published, flush=True)  # pytest -s shows where the kills fell
    assert ground.run(work, "--resume") == 0, (ground.place / f"{work}.log").read_text()
    ground.require_same(work)


def test_the_kills_fell_into_many_stages_of_a_run(ground: _Ground) -> None:
    if len(ground.told) < _KILLS:
        pytest.skip("not all kills were tried")
    assert sum(killed for killed, _ in ground.told) >= _KILLS - 6, "the others had ended before"
    assert len({published for _, published in ground.told}) >= 3


def test_a_run_killed_twice_at_one_step_goes_on(ground: _Ground) -> None:
    work = ground.cleared()
    for words in ((), ("--resume",), ("--resume",)):
        assert ground.run(work, *words, reached=lambda spent, _: (ground.lake / "_staging").exists()) is None
        ground.require_whole()
    assert ground.run(work, "--resume") == 0
    ground.require_same(work)
