"""The canary: it sings in a session that computes rightly, and a wrong answer stops the run."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from weakref import WeakKeyDictionary

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

import engine.canary
from engine.golden import CANARY_SET, golden_sets
from jobs.canary import canary
from schemas.errors import CanaryError


@pytest.mark.parametrize("strength", ["64", "128", "sha256"])
def test_it_sings(spark: SparkSession, strength: str) -> None:
    canary(spark, strength)


def test_a_wrong_answer_stops_the_run(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> None:
    found = golden_sets()[CANARY_SET]
    broken = replace(found, rows=(replace(found.rows[0], h2="0" * 16), *found.rows[1:]))
    monkeypatch.setattr(engine.canary, "golden_sets", lambda: {CANARY_SET: broken})
    with pytest.raises(CanaryError, match=r"row 0: h2 is [0-9a-f]{16} and must be 0{16}") as caught:
        canary(spark)
    assert caught.value.exit_code == 3


def test_an_engine_that_computes_something_else_stops_the_run(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> None:
    def without_nulls(columns: Any) -> tuple[Any, Any]:
        naive = F.xxhash64(*(column.value for column in columns if column.name in ("flag", "text", "whole")))
        return naive, naive

    right = engine.canary.row_hashes
    monkeypatch.setattr(engine.canary, "_QUESTIONS", WeakKeyDictionary())  # the session may have asked rightly before
    monkeypatch.setattr(engine.canary, "row_hashes", lambda columns, *rest: right(columns, *rest) if rest else without_nulls(columns))
    with pytest.raises(CanaryError, match="h1"):
        canary(spark)
