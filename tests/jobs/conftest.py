"""Small tables on disk, and the command line called in this process."""

from __future__ import annotations

import datetime
import decimal
import gzip
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result
from pyspark.sql import SparkSession

from jobs.cli import main

ROWS = {
    "id": pa.array([1, 2, 3, 4], pa.int64()),
    "name": pa.array(["ada", "bob", "cy", None]),
    "price": pa.array([decimal.Decimal(text) for text in ("1.00", "2.50", "3.75", "4.10")], pa.decimal128(10, 2)),
    "ratio": pa.array([0.5, 0.25, 0.1, None], pa.float64()),
    "at": pa.array([datetime.datetime(2026, 1, day, tzinfo=datetime.timezone.utc) for day in (1, 2, 3, 4)], pa.timestamp("us", "UTC")),
}


@pytest.fixture
def parity(spark: SparkSession) -> Callable[..., Result]:
    """Return a function that runs `parity` with these words, on the session of the tests."""

    def run(*words: str) -> Result:
        return CliRunner().invoke(main, list(words))

    return run


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory, spark: SparkSession) -> Path:
    """A folder of tables, most of them damaged in one way each."""
    place = tmp_path_factory.mktemp("world")
    table = pa.table(ROWS)
    pq.write_table(table, place / "good.parquet")
    pq.write_table(table, place / "same.parquet")
    pq.write_table(table.rename_columns(["number", *table.column_names[1:]]), place / "other_key.parquet")
    for name in ("two_cases", "two_cases_again"):
        pq.write_table(table.append_column("ID", table["id"]), place / f"{name}.parquet")
    whole = (place / "good.parquet").read_bytes()
    (place / "truncated.parquet").write_bytes(whole[:-20])
    (place / "zero.parquet").write_bytes(b"")
    (place / "garbage.parquet").write_bytes(b"PAR1" + bytes(200) + b"PAR1")
    torn = bytearray(whole)
    torn[8:60] = b"\xff" * 52
    (place / "torn.parquet").write_bytes(torn)
    (place / "empty").mkdir()
    mixed = place / "mixed"
    mixed.mkdir()
    pq.write_table(table, mixed / "a.parquet")
    pq.write_table(table.set_column(1, "name", pa.array([1, 2, 3, 4])), mixed / "b.parquet")
    texts = {
        "good.csv": "id,name\n1,ada\n2,bob\n",
        "ragged.csv": "id,name\n1,ada\n2,bob,too,many\n",
        "twice.csv": "id,name,id\n1,ada,1\n",
        "quote.csv": 'id,name\n1,"ada"x\n2,bob\n',
        "empty.csv": "",
        "good.json": '{"id": 1, "name": "ada"}\n',
        "broken.json": '{"id": 1, "name": "ada"}\n{"id": 2, "name": \n',
        "list.yaml": "- keys\n",
        "broken.yaml": "keys: [id\n",
        "field.yaml": "keys: [id]\ntolerances: {}\n",
        "id.yaml": "keys: [id]\n",
        "value.yaml": "strength: strong\n",
        "null.yaml": "source_options: {null_value: NULL}\n",
        "semicolons.csv": "id;name\n1;ada\n",
        "unique.yaml": "keys: []\nunique_keys: true\n",
    }
    for name, text in texts.items():
        (place / name).write_text(text, encoding="utf-8")
    (place / "latin.csv").write_bytes("id,name\n1,Zoë\n".encode("latin-1"))
    (place / "cut.csv.gz").write_bytes(gzip.compress(b"id,name\n" + b"1,ada\n" * 5000)[:-30])
    headers = place / "headers"
    headers.mkdir()
    (headers / "a.csv").write_text("id,name\n1,ada\n")
    (headers / "b.csv").write_text("id,title\n2,bob\n")
    (place / "full").mkdir()
    (place / "full" / "something").write_text("mine")
    spark.range(3).write.format("delta").save(str(place / "delta"))
    return place
