"""Two values to two rows of pieces, with the differing characters marked."""

from __future__ import annotations

import difflib
import re
import unicodedata
from dataclasses import dataclass

from reports.escape import Piece, pieces
from reports.model import SampleCell, SampleRow

__all__ = ["Pair", "lone_side", "pair", "value_pieces"]

_CONTEXT = 60  # equal characters kept on each side of a difference
_LONGEST_CHANGE = 160  # differing characters shown of one run
_MOST_RUNS = 24
_MATRIX = 40_000  # characters x characters that are aligned; beyond, the whole middle counts as changed
_ALIKE = 0.5  # below this share of equal characters an alignment is noise
_LETTER = re.compile("[^\u0300-\u036f]?[\u0300-\u036f]*", re.DOTALL)  # a letter and its marks; also "" at the end
_NAMED = 4  # so many differing characters are also told by name
_TOLD_BY_LENGTH = 40


@dataclass(frozen=True)
class _Run:
    text: str
    changed: bool
    first: bool = False
    last: bool = False


@dataclass(frozen=True)
class Pair:
    """A cell, both sides ready to show; `note` tells what the eye cannot see, or is empty."""

    source: tuple[Piece, ...]
    target: tuple[Piece, ...]
    note: str = ""


def pair(cell: SampleCell, told: set[str] | None = None) -> Pair:
    """Return both sides of a cell.

    Long equal parts are left out, told by their number of characters. Cost: linear, but for a middle part of at most
    200 x 200 characters, which is aligned.

    Args:
        cell: one cell of the sample.
        told: notes on characters given so far in a report; none of them is given again, and this one is added.

    >>> [piece.text for piece in pair(SampleCell("c", "value", "0.04", "0.0")).source]
    ['0.0', '4']
    """
    source, target = cell.source_value, cell.target_value
    if cell.masked or source is None or target is None or not source or not target or source == target:
        return Pair(value_pieces(source, cell.masked), value_pieces(target, cell.masked))
    left, right = _runs(source, target)
    note = _named_difference(left, right)
    if note and told is not None:
        if note in told:
            note = ""
        else:
            told.add(note)
    return Pair(_shown(left), _shown(right), note or _lengths(source, target))


def value_pieces(value: str | None, masked: bool = False) -> tuple[Piece, ...]:
    """Return one value; NULL and the empty text cannot be mistaken for data."""
    if value is None:
        return (Piece("NULL", "null"),)
    if masked:
        return (Piece("".join(piece.text for piece in pieces(value[:_LONGEST_CHANGE])) or "masked", "masked"),)
    if not value:
        return (Piece("empty", "empty"),)
    return _shown([_Run(value, changed=False, first=True, last=True)])


def lone_side(row: SampleRow) -> str:
    """Return the side that has a row the other lacks, or has in a smaller number."""
    if row.row_class in {"missing", "extra"}:
        return "source" if row.row_class == "missing" else "target"
    return "source" if any(cell.source_value is not None for cell in row.cells) else "target"


def _runs(source: str, target: str) -> tuple[list[_Run], list[_Run]]:
    head = _common(source, target)
    tail = _common(source[head:][::-1], target[head:][::-1])
    a, b = source[head : len(source) - tail], target[head : len(target) - tail]
    left, right = [(source[:head], False)], [(target[:head], False)]
    for equal, mine, other in _aligned(a, b):
        left.append((mine, not equal))
        right.append((other, not equal))
    left.append((source[len(source) - tail :], False))
    right.append((target[len(target) - tail :], False))
    return _joined(left), _joined(right)


def _common(a: str, b: str) -> int:
    """Return how many characters two texts begin with in common. Cost: linear, compared in halves."""
    low, high = 0, min(len(a), len(b))
    while low < high:
        middle = (low + high + 1) // 2
        if a[low:middle] == b[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _aligned(a: str, b: str) -> list[tuple[bool, str, str]]:
    """Return (equal, part of a, part of b) in order."""
    if not a or not b or len(a) * len(b) > _MATRIX:
        return [(False, a, b)]
    if unicodedata.normalize("NFC", a) == unicodedata.normalize("NFC", b):
        mine, other = _LETTER.findall(a), _LETTER.findall(b)
        if len(mine) == len(other):
            return [(x == y, x, y) for x, y in zip(mine, other, strict=True)]
    matcher = difflib.SequenceMatcher(None, a, b, autojunk=False)
    if matcher.ratio() < _ALIKE:
        return [(False, a, b)]
    parts = []
    for tag, a1, a2, b1, b2 in matcher.get_opcodes():
        lonely = tag == "equal" and a2 - a1 == 1 and a1 > 0 and a2 < len(a)  # one letter between two changes is chance
        parts.append((tag == "equal" and not lonely, a[a1:a2], b[b1:b2]))
    return parts


def _joined(parts: list[tuple[str, bool]]) -> list[_Run]:
    merged: list[tuple[str, bool]] = []
    for text, changed in parts:
        if text and merged and merged[-1][1] == changed:
            merged[-1] = (merged[-1][0] + text, changed)
        elif text:
            merged.append((text, changed))
    end = len(merged) - 1
    return [_Run(text, changed, first=index == 0, last=index == end) for index, (text, changed) in enumerate(merged)]


def _gap(count: int) -> Piece:
    return Piece(f" … {count:,} characters … ", "gap")


def _shown(runs: list[_Run]) -> tuple[Piece, ...]:
    found: list[Piece] = []
    for run in runs[:_MOST_RUNS]:
        found.extend(_cropped(run))
    if rest := sum(len(run.text) for run in runs[_MOST_RUNS:]):
        found.append(_gap(rest))
    return tuple(found)


def _cropped(run: _Run) -> tuple[Piece, ...]:
    """Return a run with its middle (its far end, at the ends of the value) left out when it is long."""
    text, size = run.text, len(run.text)
    if run.changed or (run.first and run.last):
        before, after = _LONGEST_CHANGE - 40, 40
    else:
        before, after = (24 if run.first else _CONTEXT), (24 if run.last else _CONTEXT)
    if size <= before + after + 24:
        return pieces(text, changed=run.changed, first=run.first, last=run.last)
    start = pieces(text[:before], changed=run.changed, first=run.first, last=False)
    stop = pieces(text[size - after :], changed=run.changed, first=False, last=run.last)
    return (*start, _gap(size - before - after), *stop)


def _named(char: str) -> str:
    if _is_plain(char):
        return char
    name = unicodedata.name(char, "")
    return f"U+{ord(char):04X} {name}".rstrip()


def _is_plain(char: str) -> bool:
    return "!" <= char <= "~"


def _named_difference(left: list[_Run], right: list[_Run]) -> str:
    """Return the names of a few characters that one cannot see or could take for others; plain ones can be seen."""
    mine = "".join(run.text for run in left if run.changed)
    other = "".join(run.text for run in right if run.changed)
    if max(len(mine), len(other)) > _NAMED or not any(text and not any(map(_is_plain, text)) for text in (mine, other)):
        return ""
    return f"{_names(mine)} → {_names(other)}"


def _lengths(source: str, target: str) -> str:
    """Return the lengths of long values, where they differ."""
    if len(source) != len(target) and max(len(source), len(target)) > _TOLD_BY_LENGTH:
        return f"{len(source):,} → {len(target):,} characters"
    return ""


def _names(text: str) -> str:
    return ", ".join(map(_named, dict.fromkeys(text))) or "nothing"
