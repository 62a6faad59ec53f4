"""Whatever stops a command to one paragraph, an exit code, and no secret."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from jobs.output import write_whole
from jobs.stopping import INTERRUPTED, Stopped, ignore_interrupts, tell_stopped
from reports.terminal import render_error
from schemas.errors import MissingColumnError, ParityError, nearest
from schemas.verdict import ErrorDocument

__all__ = ["PlainEnd", "failure", "redacted", "report_failure"]

_PASSWORD_IN_URI = re.compile(r"(//[^/?#\s:]*:)([^/?#\s@]+)(?=@)")
_SECRET_WORDS = r"passw(?:or)?d|passphrase|pwd|token|secret|credential|signature|(?:account|access|api)[_.-]?key"
_SECRET_NAME = rf"[\w.-]*(?:{_SECRET_WORDS})[\w.-]*"
_SECRET_VALUE = re.compile(rf"(?i)(\b{_SECRET_NAME}\s*=\s*)(?![a-z]+://)([^\s&;,'\"]+)")
_AWS_KEY_ID = re.compile(r"\b(?:AKIA|ASIA|AROA|AIDA)[A-Z0-9]{16}\b")
_HIDDEN = "***"
_SEPARATORS = (";", "|", "\t")


def redacted(text: str, arguments: Sequence[str] = ()) -> str:
    """Return a text without the secrets that stand in it, or in the arguments of the command.

    >>> redacted("postgres://reader:hunter@db and token=abc").split()  # secret-scan: allow
    ['postgres://reader:***@db', 'and', 'token=***']
    >>> redacted("spark.x.secret is abc", ["spark.x.secret=abc"])
    'spark.x.secret is ***'
    """
    values = {match.group(2) for argument in arguments for form in (_PASSWORD_IN_URI, _SECRET_VALUE) for match in form.finditer(argument)}
    for value in sorted(values, key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", _HIDDEN, text)
    text = _PASSWORD_IN_URI.sub(rf"\1{_HIDDEN}", text)
    text = _SECRET_VALUE.sub(rf"\1{_HIDDEN}", text)
    return _AWS_KEY_ID.sub(_HIDDEN, text)


def failure(error: BaseException, arguments: Sequence[str]) -> ErrorDocument:
    """Return what to tell about an error; of one that nobody foresaw, the details go to a file that the document names.

    Args:
        error: anything but a verdict.
        arguments: of the command; secrets among them are hidden in the document and in the file.
    """
    error = _translated(error)
    if isinstance(error, ParityError):
        document = _of(error.exit_code, error.code, error.message, error.object, _with_separator(error, arguments))
    elif isinstance(error, click.ClickException):
        document = _usage(error)
    else:
        document = _unforeseen(error, arguments)
    fields = {name: redacted(text, arguments) for name, text in document.items() if isinstance(text, str)}
    return ErrorDocument.model_validate({**document, **fields})


def report_failure(document: ErrorDocument, json_target: str | None) -> None:
    """Print an error as one paragraph on stderr; where `--json` was asked for, the document goes there."""
    render_error(document, Console(stderr=True))
    if json_target is None:
        return
    text = document.model_dump_json(by_alias=True, indent=2) + "\n"
    if json_target == "-":
        click.echo(text, nl=False)
        return
    with contextlib.suppress(ParityError):  # it cannot be written either: the paragraph has said what matters
        write_whole(Path(json_target), text)


class PlainEnd(click.Command):
    """A command that ends with an exit code, and with one paragraph when something stops it; never with a traceback."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run the command line and leave with its exit code."""
        arguments = list(sys.argv[1:] if args is None else args)
        try:
            code = super().main(list(arguments), self.name, complete_var, standalone_mode=False, **extra)
        except (KeyboardInterrupt, click.Abort, Stopped) as stopped:
            if not isinstance(stopped, Stopped) or not stopped.told:
                tell_stopped()
            code = INTERRUPTED
        except click.UsageError as error:
            if not arguments and type(error).__name__ == "NoArgsIsHelpError":  # of click 8.2; older ones print the help themselves
                click.echo(error.format_message(), err=True)
                code = error.exit_code
            else:
                code = _reported(error, arguments)
        except Exception as error:  # noqa: BLE001 -- the last door: whatever it is, it is told in one paragraph
            code = _reported(error, arguments)
        if args is None:  # a process of its own: what is left to do is to leave
            ignore_interrupts()
        sys.exit(code or 0)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; Ctrl-C passes click, which would print an empty line."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise Stopped(told=False) from None


