"""Values to their forms: what kind of character stands where, and not which."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from schemas.agent_output import ValuePattern

__all__ = ["form_of", "frequent_forms"]

_SHOWN_FORMS = 10
_SHOWN_CHARS = 40
_SHARED_BY = 2  # a form that one value alone has may give it away


def form_of(value: str) -> str:
    """Return a value with `A` for capitals, `a` for other letters, `9` for digits; other characters as they are, at most 40.

    >>> form_of("Öl-4711 b"), form_of("2020-01-31")
    ('Aa-9999 a', '9999-99-99')
    """
    form = "".join(_class(character) for character in value[: _SHOWN_CHARS + 1])
    return form if len(form) <= _SHOWN_CHARS else form[:_SHOWN_CHARS] + "…"


def frequent_forms(values: Iterable[str]) -> tuple[ValuePattern, ...]:
    """Return the ten most frequent forms that several values have, with their counts."""
    counted = Counter(form_of(value) for value in values if value)
    ordered = sorted(counted.items(), key=lambda found: (-found[1], found[0]))
    return tuple(ValuePattern(form=form, count=count) for form, count in ordered if count >= _SHARED_BY)[:_SHOWN_FORMS]


def _class(character: str) -> str:
    if character.isalpha():
        return "A" if character.isupper() else "a"
    if character.isnumeric():
        return "9"
    return character if character.isprintable() else "·"
