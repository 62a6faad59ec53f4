"""Text to text with the Unicode and JSON rules that Spark's own functions do not have. Standard library only: workers run this."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable
from typing import Any

__all__ = ["NORMALISERS", "canonical_json_text", "normalised"]

_NUMBER = re.compile(r"(-?)([0-9]+)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]+))?")


class _Number:
    """A JSON number as digits and a power of ten, so that no digit is lost."""

    def __init__(self, text: str) -> None:
        match = _NUMBER.fullmatch(text)
        if match is None:
            raise ValueError(text)
        sign, whole, fraction, exponent = match.groups()
        digits = (whole + (fraction or "")).lstrip("0")
        power = int(exponent or 0) - len(fraction or "")
        kept = digits.rstrip("0")
        power += len(digits) - len(kept)
        self.text = "0" if not kept else f"{sign}{kept}" if power == 0 else f"{sign}{kept}e{power}"


def _refuse(name: str) -> Any:
    raise ValueError(name)


def _written(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ",".join(f"{_written(key)}:{_written(value[key])}" for key in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_written, value)) + "]"
    if isinstance(value, _Number):
        return value.text
    return json.dumps(value, ensure_ascii=False)


def canonical_json_text(text: str) -> str:
    """Return the one form of a JSON document; text that is no JSON (RFC 8259) comes back as it is.

    Keys sorted, the last of equal keys wins, blanks gone, numbers compared by value with all their digits, as jsonb does.

    >>> canonical_json_text('{"b": 1.00, "a": 10, "a": 0.5}')
    '{"a":5e-1,"b":1}'
    >>> canonical_json_text("12345678901234567890.1") == canonical_json_text("12345678901234567890.2")
    False
    >>> canonical_json_text("{a}")
    '{a}'
    """
    try:
        found = _written(json.loads(text, parse_int=_Number, parse_float=_Number, parse_constant=_refuse))
        found.encode("utf-8")
    except (ValueError, RecursionError):
        return text
    return found


NORMALISERS: dict[str, Callable[[str], str]] = {
    "nfc": lambda text: unicodedata.normalize("NFC", text),
    "nfkc": lambda text: unicodedata.normalize("NFKC", text),
    "casefold": str.casefold,
    "json": canonical_json_text,
}


def normalised(raw: bytes | None, names: tuple[str, ...]) -> bytes | None:
    """Return UTF-8 text after the named rules; bytes that are no UTF-8 come back as they are."""
    if raw is None:
        return None
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw
    for name in names:
        text = NORMALISERS[name](text)
    return text.encode("utf-8")
