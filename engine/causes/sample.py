"""Evidence as the searches read it: rows in one fixed order, cells per column, values after the rules in force; and how rows are cited."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timezone
from decimal import Decimal
from typing import Any

from engine.causes.model import NUMBER_FAMILIES, TIMESTAMP_FAMILIES, Cell
from engine.causes.numbers import as_number
from engine.causes.rules import apply_text_rules
from engine.causes.temporal import moment_of
from schemas.evidence_rows import ColumnMeta, DifferenceEvidence, DifferingRow
from schemas.verdict import DifferenceClass

__all__ = ["CITED", "Mask", "Sample", "sample_of"]

CITED = 3
Mask = Callable[[str, str], str]
_CONTEXT_ROWS = 2_000
_SHOWN_CHARACTERS = 60
_SHOWN_COLUMNS = 2
_INVISIBLE = frozenset(("Cc", "Cf", "Zl", "Zp", "Zs", "Cs", "Co", "Cn", "Mn", "Me"))
_CLASSES: tuple[DifferenceClass, ...] = ("changed", "missing", "extra")
_TEXT_RULES = ("nfc", "nfkc", "trim", "ltrim", "rtrim", "casefold", "lower", "pad", "json", "empty_as_null")


@dataclass(frozen=True)
class Sample:
    """The differing rows of the evidence, sorted; positions in it name rows everywhere in the explainer.

    Attributes:
        evidence: as given.
        rows: sorted; the order does not depend on the order given.
        cells: column to its differing cells.
        differing: per row, the columns that differ in it.
        source, target: per row, natives of the side (numbers as Decimal), or None.
        context: equal rows, natives as above, at most 2,000, evenly taken.
        mask: applied to every shown value of a column.
    """

    evidence: DifferenceEvidence
    rows: tuple[DifferingRow, ...]
    cells: dict[str, tuple[Cell, ...]]
    differing: tuple[frozenset[str], ...]
    source: tuple[dict[str, Any] | None, ...]
    target: tuple[dict[str, Any] | None, ...]
    context: tuple[dict[str, Any], ...]
    mask: Mask | None

    def meta(self, column: str) -> ColumnMeta:
        """Return the description of a column."""
        return next(meta for meta in self.evidence.columns if meta.name == column)

    def weight(self, rows: Iterable[int]) -> int:
        """Return how many rows of the tables these positions stand for."""
        return sum(self.rows[row].count for row in rows)

    def of_class(self, *classes: str) -> list[int]:
        """Return the positions of rows of these classes."""
        return [position for position, row in enumerate(self.rows) if row.row_class in classes]

    def classes(self, rows: Iterable[int]) -> tuple[DifferenceClass, ...]:
        """Return which classes these rows are of; a copy is missing from or extra in the target."""
        found = {self._class(row) for row in set(rows)}
        return tuple(name for name in _CLASSES if name in found)

    def _class(self, row: int) -> str:
        entry = self.rows[row]
        if entry.row_class != "multiplicity":
            return entry.row_class
        return "missing" if entry.target is None else "extra"

    def values(self, row: int) -> dict[str, Any]:
        """Return the natives of the row as the source has it, of an extra row as the target has it."""
        return self.source[row] or self.target[row] or {}

    def show(self, value: Any, meta: ColumnMeta) -> str:
        """Return a native value as people read it: texts quoted, hidden characters as escapes, at most 60 characters."""
        if value is None:
            return "NULL"
        text = plain_text(value, meta)
        if self.mask is not None:
            text = self.mask(meta.name, text)
        return visible(text, quote=meta.family == "text" or (meta.source_is_text and isinstance(value, str)))

    def hides(self, value: Any, meta: ColumnMeta) -> bool:
        """Return whether the mask changes a value."""
        if value is None or self.mask is None:
            return False
        text = plain_text(value, meta)
        return self.mask(meta.name, text) != text

    def cite(self, row: int, columns: Sequence[str] = ()) -> str:
        """Return one row as evidence: its key, and the two values of each named column, or which side alone has it."""
        where = self._name(row)
        shown = []
        texts = {cell.column: (cell.source_text, cell.target_text) for cell in self.rows[row].cells}
        for column in columns:
            meta = self.meta(column)
            pair = texts.get(column, (None, None))
            shown.append(f"{column} {self._text(pair[0], meta)} → {self._text(pair[1], meta)}")
        if shown:
            return f"{where}: {', '.join(shown)}"
        return f"{where}: {self._presence(row)}"

    def _text(self, text: str | None, meta: ColumnMeta) -> str:
        if text is None:
            return "NULL"
        return visible(self.mask(meta.name, text) if self.mask else text, quote=meta.family in ("text", "variant"))

    def _name(self, row: int) -> str:
        entry = self.rows[row]
        if entry.key:
            parts = [
                (name, text, self.meta(name)) for name, text in entry.key.items() if any(c.name == name for c in self.evidence.columns)
            ]
            if parts:
                return ", ".join(f"{name}={self._text(text, meta)}" for name, text, meta in parts)
        values = self.values(row)
        names = [meta for meta in self.evidence.columns if meta.name in values][:_SHOWN_COLUMNS]
        return ", ".join(f"{meta.name}={self.show(values[meta.name], meta)}" for meta in names) or f"row {row + 1} of the sample"

    def _presence(self, row: int) -> str:
        entry = self.rows[row]
        if entry.row_class == "multiplicity":
            side = "source" if entry.target is None else "target"
            return f"{entry.count} more {'copy' if entry.count == 1 else 'copies'} in the {side}"
        if entry.row_class == "changed":
            return "changed"
        return "only in the source" if entry.row_class == "missing" else "only in the target"


def plain_text(value: Any, meta: ColumnMeta) -> str:
    """Return a native value as text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return format(value, "f") if -30 < value.adjusted() < 30 else str(value)
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).hex()
    if isinstance(value, int) and (meta.family == "date" or meta.family in TIMESTAMP_FAMILIES):
        moment = moment_of(value, is_date=meta.family == "date")
        if moment is None:
            return str(value)
        if meta.family == "date":
            return moment.date().isoformat()
        zoned = meta.family == "timestamp"
        return moment.replace(tzinfo=timezone.utc).isoformat(sep=" ").replace("+00:00", "Z" if zoned else "")
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def visible(text: str, *, quote: bool) -> str:
    """Return a text in which hidden and combining characters are escapes, cut to 60 characters.

    >>> visible("a\\u00a0b ", quote=True)
    "'a\\\\u00a0b '"
    """
    named = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
    cut = text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…"
    shown = "".join(
        character
        if character == " " or unicodedata.category(character) not in _INVISIBLE
        else named.get(character, f"\\u{ord(character):04x}")
        for character in cut
    )
    return f"'{shown}'" if quote else shown


