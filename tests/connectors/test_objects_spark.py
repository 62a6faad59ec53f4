"""Spark reads, writes and compares in S3, in sessions of their own: credentials reach them by the environment alone."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from connectors.objects import open_store
from connectors.publishing import begin, current_version, publish, verify_published
from jobs.jars import missing_jars
from tests.standins.moto_s3 import S3Server, running_s3
from tests.standins.object_stores import BUCKET

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(missing_jars("s3")), reason="the jars of conf/spark_jars_s3.txt are not here: python -m jobs.jars s3"),
]
_CHECKOUT = Path(__file__).parent.parent.parent
_LIMIT_S = 180

_WRITE = """
import sys
from jobs.session import build_session
place, local = sys.argv[1:]
spark = build_session("s3", master="local[2]", locations=[place])
rows = spark.sql("SELECT id, concat('v', id) AS v, IF(id % 7 = 0, 'ü 1%', concat('p', id % 2)) AS p FROM range(1000)")
rows.repartition(2).write.partitionBy("p").parquet(place)
rows.write.partitionBy("p").parquet("file:" + local)
settings = dict(spark.sparkContext.getConf().getAll())
print(spark.read.parquet(place).count(), [key for key in settings if "secret" in key or "access.key" in key])
"""


_LOOK = """
import sys, time
import boto3
from connectors import open_table
from connectors.manifest import take_manifest
from jobs.session import build_session
uri, prefix = sys.argv[1:]
place = uri.removeprefix("parquet:")
spark = build_session("s3", master="local[2]", locations=[uri])
s3 = boto3.client("s3")
keys = [f"{prefix}/p=ü 1%25+/a.parquet", f"{prefix}/p=b/b.parquet"]
content = s3.get_object(Bucket="lake", Key=keys[0])["Body"].read()
other = bytearray(content)
other[8] ^= 1
opened = open_table(spark, uri, {}, side="source")
print([reason.code for reason in opened.blockers], [reason.code for reason in opened.still_holds()])
s3.put_object(Bucket="lake", Key=keys[0], Body=bytes(other))  # within the same second, of the same size
print([reason.code for reason in opened.still_holds()])
s3.put_object(Bucket="lake", Key=keys[0], Body=content)
s3.put_object(Bucket="lake", Key=f"{prefix}/p=b/_passed_over.parquet", Body=content)
s3.put_object(Bucket="lake", Key=f"{prefix}/_temporary/0/x.parquet", Body=content)
s3.put_object(Bucket="lake", Key=f"{prefix}/_SUCCESS", Body=b"")
print([reason.code for reason in open_table(spark, uri, {}, side="source").blockers], [reason.code for reason in opened.still_holds()])
alone = take_manifest(spark, f"{place}/p=b/b.parquet", "x")
print(len(alone.files), [bool(file.version) for file in alone.files])
"""


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    with running_s3(buckets=[BUCKET]) as server, pytest.MonkeyPatch.context() as patch:
        for name, value in server.environment().items():
            patch.setenv(name, value)
        yield server


def _run(*command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(_CHECKOUT)}
    return subprocess.run(
        [sys.executable, *command], cwd=cwd, env=environment, capture_output=True, text=True, timeout=_LIMIT_S, check=False
    )


def test_spark_stages_in_s3_and_what_is_published_is_compared(s3: S3Server, tmp_path: Path) -> None:
    store = open_store(f"s3://{BUCKET}/target")
    staging = begin(store, "orders", "run-1")
    local = tmp_path / "local"
    wrote = _run("-c", _WRITE, staging.spark_path, str(local), cwd=tmp_path)
    assert wrote.stdout.split("\n")[0] == "1000 []", wrote.stderr
    published = publish(staging, schema_sha256="5" * 64, rows=1000)
    assert verify_published(store, "orders") == ()
    assert current_version(store, "orders") == published

    words = ["--key", "id", "--master", "local[2]", "--json", "result.json"]
    same = _run("-m", "jobs.cli", "compare", f"parquet:{local}", f"parquet:{published.spark_path}", *words, cwd=tmp_path)
    assert same.returncode == 0, same.stdout + same.stderr
    result = json.loads((tmp_path / "result.json").read_text())
    assert result["verdict"] == "PASS"
    assert "manifest sha256:" in json.dumps(result)

    some = next(file for file in published.manifest.files if "p=p1" in file.path)
    key = f"target/orders/{published.manifest.location}/{some.path}"
    table = pq.read_table(io.BytesIO(s3.client().get_object(Bucket=BUCKET, Key=key)["Body"].read()))
    target = io.BytesIO()
    pq.write_table(table.set_column(1, "v", pa.array(["changed", *table["v"].to_pylist()[1:]])), target)
    s3.client().put_object(Bucket=BUCKET, Key=key, Body=target.getvalue())
    uri = published.spark_path.replace("s3a:", "s3:")
    other = _run("-m", "jobs.cli", "compare", f"parquet:{local}", f"parquet:{uri}", *words, cwd=tmp_path)
    assert other.returncode == 1, other.stdout + other.stderr
    assert json.loads((tmp_path / "result.json").read_text())["counts"]["changed"] == 1
    assert [fault.kind for fault in verify_published(store, "orders")] in (["changed"], ["truncated"])


def test_a_table_in_s3_is_pinned_by_versions_and_what_spark_passes_over_is_told(s3: S3Server, tmp_path: Path) -> None:
    content = io.BytesIO()
    pq.write_table(pa.table({"id": [1, 2]}), content)
    for name in ("p=ü 1%25+/a.parquet", "p=b/b.parquet"):
        s3.client().put_object(Bucket=BUCKET, Key=f"pin ned/{name}", Body=content.getvalue())
    done = _run("-c", _LOOK, f"parquet:s3a://{BUCKET}/pin ned", "pin ned", cwd=tmp_path)
    assert done.stdout.splitlines() == [
        "[] []",
        "['source_changed']",
        "['hidden_files', 'unfinished_write'] ['source_changed']",
        "1 [True]",
    ], done.stderr
