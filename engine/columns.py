"""Two schemas and a contract to the columns that are compared, and the findings about those that are not."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.canonical import common_type, family, is_char, physical, refusal, unhashable
from engine.hashing import HashedColumn
from engine.parsing import can_parse, parse_strictly, parsed_type, typed_as_parsed
from engine.rules import apply_rule, check_rule, is_native, loses, parse_rules
from engine.steps import RuleStep, StepTypes, step_types
from engine.tolerance import Tolerance, parse_tolerance
from schemas.contract import Contract
from schemas.errors import ConfigError, InputError, MissingColumnError

__all__ = ["ColumnFinding", "ComparedColumn", "ColumnPlan", "Side", "plan_columns"]

_CASTS = ("cast", "double", "text")
SOURCE, TARGET = "source", "target"


@dataclass(frozen=True)
class Side:
    """What the plan needs to know of one side.

    Attributes:
        name: for messages, such as "source parquet:/data/orders".
        schema: as declared.
        text: columns that carry text only because the format does.
        nested_text: those of them whose text is JSON.
    """

    name: str
    schema: T.StructType
    text: frozenset[str] = frozenset()
    nested_text: frozenset[str] = frozenset()


@dataclass(frozen=True)
class ColumnFinding:
    """A schema finding before policy gives it a severity."""

    kind: str
    column: str
    text: str


@dataclass(frozen=True)
class ComparedColumn:
    """One pair of columns and how both become comparable.

    Attributes:
        name: source name, canonical name.
        target: target name.
        declared: types as declared, source then target.
        type: canonical type; for a parsed pair `struct<value, unparsable>`.
        text: whether the source, the target is parsed from text.
        nested: whether the source's, the target's text is JSON of a nested value.
        before: casts that had to be applied before any comparison, since the families differ.
        steps: normalisers that are applied to candidates only.
        tolerance: or None.
    """

    name: str
    target: str
    declared: tuple[T.DataType, T.DataType]
    type: T.DataType
    is_key: bool = False
    char: tuple[bool, bool] = (False, False)
    text: tuple[bool, bool] = (False, False)
    before: tuple[RuleStep, ...] = ()
    steps: tuple[RuleStep, ...] = ()
    tolerance: Tolerance | None = None
    value_type: T.DataType = field(default_factory=T.NullType)

    @cached_property
    def step_types(self) -> StepTypes:
        """What the normalisers make of the column's type."""
        return step_types(self.value_type if self.parsed else self.type, self.steps)

    @property
    def last_type(self) -> T.DataType:
        """The type of the values that a tolerance looks at: after the last normaliser that leaves both sides comparable."""
        found = [common for common in self.step_types.common if common is not None]
        return found[-1] if found else self.value_type if self.parsed else self.type

    @property
    def casts(self) -> bool:
        """Whether a normaliser may turn values into NULL or into others; such values prove nothing."""
        return any(step.rule.name in ("cast", "double") for step in self.steps)

    @property
    def parsed(self) -> bool:
        """Whether one of the two sides is parsed from text."""
        return any(self.text)

    def physical(self, value: Column, *, on_source: bool) -> Column:
        """Return a declared value of one side in the physical form of `type`."""
        side = 0 if on_source else 1
        declared = self.declared[side]
        if self.parsed:
            if self.text[side]:
                return parse_strictly(value, self.value_type, self.declared[1 - side])
            return typed_as_parsed(physical(value, declared, self.value_type))
        for step in self._before(on_source):
            value, declared = apply_rule(step.rule, value, declared)
        return physical(value, declared, self.type, char=self.char[side])

    def refusal(self, value: Column, *, on_source: bool) -> Column | None:
        """Return a boolean, true where a value has no canonical form or loses something in a declared cast; None if never."""
        side = 0 if on_source else 1
        declared = self.declared[side]
        if self.parsed:
            return None if self.text[side] else refusal(value, declared, self.value_type)
        lossy = None
        for step in self._before(on_source):
            after, result = apply_rule(step.rule, value, declared)
            if step.rule.name in ("cast", "double"):
                lost = loses(value, declared, after, result)
                lossy = lost if lossy is None else lossy | lost
            value, declared = after, result
        own = refusal(value, declared, self.type)
        return own if lossy is None else lossy if own is None else own | lossy

    def _before(self, on_source: bool) -> list[RuleStep]:
        return [step for step in self.before if (step.source if on_source else step.target)]

    def hashed(self, value: Column) -> HashedColumn:
        """Return the column as the hashes want it."""
        return HashedColumn(self.name, self.type, value)


