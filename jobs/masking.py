"""Personal data to placeholders, before anything reaches a report."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from policy.classify import Classification, ColumnFacts, classify, mask, new_mask_key
from schemas.contract import Contract
from schemas.evidence_rows import DifferenceEvidence

__all__ = ["Masker", "classifications", "masker"]

_HIDDEN = ("confidential", "restricted")
_SAMPLES = 200


@dataclass(frozen=True)
class Masker:
    """Hides values of personal columns.

    Attributes:
        kinds: column to the kind of personal data in it; other columns are shown.
        key: of this run, random and never stored.
    """

    kinds: Mapping[str, str]
    key: bytes

    def hides(self, column: str) -> bool:
        """Return whether values of this column are not shown."""
        return column in self.kinds

    def in_report(self, column: str, text: str | None) -> str | None:
        """Return a value for a report: a placeholder that differs where values differ."""
        if text is None or column not in self.kinds:
            return text
        return mask(text, self.kinds[column], self.key)

    def in_document(self, column: str, text: str) -> str:
        """Return a value for the result document, whose bytes are the same in every run: a placeholder without a token."""
        return f"‹{self.kinds[column]}›" if text and column in self.kinds else text


def masker(profiles: Sequence[Classification]) -> Masker:
    """Return what hides the columns that the classifier holds for personal."""
    kinds = {found.column: found.pii_kind or "value" for found in profiles if found.sensitivity in _HIDDEN}
    return Masker(kinds, new_mask_key())


def classifications(
    evidence: DifferenceEvidence, contract: Contract, text: Callable[[str, object], str | None]
) -> tuple[Classification, ...]:
    """Return the classification of every compared column, from names, types, and the values of the sampled rows.

    Args:
        text: gives a native value of a column as text.
    """
    rows = [values for row in evidence.rows for values in (row.source, row.target) if values is not None]
    rows = [*evidence.context[:_SAMPLES], *rows[:_SAMPLES]]
    facts = []
    for column in evidence.columns:
        values = (text(column.name, row.get(column.name)) for row in rows)
        samples = tuple(value[:200] for value in values if value)
        facts.append(ColumnFacts(name=column.name, canonical_type=column.type, is_key=column.is_key, samples=samples[: 2 * _SAMPLES]))
    return classify(facts, contract.criticality)
