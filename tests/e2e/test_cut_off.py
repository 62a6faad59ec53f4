"""A run that is killed goes on, and ends as an undisturbed one does."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from jobs.migration_status import Workdir
from tests.connectors.postgres_stage import PostgresStage
from tests.e2e.conftest import command, schema_of

pytestmark = pytest.mark.slow

_ROOT = Path(__file__).parent.parent.parent
_SMALL = ("--conf", "spark.sql.shuffle.partitions=2", "--conf", "spark.sql.adaptive.enabled=false", "--master", "local[2]")


def _started(place: Path, *words: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "jobs.cli", "run", "plan.yaml", *words, *_SMALL]
    return subprocess.Popen(command, cwd=place, env={**os.environ, "PYTHONPATH": str(_ROOT)}, start_new_session=True)


def _killed_when(place: Path, reached: Callable[[Workdir], bool]) -> None:
    """Start a run and end it, with its JVM, as a power cut does."""
    run = _started(place, "--workdir", "work")
    for _ in range(3000):
        if reached(Workdir(place / "work")):
            break
        assert run.poll() is None, "the run ended before it could be killed"
        time.sleep(0.1)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()


def _is_writing(workdir: Workdir) -> bool:
    state = workdir.state()
    return state is not None and any(table.state == "writing" for table in state.tables.values())


def _is_reconciling(workdir: Workdir) -> bool:
    state = workdir.state()
    return state is not None and any(table.proof for table in state.tables.values())


@pytest.mark.parametrize("reached", [_is_writing, _is_reconciling])
def test_a_killed_run_goes_on_to_the_result_of_an_undisturbed_one(
    stage: PostgresStage, tmp_path: Path, reached: Callable[[Workdir], bool]
) -> None:
    schema = schema_of(stage)
    words = ("--source", stage.uri(), "--schema", schema, "--target", f"file:{tmp_path}/lake", "--out", tmp_path / "plan.yaml")
    made = command("plan", "postgres-to-s3", *words)
    assert made.exit_code == 0, made.output
    _killed_when(tmp_path, reached)
    if reached is _is_writing:  # nothing is published yet, so nobody sees anything
        assert list((tmp_path / "lake").rglob("manifest.json")) == []
    assert _started(tmp_path, "--workdir", "work", "--resume").wait() == 0
    shutil.rmtree(tmp_path / "lake")
    assert _started(tmp_path, "--workdir", "undisturbed").wait() == 0
    digests = [json.loads((tmp_path / name / "result.json").read_text())["result_sha256"] for name in ("work", "undisturbed")]
    assert digests[0] == digests[1]
    assert not [path for path in (tmp_path / "lake").glob("_staging/*/*/data/*") if path.is_file()]
