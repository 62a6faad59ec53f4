"""`spark-submit --py-files parity.zip jobs/postgres_to_s3.py --plan plan.yaml …`: the same as `parity run plan.yaml …`."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """Run a plan under spark-submit; `--plan FILE` stands for the argument of `parity run`."""
    from jobs.cli import main as parity

    words = list(sys.argv[1:])
    if "--plan" in words and words.index("--plan") + 1 < len(words):
        place = words.index("--plan")
        words[place : place + 2] = [words[place + 1]]
    else:
        words = [word.removeprefix("--plan=") for word in words]
    parity(["run", *words])


if __name__ == "__main__":
    main()
