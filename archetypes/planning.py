"""A mapping to the plan that a person changes, and a plan to the proof that it still fits its source."""

from __future__ import annotations

import re

from archetypes.mapping import discovered, mapped_objects, proven_keys, shown
from archetypes.step_output import digest_of
from policy.coercion import declared_rule, load_rules, rule_for
from schemas.agent_output import (
    ColumnProfile,
    DiscoveredColumn,
    DiscoveredObject,
    DiscoveryResult,
    MappingResult,
    StepOutput,
    TableMapping,
)
from schemas.coercion import Coercion, NativeType, TypeRules
from schemas.errors import ConfigError, InputError, nearest
from schemas.plan import MigrationPlan, PlanColumn, PlanTable

__all__ = ["coercion_of", "mapped", "plan_of", "require_fit"]

_MIB = 1 << 20
_AGAIN = "Plan again, and carry your changes over."


def plan_of(
    discovery: StepOutput, mapping: StepOutput, *, source: str, source_secret: str | None, schema: str, target: str
) -> MigrationPlan:
    """Return the plan that the mapping proposes; every column of the source stands in it, refused ones without a target type.

    Tables without columns are left out, since Parquet has no files without columns.

    Args:
        source: URI without a secret.
        source_secret: `env://NAME` or `file:///path`.
        schema: of the source; tables of others are left out.
        target: that the mapping was made for.

    Raises:
        InputError: a document is of another step, or nothing is left to migrate.
    """
    found = discovered(discovery)
    objects = {one.name: one for one in mapped_objects(found)}
    tables = tuple(
        _plan_table(objects[table.name], table)
        for table in mapped(mapping).tables
        if table.name.schema_name == schema and table.name in objects and objects[table.name].columns
    )
    if not tables:
        there = ", ".join(shown(one.name.schema_name, one.name.name) for one in found.objects[:20]) or "nothing"
        raise InputError(
            f"Schema {schema} holds no table that can be migrated.",
            object=schema,
            hint=f"Found with these patterns: {there}. Name others, or grant the role SELECT.",
        )
    return MigrationPlan(
        archetype=discovery.archetype,
        source=source,
        source_secret=source_secret,
        schema_name=schema,
        target=target,
        discovery_sha256=digest_of(discovery),
        rulebook_sha256=mapping.rulebook_sha256,
        tables=tables,
    )


def mapped(mapping: StepOutput) -> MappingResult:
    """Return the result of a mapping.

    Raises:
        InputError: it is the document of another step, or was refused.
    """
    if not isinstance(mapping.result, MappingResult):
        raise InputError(f"A mapping with a result is wanted, not a {mapping.step}.", object=mapping.step, hint="Run mapping first.")
    return mapping.result


def require_fit(plan: MigrationPlan, discovery: StepOutput) -> None:
    """Check that the source still is what the plan was written for, and that what a person changed in it can be carried out.

    Columns that were added, dropped, renamed, retyped or made again at another place, tables and keys that are gone, and rules that
    are not for a type are all refused; so is a column about which nobody has decided.

    Args:
        discovery: of the source as it is now, by the patterns of the plan.

    Raises:
        InputError: the source is another one than in the plan; names table and column.
        ConfigError: the plan names what cannot be done; names table and column.
    """
    found = discovered(discovery)
    objects = {one.name.name: one for one in found.objects if one.name.schema_name == plan.schema_name}
    for table in plan.tables:
        one = _object(plan, table, objects, found)
        where = shown(plan.schema_name, table.name)
        _require_columns(table, one, where)
        for planned, column in zip(table.columns, one.columns, strict=True):
            _require_rule(planned, column, table, where)
        _require_key(table, one, where)


def coercion_of(planned: PlanColumn, native: NativeType, profile: ColumnProfile | None = None) -> Coercion:
    """Return what becomes of a column as the plan says; a person may have named another rule than the first that matches.

    Args:
        profile: of the column, for types whose parts are read by what the values are.

    Raises:
        ConfigError: nobody has decided about it, the rule is not for the type, or it makes another type than the plan says.
    """
    name, rules = planned.name, load_rules()
    if planned.rule_id is None or (planned.target_type is None and _only_refuses(planned.rule_id, rules)):
        refused = rule_for(native, None, rules, column=name)
        hint = refused.remedy if refused.refused and refused.remedy else planned.note
        raise ConfigError(
            f"{name} ({native.declared}) has no rule: somebody has to decide.",
            object=name,
            hint=f"Write rule_id and target_type, or write {name} to the contract's exclude. {hint or ''}".strip(),
        )
    accepted = _accepted_digits(planned)
    try:
        found = declared_rule(planned.rule_id, native, accepted or profile, rules, column=name)
        if accepted is None and profile is not None and found.spark != planned.target_type:
            found = declared_rule(planned.rule_id, native, None, rules, column=name)
    except ConfigError as error:
        was = f" The plan was made for: {planned.note}." if planned.note and not planned.note.startswith(native.declared) else ""
        raise ConfigError(f"{error.message}{was}", object=name, hint=error.hint) from None
    if found.refused:
        raise ConfigError(f"{name} is refused: {found.reason}", object=name, hint=found.remedy)
    if found.spark != planned.target_type:
        wanted = f"{planned.target_type}, but" if planned.target_type else "no type, but"
        raise ConfigError(
            f"{name} ({native.declared}) is planned as {wanted} rule {planned.rule_id} makes {found.spark} of it.",
            object=name,
            hint=f"If that is right, write target_type: {found.spark}; else name another rule.",
        )
    return found


def _only_refuses(rule_id: str, rules: TypeRules) -> bool:
    return any(rule.rule_id == rule_id and rule.loss == "refuse" for rule in rules.rules)


