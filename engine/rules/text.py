"""Normalisers of text.

All work on code points and leave text that is not valid UTF-8 as it is: replacing its bytes could make two values equal.
The trim family takes off Unicode White_Space, not only the blank that Spark's own `trim` knows:
U+0009–000D, 0020, 0085, 00A0, 1680, 2000–200A, 2028, 2029, 202F, 205F, 3000. U+200B and U+FEFF are not white space.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.rules import unicode_text
from engine.rules.kinds import Argument, RuleKind, is_text, plain_text

__all__ = ["TEXT_RULES", "WHITE_SPACE"]

WHITE_SPACE = "\t\n\x0b\x0c\r \x85\xa0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u2028\u2029\u202f\u205f\u3000"
_TEXT = "text columns"


def _on_valid(change: Callable[[Column], Column]) -> Callable[[Column, T.DataType, Argument], Column]:
    def native(value: Column, declared: T.DataType, argument: Argument) -> Column:
        text = plain_text(value, declared)
        return F.when(F.is_valid_utf8(text), change(text)).otherwise(text)

    return native


def _text_rule(name: str, change: Callable[[Column], Column], twin: Callable[[str], str]) -> RuleKind:
    return RuleKind(name, _TEXT, is_text, _on_valid(change), lambda value, declared, argument: twin(value))


def _arrow_rule(name: str) -> RuleKind:
    def twin(value: Any, declared: T.DataType, argument: Argument) -> Any:
        return unicode_text.NORMALISERS[name](value)

    def fits(declared: T.DataType, argument: Argument) -> bool:
        return is_text(declared) or (name == "json" and isinstance(declared, T.VariantType))

    return RuleKind(name, f"{_TEXT} and variant" if name == "json" else _TEXT, fits, None, twin)


TEXT_RULES: Sequence[RuleKind] = (
    *(_arrow_rule(name) for name in ("nfc", "nfkc", "casefold", "json")),
    _text_rule("trim", lambda text: F.trim(text, F.lit(WHITE_SPACE)), lambda text: text.strip(WHITE_SPACE)),
    _text_rule("ltrim", lambda text: F.ltrim(text, F.lit(WHITE_SPACE)), lambda text: text.lstrip(WHITE_SPACE)),
    _text_rule("rtrim", lambda text: F.rtrim(text, F.lit(WHITE_SPACE)), lambda text: text.rstrip(WHITE_SPACE)),
    _text_rule("lower", F.lower, str.lower),
    _text_rule("pad", F.rtrim, lambda text: text.rstrip(" ")),
)
