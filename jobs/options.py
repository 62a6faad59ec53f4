"""Options of the command line that repeat, to the forms that `compare` takes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import click

from schemas.errors import ConfigError

__all__ = ["Once", "keys", "mapped", "name_list", "settings", "side_options"]

_NEXT_OPTION = re.compile(r",(?=[A-Za-z_][\w.-]*=)")


class Once(click.Option):
    """An option with one value; given again with another one, it is refused instead of the last one winning."""

    def __init__(self, *args: Any, **attributes: Any) -> None:
        super().__init__(*args, **{**attributes, "multiple": True})

    def process_value(self, ctx: click.Context, value: Any) -> Any:
        """Return the one value, or None when the option is not given."""
        found = list(dict.fromkeys(super().process_value(ctx, value) or ()))
        if len(found) > 1:
            raise click.UsageError(f"{self.opts[-1]} is given twice, with different values; it takes one.", ctx)
        return found[0] if found else None


def name_list(values: Sequence[str], option: str) -> tuple[str, ...] | None:
    """Return the names of an option that may be repeated and may hold commas; None when it is not given.

    >>> name_list(['a,b', '"c,d"'], "--key")
    ('a', 'b', 'c,d')
    """
    from jobs.request import split_list  # here, so that help and doctor need no Spark

    return tuple(name for text in values for name in split_list(text, option)) or None


def keys(values: Sequence[str], keyless: bool) -> tuple[str, ...] | None:
    """Return the key columns: empty = keyless on purpose, None = not said.

    Raises:
        ConfigError: both a key and `--no-key`.
    """
    found = name_list(values, "--key")
    if keyless and found:
        raise ConfigError(f"--key {', '.join(found)} and --no-key exclude each other.", object="--no-key", hint="Give one of the two.")
    return () if keyless else found


def mapped(values: Sequence[str]) -> dict[str, str] | None:
    """Return `--map source=target` options; either name may stand in quotes."""
    from jobs.request import pairs, unquoted

    return {source: unquoted(target, "--map") for source, target in pairs(values, "--map").items()} or None


def side_options(values: Sequence[str], option: str) -> dict[str, str] | None:
    """Return the options of one side, `name=value`, several of them separated by commas.

    A comma separates only where a name and `=` follow, and not inside double quotes, so values may hold commas.

    Raises:
        ConfigError: no `=`, or one name with two different values; values are not repeated in the message.

    >>> side_options(['header=false,separator=,,columns=a,b', 'quote="'], "--source-options")
    {'header': 'false', 'separator': ',', 'columns': 'a,b', 'quote': '"'}
    """
    found: dict[str, str] = {}
    for text in values:
        for part in _parts(text):
            _add(found, part, option)
    return found or None


def settings(values: Sequence[str]) -> dict[str, str]:
    """Return `--conf name=value` options; a value may hold anything.

    Raises:
        ConfigError: no `=`, or one name with two different values.
    """
    found: dict[str, str] = {}
    for text in values:
        _add(found, text, "--conf")
    return found


def _add(found: dict[str, str], text: str, option: str) -> None:
    name, separator, value = text.partition("=")
    name = name.strip()
    if not separator or not name:
        raise ConfigError(f"{option} {name}: not of the form name=value.", object=option, hint=f"Write {option} name=value.")
    if found.get(name, value) != value:
        raise ConfigError(f"{option} {name} is given twice, with different values.", object=option, hint="Keep one of them.")
    found[name] = value


def _parts(text: str) -> list[str]:
    parts: list[str] = []
    start = 0
    for match in _NEXT_OPTION.finditer(text):
        part = text[start : match.start()]
        if part.count('"') % 2 and not part.endswith('="'):
            continue
        parts.append(part)
        start = match.end()
    return [*parts, text[start:]]
