"""Files that people read: checked before the work starts, written whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path

from schemas.errors import ConfigError, ConnectorError

__all__ = ["check_writable", "write_whole"]

_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EIO)


def check_writable(path: Path, option: str) -> None:
    """Check, without touching it, that a file can be written there.

    Raises:
        ConfigError: its folder does not exist, it is a folder, or it may not be written.
    """
    folder = path.parent
    if path.is_dir():
        raise ConfigError(f"{option} {path}: this is a folder.", object=str(path), hint="Name a file in it.")
    if not folder.is_dir():
        raise ConfigError(f"{option} {path}: there is no folder {folder}.", object=str(path), hint="Make it first, or choose another path.")
    place = path if path.exists() and not path.is_file() else folder
    if not os.access(place, os.W_OK) or (path.is_file() and not os.access(path, os.W_OK)):
        raise ConfigError(f"{option} {path}: it may not be written.", object=str(path), hint="Choose another path, or mend its rights.")


def write_whole(path: Path, text: str) -> Path:
    """Write a text file so that nobody ever sees half of it, and return its path.

    What is no file (a pipe, a device) is written to directly.

    Raises:
        ConfigError: the folder does not exist, or may not be written to.
        ConnectorError: no space is left.
    """
    real = Path(os.path.realpath(path))
    draft = real.with_name(f".{real.name}.part")
    direct = path.exists() and not path.is_file()
    try:
        if direct:
            path.write_text(text, encoding="utf-8", errors="backslashreplace")
        else:
            draft.write_text(text, encoding="utf-8", errors="backslashreplace")
            draft.replace(real)
    except OSError as error:
        if not direct:
            with contextlib.suppress(OSError):
                draft.unlink()
        full = error.errno in _NO_SPACE
        raise (ConnectorError if full else ConfigError)(
            f"Cannot write {path}: {error.strerror or error}.",
            object=str(path),
            hint="Free some space, or choose another path." if full else "Choose another path.",
        ) from None
    return path
