# ruff: noqa: S608 -- the SQL of these tests is made of quoted names and constants
"""What breaks beside a run: connection, server, disk of the target. One line is told, nobody sees half a table, and it goes on."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from click.testing import Result
from pyspark.sql import SparkSession

from tests.connectors.postgres_stage import PostgresStage
from tests.e2e.conftest import command
from tests.e2e.published import in_folder, leftovers, whole_table

_TABLES = """
CREATE TABLE few (id int PRIMARY KEY, note text);
INSERT INTO few SELECT i, 'n' || i FROM generate_series(1, 50) AS i;
CREATE TABLE many (id bigint PRIMARY KEY, note text);
INSERT INTO many SELECT i, md5(i::text) || md5((-i)::text) FROM generate_series(1, 40000) AS i;
"""
_ROWS = {"few": 50, "many": 40_000}


@dataclass
class _Plan:
    """A plan, and what an undisturbed run of it comes to."""

    place: Path
    schema: str
    digest: str = ""

    @property
    def lake(self) -> Path:
        return self.place / "lake"

    def run(self, work: Path, *words: str) -> Result:
        return command("run", self.place / "plan.yaml", "--workdir", work, *words)

    def require_nothing_half(self) -> list[str]:
        """Return which tables are published; each is whole."""
        tables = {name: whole_table(in_folder(self.lake), name) for name in _ROWS}
        published = {name: table.num_rows for name, table in tables.items() if table is not None}
        assert published.items() <= _ROWS.items()
        return sorted(published)

    def require_same(self, work: Path, ran: Result) -> None:
        assert ran.exit_code == 0, ran.output
        assert json.loads((work / "result.json").read_text())["result_sha256"] == self.digest
        assert self.require_nothing_half() == sorted(_ROWS)
        assert list(leftovers(self.lake)) == []


@pytest.fixture(scope="module")
def shared(stage: PostgresStage, spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Plan]:
    place = tmp_path_factory.mktemp("faults")
    schema = stage.fresh_schema()
    stage.run(_TABLES + "ANALYZE")
    words = ("--source", stage.uri(), "--schema", schema, "--target", f"file:{place}/lake", "--out", place / "plan.yaml")
    made = command("plan", "postgres-to-s3", *words)
    assert made.exit_code == 0, made.output
    found = _Plan(place, schema)
    ran = found.run(place / "undisturbed")
    found.digest = json.loads((place / "undisturbed" / "result.json").read_text())["result_sha256"]
    found.require_same(place / "undisturbed", ran)
    yield found
    stage.owner.execute(f"DROP SCHEMA {schema} CASCADE".encode())


@pytest.fixture
def plan(shared: _Plan) -> _Plan:
    """The same, with an empty target."""
    shutil.rmtree(shared.lake, ignore_errors=True)
    return shared


def _require_one_line(told: Result, *parts: str) -> None:
    """An error is one paragraph that says what to do: no traceback, no Java."""
    assert told.exit_code in (2, 3), told.output
    text = " ".join(told.stderr.split())
    assert text.count("error: ") == 1 and "Traceback" not in text and "Exception" not in text and "\tat " not in told.stderr, text
    assert len(text) < 700, text
    for part in parts:
        assert part in text, text


# the source


@contextmanager
def _when(stage: PostgresStage, condition: str, act: Callable[[], object]) -> Iterator[list[object]]:
    """Do something, as soon as a session of Parity is as the condition on pg_stat_activity says, until it has had an effect."""
    done: list[object] = []
    over = threading.Event()

    def watch() -> None:
        query = f"SELECT pid FROM pg_stat_activity WHERE application_name = 'parity' AND {condition} LIMIT 1"
        with psycopg.connect(stage.server.dsn, autocommit=True, options="-c log_statement=none") as connection:
            while not over.is_set():
                if connection.execute(query.encode()).fetchall() and (effect := act()):
                    done.append(effect)
                    return
                time.sleep(0.002)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield done
    finally:
        over.set()
        watcher.join()


_READS = "query LIKE '%this reader is not on the snapshot%' AND query LIKE '%many%'"  # what a task of Spark asks
_HOLDS = "backend_start = (SELECT min(backend_start) FROM pg_stat_activity WHERE application_name = 'parity')"


def _end(stage: PostgresStage, condition: str) -> int:
    query = f"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'parity' AND {condition}"
    with psycopg.connect(stage.server.dsn, autocommit=True, options="-c log_statement=none") as connection:
        return int(connection.execute(query.encode()).fetchone()[0])  # type: ignore[index]


@pytest.mark.parametrize("session", [_READS, _HOLDS], ids=["that reads", "that holds the snapshot"])
def test_a_session_that_an_administrator_ends_costs_time_and_nothing_else(
    stage: PostgresStage, plan: _Plan, tmp_path: Path, session: str
) -> None:
    with _when(stage, _READS, lambda: _end(stage, session)) as ended:
        ran = plan.run(tmp_path / "work")

    assert ended and ended[0] >= 1, "no session was ended"
    plan.require_same(tmp_path / "work", ran)


@pytest.mark.slow
def test_a_server_that_restarts_during_a_read_costs_time_and_nothing_else(stage: PostgresStage, plan: _Plan, tmp_path: Path) -> None:
    with _when(stage, _READS, lambda: stage.crash() or "crashed") as crashed:
        ran = plan.run(tmp_path / "work")

    assert crashed == ["crashed"]
    if ran.exit_code:  # it took longer to come back than a run waits
        _require_one_line(ran, "Run again")
        plan.require_nothing_half()
        ran = plan.run(tmp_path / "work", "--resume")
    plan.require_same(tmp_path / "work", ran)


@pytest.mark.slow
def test_a_table_that_is_dropped_when_the_snapshot_is_lost_is_told_by_name(
    stage: PostgresStage, spark: SparkSession, tmp_path: Path
) -> None:
    """DROP waits for the lock of the run; when an administrator ends the run's sessions, the table is gone at the second attempt."""
    schema = stage.fresh_schema()
    stage.run(_TABLES + "ANALYZE")
    words = ("--source", stage.uri(), "--schema", schema, "--target", f"file:{tmp_path}/lake", "--out", tmp_path / "plan.yaml")
    assert command("plan", "postgres-to-s3", *words).exit_code == 0
    lost = _Plan(tmp_path, schema)

    def drop() -> str:
        with psycopg.connect(stage.server.dsn, autocommit=True) as other:
            dropping = threading.Thread(target=lambda: other.execute(f"DROP TABLE {schema}.few".encode()))
            dropping.start()
            time.sleep(0.2)
            while dropping.is_alive():
                _end(stage, "true")
                time.sleep(0.05)
        return "dropped"

    with _when(stage, _READS, drop) as dropped:
        ran = lost.run(tmp_path / "work")

    assert dropped == ["dropped"]
    _require_one_line(ran, "few")
    lost.require_nothing_half()


