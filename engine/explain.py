"""Differing rows to ranked hypotheses about their cause, each with its evidence and a fix. Pure Python, no Spark job."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from engine.causes.cells import cell_hypotheses
from engine.causes.hypothesis import Hypothesis, explanation_of, rank
from engine.causes.places import place_hypotheses
from engine.causes.rest import combined, leftovers, refuted
from engine.causes.rows import row_hypotheses
from engine.causes.sample import Mask, Sample, sample_of
from schemas.evidence_rows import DifferenceEvidence
from schemas.verdict import Explanation

__all__ = ["Explained", "explain", "explained"]

_LEAST = 3
_MOST = 10
_SAME_PLACE = 0.95
_LEAST_IN_PLACE = 4  # rows, from which on it is worth telling that they lie in one place


@dataclass(frozen=True)
class Explained:
    """Hypotheses, and for each row of the evidence, by its position, the causes that explain it or a cell of it."""

    explanations: tuple[Explanation, ...] = ()
    causes: Mapping[int, tuple[str, ...]] = field(default_factory=dict)


def explain(evidence: DifferenceEvidence, mask: Mask | None = None) -> tuple[Explanation, ...]:
    """Return the hypotheses alone, see `explained`."""
    return explained(evidence, mask).explanations


def explained(evidence: DifferenceEvidence, mask: Mask | None = None) -> Explained:
    """Return what may have caused the differences, best first: at least three hypotheses, refuted ones among them if need be.

    `share` is the share of differing rows that the cause explains entirely, and that its fix alone would remove. A cause
    that explains cells of rows which differ in other columns too has a smaller share than cells; its statement gives both.

    Fixes of kind `contract_rule` are options of `parity compare`. Those of kind `spark`, and `reload` where it is a
    statement, are Python over the DataFrames `source` and `target`, with `F` for `pyspark.sql.functions`.

    Args:
        evidence: a sample of the differing rows, in any order; the answer does not depend on it.
        mask: from a column name and a value's text to what may be shown; None shows values as they are.

    Returns:
        At most ten; none when no row differs. Those that explain only what a better one does stand behind the others. A cause
        without a share was tested and refuted.
        Cost: one pass over at most 240 cells of each column and cause, then over all cells for those that fit.
    """
    sample = sample_of(evidence, mask)
    if not sample.rows:
        return Explained()
    by_cell, hinted = cell_hypotheses(sample)
    by_row = row_hypotheses(sample)
    found = [*_beside(by_cell, by_row), *by_row]
    found += combined(found, sample)
    found += place_hypotheses(sample)
    found += leftovers(found, sample)
    ordered = rank(found, sample)
    better = {id(hypothesis): _better(hypothesis, place, ordered) for place, hypothesis in enumerate(ordered)}
    ranked = sorted(ordered, key=lambda hypothesis: better[id(hypothesis)] is not None)[:_MOST]
    ranked += refuted(found, hinted, sample, _LEAST - len(ranked))
    told = _told(ranked, better, sample)
    own = [hypothesis for hypothesis, explanation in zip(ranked, told, strict=True) if explanation.alternative_to is None]
    return Explained(told, _causes_of_rows(own, sample, evidence))


def _told(ranked: Sequence[Hypothesis], better: Mapping[int, Hypothesis | None], sample: Sample) -> tuple[Explanation, ...]:
    """Return hypotheses as explanations that name each other by their positions; what is not listed is named by none.

    Args:
        better: from the `id` of a hypothesis to a better one that says the same, which may be cut off.
    """
    positions = {id(hypothesis): position for position, hypothesis in enumerate(ranked)}
    alternatives = [positions.get(id(better.get(id(hypothesis)))) for hypothesis in ranked]
    places = {p: one for p, one in enumerate(ranked) if one.role == "place" and alternatives[p] is None}
    return tuple(
        explanation_of(hypothesis, sample, alternative_to, _inside(hypothesis, places, sample))
        for hypothesis, alternative_to in zip(ranked, alternatives, strict=True)
    )


def _inside(hypothesis: Hypothesis, places: Mapping[int, Hypothesis], sample: Sample) -> tuple[int, float] | None:
    """Return the place that holds nearly all rows of a mechanism, and few others, with the share of them that it holds."""
    rows = hypothesis.touched
    if hypothesis.role != "mechanism" or len(rows) < _LEAST_IN_PLACE:
        return None
    whole = sample.weight(rows)
    shares = {position: sample.weight(rows & place.rows) / whole for position, place in places.items()}
    holding = [position for position, share in shares.items() if share >= _SAME_PLACE]
    if not holding:
        return None
    position = min(holding, key=lambda position: (sample.weight(rows ^ places[position].rows), position))
    return position, shares[position]


def _causes_of_rows(ranked: Sequence[Hypothesis], sample: Sample, evidence: DifferenceEvidence) -> dict[int, tuple[str, ...]]:
    place = {id(row): position for position, row in enumerate(evidence.rows)}
    found: dict[int, tuple[str, ...]] = {}
    for hypothesis in ranked:
        for row in sorted(hypothesis.touched):
            position = place[id(sample.rows[row])]
            if hypothesis.cause not in found.get(position, ()):
                found[position] = (*found.get(position, ()), hypothesis.cause)
    return found


def _better(hypothesis: Hypothesis, place: int, ordered: Sequence[Hypothesis]) -> Hypothesis | None:
    """Return a better hypothesis that says the same of the same rows, None if there is none.

    Of mechanisms, the first that explains every cell, as `rtrim` does where `trim` would too, but not several that only meet in its
    rows; of places, the simplest of those that hold nearly the same rows, as a partition does where the dates in it do too.
    """
    if hypothesis.role == "mechanism" and hypothesis.cells:
        known = (one for one in ordered[:place] if one.role == "mechanism" and (hypothesis.combines or not one.combines))
        return next((one for one in known if hypothesis.cells <= one.cells), None)
    if hypothesis.role == "place" and hypothesis.rows:
        for other, one in enumerate(ordered):
            simpler = (one.simplicity, other) < (hypothesis.simplicity, place)
            if one.role == "place" and simpler and len(hypothesis.rows & one.rows) >= _SAME_PLACE * len(hypothesis.rows | one.rows):
                return one
    return None


def _beside(by_cell: Sequence[Hypothesis], by_row: Sequence[Hypothesis]) -> list[Hypothesis]:
    """Return causes of cells but those that explain no row, and cells only of rows that a cause of whole rows explains."""
    whole = frozenset[int]().union(*(hypothesis.rows for hypothesis in by_row))
    return [hypothesis for hypothesis in by_cell if hypothesis.rows or not {row for _, row in hypothesis.cells} <= whole]
