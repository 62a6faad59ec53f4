"""`compare` as its callers see it: arguments, contracts, the stored result, and a document that does not depend on luck."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from jobs.compare import compare
from schemas.contract import Contract
from schemas.errors import ConfigError, InputError, ParityError
from schemas.verdict import CompareResult


@pytest.fixture
def sides(spark: SparkSession) -> tuple[DataFrame, DataFrame]:
    source = spark.sql("SELECT * FROM VALUES (1, 'a ', 1.0D), (2, 'b', 2.0D), (3, 'c', 3.0D), (3, 'c', 3.0D) AS t(id, name, price)")
    target = spark.sql("SELECT * FROM VALUES (1, 'a', 1.0D), (2, 'b', 2.5D), (3, 'c', 3.0D), (4, 'd', 4.0D) AS t(id, name, price)")
    return source, target


def _document(outcome: Any) -> dict[str, Any]:
    document = json.loads(outcome.to_json())
    del document["timings"]
    return document


def test_t108_same_bytes_whatever_the_partitions(spark: SparkSession) -> None:
    rng = random.Random(1)
    rows = [(n % 180, rng.choice(["a", "b ", None]), rng.choice([1.0, float("nan"), -0.0])) for n in range(200)]
    other = [(key, rng.choice(["b", name]), value) for key, name, value in rows[:190]]
    documents = set()
    for partitions in (1, 7, 200):
        frames = []
        for side in (rows, other):
            shuffled = rng.sample(side, len(side))
            frames.append(spark.createDataFrame(shuffled, "id INT, name STRING, price DOUBLE").repartition(partitions))
        outcome = compare(*frames, keys=["id"], rules={"name": "rtrim"})
        documents.add(json.dumps(_document(outcome), sort_keys=True))
    assert len(documents) == 1


def test_the_document_is_of_its_schema(sides: tuple[DataFrame, DataFrame]) -> None:
    outcome = compare(*sides, keys=["id"], rules={"name": "rtrim"}, tolerance={"price": "abs:0.1"})
    document = outcome.to_dict()
    assert CompareResult.model_validate(document).document() == document
    assert document["_type"] == "parity.compare.v1"
    assert (document["verdict"], document["exit_code"]) == ("FAIL", 1)
    assert document["rules"] == [{"column": "name", "rule": "rtrim", "rows": 1}]
    assert document["inputs"]["source"]["pinned"] is False
    assert document["canary"] == "passed"


def test_columns_are_counted_apart(sides: tuple[DataFrame, DataFrame]) -> None:
    outcome = compare(*sides, keys=["id"])
    by_name = {column.source: column for column in outcome.columns}
    assert by_name["name"].classes == {"value": 1} and by_name["price"].classes == {"value": 1}
    assert (by_name["price"].max_abs_delta, by_name["price"].max_rel_delta) == ("0.5", "0.2")
    assert (outcome.counts.missing, outcome.counts.extra, outcome.counts.multiplicity, outcome.counts.duplicate_keys) == (1, 1, 1, 1)


def test_differences_are_stored(spark: SparkSession, sides: tuple[DataFrame, DataFrame], tmp_path: Path) -> None:
    folder = tmp_path / "diffs"
    outcome = compare(*sides, keys=["id"], diffs=folder)
    listed = {(row.id, row.row_class, row.column) for row in spark.read.parquet(str(folder)).collect()}
    assert listed == {(1, "changed", "name"), (2, "changed", "price"), (3, "multiplicity", None), (4, "extra", None)}
    assert {(row.id, row.row_class, row.column) for row in outcome.diffs().collect()} == listed


def test_a_folder_that_holds_something_is_refused(sides: tuple[DataFrame, DataFrame], tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep me")
    with pytest.raises(ConfigError, match="diffs"):
        compare(*sides, keys=["id"], diffs=tmp_path)
    assert (tmp_path / "mine.txt").read_text() == "keep me"


def test_a_contract_says_what_arguments_say(sides: tuple[DataFrame, DataFrame], tmp_path: Path) -> None:
    called = compare(*sides, keys=["id"], rules={"name": "rtrim"}, tolerance={"price": "abs:0.5"})
    written = tmp_path / "contract.yaml"
    written.write_text("keys: [id]\nrules: {name: rtrim}\ntolerance: {price: 'abs:0.5'}\n")
    read = compare(*sides, contract=written)
    assert _document(read) == _document(called)
    assert read.result.contract_sha256 == called.result.contract_sha256


def test_a_contradiction_is_an_error(sides: tuple[DataFrame, DataFrame]) -> None:
    with pytest.raises(ConfigError, match="keys"):
        compare(*sides, keys=["name"], contract=Contract(keys=("id",)))


def test_unique_keys_of_a_contract(spark: SparkSession) -> None:
    twice = spark.sql("SELECT * FROM VALUES (1, 'a'), (1, 'a') AS t(id, v)")
    assert compare(twice, twice, keys=["id"]).verdict == "PASS"
    outcome = compare(twice, twice, contract=Contract(keys=("id",), unique_keys=True))
    assert (outcome.verdict, outcome.counts.changed) == ("FAIL", 0)
    assert "duplicate_keys" in {reason.code for reason in outcome.result.reasons}


def test_accepted_loss_is_no_blocker(spark: SparkSession) -> None:
    source, target = spark.sql("SELECT 1 AS id, 2.9D AS v"), spark.sql("SELECT 1 AS id, 2 AS v")
    rules = {"source.v": ("cast:int",)}
    assert compare(source, target, contract=Contract(keys=("id",), rules=rules)).verdict == "INCONCLUSIVE"
    assert compare(source, target, contract=Contract(keys=("id",), rules=rules, accept_loss=("v",))).verdict == "PASS_WITH_RULES"


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"source_options": {"header": "true"}}, ConfigError),
        ({"contract": "/nowhere/contract.yaml"}, ConfigError),
        ({"rules": {"name": "shout"}}, ConfigError),
        ({"strength": "65"}, ConfigError),
        ({"where": "nope = 1"}, InputError),
        ({"where": "id +"}, ParityError),
        ({"where": ""}, ConfigError),
    ],
    ids=str,
)
def test_wrong_calls(sides: tuple[DataFrame, DataFrame], arguments: dict[str, Any], error: type[ParityError]) -> None:
    with pytest.raises(ParityError) as caught:
        compare(*sides, **{"keys": ["id"], **arguments})
    assert caught.value.exit_code == 2, caught.value
    assert isinstance(caught.value, (error, ConfigError, InputError))


@pytest.mark.parametrize("wrong", [5, None, ["parquet:/x"]], ids=str)
def test_sides_of_another_kind(sides: tuple[DataFrame, DataFrame], wrong: Any) -> None:
    with pytest.raises(ConfigError):
        compare(sides[0], wrong, keys=["id"])


def test_phases_are_told_in_order(sides: tuple[DataFrame, DataFrame]) -> None:
    told: list[str] = []
    compare(*sides, keys=["id"], progress=told.append)
    assert told == ["canary", "opening", "first rows", "fingerprints", "differences", "explaining"]


def test_the_callers_settings_are_left_alone(spark: SparkSession, sides: tuple[DataFrame, DataFrame]) -> None:
    before = spark.conf.get("spark.sql.shuffle.partitions"), spark.conf.get("spark.sql.ansi.enabled")
    views = {table.name for table in spark.catalog.listTables()}
    compare(*sides, keys=["id"])
    assert (spark.conf.get("spark.sql.shuffle.partitions"), spark.conf.get("spark.sql.ansi.enabled")) == before
    assert {table.name for table in spark.catalog.listTables()} == views


def test_keys_come_from_text_and_lists(sides: tuple[DataFrame, DataFrame]) -> None:
    assert _document(compare(*sides, keys="id,name")) == _document(compare(*sides, keys=["id", "name"]))
