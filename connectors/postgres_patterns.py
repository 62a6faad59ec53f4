"""`orders,line*` to the tables it names."""

from __future__ import annotations

import re
from collections.abc import Sequence

from schemas.errors import ConfigError

__all__ = ["matches", "parse_patterns"]

_QUOTED = re.compile(r'\s*"((?:[^"]|"")+)"\s*(,|$)')
_PLAIN = re.compile(r"\s*([^,\"]*[^,\"\s])\s*(,|$)")


def parse_patterns(text: str) -> tuple[re.Pattern[str], ...]:
    """Return what a list of names and patterns means: `*` any letters, `?` one letter; letters are taken as written.

    A name in double quotes is taken literally, commas and stars too.

    Raises:
        ConfigError: an empty entry, or a quote out of place.

    >>> [bool(pattern.fullmatch("lineitem")) for pattern in parse_patterns('orders,line*,"line*"')]
    [False, True, False]
    """
    found: list[re.Pattern[str]] = []
    position, ended = 0, False
    while not ended:
        quoted = _QUOTED.match(text, position)
        match = quoted or _PLAIN.match(text, position)
        if match is None:
            raise ConfigError(
                f"{text!r} is no list of tables.", object=text, hint='Write orders,line*,"name, with comma"; * stands for any letters.'
            )
        found.append(re.compile(re.escape(match.group(1).replace('""', '"')) if quoted else _pattern(match.group(1)), re.DOTALL))
        position, ended = match.end(), not match.group(2)
    return tuple(found)


def matches(name: str, patterns: Sequence[re.Pattern[str]]) -> bool:
    """Return whether one of the patterns is the whole name; no patterns fit everything."""
    return not patterns or any(pattern.fullmatch(name) for pattern in patterns)


def _pattern(text: str) -> str:
    wild = {"*": ".*", "?": "."}
    return "".join(wild.get(letter) or re.escape(letter) for letter in text)
