"""Cases as plain values: two small tables, how they are compared, and what must come out.

A table is SQL: rows as in `VALUES`, named by `columns`, or a whole `SELECT`. Counts that a case does not name are 0, so that
nothing is found that was not planted; `matched` and the totals follow from the others and are checked by the verdict's equations.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from jobs.compare import compare
from jobs.comparison import Comparison

__all__ = ["Case", "check", "compared", "differing_cells", "parametrised", "table"]

_COUNTED = ("matched_by_rule", "changed", "missing", "extra", "multiplicity")


@dataclass(frozen=True)
class Case:
    """One pair of tables and its verdict.

    Attributes:
        id: of the catalogue, with a word; `N` numbers are members of the same families that the catalogue does not list.
        columns: names of the columns of `source` and `target`, where these are rows.
        source, target: rows as after VALUES, or a SELECT.
        verdict: expected.
        keys: of the call.
        counts: rows per class, those that are not 0; may name `matched`, `duplicate_keys`, `null_keys`.
        cells: column to cell class to number, of all cells that are not equal; None = not looked at.
        findings: (class, column) that must be among the findings.
        reasons: codes that must be among the reasons.
        cause: of the best explanation that speaks of anything; None = not looked at.
        options: further arguments of `compare`.
    """

    id: str
    columns: str
    source: str
    target: str
    verdict: str
    counts: Mapping[str, int] = field(default_factory=dict)
    cells: Mapping[str, Mapping[str, int]] | None = None
    keys: Sequence[str] | None = ("id",)
    findings: Collection[tuple[str, str | None]] = ()
    reasons: Collection[str] = ()
    cause: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


def parametrised(cases: Sequence[Case]) -> pytest.MarkDecorator:
    """Return the decorator that runs a test once per case, under its id; those that the catalogue does not list count as slow."""
    names = [case.id for case in cases]
    assert len(names) == len(set(names)), f"two cases have one id: {sorted({n for n in names if names.count(n) > 1})}"
    marks = {case.id: [pytest.mark.slow] if case.id.startswith("N") else [] for case in cases}
    return pytest.mark.parametrize("case", [pytest.param(case, id=case.id, marks=marks[case.id]) for case in cases])


def table(spark: SparkSession, columns: str, rows: str) -> DataFrame:
    """Return the DataFrame that a case describes."""
    text = rows.strip()
    if text[:6].upper() == "SELECT" or text[:4].upper() == "WITH":
        return spark.sql(text)
    return spark.sql(f"SELECT * FROM VALUES {text} AS t({columns})")  # noqa: S608


def compared(spark: SparkSession, case: Case) -> Comparison:
    """Return what `compare` says about a case."""
    source, target = table(spark, case.columns, case.source), table(spark, case.columns, case.target)
    keys = None if case.keys is None else list(case.keys)
    return compare(source, target, keys=keys, **case.options)


def check(spark: SparkSession, case: Case) -> Comparison:
    """Compare the two tables of a case, assert all it promises, and return the outcome."""
    outcome = compared(spark, case)
    result = outcome.result
    told = f"{case.id}: {result.verdict}, {[(r.code, r.text) for r in result.reasons]}, {result.counts!r}"
    assert result.verdict == case.verdict, told
    counts = result.counts.model_dump()
    assert {name: counts[name] for name in _COUNTED} == {name: case.counts.get(name, 0) for name in _COUNTED}, told
    for name in set(case.counts) - set(_COUNTED):
        assert counts[name] == case.counts[name], f"{name}: {told}"
    if case.cells is not None:
        assert {c.source: dict(c.classes) for c in result.columns if c.classes} == case.cells, told
    found = {(finding.class_, finding.column) for finding in result.findings}
    assert set(case.findings) <= found, f"{case.id}: {found}"
    assert set(case.reasons) <= {reason.code for reason in result.reasons}, told
    if case.cause is not None:
        causes = [explanation.cause for explanation in result.explanations]
        assert causes and causes[0] == case.cause, f"{case.id}: {[(e.cause, e.share, e.statement) for e in result.explanations]}"
    return outcome


def differing_cells(outcome: Comparison, keys: Sequence[str]) -> set[tuple[Any, ...]]:
    """Return `diffs()` as a set of (key values…, row class, column, cell class)."""
    return {(*(row[key] for key in keys), row["row_class"], row["column"], row["cell_class"]) for row in outcome.diffs().collect()}
