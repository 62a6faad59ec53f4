"""The options of one side, checked by name and by value."""

from __future__ import annotations

import csv
from collections.abc import Collection, Mapping

from schemas.errors import ConfigError, nearest

__all__ = ["character", "check_names", "choice", "names", "truth", "typed_names"]

_TRUE = {"true", "yes", "on", "1"}
_FALSE = {"false", "no", "off", "0"}
_CHARACTERS = {"tab": "\t", "\\t": "\t", "\\\\": "\\", "\\0": "\0", "comma": ",", "semicolon": ";", "pipe": "|", "space": " "}


def check_names(options: Mapping[str, str], known: Collection[str], where: str) -> None:
    """Check that every option is one this door knows.

    Raises:
        ConfigError: an unknown name; the nearest known ones are named, values never are.
    """
    for name in options:
        if name not in known:
            close = nearest(name, known)
            offered = f"It knows: {', '.join(sorted(known))}." if known else "It has no options."
            raise ConfigError(
                f"{where}: unknown option {name}.",
                object=name,
                hint=(f"Did you mean {', '.join(close)}? " if close else "") + offered,
            )


def truth(options: Mapping[str, str], name: str, default: bool) -> bool:
    """Return a yes/no option."""
    if name not in options:
        return default
    value = options[name].strip().lower()
    if value in _TRUE:
        return True
    if value in _FALSE:
        return False
    raise ConfigError(f"Option {name}: {options[name]!r} is neither true nor false.", object=name, hint="Write true or false.")


def choice(options: Mapping[str, str], name: str, allowed: Collection[str], default: str | None) -> str | None:
    """Return an option that has a fixed set of values."""
    if name not in options:
        return default
    if options[name] in allowed:
        return options[name]
    raise ConfigError(
        f"Option {name}: {options[name]!r} is not one of its values.", object=name, hint=f"Write {' or '.join(sorted(allowed))}."
    )


def character(options: Mapping[str, str], name: str, default: str | None) -> str | None:
    """Return an option of one character; `tab`, `\\t`, `comma`, `semicolon`, `pipe`, `space` are understood, `none` is None."""
    if name not in options:
        return default
    value = options[name]
    if value == "none":
        return None
    value = _CHARACTERS.get(value, value)
    if len(value) != 1 or value in "\r\n":
        raise ConfigError(
            f"Option {name}: {options[name]!r} is not one character.",
            object=name,
            hint="Write one character, tab, semicolon, pipe or none.",
        )
    return value


def names(options: Mapping[str, str], name: str) -> tuple[str, ...] | None:
    """Return a list of names; one that holds a comma is written in double quotes."""
    if name not in options:
        return None
    found = next(csv.reader([options[name]], skipinitialspace=True), [])
    if not found or not all(found):
        raise ConfigError(f"Option {name}: an empty name.", object=name, hint=f'Write {name}=a,b,"c, with comma".')
    if len(set(found)) < len(found):
        twice = sorted({one for one in found if found.count(one) > 1})
        raise ConfigError(f"Option {name}: {', '.join(twice)} is named twice.", object=name, hint="Give every column a name of its own.")
    return tuple(found)


def typed_names(options: Mapping[str, str], name: str) -> dict[str, str]:
    """Return `{column: type}` of an option written `column:type,column:type`."""
    found: dict[str, str] = {}
    for entry in names(options, name) or ():
        column, separator, type_text = entry.rpartition(":")
        if not separator or not column or not type_text:
            raise ConfigError(f"Option {name}: {entry!r} is not column:type.", object=name, hint=f"Write {name}=dt:date,region:int.")
        found[column] = type_text
    return found
