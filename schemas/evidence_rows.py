"""The bounded sample of rows on which causes are sought and which reports show."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

__all__ = ["ColumnMeta", "DifferenceEvidence", "DifferingCell", "DifferingRow"]


@dataclass(frozen=True)
class ColumnMeta:
    """A compared column.

    Attributes:
        name: source name.
        target: target name.
        family: `integer decimal float double text binary boolean date timestamp timestamp_ntz time interval array
            struct map variant`.
        type: canonical type as text, such as `decimal(12,2)`.
        source_type, target_type: as declared on each side.
        is_key: part of the key.
        source_is_text, target_is_text: the side carried text (CSV, JSON) and was parsed.
        is_partition: a partition column of either side.
    """

    name: str
    target: str
    family: str
    type: str
    source_type: str
    target_type: str
    is_key: bool = False
    source_is_text: bool = False
    target_is_text: bool = False
    is_partition: bool = False


@dataclass(frozen=True)
class DifferingCell:
    """One differing cell; texts as `diffs()` gives them, natives for arithmetic (see DifferenceEvidence)."""

    column: str
    cell_class: str
    source_text: str | None
    target_text: str | None


@dataclass(frozen=True)
class DifferingRow:
    """One differing row of the sample.

    Attributes:
        row_class: `changed`, `missing`, `extra` or `multiplicity` (the last: also present on the other side, in another number).
        key: key column name to text; empty when keyless.
        source, target: column name to native value of the whole row, or None when that side has no row.
        cells: the differing cells of a changed row; empty otherwise.
        count: how many equal copies of this row it stands for.
    """

    row_class: str
    key: dict[str, str | None]
    source: dict[str, Any] | None
    target: dict[str, Any] | None
    cells: tuple[DifferingCell, ...] = ()
    count: int = 1


@dataclass(frozen=True)
class DifferenceEvidence:
    """What the explainer may look at.

    Native values: integer int, decimal Decimal, float and double float, text str, binary bytes, boolean bool, date int
    (days since 1970-01-01), timestamps int (microseconds since the epoch, UTC or wall clock), everything nested: JSON text.

    Attributes:
        columns: in canonical order.
        rows: a deterministic sample of the differing rows; all of them when `sampled` is False.
        context: rows that are equal on both sides (natives), a deterministic sample; may be empty.
        counts: rows per class over ALL rows: changed, missing, extra, multiplicity, matched, source_rows, target_rows.
        changed_cells: differing cells per column over ALL rows.
        sampled: whether `rows` leaves out any differing row.
        zone_candidates: zone names worth trying for time shifts, most likely first.
    """

    columns: tuple[ColumnMeta, ...]
    rows: tuple[DifferingRow, ...]
    context: tuple[dict[str, Any], ...]
    counts: dict[str, int]
    changed_cells: dict[str, int]
    sampled: bool = False
    keys: tuple[str, ...] = ()
    rules_in_force: dict[str, tuple[str, ...]] = field(default_factory=dict)
