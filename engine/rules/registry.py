"""Text such as `rtrim,null_as:"a,b"` to rules, and rules to expressions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pyspark.sql import Column
from pyspark.sql import types as T

from engine.rules.arrays import ARRAY_RULES
from engine.rules.casts import CAST_RULES
from engine.rules.kinds import RuleKind
from engine.rules.null_semantics import NULL_RULES
from engine.rules.numeric_precision import NUMBER_RULES
from engine.rules.text import TEXT_RULES
from engine.rules.timezone import TIME_RULES
from schemas.errors import ConfigError, EngineError, InputError, nearest

__all__ = ["RULE_FORMS", "Rule", "apply_in_python", "apply_rule", "check_rule", "is_native", "parse_rules", "result_type"]

_KINDS = {kind.name: kind for kind in (*TEXT_RULES, *NULL_RULES, *NUMBER_RULES, *TIME_RULES, *CAST_RULES, *ARRAY_RULES)}
RULE_FORMS = tuple(sorted(kind.form for kind in _KINDS.values()))
_OPENING, _CLOSING = "([", ")]"


@dataclass(frozen=True)
class Rule:
    """A parsed rule.

    Attributes:
        text: as written, quotes included, so that it can be parsed again.
        name: which rule of the catalogue.
        argument: what stands behind the colon, without quotes, or None.
    """

    text: str
    name: str
    argument: str | None

    @property
    def kind(self) -> RuleKind:
        """The rule's entry in the catalogue."""
        return _KINDS[self.name]


def parse_rules(written: str | Iterable[str]) -> tuple[Rule, ...]:
    """Return the rules that a text, or several, name, in order.

    Commas separate rules; an argument with a comma stands in double quotes or backticks, doubled inside: `null_as:"a,b"`.

    Raises:
        ConfigError: there is no such rule, its argument is wrong, or a quote is not closed.

    >>> [(rule.name, rule.argument) for rule in parse_rules('rtrim,null_as:"a,b",cast:decimal(10,2)')]
    [('rtrim', None), ('null_as', 'a,b'), ('cast', 'decimal(10,2)')]
    """
    texts = [written] if isinstance(written, str) else list(written)
    return tuple(_parsed(part) for text in texts for part in _split(text))


def _split(text: str) -> list[str]:
    """Split at commas outside quotes and brackets."""
    parts, start, quote, depth = [], 0, "", 0
    for position, sign in enumerate(text):
        if quote:
            quote = "" if sign == quote else quote
        elif sign in '"`' and text[position - 1 : position] in (":", '"', "`"):
            quote = sign
        elif sign in _OPENING:
            depth += 1
        elif sign in _CLOSING:
            depth -= 1
        elif sign == "," and depth <= 0:
            parts.append(text[start:position])
            start = position + 1
    if quote:
        raise ConfigError(f"--rule: the quote in {text} is not closed.", object=text)
    return [*parts, text[start:]]


def _parsed(part: str) -> Rule:
    name, colon, argument = part.strip().partition(":")
    kind = _KINDS.get(name)
    if kind is None:
        close = nearest(name, _KINDS)
        hint = f"Did you mean {', '.join(close)}? " if close else ""
        raise ConfigError(f"--rule: there is no rule {name or repr(part)}.", object=part, hint=f"{hint}There are: {', '.join(RULE_FORMS)}.")
    given = _unquoted(argument) if colon else None
    if wrong := kind.wrong_argument(given):
        raise ConfigError(f"--rule {part.strip()}: {wrong}.", object=part.strip(), hint=f"Write it as {kind.form}.")
    return Rule(part.strip(), name, given)


def _unquoted(argument: str) -> str:
    quote = argument[:1]
    if len(argument) >= 2 and quote in ('"', "`") and argument.endswith(quote):
        return argument[1:-1].replace(quote * 2, quote)
    return argument


def check_rule(rule: Rule, spark_type: T.DataType, column: str) -> None:
    """Refuse a rule that does not fit a column's type.

    Raises:
        InputError: it does not fit; the message says which types it fits and which rules fit this type.
    """
    if rule.kind.fits(spark_type, rule.argument):
        return
    fitting = sorted(kind.form for kind in _KINDS.values() if ":" in kind.form or kind.fits(spark_type, None))
    possible = ", ".join(form for form in fitting if ":" not in form) or "none without an argument"
    raise InputError(
        f"--rule {column}={rule.text}: the rule does not fit the type {spark_type.simpleString()}; it is for {rule.kind.fits_text}.",
        object=column,
        hint=f"Rules that fit this type: {possible}.",
    )


def is_native(rule: Rule) -> bool:
    """Return whether Spark's own expressions compute the rule; others need `apply_with_arrow`."""
    return rule.kind.native is not None


def result_type(rule: Rule, spark_type: T.DataType) -> T.DataType:
    """Return the type of a column after the rule."""
    return rule.kind.result(spark_type, rule.argument)


def apply_rule(rule: Rule, value: Column, spark_type: T.DataType) -> tuple[Column, T.DataType]:
    """Return the normalised value and its type; NULL stays NULL. The rule must have passed `check_rule`."""
    native = rule.kind.native
    if native is None:
        raise EngineError(f"The rule {rule.text} has no Spark expression; it is for apply_with_arrow.", object=rule.text)
    return native(value, spark_type, rule.argument), result_type(rule, spark_type)


def apply_in_python(rule: Rule, value: Any, spark_type: T.DataType) -> Any:
    """Return what the rule makes of one Python value: the reference. Dates come back as days, points in time as microseconds."""
    return None if value is None else rule.kind.python(value, spark_type, rule.argument)
