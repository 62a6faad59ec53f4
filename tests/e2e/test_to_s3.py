"""The same into an S3 API, in a process of its own: credentials reach it by the environment alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from jobs.jars import missing_jars
from tests.connectors.postgres_stage import PostgresStage
from tests.e2e.conftest import command, schema_of
from tests.e2e.published import in_bucket, whole_table
from tests.standins.moto_s3 import running_s3
from tests.standins.process import free_port

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


@pytest.mark.parametrize("outage", ["500", "503", "killed"])
def test_a_store_that_fails_during_a_run_shows_nothing_half_and_the_run_goes_on(
    stage: PostgresStage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, outage: str
) -> None:
    """A killed emulator has forgotten everything when it comes back: then all is loaded again."""
    schema, port, mark, names = schema_of(stage), free_port(), tmp_path / "outage", ("orders", "lines")
    line = [sys.executable, "-m", "jobs.cli", "run", "plan.yaml", "--master", "local[2]", "--workdir"]
    servers = ExitStack()
    server = servers.enter_context(running_s3(["lake"], port, mark))
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    words = ("--source", stage.uri(), "--schema", schema, "--out", tmp_path / "plan.yaml", "--target", "s3://lake/shop")
    made = command("plan", "postgres-to-s3", *words)
    assert made.exit_code == 0, made.output
    client = server.client()

    def whole() -> dict[str, int]:
        tables = {name: whole_table(in_bucket(client, "lake", "shop"), name) for name in names}
        return {name: table.num_rows for name, table in tables.items() if table is not None}

    def run(work: str, *more: str) -> tuple[int, str]:
        """Run the plan; without more words the store fails as soon as something is staged."""
        with (tmp_path / f"{work}.log").open("ab") as told:
            environment = {**os.environ, "PYTHONPATH": str(_ROOT)}
            process = subprocess.Popen([*line, work, *more], cwd=tmp_path, env=environment, stdout=told, stderr=told)
            while not more and process.poll() is None:
                keys = [one["Key"] for one in client.list_objects_v2(Bucket="lake", Prefix="shop/").get("Contents", ())]
                if any("/data/" in key for key in keys):
                    mark.write_text(outage) if outage != "killed" else servers.close()
                    break
                time.sleep(0.02)
            try:
                code = process.wait(_LIMIT_S)
            finally:
                process.kill()  # its JVM ends with it; else it would outlive the test, and its store
        return code, (tmp_path / f"{work}.log").read_text()

    with servers:
        code, told = run("work")
        assert code == 3 and told.count("error: ") == 1 and "Traceback" not in told and "Exception" not in told, told
        mark.unlink(missing_ok=True)
        if outage == "killed":
            server = servers.enter_context(running_s3(["lake"], port))
            client = server.client()
        assert whole().items() <= {"orders": 500, "lines": 200}.items()
        assert run("work", "--resume")[0] == 0
        assert whole() == {"orders": 500, "lines": 200}
        keys = [one["Key"] for one in client.list_objects_v2(Bucket="lake")["Contents"]]
        assert not any("_staging" in key for key in keys)
        for key in keys:
            client.delete_object(Bucket="lake", Key=key)
        assert run("undisturbed", "--no-progress")[0] == 0
    digests = [json.loads((tmp_path / name / "result.json").read_text())["result_sha256"] for name in ("work", "undisturbed")]
    assert digests[0] == digests[1]
