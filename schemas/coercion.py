"""Types of a source as its catalog tells them, and the rules that say what becomes of each."""

from __future__ import annotations

from typing import Literal

from schemas.model import Model

__all__ = ["NativeType"]

TypeKind = Literal["base", "array", "enum", "domain", "composite", "range", "multirange", "pseudo"]


class NativeType(Model):
    """A column's type, exactly as the catalog of the source describes it; nothing is folded or guessed.

    Attributes:
        name: without modifiers and without schema: `numeric`, `varchar`, `timestamptz`, or the user's own name.
        schema_name: where the type lives: `pg_catalog`, or the user's schema.
        kind: what sort of type it is.
        declared: as the source prints it, with modifiers: `numeric(12,2)`, `character varying(20)[]`.
        precision, scale: of numbers; of `time` and `timestamp` types `precision` is digits after the second. None: not declared.
        length: characters or bits; None: not declared.
        dimensions: of arrays as declared, which the server does not enforce.
        element: of arrays, ranges and multiranges.
        base: of domains.
        labels: of enums, in order.
        fields: of composites: name and type, in order.
        extension: that brings the type, such as `hstore`; None for types of the server and of users.
    """

    name: str
    schema_name: str = "pg_catalog"
    kind: TypeKind = "base"
    declared: str
    precision: int | None = None
    scale: int | None = None
    length: int | None = None
    dimensions: int = 0
    element: NativeType | None = None
    base: NativeType | None = None
    labels: tuple[str, ...] = ()
    fields: tuple[tuple[str, NativeType], ...] = ()
    extension: str | None = None
