"""Columns to how much they matter, what personal data they hold, and how carefully to show them."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from policy.patterns import holds_personal_data
from policy.personal_data import KINDS, PEOPLE, PERSONAL_CONTEXT, Kind, family_of, named, words_of
from policy.severity import load_policy
from schemas.contract import Criticality
from schemas.errors import ConfigError
from schemas.model import Model
from schemas.policy import ClassifierThresholds, Policy, Sensitivity

__all__ = ["Classification", "ColumnFacts", "classify", "mask", "new_mask_key"]

_SAMPLES_READ = 1_000
_SENSITIVITIES: tuple[Sensitivity, ...] = ("public", "internal", "confidential", "restricted")
_SHORTEST_KEY_BYTES = 16
_TOKEN_BYTES = 5  # 40 bits: among 10,000 values shown, two share a token once in 20,000 reports

_MONEY_WORDS = (
    "amount price cost total balance payment fee tax discount revenue salary income wage net gross debit credit quantity qty limit "
    "betrag preis kosten summe saldo gebuehr gebuhr steuer rabatt umsatz gehalt menge montant prix cout solde quantite "
    "importe precio coste costo saldo impuesto cantidad"
)
_TECHNICAL_WORDS = "etl dwh dw cdc ingest ingested ingestion load loaded batch dag airflow lineage rescued audit"
_MONEY, _TECHNICAL = frozenset(_MONEY_WORDS.split()), frozenset(_TECHNICAL_WORDS.split())
_HARMLESS = re.compile(
    r"true|false|yes|no|y|n|t|f|ja|nein|oui|non|si|[+-]?[0-9]{1,6}|"
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[ T][0-9:.]+(?:Z|[+-][0-9:]{2,6})?)?",
    re.IGNORECASE,
)
"""Values that cannot be a disguised address or number: flags, small numbers, points in time."""


class ColumnFacts(Model):
    """What the classifier may look at.

    Attributes:
        name: source name.
        canonical_type: as text, such as `decimal(12,2)`.
        is_key: part of the key.
        samples: non-null values as text, any order, at most some hundred; may be empty. They never leave this module.
    """

    name: str
    canonical_type: str
    is_key: bool = False
    samples: tuple[str, ...] = ()


class Classification(Model):
    """One column, with the evidence in words and counts; no value is ever part of it.

    Attributes:
        pii_kind: as in `policy.json`, section `sensitivity`; None = nothing personal recognised, which is no proof of absence.
        sensitivity: never `public`: only a contract can say that.
    """

    column: str
    criticality: Criticality
    pii_kind: str | None
    sensitivity: Sensitivity
    evidence: tuple[str, ...]


@dataclass(frozen=True)
class _Recognised:
    kind: str | None
    evidence: tuple[str, ...]
    doubtful: bool = False


def classify(
    columns: Sequence[ColumnFacts], declared: Mapping[str, Criticality] | None = None, policy: Policy | None = None
) -> tuple[Classification, ...]:
    """Return criticality, kind of personal data and sensitivity of each column, in the given order.

    The table is judged as a whole: a bare `name`, a city, a coordinate or a postal code is personal only beside people.

    Args:
        columns: of one table.
        declared: criticality by column, from the contract; it wins.
        policy: None = the one shipped with Parity.
    """
    policy = policy or load_policy()
    thresholds = policy.classifier
    alone = [_recognise(column, thresholds, in_context=False) for column in columns]
    people = any(found.kind in PERSONAL_CONTEXT for found in alone) or any(PEOPLE & set(words_of(column.name)) for column in columns)
    if people:
        alone = [
            found if found.kind or found.doubtful else _recognise(column, thresholds, in_context=True)
            for column, found in zip(columns, alone, strict=True)
        ]
    return tuple(_classified(column, found, declared or {}, policy) for column, found in zip(columns, alone, strict=True))


def _classified(column: ColumnFacts, found: _Recognised, declared: Mapping[str, Criticality], policy: Policy) -> Classification:
    criticality, why = _criticality(column, found.kind, declared)
    sensitivity = policy.default_sensitivity
    if found.kind is not None:
        # A kind that a policy forgot is shown with as much care as the strictest one.
        sensitivity = policy.sensitivity.get(found.kind, "restricted")
    elif found.doubtful:
        sensitivity = max(sensitivity, "confidential", key=_SENSITIVITIES.index)
    evidence = found.evidence or ("neither name, type nor samples speak of personal data",)
    return Classification(
        column=column.name, criticality=criticality, pii_kind=found.kind, sensitivity=sensitivity, evidence=(why, *evidence)
    )


def _criticality(column: ColumnFacts, kind: str | None, declared: Mapping[str, Criticality]) -> tuple[Criticality, str]:
    words, family = set(words_of(column.name)), family_of(column.canonical_type)
    if column.name in declared:
        return declared[column.name], f"the contract says {declared[column.name]}"
    if column.is_key:
        return "key", "it is part of the key"
    if family in ("integer", "decimal", "float") and (money := sorted(words & _MONEY)):
        return "critical", f'a number whose name says "{money[0]}"'
    if kind in ("iban", "credit_card", "national_id", "tax_id", "passport"):
        return "critical", f"it identifies a person or an account ({kind})"
    if technical := sorted(words & _TECHNICAL):
        return "informational", f'the name says "{technical[0]}": written by a pipeline, not by the business'
    return "normal", "nothing makes it more or less than normal"


def _recognise(column: ColumnFacts, thresholds: ClassifierThresholds, in_context: bool) -> _Recognised:
    """Return the first kind that name, type and samples agree on; then what samples alone tell."""
    words, family = words_of(column.name), family_of(column.canonical_type)
    samples = [sample.strip() for sample in column.samples[:_SAMPLES_READ] if sample.strip()]
    notes: list[str] = []
    doubtful = False
    for kind in (kind for kind in KINDS if in_context or not kind.in_context):
        phrase = named(words, kind)
        if phrase is None:
            continue
        if family not in kind.families:
            notes.append(f'the name says "{phrase}" ({kind.name}), but {column.canonical_type} cannot hold that')
            continue
        if not samples or family in ("date", "timestamp", "boolean", "binary"):
            return _Recognised(kind.name, (f'the name says "{phrase}"', f"the type {column.canonical_type} fits", *notes))
        fitting = _count(samples, kind.has_form)
        if fitting >= thresholds.share_with_name * len(samples):
            return _Recognised(kind.name, (f'the name says "{phrase}"', _of(fitting, samples, kind), *notes))
        notes.append(f'the name says "{phrase}", but only {_of(fitting, samples, kind)}')
        harmless = _count(samples, _is_harmless) >= thresholds.share_without_name * len(samples)
        doubtful = doubtful or not (kind.in_context or harmless)
    return _by_values(words, family, samples, thresholds, tuple(notes)) or _Recognised(None, tuple(notes), doubtful)


def _by_values(
    words: tuple[str, ...], family: str, samples: Sequence[str], thresholds: ClassifierThresholds, notes: tuple[str, ...]
) -> _Recognised | None:
    for kind in KINDS:
        if kind.form_alone is None or family not in kind.families or kind.not_with & set(words):
            continue
        fitting = [sample for sample in samples if kind.form_alone(sample)]
        if len(set(fitting)) >= thresholds.distinct_without_name and len(fitting) >= thresholds.share_without_name * len(samples):
            return _Recognised(kind.name, (f"{_of(len(fitting), samples, kind)}, whatever the name", *notes))
    if family in ("text", "nested") and (holding := _count(samples, holds_personal_data)):
        text = f"{holding:,} of {len(samples):,} samples hold an e-mail address, an IBAN or a card number somewhere in the text"
        return _Recognised("free_text", (text, *notes))
    return None


def _count(samples: Sequence[str], test: Callable[[str], bool]) -> int:
    return sum(test(sample) for sample in samples)


def _is_harmless(value: str) -> bool:
    return _HARMLESS.fullmatch(value) is not None


def _of(fitting: int, samples: Sequence[str], kind: Kind) -> str:
    return f"{fitting:,} of {len(samples):,} samples have the form of {kind.name}"


def new_mask_key() -> bytes:
    """Return a random key for one run; it is never stored, so no placeholder can be traced back afterwards."""
    return secrets.token_bytes(32)


def mask(value: str | None, kind: str | None, key: bytes) -> str:
    """Return a placeholder that shows nothing of the value, and differs where values differ.

    Neither characters nor length are shown. The token is a keyed hash: without the key of the run, values of which there
    are few (a gender, a birth date) cannot be found by trying them all. NULL is shown, since it is the difference itself.

    Args:
        kind: of personal data; values of two kinds get unrelated tokens. None = a value of a column that must not be shown.
        key: of this run, at least 16 random bytes (`new_mask_key`).

    Raises:
        ConfigError: the key is too short to protect anything.

    Source:
        RFC 2104 (HMAC) with SHA-256; CONTROL.md 6, "Personal data".

    >>> mask("ann@example.com", "email", bytes(32))
    '‹email · #937be1464d›'
    """
    if len(key) < _SHORTEST_KEY_BYTES:
        raise ConfigError(f"The key for masking has {len(key)} bytes; it needs {_SHORTEST_KEY_BYTES}.", hint="Use new_mask_key().")
    if not value:
        return "NULL" if value is None else ""
    label = kind or "value"
    fields = b"".join(len(field).to_bytes(4, "big") + field for field in (label.encode(), value.encode("utf-8", "surrogatepass")))
    token = hmac.new(key, b"parity.mask.v1\0" + fields, hashlib.sha256).hexdigest()[: 2 * _TOKEN_BYTES]
    return f"‹{label} · #{token}›"