@dataclass(frozen=True)
class ColumnPlan:
    """Which columns are compared, and what is to be said about the rest.

    Attributes:
        compared: in canonical order (by name), keys included.
        keys: names of the key columns; empty when keyless.
        missing: source columns that the target lacks.
        extra: target columns that the source lacks.
        excluded: left out on purpose, or not chosen.
        type_changed: pairs of different families.
        unhashable: pairs of a type Parity cannot hash.
        findings: schema findings.
        built: expressions over physical rows, kept since both sides share them and each costs a conversation with the JVM.
    """

    compared: tuple[ComparedColumn, ...]
    keys: tuple[str, ...]
    missing: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    type_changed: tuple[str, ...] = ()
    unhashable: tuple[str, ...] = ()
    findings: tuple[ColumnFinding, ...] = ()
    rules_in_force: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    target_names: Mapping[str, str] = field(default_factory=dict)
    built: dict[str, tuple[Column, ...]] = field(default_factory=dict, compare=False, repr=False)

    @property
    def key_columns(self) -> tuple[ComparedColumn, ...]:
        """The key, in canonical order."""
        return tuple(column for column in self.compared if column.is_key)

    @property
    def cross_family_casts(self) -> tuple[str, ...]:
        """Columns that are comparable only because of a declared cast."""
        return tuple(column.name for column in self.compared if column.before)

    def position(self, name: str) -> int:
        """Return where a column stands in `compared`."""
        return [column.name for column in self.compared].index(name)


def plan_columns(source: Side, target: Side, contract: Contract) -> ColumnPlan:
    """Return the columns to compare.

    Raises:
        MissingColumnError: a named column does not exist on the side it is named for.
        InputError: a key has a type that cannot be a key, or exists on one side only; a rule or tolerance does not fit.
        ConfigError: two options contradict each other.
    """
    _known_names(source, target, contract)
    pairs, missing, extra = _pair_names(source, target, contract)
    excluded = _left_out(source, target, contract)
    steps = _rules_by_column(source, contract)
    keys = contract.keys or ()
    builder = _Builder(source, target, contract, steps, frozenset(keys))
    compared: list[ComparedColumn] = []
    type_changed: list[str] = []
    refused: list[str] = []
    findings: list[ColumnFinding] = []
    for name, other in sorted(pairs.items()):
        if name in excluded and name not in keys:
            continue
        outcome = builder.column(name, other)
        findings += outcome.findings
        if outcome.column is not None:
            compared.append(outcome.column)
        elif outcome.unhashable:
            refused.append(name)
        else:
            type_changed.append(name)
    _keys_are_comparable(keys, compared, source)
    missing = [name for name in missing if name not in excluded]
    extra = [name for name in extra if name not in excluded]
    findings += [ColumnFinding("missing_column", name, f"source column {name} does not exist in the target") for name in missing]
    findings += [ColumnFinding("extra_column", name, f"target column {name} does not exist in the source") for name in extra]
    findings += _order_finding(source, target, pairs)
    return ColumnPlan(
        compared=tuple(compared),
        keys=tuple(keys),
        missing=tuple(missing),
        extra=tuple(extra),
        excluded=tuple(sorted(excluded)),
        type_changed=tuple(type_changed),
        unhashable=tuple(refused),
        findings=tuple(findings),
        target_names=pairs,
        rules_in_force={name: tuple(step.rule.text for step in found) for name, found in sorted(steps.items())},
    )


def _known_names(source: Side, target: Side, contract: Contract) -> None:
    """Refuse every name that no side has."""
    ours, theirs = source.schema.names, target.schema.names
    for side, names in ((source, ours), (target, theirs)):
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise InputError(f"{side.name} has more than one column named {', '.join(twice)}.", object=twice[0], hint="Rename one of them.")
    targets = set(contract.mapping.values())
    for option, wanted in (
        ("--key", contract.keys or ()),
        ("--map", contract.mapping),
        ("--column", contract.columns or ()),
        ("--tolerance", contract.tolerance),
        ("types", contract.types),
        ("--rule", [name if name in ours else _bare(name) for name in contract.rules]),
        ("criticality", contract.criticality),
        ("accept_loss", contract.accept_loss),
    ):
        unknown = set(wanted) - set(ours)
        if unknown:
            raise MissingColumnError(source.name, option, unknown, ours)
    if absent := targets - set(theirs):
        raise MissingColumnError(target.name, "--map", absent, theirs)
    if unknown := set(contract.exclude) - set(ours) - set(theirs):
        raise MissingColumnError(f"neither {source.name} nor {target.name}", "--exclude", unknown, sorted({*ours, *theirs}))
    if twice := sorted({name for name in contract.mapping.values() if list(contract.mapping.values()).count(name) > 1}):
        raise ConfigError(f"--map: two source columns are mapped to {', '.join(twice)}.", object=twice[0])
    for name in contract.keys or ():
        other = contract.mapping.get(name, name)
        if other not in theirs:
            raise MissingColumnError(target.name, f"--key {name}", {other}, theirs)
        if name in contract.exclude:
            raise ConfigError(f"--exclude: {name} is a key column and cannot be left out.", object=name)


