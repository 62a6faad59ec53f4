"""What a comparison notices besides differences: constant columns, repeated keys, keys that could be used."""

from __future__ import annotations

from engine.columns import ColumnPlan
from engine.frames import SideFrames
from engine.profile import candidate_keys, constant_columns, distinct_sketches, is_unique_key
from engine.reconcile import Reconciliation
from policy.severity import finding_severity
from schemas.verdict import Finding

__all__ = ["findings_of"]


def findings_of(plan: ColumnPlan, sides: tuple[SideFrames, SideFrames], found: Reconciliation) -> list[Finding]:
    """Return what is worth knowing about columns and keys, whatever the verdict.

    Cost: none beyond the reconciliation but where the first rows hold one value in a column (one scan of such columns), and
    without a key (one scan, and a shuffle of hashes per key that may be one).
    """
    findings = [_finding(one.kind, one.column, one.text) for one in plan.findings]
    counts = found.counts
    if repeated := counts["duplicate_keys"]:
        keys = "1 key has" if repeated == 1 else f"{repeated:,} keys have"
        findings.append(_finding("duplicate_keys", None, f"{keys} more than one row; compared as multisets"))
    if null := counts["null_keys"]:
        rows = "1 row has" if null == 1 else f"{null:,} rows of both sides have"
        findings.append(_finding("null_keys", None, f"{rows} NULL in the key"))
    if counts["source_rows"] >= 2 and counts["target_rows"] >= 2:
        findings += _constants(sides, plan, found)
    if not plan.keys and counts["source_rows"]:
        findings += _key_proposals(sides[0])
    return findings


def _constants(sides: tuple[SideFrames, SideFrames], plan: ColumnPlan, found: Reconciliation) -> list[Finding]:
    positions = [index for index, column in enumerate(plan.compared) if found.one_value[index] and not column.is_key]
    if not positions:
        return []
    proven = constant_columns(sides, positions).collect()[0].asDict()
    names = [plan.compared[index].name for index in positions if proven[f"f{index}"]]
    text = "holds one and the same value in all rows of both sides; its equality proves little"
    return [_finding("constant", name, f"{name} {text}") for name in names]


def _key_proposals(side: SideFrames) -> list[Finding]:
    sketches = distinct_sketches(side).collect()[0].asDict()
    findings = []
    for key in candidate_keys(side, sketches):
        if is_unique_key(side, key).collect()[0]["unique"]:
            names = ",".join(f'"{name}"' if set(name) & set(' ,="`') else name for name in key.columns)
            text = f"{' + '.join(key.columns)} names each source row exactly once: compare with --key {names} to see cells"
            findings.append(_finding("candidate_key", key.columns[0], text))
    return findings


def _finding(kind: str, column: str | None, text: str) -> Finding:
    return Finding.model_validate({"class": kind, "column": column, "severity": finding_severity(kind), "text": text})
