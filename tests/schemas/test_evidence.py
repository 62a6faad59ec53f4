"""A pack says of every file of its kind whether it is there, missing, or not needed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import pytest
from pydantic import ValidationError

from schemas import evidence
from schemas.evidence import PACK_FILES, EvidencePack, PackKind, required_files

EXAMPLES = Path(evidence.__file__).parent / "examples"


def document(name="run"):
    return json.loads((EXAMPLES / f"evidence_pack.{name}.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(("kind", "files"), [("run", 35), ("readiness", 67), ("cutover", 74), ("rollback", 59)])
def test_a_pack_has_the_files_that_the_specification_counts(kind, files):
    """35 and 74 stand in the specification; the others follow from its table."""
    assert len(required_files(kind)) == len(set(required_files(kind))) == files


def test_no_file_stands_in_the_list_twice_and_each_is_for_some_kind():
    paths = [file.path for file in PACK_FILES]

    assert len(paths) == len(set(paths))
    assert all(file.kinds and set(file.kinds) <= set(get_args(PackKind)) for file in PACK_FILES)
    assert len({path.partition("/")[0] for path in paths if "/" in path}) == 14


def test_a_file_counts_as_missing_only_with_a_reason():
    pack = EvidencePack.model_validate(document("incomplete"))

    assert pack.status == "INCOMPLETE"
    assert [file.path for file in pack.missing] == ["09_parallel_run/readiness.json"]


def changed(name="run", **fields):
    return {**document(name), **fields}


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        pytest.param(changed(files=document()["files"][1:]), "neither there nor missing: 01_plan/", id="a file is not told of"),
        pytest.param(changed(files=document()["files"] * 2), "told twice", id="a file twice"),
        pytest.param(changed(files=document()["files"][::-1]), "sorted by path", id="in any order"),
        pytest.param(changed(kind="rollback"), "neither there nor missing", id="of another kind"),
        pytest.param(changed("incomplete", kind="run"), "no files of a run pack", id="files of another kind"),
        pytest.param(changed(status="INCOMPLETE"), "INCOMPLETE with 0 missing", id="incomplete, but nothing is missing"),
        pytest.param(changed("incomplete", status="COMPLETE"), "COMPLETE with 1 missing", id="complete, but something is missing"),
        pytest.param(changed(run=None), "proves a run or a migration", id="of nothing"),
        pytest.param(changed("incomplete", plan_sha256=None), "a signed plan", id="without a plan"),
        pytest.param(changed(not_after="2026-11-20T06:00:00.000000Z"), "not after created_at", id="never valid"),
        pytest.param(changed(created_at="2026-11-20"), "created_at", id="a day is no time"),
    ],
)
def test_a_pack_that_hides_something_is_refused(broken, says):
    with pytest.raises(ValidationError, match=says):
        EvidencePack.model_validate(broken)


def test_a_required_file_cannot_be_called_not_applicable():
    found = document()
    left = found["files"].pop(0)
    found["not_applicable"].append({"path": left["path"], "condition": "nobody asked"})

    with pytest.raises(ValidationError, match="it is required"):
        EvidencePack.model_validate(found)


def test_a_conditional_file_is_left_out_under_its_own_condition_only():
    found = document()
    found["not_applicable"][0]["condition"] = "it is Friday"

    with pytest.raises(ValidationError, match="under another condition"):
        EvidencePack.model_validate(found)
