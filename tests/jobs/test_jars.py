"""A lock file of coordinates to jar files that are the ones that were locked."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from jobs import jars
from jobs.jars import Jar, fetch_jars, jar_folder, locked_jars, missing_jars, present_jars
from schemas.errors import ConfigError, ConnectorError

_ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Jars are kept in a folder that holds none."""
    folder = tmp_path / "jars"
    monkeypatch.setenv("PARITY_JARS", str(folder))
    return folder


def test_every_line_of_the_lock_file_is_a_coordinate_and_a_sha256() -> None:
    assert len(locked_jars()) == 7
    for jar in locked_jars():
        assert jar.coordinate.count(":") == 2
        assert len(bytes.fromhex(jar.sha256)) == 32
    assert len({jar.path for jar in locked_jars()}) == len(locked_jars())


def test_what_only_s3_needs_is_a_set_of_its_own() -> None:
    own = locked_jars("s3")
    assert {jar.coordinate.split(":")[0] for jar in own} == {
        "org.apache.hadoop", "org.reactivestreams", "software.amazon.awssdk", "software.amazon.eventstream",
    }  # fmt: skip
    assert all(len(bytes.fromhex(jar.sha256)) == 32 for jar in own)
    assert len({jar.path for jar in (*own, *locked_jars())}) == len(own) + len(locked_jars())
    with pytest.raises(ConfigError, match="s3"):
        locked_jars("s4")


def test_jars_are_kept_where_the_variable_says_else_in_the_cache_of_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PARITY_JARS", str(tmp_path))
    assert jar_folder() == tmp_path
    monkeypatch.delenv("PARITY_JARS")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert jar_folder() == tmp_path / "cache" / "parity" / "jars"


def test_what_is_kept_and_what_is_missing_add_up(empty_folder: Path) -> None:
    assert present_jars() == ()
    assert missing_jars() == locked_jars()
    empty_folder.mkdir()
    first = locked_jars()[0]
    first.path.write_bytes(b"half a download")
    assert present_jars() == (first,)
    assert missing_jars() == locked_jars()[1:]
    assert not first.is_intact()


def test_a_jar_is_intact_when_its_bytes_are_the_locked_ones(empty_folder: Path) -> None:
    empty_folder.mkdir()
    jar = Jar("group:artifact:1.0", hashlib.sha256(b"bytes").hexdigest())
    jar.path.write_bytes(b"bytes")
    assert jar.path == empty_folder / "artifact-1.0.jar"
    assert jar.is_intact()


def test_nothing_to_fetch_asks_nothing_of_the_machine(empty_folder: Path) -> None:
    fetch_jars([])
    assert not empty_folder.exists()


def test_without_java_the_error_says_what_to_install(empty_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", str(empty_folder / "no-java"))
    with pytest.raises(ConfigError, match="Java 17 or 21"):
        fetch_jars(locked_jars()[:1])


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    in_the_way = tmp_path / "a-file"
    in_the_way.write_text("")
    monkeypatch.setenv("PARITY_JARS", str(in_the_way / "jars"))
    with pytest.raises(ConfigError, match="PARITY_JARS"):
        fetch_jars(locked_jars()[:1])


@pytest.mark.slow
def test_a_jar_that_nobody_serves_is_named_by_its_coordinate(empty_folder: Path) -> None:
    with pytest.raises(ConnectorError, match=r"org\.example\.parity:there-is-none:0\.0\.1") as raised:
        fetch_jars([Jar("org.example.parity:there-is-none:0.0.1", "0" * 64)])
    assert str(empty_folder) in str(raised.value)
    assert list(empty_folder.iterdir()) == [], "nothing half-made is left behind"


def test_a_jar_that_is_not_the_locked_one_is_not_kept(empty_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def served(wanted: list[Jar], scratch: Path, say: object) -> str:
        (scratch / wanted[0].path.name).write_bytes(b"another file")
        return ""

    monkeypatch.setattr(jars, "_run_ivy", served)
    with pytest.raises(ConnectorError, match="not the one that was locked"):
        fetch_jars(locked_jars()[:1])
    assert not locked_jars()[0].path.exists()


def test_the_lock_file_is_found_in_a_zip_too(tmp_path: Path) -> None:
    archive = tmp_path / "parity.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for name in ("jobs/__init__.py", "jobs/jars.py", "schemas/__init__.py", "schemas/errors.py", "conf/spark_jars.txt"):
            file.write(_ROOT / name, name)
    script = "import jobs.jars as j; print(j.__file__); print(len(j.locked_jars()))"
    environment = {**os.environ, "PYTHONPATH": str(archive)}
    run = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert run.stdout.split() == [str(archive / "jobs" / "jars.py"), "7"], run.stderr
