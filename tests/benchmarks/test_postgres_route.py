"""The benchmark of the route runs, checks its answers, and writes what benchmarks/README.md says. No time is judged here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from benchmarks.postgres_route import measured, table

pytestmark = pytest.mark.slow


def test_every_step_is_measured_and_the_document_is_as_described(spark: SparkSession, tmp_path: Path) -> None:
    document = json.loads(json.dumps(measured(spark, tmp_path, 0.001, 1, 2, "512m", lambda line: None)))
    names = {"_type", "date", "machine", "versions", "rows", "results", "target", "runs"}
    assert (document["_type"], set(document), document["rows"]) == ("parity.benchmark_postgres.v1", names, 6005)
    what = ["profiling", "migrate", "reconciliation", "whole run", "plain", "proven"]
    assert [one["what"] for one in document["results"]] == what
    assert sorted((run["round"], run["what"]) for run in document["runs"]) == sorted((1, name) for name in what)
    for one in document["results"]:
        assert one["min_s"] <= one["median_s"] <= one["max_s"]
        assert one["rows_per_s"] == pytest.approx(6005 / one["median_s"], rel=0.01)
    assert (document["target"]["at_most"], document["target"]["ratio"] > 0) == (1.5, True)
    assert "| reconciliation |" in table(document)
    assert str(tmp_path) not in json.dumps(document)
