"""Differing cells to the causes that explain them, column by column, equal causes told as one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from engine.causes.calendars import calendar_causes
from engine.causes.encoding import encoding_causes
from engine.causes.general import constant_causes, nested_causes
from engine.causes.hypothesis import Hypothesis, cell_fix
from engine.causes.model import Candidate, Cell, joined
from engine.causes.nulls import null_causes
from engine.causes.numbers import number_causes
from engine.causes.sample import CITED, Sample
from engine.causes.temporal import temporal_causes
from engine.causes.text import text_causes
from engine.causes.zones import zone_causes
from schemas.evidence_rows import ColumnMeta

__all__ = ["cell_hypotheses"]

Detector = Callable[[ColumnMeta, Sequence[Cell], Sequence[Any]], Iterator[Candidate]]
_DETECTORS: tuple[Detector, ...] = (
    null_causes,
    text_causes,
    encoding_causes,
    number_causes,
    temporal_causes,
    zone_causes,
    calendar_causes,
    constant_causes,
    nested_causes,
)
_TRIED_CELLS = 240
_ALTERNATIVES = 3  # shown beside the best one when they explain nearly as much
_BOOLEAN_SHARE = 0.5
_FIT_EVERY_PAIR = ("boolean_inversion", "value_to_null", "null_to_value")


@dataclass(frozen=True)
class _Match:
    """A candidate in one column, and the rows whose cell it explains."""

    meta: ColumnMeta
    candidate: Candidate
    rows: frozenset[int]
    affected: int
    compared: int


def cell_hypotheses(sample: Sample) -> tuple[list[Hypothesis], set[str]]:
    """Return one hypothesis per cause and parameters, over all columns where it holds; and all causes that fit any cell tried."""
    hinted: set[str] = set()
    merged: dict[tuple[str, tuple[str, ...]], list[_Match]] = {}
    for column, cells in sample.cells.items():
        meta = sample.meta(column)
        context = [row[column] for row in sample.context if column in row]
        for candidate, rows in _search(meta, cells, context, hinted):
            match = _Match(meta, candidate, rows, _affected(candidate, context), sum(value is not None for value in context))
            if _believable(match, sample):
                merged.setdefault(candidate.identity, []).append(match)
    return [_hypothesis(matches, sample) for _, matches in sorted(merged.items())], hinted


def _search(
    meta: ColumnMeta, cells: Sequence[Cell], context: Sequence[Any], hinted: set[str]
) -> Iterator[tuple[Candidate, frozenset[int]]]:
    """Yield candidates with the rows they explain; found on a part of the cells, then again on a part of what is left."""
    known: dict[tuple[str, tuple[str, ...]], Candidate] = {}
    explained: dict[tuple[str, tuple[str, ...]], frozenset[int]] = {}
    left: Sequence[Cell] = cells
    for _ in range(2):
        tried = left[:: max(1, -(-len(left) // _TRIED_CELLS))]
        proposed = list(_propose(meta, tried, context))
        hinted.update(candidate.cause for candidate in proposed if candidate.cause not in _FIT_EVERY_PAIR)
        for candidate in _useful(proposed, tried):
            if candidate.identity not in known:
                known[candidate.identity] = candidate
                explained[candidate.identity] = frozenset(cell.row for cell in cells if candidate.explains(cell.source, cell.target))
        covered = frozenset().union(*explained.values()) if explained else frozenset()
        left = [cell for cell in left if cell.row not in covered]
        if not left:
            break
    for identity, candidate in known.items():
        rows = explained[identity]
        if len(rows) >= max(candidate.needs, _least(len(cells))):
            yield candidate, rows


def _propose(meta: ColumnMeta, cells: Sequence[Cell], context: Sequence[Any]) -> Iterator[Candidate]:
    for detector in _DETECTORS:
        yield from detector(meta, cells, context)


def _least(cells: int) -> int:
    """Return how many cells a cause must explain among so many, not to be taken for chance."""
    if cells < 10:
        return 1
    return 2 if cells < 100 else max(3, cells // 200)


def _useful(candidates: Iterable[Candidate], cells: Sequence[Cell]) -> list[Candidate]:
    """Return those that explain what better ones do not, and a few alternatives to the best; fewer to try on all cells."""
    hits = {
        candidate.identity: (candidate, frozenset(cell.row for cell in cells if candidate.explains(cell.source, cell.target)))
        for candidate in candidates
    }
    ordered = sorted(hits.values(), key=lambda item: (-len(item[1]), item[0].simplicity, item[0].identity))
    kept: list[Candidate] = []
    covered: set[int] = set()
    alternatives = 0
    for candidate, rows in ordered:
        new = len(rows - covered) * 50 >= len(cells)
        close = alternatives < _ALTERNATIVES and len(rows) * 5 >= 4 * len(ordered[0][1])
        if rows and (new or close):
            kept.append(candidate)
            alternatives += not new
            covered |= rows
    return kept


def _affected(candidate: Candidate, context: Sequence[Any]) -> int:
    return sum(candidate.affects(value) for value in context) if candidate.affects is not None else 0


def _believable(match: _Match, sample: Sample) -> bool:
    """Return whether a cause that fits every pair of its type has more to show than that: most of the column's values."""
    if match.candidate.cause != "boolean_inversion":
        return True
    counts = sample.evidence.counts
    paired = counts.get("matched", 0) + counts.get("matched_by_rule", 0) + counts.get("changed", 0)
    changed = sample.evidence.changed_cells.get(match.meta.name, len(match.rows))
    return changed >= _BOOLEAN_SHARE * max(paired, 1)


def _hypothesis(matches: Sequence[_Match], sample: Sample) -> Hypothesis:
    first = matches[0].candidate
    columns = tuple(match.meta.name for match in matches)
    cells = frozenset((match.meta.name, row) for match in matches for row in match.rows)
    explained: dict[int, int] = Counter(row for match in matches for row in match.rows)
    rows = frozenset(row for row, number in explained.items() if number == len(sample.differing[row]))
    unlike = sorted(
        {row for match in matches for row in islice((c.row for c in sample.cells[match.meta.name] if c.row not in match.rows), CITED)}
    )
    affected, compared = sum(match.affected for match in matches), sum(match.compared for match in matches)
    metas = [match.meta for match in matches]
    counter: tuple[str, ...] = ()
    if affected:
        counter = (f"{affected:,} of {compared:,} equal values of the sample could show it, and do not",)
    phrase = first.phrase
    if "{value}" in phrase:
        value = next(cell for cell in sample.cells[columns[0]] if (columns[0], cell.row) in cells)
        phrase = phrase.replace("{value}", sample.show(value.target if first.parameters[0] == "target" else value.source, metas[0]))
    detail = "It concerns part of the rows only." if affected * 20 > compared else ""
    return Hypothesis(
        cause=first.cause,
        sentence=f"In {joined(columns)} {phrase}",
        rows=rows,
        simplicity=first.simplicity,
        fix=cell_fix(first.remedy, metas, sample, breaks_equal_rows=bool(affected)),
        cells=cells,
        columns=columns,
        opposing=tuple(unlike[:CITED]),
        counter=counter,
        contradicted=affected * 20 > compared,
        detail=detail,
        remedies=tuple((match.meta.name, match.candidate.remedy) for match in matches),
    )
