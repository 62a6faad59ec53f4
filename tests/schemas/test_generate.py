"""The committed JSON Schemas are what the models say, and tell good documents from bad ones."""

import base64
import importlib
import json
from pathlib import Path

import jsonschema
import pytest

from schemas import generate
from schemas.agent_output import RESULT_OF_STEP

SCHEMAS = Path(generate.__file__).parent
ROOT = SCHEMAS.parent
EXAMPLES = SCHEMAS / "examples"
SHIPPED = [
    ROOT / "policy" / "policy.json",
    ROOT / "policy" / "type_coercion_rulebook.json",
    SCHEMAS / "state_machine.json",
    *sorted((ROOT / "policy" / "type_rules").glob("*.json")),
]
VALID = [*sorted(EXAMPLES.glob("*.json")), *SHIPPED]
INVALID = sorted((EXAMPLES / "invalid").glob("*.json"))
MODULES = sorted(path.stem for path in SCHEMAS.glob("*.py") if path.stem != "__init__")


WRITTEN = ("agent_output", "compare_result", "error", "evidence_pack")


def schema_name(path: Path) -> str:
    return "type_rules" if path.parent.name == "type_rules" else path.name.partition(".")[0]


def validator(path: Path) -> jsonschema.Draft202012Validator:
    schema = json.loads((SCHEMAS / f"{schema_name(path)}.schema.json").read_text(encoding="utf-8"))
    return jsonschema.Draft202012Validator(schema)


def document(path: Path) -> object:
    return json.loads(path.read_text(encoding="utf-8"))


def test_committed_schemas_are_what_the_models_say():
    assert generate.drifted() == ()


@pytest.mark.parametrize("name", sorted(generate.SCHEMAS))
def test_each_schema_is_valid_and_closed(name):
    schema = json.loads(generate.rendered(name))

    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["additionalProperties"] is False


def test_every_schema_has_good_and_bad_examples():
    assert {schema_name(path) for path in VALID} == set(generate.SCHEMAS)
    assert {schema_name(path) for path in INVALID} == set(generate.SCHEMAS)


@pytest.mark.parametrize("path", VALID, ids=lambda path: path.name)
def test_good_examples_are_accepted_by_schema_and_model(path):
    model, _ = generate.SCHEMAS[schema_name(path)]

    assert [error.message for error in validator(path).iter_errors(document(path))] == []
    model.model_validate(document(path))


@pytest.mark.parametrize("path", INVALID, ids=lambda path: path.name)
def test_bad_examples_are_refused(path):
    assert not validator(path).is_valid(document(path))


@pytest.mark.parametrize("path", [path for path in VALID if schema_name(path) in WRITTEN], ids=lambda path: path.name)
def test_what_is_written_is_what_was_read(path):
    model, _ = generate.SCHEMAS[schema_name(path)]

    assert model.model_validate(document(path)).document() == document(path)


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("compare_result.*.json")), ids=lambda path: path.name)
def test_examples_obey_the_conservation_equations(path):
    counts = {name: int(value) for name, value in document(path)["counts"].items() if value is not None}
    both = counts["matched"] + counts["matched_by_rule"] + counts["changed"]

    assert counts["source_rows"] == both + counts["missing"]
    assert counts["target_rows"] == both + counts["extra"]


def test_every_field_of_the_contract_is_shown_in_the_full_example():
    assert set(document(EXAMPLES / "contract.full.json")) == set(generate.SCHEMAS["contract"][0].model_fields)


def test_every_field_of_the_plan_is_shown_in_the_full_example():
    model = generate.SCHEMAS["plan"][0]

    assert set(document(EXAMPLES / "plan.full.json")) == {field.alias or name for name, field in model.model_fields.items()}


def test_there_is_an_example_of_the_output_of_every_step():
    steps = {document(path)["step"] for path in EXAMPLES.glob("agent_output.*.json") if document(path)["result"] is not None}

    assert steps == set(RESULT_OF_STEP)


def test_the_schema_of_a_signed_plan_tells_what_its_payload_holds():
    schema = json.loads(generate.rendered("signed_plan"))
    plan = json.loads(generate.rendered("plan"))

    assert schema["properties"]["payload"]["contentSchema"] == {"$ref": "#/$defs/MigrationPlan"}
    assert schema["$defs"]["MigrationPlan"]["properties"] == plan["properties"]
    payload = base64.b64decode(document(EXAMPLES / "signed_plan.one_signature.json")["payload"])
    inside = {**schema["$defs"]["MigrationPlan"], "$defs": schema["$defs"]}
    assert jsonschema.Draft202012Validator(inside).is_valid(json.loads(payload))


def test_check_names_drift_and_a_run_without_it_repairs_it(tmp_path, capsys):
    assert generate.main([], folder=tmp_path) == 0
    assert generate.main(["--check"], folder=tmp_path) == 0
    (tmp_path / "error.schema.json").write_text("{}")
    (tmp_path / "policy.schema.json").unlink()

    assert generate.main(["--check"], folder=tmp_path) == 1
    said = capsys.readouterr().err
    assert "error.schema.json" in said
    assert "policy.schema.json" in said
    assert "contract.schema.json" not in said
    assert generate.main([], folder=tmp_path) == 0
    assert generate.drifted(tmp_path) == ()


def test_an_unknown_argument_is_refused(tmp_path, capsys):
    assert generate.main(["--chekc"], folder=tmp_path) == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", MODULES)
def test_the_public_surface_of_each_noun_is_its_all(name):
    module = importlib.import_module(f"schemas.{name}")
    own = {
        attribute
        for attribute, value in vars(module).items()
        if not attribute.startswith("_") and getattr(value, "__module__", None) == module.__name__
    }

    assert len(module.__all__) == len(set(module.__all__))
    assert all(hasattr(module, exported) for exported in module.__all__)
    assert own <= set(module.__all__)
