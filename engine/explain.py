"""Differing rows to ranked hypotheses about their cause, each with its evidence and a fix. Pure Python, no Spark job."""

from __future__ import annotations

from collections.abc import Sequence

from engine.causes.cells import cell_hypotheses
from engine.causes.hypothesis import Hypothesis, explanation_of, rank
from engine.causes.places import place_hypotheses
from engine.causes.rest import combined, leftovers, refuted
from engine.causes.rows import row_hypotheses
from engine.causes.sample import Mask, sample_of
from schemas.evidence_rows import DifferenceEvidence
from schemas.verdict import Explanation

__all__ = ["explain"]

_LEAST = 3
_MOST = 10


def explain(evidence: DifferenceEvidence, mask: Mask | None = None) -> tuple[Explanation, ...]:
    """Return what may have caused the differences, best first: at least three hypotheses, refuted ones among them if need be.

    `share` is the share of differing rows that the cause explains entirely, and that its fix alone would remove. A cause
    that explains cells of rows which differ in other columns too has a smaller share than cells; its statement gives both.

    Fixes of kind `contract_rule` are options of `parity compare`. Those of kind `spark`, and `reload` where it is a
    statement, are Python over the DataFrames `source` and `target`, with `F` for `pyspark.sql.functions`.

    Args:
        evidence: a sample of the differing rows, in any order; the answer does not depend on it.
        mask: from a column name and a value's text to what may be shown; None shows values as they are.

    Returns:
        At most ten; none when no row differs. A cause without a share was tested and refuted.
        Cost: one pass over at most 240 cells of each column and cause, then over all cells for those that fit.
    """
    sample = sample_of(evidence, mask)
    if not sample.rows:
        return ()
    by_cell, hinted = cell_hypotheses(sample)
    by_row = row_hypotheses(sample)
    found = [*_beside(by_cell, by_row), *by_row]
    found += combined(found, sample)
    found += place_hypotheses(sample)
    found += leftovers(found, sample)
    ranked = rank(found, sample)[:_MOST]
    ranked += refuted(found, hinted, sample, _LEAST - len(ranked))
    return tuple(explanation_of(hypothesis, sample) for hypothesis in ranked)


def _beside(by_cell: Sequence[Hypothesis], by_row: Sequence[Hypothesis]) -> list[Hypothesis]:
    """Return causes of cells but those that explain no row, and cells only of rows that a cause of whole rows explains."""
    whole = frozenset[int]().union(*(hypothesis.rows for hypothesis in by_row))
    return [hypothesis for hypothesis in by_cell if hypothesis.rows or not {row for _, row in hypothesis.cells} <= whole]
