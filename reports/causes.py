"""Explanations to what reports say of them: the columns and rows they speak of, and which belong together."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from schemas.verdict import CompareResult, Explanation

__all__ = ["Entry", "about_cells", "columns_of", "entries", "known_columns", "label", "row_classes", "touches"]

_PLACES = frozenset({"bad_partition", "value_cluster", "key_range", "time_window", "late_load"})
_MISSING = frozenset({"lost_rows", "late_load", "lost_copies", "shifted_keys"})
_EXTRA = frozenset({"surplus_rows", "duplicated_rows", "doubled_load", "shifted_keys"})
_NO_PATTERN = frozenset({"lost_rows", "surplus_rows", "isolated_change"})


@dataclass(frozen=True)
class Entry:
    """One explanation, and the causes that fit the same rows but say no more."""

    explanation: Explanation
    also: tuple[str, ...] = ()


def entries(result: CompareResult) -> tuple[Entry, ...]:
    """Return the explanations in their order; alternatives stand with the one they are an alternative to.

    An explanation names the better one by its cause only. Where several have that cause, it is the one of the same columns.
    """
    names = known_columns(result)
    own = [item for item in result.explanations if item.alternative_to is None]
    better = {id(item): item for item in own}
    for item in result.explanations:
        if item.alternative_to is not None:
            fitting = [better[id(other)] for other in result.explanations if other.cause == item.alternative_to and id(other) in better]
            better[id(item)] = _of_same_columns(item, fitting, names) or item
    return tuple(
        Entry(item, tuple(dict.fromkeys(o.cause for o in result.explanations if o is not item and better[id(o)] is item)))
        for item in result.explanations
        if better[id(item)] is item
    )


def _of_same_columns(item: Explanation, fitting: Sequence[Explanation], names: Sequence[str]) -> Explanation | None:
    columns = set(columns_of(item, names))
    return next((other for other in fitting if columns & set(columns_of(other, names))), fitting[0] if fitting else None)


def known_columns(result: CompareResult) -> tuple[str, ...]:
    """Return the names by which explanations call columns, longest first."""
    return tuple(sorted({column.source for column in result.columns if column.source}, key=lambda name: (-len(name), name)))


def columns_of(item: Explanation, names: Sequence[str]) -> tuple[str, ...]:
    """Return the columns that the statement names as those it is about: `In a and b …`, `… 3 of 4 differing cells of a`.

    Args:
        item: an explanation; its statement is the only place where it names columns.
        names: of the columns of the result, longest first.
    """
    if item.cause in _PLACES:
        return ()
    found = list(_listed(item.statement.removeprefix("In "), names))
    found += [name for name in names if re.search(rf"differing cells of {re.escape(name)}(?=, [0-9]|\.(?:\s|$)|$)", item.statement)]
    return tuple(dict.fromkeys(found))


def _listed(rest: str, names: Sequence[str]) -> Iterable[str]:
    while name := next((name for name in names if re.match(rf"{re.escape(name)}(?:[\s:]|, )", rest)), None):
        yield name
        rest = rest[len(name) :]
        link = re.match(r", | and ", rest)
        if link is None:
            return
        rest = rest[link.end() :]


def touches(item: Explanation, name: str, names: Sequence[str]) -> bool:
    """Return whether an explanation is about the column, or its fix changes it."""
    if name in columns_of(item, names):
        return True
    quoted = re.escape(name)
    return bool(re.search(rf"""--[a-z]+ ["']*{quoted}["']*(?:=|\s|$)|["'`]{quoted}["'`]""", item.fix.text))


def label(item: Explanation, names: Sequence[str]) -> str:
    """Return the cause with its columns: `iata: null_filled`."""
    columns = columns_of(item, names)
    return f"{', '.join(columns)}: {item.cause}" if columns else item.cause


def about_cells(item: Explanation) -> bool:
    """Return whether an explanation says how cells came to differ: not where, not of whole rows, not that there is no pattern."""
    return item.cause not in _PLACES | _MISSING | _EXTRA | _NO_PATTERN and not row_classes(item)


def row_classes(item: Explanation) -> frozenset[str]:
    """Return which of `missing` and `extra` an explanation is about."""
    found = {name for name, causes in (("missing", _MISSING), ("extra", _EXTRA)) if item.cause in causes}
    if item.cause.startswith("key_") and item.cause not in _PLACES:
        found |= {"missing", "extra"}
    place = re.match(r"In [0-9,]+ of [0-9,]+ (missing|extra|surplus or lost copies of) rows ", item.statement)
    if item.cause in _PLACES and place:
        found |= {place[1]} if place[1] in {"missing", "extra"} else {"missing", "extra"}
    return frozenset(found)