def sample_of(evidence: DifferenceEvidence, mask: Mask | None) -> Sample:
    """Return the evidence sorted and prepared; rows of classes that are no differences are left out."""
    wanted = ("changed", "missing", "extra", "multiplicity")
    rows = _sorted([row for row in evidence.rows if row.row_class in wanted and row.count > 0])
    prepare = {meta.name: (_prepare(meta, evidence, "source"), _prepare(meta, evidence, "target")) for meta in evidence.columns}
    source = tuple(_natives(row.source, prepare, 0) for row in rows)
    target = tuple(_natives(row.target, prepare, 1) for row in rows)
    cells: dict[str, list[Cell]] = {meta.name: [] for meta in evidence.columns}
    differing = []
    for position, row in enumerate(rows):
        one, other = source[position], target[position]
        names: set[str] = set()
        for cell in row.cells:
            if one is None or other is None or cell.column not in cells or cell.cell_class.startswith(("normalised:", "within_tolerance")):
                continue
            names.add(cell.column)
            cells[cell.column].append(Cell(position, one.get(cell.column), other.get(cell.column)))
        differing.append(frozenset(names))
    context = sorted(evidence.context, key=_natural)
    context = context[:: max(1, -(-len(context) // _CONTEXT_ROWS))]
    return Sample(
        evidence,
        rows,
        {name: tuple(found) for name, found in sorted(cells.items()) if found},
        tuple(differing),
        source,
        target,
        tuple(_natives(row, prepare, 0) or {} for row in context),
        mask,
    )


def _natural(values: dict[str, Any]) -> str:
    return repr(sorted(values.items(), key=lambda item: item[0]))


def _sorted(rows: Sequence[DifferingRow]) -> tuple[DifferingRow, ...]:
    """Return rows by class and key; contents are compared only where those do not decide, since that is dear."""
    places: dict[tuple[Any, ...], list[DifferingRow]] = {}
    for row in rows:
        places.setdefault(_place(row), []).append(row)
    return tuple(
        row for place in sorted(places) for row in (sorted(places[place], key=_content) if len(places[place]) > 1 else places[place])
    )


def _place(row: DifferingRow) -> tuple[Any, ...]:
    values = row.source or row.target or {}
    numbers = tuple(value if isinstance(value, int) else 0 for value in (values.get(name) for name in sorted(row.key)))
    return (row.row_class, numbers, tuple((name, text is None, text or "") for name, text in sorted(row.key.items())))


def _content(row: DifferingRow) -> tuple[Any, ...]:
    return (_natural(row.source or {}), _natural(row.target or {}), repr(row.cells), row.count)


def _prepare(meta: ColumnMeta, evidence: DifferenceEvidence, side: str) -> Callable[[Any], Any] | None:
    if meta.family in NUMBER_FAMILIES:
        return as_number
    both, own = evidence.rules_in_force.get(meta.name, ()), evidence.rules_in_force.get(f"{side}.{meta.name}", ())
    rules = tuple(rule for rule in (*both, *own) if rule in _TEXT_RULES or rule.startswith("null_as:"))
    return apply_text_rules(rules) if rules and meta.family in ("text", "variant") else None


def _natives(values: dict[str, Any] | None, prepare: dict[str, tuple[Any, Any]], side: int) -> dict[str, Any] | None:
    if values is None:
        return None
    found = dict(values)
    for name, functions in prepare.items():
        if functions[side] is not None and name in found:
            found[name] = functions[side](found[name])
    return found
