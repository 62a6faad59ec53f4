"""The models to the JSON Schemas that other programs check our documents with: `python -m schemas.generate [--check]`."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from schemas.agent_output import StepOutput
from schemas.coercion import Rulebook, TypeRules
from schemas.contract import Contract
from schemas.evidence import EvidencePack
from schemas.model import Model
from schemas.plan import MigrationPlan, SignedPlan
from schemas.policy import Policy
from schemas.state import StateMachine
from schemas.verdict import EXIT_CODES, CompareResult, Counts, ErrorDocument

__all__ = ["SCHEMAS", "drifted", "main", "rendered"]

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_FOLDER = Path(__file__).parent
_BEYOND_EXACT = {"type": "string", "pattern": "^[1-9][0-9]{15,}$"}
"""Counts above 2**53 are written as text, since JSON readers may hold numbers as doubles."""

SCHEMAS: dict[str, tuple[type[Model], Literal["validation", "serialization"]]] = {
    "agent_output": (StepOutput, "serialization"),
    "compare_result": (CompareResult, "serialization"),
    "contract": (Contract, "validation"),
    "error": (ErrorDocument, "serialization"),
    "evidence_pack": (EvidencePack, "serialization"),
    "plan": (MigrationPlan, "validation"),
    "policy": (Policy, "validation"),
    "signed_plan": (SignedPlan, "validation"),
    "state_machine": (StateMachine, "validation"),
    "type_coercion_rulebook": (Rulebook, "validation"),
    "type_rules": (TypeRules, "validation"),
}
"""File stem to model. What Parity writes has every field (serialization); what people write may leave out defaults (validation)."""


def rendered(name: str) -> str:
    """Return the text of `<name>.schema.json`, made from the model."""
    model, mode = SCHEMAS[name]
    schema = _untitled(model.model_json_schema(by_alias=True, mode=mode))
    if model is CompareResult:
        schema = _with_verdict_rules(schema)
    if model is SignedPlan:
        schema = _with_payload(schema)
    document = {"$schema": _DIALECT, "$id": f"urn:parity:schema:{name}:v1", "title": name, **schema}
    return json.dumps(document, indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def _untitled(node: Any, names_are_data: bool = False) -> Any:
    """Return the schema without the titles that pydantic makes of field names; a field called title stays."""
    if isinstance(node, list):
        return [_untitled(item) for item in node]
    if not isinstance(node, dict):
        return node
    kept = {key: value for key, value in node.items() if names_are_data or not (key == "title" and isinstance(value, str))}
    return {key: _untitled(value, not names_are_data and key in ("properties", "$defs")) for key, value in kept.items()}


def _with_verdict_rules(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema with what types cannot say: which exit code and which counts go with a verdict.

    The serializer of `counts` hides its fields from pydantic, so they are taken from the model itself.
    """
    counts = _untitled(Counts.model_json_schema(mode="serialization"))
    counts["properties"] = {field: _or_text(rule) for field, rule in counts["properties"].items()}
    exits = [_when(_const("verdict", verdict), _const("exit_code", code)) for verdict, code in EXIT_CODES.items()]
    none_differs = {"properties": {"counts": {"properties": {field: {"const": 0} for field in ("changed", "missing", "extra")}}}}
    equal = _when({"properties": {"exit_code": {"const": 0}}, "required": ["exit_code"]}, none_differs)
    properties = {**schema["properties"], "counts": counts}
    properties["reasons"] = {**properties["reasons"], "minItems": 1}
    return {**schema, "properties": properties, "allOf": [*exits, equal]}


def _with_payload(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of the envelope with that of the plan inside: what the payload holds once it is decoded."""
    plan = _untitled(MigrationPlan.model_json_schema(by_alias=True, mode="validation"))
    inside = {"contentEncoding": "base64", "contentMediaType": "application/json", "contentSchema": {"$ref": "#/$defs/MigrationPlan"}}
    parts = {**plan.pop("$defs"), **schema["$defs"], "MigrationPlan": plan}
    properties = {**schema["properties"], "payload": {**schema["properties"]["payload"], **inside}}
    return {**schema, "$defs": parts, "properties": properties}


def _or_text(rule: dict[str, Any]) -> dict[str, Any]:
    kinds = rule["anyOf"] if "anyOf" in rule else [{key: value for key, value in rule.items() if key != "default"}]
    return {"anyOf": [*kinds, _BEYOND_EXACT]}


def _const(field: str, value: object) -> dict[str, Any]:
    return {"properties": {field: {"const": value}}, "required": [field]}


def _when(condition: dict[str, Any], consequence: dict[str, Any]) -> dict[str, Any]:
    return {"if": condition, "then": consequence}


def drifted(folder: Path = _FOLDER) -> tuple[str, ...]:
    """Return the schema files that are not what the models say, sorted."""
    return tuple(sorted(path.name for name in SCHEMAS if _read(path := _path(folder, name)) != rendered(name)))


def _path(folder: Path, name: str) -> Path:
    return folder / f"{name}.schema.json"


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None


def main(arguments: Sequence[str], folder: Path = _FOLDER) -> int:
    """Write the schema files, or with `--check` say which would change; return 1 when some would, 2 for other arguments."""
    if list(arguments) not in ([], ["--check"]):
        print("usage: python -m schemas.generate [--check]", file=sys.stderr)
        return 2
    different = drifted(folder)
    if arguments:
        for name in different:
            print(f"schemas/{name} is not what the models say; run: python -m schemas.generate", file=sys.stderr)
        return 1 if different else 0
    for name in SCHEMAS:
        _path(folder, name).write_text(rendered(name), encoding="utf-8")
    print(f"{len(different)} of {len(SCHEMAS)} schemas changed" + (f": {', '.join(different)}" if different else ""))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
