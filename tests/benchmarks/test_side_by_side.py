"""The benchmark runs, checks its answers, and writes what benchmarks/README.md says. No time is judged here."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from benchmarks import side_by_side
from benchmarks.competitors import COMPETITORS, Found
from benchmarks.datasets import SCENARIOS
from benchmarks.side_by_side import Plan, WrongAnswerError, measured, tables


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    competitors = ("noop", "parity", "join", "duckdb")
    return Plan(2_000, 14, 2_000, 1, SCENARIOS, competitors, tmp_path_factory.mktemp("tables"), memory="512m")


def _measured(spark: SparkSession, plan: Plan) -> dict[str, Any]:
    return measured(spark, plan, lambda line: None, lambda document: None)


@pytest.mark.slow
def test_every_competitor_finds_what_was_planted_and_the_document_is_as_described(spark: SparkSession, plan: Plan) -> None:
    document = json.loads(json.dumps(_measured(spark, plan)))

    names = {"_type", "date", "machine", "versions", "rounds", "limit_s", "data", "results", "targets", "runs"}
    assert (document["_type"], set(document)) == ("parity.benchmark.v1", names)
    (data,) = document["data"]
    changed = data["changed_rows"]
    assert changed["equal"] == 0
    assert 0 < changed["scattered"] < 20
    assert 0 < changed["clustered"] < 20
    assert 900 < changed["half"] < 1100
    cases = [(scenario, name) for scenario in SCENARIOS for name in plan.competitors]
    assert [(one["scenario"], one["competitor"]) for one in document["results"]] == cases
    assert sorted((one["scenario"], one["competitor"]) for one in document["runs"]) == sorted(cases)
    for one in document["results"]:
        assert (one["runs"], one["over_limit"], one["min_s"]) == (1, False, one["max_s"])
        assert bool(one["phases"]) == (one["competitor"] == "parity")
    assert {(one["scenario"], one["competitor"]) for one in document["targets"]} == {
        *((scenario, "noop") for scenario in ("equal", "scattered", "clustered")),
        *((scenario, "join") for scenario in ("scattered", "half")),
    }
    assert "| clustered | duckdb" in tables(document)
    assert str(plan.folder) not in json.dumps(document)


def test_all_changes_of_the_clustered_scenario_are_in_one_file(spark: SparkSession, plan: Plan) -> None:
    one = replace(plan, scenarios=("clustered",), competitors=("noop",))
    _measured(spark, one)
    (folder,) = plan.folder.iterdir()
    differing = 0
    for source, target in zip(*(sorted((folder / name).glob("part-*")) for name in ("source", "clustered")), strict=True):
        sides = [spark.read.parquet(str(file)) for file in (source, target)]
        differing += not sides[0].exceptAll(sides[1]).isEmpty()
    assert differing == 1


def test_a_wrong_answer_ends_the_benchmark(spark: SparkSession, plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(COMPETITORS, "join", lambda pair: Found({"changed": 1, "missing": 0}))  # type: ignore[misc]
    with pytest.raises(WrongAnswerError, match=r"join, equal, 2000 rows.*'changed': \(1, 0\)"):
        _measured(spark, replace(plan, scenarios=("equal",), competitors=("join",)))


def test_a_competitor_that_takes_too_long_is_stopped_and_not_run_again(spark: SparkSession, plan: Plan, tmp_path: Path) -> None:
    lines: list[str] = []
    slow = replace(plan, rows=200_000, scenarios=("half",), competitors=("join",), folder=tmp_path, limit_s=0.01)
    document = side_by_side.measured(spark, slow, lines.append, lambda document: None)
    (result,) = document["results"]
    assert (result["over_limit"], result["runs"], result["median_s"]) == (True, 0, None)
    assert sum("not run again" in line for line in lines) == 1
    assert "> 0" in tables(document)
