"""`spark-submit --py-files dist/parity.zip jobs/compare.py …`, as on EMR, far from the checkout; and so with jobs/postgres_to_s3.py."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pyspark
import pytest

from jobs.jars import locked_jars
from tests.connectors.postgres_stage import running_stage
from tests.e2e.conftest import command as parity
from tests.jobs.conftest import ROWS

pytestmark = pytest.mark.slow

_ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what is copied to a cluster, and two tables."""
    built = subprocess.run([str(_ROOT / "scripts" / "build_zip")], capture_output=True, text=True, check=False, timeout=120)
    assert built.returncode == 0, built.stderr
    place = tmp_path_factory.mktemp("shipped")
    for name in ("dist/parity.zip", "jobs/compare.py", "jobs/postgres_to_s3.py", "conf/spark-defaults-emr.conf"):
        shutil.copy(_ROOT / name, place)
    table = pa.table(ROWS)
    pq.write_table(table, place / "a.parquet")
    pq.write_table(table.take([3, 1, 0, 2]), place / "b.parquet")
    pq.write_table(table.slice(1), place / "c.parquet")
    return place


def _submit(
    place: Path, *words: str, configured: bool = True, script: str = "compare.py", options: Sequence[str] = ()
) -> subprocess.CompletedProcess[str]:
    command = [str(Path(pyspark.__file__).parent / "bin" / "spark-submit"), "--master", "local[2]", "--py-files", "parity.zip"]
    command += ["--conf", "spark.ui.enabled=false", "--conf", "spark.driver.host=127.0.0.1", "--conf", "spark.sql.shuffle.partitions=2"]
    if configured:
        command += ["--properties-file", "spark-defaults-emr.conf"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHONPATH", "PYSPARK_", "SPARK_"))}
    environment |= {"TZ": "America/New_York", "PYSPARK_PYTHON": sys.executable, "PYSPARK_DRIVER_PYTHON": sys.executable}
    return subprocess.run(
        [*command, *options, script, *words], cwd=place, env=environment, capture_output=True, text=True, check=False, timeout=300
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


def test_a_plan_is_carried_out_from_the_zip(shipped: Path, tmp_path: Path) -> None:
    (driver,) = (jar for jar in locked_jars() if jar.coordinate.startswith("org.postgresql:"))
    with running_stage() as stage:
        schema = stage.fresh_schema()
        stage.run(
            "CREATE TABLE orders (id int PRIMARY KEY, at timestamptz); INSERT INTO orders SELECT i, now() FROM generate_series(1, 9) AS i"
        )
        source = ("--source", stage.uri(), "--schema", schema, "--target", f"file:{tmp_path}/lake", "--out", tmp_path / "plan.yaml")
        assert parity("plan", "postgres-to-s3", *source).exit_code == 0
        words = ("--plan", f"{tmp_path}/plan.yaml", "--workdir", f"{tmp_path}/work")
        without = _submit(shipped, *words, script="postgres_to_s3.py")
        assert (without.returncode, "no driver for PostgreSQL" in without.stdout) == (2, True), without.stdout + without.stderr[-3000:]
        run = _submit(shipped, *words, "--resume", script="postgres_to_s3.py", options=["--jars", str(driver.path)])
    assert run.returncode == 0, run.stdout + run.stderr[-3000:]
    assert "PASS: 1 of 1 tables" in run.stdout
    assert json.loads((tmp_path / "work" / "result.json").read_text())["tables"][0]["matched"] == 9
