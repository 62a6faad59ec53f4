"""A plan to the YAML that a person reads and changes, and that is read back as the same plan."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

from archetypes.mapping import NOT_IN_PLAN
from archetypes.planning import mapped
from schemas.agent_output import ColumnMapping, StepOutput, TableMapping, UnmappedColumn
from schemas.contract import Contract
from schemas.plan import MigrationPlan, PlanColumn, PlanTable

__all__ = ["plan_text", "yaml_scalar"]

_WIDTH = 118
_LONGEST_KEY = 1000  # YAML takes at most 1,024 characters before the colon, unless the key is marked with ?
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_TO_SAY = ("text", "declared")
_HEAD = (
    "",
    "`parity run` reads this file. Change what you like: a plan that does not fit the source is refused, and told where.",
    'Text with signs that mean something to YAML stands in "double quotes"; so do yes, no, null and numbers that are names.',
    "",
    "columns:  target        the name in the target, where another one is wanted",
    "          rule_id       how the type is read: any rule of policy/type_rules that is for the type",
    "          target_type   what that rule makes of it",
    "          note          for people: the declared type",
    "contract: keys          name a row; [] compares whole rows",
    "          exclude       columns that are neither written nor compared; they stay in the list of columns",
    "          rules         what counts as equal: rtrim, nfc, json, ...; tolerance: abs:0.01, rel:1e-6",
)


def plan_text(plan: MigrationPlan, mapping: StepOutput | None = None) -> str:
    """Return the plan as YAML with comments; `schemas.plan.read_plan` makes the same plan of it.

    Args:
        mapping: that the plan was made from: what is lost and what can be done about refused columns goes into comments.

    Raises:
        InputError: the document is none of a mapping.
    """
    told = {(table.name.schema_name, table.name.name): table for table in mapped(mapping).tables} if mapping else {}
    lines = [*_comment(f"Migration of {plan.source}, schema {plan.schema_name}, to {plan.target}.")]
    lines += [f"# {line}".rstrip() for line in _HEAD]
    lines += _open_points(plan)
    lines += _left_out(mapping) if mapping else []
    lines.append("")
    for name in ("type_", "archetype", "source", "source_secret", "schema_name", "target", "discovery_sha256", "rulebook_sha256"):
        key = MigrationPlan.model_fields[name].alias or name
        value = getattr(plan, name)
        lines.append(f"{key}: {yaml_scalar(value)}" if value is not None else f"# {key}: {_ABSENT[name]}")
    lines.append("tables:")
    for table in plan.tables:
        lines.append("")
        lines += [f"  {line}".rstrip() for line in _table(table, told.get((plan.schema_name, table.name)))]
    return "\n".join(lines) + "\n"


_ABSENT = {
    "source_secret": "env://NAME or file:///path holds the password; without it PGPASSWORD and ~/.pgpass are asked",
    "rulebook_sha256": "any rulebook is taken",
}


def yaml_scalar(value: str | int | bool) -> str:
    r"""Return a value that YAML reads back as the same one, on one line.

    >>> print(yaml_scalar("orders"), yaml_scalar("yes"), yaml_scalar("a: b #\n"), yaml_scalar(3), yaml_scalar("12"))
    orders "yes" "a: b #\n" 3 "12"
    """
    if isinstance(value, (bool, int)):
        return str(value).lower()
    if _PLAIN.fullmatch(value) and yaml.safe_load(value) == value:
        return value
    return '"' + "".join(map(_letter, value)) + '"'


def _letter(letter: str) -> str:
    if letter in '"\\':
        return f"\\{letter}"
    if letter.isprintable():
        return letter
    short = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}
    return short.get(letter) or (f"\\u{ord(letter):04X}" if ord(letter) <= 0xFFFF else f"\\U{ord(letter):08X}")


def _comment(text: str, indent: str = "") -> list[str]:
    """Return lines of comment; what YAML or a terminal would not print is written as an escape."""
    safe = "".join(letter if letter.isprintable() else _letter(letter) for letter in text)
    lines = textwrap.wrap(safe, _WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
    return [f"# {line}".rstrip() for line in lines]


def _open_points(plan: MigrationPlan) -> list[str]:
    questions = sum(len(table.questions) for table in plan.tables)
    lines = ["#"]
    if refused := plan.refused():
        lines += _comment(f"TO DECIDE before this plan can run: {len(refused)} columns have no rule; search for REFUSED below.")
    lines += _comment(f"{len(plan.tables)} tables, {questions} open questions: they stand with each table, and do not stop a run.")
    return lines


def _left_out(mapping: StepOutput) -> Iterator[str]:
    """Say what is in the source and not in the plan."""
    left = [found for found in mapping.findings if found.code in NOT_IN_PLAN]
    if left:
        yield from ("#", "# Not in this plan:")
        for found in left:
            yield from _comment(f"  {found.object}: {found.text}", indent="    ")


def _table(table: PlanTable, told: TableMapping | None) -> Iterator[str]:
    yield f"- name: {yaml_scalar(table.name)}"
    yield f"  path: {yaml_scalar(table.path)}"
    if table.partition_by:
        yield f"  partition_by: {_sequence(table.partition_by)}  # folders"
    if table.sort_by:
        yield f"  sort_by: {_sequence(table.sort_by)}"
    yield f"  file_mib: {table.file_mib}"
    if table.ranges is not None:
        yield f"  ranges: {table.ranges}  # read beside each other"
    if table.questions:
        yield "  questions:"
        yield from (f"    - {yaml_scalar(question)}" for question in table.questions)
    contract = [f"    {line}" for line in _contract(table.contract)]
    yield "  contract:" if contract else "  contract: {}"
    yield from contract
    columns = {column.source: column for column in told.columns} if told else {}
    unmapped = {column.column: column for column in told.unmapped} if told else {}
    yield "  columns:" if table.columns else "  columns: []"
    for column in table.columns:
        excluded = column.name in table.contract.exclude
        yield from (f"    {line}" for line in _remarks(column, columns.get(column.name), unmapped.get(column.name), excluded))
        yield f"    - {_column(column)}"


def _contract(contract: Contract) -> Iterator[str]:
    for name, value in contract.model_dump(mode="json", exclude_defaults=True).items():
        if isinstance(value, dict):
            yield f"{name}:"
            yield from (f"  {line}" for one in value for line in _entry(one, value[one]))
        elif isinstance(value, list):
            yield f"{name}: {_sequence(value)}" + ("  # none: whole rows are compared" if name == "keys" and not value else "")
        else:
            yield f"{name}: {yaml_scalar(value)}"


def _entry(key: str, value: Any) -> tuple[str, ...]:
    written, held = yaml_scalar(key), _sequence(value) if isinstance(value, list) else yaml_scalar(value)
    return (f"{written}: {held}",) if len(written) <= _LONGEST_KEY else (f"? {written}", f": {held}")


def _sequence(values: Sequence[str]) -> str:
    return f"[{', '.join(map(yaml_scalar, values))}]"


def _column(column: PlanColumn) -> str:
    fields: Mapping[str, Any] = column.model_dump(mode="json")
    shown = ("name", "target", "rule_id", "target_type", "note")
    required = ("rule_id", "target_type")
    parts = (
        f"{name}: {'null' if fields[name] is None else yaml_scalar(fields[name])}"
        for name in shown
        if fields[name] is not None or name in required
    )
    return "{" + ", ".join(parts) + "}"


def _remarks(column: PlanColumn, told: ColumnMapping | None, refused: UnmappedColumn | None, excluded: bool) -> Iterator[str]:
    if excluded:
        yield "# excluded: not written, not compared"
    elif column.target_type is None:
        yield from _comment(f"REFUSED: {refused.reason if refused else column.note or 'no rule is for this type.'}")
        yield from _comment(
            f"What to do: {refused.remedy if refused and refused.remedy else 'exclude it, or write rule_id and target_type.'}"
        )
    elif told is not None and told.coercion.loss in _TO_SAY and told.coercion.rule_id == column.rule_id:
        yield from _comment(told.coercion.reason)
