"""The tree is what ARCHITECTURE says: our packages are ours, layers hold, files are as generated."""

from __future__ import annotations

import configparser
import importlib
import importlib.util
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

_ROOT = Path(__file__).parent.parent
_PACKAGES = ("schemas", "engine", "engine.rules", "engine.causes", "policy", "connectors", "archetypes", "reports", "jobs")


def _run(*command: str, cwd: Path = _ROOT, path: Path = _ROOT) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(path)}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=300)


def _described() -> configparser.ConfigParser:
    described = configparser.ConfigParser()
    described.read(_ROOT / "setup.cfg", encoding="utf-8")
    return described


@pytest.mark.parametrize("name", _PACKAGES)
def test_every_package_is_the_one_of_this_checkout(name: str) -> None:
    module = importlib.import_module(name)
    assert Path(str(module.__file__)).resolve() == (_ROOT / name.replace(".", "/") / "__init__.py").resolve()


def test_setup_cfg_names_every_package_of_the_tree() -> None:
    here = {
        ".".join(path.parent.relative_to(_ROOT).parts)
        for folder in {name.split(".")[0] for name in _PACKAGES}
        for path in (_ROOT / folder).rglob("__init__.py")
    }
    assert here == set(_PACKAGES)
    assert set(_described()["options"]["packages"].split()) == here | {"conf"}
    top = {name.split(".")[0] for name in here}
    assert set(_described()["importlinter"]["root_packages"].split()) == top
    unlisted = {path.parent.name for path in _ROOT.glob("*/__init__.py")} - top - {"tests"}
    assert not unlisted, "a package that setup.cfg does not know would be missing where Parity is installed"


def test_no_layer_imports_what_stands_above_it() -> None:
    run = _run(str(Path(sys.executable).parent / "lint-imports"), "--no-cache")
    assert run.returncode == 0, run.stdout + run.stderr


def test_generated_schemas_are_as_the_models_say() -> None:
    run = _run(sys.executable, "-m", "schemas.generate", "--check")
    assert run.returncode == 0, run.stdout + run.stderr


def test_no_tracked_file_looks_like_a_secret() -> None:
    run = _run(str(_ROOT / "scripts" / "secret_scan"))
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize(
    "line",
    [
        "password = 'hunter" + "42'",
        "key: AKIA" + "ABCDEFGHIJKLMNOP",
        "-----BEGIN EC PRIVATE" + " KEY-----",
        "postgres://reader:" + "hunter2@db.example/orders",
    ],
)
def test_a_secret_that_is_about_to_be_committed_is_shown(tmp_path: Path, line: str) -> None:
    scan = tmp_path / "scripts" / "secret_scan"
    scan.parent.mkdir()
    scan.write_bytes((_ROOT / "scripts" / "secret_scan").read_bytes())
    scan.chmod(0o755)
    (tmp_path / "notes.txt").write_text("postgres://reader:{password}@db/orders\n")
    assert _run("git", "init", "--quiet", cwd=tmp_path).returncode == 0
    assert _run("git", "add", ".", cwd=tmp_path).returncode == 0
    assert _run(str(scan), cwd=tmp_path).returncode == 0
    (tmp_path / "notes.txt").write_text(f"{line}\n")
    run = _run(str(scan), cwd=tmp_path)
    assert run.returncode == 1
    assert "notes.txt:1" in run.stderr


# ARCHITECTURE, "Boundaries, to be kept as they are"; each with the files it does not hold for.
_NEVER = {
    r"\b_jvm\b|\b_jsc\b|\b_jdf\b": (),
    r"\.rdd\b|\.persist\(|\.cache\(\)": (),
    r"@(F\.)?udf\b|pandas_udf|\.mapInPandas\(": (),
    r"SparkSession\.builder": ("jobs/session.py",),
    r"F\.(rand|randn|uuid|shuffle|monotonically_increasing_id|current_timestamp|current_date|now)\(": (),
    r"NotImplementedError": (),
}


@pytest.mark.parametrize("pattern", _NEVER)
def test_what_is_never_done_is_not_done(pattern: str) -> None:
    found = []
    for folder in sorted({name.split(".")[0] for name in _PACKAGES}):
        for path in sorted((_ROOT / folder).rglob("*.py")):
            name = path.relative_to(_ROOT).as_posix()
            lines = enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
            found += [f"{name}:{number}" for number, line in lines if re.search(pattern, line) and name not in _NEVER[pattern]]
    assert not found


def test_data_files_travel_in_the_zip_and_are_read_from_it(tmp_path: Path) -> None:
    run = _run(str(_ROOT / "scripts" / "build_zip"))
    assert run.returncode == 0, run.stderr
    archive = tmp_path / "parity.zip"
    archive.write_bytes((_ROOT / "dist" / "parity.zip").read_bytes())
    names = set(zipfile.ZipFile(archive).namelist())
    expected = {
        path.relative_to(_ROOT).as_posix()
        for folder in ("schemas", "policy", "archetypes", "reports", "conf")
        for path in (_ROOT / folder).rglob("*")
        if path.is_file() and path.suffix in {".json", ".html", ".txt", ".conf"}
    }
    assert expected and expected <= names
    modules = [name[:-3].replace("/", ".") for name in names if name.endswith(".py") and not name.endswith(("__init__.py", "__main__.py"))]
    script = (
        "import importlib, sys\n"
        f"for name in {sorted(modules)!r}:\n"
        "    module = importlib.import_module(name)\n"
        "    assert 'parity.zip' in module.__file__, module.__file__\n"
    )
    run = _run(sys.executable, "-c", script, cwd=tmp_path, path=archive)
    assert run.returncode == 0, run.stderr
