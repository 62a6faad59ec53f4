"""Comparisons to why their tables differ: the hypotheses that were tested on the differing rows, with what speaks for and against each."""

from __future__ import annotations

from collections.abc import Mapping

from archetypes.reconciliation import document_sha256
from schemas.agent_output import Citation, ExplanationResult, Hypothesis, HypothesisFix, ObjectName, TableExplanation
from schemas.verdict import CompareResult, Explanation

__all__ = ["explanation_of"]

_ALL_PPM = 1_000_000


def explanation_of(schema: str, compared: Mapping[str, CompareResult]) -> ExplanationResult:
    """Return why the tables differ; tables without differences are left out.

    Args:
        compared: name of the table to its comparison, whose document (timings left out) every hypothesis cites.
    """
    tables = [_table(schema, name, result) for name, result in sorted(compared.items()) if result.explanations]
    return ExplanationResult(tables=tuple(tables))


def _table(schema: str, name: str, result: CompareResult) -> TableExplanation:
    sha256 = document_sha256(result)
    hypotheses = tuple(_hypothesis(rank, told, sha256) for rank, told in enumerate(result.explanations, start=1))
    return TableExplanation(
        name=ObjectName(schema_name=schema, name=name), hypotheses=hypotheses, unexplained_ppm=_unexplained(result.explanations)
    )


def _hypothesis(rank: int, told: Explanation, sha256: str) -> Hypothesis:
    """An explanation is tested on a bounded sample of the differing rows, hence never proven."""
    return Hypothesis.model_validate(
        {
            "origin": "sample",
            "citations": (Citation(sha256=sha256, pointer=f"/explanations/{rank - 1}"),),
            "rank": rank,
            "cause": told.cause,
            "statement": told.statement,
            "role": told.role,
            "columns": told.columns,
            "share_ppm": round(told.share * _ALL_PPM),
            "for": told.for_,
            "against": told.against,
            "fix": HypothesisFix(kind=told.fix.kind, text=told.fix.text),
        }
    )


def _unexplained(told: tuple[Explanation, ...]) -> int:
    """Return the share of the differing rows that no mechanism accounts for."""
    rest = [one.share for one in told if one.role == "rest"]
    if rest:
        return round(max(rest) * _ALL_PPM)
    explained = sum(one.share for one in told if one.role == "mechanism" and one.alternative_to is None)
    return max(0, _ALL_PPM - round(explained * _ALL_PPM))
