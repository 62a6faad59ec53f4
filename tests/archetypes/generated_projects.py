"""Tables published as a run publishes them, and the real dbt on a project that was generated over them."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from connectors.objects import open_store
from connectors.publishing import begin, publish

__all__ = ["built", "find_dbt", "publish_files", "publish_table", "written"]


def find_dbt() -> str | None:
    """Return the command, from $PARITY_DBT, the environment that scripts/setup_environment makes, or PATH."""
    beside = Path(sys.prefix) / "dbt" / "bin" / "dbt"
    return os.environ.get("PARITY_DBT") or (str(beside) if beside.exists() else shutil.which("dbt"))


def publish_table(target: str, path: str, table: pa.Table, run: str = "run-1") -> None:
    """Publish rows as two files of a version, as Spark would write them."""
    half = max(1, table.num_rows // 2)
    publish_files(target, path, {"part-00000.parquet": table[:half], "part-00001.parquet": table[half:]}, run)


def publish_files(target: str, path: str, files: Mapping[str, pa.Table], run: str = "run-1") -> None:
    *above, name = path.split("/")
    store = open_store("/".join([target, *above]))
    staging = begin(store, name, run)
    for file, rows in files.items():
        content = io.BytesIO()
        pq.write_table(rows, content)
        store.write_new(f"{staging.data}/{file}", content.getvalue())
    publish(staging, schema_sha256="5" * 64)


def written(files: Mapping[str, str], folder: Path) -> Path:
    """Write generated files and return the folder of the dbt project."""
    for path, text in files.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")
    return folder / "dbt"


def built(project: Path, *command: str) -> tuple[int, str, dict[str, str]]:
    """Run dbt and return its exit code, what it said, and the status of every model and test by name."""
    dbt = find_dbt()
    assert dbt is not None
    told = {"DBT_SEND_ANONYMOUS_USAGE_STATS": "false", "DO_NOT_TRACK": "1", "PARITY_DUCKDB": str(project / "parity.duckdb")}
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "DBT_"))}
    ran = subprocess.run(
        [dbt, "--no-use-colors", *command, "--project-dir", ".", "--profiles-dir", "."],
        cwd=project,
        env={**kept, **told},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    results = project / "target" / "run_results.json"
    found: dict[str, Any] = (
        json.loads(results.read_text(encoding="utf-8")) if command[0] != "parse" and results.exists() else {"results": []}
    )
    statuses = {result["unique_id"].split(".")[2]: result["status"] for result in found["results"]}
    return ran.returncode, ran.stdout + ran.stderr, statuses