def _reported(error: BaseException, arguments: Sequence[str]) -> int:
    document = failure(error, arguments)
    report_failure(document, _json_target(arguments))
    return document.exit_code


def _json_target(arguments: Sequence[str]) -> str | None:
    """Return where `--json` points, also in a command line that cannot be parsed; None when it is not clear."""
    found = {argument.partition("=")[2] for argument in arguments if argument.startswith("--json=")}
    found |= {following for argument, following in pairwise(arguments) if argument == "--json"}
    found = {target for target in found if target == "-" or (target and not target.startswith("-"))}
    return next(iter(found)) if len(found) == 1 else None


def _translated(error: BaseException) -> BaseException:
    """Return what an error of Spark means, so that no Java reaches a person; any other error as it is."""
    if type(error).__module__.partition(".")[0] not in ("py4j", "pyspark"):
        return error
    from connectors import translate_spark_error

    return translate_spark_error(error, "Spark")


def _of(exit_code: int, code: str, message: str, about: str | None, hint: str | None) -> dict[str, int | str | None]:
    return {"exit_code": exit_code, "code": code, "message": message, "object": about, "hint": hint}


def _usage(error: click.ClickException) -> dict[str, int | str | None]:
    message, hint = " ".join(error.format_message().split()), "See parity --help."
    context = error.ctx if isinstance(error, click.UsageError) else None
    if context is not None:
        hint = f"See {context.command_path} --help."
    about = None
    if isinstance(error, click.NoSuchOption):
        about = error.option_name
        message = f"There is no option {about}."
        known = [name for parameter in context.command.get_params(context) for name in parameter.opts] if context else []
        close = sorted(error.possibilities or ()) or list(nearest(about, known))
        if close:
            hint = f"Did you mean {' or '.join(close[:3])}? {hint}"
    elif isinstance(error, click.BadParameter) and error.param is not None:
        about = error.param.opts[-1] if isinstance(error.param, click.Option) else error.param.human_readable_name
    return _of(2, "usage", message, about, hint)


def _with_separator(error: ParityError, arguments: Sequence[str]) -> str | None:
    """Return the hint of an error; where a CSV has one column only, whose name holds a separator, the option that splits it."""
    if not isinstance(error, MissingColumnError) or len(error.available) != 1 or not any(word.startswith("csv:") for word in arguments):
        return error.hint
    found = next((letter for letter in _SEPARATORS if letter in error.available[0]), None)
    if found is None:
        return error.hint
    side = "target" if error.table.startswith("target") else "source"
    written = "separator=tab" if found == "\t" else f"'separator={found}'"
    return f"That is one column: its fields are separated otherwise. Add --{side}-options {written}. {error.hint or ''}".rstrip()


def _unforeseen(error: BaseException, arguments: Sequence[str]) -> dict[str, int | str | None]:
    details = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    text = redacted(f"parity {' '.join(arguments)}\nPython {sys.version}\n\n{details}", arguments)
    what = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}".rstrip(": .")
    try:
        file, log = tempfile.mkstemp(prefix=f"parity-error-{time.strftime('%Y%m%d-%H%M%S')}-", suffix=".log", text=True)
        with os.fdopen(file, "w", encoding="utf-8", errors="backslashreplace") as handle:
            handle.write(text)
    except OSError:
        return _of(3, "unforeseen", f"Parity failed in a way it does not know ({what}).", None, "Please report this.")
    return _of(3, "unforeseen", f"Parity failed in a way it does not know ({what}).", None, f"Please report this, with the file {log}.")
