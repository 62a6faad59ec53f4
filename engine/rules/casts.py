"""Normalisers that change the type: `cast:<type>`, `double`, `text`.

A value that has no counterpart becomes NULL, and `loses` marks it, together with every value that the way there and back changes:
two different values that both become NULL are not proven equal. Text is read strictly (engine.parsing), not as Spark's own cast
reads it (blanks, `1e3` as an integer). Instants and wall clocks are never cast into each other: that takes `utc_from`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.canonical import family
from engine.parsing import PARSED_VALUE, parse_strictly
from engine.portable import is_portable, pct1_value
from engine.rules.cast_twin import cast_twin, text_twin
from engine.rules.kinds import Argument, RuleKind, is_text, plain_text
from schemas.errors import nearest

__all__ = ["CAST_RULES", "cast_type", "loses"]

_TYPES: dict[str, T.DataType] = {
    "boolean": T.BooleanType(),
    "tinyint": T.ByteType(),
    "smallint": T.ShortType(),
    "int": T.IntegerType(),
    "integer": T.IntegerType(),
    "bigint": T.LongType(),
    "long": T.LongType(),
    "float": T.FloatType(),
    "double": T.DoubleType(),
    "string": T.StringType(),
    "binary": T.BinaryType(),
    "date": T.DateType(),
    "timestamp": T.TimestampType(),
    "timestamp_ntz": T.TimestampNTZType(),
}
_DECIMAL = re.compile(r"(?:decimal|numeric)\(([0-9]{1,2}),([0-9]{1,2})\)")
_LINE_END = "[\\n\\r\\u0085\\u2028\\u2029]"  # in Java's patterns `$` also stands before the last of these
_REACHES = {
    "text": {"text", "number", "float", "boolean", "date", "timestamp", "timestamp_ntz", "binary"},
    "number": {"number", "float", "boolean", "text"},
    "float": {"number", "float", "boolean"},
    "boolean": {"boolean", "number", "float", "text"},
    "date": {"date", "timestamp_ntz", "text"},
    "timestamp": {"timestamp", "date", "text"},
    "timestamp_ntz": {"timestamp_ntz", "date", "text"},
    "binary": {"binary", "text"},
}


def cast_type(name: str) -> T.DataType | None:
    """Return the type that a name such as `decimal(10,2)` means, or None.

    >>> cast_type("decimal(10, 2)"), cast_type("money")
    (DecimalType(10,2), None)
    """
    folded = re.sub(r"\s", "", name).lower()
    if match := _DECIMAL.fullmatch(folded):
        precision, scale = int(match.group(1)), int(match.group(2))
        return T.DecimalType(precision, scale) if 1 <= precision <= 38 and scale <= precision else None
    return _TYPES.get(folded)


def _wrong_type(argument: Argument) -> str | None:
    if argument and cast_type(argument) is not None:
        return None
    close = nearest(argument or "", [*_TYPES, "decimal(p,s)"])
    hint = f"did you mean {', '.join(close)}?" if close else f"there are {', '.join(_TYPES)}, decimal(p,s)"
    return f"there is no type {argument}; {hint}" if argument else f"the type is not given; {hint}"


def _target(argument: Argument) -> T.DataType:
    found = cast_type(argument or "double")
    assert found is not None
    return found


def _can_cast(declared: T.DataType, argument: Argument) -> bool:
    return family(_target(argument)) in _REACHES.get(family(declared), set())


def _cast(value: Column, declared: T.DataType, argument: Argument) -> Column:
    wanted = _target(argument)
    if not is_text(declared):
        return value.try_cast(wanted)
    text = plain_text(value, declared)
    kind = family(wanted)
    if kind in ("text", "binary"):
        return text.cast(wanted)
    readable: T.DataType = T.LongType() if kind == "number" and not isinstance(wanted, T.DecimalType) else wanted
    one_line = F.when(~text.rlike(_LINE_END), text)
    return parse_strictly(one_line, readable).getField(PARSED_VALUE).try_cast(wanted)


def loses(value: Column, declared: T.DataType, after: Column, result: T.DataType) -> Column:
    """Return whether a cast value is not proven to stand for what it was cast from: no counterpart, or another one on the way back.

    Args:
        value, declared: before the cast.
        after, result: what `apply_rule` made of them.
    """
    if is_text(declared):
        return value.isNotNull() & after.isNull()
    if declared == result or family(result) == "text":
        return value.isNotNull() & after.isNull()
    return value.isNotNull() & ~after.try_cast(declared).eqNullSafe(value)


def _has_text(declared: T.DataType, argument: Argument) -> bool:
    return is_portable(declared)


def _text(value: Column, declared: T.DataType, argument: Argument) -> Column:
    if is_text(declared):
        return plain_text(value, declared)
    return pct1_value(value, declared)


CAST_RULES: Sequence[RuleKind] = (
    RuleKind(
        "cast:<type>",
        "types with a counterpart there; floats never become text, instants never wall clocks (utc_from does that)",
        _can_cast,
        _cast,
        lambda value, declared, argument: cast_twin(value, declared, _target(argument)),
        lambda declared, argument: _target(argument),
        _wrong_type,
    ),
    RuleKind(
        "double",
        "numbers, text and booleans",
        lambda declared, argument: family(declared) in ("number", "float", "text", "boolean"),
        _cast,
        lambda value, declared, argument: cast_twin(value, declared, T.DoubleType()),
        lambda declared, argument: T.DoubleType(),
    ),
    RuleKind(
        "text",
        "all types but floats and nested ones",
        _has_text,
        _text,
        lambda value, declared, argument: text_twin(value, declared),
        lambda declared, argument: T.StringType(),
    ),
)
