"""Ctrl-C in the moments when Python or PySpark would answer it with a traceback, or leave a JVM behind.

Importing this module makes Ctrl-C end the process with one word, until `imports_over`: the imports of a command take a moment.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["INTERRUPTED", "Stopped", "held_interrupts", "ignore_interrupts", "imports_over", "tell_stopped"]

INTERRUPTED = 130  # what a shell says of a program that Ctrl-C ended


def _leave(_number: int, _frame: FrameType | None) -> None:
    tell_stopped()
    os._exit(INTERRUPTED)


class Stopped(Exception):  # noqa: N818 -- no error: the user's wish
    """Ctrl-C, as an exception that click does not answer with an empty line. `told`: the word has been said."""

    def __init__(self, told: bool) -> None:
        super().__init__()
        self.told = told


def tell_stopped() -> None:
    """Say the word; on a terminal below the `^C`."""
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write("\nstopped\n" if sys.stderr.isatty() else "stopped\n")
        sys.stderr.flush()


def _is_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def imports_over() -> None:
    """Give Ctrl-C back to Python."""
    if _is_main_thread() and signal.getsignal(signal.SIGINT) is _leave:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def ignore_interrupts() -> None:
    """Let nothing disturb the end of the process."""
    if _is_main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def held_interrupts() -> Iterator[None]:
    """Answer Ctrl-C at once, and obey when the block is over; a second one ends the process there and then.

    PySpark that is interrupted while it starts Java leaves that Java running for ever.

    Raises:
        Stopped: Ctrl-C came.
    """
    if not _is_main_thread() or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    came: list[int] = []

    def hold(number: int, _frame: FrameType | None) -> None:
        if came:
            os._exit(INTERRUPTED)
        came.append(number)
        tell_stopped()

    signal.signal(signal.SIGINT, hold)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGINT) is hold:  # SparkContext puts its own there, which stops the jobs first
            signal.signal(signal.SIGINT, signal.default_int_handler)
        if came:
            raise Stopped(told=True)


if _is_main_thread() and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, _leave)
