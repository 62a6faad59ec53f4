# ruff: noqa: S608 -- the SQL of these tests is made of quoted names and constants
"""The published vectors: the reference, Spark with and without generated code, and PostgreSQL all give them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import types as T

from engine.canary import expected_answers, hash_columns
from engine.golden import CANARY_SET, golden_sets, spark_rows
from engine.portable_sql import postgres_pct1, quote_identifier
from engine.reference import key_hash, row_hashes
from engine.reference_text import pct1_row_python
from tests.engine.postgres_values import placeholder

_SETS = golden_sets()
_STORED = {"boolean": "boolean", "bigint": "bigint", "date": "date", "timestamp": "timestamptz", "timestamp_ntz": "timestamp"}
_STORED |= {"string": "text", "binary": "bytea"}


def _hex(number: int) -> str:
    return f"{number % 2**64:016x}"


@pytest.mark.parametrize("name", _SETS)
def test_the_reference_gives_the_published_answers(name: str) -> None:
    found = _SETS[name]
    for row in found.rows:
        plain, strong, proof = (row_hashes(found.columns, row.values, strength) for strength in ("64", "128", "sha256"))
        assert tuple(map(_hex, plain.groups)) == row.groups
        assert (_hex(plain.h1), _hex(plain.h2), _hex(strong.h1), _hex(strong.h2)) == (row.h1, row.h2, row.h1, row.h2_128)
        assert (_hex(proof.h1), _hex(proof.h2)) == row.sha256
        assert _hex(key_hash(found.key_columns, row.values)) == row.key
        if row.pct1 is not None:
            assert pct1_row_python((row.values[column], kind) for column, kind in sorted(found.columns, key=lambda c: c[0])) == row.pct1


@contextmanager
def _settings(spark: SparkSession, **values: str) -> Iterator[None]:
    for key, value in values.items():
        spark.conf.set(key, value)
    try:
        yield
    finally:
        for key in values:
            spark.conf.unset(key)


_GENERATED = {"spark.sql.codegen.wholeStage": "true", "spark.sql.codegen.factoryMode": "CODEGEN_ONLY"}
_INTERPRETED = {"spark.sql.codegen.wholeStage": "false", "spark.sql.codegen.factoryMode": "NO_CODEGEN"}


@pytest.mark.parametrize("mode", [_GENERATED, _INTERPRETED], ids=["generated code", "interpreted"])
@pytest.mark.parametrize("name", _SETS)
def test_spark_gives_the_published_answers(spark: SparkSession, name: str, mode: dict[str, str]) -> None:
    found = _SETS[name]
    with _settings(spark, **mode):
        rows = spark_rows(spark, found).select("i", *(answer.alias(title) for title, answer in hash_columns(found).items())).collect()
    assert len(rows) == len(found.rows)
    for row in rows:
        expected = expected_answers(found.rows[row["i"]])
        assert {title: row[title] for title in expected} == expected, (name, row["i"])


@pytest.mark.parametrize("name", [name for name, found in _SETS.items() if found.postgres])
def test_postgres_gives_the_published_texts(postgres: Any, name: str) -> None:
    found = _SETS[name]
    definitions = ", ".join(f"{quote_identifier('postgres', column)} {_stored(kind)}" for column, kind in found.columns)
    with postgres.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS golden")
        cursor.execute(f"CREATE TEMP TABLE golden (n int, {definitions})")
        marks = ", ".join(placeholder(kind) for _, kind in found.columns)
        for number, row in enumerate(found.rows):
            cursor.execute(f"INSERT INTO golden VALUES (%s, {marks})", (number, *(row.values[column] for column, _ in found.columns)))
        ordered = sorted(found.columns, key=lambda column: column[0])
        cursor.execute(f"SELECT {postgres_pct1(ordered)} FROM golden ORDER BY n")
        assert [row[0] for row in cursor.fetchall()] == [row.pct1 for row in found.rows]


def _stored(kind: T.DataType) -> str:
    return "numeric" if isinstance(kind, T.DecimalType) else _STORED[kind.simpleString()]


def test_the_vectors_cover_what_they_must() -> None:
    rows = sum(len(found.rows) for found in _SETS.values())
    assert rows >= 200
    kinds = {kind.typeName() for found in _SETS.values() for _, kind in found.columns}
    wanted = "boolean long decimal double float date timestamp timestamp_ntz string binary array map struct variant"
    assert kinds >= set(wanted.split())
    assert any("interval" in kind for kind in kinds)
    for found in _SETS.values():
        assert len({row.h1 for row in found.rows}) >= len(found.rows) - 4, "only the two zeros, NaNs and map orders hash alike"


def test_rows_that_hash_alike_are_equal() -> None:
    for name in (
        "null_in_every_place",
        "integers",
        "keys",
        "three_groups",
        "lengths",
        "signs",
        "more_than_64_null_bits",
        "arrays",
        "arrays_of_arrays",
    ):
        found = _SETS[name]
        assert len({row.h1 for row in found.rows}) == len({row.h2 for row in found.rows}) == len(found.rows), name


def test_the_file_is_what_the_reference_computes() -> None:
    root = Path(__file__).parent.parent.parent
    run = subprocess.run([sys.executable, "-m", "engine.golden_vectors", "--check"], cwd=root, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


def test_the_canary_computes_on_the_executors(spark: SparkSession) -> None:
    found = _SETS[CANARY_SET]
    frame = spark_rows(spark, found).select(hash_columns(found)["h1"].alias("h"))
    plan = frame._jdf.queryExecution().optimizedPlan().toString()
    assert "xxhash64" in plan