# the target


@contextmanager
def _small_disk(folder: Path) -> Iterator[Callable[[str], None]]:
    """Mount a disk of 600 KiB; called with `size=…` or `ro` it becomes that."""
    folder.mkdir()

    def mount(*words: str) -> None:
        subprocess.run(["mount", *words, str(folder)], check=True, capture_output=True)

    try:
        mount("-t", "tmpfs", "-o", "size=600k,mode=755", "tmpfs")
    except (subprocess.CalledProcessError, FileNotFoundError):
        pytest.skip("this user may not mount a disk")
    try:
        yield lambda options: mount("-o", f"remount,{options}")
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_target_whose_disk_is_full_shows_nothing_half_and_goes_on_when_there_is_room(plan: _Plan, tmp_path: Path) -> None:
    with _small_disk(plan.lake) as remount:
        ran = plan.run(tmp_path / "work")
        _require_one_line(ran, "no space", "Free")
        assert plan.require_nothing_half() == ["few"]

        remount("size=100m")
        plan.require_same(tmp_path / "work", plan.run(tmp_path / "work", "--resume"))
        shutil.rmtree(plan.lake, ignore_errors=True)


def test_a_file_that_may_not_grow_shows_nothing_half_and_goes_on(spark: SparkSession, plan: _Plan, tmp_path: Path) -> None:
    jvm = spark.sparkContext._gateway.proc.pid  # type: ignore[union-attr]
    before = resource.prlimit(jvm, resource.RLIMIT_FSIZE)
    resource.prlimit(jvm, resource.RLIMIT_FSIZE, (300 * 1024, before[1]))
    try:
        ran = plan.run(tmp_path / "work")
    finally:
        resource.prlimit(jvm, resource.RLIMIT_FSIZE, before)
    _require_one_line(ran, "no space", "Free")
    assert plan.require_nothing_half() == ["few"]
    plan.require_same(tmp_path / "work", plan.run(tmp_path / "work", "--resume"))


def test_a_target_that_may_not_be_written_to_is_told(plan: _Plan, tmp_path: Path) -> None:
    """Root may write anywhere, but not on a disk that is read-only."""
    if os.geteuid():
        plan.lake.mkdir(mode=0o500)
        ran = plan.run(tmp_path / "work")
        plan.lake.chmod(0o700)
        assert plan.require_nothing_half() == []
    else:
        with _small_disk(plan.lake) as remount:
            remount("ro")
            ran = plan.run(tmp_path / "work")
            assert plan.require_nothing_half() == []
        plan.lake.rmdir()
    _require_one_line(ran, f"{plan.lake}", "permission was refused", "Grant")
    plan.require_same(tmp_path / "work", plan.run(tmp_path / "work", "--resume"))


# two runs


@pytest.mark.slow
def test_two_runs_of_one_plan_at_once_publish_one_whole_state_or_say_so(plan: _Plan, tmp_path: Path) -> None:
    """From two working folders, on one snapshot: both are the same run to the target. What both say is what is there."""
    from tests.e2e.test_cut_off import started

    runs = [started(plan.place, tmp_path / f"work{number}") for number in range(2)]
    while any(run.poll() is None for run, _ in runs):
        plan.require_nothing_half()
        time.sleep(0.01)
    codes = [run.returncode for run, _ in runs]
    for code, (_, log) in zip(codes, runs, strict=True):
        text = log.read_text()
        assert code in (0, 3) and "Traceback" not in text, text
        assert code == 0 or text.count("error: ") == 1, text
    plan.require_nothing_half()
    for number, code in enumerate(codes):
        work = tmp_path / f"work{number}"
        if code:
            plan.require_same(work, plan.run(work, "--resume"))
        assert json.loads((work / "result.json").read_text())["result_sha256"] == plan.digest
    assert plan.require_nothing_half() == sorted(_ROWS)
