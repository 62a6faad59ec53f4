"""What `compare` gives back: the result document, and the differences as DataFrames."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame

import reports.html
import reports.markdown
import reports.notebook
from jobs.output import write_whole
from reports.model import ReportData
from schemas.verdict import ColumnResult, CompareResult, Counts, Coverage, Explanation, Verdict

__all__ = ["Comparison", "Differences"]


@dataclass(frozen=True)
class Differences:
    """Builders of the DataFrames that list differences; each call builds a lazy DataFrame from the inputs."""

    cells: Callable[[], DataFrame]
    missing: Callable[[], DataFrame]
    extra: Callable[[], DataFrame]


@dataclass(frozen=True)
class Comparison:
    """The outcome of one comparison; immutable. In a notebook it shows itself.

    Attributes:
        result: the document behind `--json`.
        data: what reports show besides.
    """

    result: CompareResult
    data: ReportData = field(repr=False)
    _differences: Differences = field(repr=False)
    _pinned: Callable[[], AbstractContextManager[Any]] = field(repr=False)

    @property
    def verdict(self) -> Verdict:
        """`PASS`, `PASS_WITH_RULES`, `SAMPLED_PASS`, `FAIL` or `INCONCLUSIVE`."""
        return self.result.verdict

    @property
    def exit_code(self) -> int:
        """What `parity compare` would exit with: 0, 1 or 4."""
        return self.result.exit_code

    @property
    def counts(self) -> Counts:
        """Rows per class."""
        return self.result.counts

    @property
    def coverage(self) -> Coverage:
        """What share of rows, columns and partitions was proven."""
        return self.result.coverage

    @property
    def columns(self) -> tuple[ColumnResult, ...]:
        """Per column: compared, changed, classes, largest deltas."""
        return self.result.columns

    def diffs(self) -> DataFrame:
        """Return every difference, one row per differing cell, and one per missing or extra row.

        Returns:
            The key columns under their source names and types (where the target's is another of its family, such as bigint against
            int, the one that holds both), then `row_class: string` (`changed missing extra multiplicity`), `column: string`
            (source name; NULL for whole rows), `source_value: string`, `target_value: string` (PCT-1 text for scalars, JSON for
            nested), `cell_class: string`. A name that a key column has already gets the prefix `parity_`.
            Lazy: each action looks at the inputs again, unless `diffs=` stored them.
        """
        with self._pinned():
            return self._differences.cells()

    def missing(self) -> DataFrame:
        """Return the source rows that the target lacks, whole, in their own types; lazy."""
        with self._pinned():
            return self._differences.missing()

    def extra(self) -> DataFrame:
        """Return the target rows that the source lacks, whole, in their own types; lazy."""
        with self._pinned():
            return self._differences.extra()

    def explain(self) -> tuple[Explanation, ...]:
        """Return the hypotheses, best first."""
        return self.result.explanations

    def to_dict(self) -> dict[str, Any]:
        """Return the result document as JSON types."""
        return self.result.document()

    def to_json(self, path: str | Path | None = None) -> str:
        """Return the result document as JSON text; with a path, also write it there (whole, or not at all)."""
        text = json.dumps(self.to_dict(), ensure_ascii=False, indent=2, allow_nan=False) + "\n"
        if path is not None:
            write_whole(Path(path), text)
        return text

    def to_html(self, path: str | Path) -> Path:
        """Write the report, one self-contained HTML file, and return its path."""
        return write_whole(Path(path), reports.html.render(self.data))

    def to_markdown(self) -> str:
        """Return a summary for a pull request."""
        return reports.markdown.render(self.data)

    def _repr_html_(self) -> str:
        return reports.notebook.render(self.data)
