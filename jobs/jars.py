"""A lock file of Maven coordinates to jar files, through the Ivy that ships inside pyspark.

Nothing but Java and pyspark is needed. Jars are kept; when all are there, no network and no Java is touched.
`python -m jobs.jars` fetches what is missing of the jars of every session, `python -m jobs.jars s3` those that only S3 needs.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from schemas.errors import ConfigError, ConnectorError, ParityError

__all__ = [
    "JAR_SETS",
    "Jar",
    "configuration",
    "fetch_jars",
    "jar_folder",
    "java_launcher",
    "locked_jars",
    "main",
    "missing_jars",
    "present_jars",
]

JAR_SETS = ("s3",)
"""Jars that only some sessions need, each set with a lock file of its own: `conf/spark_jars_<set>.txt`."""

_FOLDER_VARIABLE = "PARITY_JARS"
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Jar:
    """One line of the lock file.

    Attributes:
        coordinate: `group:artifact:version`.
        sha256: of the file, hex.
    """

    coordinate: str
    sha256: str

    @property
    def path(self) -> Path:
        """Where the file is kept, whether it is there or not."""
        _, artifact, version = self.coordinate.split(":")
        return jar_folder() / f"{artifact}-{version}.jar"

    def is_intact(self) -> bool:
        """Return whether the kept file is the one that was locked. Cost: reads the file."""
        return self.path.is_file() and _sha256(self.path) == self.sha256


def configuration(name: str) -> str:
    """Return the text of a file of `conf/`, which stands beside the packages, in a folder as in a zip."""
    path = Path(__file__).parent.parent / "conf" / name
    loader = __spec__.loader if __spec__ else None  # of a zip, it reads from the zip
    read = getattr(loader, "get_data", None)
    data: bytes = read(str(path)) if read else path.read_bytes()
    return data.decode("utf-8")


def jar_folder() -> Path:
    """Return where jars are kept: $PARITY_JARS, or a folder in the user's cache."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get(_FOLDER_VARIABLE) or Path(cache, "parity", "jars"))


def locked_jars(jar_set: str | None = None) -> tuple[Jar, ...]:
    """Return the jars of every session on this machine, or of one of JAR_SETS, in the order of their lock file.

    Raises:
        ConfigError: there is no such set.
    """
    if jar_set is not None and jar_set not in JAR_SETS:
        raise ConfigError(f"There is no set of jars {jar_set}.", object=jar_set, hint=f"There is: {', '.join(JAR_SETS)}.")
    lock_file = f"spark_jars_{jar_set}.txt" if jar_set else "spark_jars.txt"
    lines = (line.partition("#")[0].split() for line in configuration(lock_file).splitlines())
    return tuple(Jar(coordinate=words[0], sha256=words[1].removeprefix("sha256:")) for words in lines if words)


def present_jars(jar_set: str | None = None) -> tuple[Jar, ...]:
    """Return the locked jars that are kept."""
    return tuple(jar for jar in locked_jars(jar_set) if jar.path.is_file())


def missing_jars(jar_set: str | None = None) -> tuple[Jar, ...]:
    """Return the locked jars that are not kept."""
    return tuple(jar for jar in locked_jars(jar_set) if not jar.path.is_file())


def java_launcher() -> Path | None:
    """Return the Java launcher that Spark would use too: $JAVA_HOME, else the search path; None when there is none."""
    home = os.environ.get("JAVA_HOME")
    found = shutil.which(str(Path(home, "bin", "java"))) if home else shutil.which("java")
    return Path(found) if found else None


def fetch_jars(jars: Sequence[Jar], say: Callable[[str], None] = print) -> None:
    """Download jars into the folder where they are kept.

    Safe to call from several processes at once: each downloads into a folder of its own and renames what arrived.

    Args:
        jars: those to fetch, kept or not.
        say: told of each jar as it arrives, one line each.

    Raises:
        ConfigError: there is no Java, or no pyspark, to fetch them with; or the folder cannot be written.
        ConnectorError: a jar cannot be downloaded, or is not the one that was locked.
    """
    if not jars:
        return
    try:
        jar_folder().mkdir(parents=True, exist_ok=True)
        scratch = TemporaryDirectory(prefix=".fetch-", dir=jar_folder())
    except OSError as error:
        raise ConfigError(
            f"The folder of jars {jar_folder()} cannot be written: {error.strerror}.",
            object=str(jar_folder()),
            hint=f"Name another one in the environment variable {_FOLDER_VARIABLE}.",
        ) from error
    with scratch as name:
        log = _run_ivy(jars, Path(name), say)
        for jar in jars:
            _keep(jar, Path(name, jar.path.name), log)


