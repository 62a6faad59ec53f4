"""Golden rows to the published file, by the reference alone.

Write it with `python -m engine.golden_vectors`, or see with `--check` whether it would change. A change means that Parity's hashes
changed, and is a new `canon` version.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pyspark.sql import types as T

from engine.canonical import unhashable
from engine.golden import encoded
from engine.golden_nested import NESTED_SETS
from engine.golden_scalars import SCALAR_SETS, Definition
from engine.portable import is_portable
from engine.published import write_or_check
from engine.reference import contract_digest, key_hash, row_hashes
from engine.reference_text import pct1_row_python

__all__ = ["rendered"]

_FILE = Path(__file__).parent.parent / "schemas" / "golden" / "canon_v1.json"


def _hex(number: int) -> str:
    return f"{number % 2**64:016x}"


def _row(columns: Sequence[tuple[str, T.DataType]], key: Sequence[tuple[str, T.DataType]], values: tuple[Any, ...]) -> dict[str, Any]:
    row = dict(zip((name for name, _ in columns), values, strict=True))
    plain, strong, proof = (row_hashes(columns, row, strength) for strength in ("64", "128", "sha256"))
    portable = all(is_portable(kind) for _, kind in columns)
    ordered = sorted(columns, key=lambda column: column[0])
    return {
        "values": [encoded(value, kind) for value, (_, kind) in zip(values, columns, strict=True)],
        "pct1": pct1_row_python((row[name], kind) for name, kind in ordered) if portable else None,
        "groups": [_hex(group) for group in plain.groups],
        "h1": _hex(plain.h1),
        "h2": _hex(plain.h2),
        "h2_128": _hex(strong.h2),
        "sha256": [_hex(proof.h1), _hex(proof.h2)],
        "key": _hex(key_hash(key, row)),
    }


def _set(definition: Definition) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    name, columns, key_names, postgres, rows = definition
    assert not any(unhashable(kind) for _, kind in columns)
    key = [column for column in columns if column[0] in key_names]
    schema = T.StructType([T.StructField(column, kind) for column, kind in columns])
    head = {
        "name": name,
        "ddl": ", ".join(f"{column} {kind.simpleString()}" for column, kind in columns),
        "schema": schema.jsonValue(),
        "key": list(key_names),
        "postgres": postgres,
        "digest": _hex(contract_digest(columns)),
        "key_digest": _hex(contract_digest(key)),
    }
    return head, [_row(columns, key, values) for values in rows]


def rendered() -> str:
    """Return the file: one line per row, so that a change shows where it is."""
    sets = []
    for definition in (*SCALAR_SETS, *NESTED_SETS):
        head, rows = _set(definition)
        lines = ",\n".join(f"  {_line(row)}" for row in rows)
        sets.append(f'{_line(head)[:-1]}, "rows": [\n{lines}\n]}}')
    return '{"_type": "parity.golden.v1", "canon": 1, "sets": [\n' + ",\n".join(sets) + "\n]}\n"


def _line(document: Any) -> str:
    return json.dumps(document, ensure_ascii=True)


def main(arguments: Sequence[str], path: Path = _FILE) -> int:
    """Write the file, or with `--check` say whether it would change; return the exit code."""
    wrong = "is not what the reference computes: the hashes changed, which needs a new canon version."
    return write_or_check(arguments, path, rendered(), module="engine.golden_vectors", wrong=wrong)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
