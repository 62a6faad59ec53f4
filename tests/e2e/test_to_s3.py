"""The same into an S3 API, in a process of its own: credentials reach it by the environment alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from jobs.jars import missing_jars
from tests.connectors.postgres_stage import PostgresStage
from tests.e2e.conftest import command, schema_of
from tests.standins.moto_s3 import running_s3

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(missing_jars("s3")), reason="the jars of conf/spark_jars_s3.txt are not here: python -m jobs.jars s3"),
]
_ROOT = Path(__file__).parent.parent.parent
_LIMIT_S = 400


def test_a_schema_arrives_in_s3_and_a_file_that_is_changed_there_is_found(
    stage: PostgresStage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    schema = schema_of(stage)
    with running_s3(["lake"]) as server:
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)

        def run(*words: str) -> int:
            command = [sys.executable, "-m", "jobs.cli", "run", "plan.yaml", "--workdir", "work", "--master", "local[2]", *words]
            environment = {**os.environ, "PYTHONPATH": str(_ROOT)}
            return subprocess.run(command, cwd=tmp_path, env=environment, check=False, timeout=_LIMIT_S).returncode

        source = ("--source", stage.uri(), "--schema", schema, "--out", tmp_path / "plan.yaml")
        made = command("plan", "postgres-to-s3", *source, "--target", "s3://lake/shop")
        assert made.exit_code == 0, made.output
        assert run() == 0
        result = json.loads((tmp_path / "work" / "result.json").read_text())
        assert {table["name"]: table["verdict"] for table in result["tables"]} == {"orders": "PASS", "lines": "PASS"}
        client = server.client()
        keys = [one["Key"] for one in client.list_objects_v2(Bucket="lake")["Contents"]]
        (key,) = (key for key in keys if key.startswith("shop/lines/data/"))
        assert not any("_staging" in key for key in keys)
        content = client.get_object(Bucket="lake", Key=key)["Body"].read()
        client.put_object(Bucket="lake", Key=key, Body=content[:20] + bytes([content[20] ^ 1]) + content[21:])
        assert run("--resume", "--only", "reconciliation,explanation") == 1
    result = json.loads((tmp_path / "work" / "result.json").read_text())
    assert {table["name"]: table["reasons"][0]["code"] for table in result["tables"]} == {"orders": "proven", "lines": "file_changed"}
