"""`spark-submit --py-files dist/parity.zip jobs/compare.py …`, as on EMR, far from the checkout."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pyspark
import pytest

from tests.jobs.conftest import ROWS

pytestmark = pytest.mark.slow

_ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what is copied to a cluster, and two tables."""
    built = subprocess.run([str(_ROOT / "scripts" / "build_zip")], capture_output=True, text=True, check=False, timeout=120)
    assert built.returncode == 0, built.stderr
    place = tmp_path_factory.mktemp("shipped")
    for name in ("dist/parity.zip", "jobs/compare.py", "conf/spark-defaults-emr.conf"):
        shutil.copy(_ROOT / name, place)
    table = pa.table(ROWS)
    pq.write_table(table, place / "a.parquet")
    pq.write_table(table.take([3, 1, 0, 2]), place / "b.parquet")
    pq.write_table(table.slice(1), place / "c.parquet")
    return place


def _submit(place: Path, *words: str, configured: bool = True) -> subprocess.CompletedProcess[str]:
    command = [str(Path(pyspark.__file__).parent / "bin" / "spark-submit"), "--master", "local[2]", "--py-files", "parity.zip"]
    command += ["--conf", "spark.ui.enabled=false", "--conf", "spark.driver.host=127.0.0.1", "--conf", "spark.sql.shuffle.partitions=2"]
    if configured:
        command += ["--properties-file", "spark-defaults-emr.conf"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHONPATH", "PYSPARK_", "SPARK_"))}
    environment |= {"TZ": "America/New_York", "PYSPARK_PYTHON": sys.executable, "PYSPARK_DRIVER_PYTHON": sys.executable}
    return subprocess.run(
        [*command, "compare.py", *words], cwd=place, env=environment, capture_output=True, text=True, check=False, timeout=300
    )


def test_equal_tables_pass_from_the_zip(shipped: Path) -> None:
    run = _submit(shipped, f"parquet:{shipped}/a.parquet", f"parquet:{shipped}/b.parquet", "--key", "id", "--json", "r.json")
    assert run.returncode == 0, run.stderr[-3000:]
    assert "PASS" in run.stdout
    assert json.loads((shipped / "r.json").read_text())["verdict"] == "PASS"


def test_a_difference_is_exit_code_1_and_the_report_is_written(shipped: Path) -> None:
    run = _submit(shipped, f"parquet:{shipped}/a.parquet", f"parquet:{shipped}/c.parquet", "--key", "id", "--report", "r.html", "--quiet")
    assert run.returncode == 1, run.stderr[-3000:]
    assert run.stdout.startswith("FAIL")
    assert "<html" in (shipped / "r.html").read_text()[:500]


def test_a_cluster_in_another_zone_is_refused(shipped: Path) -> None:
    run = _submit(shipped, f"parquet:{shipped}/a.parquet", f"parquet:{shipped}/b.parquet", "--key", "id", configured=False)
    assert run.returncode == 2, run.stderr[-3000:]
    # spark-submit sends what Python says on stderr to its own stdout.
    assert run.stdout.startswith("error: The time zone of Spark's JVM is America/New_York"), run.stdout + run.stderr[-3000:]
    assert run.stdout.count("\n") == 1
    assert "-Duser.timezone=UTC" in run.stdout