def _accepted_digits(planned: PlanColumn) -> ColumnProfile | None:
    """Return what rules ask of a profile, as a person accepted it by leaving `decimal(38,s)` in the plan."""
    decimal = re.search(r"decimal\((38),(\d+)\)", planned.target_type or "")
    if decimal is None:
        return None
    return ColumnProfile(origin="full_scan", name=planned.name, nulls=0, max_precision=int(decimal[1]), max_scale=int(decimal[2]))


def _plan_table(found: DiscoveredObject, table: TableMapping) -> PlanTable:
    columns = {column.source: column for column in table.columns}
    unmapped = {column.column: column for column in table.unmapped}
    rules = load_rules()
    planned = []
    for column in found.columns:
        if column.name in columns:
            one = columns[column.name]
            target = one.target if one.target != one.source else None
            planned.append(
                PlanColumn(
                    name=one.source,
                    target=target,
                    rule_id=one.coercion.rule_id,
                    target_type=one.coercion.spark,
                    note=column.native_type.declared,
                )
            )
        else:
            refused = rule_for(column.native_type, None, rules, column=column.name)
            rule_id = refused.rule_id if refused.refused else None
            note = unmapped[column.name].reason if refused.refused else f"{column.native_type.declared}: {unmapped[column.name].reason}"
            planned.append(PlanColumn(name=column.name, rule_id=rule_id, target_type=None, note=note))
    return PlanTable(
        name=found.name.name,
        path=table.path,
        columns=tuple(planned),
        contract=table.contract,
        partition_by=table.partition_by,
        sort_by=table.sort_by,
        file_mib=max(1, table.file_bytes // _MIB),
        ranges=table.ranges,
        questions=table.questions,
    )


def _object(plan: MigrationPlan, table: PlanTable, objects: dict[str, DiscoveredObject], found: DiscoveryResult) -> DiscoveredObject:
    one, where = objects.get(table.name), shown(plan.schema_name, table.name)
    if one is None:
        close = nearest(table.name, list(objects))
        also = f" There is {', '.join(close)}." if close else ""
        raise InputError(
            f"Table {where} is in the plan, but not in the source.",
            object=where,
            hint=f"It was dropped, renamed, or hidden from the role.{also} Plan again, or take the table out of the plan.",
        )
    if one.origin == "refused":
        hint = "Plan again once the reason is gone, or take the table out."
        raise InputError(f"Table {where} cannot be read: {one.refusal}", object=where, hint=hint)
    if one not in mapped_objects(found):
        parent = next((shown(name.schema_name, name.name) for name in one.parents), None)
        if one.kind in ("partition", "partitioned_table") and parent is not None:
            raise ConfigError(
                f"{where} is a partition of {parent}, through which it is read.", object=where, hint="Take it out of the plan."
            )
        kind = one.kind.replace("_", " ")
        raise ConfigError(
            f"{where} is a {kind}: only tables are migrated.", object=where, hint="Take it out of the plan, or make a table of it."
        )
    return one


def _require_columns(table: PlanTable, one: DiscoveredObject, where: str) -> None:
    planned, there = [column.name for column in table.columns], [column.name for column in one.columns]
    if planned == there:
        return
    gone, new = [name for name in planned if name not in there], [name for name in there if name not in planned]
    if gone and new and len(planned) == len(there) and all(a == b or (a in gone and b in new) for a, b in zip(planned, there, strict=True)):
        pairs = ", ".join(f"{a} is now {b}" for a, b in zip(planned, there, strict=True) if a != b)
        raise InputError(f"Table {where}: columns were renamed: {pairs}.", object=_column(where, gone[0]), hint=_AGAIN)
    if gone:
        raise InputError(
            f"Table {where}: column {', '.join(gone)} is in the plan, but not in the source.", object=_column(where, gone[0]), hint=_AGAIN
        )
    if new:
        raise InputError(
            f"Table {where}: column {', '.join(new)} is in the source, but not in the plan.",
            object=_column(where, new[0]),
            hint=f"A column that is not to be migrated stands in the plan and in the contract's exclude. {_AGAIN}",
        )
    moved = next(name for name, other in zip(planned, there, strict=True) if name != other)
    raise InputError(
        f"Table {where}: the columns stand in another order than in the plan, from {moved} on.",
        object=_column(where, moved),
        hint=f"In the source: {', '.join(there)}. A table with its columns in another order was made again: {_AGAIN.lower()}",
    )


def _require_rule(planned: PlanColumn, column: DiscoveredColumn, table: PlanTable, where: str) -> None:
    if planned.name in table.contract.exclude:
        return
    if not column.readable:
        hint = f"GRANT SELECT ON {where} TO the reading role, or write {shown(planned.name)} to the contract's exclude."
        raise ConfigError(f"Table {where}: column {planned.name} may not be read.", object=_column(where, planned.name), hint=hint)
    try:
        coercion_of(planned, column.native_type)
    except ConfigError as error:
        raise ConfigError(f"Table {where}: column {error.message}", object=_column(where, planned.name), hint=error.hint) from None


def _require_key(table: PlanTable, one: DiscoveredObject, where: str) -> None:
    keys = table.contract.keys
    if not keys or not table.contract.unique_keys:
        return
    if any(set(key) == set(keys) for key in proven_keys(one)):
        return
    raise InputError(
        f"Table {where}: the plan says that {', '.join(keys)} name a row, but the source has no such key (any more).",
        object=where,
        hint="Name another key, or take unique_keys out of the contract if duplicates are to be expected.",
    )


def _column(where: str, name: str) -> str:
    return f"{where}.{shown(name)}"
