"""What a machine, and a session, lack to run Parity, each with the command that mends it."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.jars import jar_folder, java_launcher, locked_jars
from jobs.settings import is_utc
from schemas.errors import SessionError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["Check", "checks", "session_checks"]

_NEEDED_MEMORY_GB = 4
_NEEDED_DISK_GB = 2
_GB = 1 << 30
_ZONE_VARIABLES = ("_JAVA_OPTIONS", "JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS")
_JAVA_COMMAND = {
    "Darwin": "brew install openjdk@17",
    "Linux": "sudo apt-get install openjdk-17-jre-headless (Fedora, RHEL: sudo dnf install java-21-openjdk-headless)",
}


@dataclass(frozen=True)
class Check:
    """One thing that Parity needs.

    Attributes:
        name: what was looked at.
        ok: whether it is as needed.
        found: what is there.
        needed: what must be there.
        fix: the command or the step that mends it; empty when `ok`.
        required: false when only some sources need it.
    """

    name: str
    ok: bool
    found: str
    needed: str
    fix: str = ""
    required: bool = True


def checks() -> list[Check]:
    """Return what was looked at on this machine, in the order in which to mend it. Starts no Spark; cost: below a second.

    Jars are read whole, to tell a damaged one from a good one.
    """
    return [_python(), _java(), _pyspark(), _jars(), _memory(), _zone(), _loopback(), *_folders()]


def session_checks(spark: SparkSession) -> list[Check]:
    """Return whether a session can be held in the pinned configuration, and which table formats it knows. Cost: one small job."""
    from jobs.session import pinned

    version = Check("Spark of the session", spark.version.startswith(("4.0.", "4.1.")), spark.version, "4.0 or 4.1", "Use such a cluster.")
    try:
        with pinned(spark, caller_frames=False) as evidence:
            settings = Check(
                "Session settings", True, f"{len(evidence.settings)} as pinned, digest {evidence.sha256[:12]}", "all as pinned"
            )
    except SessionError as error:
        settings = Check("Session settings", False, error.message, "all as pinned", error.hint or "")
    return [_without_fix(version), settings]


def _without_fix(check: Check) -> Check:
    return Check(check.name, check.ok, check.found, check.needed, "" if check.ok else check.fix, check.required)


def _python() -> Check:
    found = platform.python_version()
    ok = (3, 10) <= sys.version_info[:2] <= (3, 13)
    return _without_fix(Check("Python", ok, f"{found} ({sys.executable})", "3.10 to 3.13", "Make the environment with another Python."))


def _java() -> Check:
    needed, fix = "17 or 21", _JAVA_COMMAND.get(platform.system(), "Install a JRE 17 from https://adoptium.net and set JAVA_HOME to it.")
    launcher = java_launcher()
    if launcher is None:
        home = os.environ.get("JAVA_HOME")
        return Check("Java", False, f"none in JAVA_HOME={home}" if home else "none", needed, fix)
    told = subprocess.run([str(launcher), "-version"], capture_output=True, text=True, check=False, errors="replace").stderr
    version = re.search(r'version "([^"]+)"', told)
    found = version.group(1) if version else "unknown"
    ok = found.split(".")[0] in ("17", "21")
    return _without_fix(Check("Java", ok, f"{found} ({launcher.resolve()})", needed, f"{fix}; then set JAVA_HOME to it."))


def _pyspark() -> Check:
    needed, fix = "4.0 or 4.1", "pip install 'parity[local]' (not on EMR or Databricks, which bring their own)"
    try:
        found = importlib.metadata.version("pyspark")
    except importlib.metadata.PackageNotFoundError:
        try:
            import pyspark
        except ImportError:
            return Check("pyspark", False, "not installed", needed, fix)
        found = pyspark.__version__
    return _without_fix(Check("pyspark", found.startswith(("4.0.", "4.1.")), found, needed, fix))


def _jars() -> Check:
    locked = locked_jars()
    wrong = [jar for jar in locked if not jar.is_intact()]
    damaged = [jar.path.name for jar in wrong if jar.path.is_file()]
    missing = [jar.path.name for jar in wrong if not jar.path.is_file()]
    parts = [f"{len(locked) - len(wrong)} of {len(locked)} in {jar_folder()}"]
    parts += [f"missing: {', '.join(missing)}"] if missing else []
    parts += [f"not as locked: {', '.join(damaged)}"] if damaged else []
    return _without_fix(
        Check(
            "Jars (delta:, iceberg:, avro:)",
            not wrong,
            "; ".join(parts),
            "all of conf/spark_jars.txt",
            "python -m jobs.jars",
            required=False,
        )
    )


def _memory() -> Check:
    try:
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / _GB
    except (AttributeError, ValueError, OSError):
        return Check("Memory", True, "cannot be asked for here", f"{_NEEDED_MEMORY_GB} GB", required=False)
    fix = "Give Spark less (--conf spark.driver.memory=1g), or use a larger machine."
    return _without_fix(
        Check("Memory", total >= _NEEDED_MEMORY_GB * 0.9, f"{total:.1f} GB", f"{_NEEDED_MEMORY_GB} GB", fix, required=False)
    )


def _zone() -> Check:
    """Variables that reach into every JVM, and win over the zone that Parity gives it."""
    for variable in _ZONE_VARIABLES:
        declared = re.search(r"-Duser\.timezone=(\S+)", os.environ.get(variable, ""))
        if declared and not is_utc(declared.group(1)):
            return Check("Zone of the JVM", False, f"{variable} sets {declared.group(1)}", "UTC", f"unset {variable}")
    return Check("Zone of the JVM", True, "UTC in sessions that Parity starts", "UTC")


def _loopback() -> Check:
    try:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
    except OSError as error:
        fix = "Allow this process to listen on the loopback interface."
        return Check("Loopback", False, f"127.0.0.1 cannot be bound: {error.strerror}", "127.0.0.1", fix)
    return Check("Loopback", True, "127.0.0.1", "127.0.0.1")


def _folders() -> Iterator[Check]:
    for name, folder in (("Working folder", Path.cwd()), ("Temporary folder", Path(tempfile.gettempdir()))):
        needed = f"writable, {_NEEDED_DISK_GB} GB free"
        try:
            with tempfile.TemporaryFile(dir=folder):
                free = shutil.disk_usage(folder).free / _GB
        except OSError as error:
            yield Check(name, False, f"{folder}: {error.strerror}", needed, "Choose another (cd, or TMPDIR=…), or mend its rights.")
            continue
        fix = "Free some space, or choose another (cd, or TMPDIR=…)."
        yield _without_fix(Check(name, free >= _NEEDED_DISK_GB, f"{folder}: {free:.0f} GB free", needed, fix))
