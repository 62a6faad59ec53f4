"""What was compared, out of what there is, to shares and a sentence."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from schemas.errors import EngineError
from schemas.model import Model
from schemas.verdict import Coverage

__all__ = ["CoverageFacts", "coverage"]

Count = Annotated[int, Field(ge=0)]
_PARTS = 10**6


class CoverageFacts(Model):
    """What was compared to the end, and what there is; a changed or missing row was compared, too.

    Attributes:
        rows_compared, rows_total: rows of both sides together; with a sample or a known filter, the total is of the whole.
        columns_compared, columns_total: column pairs and columns of one side only; excluded ones belong to the total.
        partitions_compared, partitions_total: partitions of the source; a table without partitions is one of one.
        left_out: what the numbers cannot say, each a clause such as `rows outside region = 'EU'`.
        expect_empty: 0 of 0 rows is then all of them; otherwise it is nothing.
    """

    rows_compared: Count
    rows_total: Count
    columns_compared: Count
    columns_total: Count
    partitions_compared: Count = 1
    partitions_total: Count = 1
    left_out: tuple[str, ...] = ()
    expect_empty: bool = False


def coverage(facts: CoverageFacts) -> Coverage:
    """Return what share of rows, columns and partitions was proven, rounded down: 1.0 only when nothing is missing.

    Raises:
        EngineError: more was compared than there is.

    >>> coverage(CoverageFacts(rows_compared=9_999_999, rows_total=10_000_000, columns_compared=3, columns_total=4)).text
    '9,999,999 of 10,000,000 rows (99.99 %), 3 of 4 columns (75 %), 1 of 1 partition (100 %).'
    """
    parts = (
        ("row", facts.rows_compared, facts.rows_total),
        ("column", facts.columns_compared, facts.columns_total),
        ("partition", facts.partitions_compared, facts.partitions_total),
    )
    shares, clauses = [], []
    for noun, compared, total in parts:
        if compared > total:
            raise EngineError(f"The coverage contradicts itself: {compared:,} of {total:,} {noun}s compared.", object=noun)
        share = _share(compared, total, facts.expect_empty and noun != "column")
        shares.append(share / _PARTS)
        clauses.append(f"{compared:,} of {total:,} {noun}{'' if total == 1 else 's'} ({_percent(share)} %)")
    text = ", ".join(clauses) + "." + (f" Left out: {'; '.join(facts.left_out)}." if facts.left_out else "")
    return Coverage(rows=shares[0], columns=shares[1], partitions=shares[2], text=text)


def _share(compared: int, total: int, empty_is_all: bool) -> int:
    """Return millionths, in whole numbers, so that no rounding lifts a share to 1."""
    if total == 0:
        return _PARTS if empty_is_all else 0
    return compared * _PARTS // total


def _percent(share: int) -> str:
    whole, rest = divmod(share, _PARTS // 100)
    return f"{whole}.{rest // 100:02d}" if rest else str(whole)
