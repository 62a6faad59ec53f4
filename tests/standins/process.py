"""Start-up and shut-down of the servers used by the stand-ins beside this file."""

from __future__ import annotations

import signal
import socket
import time

__all__ = ["ServerError", "free_port", "wait_for_interrupt"]


class ServerError(RuntimeError):
    """A stand-in did not start; the message ends with the last lines of its log."""


def free_port() -> int:
    """Return a loopback port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_interrupt() -> None:
    """Sleep until Ctrl-C or SIGTERM, so that the servers of a script are stopped either way."""
    for number in (signal.SIGTERM, signal.SIGINT):  # a shell's background job starts with SIGINT ignored
        signal.signal(number, _interrupt)
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        return


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt
