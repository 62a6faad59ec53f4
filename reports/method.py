"""What the hashes of a run claim, and what they do not."""

from __future__ import annotations

from dataclasses import dataclass

from reports.figures import count, power
from reports.model import ReportData

__all__ = ["Method", "is_keyed", "method"]

_BITS = {"64": 64, "128": 128, "sha256": 256}
_SHOWN = {64: "2⁻⁶⁴", 128: "2⁻¹²⁸", 256: "2⁻²⁵⁶"}
_BIRTHDAY = {64: "N²/2⁶⁵", 128: "N²/2¹²⁹", 256: "N²/2²⁵⁷"}


@dataclass(frozen=True)
class Method:
    """Sentences for the method section; `budget` is the chance of a missed difference, as computed from the rows."""

    title: str
    claims: tuple[str, ...]
    limits: tuple[str, ...]
    budget: str


def is_keyed(data: ReportData) -> bool:
    """Return whether rows were paired by key; when nothing tells, no: that claims less."""
    result = data.result
    if "keyless" in result.plan.mode.lower():
        return False
    return bool(result.contract.get("keys")) or result.counts.changed > 0 or any(row.key for row in data.samples)


def method(data: ReportData) -> Method:
    """Return what this run may claim, by hash strength and by whether rows have keys.

    Source:
        CANONICAL_HASH.md 2.6. The budget is the union bound rows · 2^-bits with keys, N² / 2^(bits+1) without; rounded up.
    """
    counts, strength = data.result.counts, data.result.strength
    bits = _BITS[strength]
    keyed = is_keyed(data)
    rows = counts.matched + counts.matched_by_rule + counts.changed + counts.missing + counts.extra
    name = "SHA-256 of the canonical text (PCT-1)" if strength == "sha256" else f"XXH64 chain, {bits} bits per row (PCH-1)"
    if keyed:
        claims = [f"Rows are paired by key: the chance to miss one differing row is {_SHOWN[bits]}."]
        if strength != "sha256":
            claims.append("A change in exactly one fixed-width non-null column is detected with certainty.")
        chance = power(rows, bits)
        budget = f"{count(rows)} rows × {_SHOWN[bits]}: at most {chance} for the whole comparison, under a random-hash model."
    else:
        both = counts.source_rows + counts.target_rows
        claims = [f"Rows have no key and are compared by hash alone: birthday bound, about {_BIRTHDAY[bits]}."]
        chance = power(both * both, bits + 1)
        budget = f"N = {count(both)} rows of both sides: about {chance} for the whole comparison, under a random-hash model."
    claims.append(f"Fingerprints of buckets: at most {_SHOWN[bits]} per bucket for any multiplicities, under a random-hash model.")
    limits = []
    if strength == "sha256":
        limits.append("SHA-256 also withstands data crafted to collide: no collision of it is known.")
    else:
        limits.append("XXH64 finds accidents. Data crafted to collide needs --strength sha256.")
        if not keyed and strength == "64":
            limits.append("Without keys, --strength 128 or --strength sha256 makes this bound negligible for any table.")
    if counts.source_rows_total is not None or counts.target_rows_total is not None:
        limits.append("These bounds hold for the sampled rows; rows outside of the sample were not compared.")
    return Method(name, tuple(claims), tuple(limits), budget)
