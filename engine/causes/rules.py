"""The contract's text normalisers on one value in plain Python, to try a rule on the sample before it is proposed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pyspark.sql import types as T

from engine.rules import apply_in_python, parse_rules
from engine.rules.text import WHITE_SPACE
from engine.rules.unicode_text import canonical_json_text

__all__ = ["WHITE_SPACE", "apply_text_rules", "canonical_json_text"]

_TEXT = T.StringType()


def apply_text_rules(rules: Sequence[str]) -> Callable[[Any], Any]:
    """Return the composition of text normalisers, first one first; what is no text stays as it is.

    >>> apply_text_rules(("trim", "casefold"))(" Straße ")
    'strasse'
    """
    parsed = parse_rules(rules)

    def apply(value: Any) -> Any:
        for rule in parsed:
            if isinstance(value, str):
                value = apply_in_python(rule, value, _TEXT)
        return value

    return apply