def _keep(jar: Jar, fetched: Path, log: str) -> None:
    if not fetched.is_file():
        raise ConnectorError(
            f"Cannot fetch the jar {jar.coordinate}: {_reason(log)}.",
            object=jar.coordinate,
            hint=f"Check the network, or copy {fetched.name} from another machine into {jar_folder()}.",
        )
    found = _sha256(fetched)
    if found != jar.sha256:
        raise ConnectorError(
            f"The jar fetched for {jar.coordinate} is not the one that was locked: its SHA-256 is {found}, not {jar.sha256}.",
            object=jar.coordinate,
            hint="It was not kept. Ask whoever runs your Maven mirror why it serves another file.",
        )
    fetched.replace(jar.path)


def _reason(log: str) -> str:
    signs = ("unknownhost", "host ", "not found", "timed out", "refused", "unreachable", "certif", "ssl")
    lines = (line.strip().strip(":").strip() for line in log.splitlines())
    told = [line for line in lines if any(sign in line.casefold() for sign in signs)]
    return (told[0] if told else "Ivy found it in no repository")[:300].rstrip(".")


def _run_ivy(jars: Sequence[Jar], scratch: Path, say: Callable[[str], None]) -> str:
    """Run Ivy with a private cache (a shared one is not safe for two processes), say what arrives, return the log."""
    module = scratch / "ivy.xml"
    module.write_text(_module(jars), encoding="utf-8")
    options = ["-ivy", str(module), "-confs", "default", "-types", "jar", "bundle", "-cache", str(scratch / "cache")]
    pattern = f"{scratch}/[artifact]-[revision].[ext]"
    command = [str(_needed_java()), "-Xmx256m", "-cp", f"{_pyspark_jars()}/*", "org.apache.ivy.Main", *options, "-retrieve", pattern]
    log: list[str] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace") as process:
        for line in process.stdout or ():
            log.append(line)
            if "[SUCCESSFUL" in line:
                say(f"fetched {line.split(']')[1].split('!')[0].strip()}")
    return "".join(log)


def _needed_java() -> Path:
    launcher = java_launcher()
    if launcher is None:
        raise ConfigError(
            "No Java was found to fetch jars with.",
            object="java",
            hint="Install Java 17 or 21 (scripts/setup_environment does), or set JAVA_HOME.",
        )
    return launcher


def _pyspark_jars() -> Path:
    spec = importlib.util.find_spec("pyspark")
    folder = Path(spec.origin).parent / "jars" if spec and spec.origin else None
    if folder is None or not folder.is_dir():
        raise ConfigError(
            "The package pyspark, whose Ivy fetches the jars, is not installed.",
            object="pyspark",
            hint="Install it with: pip install 'parity[local]'. A managed cluster brings its own jars and needs none of these.",
        )
    return folder


def _module(jars: Sequence[Jar]) -> str:
    lines = []
    for jar in jars:
        group, artifact, version = jar.coordinate.split(":")
        lines.append(f'<dependency org="{group}" name="{artifact}" rev="{version}" transitive="false" conf="default->master"/>')
    head = '<ivy-module version="2.0"><info organisation="parity" module="jars"/>'
    body = '<configurations><conf name="default"/></configurations><dependencies>'
    return "\n".join([head, body, *lines, "</dependencies></ivy-module>"])


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def main() -> None:
    """Fetch the jars of the set named as argument that are missing or damaged; exit as schemas.errors says on error."""
    try:
        wanted = [jar for jar in locked_jars(*sys.argv[1:2]) if not jar.is_intact()]
        if not wanted:
            return
        print(f"Fetching {len(wanted)} jars into {jar_folder()}", flush=True)
        fetch_jars(wanted, lambda line: print(line, flush=True))
    except ParityError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
