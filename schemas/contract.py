"""How two tables are to be compared: the one description behind every argument of `compare`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from schemas.canonical_json import sha256_of
from schemas.model import Model

__all__ = ["Contract", "Criticality", "Strength"]

Name = Annotated[str, Field(min_length=1)]
Strength = Literal["64", "128", "sha256"]
Criticality = Literal["key", "critical", "normal", "informational"]


class Contract(Model):
    """One comparison. All columns are named by their source name.

    Attributes:
        keys: None = the catalog's primary key, else keyless; empty = keyless.
        mapping: source name to target name; a column that is not named here has the same name on both sides.
        columns: the columns to compare besides the key; None = all.
        exclude: columns of either side to leave out.
        rules: column (or `source.column`, `target.column`) to normalisers, in order.
        types: column to the Spark type in which both sides are compared, such as `decimal(12,2)`; the same as a leading rule `cast:<type>`.
        tolerance: column to `abs:<x>`, `rel:<x>` or both, or `abs:<duration>` for temporal columns.
        where: SQL predicate over source names, for both sides.
        sample: share of keys, such as `1%`, `1/64`, `0.01`; None = all rows.
        strength: of the row hash.
        expect_empty: two empty sides are then a PASS.
        unique_keys: duplicate or NULL keys are then differences (FAIL).
        criticality: column to criticality; others by the classifier.
        accept_loss: columns whose declared cast may lose digits; each lossy row counts as matched_by_rule at best.
        source_options, target_options: options of the doors.
    """

    keys: tuple[Name, ...] | None = None
    mapping: dict[Name, Name] = {}
    columns: tuple[Name, ...] | None = None
    exclude: tuple[Name, ...] = ()
    rules: dict[Name, tuple[Name, ...]] = {}
    types: dict[Name, Name] = {}
    tolerance: dict[Name, Name] = {}
    where: str | None = None
    sample: str | None = None
    strength: Strength = "64"
    expect_empty: bool = False
    unique_keys: bool = False
    criticality: dict[Name, Criticality] = {}
    accept_loss: tuple[Name, ...] = ()
    source_options: dict[str, str] = {}
    target_options: dict[str, str] = {}

    def digest(self) -> str:
        """Return the SHA-256 hex digest that names this contract in evidence."""
        return sha256_of(self.document())
