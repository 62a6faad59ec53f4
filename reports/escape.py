"""Values to what may be shown: nothing invisible, nothing that a terminal, a browser or Markdown would obey."""

from __future__ import annotations

import json
import re
import unicodedata
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["Piece", "ascii_only", "crop", "json_for_script", "markdown_code", "markdown_prose", "pieces", "plain", "plain_piece"]

Kind = Literal["text", "mark", "chip", "gap", "null", "empty", "masked"]

_LINES = {"\t": "⇥", "\n": "↵", "\r": "␍"}
# Letters and marks that are drawn as nothing although Unicode calls them visible: fillers, grapheme joiner, selectors.
_BLANK = frozenset({0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0, 0xFFFC, 0xFFFD})
_HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_DIACRITICS = ((0x0300, 0x036F), (0x1AB0, 0x1AFF), (0x1DC0, 0x1DFF), (0x20D0, 0x20FF), (0xFE20, 0xFE2F))
_SELECTORS = ((0x180B, 0x180F), (0xFE00, 0xFE0F), (0xE0100, 0xE01EF))


@dataclass(frozen=True)
class Piece:
    """A run of characters shown in one way.

    Attributes:
        text: what to show; free of control characters.
        kind: `text` as it is, `mark` a sign standing for a blank, `chip` a code point, `gap` characters left out,
            `null`, `empty` and `masked` values.
        changed: it differs from the other side.
    """

    text: str
    kind: Kind = "text"
    changed: bool = False


def _within(code: int, ranges: tuple[tuple[int, int], ...]) -> bool:
    return any(low <= code <= high for low, high in ranges)


def _sign(char: str, changed: bool) -> tuple[str, Kind] | None:
    """Return the sign that stands for a character one could not see, or None when it can be seen."""
    code = ord(char)
    if 0x20 < code < 0x7F:
        return None
    if char == " ":
        return ("·", "mark") if changed else None
    if char in _LINES:
        return _LINES[char], "mark"
    if code < 0x20:
        return chr(0x2400 + code), "chip"
    if code == 0x7F:
        return "␡", "chip"
    category = unicodedata.category(char)
    hidden = category in _HIDDEN_CATEGORIES or category == "Zs" or code in _BLANK or _within(code, _SELECTORS)
    combining = category in {"Mn", "Me"} and (changed or _within(code, _DIACRITICS))
    return (f"U+{code:04X}", "chip") if hidden or combining else None


def pieces(value: str, *, changed: bool = False, first: bool = True, last: bool = True) -> tuple[Piece, ...]:
    """Return a value cut into pieces in which every character can be seen.

    Args:
        value: a value, or a part of one.
        changed: the part differs from the other side; then every blank is marked.
        first, last: the part begins, ends the value; then leading, trailing blanks are marked.

    >>> [piece.text for piece in pieces("a\\x1b[31m ")]
    ['a', '␛', '[31m', '·']
    """
    start = len(value) - len(value.lstrip(" ")) if first else 0
    stop = len(value.rstrip(" ")) if last else len(value)
    found: list[Piece] = []
    run: list[str] = []

    def flush() -> None:
        if run:
            found.append(Piece("".join(run), changed=changed))
            run.clear()

    for position, char in enumerate(value):
        edge = char == " " and (position < start or position >= stop)
        sign = ("·", "mark") if edge else _sign(char, changed)
        if sign is None:
            run.append(char)
            continue
        flush()
        text, kind = sign
        previous = found[-1] if found else None
        if previous is not None and previous.kind == kind == "mark":
            found[-1] = Piece(previous.text + text, "mark", changed)
        else:
            found.append(Piece(text, "chip" if kind == "chip" else "mark", changed))
    flush()
    return tuple(found)


def plain_piece(piece: Piece) -> str:
    """Return a piece as plain text; whatever is not the value itself stands in angle brackets."""
    if piece.kind in {"text", "mark", "gap"}:
        return piece.text
    return f"<{piece.text}>" if len(piece.text) > 1 else piece.text


