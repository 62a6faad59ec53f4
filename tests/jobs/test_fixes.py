"""Each proposed fix, applied as it is written, through Spark: the share that it claims is gone."""

from __future__ import annotations

import random
import re
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.compare import compare
from schemas.verdict import Explanation

sys.path.insert(0, str(Path(__file__).parent.parent / "engine"))
from explain_tables import TYPES
from test_explain_cells import NULLS, NUMBERS, OTHERS, TEXT, TIMES

_BLOCK = 30  # rows that one fault changes; no row has two
_EQUAL = 60
_AT_ONCE = 6
_FROM_TEXT = {"array": "from_json({}, 'array<int>')", "struct": "from_json({}, 'struct<a:struct<b:int>,c:int>')"}
_FROM_NUMBER = {
    "date": "date_from_unix_date(CAST({} AS INT))",
    "timestamp": "timestamp_micros({})",
    "timestamp_ntz": "CAST(timestamp_micros({}) AS TIMESTAMP_NTZ)",
}
_PLAIN = {"integer": "bigint", "decimal": "decimal(18,6)", "double": "double", "float": "double", "text": "string", "boolean": "boolean"}


def _groups() -> list[Any]:
    faults = [(mark.id, *mark.values[:3]) for mark in (*TEXT, *NULLS, *NUMBERS, *TIMES, *OTHERS) if mark.values[0] in TYPES]
    groups = [faults[start : start + _AT_ONCE] for start in range(0, len(faults), _AT_ONCE)]
    ids = [", ".join(name for name, *_ in group) for group in groups]
    return [
        pytest.param(group, id=name, marks=[pytest.mark.slow] if place else [])
        for place, (group, name) in enumerate(zip(groups, ids, strict=True))
    ]


def _tables(spark: SparkSession, group: list[tuple[str, str, Any, Any]]) -> tuple[DataFrame, DataFrame]:
    """Return two tables with a column per fault, each fault in rows of its own."""
    chance = random.Random(3)
    source, target = [], []
    for number in range(1, _EQUAL + _BLOCK * len(group) + 1):
        values = [make(chance, number) for _, _, make, _ in group]
        block = (number - _EQUAL - 1) // _BLOCK
        changed = [fault(value) if place == block else value for place, ((*_, fault), value) in enumerate(zip(group, values, strict=True))]
        source.append((number, *values))
        target.append((number, *changed))
    families = [family for _, family, _, _ in group]
    raw = ["bigint" if family in _FROM_NUMBER else _PLAIN.get(family, "string") for family in families]
    schema = "id bigint, " + ", ".join(f"v{place} {kind}" for place, kind in enumerate(raw))
    typed = [_typed(f"v{place}", family) for place, family in enumerate(families)]
    sides = [spark.createDataFrame(rows, schema).selectExpr("id", *typed) for rows in (source, target)]
    return sides[0], sides[1]


def _typed(name: str, family: str) -> str:
    expression = {**_FROM_TEXT, **_FROM_NUMBER, "float": "CAST({} AS FLOAT)"}.get(family, "{}").format(name)
    return f"{expression} AS {name}"


def _applied(explanations: list[Explanation], source: DataFrame, target: DataFrame) -> tuple[DataFrame, DataFrame, dict[str, Any]]:
    """Do what the fixes say."""
    options: dict[str, Any] = {"rules": {}, "tolerance": {}, "exclude": []}
    names = {"source": source, "target": target, "F": F}
    for explanation in explanations:
        if explanation.fix.kind == "spark":
            for column, text in re.findall(r"^# and compare (\w+) with the tolerance ([^,]+),", explanation.fix.text, re.MULTILINE):
                options["tolerance"][column] = text
            exec(explanation.fix.text, names)
            continue
        words = shlex.split(explanation.fix.text)
        for option, argument in zip(words[::2], words[1::2], strict=True):
            column, _, text = argument.partition("=")
            if option == "--exclude":
                options["exclude"].append(column)
            else:
                options[{"--rule": "rules", "--tolerance": "tolerance"}[option]][column] = text
    return names["source"], names["target"], options


@pytest.mark.parametrize("group", _groups())
def test_what_a_fix_claims_is_gone_once_it_is_applied(spark: SparkSession, group: list[tuple[str, str, Any, Any]]) -> None:
    source, target = _tables(spark, group)
    first = compare(source, target, keys=["id"], show_values=True)
    changed = first.counts.changed
    assert changed > 0
    usable = [
        one
        for one in first.explain()
        if one.share > 0
        and one.alternative_to is None
        and (one.fix.kind == "spark" or one.fix.text.startswith(("--rule", "--tolerance", "--exclude")))
    ]
    claimed = sum(round(one.share * changed) for one in usable)
    assert claimed >= changed / 2, [(one.cause, one.share, one.fix) for one in first.explain()]
    ours, theirs, options = _applied(usable, source, target)
    second = compare(ours, theirs, keys=["id"], show_values=True, **options)
    left = second.counts.changed + second.counts.missing + second.counts.extra
    told = [(one.cause, one.share, one.fix.text) for one in usable]
    assert left <= changed - min(claimed, changed), (told, [(c.source, c.changed) for c in second.columns if c.changed])
