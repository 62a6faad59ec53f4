"""Documents to the same bytes on every machine."""

from __future__ import annotations

import hashlib
import json
from typing import Any

__all__ = ["canonical_bytes", "sha256_of"]


def canonical_bytes(document: Any) -> bytes:
    """Return the one UTF-8 form of a JSON document: keys sorted, no blanks, no escapes that are not needed.

    Source:
        RFC 8785 (JCS) for documents without floats outside 2**53; floats are written as Python's shortest form.

    >>> canonical_bytes({"b": 1, "a": ["é", None]})
    b'{"a":["\\xc3\\xa9",null],"b":1}'
    """
    text = json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return text.encode("utf-8")


def sha256_of(document: Any) -> str:
    """Return the SHA-256 hex digest of the canonical bytes of a document."""
    return hashlib.sha256(canonical_bytes(document)).hexdigest()