def plain(text: str, *, lines: bool = True) -> str:
    """Return a name or sentence with every control, bidirectional and zero-width character made visible.

    Args:
        text: a name, a sentence, a statement of SQL.
        lines: keep line feeds and tabs as they are.

    >>> plain("a\\x1b[0m\\u202eb")
    'a␛[0m<U+202E>b'
    """
    if text.isascii() and text.isprintable():
        return text
    shown: list[str] = []
    for char in text:
        if lines and char in "\n\t":
            shown.append(char)
            continue
        sign = None if char == " " or unicodedata.combining(char) else _sign(char, changed=False)
        shown.append(char if sign is None else f"<{sign[0]}>" if len(sign[0]) > 1 else sign[0])
    return "".join(shown)


def crop(text: str, limit: int) -> str:
    """Return the text, or its beginning and the number of characters left out.

    Args:
        text: any text.
        limit: characters kept at most, >= 1.

    >>> crop("abcdef", 4)
    'abcd… (+2 characters)'
    """
    return text if len(text) <= limit else f"{text[:limit]}… (+{len(text) - limit:,} characters)"


_ASCII = str.maketrans(
    {
        "…": "...", "·": ".", "–": "-", "—": "-", "×": "x", "≤": "<=", "≥": ">=", "≠": "!=", "→": "->", "⇥": "<tab>", "↵": "<newline>",
        "␍": "<CR>", "✓": "ok", "✗": "x", "─": "-", "█": "#", "│": "|", "•": "*", "⟦": "[", "⟧": "]", "ε": "eps",
        **{chr(0x2400 + code): f"<U+{code:04X}>" for code in range(0x20) if code not in (0x09, 0x0A, 0x0D)}, "␡": "<U+007F>",
    }
)  # fmt: skip
_LOWERED = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")
_RAISED = re.compile("[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+")


def ascii_only(text: str) -> str:
    """Return the text in ASCII, for outputs that can carry nothing else.

    >>> ascii_only("1 ≤ 2 … é")
    '1 <= 2 ... <U+00E9>'
    """
    if text.isascii():
        return text
    text = _RAISED.sub(lambda found: "^" + found.group().translate(_LOWERED), text)
    return "".join(char if char.isascii() else f"<U+{ord(char):04X}>" for char in text.translate(_ASCII))


def json_for_script(document: Any) -> str:
    """Return JSON that may stand inside a `<script type="application/json">`: it cannot end the element.

    >>> json_for_script("</script>\\u2028")
    '"\\\\u003c/script\\\\u003e\\\\u2028"'
    """
    text = json.dumps(document, ensure_ascii=True, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


# Signs that make markup anywhere in a line; a line never begins with data.
_MARKDOWN = re.compile(r"[\\`*{}\[\]<>#|~&!@$]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|:(?=//)|(?<=www)\.", re.IGNORECASE)
_AUTOMATIC = re.compile(r"([@#]|://|www\.|\bGH-)", re.IGNORECASE)
_JOINER = "\u2060"


def _entities(text: str) -> str:
    return _MARKDOWN.sub(lambda found: f"&#{ord(found.group())};", text)


def markdown_prose(text: str) -> str:
    """Return text that Markdown shows as it is: no markup, no mention, no issue link, no autolink, one line.

    Source:
        GitHub Flavored Markdown 6.2: an entity is never read as structure. Mentions and links are found later, in the
        finished text, so a word joiner (not drawn) breaks them.

    >>> markdown_prose("a|b")
    'a&#124;b'
    """
    shown = plain(text, lines=False)
    return "".join(_entities(part) + (_JOINER if _AUTOMATIC.fullmatch(part) else "") for part in _AUTOMATIC.split(shown) if part)


def markdown_code(text: str) -> str:
    """Return a value as inline code. GitHub looks for mentions and links outside of `<code>` only.

    >>> markdown_code("`x`|<b>")
    '<code>&#96;x&#96;&#124;&#60;b&#62;</code>'
    """
    return f"<code>{_entities(plain(text, lines=False))}</code>" if text else "<code></code>"
