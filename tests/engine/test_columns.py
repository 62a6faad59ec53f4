"""Two schemas and a contract to a plan: pairs, findings, and errors with the nearest names."""

from __future__ import annotations

from typing import Any

import pytest
from pyspark.sql import types as T

from engine.columns import ColumnPlan, Side, plan_columns
from schemas.contract import Contract
from schemas.errors import ConfigError, InputError, MissingColumnError

pytestmark = pytest.mark.usefixtures("spark")  # rules are tried on columns, which live in a session


def _plan(source: str, target: str, text: tuple[str, ...] = (), **contract: Any) -> ColumnPlan:
    schemas = [T.DataType.fromDDL(ddl) for ddl in (source, target)]
    assert all(isinstance(schema, T.StructType) for schema in schemas)
    return plan_columns(Side("source", schemas[0], frozenset(text)), Side("target", schemas[1]), Contract(**contract))  # type: ignore[arg-type]


def _kinds(plan: ColumnPlan) -> set[tuple[str, str]]:
    return {(finding.kind, finding.column) for finding in plan.findings}


def test_columns_are_in_canonical_order() -> None:
    plan = _plan("id INT, b INT, a INT", "id INT, b INT, a INT", keys=("id",))
    assert [column.name for column in plan.compared] == ["a", "b", "id"]
    assert [column.name for column in plan.key_columns] == ["id"]
    assert plan.position("b") == 1
    assert not plan.findings


def test_missing_extra_and_order() -> None:
    plan = _plan("id INT, a INT, b INT", "b INT, c INT, id INT", keys=("id",))
    assert (plan.missing, plan.extra) == (("a",), ("c",))
    assert _kinds(plan) == {("missing_column", "a"), ("extra_column", "c"), ("order", "id")}


def test_excluded_columns_are_neither_missing_nor_extra() -> None:
    plan = _plan("id INT, a INT", "id INT, c INT", keys=("id",), exclude=("a", "c"))
    assert (plan.missing, plan.extra, plan.excluded) == ((), (), ("a", "c"))


def test_chosen_columns_leave_the_rest_out() -> None:
    plan = _plan("id INT, a INT, b INT", "id INT, a INT, b INT, c INT", keys=("id",), columns=("a",))
    assert [column.name for column in plan.compared] == ["a", "id"]
    assert plan.excluded == ("b", "c")


def test_mapping_frees_and_takes_names() -> None:
    plan = _plan("id INT, a INT, b INT", "id INT, b INT, d INT", keys=("id",), mapping={"a": "b", "b": "d"})
    assert dict(plan.target_names) == {"id": "id", "a": "b", "b": "d"}
    assert {("renamed", "a"), ("renamed", "b")} <= _kinds(plan)


def test_type_changes_and_unhashable_columns_are_not_compared() -> None:
    plan = _plan("id INT, a STRING, b INTERVAL, c INT", "id INT, a INT, b INTERVAL, c BIGINT", keys=("id",))
    assert (plan.type_changed, plan.unhashable) == (("a",), ("b",))
    assert {("type_changed", "a"), ("unhashable", "b"), ("widened", "c")} <= _kinds(plan)
    assert [column.name for column in plan.compared] == ["c", "id"]


def test_a_declared_cast_makes_two_families_one() -> None:
    plan = _plan("id INT, a STRING", "id INT, a INT", keys=("id",), rules={"source.a": ("cast:int",)})
    assert plan.cross_family_casts == ("a",)
    assert not plan.type_changed


def test_text_of_a_format_is_parsed_and_text_of_a_table_is_not() -> None:
    parsed = _plan("id STRING, a STRING", "id INT, a DATE", ("id", "a"), keys=("id",))
    assert all(column.parsed for column in parsed.compared) and not parsed.type_changed
    typed = _plan("id INT, a STRING", "id INT, a DATE", keys=("id",))
    assert typed.type_changed == ("a",)
    both = _plan("id STRING, a STRING", "id STRING, a STRING", ("id", "a"), keys=("id",))
    assert not any(column.parsed for column in both.compared)


def test_rules_may_name_a_side() -> None:
    plan = _plan("id INT, a STRING", "id INT, a STRING", keys=("id",), rules={"source.a": ("rtrim",), "a": ("lower",)})
    steps = plan.compared[plan.position("a")].steps
    assert sorted((step.rule.text, step.source, step.target) for step in steps) == [("lower", True, True), ("rtrim", True, False)]


def test_a_column_that_is_named_like_a_side() -> None:
    plan = _plan("id INT, `source.a` STRING", "id INT, `source.a` STRING", keys=("id",), rules={"source.a": ("rtrim",)})
    (step,) = plan.compared[plan.position("source.a")].steps
    assert (step.source, step.target) == (True, True)


WRONG: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"keys": ("cust_id",)}, MissingColumnError, "Did you mean customer_id"),
    ({"keys": ("id",), "columns": ("amout",)}, MissingColumnError, "Did you mean amount"),
    ({"keys": ("id",), "rules": {"target.amout": ("round:2",)}}, MissingColumnError, "Did you mean amount"),
    ({"keys": ("id",), "tolerance": {"amout": "abs:1"}}, MissingColumnError, "Did you mean amount"),
    ({"keys": ("id",), "mapping": {"amout": "amount"}}, MissingColumnError, "Did you mean amount"),
    ({"keys": ("id",), "mapping": {"amount": "amout"}}, MissingColumnError, "Did you mean amount"),
    ({"keys": ("id",), "exclude": ("amout",)}, MissingColumnError, "Did you mean amount"),
    ({"keys": ("only_source",)}, MissingColumnError, "target"),
    ({"keys": ("id",), "mapping": {"amount": "name", "customer_id": "name"}}, ConfigError, "name"),
    ({"keys": ("id",), "exclude": ("id",)}, ConfigError, "id"),
    ({"keys": ("id",), "columns": ("name",), "exclude": ("name",)}, ConfigError, "name"),
    ({"keys": ("changed",)}, InputError, "changed"),
    ({"keys": ("id",), "tolerance": {"id": "abs:1"}}, InputError, "id"),
    ({"keys": ("id",), "tolerance": {"name": "abs:1"}}, InputError, "name"),
    ({"keys": ("id",), "rules": {"amount": ("rtrim",)}}, InputError, "amount"),
]


@pytest.mark.parametrize(("contract", "error", "told"), WRONG, ids=[f"{index}_{one[2]}" for index, one in enumerate(WRONG)])
def test_wrong_contracts(contract: dict[str, Any], error: type[Exception], told: str) -> None:
    source = "id INT, customer_id INT, amount DECIMAL(10, 2), name STRING, only_source INT, changed STRING"
    target = "id INT, customer_id INT, amount DECIMAL(10, 2), name STRING, changed INT"
    with pytest.raises((ConfigError, InputError)) as caught:
        _plan(source, target, **contract)
    assert isinstance(caught.value, error) and caught.value.exit_code == 2
    assert told in str(caught.value)


def test_a_name_twice_is_refused() -> None:
    schema = T.StructType([T.StructField("a", T.IntegerType()), T.StructField("a", T.IntegerType())])
    with pytest.raises(InputError, match="more than one column named a"):
        plan_columns(Side("source", schema), Side("target", schema), Contract(keys=("a",)))
