"""The YAML of a plan says the same to a person and to `read_plan`."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from archetypes.mapping import map_tables
from archetypes.plan_text import plan_text, yaml_scalar
from archetypes.planning import plan_of
from schemas.contract import Contract
from schemas.plan import MigrationPlan, PlanColumn, PlanTable, read_plan
from tests.archetypes.mapping_documents import column, discovery, shop, table

_TROUBLE = [
    "yes",
    "No",
    "null",
    "~",
    "1",
    "1.5",
    "2026-01-01",
    "a: b",
    "- a",
    "#",
    "a #b",
    "'",
    '"',
    "\\",
    "{a}",
    "[b]",
    "a\nb",
    "🙂",
    "é",
    "\x85",
]
_TROUBLE += [
    " a",
    "a ",
    "\t",
    "\u2028",
    "\ufeff",
    "\x00",
    "\x7f",
    "?",
    "? a",
    "&a",
    "*a",
    "!a",
    "%a",
    "@a",
    "`a",
    "a,b",
    "=",
    "<<",
    "---",
    "...",
]
_TEXT = st.one_of(st.sampled_from(_TROUBLE), st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=12))
_RULES = st.sampled_from(["PG-01", "PG-03a", None])


@st.composite
def plan_tables(draw: st.DrawFn, number: int) -> PlanTable:
    names = draw(st.lists(_TEXT, max_size=5, unique=True))
    columns = tuple(
        PlanColumn(name=name, rule_id=draw(_RULES), target_type=draw(st.none() | _TEXT), note=draw(st.none() | _TEXT)) for name in names
    )
    some = st.lists(st.sampled_from(names), unique=True).map(tuple) if names else st.just(())
    excluded = draw(some)
    kept = [name for name in names if name not in excluded]
    of_kept = st.lists(st.sampled_from(kept), unique=True).map(tuple) if kept else st.just(())
    per_column = {name: draw(_TEXT) for name in draw(some)}
    contract = Contract(
        keys=draw(st.none() | of_kept),
        exclude=excluded,
        columns=draw(st.none() | some),
        rules={name: (rule, "json") for name, rule in per_column.items()},
        types=per_column,
        tolerance=per_column,
        criticality=dict.fromkeys(per_column, "critical"),
        where=draw(st.none() | _TEXT),
        strength=draw(st.sampled_from(["64", "sha256"])),
        expect_empty=draw(st.booleans()),
        unique_keys=draw(st.booleans()),
        accept_loss=draw(some),
        source_options={draw(_TEXT): draw(_TEXT)},
    )
    return PlanTable(
        name=f"{draw(_TEXT)}{number}",
        path=f"t{number}/{draw(st.sampled_from(['a', 'é b', 'x.y', 'yes']))}",
        columns=columns,
        contract=contract,
        sort_by=draw(of_kept),
        partition_by=draw(of_kept)[: max(0, len(kept) - 1)],
        file_mib=draw(st.integers(1, 4096)),
        ranges=draw(st.none() | st.integers(1, 10_000)),
        questions=draw(st.lists(_TEXT, max_size=2).map(tuple)),
    )


@st.composite
def plans(draw: st.DrawFn) -> MigrationPlan:
    return MigrationPlan(
        archetype="postgres_to_s3",
        source="postgres://reader@db.example:5432/shop?sslmode=verify-full",
        source_secret=draw(st.none() | st.just("file:///run/secrets/no:#yes")),
        schema_name=draw(_TEXT),
        target=draw(st.sampled_from(["s3://lake/shop", "file:/data/a b #c"])),
        discovery_sha256="0" * 64,
        rulebook_sha256=draw(st.none() | st.just("1" * 64)),
        tables=tuple(draw(plan_tables(number)) for number in range(draw(st.integers(1, 2)))),
    )


@settings(max_examples=150, deadline=None)
@given(plans())
def test_what_is_written_is_read_back(plan: MigrationPlan) -> None:
    assert read_plan(plan_text(plan)) == plan


@pytest.mark.parametrize("text", [*_TROUBLE, "".join(_TROUBLE), "x" * 2000])
def test_a_scalar_is_one_line_that_yaml_reads_as_the_same_text(text: str) -> None:
    written = yaml_scalar(text)

    assert len(written.splitlines()) == 1
    assert yaml.safe_load(f"[{written}]") == [text] and yaml.safe_load(f"? {written}\n: 1") == {text: 1}


def test_a_name_longer_than_a_plain_key_may_be_is_read_back() -> None:
    name = "🙂\n" * 700
    contract = Contract(types={name: "string"}, rules={name: ("nfc",)})
    one = PlanTable(name="t", path="t", columns=(PlanColumn(name=name, rule_id="PG-06", target_type="string"),), contract=contract)
    plan = MigrationPlan(
        archetype="postgres_to_s3", source="postgres://r@h/d", schema_name="s", target="file:/t", discovery_sha256="0" * 64, tables=(one,)
    )

    assert read_plan(plan_text(plan)) == plan


def test_a_mapped_plan_is_read_back_and_says_what_is_open() -> None:
    found = shop()
    mapping = map_tables(found, None, target="s3://lake/shop")
    plan = plan_of(found, mapping, source="postgres://r@db.example/shop", source_secret=None, schema="public", target="s3://lake/shop")

    text = plan_text(plan, mapping)

    assert read_plan(text) == plan
    assert "no decimal of 38 digits is proven" in text and "write target: zip_code" in text and "# source_secret: env://NAME" in text


def test_a_refused_column_is_shown_with_what_to_do_until_it_is_excluded() -> None:
    found = discovery(table("t", column("id", "bigint", nullable=False), column("what\nis #this", "regclass")))
    mapping = map_tables(found, None, target="file:/t")
    plan = plan_of(found, mapping, source="postgres://r@h/d", source_secret=None, schema="public", target="file:/t")

    text = plan_text(plan, mapping)

    assert read_plan(text) == plan
    assert "# TO DECIDE before this plan can run: 1 columns" in text
    assert "# REFUSED: what\\nis #this regclass: It points to an object" in text and "# What to do: Declare rule PG-06e" in text
    edited = text.replace("keys: []", 'exclude: "what\\nis #this"\n      keys: []')
    assert read_plan(edited).refused() == ()
    assert "REFUSED" not in plan_text(read_plan(edited), mapping)
