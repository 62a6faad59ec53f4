"""Table names as users write them to names that SQL takes literally."""

from __future__ import annotations

import re

from schemas.errors import ConfigError

__all__ = ["looks_like_path", "quoted_table"]

_PART = re.compile(r"`((?:[^`]|``)+)`|([^.`]+)")


def quoted_table(name: str, where: str) -> str:
    """Return `cat.db.t` with every part in backticks.

    Raises:
        ConfigError: it is no dotted name of at most many parts, each plain or in backticks.

    >>> quoted_table("cat.db.`my table`", "hive:…")
    '`cat`.`db`.`my table`'
    """
    parts: list[str] = []
    position = 0
    while True:
        match = _PART.match(name, position)
        if match is None:
            break
        parts.append(match.group(1) if match.group(1) is not None else match.group(2).replace("`", "``"))
        position = match.end()
        if position == len(name):
            return ".".join(f"`{part}`" for part in parts)
        if name[position] != ".":
            break
        position += 1
    raise ConfigError(
        f"{where}: {name!r} is no table name.", object=name, hint="Write catalog.db.table; a part with dots or blanks in backticks."
    )


def looks_like_path(name: str) -> bool:
    """Return whether a location is a folder rather than a name in a catalog.

    >>> looks_like_path("/data/t"), looks_like_path("s3a://b/t"), looks_like_path("cat.db.t")
    (True, True, False)
    """
    return "/" in name
