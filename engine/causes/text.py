"""Why two texts differ: blanks, case, Unicode form, truncation, and other ways of writing the same."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from engine.causes.model import Candidate, Cell, Remedy
from engine.causes.rules import WHITE_SPACE, apply_text_rules, canonical_json_text
from schemas.evidence_rows import ColumnMeta

__all__ = ["text_causes"]

Pair = tuple[str, str]

# name, rules, what is seen, simplicity
_NORMALISED = (
    ("char_padding", ("pad",), "one side is padded with blanks at the end to a fixed width, as CHAR columns are", 9),
    ("trim_trailing", ("rtrim",), "the values differ only in blanks at the end", 10),
    ("trim_leading", ("ltrim",), "the values differ only in blanks at the start", 11),
    ("trim_both", ("trim",), "the values differ only in blanks at their ends", 12),
    ("case", ("casefold",), "the values differ only in upper and lower case", 13),
    ("unicode_form", ("nfc",), "the values differ only in their Unicode form (NFC or NFD)", 14),
    ("compatibility_form", ("nfkc",), "the values differ only in compatibility characters (Unicode NFKC)", 15),
    ("case_and_blanks", ("trim", "casefold"), "the values differ in blanks at their ends and in case", 20),
    ("unicode_form_and_blanks", ("nfc", "trim"), "the values differ in their Unicode form and in blanks at their ends", 21),
    ("unicode_form_and_case", ("nfc", "casefold"), "the values differ in their Unicode form and in case", 22),
    ("text_form", ("nfkc", "trim", "casefold"), "the values differ only in Unicode form, blanks and case", 23),
)
_MASK = re.compile(r"[*#•xX]{2,}\w{0,4}|\w{0,4}[*#•xX]{3,}\w{0,4}")
_EXPONENT = re.compile(r"[+-]?\d(?:[.,]\d+)?[eE][+-]?\d+")
_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d{1,3})?")
_DIGESTS: tuple[tuple[str, int, str], ...] = (("md5", 32, "md5({c})"), ("sha1", 40, "sha1({c})"), ("sha256", 64, "sha2({c}, 256)"))
_TRUNCATIONS_TRIED = 3


def text_causes(meta: ColumnMeta, cells: Sequence[Cell], context: Sequence[Any]) -> Iterator[Candidate]:
    """Yield the causes that explain at least one of the text cells."""
    pairs = [(cell.source, cell.target) for cell in cells if isinstance(cell.source, str) and isinstance(cell.target, str)]
    if not pairs or meta.family not in ("text", "variant"):
        return
    yield from _normalised(pairs)
    yield from _truncated(pairs, [value for value in context if isinstance(value, str)])
    yield from _affixed(pairs)
    yield from _rewritten(pairs)
    yield from _numbers_as_text(pairs)
    yield from _disguised(pairs)


def _on_texts(function: Callable[[str, str], bool]) -> Callable[[Any, Any], bool]:
    return lambda source, target: isinstance(source, str) and isinstance(target, str) and source != target and function(source, target)


def _changes(function: Callable[[Any], Any]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and function(value) != value


def _normalised(pairs: Sequence[Pair]) -> Iterator[Candidate]:
    for cause, rules, phrase, simplicity in _NORMALISED:
        rule = apply_text_rules(rules)
        hits = [(s, t) for s, t in pairs if rule(s) == rule(t)]
        if not hits:
            continue
        if cause == "char_padding" and not _fixed_width(hits):
            continue
        if len(rules) > 1 and all(any(apply_text_rules((r,))(s) == apply_text_rules((r,))(t) for r in rules) for s, t in hits):
            continue
        yield Candidate(
            cause,
            (),
            phrase + _side_words(hits, cause),
            _equal_after(rule),
            Remedy("contract_rule", rule=",".join(rules)),
            simplicity,
            _changes(rule) if cause not in ("case", "case_and_blanks", "unicode_form_and_case", "text_form") else None,
        )


def _equal_after(rule: Callable[[Any], Any]) -> Callable[[Any, Any], bool]:
    return _on_texts(lambda source, target: bool(rule(source) == rule(target)))


def _side_words(hits: Sequence[Pair], cause: str) -> str:
    if cause not in ("trim_trailing", "trim_leading", "trim_both", "char_padding"):
        return ""
    if all(len(s) > len(t) for s, t in hits):
        return ", which the source has"
    return ", which the target has" if all(len(s) < len(t) for s, t in hits) else ""


def _fixed_width(hits: Sequence[Pair]) -> bool:
    long = {max(len(s), len(t)) for s, t in hits}
    short = {min(len(s.rstrip(" ")), len(t.rstrip(" "))) for s, t in hits}
    return len(long) == 1 and len(short) > 1


def _affixed(pairs: Sequence[Pair]) -> Iterator[Candidate]:
    """Yield one text that was added to, or lost from, all values at the same end."""
    for side in ("target", "source"):
        ordered = [(s, t) if side == "target" else (t, s) for s, t in pairs]
        ends = Counter(long[len(short) :] for short, long in ordered if short and len(long) > len(short) and long.startswith(short))
        starts = Counter(long[: -len(short)] for short, long in ordered if short and len(long) > len(short) and long.endswith(short))
        for cause, counts, join in (("added_suffix", ends, _append), ("added_prefix", starts, _prepend)):
            affix, number = min(counts.items(), key=lambda item: (-item[1], item[0]), default=("", 0))
            if number < 3 or not affix.strip(WHITE_SPACE) or len(affix) > 40:
                continue
            yield _affix(cause, affix, side, join)


def _append(text: str, affix: str) -> str:
    return text + affix


def _prepend(text: str, affix: str) -> str:
    return affix + text


def _affix(cause: str, affix: str, side: str, join: Callable[[str, str], str]) -> Candidate:
    at_end = cause == "added_suffix"
    literal = "'" + affix.replace("\\", "\\\\").replace("'", "\\'") + "'"
    rest = f"substring({{c}}, 1, length({{c}}) - {len(affix)})" if at_end else f"substring({{c}}, {len(affix) + 1})"
    expression = f"CASE WHEN {'endswith' if at_end else 'startswith'}({{c}}, {literal}) THEN {rest} ELSE {{c}} END"
    return Candidate(
        cause,
        (side, affix),
        f"the {side} has the same {len(affix)} character{'s' if len(affix) > 1 else ''} added at the {'end' if at_end else 'start'}",
        _on_texts((lambda s, t: join(s, affix) == t) if side == "target" else (lambda s, t: join(t, affix) == s)),
        Remedy("spark", expression=expression, side="target" if side == "target" else "source", reveals=True),
        25,
        lambda value: isinstance(value, str) and value != "",
        needs=3,
    )


def _truncated(pairs: Sequence[Pair], context: Sequence[str]) -> Iterator[Candidate]:
    for side, cuts in (
        ("target", [(t, s) for s, t in pairs if t and s.startswith(t) and _tail(s, t)]),
        ("source", [(s, t) for s, t in pairs if s and t.startswith(s) and _tail(t, s)]),
    ):
        for size, _ in _most_common(len(short) for short, _ in cuts):
            yield from _cut(side, size, "characters", lambda text, n: text[:n], len, cuts, context)
        bytes_of = [len(short.encode("utf-8", "surrogatepass")) for short, _ in cuts]
        for size in sorted({*(size for size, _ in _most_common(bytes_of)), *([max(bytes_of)] if bytes_of else [])}):
            yield from _cut(side, size, "bytes", _first_bytes, lambda text: len(text.encode("utf-8", "surrogatepass")), cuts, context)


def _tail(long: str, short: str) -> str:
    """Return what was cut off; nothing when it is blank, since that is a matter of blanks."""
    return long[len(short) :].strip(WHITE_SPACE)


def _cut(
    side: str,
    size: int,
    unit: str,
    cut: Callable[[str, int], str],
    length: Callable[[str], int],
    cuts: Sequence[Pair],
    context: Sequence[str],
) -> Iterator[Candidate]:
    hits = [(short, long) for short, long in cuts if cut(long, size) == short and length(long) > size]
    tails = {_tail(long, short) for short, long in hits}
    if len(tails) < min(3, max(1, len(hits))) or (len(hits) < 3 and (size < 4 or any(length(value) > size for value in context))):
        return
    longest = max(length(long) for _, long in hits)
    # Only text is kept: a cut through a multi-byte character would leave half of it.
    expression = f"substring({{c}}, 1, {size})"
    if unit == "bytes":
        expression = (
            f"substring({{c}}, 1, array_max(filter(sequence(0, length({{c}})), n -> octet_length(substring({{c}}, 1, n)) <= {size})))"
        )
    other = "source" if side == "target" else "target"
    yield Candidate(
        "truncation",
        (side, str(size), unit),
        f"the {side} is cut off after {size} {unit}",
        _on_texts(
            (lambda s, t: cut(s, size) == t and length(s) > size and _tail(s, t) != "")
            if side == "target"
            else (lambda s, t: cut(t, size) == s and length(t) > size and _tail(t, s) != "")
        ),
        Remedy(
            "spark",
            expression=expression,
            note=f"compares only what the {side} kept; for the {other}'s whole text widen the column to {longest} {unit} and reload",
        ),
        17 if unit == "characters" else 18,
        lambda value: isinstance(value, str) and length(value) > size,
        needs=1,
    )


def _first_bytes(text: str, size: int) -> str:
    return text.encode("utf-8", "surrogatepass")[:size].decode("utf-8", "ignore")


def _most_common(values: Any) -> list[tuple[int, int]]:
    return sorted(Counter(values).items(), key=lambda item: (-item[1], item[0]))[:_TRUNCATIONS_TRIED]


# cause, what makes both sides equal, what is seen, the same in Spark SQL, simplicity
_REWRITTEN: tuple[tuple[str, Callable[[str], str], str, str, int], ...] = (
    (
        "line_endings",
        lambda text: text.replace("\r\n", "\n").replace("\r", "\n"),
        "the values differ only in line endings (\\r\\n, \\r or \\n)",
        "replace(replace({c}, char(13) || char(10), char(10)), char(13), char(10))",
        16,
    ),
    (
        "inner_blanks",
        lambda text: " ".join(part for part in re.split(f"[{WHITE_SPACE}]+", text) if part),
        "the values differ only in the number or kind of blanks",
        "trim(regexp_replace({c}, '(?U)\\\\s+', ' '))",
        24,
    ),
)


def _rewritten(pairs: Sequence[Pair]) -> Iterator[Candidate]:
    for cause, rule, phrase, expression, simplicity in _REWRITTEN:
        if any(rule(s) == rule(t) for s, t in pairs):
            yield Candidate(cause, (), phrase, _equal_after(rule), Remedy("spark", expression=expression), simplicity, _changes(rule))
    if any(s[:1] in '{["' and t[:1] in '{["' and canonical_json_text(s) == canonical_json_text(t) for s, t in pairs):
        yield Candidate(
            "json_form",
            (),
            "both sides hold the same JSON document, written differently (order of keys, blanks, numbers)",
            _on_texts(lambda s, t: s.lstrip()[:1] in '{["' and canonical_json_text(s) == canonical_json_text(t)),
            Remedy("contract_rule", rule="json"),
            13,
        )


def _numbers_as_text(pairs: Sequence[Pair]) -> Iterator[Candidate]:
    if any(_zeros(s) is not None and _zeros(s) == _zeros(t) for s, t in pairs):
        yield Candidate(
            "leading_zeros",
            (),
            "the values differ only in leading zeros",
            _on_texts(lambda s, t: _zeros(s) is not None and _zeros(s) == _zeros(t)),
            Remedy("spark", expression="regexp_replace({c}, '^0+(?=.)', '')"),
            16,
            lambda value: isinstance(value, str) and _zeros(value) not in (None, value),
        )
    if any(_spreadsheet(s, t) for s, t in pairs):
        exact = all(_as_number(s) == _as_number(t) for s, t in pairs if _spreadsheet(s, t))
        yield Candidate(
            "spreadsheet_number",
            (),
            "one side is written in exponent form (1E+05), as a spreadsheet writes long numbers",
            _on_texts(_spreadsheet),
            _same_number() if exact else Remedy("reload", text="Export {column} again as text: the spreadsheet has cut its digits."),
            17,
        )
    if any(_same_value(s, t) for s, t in pairs):
        yield Candidate(
            "number_form",
            (),
            "both sides hold the same number, written differently (1.0 and 1.00)",
            _on_texts(_same_value),
            _same_number(),
            19,
        )


def _same_number() -> Remedy:
    return Remedy("spark", expression="coalesce(CAST(try_cast({c} AS decimal(38,12)) AS string), {c})")


def _zeros(text: str) -> str | None:
    """Return digits without leading zeros, None for text that does not start with a digit."""
    return text.lstrip("0") or "0" if text[:1].isdigit() and text.isascii() and text.isalnum() else None


def _as_number(text: str) -> Decimal | None:
    if not _NUMBER.fullmatch(text.strip()):
        return None
    try:
        return Decimal(text.strip())
    except InvalidOperation:
        return None


def _same_value(source: str, target: str) -> bool:
    one, other = _as_number(source), _as_number(target)
    return one is not None and other is not None and one == other and _fits(one) and _fits(other)


def _fits(number: Decimal) -> bool:
    exponent = number.as_tuple().exponent
    return isinstance(exponent, int) and exponent >= -12 and number.adjusted() < 26


def _spreadsheet(source: str, target: str) -> bool:
    short, long = (source, target) if _EXPONENT.fullmatch(source) else (target, source)
    if not _EXPONENT.fullmatch(short) or _EXPONENT.fullmatch(long):
        return False
    one, other = _as_number(short.replace(",", ".")), _as_number(long)
    if one is None or other is None or other == 0:
        return False
    digits = len(one.as_tuple().digits)
    return one == other or (abs(one - other) * 2 * 10 ** (digits - 1) <= 10 ** min(other.adjusted(), 400) and digits >= 3)


def _disguised(pairs: Sequence[Pair]) -> Iterator[Candidate]:
    for side in ("target", "source"):
        if any(_masks(s, t) if side == "target" else _masks(t, s) for s, t in pairs):
            yield Candidate(
                "masked",
                (side,),
                f"the {side} holds masked values (such as ***) where the other side holds the value",
                _on_texts(_masks if side == "target" else lambda s, t: _masks(t, s)),
                Remedy("contract_rule", text="--exclude {column}", note="or read with a role that sees the values"),
                16,
                lambda value: isinstance(value, str) and not _MASK.fullmatch(value),
            )
        for name, size, expression in _DIGESTS:
            plain = [(s, t) if side == "target" else (t, s) for s, t in pairs]
            if any(len(masked) == size and _digest(name, value) == masked.lower() for value, masked in plain):
                yield Candidate(
                    "hashed",
                    (side, name),
                    f"the {side} holds the {name.upper()} of the other side's value",
                    _on_texts(_hash_test(name, size, side)),
                    Remedy("spark", expression=expression, side="source" if side == "target" else "target"),
                    10,
                    lambda value: isinstance(value, str),
                )


def _hash_test(name: str, size: int, side: str) -> Callable[[str, str], bool]:
    def test(source: str, target: str) -> bool:
        value, masked = (source, target) if side == "target" else (target, source)
        return len(masked) == size and _digest(name, value) == masked

    return test


def _digest(name: str, value: str) -> str:
    return hashlib.new(name, value.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()


def _masks(value: str, masked: str) -> bool:
    return bool(_MASK.fullmatch(masked)) and not _MASK.fullmatch(value) and bool(value)
