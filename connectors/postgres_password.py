"""Where the password of a PostgreSQL role comes from: a named place, PGPASSWORD or ~/.pgpass; never a URI."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn
from urllib.parse import unquote, urlsplit

from schemas.errors import ConfigError

__all__ = ["Password", "PasswordFile", "find_password", "read_password_file"]

_FORMS = "Write env://NAME for an environment variable or file:///path for a file that holds nothing else."
_OTHERS_MAY_READ = stat.S_IRWXG | stat.S_IRWXO
_WILDCARD = "*"


class Password:
    """A password that shows itself to nobody who does not ask for it by `reveal`."""

    __slots__ = ("_value", "origin")

    def __init__(self, value: str, origin: str) -> None:
        self._value = value
        self.origin = origin

    def reveal(self) -> str:
        """Return the password itself, for the one call that opens a connection."""
        return self._value

    def __repr__(self) -> str:
        return f"Password(from {self.origin})"

    __str__ = __repr__

    def __reduce__(self) -> NoReturn:
        raise TypeError("a password is not to be stored or sent")


@dataclass(frozen=True)
class PasswordFile:
    """What a password file says for one role.

    Attributes:
        password: None when no line fits or the file was left aside.
        ignored: why the file was left aside, as libpq does; else None.
    """

    password: Password | None = None
    ignored: str | None = None


def find_password(
    host: str, port: int, database: str, user: str, *, reference: str | None = None, environment: Mapping[str, str] | None = None
) -> PasswordFile:
    """Return the password for a role, from the first place that has one; the order is that of libpq.

    Args:
        reference: `env://NAME` or `file:///path`; when given, the only place that is asked.
        environment: variables; None takes those of this process.

    Raises:
        ConfigError: the reference has another form, or names nothing.
    """
    variables = os.environ if environment is None else environment
    if reference is not None:
        return PasswordFile(_referenced(reference, variables))
    if variables.get("PGPASSWORD"):
        return PasswordFile(Password(variables["PGPASSWORD"], "PGPASSWORD"))
    chosen = variables.get("PGPASSFILE")
    home = variables.get("HOME") or os.path.expanduser("~")
    return read_password_file(Path(chosen) if chosen else Path(home, ".pgpass"), host, port, database, user)


def read_password_file(path: Path, host: str, port: int, database: str, user: str) -> PasswordFile:
    """Return the password of the first line `host:port:database:user:password` that fits.

    As libpq reads it: `*` alone fits everything, a backslash takes `:` and itself literally, a line with `#` in front is a
    remark, and a file that others than its owner may read is left aside.
    """
    try:
        found = path.stat()
    except OSError:
        return PasswordFile()
    if not stat.S_ISREG(found.st_mode):
        return PasswordFile(ignored=f"{path.name} is no plain file")
    if os.name == "posix" and found.st_mode & _OTHERS_MAY_READ:
        return PasswordFile(ignored=f"{path.name} may be read by others than its owner (chmod 0600 it)")
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as exc:
        return PasswordFile(ignored=f"{path.name} cannot be read ({type(exc).__name__})")
    wanted = (host, str(port), database, user)
    for line in lines:
        if line.startswith("#"):
            continue
        fields = list(_fields(line))
        if len(fields) < 5:
            continue
        if all(raw == _WILDCARD or value == want for (raw, value), want in zip(fields, wanted, strict=False)):
            return PasswordFile(Password(fields[4][1], path.name) if fields[4][1] else None)
    return PasswordFile()


def _fields(line: str) -> Iterator[tuple[str, str]]:
    """Each field of a line, as written and with its backslashes resolved."""
    for match in re.finditer(r"((?:\\.|[^:\\]|\\$)*)(:|$)", line):
        yield match.group(1), re.sub(r"\\(.)", r"\1", match.group(1))
        if not match.group(2):
            return


def _referenced(reference: str, variables: Mapping[str, str]) -> Password:
    scheme, separator, name = reference.partition("://")
    if separator and scheme == "env" and re.fullmatch(r"[A-Za-z_]\w*", name):
        if not variables.get(name):
            raise ConfigError(f"password_secret: the environment variable {name} is not set.", object="password_secret", hint=_FORMS)
        return Password(variables[name], f"env://{name}")
    if separator and scheme == "file" and name.startswith("/"):
        path = Path(unquote(urlsplit(reference).path))
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as exc:
            raise ConfigError(
                f"password_secret: the file {path} cannot be read ({type(exc).__name__}).", object="password_secret", hint=_FORMS
            ) from None
        value = re.sub(r"\r?\n\Z", "", text)
        if not value or "\n" in value:
            what = "is empty" if not value else "holds more than one line"
            raise ConfigError(f"password_secret: the file {path} {what}.", object="password_secret", hint=_FORMS)
        return Password(value, "file")
    # Not repeated: someone may have written the password itself.
    raise ConfigError("password_secret: the value is no place that holds a secret.", object="password_secret", hint=_FORMS)
