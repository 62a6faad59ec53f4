"""`import parity` is quick, and notices packages that hide Parity's own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).parent.parent
_NEIGHBOURS = ("schemas", "engine", "policy", "connectors", "reports", "jobs")


def python(script: str, *paths: Path, cwd: Path, flags: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))}
    return subprocess.run(
        [sys.executable, *flags, "-c", script], cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=120
    )


def test_importing_it_brings_in_neither_spark_nor_pydantic(tmp_path: Path) -> None:
    script = "import sys, parity; print(sorted({'pyspark', 'pydantic', 'pyarrow', 'jobs.compare'} & set(sys.modules)))"
    run = python(script, _ROOT, cwd=tmp_path)
    assert (run.returncode, run.stdout.strip()) == (0, "[]"), run.stderr


def test_compare_is_the_one_of_jobs() -> None:
    import jobs.compare
    import parity

    assert parity.compare is jobs.compare.compare
    assert set(dir(parity)) == {"__version__", "compare"} == set(parity.__all__)
    with pytest.raises(AttributeError, match="no attribute 'compair'"):
        parity.compair  # noqa: B018


@pytest.mark.parametrize("name", _NEIGHBOURS)
def test_a_foreign_package_of_the_same_name_is_named_with_what_to_do(tmp_path: Path, name: str) -> None:
    foreign = tmp_path / "elsewhere"
    (foreign / name).mkdir(parents=True)
    (foreign / name / "__init__.py").write_text("")
    run = python("import parity", foreign, _ROOT, cwd=tmp_path)
    assert run.returncode != 0
    assert "ImportError" in run.stderr
    assert f"'{name}'" in run.stderr
    assert str(foreign) in run.stderr
    assert str(_ROOT) in run.stderr


def test_a_foreign_package_that_was_imported_before_is_noticed_too(tmp_path: Path) -> None:
    foreign = tmp_path / "elsewhere"
    foreign.mkdir()
    (foreign / "jobs.py").write_text("")
    script = f"import sys; sys.path.insert(0, {str(foreign)!r}); import jobs; sys.path.pop(0); import parity"
    run = python(script, _ROOT, cwd=tmp_path)
    assert "ImportError" in run.stderr
    assert "hides parity's own" in run.stderr


def test_a_checkout_with_a_package_missing_says_so(tmp_path: Path) -> None:
    (tmp_path / "parity.py").write_text((_ROOT / "parity.py").read_text())
    run = python("import parity", tmp_path, cwd=tmp_path, flags=("-S",))  # without site-packages, where this checkout is installed
    assert "ImportError" in run.stderr
    assert "'schemas' is not beside" in run.stderr
