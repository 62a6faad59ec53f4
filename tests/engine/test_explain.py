"""What must hold for any evidence: no error, shares between 0 and 1, three hypotheses, one answer whatever the order, in time."""

import math
import random
import time
from dataclasses import replace
from decimal import Decimal

from explain_tables import TYPES, column, compared, micros
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.explain import explain
from schemas.evidence_rows import DifferenceEvidence, DifferingCell, DifferingRow
from schemas.verdict import Explanation

NATIVES = {
    "integer": st.integers(-(2**63), 2**63 - 1) | st.sampled_from([0, 1, -1, 100, 2**31, 2**53 + 1]),
    "decimal": st.decimals(-(10**20), 10**20, allow_nan=False, places=4)
    | st.sampled_from([Decimal("0"), Decimal("0.0050"), Decimal("1E-30")]),
    "double": st.floats() | st.sampled_from([0.0, -0.0, 5e-324, 1.7e308, math.inf, math.nan, 0.1]),
    "float": st.floats(width=32),
    "text": st.text(max_size=12)
    | st.sampled_from(["", " ", "1E+05", "1e400", "***", "{", '{"a":1}', "\ud800", "é", "?", "\\N", "NaN", "-1", "00"]),
    "boolean": st.booleans(),
    "date": st.integers(-(2**31), 2**31 - 1) | st.integers(-200_000, 20_000),
    "timestamp": st.integers(-(2**63), 2**63 - 1) | st.integers(-(10**15), 2 * 10**15),
    "timestamp_ntz": st.integers(-(2**63), 2**63 - 1) | st.integers(0, 2 * 10**15),
    "array": st.sampled_from(["[]", "[1,2]", "[2,1]", "[[1]]", "[", "null", '["é"]']),
    "struct": st.sampled_from(['{"a":1}', '{"a":null}', "{}", '{"a":{"b":[1]}}']),
    "binary": st.binary(max_size=4),
}


@st.composite
def tables(draw):
    families = draw(st.lists(st.sampled_from(sorted(TYPES)), min_size=1, max_size=4))
    columns = [column("id", draw(st.sampled_from(["integer", "text"])), key=draw(st.booleans()))]
    columns += [column(f"c{i}", family, is_partition=draw(st.booleans())) for i, family in enumerate(families)]
    values = {meta.name: st.none() | NATIVES[meta.family] for meta in columns}
    keys = {"integer": st.integers(0, 9), "text": st.sampled_from(["a", "A", "a ", "0", "00", ""])}
    values["id"] = st.none() | keys[columns[0].family]
    side = st.lists(st.fixed_dictionaries(values), max_size=12)
    return compared(columns, draw(side), draw(side), sampled=draw(st.booleans()))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(tables())
def test_any_evidence_has_explanations_with_shares_of_the_whole(evidence):
    found = explain(evidence)

    assert bool(evidence.rows) == bool(found)
    assert all(0 <= explanation.share <= 1 and explanation.statement and explanation.fix.text for explanation in found)
    assert not evidence.rows or len(found) >= 3 or any(e.statement.startswith("Tested and refuted") for e in found)
    assert [e.share for e in found] == sorted((e.share for e in found), reverse=True)
    for position, one in enumerate(found):
        better = None if one.alternative_to is None else found[one.alternative_to]
        assert better is None or (
            better.role == one.role and one.alternative_to != position and set(one.row_classes) <= set(better.row_classes)
        )
        assert one.place is None or (found[one.place].role, one.role) == ("place", "mechanism")
        assert (one.place is None) == (one.place_share is None)
        assert (one.condition is None) == (one.role != "place")
        assert (not one.row_classes) == (one.role == "refuted")
        assert set(one.columns) <= {meta.name for meta in evidence.columns}


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(tables(), st.randoms(use_true_random=False))
def test_the_order_of_rows_and_columns_of_the_evidence_does_not_matter(evidence, chance):
    rows, context = list(evidence.rows), list(evidence.context)
    chance.shuffle(rows)
    chance.shuffle(context)

    assert explain(evidence) == explain(replace(evidence, rows=tuple(rows), context=tuple(context)))


def test_values_that_do_not_fit_their_column_are_no_error():
    columns = tuple(column(family, family) for family in TYPES)
    odd = [None, True, 5, 2.5, Decimal("NaN"), "x", b"x", [1], {"a": 1}, float("inf")]
    rows = tuple(
        DifferingRow(
            "changed",
            {"integer": str(i)},
            dict.fromkeys(TYPES, one),
            dict.fromkeys(TYPES, other),
            (DifferingCell(name, "value", "a", "b"),),
        )
        for name in TYPES
        for i, (one, other) in enumerate((a, b) for a in odd for b in odd)
    )

    assert len(explain(DifferenceEvidence(columns, rows, (), {}, {}))) >= 3


def test_evidence_with_nothing_but_row_classes_is_no_error():
    rows = (DifferingRow("changed", {}, {}, {}), DifferingRow("missing", {}, {}, None), DifferingRow("matched_by_rule", {}, {}, {}))

    assert all(isinstance(explanation, Explanation) for explanation in explain(DifferenceEvidence((), rows, (), {}, {})))


def wide(rows, columns_each):
    chance = random.Random(8)
    families = {"text": columns_each, "decimal": columns_each, "timestamp": columns_each, "double": columns_each}
    columns = [column("id", "integer", key=True)]
    columns += [column(f"{family}_{i}", family) for family, number in families.items() for i in range(number)]
    makers = {
        "text": lambda: f"Ünïcode {chance.randint(1, 10**9)}",
        "decimal": lambda: Decimal(chance.randint(1, 10**9)).scaleb(-4),
        "timestamp": lambda: micros(2023, 1, 1) + chance.randint(0, 10**13),
        "double": lambda: chance.random() * 1000,
    }
    faults = {
        "text": lambda v: v.upper() if chance.random() < 0.7 else f"other {chance.random()}",
        "decimal": lambda v: v.quantize(Decimal("0.01")) + (0 if chance.random() < 0.7 else chance.randint(1, 99)),
        "timestamp": lambda v: v - 3_600_000_000 if chance.random() < 0.7 else v + chance.randint(1, 10**12),
        "double": lambda v: round(v, 2) if chance.random() < 0.7 else chance.random(),
    }
    source = [{"id": n, **{meta.name: makers[meta.family]() for meta in columns[1:]}} for n in range(rows)]
    target = [{"id": row["id"], **{meta.name: faults[meta.family](row[meta.name]) for meta in columns[1:]}} for row in source]
    return compared(columns, source, target)


def test_ten_thousand_rows_of_twenty_differing_columns_take_seconds():
    evidence = wide(10_000, 5)
    begun = time.process_time()

    found = explain(evidence)

    assert time.process_time() - begun < 6  # about 2 s on an idle machine
    assert len(found) >= 3
