"""What a comparison found: the document behind `--json`, and the samples that only reports show."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_serializer

from schemas.model import Model

__all__ = [
    "EXIT_CODES",
    "CellClass",
    "ColumnResult",
    "CompareResult",
    "Counts",
    "Coverage",
    "DifferenceClass",
    "ErrorDocument",
    "Explanation",
    "Finding",
    "Fix",
    "InputResult",
    "Inputs",
    "PlanChoice",
    "Reason",
    "Role",
    "RowClass",
    "RuleCount",
    "Severity",
    "Verdict",
]

Verdict = Literal["PASS", "PASS_WITH_RULES", "SAMPLED_PASS", "FAIL", "INCONCLUSIVE"]
Severity = Literal["CRITICAL", "HIGH", "MEDIUM", "LOW", "INFO"]
RowClass = Literal["matched", "matched_by_rule", "changed", "missing", "extra", "multiplicity"]
DifferenceClass = Literal["changed", "missing", "extra"]
"""Classes of rows that differ; a copy too many or too few is an extra or a missing row."""
Role = Literal["mechanism", "place", "rest", "refuted"]
"""Of a hypothesis: how rows came to differ, where they lie, that they have no pattern, or that it was tested in vain."""
CellClass = str
"""`value`, `null_to_value`, `value_to_null`, `unparsable`, `within_tolerance` or `normalised:<rule>`."""

EXIT_CODES: dict[str, int] = {"PASS": 0, "PASS_WITH_RULES": 0, "SAMPLED_PASS": 0, "FAIL": 1, "INCONCLUSIVE": 4}

Count = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
_EXACT = 2**53


class Counts(Model):
    """Rows per class, multiset-aware; `duplicate_keys` counts keys, `null_keys` rows of both sides.

    With a sample, all are counts of the sample; `*_rows_total` are those of the whole (None without a sample).
    """

    source_rows: Count
    target_rows: Count
    matched: Count
    matched_by_rule: Count = 0
    changed: Count = 0
    missing: Count = 0
    extra: Count = 0
    multiplicity: Count = 0
    duplicate_keys: Count = 0
    null_keys: Count = 0
    source_rows_total: Count | None = None
    target_rows_total: Count | None = None


class Coverage(Model):
    """What share was proven, unitless 0…1, and the same in words."""

    rows: Share
    columns: Share
    partitions: Share
    text: str


class ColumnResult(Model):
    """One column pair; `changed` counts cells; deltas are decimal texts, in the column's unit (temporal: seconds)."""

    source: str | None
    target: str | None
    canonical_type: str
    compared: bool
    changed: Count = 0
    classes: dict[str, Count] = {}
    max_abs_delta: str | None = None
    max_rel_delta: str | None = None


class Reason(Model):
    """Why the verdict is what it is."""

    code: str
    text: str


class Finding(Model):
    """Something a person should know that does not by itself decide the verdict."""

    class_: str = Field(alias="class")
    column: str | None = None
    severity: Severity
    text: str


class RuleCount(Model):
    """Rows that are equal only because of this rule."""

    column: str
    rule: str
    rows: Count


class Fix(Model):
    """What to do about a cause: `contract_rule` texts are lines for a contract, or options of `parity compare`."""

    kind: Literal["contract_rule", "sql", "spark", "reload", "investigate"]
    text: str


class Explanation(Model):
    """One hypothesis: the share of differing rows it explains, and the rows that speak for and against it.

    Attributes:
        role: what kind of hypothesis it is.
        columns: source names of the columns it is about; empty for places and for whole rows.
        row_classes: classes of the rows it explains, entirely or in some cells; empty when it is refuted.
        alternative_to: position, in the list of explanations, of a better hypothesis that explains all that this one does.
        place: position of the place where nearly all the rows of this mechanism lie.
        place_share: share of its rows that lie there; None without a place.
        condition: what the rows of a place have in common, in words: `country is 'DE'`.
    """

    cause: str
    statement: str
    role: Role
    columns: tuple[str, ...] = ()
    row_classes: tuple[DifferenceClass, ...]
    share: Share
    alternative_to: Count | None = None
    place: Count | None = None
    place_share: Share | None = None
    condition: str | None = None
    for_: tuple[str, ...] = Field(alias="for", default=())
    against: tuple[str, ...] = ()
    fix: Fix


class InputResult(Model):
    """One side as it was read."""

    uri: str
    pin: str | None
    pinned: bool
    rows: Count
    bytes: Count | None = None
    files: Count | None = None


class Inputs(Model):
    source: InputResult
    target: InputResult


class PlanChoice(Model):
    """Which way the engine went, and why."""

    mode: str
    reason: str


class CompareResult(Model):
    """Everything `parity compare --json` writes. Two runs on the same data give the same bytes, `timings` aside."""

    type_: Literal["parity.compare.v1"] = Field(default="parity.compare.v1", alias="_type")
    verdict: Verdict
    exit_code: Literal[0, 1, 4]
    reasons: tuple[Reason, ...]
    counts: Counts
    coverage: Coverage
    columns: tuple[ColumnResult, ...]
    findings: tuple[Finding, ...]
    rules: tuple[RuleCount, ...]
    explanations: tuple[Explanation, ...]
    inputs: Inputs
    contract: dict[str, Any]
    contract_sha256: str
    canon: Literal[1] = 1
    strength: Literal["64", "128", "sha256"]
    plan: PlanChoice
    session_sha256: str
    canary: Literal["passed"]
    timings: dict[str, float]
    versions: dict[str, str]

    @field_serializer("counts", when_used="json")
    def _exact_numbers(self, counts: Counts) -> dict[str, int | str | None]:
        """Numbers beyond 2**53 are not safe in every JSON reader: written as text."""
        values: dict[str, int | None] = counts.model_dump()
        return {k: str(v) if v is not None and v > _EXACT else v for k, v in values.items()}


class ErrorDocument(Model):
    """What `--json` holds after an error."""

    type_: Literal["parity.error.v1"] = Field(default="parity.error.v1", alias="_type")
    exit_code: Literal[2, 3]
    code: str
    message: str
    object: str | None
    hint: str | None
