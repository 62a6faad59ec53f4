"""A plan proposes what the mapping found, and is refused, with the place, once the source is another one."""

from __future__ import annotations

from typing import Any

import pytest

from archetypes.mapping import map_tables
from archetypes.planning import coercion_of, plan_of, require_fit
from archetypes.step_output import digest_of
from schemas.agent_output import ColumnProfile, DiscoveredColumn, DiscoveredObject, Partition, StepOutput
from schemas.errors import ConfigError, InputError, ParityError
from schemas.plan import MigrationPlan, PlanColumn
from tests.archetypes.mapping_documents import column, discovery, index, key, named, profiling, refused, shop, table, view
from tests.policy.native_types import array, domain, numeric

_ID = column("id", "bigint", nullable=False)
_PRICE = column("price", "numeric(12,2)")
_PRIMARY = (key("primary", "id"),)


def planned(found: StepOutput, profile: StepOutput | None = None) -> MigrationPlan:
    mapping = map_tables(found, profile, target="file:/t")
    return plan_of(found, mapping, source="postgres://r@h/d", source_secret="env://NAME", schema="public", target="file:/t")


def changed(plan: MigrationPlan, **column_facts: Any) -> MigrationPlan:
    """Return the plan with other facts in the last column of the first table."""
    first = plan.tables[0]
    columns = (*first.columns[:-1], first.columns[-1].model_copy(update=column_facts))
    return plan.model_copy(update={"tables": (first.model_copy(update={"columns": columns}), *plan.tables[1:])})


def with_contract(plan: MigrationPlan, **facts: Any) -> MigrationPlan:
    first = plan.tables[0]
    contract = first.contract.model_copy(update=facts)
    return plan.model_copy(update={"tables": (first.model_copy(update={"contract": contract}), *plan.tables[1:])})


def test_a_plan_fits_the_source_that_it_was_made_from_and_names_it() -> None:
    found = shop()
    plan = planned(found)

    require_fit(plan, found)

    assert plan.discovery_sha256 == digest_of(found)
    assert [one.name for one in plan.tables] == ["customers", "orders", "log"]
    assert (plan.source_secret, plan.schema_name, plan.tables[0].contract.unique_keys) == ("env://NAME", "public", True)


def test_sizes_and_new_tables_do_not_matter() -> None:
    plan = planned(discovery(table("t", _ID, keys=_PRIMARY)))

    require_fit(plan, discovery(table("new", _ID), table("t", _ID, keys=_PRIMARY, bytes=1 << 40, rows_estimate=9, comment="grown")))


def source(*columns: DiscoveredColumn, **facts: Any) -> StepOutput:
    return discovery(table("t", *columns, **{"keys": _PRIMARY, **facts}))


@pytest.mark.parametrize(
    ("now", "error", "place", "says"),
    [
        pytest.param(discovery(table("other", _ID)), InputError, "public.t", "not in the source", id="table gone"),
        pytest.param(discovery(refused("t", "Row security hides rows.")), InputError, "public.t", "hides rows", id="table refused"),
        pytest.param(discovery(view("t", "SELECT 1", _ID, _PRICE)), ConfigError, "public.t", "is a view", id="now a view"),
        pytest.param(source(_ID, _PRICE, column("new")), InputError, "public.t.new", "new is in the source", id="column added"),
        pytest.param(source(_ID), InputError, "public.t.price", "price is in the plan, but not", id="column dropped"),
        pytest.param(source(_ID, column("cost", "numeric(12,2)")), InputError, "public.t.price", "price is now cost", id="column renamed"),
        pytest.param(source(_PRICE, _ID), InputError, "public.t.id", "another order", id="columns in another order"),
        pytest.param(
            source(_ID, column("price", "text")), ConfigError, "public.t.price", "PG-02 is not for the type text", id="other type"
        ),
        pytest.param(
            source(_ID, column("price", "numeric(14,2)")), ConfigError, "public.t.price", r"makes decimal\(14,2\)", id="wider digits"
        ),
        pytest.param(source(_ID, _PRICE, keys=()), InputError, "public.t", "no such key", id="key gone"),
        pytest.param(source(_ID, _PRICE, keys=(key("primary", "price"),)), InputError, "public.t", "id name a row", id="another key"),
        pytest.param(
            source(_ID, column("price", "numeric(12,2)", readable=False)), ConfigError, "public.t.price", "may not be read", id="right gone"
        ),
        pytest.param(
            source(_ID, _PRICE, partitions=(Partition(name=named("c")),)), InputError, "public.t", "no such key", id="somebody inherits"
        ),
    ],
)
def test_a_source_that_is_another_one_is_refused_with_the_place(now: StepOutput, error: type[ParityError], place: str, says: str) -> None:
    plan = planned(source(_ID, _PRICE))

    with pytest.raises(error, match=says) as caught:
        require_fit(plan, now)

    assert caught.value.object == place
    assert "public.t" in caught.value.message and caught.value.hint and caught.value.exit_code == 2


