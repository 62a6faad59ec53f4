"""Stores that only Spark can list: the same doors, without the operating system's help."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

import connectors.manifest
from connectors import open_table
from schemas.errors import ConfigError, MissingTableError, UnreadableDataError


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let paths without a scheme mean another store; Spark still finds the files, Parity may not look."""
    monkeypatch.setattr(connectors.manifest, "store_is_local", lambda spark: False)


ROWS = [("1", "a b%", "00"), ("2", None, "0"), ("3", "é", "x")]


@pytest.mark.parametrize("scheme", ["parquet", "orc", "avro", "csv", "json"])
def test_reads_pins_and_notices(spark: SparkSession, store: Callable, scheme: str) -> None:
    stored = store(scheme, ["id", "v", "p"], ROWS)

    opened = open_table(spark, stored.uri, {}, side="source")

    assert sorted(tuple(row) for row in opened.rows.collect()) == sorted(ROWS)
    assert opened.partition_columns == ("p",)
    assert opened.still_holds() == ()
    assert opened.blockers == ()
    with pytest.raises(MissingTableError):
        open_table(spark, stored.missing_uri, {}, side="source")
    stored.change()
    assert [reason.code for reason in opened.still_holds()] == ["source_changed"]


def test_files_that_disagree(spark: SparkSession, tmp_path: Path) -> None:
    pq.write_table(pa.table({"v": pa.array([1], pa.int32())}), tmp_path / "a b.parquet")
    pq.write_table(pa.table({"v": pa.array([2], pa.int64()), "w": ["x"]}), tmp_path / "b.parquet")

    opened = open_table(spark, f"parquet:{tmp_path}", {}, side="source")

    assert sorted(map(tuple, opened.rows.collect())) == [(1, None), (2, "x")]
    assert {finding.column for finding in opened.findings} == {"v", "w"}
    (tmp_path / "_delta_log").mkdir()
    (tmp_path / "_delta_log/00000000000000000000.json").write_text("{}")
    with pytest.raises(ConfigError, match="delta:"):
        open_table(spark, f"parquet:{tmp_path}", {}, side="source")


def test_int96_is_seen_without_reading_footers(spark: SparkSession, tmp_path: Path) -> None:
    spark.sql("SELECT timestamp'2024-01-01' AS t").write.option("outputTimestampType", "INT96").parquet(str(tmp_path / "spark"))
    (tmp_path / "other").mkdir()
    pq.write_table(pa.table({"t": pa.array([0], pa.timestamp("ns"))}), tmp_path / "other/a.parquet", use_deprecated_int96_timestamps=True)

    assert open_table(spark, f"parquet:{tmp_path}/spark", {}, side="source").blockers == ()
    blockers = open_table(spark, f"parquet:{tmp_path}/other", {}, side="source").blockers
    assert [reason.code for reason in blockers] == ["int96"]
    assert open_table(spark, f"parquet:{tmp_path}/other", {"int96": "accept"}, side="source").blockers == ()


def test_damaged_text_is_named(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "a%20b.csv").write_bytes(b"a,b\r\n\xff,1\r\n")

    with pytest.raises(UnreadableDataError, match=r"a%20b\.csv holds bytes"):
        open_table(spark, f"csv:{tmp_path}", {}, side="source")


@pytest.mark.parametrize("content", [b'a,b\n"x\r\ny",1\n', b'a,b\r\n"x\r\ny",1\r\n', b'"a","b"\r\n"x\r\ny",1\r\n'])
def test_line_ends_inside_quotes_stay(spark: SparkSession, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a b.csv").write_bytes(content)

    opened = open_table(spark, f"csv:{tmp_path}", {}, side="source")

    assert [tuple(row) for row in opened.rows.collect()] == [("x\r\ny", "1")]
    assert opened.rows.columns == ["a", "b"]
