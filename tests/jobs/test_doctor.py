"""What is missing is named with the command that mends it."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from jobs.doctor import Check, checks, session_checks
from jobs.jars import locked_jars


def look(name: str) -> Check:
    return next(check for check in checks() if check.name.startswith(name))


def test_what_is_wrong_has_a_remedy_and_what_is_right_has_none() -> None:
    for check in checks():
        assert check.ok == (check.fix == ""), check
        assert check.found
        assert check.needed


def test_a_machine_that_runs_these_tests_has_what_is_required() -> None:
    assert [check for check in checks() if check.required and not check.ok] == []


def test_missing_java(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert not look("Java").ok
    assert str(tmp_path) in look("Java").found


@pytest.mark.parametrize(("version", "ok"), [("1.8.0_402", False), ("11.0.2", False), ("17.0.15", True), ("21", True), ("25.0.1", False)])
def test_java_of_another_version(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, version: str, ok: bool) -> None:
    launcher = tmp_path / "bin" / "java"
    launcher.parent.mkdir()
    launcher.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2024-01-16' >&2\n")
    launcher.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert look("Java").ok is ok
    assert version in look("Java").found


def test_missing_and_damaged_jars(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PARITY_JARS", str(tmp_path))
    damaged, *missing = locked_jars()
    damaged.path.write_bytes(b"half a download")
    check = look("Jars")
    assert not check.ok
    assert not check.required
    assert check.fix == "python -m jobs.jars"
    assert f"not as locked: {damaged.path.name}" in check.found
    assert missing[0].path.name in check.found


def test_a_zone_forced_upon_every_jvm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_JAVA_OPTIONS", "-Xmx1g -Duser.timezone=Europe/Berlin")
    assert not look("Zone").ok
    assert look("Zone").fix == "unset _JAVA_OPTIONS"
    monkeypatch.setenv("_JAVA_OPTIONS", "-Duser.timezone=Etc/UTC")
    assert look("Zone").ok


def test_a_session_built_here_is_fine(spark: SparkSession) -> None:
    assert all(check.ok for check in session_checks(spark))
