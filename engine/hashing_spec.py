"""What the hashes are, as a document for machines: `policy/hashing_spec.json`, from the constants and functions that compute them.

Write it with `python -m engine.hashing_spec`, or see with `--check` whether it would change.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from pyspark.sql import types as T

from engine.canonical import family
from engine.hashing import CANON, GROUP_WIDTH, GUARD_BYTES, SECOND_CHAIN, SEED
from engine.portable import is_portable
from engine.published import write_or_check
from engine.reference import contract_digest, key_hash, row_hashes, tokens_of
from engine.reference_text import pct1_value_python
from engine.rules import RULE_FORMS
from engine.sampling import SPACE

__all__ = ["rendered"]

_FILE = Path(__file__).parent.parent / "policy" / "hashing_spec.json"

# type, how a value becomes bytes, an example
_TOKENS: tuple[tuple[T.DataType, str, Any], ...] = (
    (T.BooleanType(), "0 or 1, 4 bytes little-endian", True),
    (T.LongType(), "8 bytes little-endian; all integer widths widen to it", -2),
    (T.DecimalType(18, 2), "precision up to 18: unscaled integer, 8 bytes little-endian", Decimal("1.50")),
    (T.DecimalType(38, 2), "wider: unscaled integer, minimal two's complement, big-endian", Decimal("1.50")),
    (T.DoubleType(), "IEEE 754 bits, 8 bytes little-endian; -0.0 is 0.0, one NaN", -0.0),
    (T.FloatType(), "IEEE 754 bits, 4 bytes little-endian; -0.0 is 0.0, one NaN", 0.5),
    (T.DateType(), "days since 1970-01-01, proleptic Gregorian, 4 bytes little-endian", -141_427),
    (T.TimestampType(), "microseconds since 1970-01-01 00:00:00 UTC, 8 bytes little-endian", -1),
    (T.TimestampNTZType(), "microseconds since 1970-01-01 00:00:00 of the wall clock, 8 bytes little-endian", 1),
    (T.YearMonthIntervalType(), "three tokens of 8 bytes: months, 0, 0", 14),
    (T.DayTimeIntervalType(), "three tokens of 8 bytes: 0, 0, microseconds", 1_000_000),
    (T.StringType(), "UTF-8 bytes as stored", "é"),
    (T.BinaryType(), "the bytes", b"\x00\xff"),
    (T.VariantType(), "UTF-8 bytes of the canonical JSON text", '{"a":1}'),
    (T.ArrayType(T.LongType()), "size, has_null (4 bytes), with nulls a flag (4 bytes) per element, elements not NULL", [1, None]),
    (T.ArrayType(T.ArrayType(T.LongType())), "containers inside containers stand as their own hash, 8 bytes", [[1]]),
    (T.StructType([T.StructField("a", T.LongType())]), "the tokens of its fields, in order", (1,)),
    (T.MapType(T.StringType(), T.LongType()), "size, then per entry the own hashes of key and value, sorted as signed pairs", {"a": 1}),
)  # fmt: skip


def _token(kind: T.DataType, rule: str, example: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"type": kind.simpleString(), "family": family(kind), "token": rule, "portable": is_portable(kind)}
    found["example"] = {"value": repr(example), "tokens": [token.hex() for token in tokens_of(example, kind)]}
    if is_portable(kind):
        found["example"]["pct1"] = pct1_value_python(example, kind)
    return found


def document() -> dict[str, Any]:
    """Return the specification as a JSON document."""
    columns = [("id", T.LongType()), ("name", T.StringType())]
    row = {"id": 1, "name": None}
    found = row_hashes(columns, row)
    return {
        "_type": "parity.hashing_spec.v1",
        "canon": CANON,
        "hash": {
            "algorithm": "XXH64",
            "chain": "H(seed; t1, …): h = seed; h = XXH64(bytes(t), seed = h) for every token that is not NULL; read as signed 64 bits",
            "seed": SEED,
            "own_hash": "of a value inside a container: H(seed; null bitmap words, tokens) of it as the only column",
        },
        "row": {
            "order": "columns by canonical name, code point by code point",
            "group_width": GROUP_WIDTH,
            "null_bitmap": "bit i of the group, 1 = NULL, words of 64, first bit lowest, before the tokens; a struct's before its fields'",
            "group": "g = H(seed; bitmap words, tokens)",
            "h1": "H(seed; 1, contract digest, g1, …, gm)",
            "h2": "H(seed; 2, contract digest, g1, …, gm, guard)",
            "guard": f"murmur3 (Spark's `hash`, seed {SEED}) of text, binary, variant values of {GUARD_BYTES} bytes or more; NULL without",
            "guard_bytes": GUARD_BYTES,
            "strength_128": f"in h2, groups that begin with the token {SECOND_CHAIN} instead of g",
            "second_chain": str(SECOND_CHAIN),
            "strength_sha256": "instead of groups and guard, one token: the lower-case hex SHA-256 of the row's PCT-1 text",
        },
        "key": "H(seed; digest of the key columns, bitmap words, tokens), one group of any width",
        "contract_digest": "first 8 bytes, big-endian, signed, of the SHA-256 of the canonical JSON {canon, columns: [[name, type], …]}",
        "tokens": [_token(*token) for token in _TOKENS],
        "pct1": {
            "row": "per column 'N;' if NULL, else octet_length(t) ':' t ';'",
            "one_run_only": "floats as the hex XXH64 of their token; A<count>; M<count>; S<count>; before the parts of array, map, struct",
        },
        "sampling": {"digest": "SHA-256 of the key's PCT-1 text", "compare": "last 8 hex digits < K, 8 hex digits", "space": str(SPACE)},
        "rules": list(RULE_FORMS),
        "example": {
            "columns": [[name, kind.simpleString()] for name, kind in columns],
            "row": row,
            "digest": str(contract_digest(columns)),
            "groups": [str(group) for group in found.groups],
            "h1": str(found.h1),
            "h2": str(found.h2),
            "key": str(key_hash(columns[:1], row)),
        },
    }  # fmt: skip


def rendered() -> str:
    """Return the text of the file."""
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"


def main(arguments: Sequence[str], path: Path = _FILE) -> int:
    """Write the file, or with `--check` say whether it would change; return the exit code."""
    wrong = "is not what the code says; run: python -m engine.hashing_spec"
    return write_or_check(arguments, path, rendered(), module="engine.hashing_spec", wrong=wrong)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
