"""What a team decides once for all comparisons: how grave each kind of difference is, and how personal data is recognised."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import Field, model_validator

from schemas.contract import Criticality
from schemas.model import Model
from schemas.verdict import Severity

__all__ = ["CELL_CLASSES", "ROW_CLASSES", "ClassifierThresholds", "Policy", "Sensitivity"]

Sensitivity = Literal["public", "internal", "confidential", "restricted"]
Share = Annotated[float, Field(gt=0, le=1)]
Name = Annotated[str, Field(min_length=1)]

CELL_CLASSES: tuple[str, ...] = ("value", "null_to_value", "value_to_null", "unparsable", "within_tolerance", "normalised")
"""Of CellClass; every `normalised:<rule>` is graded as `normalised`."""
ROW_CLASSES: tuple[str, ...] = ("changed", "missing", "extra", "multiplicity")


class ClassifierThresholds(Model):
    """When values count as evidence of a kind of personal data.

    Attributes:
        share_with_name: of the non-blank samples that must have the form, when the column's name says the kind, 0 < share <= 1.
        share_without_name: the same when only the values speak.
        distinct_without_name: distinct samples needed when only the values speak, a count >= 1.
    """

    share_with_name: Share
    share_without_name: Share
    distinct_without_name: Annotated[int, Field(ge=1)]


class Policy(Model):
    """The document `policy/policy.json`.

    Attributes:
        cells: criticality of the column, then class of the cell, to severity; complete, so that no look-up can miss.
        rows: row class to severity.
        findings: finding class to severity; HIGH and CRITICAL turn the verdict into FAIL.
        unknown_finding: severity of a finding class that is not named.
        sensitivity: kind of personal data to sensitivity.
        default_sensitivity: of a column in which nothing personal was recognised.
        classifier: when values count as evidence.
    """

    type_: Literal["parity.policy.v1"] = Field(default="parity.policy.v1", alias="_type")
    cells: dict[Criticality, dict[Name, Severity]]
    rows: dict[Name, Severity]
    findings: dict[Name, Severity]
    unknown_finding: Severity
    sensitivity: dict[Name, Sensitivity]
    default_sensitivity: Sensitivity
    classifier: ClassifierThresholds

    @model_validator(mode="after")
    def _grades_every_class(self) -> Policy:
        """Refuse gaps and names that are never looked up: a misspelt class would silently grade nothing."""
        _same_names("cells", self.cells, get_args(Criticality))
        for criticality, grades in self.cells.items():
            _same_names(f"cells.{criticality}", grades, CELL_CLASSES)
        _same_names("rows", self.rows, ROW_CLASSES)
        return self


def _same_names(where: str, given: dict[Criticality, dict[str, Severity]] | dict[str, Severity], wanted: tuple[str, ...]) -> None:
    if missing := [name for name in wanted if name not in given]:
        raise ValueError(f"{where}: no entry for {', '.join(missing)}")
    if unknown := [name for name in given if name not in wanted]:
        raise ValueError(f"{where}: unknown {', '.join(unknown)}; it knows {', '.join(wanted)}")
