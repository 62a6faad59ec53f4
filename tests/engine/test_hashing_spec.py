"""The specification that machines read is what the code computes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine import reference
from engine.hashing import CANON, GROUP_WIDTH, GUARD_BYTES, SECOND_CHAIN, SEED
from engine.hashing_spec import main, rendered

_FILE = Path(__file__).parent.parent.parent / "policy" / "hashing_spec.json"


def test_the_file_is_what_the_code_says() -> None:
    assert _FILE.read_text(encoding="utf-8") == rendered()
    assert main(["--check"]) == 0


def test_drift_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "hashing_spec.json"
    document = json.loads(rendered())
    document["hash"]["seed"] = 43
    path.write_text(json.dumps(document), encoding="utf-8")
    assert main(["--check"], path) == 1
    assert "engine.hashing_spec" in capsys.readouterr().err
    assert main([], path) == 0 and main(["--check"], path) == 0
    assert main(["--frobnicate"], path) == 2


def test_the_oracle_and_the_engine_agree_on_constants_that_they_do_not_share() -> None:
    assert (reference._SEED, reference._GROUP, reference._LONG_TOKEN, reference._SECOND_CHAIN) == (
        SEED,
        GROUP_WIDTH,
        GUARD_BYTES,
        SECOND_CHAIN,
    )
    assert CANON == 1