def _bare(name: str) -> str:
    for prefix in (f"{SOURCE}.", f"{TARGET}."):
        if name.startswith(prefix):
            return name[len(prefix) :]
    return name


def _pair_names(source: Side, target: Side, contract: Contract) -> tuple[dict[str, str], list[str], list[str]]:
    theirs, pairs = set(target.schema.names), {}
    taken = set(contract.mapping.values())
    for name in source.schema.names:
        if name in contract.mapping:
            pairs[name] = contract.mapping[name]
        elif name in theirs and name not in taken:
            pairs[name] = name
    missing = [name for name in source.schema.names if name not in pairs]
    extra = [name for name in target.schema.names if name not in pairs.values()]
    return pairs, missing, extra


def _left_out(source: Side, target: Side, contract: Contract) -> set[str]:
    excluded = set(contract.exclude)
    if contract.columns is not None:
        chosen = {*contract.columns, *(contract.keys or ())}
        if both := sorted(excluded & chosen):
            raise ConfigError(f"--column and --exclude both name {', '.join(both)}.", object=both[0])
        excluded |= set(source.schema.names) - chosen
        excluded |= set(target.schema.names) - {contract.mapping.get(name, name) for name in source.schema.names}
    return excluded


def _rules_by_column(source: Side, contract: Contract) -> dict[str, tuple[RuleStep, ...]]:
    steps: dict[str, list[RuleStep]] = {}
    for name, declared in contract.types.items():
        steps.setdefault(name, []).extend(RuleStep(rule) for rule in parse_rules([f"cast:{declared}"]))
    for name, texts in contract.rules.items():
        column = name if name in source.schema.names else _bare(name)
        on_source, on_target = True, True
        if column != name:
            on_source, on_target = name.startswith(f"{SOURCE}."), name.startswith(f"{TARGET}.")
        steps.setdefault(column, []).extend(RuleStep(rule, on_source, on_target) for rule in parse_rules(list(texts)))
    return {name: tuple(found) for name, found in steps.items()}


@dataclass(frozen=True)
class _Outcome:
    column: ComparedColumn | None = None
    unhashable: bool = False
    findings: tuple[ColumnFinding, ...] = ()