def test_a_key_may_be_kept_by_another_constraint() -> None:
    plan = planned(source(_ID, _PRICE))

    require_fit(plan, source(_ID, _PRICE, keys=(), indexes=(index("id"),)))


def test_a_key_that_a_person_chose_needs_no_constraint() -> None:
    found = source(_ID, _PRICE)
    plan = with_contract(planned(found), keys=("price",), unique_keys=False)

    require_fit(plan, found)
    with pytest.raises(InputError, match="price name a row"):
        require_fit(with_contract(plan, unique_keys=True), found)


def test_a_refused_column_needs_a_decision() -> None:
    found = source(_ID, column("kind", "regclass"))
    plan = planned(found)

    assert plan.refused() == (("t", "kind"),)
    with pytest.raises(ConfigError, match=r"public\.t: column kind \(regclass\) has no rule.*Declare rule PG-06e") as caught:
        require_fit(plan, found)
    assert caught.value.object == "public.t.kind"
    require_fit(with_contract(plan, exclude=("kind",)), found)
    require_fit(changed(plan, rule_id="PG-06e", target_type="string"), found)


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        pytest.param({"rule_id": "PG-99"}, "no rule PG-99", id="no such rule"),
        pytest.param({"rule_id": "PG-04a"}, "PG-04a is not for the type", id="rule for another type"),
        pytest.param({"rule_id": "PG-02a"}, "PG-02a only refuses", id="rule that refuses"),
        pytest.param({"target_type": "double"}, "planned as double, but rule PG-02 makes", id="a type that the rule does not make"),
        pytest.param({"target_type": None}, r"planned as no type.*target_type: decimal\(12,2\)", id="the type forgotten"),
        pytest.param({"rule_id": None}, "somebody has to decide", id="no rule"),
    ],
)
def test_a_change_that_cannot_be_carried_out_is_refused(facts: dict[str, Any], says: str) -> None:
    found = source(_ID, _PRICE)

    with pytest.raises(ConfigError, match=says) as caught:
        require_fit(changed(planned(found), **facts), found)

    assert caught.value.object == "public.t.price"


def test_another_rule_for_the_type_may_be_named() -> None:
    found = source(_ID, _PRICE)

    require_fit(changed(planned(found), rule_id="PG-03b", target_type="string"), found)


def test_digits_that_a_profile_proved_need_no_profile_to_be_accepted() -> None:
    found = source(_ID, column("weight", "numeric"))
    seen = ColumnProfile(origin="full_scan", name="weight", nulls=0, max_precision=7, max_scale=3)

    plan = planned(found, profiling(found, {"t": [seen]}))

    assert plan.tables[0].columns[-1].target_type == "decimal(38,3)"
    require_fit(plan, found)


@pytest.mark.parametrize(
    ("native", "rule_id", "spark"),
    [
        (numeric(), "PG-03a", "decimal(38,4)"),
        (numeric(), "PG-03b", "string"),
        (domain(numeric()), "PG-18", "decimal(38,4)"),
        (domain(numeric()), "PG-18", "string"),
        (array(numeric()), "PG-16", "array<decimal(38,4)>"),
    ],
)
def test_a_column_of_a_plan_is_read_as_it_says(native: Any, rule_id: str, spark: str) -> None:
    assert coercion_of(PlanColumn(name="n", rule_id=rule_id, target_type=spark), native).spark == spark


def test_a_partition_beside_its_parent_is_refused() -> None:
    part = table("p1", _ID, kind="partition", parents=(named("p"),))
    plan = planned(discovery(part))
    parent = table("p", _ID, kind="partitioned_table", partitions=(Partition(name=named("p1")),))

    with pytest.raises(ConfigError, match=r"public\.p1 is a partition of public\.p, through which it is read"):
        require_fit(plan, discovery(parent, part))


def test_tables_without_columns_are_left_out() -> None:
    assert [one.name for one in planned(discovery(table("bare"), table("t", _ID))).tables] == ["t"]


@pytest.mark.parametrize(
    "objects", [pytest.param((table("bare"),), id="no columns"), pytest.param((view("v", "SELECT 1", _ID),), id="only a view")]
)
def test_a_plan_of_nothing_is_refused_with_what_was_found(objects: tuple[DiscoveredObject, ...]) -> None:
    with pytest.raises(InputError, match=f"no table that can be migrated.*public.{objects[0].name.name}"):
        planned(discovery(*objects))


def test_a_type_that_was_refused_stays_refused_in_the_plan() -> None:
    plan = planned(source(_ID, column("shape", "geometry"), column("secret", readable=False)))

    assert [(one.rule_id, one.target_type) for one in plan.tables[0].columns[1:]] == [("PG-17g", None), (None, None)]
