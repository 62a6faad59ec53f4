"""Normalisers of numbers: `round:<n>`, halves away from zero, on every engine and Java version alike.

Decimals and integers are rounded exactly. Floats are rounded in IEEE 754 arithmetic, each step correctly rounded and so the same
everywhere: r = ⌊|x|·10ⁿ⌋, plus 1 when what is left over is at least one half, divided by 10ⁿ. (Spark's own `round` goes
through `Double.toString`, which differs between Java versions, JDK-4511638.) From 2⁵² on |x|·10ⁿ has no fraction and x stays.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.natives import rounded
from engine.rules.kinds import Argument, RuleKind

__all__ = ["NUMBER_RULES", "single"]

_INTEGERS = (T.ByteType, T.ShortType, T.IntegerType, T.LongType)
_MOST_DIGITS = 38
_EXACT_POWERS = 22  # 10^22 is the largest power of ten that a double holds exactly
_NO_FRACTION = 2.0**52
_LONG = T.DecimalType(20, 0)


def _digits(argument: Argument) -> int:
    assert argument is not None
    return int(argument)


def _wrong_digits(argument: Argument) -> str | None:
    if argument is not None and re.fullmatch(r"-?[0-9]{1,2}", argument) and abs(int(argument)) <= _MOST_DIGITS:
        return None
    return f"the number of digits is an integer from -{_MOST_DIGITS} to {_MOST_DIGITS}"


def _can_round(declared: T.DataType, argument: Argument) -> bool:
    digits = _digits(argument)
    if isinstance(declared, T.DecimalType):
        return digits >= 0 or (-digits < declared.precision and declared.precision - declared.scale < _MOST_DIGITS)
    if isinstance(declared, _INTEGERS):
        return digits > -19
    return isinstance(declared, (T.FloatType, T.DoubleType)) and abs(digits) <= _EXACT_POWERS


def _rounded_type(declared: T.DataType, argument: Argument) -> T.DataType:
    digits = _digits(argument)
    if isinstance(declared, _INTEGERS):
        return declared if digits >= 0 else _LONG
    if isinstance(declared, T.DecimalType) and digits < declared.scale:
        scale = max(digits, 0)
        return T.DecimalType(min(declared.precision - declared.scale + 1 + scale, _MOST_DIGITS), scale)
    return declared


def _round(value: Column, declared: T.DataType, argument: Argument) -> Column:
    digits, result = _digits(argument), _rounded_type(declared, argument)
    if isinstance(declared, (T.FloatType, T.DoubleType)):
        return _round_binary(value.cast("double"), digits).cast(declared)
    if result == declared and not (isinstance(declared, T.DecimalType) and digits < declared.scale):
        return value
    exact = value.cast(_LONG) if isinstance(declared, _INTEGERS) else value
    return F.round(exact, digits).cast(result)


def _round_binary(value: Column, digits: int) -> Column:
    power = F.lit(10.0 ** abs(digits))
    scaled = F.abs(value) * power if digits >= 0 else F.abs(value) / power
    whole = F.floor(scaled).cast("double")
    raised = whole + F.when(scaled - whole >= F.lit(0.5), F.lit(1.0)).otherwise(F.lit(0.0))
    back = raised / power if digits >= 0 else raised * power
    signed = F.when(value < F.lit(0.0), -back).otherwise(back)
    return F.when(scaled < F.lit(_NO_FRACTION), signed).otherwise(value)


def single(value: float) -> float:
    """Return the nearest number of single precision, infinity beyond its range."""
    try:
        return float(struct.unpack("<f", struct.pack("<f", value))[0])
    except OverflowError:
        return math.copysign(math.inf, value)


def _round_twin(value: Any, declared: T.DataType, argument: Argument) -> Any:
    digits = _digits(argument)
    if isinstance(declared, (T.FloatType, T.DoubleType)):
        found = _round_binary_twin(value, digits)
        return single(found) if isinstance(declared, T.FloatType) else found
    if isinstance(declared, _INTEGERS):
        return value if digits >= 0 else rounded(Decimal(value), digits)
    assert isinstance(declared, T.DecimalType)
    return rounded(value, digits) if digits < declared.scale else value


def _round_binary_twin(value: float, digits: int) -> float:
    power = 10.0 ** abs(digits)
    scaled = abs(value) * power if digits >= 0 else abs(value) / power
    if not scaled < _NO_FRACTION:
        return value
    whole = float(math.floor(scaled))
    raised = whole + (1.0 if scaled - whole >= 0.5 else 0.0)
    back = raised / power if digits >= 0 else raised * power
    return -back if value < 0 else back


NUMBER_RULES: Sequence[RuleKind] = (
    RuleKind(
        "round:<n>",
        "numbers (floats up to 22 digits)",
        _can_round,
        _round,
        _round_twin,
        _rounded_type,
        _wrong_digits,
    ),
)
