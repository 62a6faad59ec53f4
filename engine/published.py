"""Files of the repository that are computed from the code: written anew, or checked."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

__all__ = ["write_or_check"]


def write_or_check(arguments: Sequence[str], path: Path, text: str, *, module: str, wrong: str) -> int:
    """Write a file, or with `--check` say whether it would change.

    Args:
        arguments: of the command line.
        text: what the file has to hold.
        module: whose command line it is.
        wrong: what to say, after the file's name, when it would change.

    Returns:
        The exit code: 1 when a checked file would change, 2 for other arguments.
    """
    if list(arguments) not in ([], ["--check"]):
        print(f"usage: python -m {module} [--check]", file=sys.stderr)
        return 2
    different = not path.exists() or path.read_text(encoding="utf-8") != text
    if arguments:
        if different:
            print(f"{path.name} {wrong}", file=sys.stderr)
        return int(different)
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    print(f"{path.name}: {'written' if different else 'unchanged'}, {len(text.splitlines())} lines")
    return 0
