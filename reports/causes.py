"""Explanations to what reports say of them: which belong together, and where the rows of each lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reports.figures import share
from schemas.verdict import CompareResult, Explanation

__all__ = ["Entry", "about_cells", "entries", "label"]


@dataclass(frozen=True)
class Entry:
    """One explanation, and the causes that fit the same rows but say no more.

    Attributes:
        where: the place of its rows, as a sentence; empty when they lie in no one place.
    """

    explanation: Explanation
    also: tuple[str, ...] = ()
    where: str = ""


def entries(result: CompareResult) -> tuple[Entry, ...]:
    """Return the explanations in their order; alternatives stand with the one they are an alternative to."""
    listed = result.explanations
    own = [_own(listed, position) for position in range(len(listed))]
    return tuple(
        Entry(
            item,
            tuple(dict.fromkeys(listed[other].cause for other, better in enumerate(own) if better == position != other)),
            _where(listed, item),
        )
        for position, item in enumerate(listed)
        if own[position] == position
    )


def _own(listed: Sequence[Explanation], position: int) -> int:
    """Return the position of the entry where an explanation stands: its own, or that of the better one, and so on."""
    while (better := listed[position].alternative_to) is not None:
        position = better
    return position


def _where(listed: Sequence[Explanation], item: Explanation) -> str:
    if item.place is None or item.place_share is None:
        return ""
    amount = "All" if item.place_share >= 1 else f"Nearly all ({share(item.place_share)})"
    return f"{amount} in rows where {listed[item.place].condition}."


def label(item: Explanation) -> str:
    """Return the cause with its columns: `iata: null_filled`."""
    return f"{', '.join(item.columns)}: {item.cause}" if item.columns else item.cause


def about_cells(item: Explanation) -> bool:
    """Return whether an explanation says how cells came to differ: not where, not of whole rows, not that there is no pattern."""
    return item.role == "mechanism" and item.row_classes == ("changed",)
