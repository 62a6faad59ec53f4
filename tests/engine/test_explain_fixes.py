"""A fix that is a rule or a tolerance, applied to the sample with the rules' own Python reference, removes the share it claims."""

import shlex
from decimal import Decimal

import pytest
from explain_tables import faulty
from pyspark.sql import types as T
from test_explain_cells import FAULTS, NULLS, NUMBERS, OTHERS, TEXT, TIMES

from engine.explain import explain
from engine.rules import apply_in_python, check_rule, parse_rules

SPARK_TYPES = {
    "text": T.StringType(),
    "decimal": T.DecimalType(18, 6),
    "double": T.DoubleType(),
    "integer": T.LongType(),
    "timestamp": T.TimestampType(),
}
UNITS = {"us": 1, "ms": 1_000, "s": 1_000_000}


def options(text):
    words = shlex.split(text)
    return list(zip(words[::2], words[1::2], strict=True))


def normalised(value, side, found, spark_type):
    for option, argument in found:
        column, _, rules = argument.partition("=")
        if option == "--rule" and column in ("v", f"{side}.v"):
            for rule in parse_rules(rules):
                check_rule(rule, spark_type, "v")
                value = apply_in_python(rule, value, spark_type)
    return value


def near(one, other, found):
    for option, argument in found:
        if option == "--tolerance" and one is not None and other is not None:
            kind, _, amount = argument.partition("=")[2].partition(":")
            unit = next((unit for unit in ("us", "ms", "s") if amount.endswith(unit)), "")
            limit = Decimal(amount.removesuffix(unit)) * UNITS.get(unit, 1)
            if isinstance(one, float):
                limit = float(limit)
            return abs(one - other) <= (limit if kind == "abs" else limit * max(abs(one), abs(other)))
    return False


@pytest.mark.parametrize("part", [1.0, 0.62])
@pytest.mark.parametrize(FAULTS, [*TEXT, *NULLS, *NUMBERS, *TIMES, *OTHERS])
def test_a_rule_or_tolerance_removes_what_it_claims(family, values, fault, noise, cause, fix, part):
    evidence = faulty(family, values, fault, noise, wrong=part, rows=100)
    tried = 0
    for explanation in explain(evidence):
        if explanation.fix.kind != "contract_rule" or family not in SPARK_TYPES or not explanation.fix.text.startswith(("--rule", "--tol")):
            continue
        tried += 1
        found, spark_type = options(explanation.fix.text), SPARK_TYPES[family]
        removed = 0
        for row in evidence.rows:
            one = normalised(row.source["v"], "source", found, spark_type)
            other = normalised(row.target["v"], "target", found, spark_type)
            removed += (type(one) is type(other) and one == other) or near(one, other, found)
        assert removed / len(evidence.rows) >= explanation.share - 1e-9, explanation
    assert tried or family not in SPARK_TYPES or not fix.startswith(("--rule", "--tolerance"))
