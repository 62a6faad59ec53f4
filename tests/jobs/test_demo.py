"""The demonstration on a small scale: what it promises is what happens."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

_ROOT = Path(__file__).parent.parent.parent


def _demo(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(_ROOT)}
    command = [sys.executable, "-m", "jobs.demo", "--scale", "0.01", "--master", "local[2]", *words]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=400)


def test_it_tells_the_good_migration_from_the_careless_one_and_can_be_run_again(tmp_path: Path) -> None:
    outputs = []
    for _ in range(2):
        run = _demo("--folder", "work", cwd=tmp_path)
        assert (run.returncode, run.stderr) == (0, "")
        outputs.append(run.stdout)
    for output in outputs:
        assert output.count("PASS: ") == 2
        assert output.count("FAIL: ") == 1
        assert "work/careless.html" in output
        assert "--key l_orderkey,l_linenumber" in output
    assert "<html" in (tmp_path / "work" / "careless.html").read_text()[:500]
    document = json.loads((tmp_path / "work" / "careless.json").read_text())
    changed = {column["source"] for column in document["columns"] if column["changed"]}
    assert changed == {"l_shipped_at", "l_comment", "l_extendedprice", "l_quantity"}
    counts = document["counts"]
    assert counts["missing"] > 0
    assert counts["extra"] >= counts["multiplicity"] > 0
    fixes = " ".join(item["statement"] for item in document["explanations"])
    for cause in ("l_shipped_at", "l_comment", "l_extendedprice"):
        assert cause in fixes


def test_a_work_folder_that_is_a_file_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    run = _demo("--folder", "file", cwd=tmp_path)
    assert (run.returncode, run.stderr.count("\n"), "Traceback" in run.stderr) == (2, 1, False)
    assert "--folder" in run.stderr
