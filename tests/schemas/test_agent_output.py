"""An output that proves less than it says is refused; equal outputs are equal bytes."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from schemas import agent_output
from schemas.agent_output import (
    Citation,
    ColumnProfile,
    CutoverInputs,
    DiscoveryResult,
    ObjectName,
    StepOutput,
    TableProfile,
    citations_of,
    confidence_of,
    items_of,
)
from schemas.canonical_json import canonical_bytes, sha256_of

EXAMPLES = Path(agent_output.__file__).parent / "examples"
STEPS = sorted(path.stem.split(".")[1] for path in EXAMPLES.glob("agent_output.*.json"))
CITED = Citation(sha256="0" * 64, pointer="/a")


def document(step):
    return json.loads((EXAMPLES / f"agent_output.{step}.json").read_text(encoding="utf-8"))


def changed(step, *path, to):
    """Return an example with one value replaced."""
    found = document(step)
    node = found
    for part in path[:-1]:
        node = node[part]
    node[path[-1]] = to
    return found


@pytest.mark.parametrize("step", STEPS)
def test_an_output_read_again_gives_the_same_bytes(step):
    output = StepOutput.model_validate(document(step))

    assert output.canonical() == canonical_bytes(document(step))
    assert StepOutput.model_validate_json(output.canonical()) == output
    assert StepOutput.model_validate(json.loads(output.canonical())).canonical() == output.canonical()


@pytest.mark.parametrize("step", STEPS)
def test_no_output_holds_a_float(step):
    def numbers(node):
        if isinstance(node, dict):
            node = list(node.values())
        return [number for part in node for number in numbers(part)] if isinstance(node, list) else [node]

    document_now = StepOutput.model_validate(document(step)).document()
    assert not [value for value in numbers(document_now) if isinstance(value, float)]
    assert not [value for value in numbers(document_now) if isinstance(value, int) and abs(value) > 2**53 - 1]


def test_a_number_beyond_doubles_is_written_as_text_and_read_as_a_number():
    output = StepOutput.model_validate(document("discovery"))
    assert isinstance(output.result, DiscoveryResult)

    assert output.result.objects[0].bytes == 2**53 + 1
    assert output.document()["result"]["objects"][0]["bytes"] == str(2**53 + 1)
    assert changed_bytes(2**53 - 1) == 2**53 - 1


def changed_bytes(number):
    read = StepOutput.model_validate(changed("discovery", "result", "objects", 0, "bytes", to=number))
    return read.document()["result"]["objects"][0]["bytes"]


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        pytest.param(changed("discovery", "confidence_bp", to=10_000), "items of the result say 6666", id="confidence is a feeling"),
        pytest.param(changed("cutover", "confidence_bp", to=10_001), "confidence_bp", id="more than sure"),
        pytest.param(changed("cutover", "confidence_bp", to=-1), "confidence_bp", id="less than nothing"),
        pytest.param(changed("discovery", "result", "objects", 1, "citations", to=[]), "needs a citation", id="refused without citation"),
        pytest.param(changed("profiling", "result", "tables", 0, "columns", 4, "citations", to=[]), "needs a citation", id="sampled"),
        pytest.param(changed("discovery", "citations", to=[]), "citations of items or findings are missing", id="citation left out"),
        pytest.param(changed("discovery", "inputs", to=[]), "is no input of the step", id="cites what it did not read"),
        pytest.param(
            changed("profiling", "step", to="discovery"), "a DiscoveryResult is wanted, not a ProfilingResult", id="of another step"
        ),
        pytest.param(changed("profiling", "result", to=None), "DONE without a result", id="done without a result"),
        pytest.param(changed("refused", "findings", to=[]), "why it is refused", id="refused without a reason"),
        pytest.param(changed("profiling", "status", to="PARTIAL"), "what is left open", id="partial without a finding"),
        pytest.param(changed("profiling", "epoch", to=0), "epoch counts from 1", id="a migration without an epoch"),
        pytest.param(changed("profiling", "migration", to=None), "epoch counts from 1", id="an epoch without a migration"),
        pytest.param(changed("profiling", "inputs", to=document("profiling")["inputs"][::-1]), "sorted by name", id="inputs in any order"),
        pytest.param(changed("mapping", "rules_applied", to=document("mapping")["rules_applied"] * 2), "each once", id="a rule twice"),
        pytest.param(changed("profiling", "host", to="here"), "Extra inputs", id="a host inside"),
        pytest.param(changed("discovery", "result", "objects", 1, "refusal", to=None), "refusal goes with origin", id="no refusal"),
        pytest.param(changed("discovery", "result", "objects", 0, "refusal", to="no"), "refusal goes with origin", id="refused and not"),
        pytest.param(changed("discovery", "permission_bits", to=3), "Extra inputs", id="a field of the result outside"),
        pytest.param(changed("discovery", "result", "permission_bits", to=65_536), "permission_bits", id="17 bits"),
        pytest.param(changed("rewrite", "result", "views", 0, "path", to="v.sql"), "either path or reason", id="translated and not"),
        pytest.param(changed("migrate", "result", "tables", 0, "read", to=1), "is not written", id="rows from nowhere"),
        pytest.param(changed("migrate", "result", "tables", 0, "pinned_rows", to=1), "not what the snapshot holds", id="another snapshot"),
        pytest.param(changed("migrate", "result", "tables", 0, "files", 0, "rows", to=1), "not what the files hold", id="rows lost"),
        pytest.param(changed("reconciliation", "result", "verdict", to="PASS"), "the worst table is FAIL", id="better than its tables"),
        pytest.param(changed("reconciliation", "result", "tables", 0, "matched", to=1), "do not add up", id="rows not conserved"),
        pytest.param(changed("explanation", "result", "tables", 0, "hypotheses", 0, "rank", to=2), "ranks count from 1", id="no best one"),
        pytest.param(changed("explanation", "result", "tables", 0, "hypotheses", to=[]), "hypotheses", id="no hypothesis"),
        pytest.param(
            changed("cutover", "result", "pointers", 0, "citations", to=[{"sha256": "0" * 64, "pointer": "a"}]), "pointer", id="no pointer"
        ),
        pytest.param(changed("cutover", "inputs", 0, "sha256", to="0" * 63), "sha256", id="no digest"),
    ],
)
def test_an_output_that_proves_less_than_it_says_is_refused(broken, says):
    with pytest.raises(ValidationError, match=says):
        StepOutput.model_validate(broken)


def test_a_verdict_with_differences_is_no_pass():
    found = document("reconciliation")
    found["result"]["verdict"] = found["result"]["tables"][0]["verdict"] = "PASS_WITH_RULES"

    with pytest.raises(ValidationError, match="PASS_WITH_RULES with differences"):
        StepOutput.model_validate(found)


def test_nothing_compared_is_inconclusive():
    found = document("reconciliation")
    found["result"]["tables"] = []
    found["result"]["verdict"] = "INCONCLUSIVE"
    assert StepOutput.model_validate(found).confidence_bp == 10_000
    found["result"]["verdict"] = "PASS"

    with pytest.raises(ValidationError, match="the worst table is INCONCLUSIVE"):
        StepOutput.model_validate(found)


def test_a_refused_column_is_unmapped():
    found = document("mapping")
    coercion = found["result"]["tables"][0]["columns"][0]["coercion"]
    coercion.update(loss="refuse", canonical=None, spark=None, parquet=None, read=None)

    with pytest.raises(ValidationError, match="a refused column is unmapped"):
        StepOutput.model_validate(found)


def table(*origins):
    cited = {origin: () if origin in ("metadata", "full_scan", "declared") else (CITED,) for origin in origins}
    columns = tuple(ColumnProfile(origin=origin, citations=cited[origin], name=str(at), nulls=0) for at, origin in enumerate(origins))
    return TableProfile(origin="full_scan", name=ObjectName(schema_name="s", name="t"), rows=0, columns=columns)


@pytest.mark.parametrize(
    ("origins", "expected"),
    [
        pytest.param((), 10_000, id="the table alone"),
        pytest.param(("metadata", "full_scan", "declared"), 10_000, id="all proven"),
        pytest.param(("sample",), 5_000, id="half"),
        pytest.param(("sample", "estimate"), 3_333, id="a third, rounded down"),
        pytest.param(("name", "refused", "full_scan"), 5_000, id="names and refusals prove nothing"),
    ],
)
def test_confidence_is_the_share_of_proven_items(origins, expected):
    assert confidence_of(table(*origins)) == expected


def test_without_items_everything_is_proven_and_without_a_result_nothing():
    assert confidence_of(CutoverInputs(order=())) == 10_000
    assert confidence_of(None) == 0


def test_items_are_found_wherever_they_are_and_their_citations_once_and_sorted():
    found = table("sample", "name", "metadata")

    assert [type(item).__name__ for item in items_of(found)] == ["TableProfile", "ColumnProfile", "ColumnProfile", "ColumnProfile"]
    assert citations_of(found) == (CITED,)
    assert citations_of(None) == ()


def test_a_profile_tells_what_was_counted():
    shown = StepOutput.model_validate(document("profiling")).result
    assert isinstance(shown, agent_output.ProfilingResult)
    weight = shown.tables[0].column("weight")

    assert weight is not None
    assert (weight.complete, weight.count("nan"), weight.count("bc")) == (True, 0, 0)
    assert shown.tables[0].column("wieght") is None
    tags = shown.tables[0].column("tags")
    assert tags is not None and not tags.complete


def test_a_changed_output_is_another_document():
    output = StepOutput.model_validate(document("profiling"))
    other = copy.deepcopy(document("profiling"))
    other["result"]["tables"][0]["rows"] += 1

    assert sha256_of(StepOutput.model_validate(other).document()) != sha256_of(output.document())
