"""The demonstration on a small scale: what it promises is what happens."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.demo import Planted, plant_faults
from jobs.local_postgres import free_port

_ROOT = Path(__file__).parent.parent.parent
_NOON = datetime(1995, 7, 1, 12, tzinfo=timezone.utc)


def _started(*words: str, cwd: Path, **more: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(_ROOT), "TMPDIR": str(cwd), **more}
    command = [sys.executable, "-m", "jobs.demo", "--scale", "0.001", *words]
    return subprocess.Popen(
        command, cwd=cwd, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def test_what_is_planted_is_what_is_told(tmp_path: Path) -> None:
    rows = 100
    july = [number % 10 == 0 for number in range(rows)]
    air = [number % 4 == 1 for number in range(rows)]
    table = pa.table(
        {
            "l_orderkey": pa.array([number // 4 for number in range(rows)], pa.int64()),
            "l_quantity": pa.array([Decimal(50)] * rows, pa.decimal128(15, 2)),
            "l_extendedprice": pa.array([Decimal("10.40")] * rows, pa.decimal128(15, 2)),
            "l_shipmode": ["AIR       " if flag else "TRUCK     " for flag in air],
            "l_shipdate": pa.array([date(1995, 7, 1) if flag else date(1996, 7, 1) for flag in july]),
            "l_shipped_at": pa.array([_NOON] * rows, pa.timestamp("us", "UTC")),
        }
    )
    file = tmp_path / "part.parquet"
    pq.write_table(table, file)
    assert plant_faults(file) == Planted(shifted=9, rounded=24, lost=4)
    after = pq.read_table(file)
    assert after.schema.equals(table.schema)
    moved = [at for at in after["l_shipped_at"].to_pylist() if at != _NOON]
    assert moved == [_NOON - timedelta(hours=2)] * 9
    assert [price for price in after["l_extendedprice"].to_pylist() if price != Decimal("10.40")] == [Decimal("10.00")] * 24
    assert after["l_quantity"].to_pylist() == [Decimal(51), *[Decimal(50)] * 95]


def _is_down(output: str) -> bool:
    """Return whether nobody listens any more where the demonstration's server did."""
    port = int(re.findall(r"postgres://reader@127\.0\.0\.1:(\d+)/shop", output)[-1])
    return free_port(port) == port


@pytest.mark.slow
def test_it_migrates_proves_finds_and_explains_and_can_be_run_again(tmp_path: Path) -> None:
    outputs = []
    for _ in range(2):
        run = _started("--folder", "work", "--master", "local[2]", cwd=tmp_path)
        output, errors = run.communicate(timeout=900)
        assert (run.returncode, errors) == (0, ""), output
        outputs.append(output)
    for output in outputs:
        assert output.index("PASS: 4 of 4 tables") < output.index("FAIL: lineitem differs")
        planted = re.search(r"(\d+) times of shipping are off by two hours, (\d+) prices rounded, (\d+) rows lost", output)
        assert planted is not None
        shifted, rounded, lost = (int(number) for number in planted.groups())
        found = json.loads((tmp_path / "work" / "run" / "result.json").read_text())
        tables = {table["name"]: table for table in found["tables"]}
        assert {name: table["verdict"] for name, table in tables.items()} == {
            "nation": "PASS", "customer": "PASS", "orders": "PASS", "lineitem": "FAIL",
        }  # fmt: skip
        assert tables["lineitem"]["missing"] == lost > 0
        assert "file_changed" in {reason["code"] for reason in tables["lineitem"]["reasons"]}
        compared = json.loads((tmp_path / "work" / "run" / "comparisons" / "lineitem.json").read_text())
        changed = {column["source"]: column["changed"] for column in compared["columns"] if column["changed"]}
        assert changed == {"l_shipped_at": shifted, "l_extendedprice": rounded, "l_quantity": 1}
        for cause in ("In l_shipped_at", "In l_extendedprice", "missing"):
            assert cause in output.partition("FAIL: ")[2]
        assert "work/run/report.html" in output and "scripts/demo --serve" in output
    assert "<html" in (tmp_path / "work" / "run" / "report.html").read_text()[:500]
    assert _is_down(outputs[-1])


def test_serving_ends_with_ctrl_c_and_leaves_nothing(tmp_path: Path) -> None:
    run = _started("--folder", "work", "--serve", cwd=tmp_path)
    assert run.stdout is not None
    output = ""
    while "parity run" not in output:
        line = run.stdout.readline()
        assert line, run.stderr and run.stderr.read()
        output += line
    assert not _is_down(output)
    secret = tmp_path / "work" / "reader.password"
    assert secret.stat().st_mode & 0o077 == 0
    os.killpg(run.pid, signal.SIGINT)
    _, errors = run.communicate(timeout=60)
    assert (run.returncode, errors) == (0, "")
    assert _is_down(output)


def test_a_work_folder_that_is_a_file_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    run = _started("--folder", "file", cwd=tmp_path)
    errors = run.communicate(timeout=60)[1]
    assert (run.returncode, errors.count("\n"), "Traceback" in errors) == (2, 1, False)
    assert "--folder" in errors


def test_a_driver_that_is_missing_is_told_before_anything_takes_time(tmp_path: Path) -> None:
    run = _started("--folder", "work", cwd=tmp_path, PARITY_JARS=str(tmp_path / "none"))
    errors = run.communicate(timeout=60)[1]
    assert (run.returncode, "Traceback" in errors, "python -m jobs.jars" in errors) == (2, False, True)
    assert not (tmp_path / "work").exists()
