"""Types of PostgreSQL for the tests of the rules, as a catalog reader would tell them."""

from __future__ import annotations

from typing import Any

from schemas.agent_output import Citation, ColumnCount, ColumnProfile
from schemas.coercion import NativeType

__all__ = ["array", "base", "composite", "domain", "enum", "numeric", "of_extension", "profile", "ranged", "sampled"]

_CITED = (Citation(sha256="0" * 64, pointer=""),)


def base(name: str, declared: str | None = None, **facts: Any) -> NativeType:
    return NativeType(name=name, declared=declared or name, **facts)


def numeric(precision: int | None = None, scale: int | None = None) -> NativeType:
    declared = "numeric" if precision is None else f"numeric({precision},{scale})"
    return base("numeric", declared, precision=precision, scale=scale)


def of_extension(name: str, extension: str, declared: str | None = None) -> NativeType:
    return base(name, declared, schema_name="public", extension=extension)


def array(element: NativeType | None, dimensions: int = 1, name: str | None = None) -> NativeType:
    inner = element.name if element else "what"
    return NativeType(name=name or f"_{inner}", kind="array", declared=f"{inner}[]", dimensions=dimensions, element=element)


def domain(of: NativeType | None, name: str = "amount") -> NativeType:
    return NativeType(name=name, schema_name="public", kind="domain", declared=name, base=of)


def composite(*fields: tuple[str, NativeType]) -> NativeType:
    return NativeType(name="pair", schema_name="public", kind="composite", declared="pair", fields=fields)


def enum(*labels: str) -> NativeType:
    return NativeType(name="mood", schema_name="public", kind="enum", declared="mood", labels=labels)


def ranged(name: str, element: NativeType | None, kind: str = "range") -> NativeType:
    return NativeType.model_validate({"name": name, "kind": kind, "declared": name, "element": element})


def profile(digits: int | None = None, decimals: int | None = None, **special: int) -> ColumnProfile:
    """Return the profile of a column of which all rows were read."""
    counts = tuple(ColumnCount.model_validate({"kind": kind, "count": count}) for kind, count in special.items())
    return ColumnProfile(origin="full_scan", name="seen", nulls=0, max_precision=digits, max_scale=decimals, special=counts)


def sampled(digits: int | None = None, decimals: int | None = None, **special: int) -> ColumnProfile:
    """Return the profile of a column of which a sample was read."""
    return profile(digits, decimals, **special).model_copy(update={"origin": "sample", "citations": _CITED})
