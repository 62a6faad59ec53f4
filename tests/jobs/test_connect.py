"""The same answers through Spark Connect: a server in a JVM of its own, a client that has no JVM."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pyspark
import pytest

from tests.jobs.conftest import ROWS

_ROOT = Path(__file__).parent.parent.parent
_START_S = 120

# What a notebook on a Connect cluster does: its own DataFrames, its own session settings.
_NOTEBOOK = """
import json, sys
from pyspark.sql import SparkSession
spark = SparkSession.builder.remote(sys.argv[1]).getOrCreate()
spark.conf.set("spark.sql.session.timeZone", "UTC")
spark.conf.set("spark.sql.caseSensitive", "true")
spark.conf.set("spark.sql.sources.partitionColumnTypeInference.enabled", "false")
spark.conf.set("spark.sql.mapKeyDedupPolicy", "EXCEPTION")
spark.conf.set("spark.sql.legacy.timeParserPolicy", "CORRECTED")
from jobs.compare import compare
source = spark.createDataFrame([(1, "a"), (2, "b"), (3, "c"), (3, "c")], "id int, v string")
target = spark.createDataFrame([(1, "a"), (2, "x"), (3, "c"), (4, "d")], "id bigint, v string")
result = compare(source, target, ["id"])
cells = sorted(tuple(map(str, row)) for row in result.diffs().collect())
same = compare(source, source.repartition(3), ["id"])
print(json.dumps({
    "verdicts": [result.verdict, same.verdict], "counts": result.to_dict()["counts"], "cells": cells,
    "missing": result.missing().count(), "extra": [row["id"] for row in result.extra().collect()], "html": len(result._repr_html_()),
}))
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Spark Connect server that this module starts and ends."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    place = tmp_path_factory.mktemp("server")
    settings = {
        "spark.connect.grpc.binding.address": "127.0.0.1",
        "spark.connect.grpc.binding.port": str(port),
        "spark.driver.extraJavaOptions": "-Duser.timezone=UTC -XX:TieredStopAtLevel=1",
        "spark.executor.extraJavaOptions": "-Duser.timezone=UTC",
        "spark.driver.host": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.warehouse.dir": str(place / "warehouse"),
    }
    command = [str(Path(pyspark.__file__).parent / "bin" / "spark-submit"), "--master", "local[2]"]
    command += ["--class", "org.apache.spark.sql.connect.service.SparkConnectServer"]
    for name, value in settings.items():
        command += ["--conf", f"{name}={value}"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYSPARK_", "SPARK_"))}
    with (place / "log").open("wb") as log:
        process = subprocess.Popen([*command, "spark-internal"], stdout=log, stderr=log, cwd=place, env=environment, start_new_session=True)
    try:
        deadline = time.monotonic() + _START_S
        while not _answers(port):
            ended = process.poll() is not None
            assert not ended and time.monotonic() < deadline, (place / "log").read_text(errors="replace")[-3000:]
            time.sleep(0.3)
        yield f"sc://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=60)


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _python(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(_ROOT), "TZ": "Asia/Tokyo"}
    return subprocess.run([sys.executable, *words], cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=300)


def test_the_command_line_runs_on_a_connect_server(server: str, tmp_path: Path) -> None:
    table = pa.table(ROWS)
    pq.write_table(table, tmp_path / "a.parquet")
    pq.write_table(table.slice(0, 3).set_column(1, "name", pa.array(["ada", "Bob", "cy"])), tmp_path / "b.parquet")
    words = ["-m", "jobs.cli", "compare", f"parquet:{tmp_path}/a.parquet", f"parquet:{tmp_path}/b.parquet", "--key", "id"]
    run = _python(*words, "--remote", server, "--json", "r.json", "--diffs", str(tmp_path / "d"), cwd=tmp_path)
    assert (run.returncode, run.stderr) == (1, "")
    assert "FAIL" in run.stdout
    document = json.loads((tmp_path / "r.json").read_text())
    assert (document["counts"]["matched"], document["counts"]["changed"], document["counts"]["missing"]) == (2, 1, 1)
    assert pq.read_table(tmp_path / "d").num_rows == 2


def test_a_notebook_on_a_connect_server_gets_the_same_answers(server: str, tmp_path: Path) -> None:
    (tmp_path / "notebook.py").write_text(_NOTEBOOK)
    run = _python("notebook.py", server, cwd=tmp_path)
    assert run.returncode == 0, run.stderr[-3000:]
    found = json.loads(run.stdout.splitlines()[-1])
    assert found["verdicts"] == ["FAIL", "PASS"]
    counts = found["counts"]
    assert (counts["matched"], counts["changed"], counts["missing"], counts["extra"], counts["multiplicity"]) == (2, 1, 1, 1, 1)
    assert found["cells"] == [
        ["2", "changed", "v", "b", "x", "value"],
        ["3", "multiplicity", "None", "None", "None", "None"],
        ["4", "extra", "None", "None", "None", "None"],
    ]
    assert (found["missing"], found["extra"]) == (1, [4])
    assert found["html"] > 500


def test_a_server_that_is_not_there_is_told_in_one_line(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"sc://127.0.0.1:{probe.getsockname()[1]}"
    pq.write_table(pa.table(ROWS), tmp_path / "a.parquet")
    words = ["compare", f"parquet:{tmp_path}/a.parquet", f"parquet:{tmp_path}/a.parquet", "--remote", address]
    run = _python("-m", "jobs.cli", *words, cwd=tmp_path)
    assert run.returncode == 3
    assert run.stderr.startswith("error: ")
    assert (run.stderr.count("\n"), address in run.stderr, "Traceback" in run.stderr) == (1, True, False)
