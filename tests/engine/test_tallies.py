"""Pairs counted by Spark and pairs counted here: both ways tell the same."""

from __future__ import annotations

from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from engine.aggregates import Sampling, listing, tally
from engine.columns import Side, plan_columns
from engine.frames import SideFrames
from engine.pairing import Request, joined
from engine.tallies import Tally, cells_of, listed, tallied
from schemas.contract import Contract

_ROWS = 400


def _request(source: DataFrame, target: DataFrame, **contract: Any) -> Request:
    plan = plan_columns(Side("source", source.schema), Side("target", target.schema), Contract(keys=("id",), **contract))
    return Request(SideFrames(source, plan, True, "64"), SideFrames(target, plan, False, "64"))


def _changed(spark: SparkSession) -> Request:
    source = spark.range(_ROWS).selectExpr(
        "id",
        "id * 1.5D AS price",
        "CAST(id / 4 AS DECIMAL(12, 3)) AS amount",
        "IF(id % 9 = 0, NULL, concat('customer ', id)) AS name",
        "timestamp_micros(id * 86400000000) AS at",
        "array(id, NULL) AS parts",
    )
    target = (
        source.where("id % 50 <> 7")
        .unionByName(source.where("id < 5").withColumn("id", source.id + 1000))
        .selectExpr(
            "id",
            "IF(id % 11 = 0, price + 0.25D, IF(id % 13 = 0, double('NaN'), IF(id % 17 = 0, price * 2, price))) AS price",
            "IF(id % 10 = 1, NULL, amount) AS amount",
            "IF(id % 3 = 0, upper(name), name) AS name",
            "IF(id % 20 = 2, at + INTERVAL 1 HOUR, at) AS at",
            "IF(id = 300, array(id), parts) AS parts",
        )
    )
    return _request(source, target, tolerance={"price": "abs:0.3"})


def _told(found: Tally) -> dict[str, Any]:
    return {
        "rows": found.rows,
        "surplus": found.surplus,
        "limbs": found.limbs,
        "cells": dict(sorted(found.cells.items())),
        "rules": dict(sorted(found.rules.items())),
        "sample": found.sample,
        "context": found.context,
    }


@pytest.mark.parametrize(("differing", "equal"), [(1.0, 1.0), (1.0, 0.3), (0.4, 0.2), (0.0, 0.0)])
def test_both_ways_tell_the_same(spark: SparkSession, differing: float, equal: float) -> None:
    request = _changed(spark)
    sampling = Sampling(differing, equal)
    pairs = joined(request, None, raw=False)
    cells = cells_of(request.plan)
    here = _told(listed(listing(pairs, cells, sampling).toArrow(), cells))
    there = _told(tallied(tally(pairs, cells, sampling).toArrow(), cells))
    assert repr(here) == repr(there)
    assert here["rows"]["changed"] > 100
    assert here["rows"]["matched_by_rule"] > 10
    assert (here["rows"]["missing"], here["rows"]["extra"]) == (8, 5)


def test_nothing_to_tell(spark: SparkSession) -> None:
    request = _request(spark.range(5).selectExpr("id", "id AS v"), spark.range(5).selectExpr("id", "id AS v"))
    pairs = joined(request, None, raw=False).where("false")
    cells = cells_of(request.plan)
    found = listed(listing(pairs, cells, Sampling()).toArrow(), cells)
    assert not any(found.rows.values())
    assert (found.surplus, found.limbs, found.cells, found.sample) == (0, (0, 0, 0, 0), {}, [])