@dataclass(frozen=True)
class _Builder:
    source: Side
    target: Side
    contract: Contract
    steps: Mapping[str, Sequence[RuleStep]]
    keys: Collection[str]

    def column(self, name: str, other: str) -> _Outcome:
        ours, theirs = self.source.schema[name], self.target.schema[other]
        if unhashable(ours.dataType) or unhashable(theirs.dataType):
            text = f"{name}: Parity cannot hash {ours.dataType.simpleString()} / {theirs.dataType.simpleString()}; not compared"
            return _Outcome(unhashable=True, findings=(ColumnFinding("unhashable", name, text),))
        steps = tuple(self.steps.get(name, ()))
        built = self._comparable(name, other, ours, theirs, steps)
        findings = list(_schema_findings(name, ours, theirs))
        if built is None:
            text = f"{name}: {ours.dataType.simpleString()} became {theirs.dataType.simpleString()}; not compared"
            findings.append(ColumnFinding("type_changed", name, text))
            return _Outcome(findings=tuple(findings))
        column, notes = built
        for kind in sorted(notes):
            text = f"{name}: {kind}, {ours.dataType.simpleString()} in the source, {theirs.dataType.simpleString()} in the target"
            findings.append(ColumnFinding(kind, name, text))
        if any(column.char):
            findings.append(ColumnFinding("pad", name, f"{name}: CHAR on one side or both; its blank padding is not part of the value"))
        column = self._with_tolerance(column)
        column = replace(column, is_key=name in self.keys)
        return _Outcome(column, findings=tuple(findings))

    def _comparable(
        self, name: str, other: str, ours: T.StructField, theirs: T.StructField, steps: tuple[RuleStep, ...]
    ) -> tuple[ComparedColumn, frozenset[str]] | None:
        declared = (ours.dataType, theirs.dataType)
        char = (is_char(ours), is_char(theirs))
        text = (name in self.source.text, other in self.target.text)
        common = common_type(*declared)
        if common is None and any(text):
            parsed = self._parsed(name, other, declared, text)
            if parsed is not None:
                self._check(name, steps, parsed.value_type)
                return replace(parsed, steps=steps), frozenset()
        if common is not None:
            self._check(name, steps, common.type)
            return ComparedColumn(name, other, declared, common.type, char=char, steps=steps), common.notes
        return self._by_cast(name, other, declared, steps)

    def _parsed(self, name: str, other: str, declared: tuple[T.DataType, T.DataType], text: tuple[bool, bool]) -> ComparedColumn | None:
        parse_source = text[0] and family(declared[0]) == "text"
        typed = declared[1] if parse_source else declared[0]
        nested = name in self.source.nested_text if parse_source else other in self.target.nested_text
        alone = common_type(typed, typed)
        if alone is None or not can_parse(alone.type, nested_text=nested):
            return None
        flags = (True, False) if parse_source else (False, True)
        return ComparedColumn(name, other, declared, parsed_type(alone.type), text=flags, value_type=alone.type)

    def _by_cast(
        self, name: str, other: str, declared: tuple[T.DataType, T.DataType], steps: tuple[RuleStep, ...]
    ) -> tuple[ComparedColumn, frozenset[str]] | None:
        """Return the pair made comparable by declared casts: everything up to the last of them comes before the comparison."""
        changing = [index for index, step in enumerate(steps) if step.rule.name in (*_CASTS, "utc_from") and is_native(step.rule)]
        if not changing:
            return None
        before, after = steps[: changing[-1] + 1], steps[changing[-1] + 1 :]
        types = []
        for side, start in enumerate(declared):
            current = start
            for step in before:
                if step.source if side == 0 else step.target:
                    check_rule(step.rule, current, name)
                    _, current = apply_rule(step.rule, F.lit(None).cast(current), current)
            types.append(current)
        common = common_type(types[0], types[1])
        if common is None:
            return None
        self._check(name, after, common.type)
        return ComparedColumn(name, other, declared, common.type, before=before, steps=after), common.notes

    def _check(self, name: str, steps: Sequence[RuleStep], canonical: T.DataType) -> None:
        current = canonical
        for step in steps:
            check_rule(step.rule, current, name)
            if is_native(step.rule):
                _, current = apply_rule(step.rule, F.lit(None).cast(current), current)

    def _with_tolerance(self, column: ComparedColumn) -> ComparedColumn:
        text = self.contract.tolerance.get(column.name)
        if text is None:
            return column
        if column.name in self.keys:
            raise InputError(f"--tolerance {column.name}: a key has no tolerance.", object=column.name, hint="Round it with --rule.")
        return replace(column, tolerance=parse_tolerance(text, column.last_type, column.name))


def _schema_findings(name: str, ours: T.StructField, theirs: T.StructField) -> list[ColumnFinding]:
    findings = []
    if ours.name != theirs.name:
        findings.append(ColumnFinding("renamed", name, f"{name} is named {theirs.name} in the target, as declared"))
    if ours.nullable != theirs.nullable:
        words = {True: "nullable", False: "not null"}
        text = f"{name}: {words[ours.nullable]} in the source, {words[theirs.nullable]} in the target"
        findings.append(ColumnFinding("nullability", name, text))
    return findings


def _order_finding(source: Side, target: Side, pairs: Mapping[str, str]) -> list[ColumnFinding]:
    ours = [pairs[name] for name in source.schema.names if name in pairs]
    theirs = [name for name in target.schema.names if name in set(pairs.values())]
    if ours == theirs:
        return []
    first = next(name for name, other in zip(ours, theirs, strict=True) if name != other)
    return [ColumnFinding("order", first, f"the columns stand in another order in the target, from {first} on; compared by name")]


def _keys_are_comparable(keys: Sequence[str], compared: Sequence[ComparedColumn], source: Side) -> None:
    found = {column.name: column for column in compared}
    for name in keys:
        if name not in found:
            raise InputError(
                f"--key {name}: the types of both sides cannot be compared ({source.schema[name].dataType.simpleString()} in the source).",
                object=name,
                hint=f"Declare a cast, such as --rule {name}=cast:string, or choose another key.",
            )
