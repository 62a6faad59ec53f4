"""Why two texts differ when characters were lost or misread: encodings, replacement and invisible characters."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from engine.causes.model import Candidate, Cell, Remedy, Side
from schemas.evidence_rows import ColumnMeta

__all__ = ["encoding_causes"]

_REPLACEMENTS = "?\ufffd\x1a¿"
# Soft hyphen, zero-width characters, directional marks, word joiner, byte-order mark, NUL; a no-break space becomes a blank.
_INVISIBLE = "\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\ufeff\x00"
_TABLE = {**{ord(character): None for character in _INVISIBLE}, 0xA0: " ", 0x202F: " "}


def encoding_causes(meta: ColumnMeta, cells: Sequence[Cell], context: Sequence[Any]) -> Iterator[Candidate]:
    """Yield the causes that explain at least one of the text cells."""
    pairs = [(cell.source, cell.target) for cell in cells if isinstance(cell.source, str) and isinstance(cell.target, str)]
    if not pairs or meta.family not in ("text", "variant"):
        return
    yield from _invisible(pairs)
    for side in ("target", "source"):
        ordered = pairs if side == "target" else [(t, s) for s, t in pairs]
        for cause, name, test, phrase, remedy, simplicity, affects in _tests(side):
            if any(s != t and test(s, t) for s, t in ordered):
                yield Candidate(cause, (side, name), phrase, _sided(test, side), remedy, simplicity, affects)


def _sided(test: Callable[[str, str], bool], side: str) -> Callable[[Any, Any], bool]:
    """Return the test of (good, damaged) as a test of (source, target)."""

    def explains(source: Any, target: Any) -> bool:
        if not (isinstance(source, str) and isinstance(target, str)) or source == target:
            return False
        return test(source, target) if side == "target" else test(target, source)

    return explains


def _invisible(pairs: Sequence[tuple[str, str]]) -> Iterator[Candidate]:
    def clean(text: str) -> str:
        return text.translate(_TABLE)

    if any(clean(s) == clean(t) for s, t in pairs):
        yield Candidate(
            "invisible_characters",
            (),
            "the values differ only in characters nobody sees (byte-order mark, zero-width, no-break space, NUL)",
            lambda s, t: isinstance(s, str) and isinstance(t, str) and s != t and clean(s) == clean(t),
            Remedy(
                "spark",
                expression="regexp_replace(regexp_replace({c}, '" + _pattern(_INVISIBLE) + "', ''), '" + _pattern("\xa0\u202f") + "', ' ')",
            ),
            9,
            lambda value: isinstance(value, str) and clean(value) != value,
        )


def _pattern(characters: str) -> str:
    """Return a Java character class inside a Spark SQL literal, whose backslashes are doubled."""
    return "[" + "".join(f"\\\\x{{{ord(character):x}}}" for character in characters) + "]"


_Test = tuple[str, str, Callable[[str, str], bool], str, Remedy, int, Callable[[Any], bool]]


# Only what is UTF-8 once it is bytes again: other texts of the column were read rightly, and decode() would stop at them.
_BYTES = "CAST(encode({c}, 'ISO-8859-1') AS STRING)"
_READ_AGAIN = f"CASE WHEN NOT {{c}} RLIKE '[^\\\\x00-\\\\xFF]' AND is_valid_utf8({_BYTES}) THEN {_BYTES} ELSE {{c}} END"


def _tests(side: str) -> Iterator[_Test]:
    other: Side = "source" if side == "target" else "target"
    here: Side = "target" if side == "target" else "source"
    reload = Remedy(
        "reload",
        text=f"Load {{column}} of the {side} again with UTF-8 on the whole way: the lost characters are not in the {side} any more.",
    )
    yield (
        "mojibake",
        "latin-1",
        lambda good, bad: _misread(good, "latin-1") == bad,
        f"the {side} holds UTF-8 text that was read as ISO-8859-1",
        Remedy("spark", expression=_READ_AGAIN, side=here),
        8,
        _not_ascii,
    )
    yield (
        "mojibake",
        "cp1252",
        lambda good, bad: _misread(good, "cp1252") == bad,
        f"the {side} holds UTF-8 text that was read as Windows-1252",
        Remedy("reload", text=f"Load {{column}} of the {side} again, reading the file as UTF-8."),
        9,
        _not_ascii,
    )
    yield (
        "replacement_characters",
        "",
        _replaced,
        f"the {side} holds a replacement character (? or U+FFFD) where the {other} holds one outside ASCII",
        reload,
        10,
        _not_ascii,
    )
    yield (
        "accents_lost",
        "",
        lambda good, bad: bad.isascii() and _without_marks(good) == bad,
        f"the {side} has lost the accents of letters",
        reload,
        14,
        _not_ascii,
    )
    yield (
        "dropped_characters",
        "",
        lambda good, bad: not good.isascii() and good.encode("ascii", "ignore").decode() == bad,
        f"the {side} has lost all characters outside ASCII",
        Remedy("spark", expression="regexp_replace({c}, '[^\\\\x{0}-\\\\x{7f}]', '')", note=f"compares only what the {side} kept"),
        15,
        _not_ascii,
    )


def _not_ascii(value: Any) -> bool:
    return isinstance(value, str) and not value.isascii()


def _misread(text: str, encoding: str) -> str | None:
    if text.isascii():
        return None
    try:
        return text.encode("utf-8").decode(encoding)
    except (UnicodeDecodeError, UnicodeEncodeError):
        return None


def _without_marks(text: str) -> str:
    return "".join(character for character in unicodedata.normalize("NFD", text) if not unicodedata.combining(character))


def _replaced(good: str, bad: str) -> bool:
    """Return whether `bad` is `good` with one or more replacement characters per run of characters that were lost."""
    if good.isascii() or not any(mark in bad for mark in _REPLACEMENTS):
        return False
    position = 0
    index = 0
    while index < len(good):
        if position < len(bad) and bad[position] == good[index]:
            position, index = position + 1, index + 1
            continue
        if good[index].isascii():
            return False
        taken = 0
        while index < len(good) and not good[index].isascii() and not (position < len(bad) and bad[position] == good[index]):
            taken, index = taken + len(good[index].encode("utf-8", "replace")), index + 1
        marks = position
        while marks < len(bad) and bad[marks] in _REPLACEMENTS and marks - position < taken:
            if index < len(good) and bad[marks] == good[index] and marks > position and bad[marks:] == good[index:]:
                break
            marks += 1
        if marks == position:
            return False
        position = marks
    return position == len(bad)
