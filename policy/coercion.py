"""Types of a source to what becomes of them: the first rule that matches decides, and what no rule names is refused."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib import resources
from typing import Literal

from schemas.agent_output import ColumnProfile
from schemas.coercion import (
    Bounds,
    Coercion,
    CoercionPart,
    LossPolicy,
    Matches,
    NativeType,
    ProfileCondition,
    Rulebook,
    TypeRule,
    TypeRules,
)
from schemas.errors import ConfigError, nearest

__all__ = ["POSTGRES_PARQUET", "declared_rule", "field_name", "load_rulebook", "load_rules", "rule_for", "rulebook_sha256"]

POSTGRES_PARQUET = "postgres_parquet"

_RULEBOOK = "type_coercion_rulebook.json"
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LOSSES: tuple[LossPolicy, ...] = ("exact", "text", "declared", "refuse")
_EXCLUDE = "Exclude the column, cast it to a type that has a rule in a view, or add a rule to policy/type_rules."


def _shipped(path: str) -> bytes:
    # importlib.resources and not a path: on a cluster this package is read from inside a zip.
    return resources.files("policy").joinpath(path).read_bytes()


@lru_cache(maxsize=1)
def load_rulebook() -> Rulebook:
    """Return the rulebook shipped with Parity."""
    return Rulebook.model_validate_json(_shipped(_RULEBOOK))


def rulebook_sha256() -> str:
    """Return the digest of the rulebook, which covers those of its rule files."""
    return hashlib.sha256(_shipped(_RULEBOOK)).hexdigest()


@lru_cache(maxsize=8)
def load_rules(pair: str = POSTGRES_PARQUET) -> TypeRules:
    """Return the rules of a pair of stores.

    Raises:
        ConfigError: there are none, or the file is not the one whose digest the rulebook holds.
    """
    files = {file.pair: file for file in load_rulebook().files}
    if pair not in files:
        raise ConfigError(f"There are no type rules {pair}.", object=pair, hint=f"There are: {', '.join(files)}.")
    written = _shipped(files[pair].path)
    if (found := hashlib.sha256(written).hexdigest()) != files[pair].sha256:
        raise ConfigError(
            f"policy/{files[pair].path} was changed: its SHA-256 is {found}.",
            object=files[pair].path,
            hint=f"Write that digest into policy/{_RULEBOOK}, and raise both versions.",
        )
    return TypeRules.model_validate_json(written)


def rule_for(native: NativeType, profile: ColumnProfile | None, rules: TypeRules, *, column: str | None = None) -> Coercion:
    """Return what becomes of a type by the first rule that matches it.

    Args:
        native: as the catalog says.
        profile: of the column's values; of arrays, ranges and domains also of their elements. None: nothing is known.
        rules: of the pair of stores.
        column: for the words of a refusal; the profile's name unless given.

    Returns:
        A coercion; refused (`refused`, with `remedy`) where a rule says so, a part is refused, or no rule is for the type.
    """
    return _decided(native, _Facts(rules, profile, column or (profile.name if profile else None)))


def declared_rule(
    rule_id: str, native: NativeType, profile: ColumnProfile | None, rules: TypeRules, *, column: str | None = None
) -> Coercion:
    """Return what becomes of a type by the rule that a person named; the type must fit it, the values need not.

    A rule for the base type may be named for a domain, whose part `base` it then is.

    Raises:
        ConfigError: there is no such rule, it is for other types, it only refuses, or it needs what the profile does not show.
    """
    facts = _Facts(rules, profile, column or (profile.name if profile else None))
    where, named = (f"{facts.column}: " if facts.column else ""), facts.column or rule_id
    rule = next((rule for rule in rules.rules if rule.rule_id == rule_id), None)
    if rule is None:
        close = nearest(rule_id, [rule.rule_id for rule in rules.rules])
        raise ConfigError(f"{where}there is no rule {rule_id}.", object=named, hint=f"Did you mean {', '.join(close)}?" if close else None)
    bare, domains = native, []
    while not _is_for(rule, bare) and bare.kind == "domain" and bare.base is not None:
        domains.append(bare.declared)
        bare = bare.base
    if rule.loss == "refuse" or not _is_for(rule, bare):
        fitting = [other.rule_id for other in rules.rules if other.loss != "refuse" and _is_for(other, bare)]
        says = "only refuses" if rule.loss == "refuse" else f"is not for the type {native.declared}"
        raise ConfigError(
            f"{where}rule {rule_id} {says}.", object=named, hint=f"Rules for it: {', '.join(fitting)}." if fitting else _EXCLUDE
        )
    if "{decimals}" in (rule.spark or "") and (profile is None or profile.max_scale is None):
        hint = "Let the profiling read all rows of the column first."
        raise ConfigError(f"{where}rule {rule_id} takes its digits from the profile, which shows none.", object=named, hint=hint)
    found = _coerced(rule, bare, facts)
    for declared in reversed(domains):
        found = found.model_copy(update={"native": declared, "parts": (CoercionPart(name="base", coercion=found),)})
    return found


@dataclass(frozen=True)
class _Facts:
    """What a decision about a type, or about a part of it, is made from."""

    rules: TypeRules
    profile: ColumnProfile | None
    column: str | None
    nested: bool = False


def _decided(native: NativeType, facts: _Facts) -> Coercion:
    for rule in facts.rules.rules:
        if not rule.declared_only and any(_matches(wanted, native, facts.profile) for wanted in rule.matches):
            return _coerced(rule, native, facts)
    brought = f" of the extension {native.extension}" if native.extension else ""
    reason = f"{_named(native, facts)} has a type{brought} that no rule is for."
    return Coercion(rule_id=None, native=native.declared, loss="refuse", reason=reason, remedy=_EXCLUDE)


def _named(native: NativeType, facts: _Facts) -> str:
    return f"{facts.column} {native.declared}" if facts.column else native.declared


def _is_for(rule: TypeRule, native: NativeType) -> bool:
    """Return whether a rule is for a type, whatever the values are."""
    return any(_fits(wanted, native) for wanted in rule.matches)


def _matches(wanted: Matches, native: NativeType, profile: ColumnProfile | None) -> bool:
    return _fits(wanted, native) and (wanted.profile is None or _shows(profile, wanted.profile))


def _fits(wanted: Matches, native: NativeType) -> bool:
    return (
        wanted.kind == native.kind
        and (not wanted.names or native.name in wanted.names)
        and _comes_from(wanted, native)
        and (wanted.declared is None or re.fullmatch(wanted.declared, native.declared) is not None)
        and _within(native.precision, wanted.precision)
        and _within(native.scale, wanted.scale)
        and _within(native.dimensions, wanted.dimensions)
        and (not wanted.scale_within_precision or 0 <= (native.scale or 0) <= (native.precision or 0))
    )


def _comes_from(wanted: Matches, native: NativeType) -> bool:
    """Return whether the type is the one that is meant, and not another one of the same name."""
    if wanted.extension is not None:
        return native.extension == wanted.extension
    return not wanted.names or (native.extension is None and native.schema_name == "pg_catalog")


def _within(number: int | None, bounds: Bounds | None) -> bool:
    if bounds is None:
        return True
    if number is None:
        return False
    return (bounds.at_least is None or bounds.at_least <= number) and (bounds.at_most is None or number <= bounds.at_most)


def _shows(profile: ColumnProfile | None, wanted: ProfileCondition) -> bool:
    """Return whether the values are as wanted: one value of a sample proves that there is one, only all rows prove the digits."""
    if profile is None or (wanted.any_of and not any(profile.count(kind) for kind in wanted.any_of)):
        return False
    if wanted.digits_at_most is None:
        return True
    return profile.complete and profile.max_scale is not None and 0 < (profile.max_precision or 0) <= wanted.digits_at_most


def _coerced(rule: TypeRule, native: NativeType, facts: _Facts) -> Coercion:
    """Return what a rule makes of a type and of its parts; one refused part refuses the whole."""
    if rule.loss == "refuse":
        return _refused(rule, native, f"{_named(native, facts)}: {rule.loss_text}", rule.remedy)
    parts = _parts(rule, native, facts)
    for part in parts:
        if part.coercion.refused:
            remedy = part.coercion.remedy if native.kind == "domain" else _instead(rule, native, facts)
            reason = f"{_named(native, facts)}: {_role(native, part.name)} is refused. {part.coercion.reason}"
            return _refused(rule, native, reason, remedy, parts)
    if _uses_parts(rule) and not parts:
        return _refused(rule, native, f"{_named(native, facts)}: it has no parts, or the catalog does not tell them.", _EXCLUDE)
    names = _values(native, facts.profile)
    base = parts[0].coercion if native.kind == "domain" else None
    questions = [*([rule.question.format_map(names)] if rule.question else []), *_questions(native, parts)]
    return Coercion(
        rule_id=rule.rule_id,
        native=native.declared,
        canonical=(rule.canonical or "").format_map({**names, **_types(parts, "canonical")}),
        spark=(rule.spark or "").format_map({**names, **_types(parts, "spark")}),
        parquet=base.parquet if base else (rule.parquet or "").format_map(names),
        read=base.read if base else rule.nested_read or rule.read if facts.nested else rule.read,
        loss=max((rule.loss, *(part.coercion.loss for part in parts)), key=_LOSSES.index),
        reason=f"{rule.loss_text.format_map(names)}" + (f" {base.reason}" if base else ""),
        remedy=rule.remedy,
        question=" ".join(dict.fromkeys(questions)) or None,
        parts=parts,
    )


def _refused(rule: TypeRule, native: NativeType, reason: str, remedy: str | None, parts: tuple[CoercionPart, ...] = ()) -> Coercion:
    return Coercion(rule_id=rule.rule_id, native=native.declared, loss="refuse", reason=reason, remedy=remedy, parts=parts)


def _instead(rule: TypeRule, native: NativeType, facts: _Facts) -> str:
    """Return what can be done about a type of which a part is refused."""
    declarable = [other.rule_id for other in facts.rules.rules if other.declared_only and other is not rule and _is_for(other, native)]
    return f"Declare rule {' or '.join(declarable)}, or exclude the column." if declarable else _EXCLUDE


def _uses_parts(rule: TypeRule) -> bool:
    return any(mark in (rule.spark or "") for mark in ("{element}", "{base}", "{fields}"))


def _parts(rule: TypeRule, native: NativeType, facts: _Facts) -> tuple[CoercionPart, ...]:
    """Return the parts that the rule speaks of; all but the base of a domain are nested, and fields have no profile."""
    if not _uses_parts(rule):
        return ()
    if native.base is not None:
        return (CoercionPart(name="base", coercion=_decided(native.base, facts)),)
    inside = replace(facts, nested=True)
    if native.element is not None:
        return (CoercionPart(name="element", coercion=_decided(native.element, inside)),)
    bare = replace(inside, profile=None)
    return tuple(
        CoercionPart(name=name, coercion=_decided(field, replace(bare, column=f"{facts.column}.{name}" if facts.column else name)))
        for name, field in native.fields
    )


def _role(native: NativeType, part: str) -> str:
    return f"its field {part}" if native.kind == "composite" else f"its {part} type"


def _questions(native: NativeType, parts: Iterable[CoercionPart]) -> Iterator[str]:
    for part in parts:
        if part.coercion.question:
            yield f"Field {part.name}: {part.coercion.question}" if native.kind == "composite" else part.coercion.question


def _values(native: NativeType, profile: ColumnProfile | None) -> dict[str, object]:
    return {
        "precision": native.precision,
        "scale": native.scale or 0,
        "length": native.length,
        "digits": profile.max_precision if profile else None,
        "decimals": profile.max_scale if profile else None,
    }


def _types(parts: tuple[CoercionPart, ...], system: Literal["canonical", "spark"]) -> dict[str, str]:
    """Return what stands for `{element}`, `{base}` and `{fields}`."""
    named = {part.name: getattr(part.coercion, system) or "" for part in parts}
    return {**named, "fields": ",".join(f"{field_name(name)}:{declared}" for name, declared in named.items())}


def field_name(name: str) -> str:
    """Return the name of a field as it stands in a Spark type: in backquotes where it must."""
    return name if _PLAIN_NAME.fullmatch(name) else "`" + name.replace("`", "``") + "`"
