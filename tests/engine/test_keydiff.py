"""Pairing against an oracle of CONTRACT 3, through all three ways of the funnel: hundreds of small tables side by side in one."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest
from multisets import Row, expected
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

import engine.reconcile
from engine.columns import ColumnPlan, Side, plan_columns
from engine.differences import difference_cells, extra_rows, missing_rows
from engine.frames import SideFrames
from engine.reconcile import Reconciliation, Request, reconcile
from schemas.contract import Contract

COLUMNS = ("g", "key", "a", "b")
SCHEMA = "g INT, key STRING, a INT, b STRING"
KEYS = ("g", "key")
WAYS = ("sketch", "join", "one_pass")


def _tables(seed: int, groups: int, *, unique: bool) -> tuple[list[Row], list[Row]]:
    """Return two random tables: `groups` small pairs, told apart by the first column; with NULL keys, duplicates, all row classes."""
    rng = random.Random(seed)
    sides: tuple[list[Row], list[Row]] = ([], [])
    for group in range(groups):
        keys: list[str | None] = rng.sample([None, "", "x", "X", " "], rng.randint(1, 3))
        for key in keys:
            pool = [(group, key, rng.choice([None, 0, 1, 2]), rng.choice([None, "", "p", "p ", "q"])) for _ in range(3)]
            for side in sides:
                copies = rng.choice([0, 1, 1, 1]) if unique else rng.choice([0, 1, 1, 2, 3, 5])
                side += [rng.choice(pool) for _ in range(copies)]
    for side in sides:
        rng.shuffle(side)
    return sides


def _request(
    source: DataFrame, target: DataFrame, way: str, contract: Contract, monkeypatch: pytest.MonkeyPatch
) -> tuple[Request, ColumnPlan]:
    if way == "join":
        monkeypatch.setattr(engine.reconcile, "_SMALL_FETCH_ROWS", -1)
    plan = plan_columns(Side("source", source.schema), Side("target", target.schema), contract)
    sides = [SideFrames(rows, plan, on_source, contract.strength) for rows, on_source in ((source, True), (target, False))]
    return Request(sides[0], sides[1], "as this test asks" if way == "one_pass" else None), plan


def _order(request: Request) -> dict[Row, int]:
    """Return each row's hash, as the engine computes it."""
    names = [column.name for column in request.plan.compared]
    found: dict[Row, int] = {}
    for side in (request.source, request.target):
        for row in side.hashed().drop("k", "h2", "bucket").collect():
            values = {name: row[f"c{index}"] for index, name in enumerate(names)}
            found[tuple(values[name] for name in COLUMNS)] = row["h1"]
    return found


def _listed(found: Reconciliation, plan: ColumnPlan, keys: tuple[str, ...]) -> Counter[Row]:
    rows = difference_cells(found, plan).collect()
    names = (*keys, "row_class", "column", "source_value", "target_value", "cell_class")
    return Counter(tuple(row[name] for name in names) for row in rows)


def _as_text(listed: Counter[Row]) -> Counter[Row]:
    """Return listed differences with values as `diffs()` writes them."""
    return Counter({(*row[:-3], *(v if v is None else str(v) for v in row[-3:-1]), row[-1]): n for row, n in listed.items()})


def _checked(found: Reconciliation, wanted: Counter[str]) -> None:
    names = (
        "source_rows",
        "target_rows",
        "matched",
        "matched_by_rule",
        "changed",
        "missing",
        "extra",
        "multiplicity",
        "duplicate_keys",
        "null_keys",
    )
    assert {name: found.counts[name] for name in names} == {name: wanted[name] for name in names}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("unique", [False, True], ids=["duplicates", "unique"])
def test_pairing_is_that_of_the_oracle(spark: SparkSession, monkeypatch: pytest.MonkeyPatch, way: str, unique: bool) -> None:
    source, target = _tables(7 + unique, 250, unique=unique)
    frames = [spark.createDataFrame(rows, SCHEMA) for rows in (source, target)]
    request, plan = _request(*frames, way, Contract(keys=KEYS), monkeypatch)
    wanted = expected(source, target, COLUMNS, 2, _order(request))
    found = reconcile(request)
    assert found.mode == way
    _checked(found, wanted.counts)
    assert _listed(found, plan, KEYS) == _as_text(wanted.listed)
    if way == "sketch":
        alone = [Counter(tuple(row) for row in list_(found).collect()) for list_ in (missing_rows, extra_rows)]
        assert [sum(rows.values()) for rows in alone] == [wanted.counts["missing"], wanted.counts["extra"]]
        assert all(rows <= Counter(side) for rows, side in zip(alone, (source, target), strict=True))


