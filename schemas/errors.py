"""
Every error Parity raises on purpose.

* ParityError                 exit code
  x ConfigError               2   the run description is wrong; nothing was read
    + MissingExtraError           an optional dependency is not installed
  x InputError                2   the request does not fit the tables
    + MissingColumnError
    + MissingTableError           no such path, table, version or snapshot
  x SessionError              2   the Spark session is not configured as pinned
  x ConnectorError            3   the outside world said no
    + UnreadableDataError         the bytes are there and cannot be read as what they claim to be
    + TransientConnectorError     ... and may say yes if asked again
  x EngineError               3   Spark failed, or the engine caught itself in a contradiction
    + CanaryError                 the known answers came out wrong
  x StateError                3   another run owns this state

A difference between two tables is a result, not an error: see policy.verdict.
Exit 1 (FAIL) and 4 (INCONCLUSIVE) are verdicts and are never raised.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection

__all__ = [
    "CanaryError",
    "ConfigError",
    "ConnectorError",
    "EngineError",
    "InputError",
    "MissingColumnError",
    "MissingExtraError",
    "MissingTableError",
    "ParityError",
    "SessionError",
    "StateError",
    "TransientConnectorError",
    "UnreadableDataError",
    "nearest",
]


def nearest(name: str, available: Collection[str], count: int = 3) -> tuple[str, ...]:
    """Return the names most like `name`, best first, letter case ignored.

    >>> nearest("pirce", ["id", "price", "prize"])
    ('price', 'prize')
    """
    folded = {candidate.casefold(): candidate for candidate in available}
    close = difflib.get_close_matches(name.casefold(), list(folded), n=count, cutoff=0.6)
    return tuple(folded[match] for match in close)


class ParityError(Exception):
    """Base of every error raised on purpose.

    Attributes:
        exit_code: of the process.
        code: a stable word for machines.
        message: what is wrong and where, one sentence.
        object: the file, table, column or option concerned, or None.
        hint: what to do, or None.
    """

    exit_code: int = 3
    code: str = "error"

    def __init__(self, message: str, *, object: str | None = None, hint: str | None = None) -> None:
        self.message = message
        self.object = object
        self.hint = hint
        super().__init__(f"{message} {hint}" if hint else message)


class ConfigError(ParityError):
    """The run description is invalid; nothing was read or written."""

    exit_code = 2
    code = "config"


class MissingExtraError(ConfigError):
    """An optional dependency is not installed."""

    code = "missing_extra"

    def __init__(self, extra: str, package: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs the package {package}, which is not installed.",
            object=package,
            hint=f"Install it with: pip install 'parity[{extra}]'.",
        )


class InputError(ParityError):
    """The tables cannot be compared as described."""

    exit_code = 2
    code = "input"


class MissingColumnError(InputError):
    """A named column does not exist in the table."""

    code = "missing_column"

    def __init__(self, table: str, option: str, missing: Collection[str], available: Collection[str]) -> None:
        self.table = table
        self.missing = tuple(sorted(missing))
        self.available = tuple(available)
        close = sorted({name for wanted in self.missing for name in nearest(wanted, available)})
        shown = ", ".join(self.available[:20]) + (", …" if len(self.available) > 20 else "")
        super().__init__(
            f"{option}: {table} has no column {', '.join(self.missing)}.",
            object=self.missing[0],
            hint=(f"Did you mean {', '.join(close)}? " if close else "") + f"It has: {shown}.",
        )


class MissingTableError(InputError):
    """There is no such path, table, version or snapshot."""

    code = "missing_table"


class SessionError(ParityError):
    """A setting that the answer depends on is not what it must be."""

    exit_code = 2
    code = "session"


class ConnectorError(ParityError):
    """A source or sink failed for good."""

    exit_code = 3
    code = "connector"


class UnreadableDataError(ConnectorError):
    """The data are there and cannot be read as what they claim to be."""

    code = "unreadable_data"


class TransientConnectorError(ConnectorError):
    """A source or sink failed, and trying again may help."""

    code = "transient"


class EngineError(ParityError):
    """Spark failed, or the engine caught itself in a contradiction."""

    exit_code = 3
    code = "engine"


class CanaryError(EngineError):
    """The known answers came out wrong: this session computes hashes that cannot be trusted."""

    code = "canary"


class StateError(ParityError):
    """Another run owns this state."""

    exit_code = 3
    code = "state"
