"""Documents of steps: equal arguments give equal bytes, written whole or not at all, and read back only as they were written."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from pydantic import ValidationError

from archetypes import step_output
from archetypes.step_output import code_sha256, digest_of, finished, load, policy_sha256, stored
from archetypes.template import load_template, parse_template
from policy.coercion import rulebook_sha256
from schemas.agent_output import Citation, ExplanationResult, ObjectName, ProfilingResult, StepFinding, StepOutput, TableProfile
from schemas.errors import ConfigError, ConnectorError, InputError

SHA = "ab" * 32
_ROOT = Path(__file__).parents[2]


def profiled(origin: str = "full_scan") -> ProfilingResult:
    cited = () if origin == "full_scan" else (Citation(sha256=SHA, pointer="/tables/0"),)
    table = TableProfile.model_validate(
        {"origin": origin, "citations": cited, "name": ObjectName(schema_name="s", name="t"), "rows": 2**60}
    )
    return ProfilingResult(pin="pin", tables=(table,))


def finding(code: str = "a", severity: str = "LOW", where: str = "s.t") -> StepFinding:
    return StepFinding.model_validate({"code": code, "severity": severity, "object": where, "text": "why"})


def document(**changes: object) -> StepOutput:
    given: dict[str, object] = {"dataset": "s", "inputs": {"b": SHA, "a": SHA}, "result": profiled()}
    return finished("profiling", **{**given, **changes})  # type: ignore[arg-type]


def test_it_says_what_decided() -> None:
    output = document(rules={"PG-02": 2, "PG-01": 1, "PG-03": 0})

    assert (output.code_sha256, output.policy_sha256, output.rulebook_sha256) == (code_sha256(), policy_sha256(), rulebook_sha256())
    assert [read.name for read in output.inputs] == ["a", "b"]
    assert [(use.rule_id, use.count) for use in output.rules_applied] == [("PG-01", 1), ("PG-02", 2)]
    assert (output.status, output.confidence_bp, output.citations) == ("DONE", 10_000, ())


def test_confidence_and_citations_are_those_of_the_items() -> None:
    output = document(result=profiled("sample"))

    assert (output.confidence_bp, output.citations) == (0, (Citation(sha256=SHA, pointer="/tables/0"),))
    with pytest.raises(ValidationError, match="no input of the step"):
        document(result=profiled("sample"), inputs={})


@pytest.mark.parametrize(("result", "status"), [(None, "REFUSED"), (profiled("refused"), "PARTIAL"), (profiled(), "DONE")])
def test_its_status_is_that_of_its_items(result: ProfilingResult | None, status: str) -> None:
    assert document(result=result, findings=[finding()]).status == status


def test_a_refusal_without_a_reason_is_none() -> None:
    with pytest.raises(ValidationError, match="what is left open"):
        document(result=None)


def test_the_order_in_which_findings_come_does_not_matter() -> None:
    some = [finding("b"), finding("c", "CRITICAL"), finding("a", where="s.a"), finding("a")]

    assert document(findings=some).canonical() == document(findings=some[::-1]).canonical()
    assert [(one.code, one.object) for one in document(findings=some).findings] == [("c", "s.t"), ("a", "s.a"), ("a", "s.t"), ("b", "s.t")]


def test_a_finding_is_as_grave_as_the_policy_says() -> None:
    assert [one.severity for one in document(findings=[finding("unreadable_column")]).findings] == ["MEDIUM"]
    assert [one.severity for one in document(findings=[finding("not_in_the_policy")]).findings] == ["LOW"]


def test_what_is_stored_is_loaded_again_and_has_one_digest(tmp_path: Path) -> None:
    output = document(findings=[finding()])

    path = stored(output, tmp_path / "outputs")

    assert path == tmp_path / "outputs" / "profiling.json"
    assert load(path) == output and path.read_bytes() == output.canonical()
    assert digest_of(load(path)) == digest_of(output)
    assert [one.name for one in path.parent.iterdir()] == ["profiling.json"]


def test_a_write_that_fails_leaves_the_former_document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = stored(document(), tmp_path)
    before = path.read_bytes()

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(step_output.os, "fsync", full)
    with pytest.raises(ConnectorError, match="No space left"):
        stored(document(findings=[finding()]), tmp_path)
    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == ["profiling.json"]


@pytest.mark.parametrize("change", [lambda text: text + " ", lambda text: text.replace('"rows":', '"row":'), lambda text: text[:-9]])
def test_a_document_that_was_touched_is_not_taken(tmp_path: Path, change: object) -> None:
    path = stored(document(), tmp_path)
    path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")  # type: ignore[operator]

    with pytest.raises(InputError, match=r"profiling\.json"):
        load(path)


def test_a_document_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Run the step again"):
        load(tmp_path / "mapping.json")


def test_a_step_takes_no_result_of_another() -> None:
    with pytest.raises(ValidationError, match="ProfilingResult is wanted"):
        document(result=ExplanationResult())


def test_the_digest_of_the_code_is_the_same_inside_a_zip(tmp_path: Path) -> None:
    archive = tmp_path / "parity.zip"
    with zipfile.ZipFile(archive, "w") as zipped:
        for package in step_output.DECIDING_PACKAGES:
            for path in sorted((_ROOT / package).rglob("*")):
                if path.is_file() and "__pycache__" not in path.parts:
                    zipped.write(path, path.relative_to(_ROOT).as_posix())
    script = "import archetypes.step_output as made; print(made.__file__, made.code_sha256())"
    run = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env={"PYTHONPATH": str(archive)}, capture_output=True, text=True, check=True
    )
    assert run.stdout.startswith(str(archive))
    code_sha256.cache_clear()
    assert run.stdout.split()[-1] == code_sha256()


def test_the_template_of_the_route_is_valid_and_names_rules_that_exist() -> None:
    template = load_template("postgres_to_s3")

    assert [one.step for one in template.steps][:2] == ["discovery", "profiling"]
    with pytest.raises(ConfigError, match="Did you mean postgres_to_s3"):
        load_template("postgres_s3")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"type_rules": "postgres_orc"}, "the rulebook has no postgres_orc"),
        ({"steps": [{"step": "profiling", "reads": ["discovery"]}]}, "no earlier step writes"),
        ({"steps": [{"step": "discovery"}, {"step": "discovery"}]}, "twice"),
        ({"speed": "high"}, "speed"),
        ({"allowed_rights": 65536}, "allowed_rights"),
    ],
)
def test_a_template_that_does_not_fit_is_refused(changes: dict[str, object], said: str) -> None:
    written = json.loads((_ROOT / "archetypes" / "postgres_to_s3.json").read_text(encoding="utf-8"))

    with pytest.raises(ConfigError, match=said):
        parse_template(json.dumps({**written, **changes}).encode(), "a.json")