@pytest.mark.parametrize("way", ["sketch", "one_pass"])
def test_pairing_under_rules_is_that_of_the_oracle(spark: SparkSession, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    source, target = _tables(11, 250, unique=False)
    frames = [spark.createDataFrame(rows, SCHEMA) for rows in (source, target)]
    contract = Contract(keys=KEYS, rules={"b": ("rtrim", "empty_as_null")})
    request, plan = _request(*frames, way, contract, monkeypatch)

    def ruled(row: Row) -> Row:
        text = None if row[3] is None else row[3].rstrip()
        return (*row[:3], text or None)

    wanted = expected(source, target, COLUMNS, 2, _order(request), ruled)
    assert wanted.counts["matched_by_rule"] > 4
    found = reconcile(request)
    _checked(found, wanted.counts)
    listed = Counter()
    for row, count in _listed(found, plan, KEYS).items():
        listed[(*row[:-1], "rule") if str(row[-1]).startswith("normalised:") else row] += count
    assert listed == _as_text(wanted.listed)


def test_keyless_is_a_difference_of_multisets(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> None:
    source, target = _tables(3, 200, unique=False)
    frames = [spark.createDataFrame(rows, SCHEMA) for rows in (source, target)]
    ours, theirs = Counter(source), Counter(target)
    missing, extra = ours - theirs, theirs - ours
    multiplicity = sum(n for row, n in missing.items() if row in theirs) + sum(n for row, n in extra.items() if row in ours)
    for way in WAYS:
        with monkeypatch.context() as patch:
            request, _ = _request(*frames, way, Contract(keys=()), patch)
            found = reconcile(request)
            assert found.counts["matched"] == sum((ours & theirs).values())
            assert (found.counts["missing"], found.counts["extra"]) == (sum(missing.values()), sum(extra.values()))
            assert (found.counts["changed"], found.counts["multiplicity"]) == (0, multiplicity)
            assert (found.counts["duplicate_keys"], found.counts["null_keys"]) == (0, 0)
            if way == "sketch":
                assert Counter(tuple(row) for row in missing_rows(found).collect()) == missing
                assert Counter(tuple(row) for row in extra_rows(found).collect()) == extra


@pytest.mark.slow
def test_three_ways_agree_on_everything_they_list(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> None:
    source, target = _tables(5, 120, unique=False)
    frames = [spark.createDataFrame(rows, SCHEMA) for rows in (source, target)]
    found = []
    for way in WAYS:
        with monkeypatch.context() as patch:
            request, plan = _request(*frames, way, Contract(keys=KEYS), patch)
            result = reconcile(request)
            found.append((dict(result.counts), dict(result.cells), _listed(result, plan, KEYS)))
    assert found[0] == found[1] == found[2]


@pytest.mark.slow
def test_t108_partitions_and_order_change_nothing(spark: SparkSession) -> None:
    """The same rows, shuffled, in 1, 7 and 200 partitions: the same result, to the last listed cell."""
    source, target = _tables(13, 150, unique=False)
    results: list[Any] = []
    for partitions in (1, 7, 200):
        rng = random.Random(partitions)
        frames = []
        for rows in (source, target):
            shuffled = list(rows)
            rng.shuffle(shuffled)
            frames.append(spark.createDataFrame(shuffled, SCHEMA).repartition(partitions))
        plan = plan_columns(Side("source", frames[0].schema), Side("target", frames[1].schema), Contract(keys=KEYS))
        found = reconcile(Request(SideFrames(frames[0], plan, True, "64"), SideFrames(frames[1], plan, False, "64")))
        results.append(
            (dict(found.counts), dict(found.cells), found.sample, found.context, found.sampled, found.reason, _listed(found, plan, KEYS))
        )
    assert results[0] == results[1] == results[2]


def test_one_key_of_many_rows_is_not_multiplied(spark: SparkSession) -> None:
    """20,000 rows of one key on each side: pairs stay as many as rows."""
    frames = [spark.range(20_000).select(F.lit(1).alias("id"), (F.col("id") + start).alias("v")) for start in (0, 5)]
    plan = plan_columns(Side("source", frames[0].schema), Side("target", frames[1].schema), Contract(keys=("id",)))
    found = reconcile(Request(SideFrames(frames[0], plan, True, "64"), SideFrames(frames[1], plan, False, "64")))
    assert (found.counts["matched"], found.counts["changed"], found.counts["duplicate_keys"]) == (19_995, 5, 1)


def test_copies_of_one_change_are_all_in_the_sample(spark: SparkSession) -> None:
    """Two equal rows that both became the same other row are two differing rows, and none is left out."""
    rows = [spark.createDataFrame([(1, value)] * 2, "id INT, v STRING") for value in ("a", "b")]
    plan = plan_columns(Side("source", rows[0].schema), Side("target", rows[1].schema), Contract(keys=("id",)))
    found = reconcile(Request(SideFrames(rows[0], plan, True, "64"), SideFrames(rows[1], plan, False, "64")))
    assert found.counts["changed"] == 2
    assert not found.sampled
