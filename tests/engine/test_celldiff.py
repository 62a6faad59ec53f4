"""Classes of cells and rows, over pairs made by hand."""

from __future__ import annotations

from typing import Any

import pytest
from pyspark.sql import SparkSession

from engine.aggregates import Cells, Sampling, classified, tally
from engine.celldiff import possible_classes, resolved_classes
from engine.columns import ColumnPlan, Side, plan_columns
from engine.frames import SideFrames
from engine.pairing import Request, matched_up
from schemas.contract import Contract


def _cells(spark: SparkSession, rows: list[tuple[Any, Any]], schema: str, **contract: Any) -> tuple[ColumnPlan, Cells, Any]:
    """Return plan, cells and pairs of one-column rows, one key per pair; None: no row on that side."""
    sides = []
    for index in (0, 1):
        listed = [(key, pair[index][0]) for key, pair in enumerate(rows) if pair[index] is not None]
        sides.append(spark.createDataFrame(listed, f"id INT, v {schema}"))
    plan = plan_columns(Side("source", sides[0].schema), Side("target", sides[1].schema), Contract(keys=("id",), **contract))
    request = Request(SideFrames(sides[0], plan, True, "64"), SideFrames(sides[1], plan, False, "64"))
    pairs = matched_up(request, None, raw=False, with_matched=True)
    return plan, Cells.of(plan, [column.step_types.compared for column in plan.compared]), pairs


def _classes(spark: SparkSession, rows: list[tuple[Any, Any]], schema: str, **contract: Any) -> list[tuple[str, str | None]]:
    plan, cells, pairs = _cells(spark, rows, schema, **contract)
    position = plan.position("v")
    key = f"c{plan.position('id')}"
    found = {}
    for row in classified(pairs, cells).collect():
        code = row[f"x{position}"]
        found[(row.s or row.t)[key]] = (row.row_class, None if code is None else cells.classes[position][code])
    return [found[index] for index in range(len(rows))]


def test_plain_cells(spark: SparkSession) -> None:
    rows = [(("a",), ("a",)), (("a",), ("b",)), ((None,), ("b",)), (("a",), (None,)), ((None,), (None,)), (("a",), None), (None, ("a",))]
    assert _classes(spark, rows, "STRING") == [
        ("matched", None),
        ("changed", "value"),
        ("changed", "null_to_value"),
        ("changed", "value_to_null"),
        ("matched", None),
        ("missing", None),
        ("extra", None),
    ]


def test_the_first_rule_that_makes_equal_is_named(spark: SparkSession) -> None:
    rows = [(("a ",), ("a",)), (("A",), ("a",)), (("A ",), ("a",)), (("b",), ("a",)), (("",), (None,))]
    found = _classes(spark, rows, "STRING", rules={"v": ("rtrim", "lower", "empty_as_null")})
    assert found == [
        ("matched_by_rule", "normalised:rtrim"),
        ("matched_by_rule", "normalised:lower"),
        ("matched_by_rule", "normalised:lower"),
        ("changed", "value"),
        ("matched_by_rule", "normalised:empty_as_null"),
    ]


def test_tolerance_after_rules(spark: SparkSession) -> None:
    rows = [((1.04,), (1.0,)), ((1.3,), (1.1,)), ((9.0,), (1.0,)), ((None,), (0.0,)), ((float("nan"),), (1.0,))]
    found = _classes(spark, rows, "DOUBLE", rules={"v": ("round:1",)}, tolerance={"v": "abs:0.25"})
    assert found == [
        ("matched_by_rule", "normalised:round:1"),
        ("matched_by_rule", "within_tolerance"),
        ("changed", "value"),
        ("changed", "null_to_value"),
        ("changed", "value"),
    ]


def test_text_declared_to_be_numbers_has_a_tolerance(spark: SparkSession) -> None:
    rows = [(("1.50",), ("1.5",)), (("1.50",), ("1.509",)), (("1.50",), ("1.52",)), (("x",), ("y",)), (("",), (None,))]
    assert _classes(spark, rows, "STRING", rules={"v": ("cast:double",)}, tolerance={"v": "abs:0.01"}) == [
        ("matched_by_rule", "normalised:cast:double"),
        ("matched_by_rule", "within_tolerance"),
        ("changed", "value"),
        ("changed", "value"),
        ("changed", "value_to_null"),
    ]


def test_codes_are_positions_of_classes(spark: SparkSession) -> None:
    plan, _, _ = _cells(spark, [((1.0,), (1.0,))], "DOUBLE", rules={"v": ("round:1",)}, tolerance={"v": "abs:1"})
    column = plan.compared[plan.position("v")]
    assert possible_classes(column, (0,)) == ("normalised:round:1", "within_tolerance", "null_to_value", "value_to_null", "value")
    assert resolved_classes(column, (0,)) == 2


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_sums_do_not_depend_on_the_sample(spark: SparkSession, share: float) -> None:
    rows = [((n,), (n if n % 3 else n + 10,)) for n in range(60)] + [((1,), None), (None, (2,))]
    plan, cells, pairs = _cells(spark, rows, "INT")
    collected = tally(pairs, cells, Sampling(share, share)).collect()
    position, value = plan.position("v"), cells.classes[plan.position("v")].index("value")
    totals = {
        name: sum(row[name] or 0 for row in collected)
        for name in ("matched", "changed", "missing", "extra", "surplus", f"n{position}_{value}")
    }
    assert totals == {"matched": 40, "changed": 20, "missing": 1, "extra": 1, "surplus": 0, f"n{position}_{value}": 20}
    assert max(row[f"a{position}"] or 0 for row in collected) == 10
    assert len(collected) == (1 if share == 0 else 62)
