"""Classes of differences and findings to how grave they are."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from importlib import resources
from pathlib import Path

from pydantic import ValidationError

from schemas.contract import Criticality
from schemas.errors import ConfigError
from schemas.policy import Policy
from schemas.verdict import Finding, Severity

__all__ = ["SEVERITIES", "finding_severity", "load_policy", "rated", "row_severity", "severity_of"]

SEVERITIES: tuple[Severity, ...] = ("CRITICAL", "HIGH", "MEDIUM", "LOW", "INFO")
"""Gravest first."""

_SHIPPED = "policy.json"


@lru_cache(maxsize=1)
def _shipped_policy() -> Policy:
    # importlib.resources and not a path: on a cluster this package is read from inside a zip.
    return Policy.model_validate_json(resources.files("policy").joinpath(_SHIPPED).read_text(encoding="utf-8"))


def load_policy(path: Path | None = None) -> Policy:
    """Return the policy of a file, or the one shipped with Parity.

    Raises:
        ConfigError: the file cannot be read or is not a complete policy.
    """
    if path is None:
        return _shipped_policy()
    try:
        return Policy.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValidationError) as exc:
        raise ConfigError(
            f"The policy file cannot be used: {exc}", object=str(path), hint="Start from a copy of policy/policy.json."
        ) from exc


def severity_of(criticality: Criticality, cell_class: str, policy: Policy | None = None) -> Severity:
    """Return how grave one differing cell is.

    Args:
        criticality: of the column, from the contract or the classifier.
        cell_class: as in `diffs()`; `normalised:<rule>` is graded as `normalised`. A class that the policy does not
            know is graded as `value`, the gravest, so that a new class cannot be played down by accident.

    >>> severity_of("critical", "value"), severity_of("informational", "normalised:rtrim")
    ('CRITICAL', 'INFO')
    """
    grades = (policy or load_policy()).cells[criticality]
    return grades.get(cell_class.partition(":")[0], grades["value"])


def row_severity(row_class: str, policy: Policy | None = None) -> Severity:
    """Return how grave a whole row of this class is; a row that matches, by a rule or to the bit, is INFO."""
    if row_class in ("matched", "matched_by_rule"):
        return "INFO"
    return (policy or load_policy()).rows[row_class]


def finding_severity(finding_class: str, policy: Policy | None = None) -> Severity:
    """Return how grave a finding of this class is.

    >>> finding_severity("type_changed"), finding_severity("widened")
    ('HIGH', 'INFO')
    """
    policy = policy or load_policy()
    return policy.findings.get(finding_class, policy.unknown_finding)


def rated(findings: Iterable[Finding], policy: Policy | None = None) -> tuple[Finding, ...]:
    """Return the findings with the severities of the policy, in their order.

    Doors cannot see the policy and write a severity of their own: it stays only where the policy does not name the class.
    """
    policy = policy or load_policy()
    return tuple(finding.model_copy(update={"severity": policy.findings.get(finding.class_, finding.severity)}) for finding in findings)
