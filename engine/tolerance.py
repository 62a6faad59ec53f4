"""When two values that are not equal are near enough: a decision list, never one formula (VERDICT 4)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal, InvalidOperation, localcontext

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.canonical import family
from engine.hashing import microseconds
from schemas.errors import ConfigError, InputError

__all__ = ["Tolerance", "delta", "parse_tolerance", "relative_delta", "within"]

_UNITS_US = {"us": 1, "ms": 1_000, "s": 1_000_000, "min": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000, "day": 86_400_000_000}
_DURATION = re.compile(r"^(\d+(?:\.\d+)?)(us|ms|s|min|h|day|d)$")
_FORM = "write abs:<number>, rel:<number>, or both with a comma, such as abs:0.01,rel:1e-6"
_TIME_FORM = "write a duration, such as abs:2s or abs:500ms (units us ms s min h d, or day)"
_MAX_DIGITS = 38
_KEPT_SCALE = 6  # digits after the point that Spark keeps when a result outgrows 38 (DecimalType.adjustPrecisionScale)
_CAUTION = 1 - 1e-14  # where digits do not suffice for exact arithmetic, nothing beyond the limit may pass as within it
_TEMPORAL = ("timestamp", "timestamp_ntz", "date")


@dataclass(frozen=True)
class Tolerance:
    """Largest accepted distance: `absolute` in the column's unit (temporal: microseconds), `relative` to the larger magnitude."""

    absolute: Decimal = Decimal(0)
    relative: Decimal = Decimal(0)


def parse_tolerance(text: str, canonical: T.DataType, column: str) -> Tolerance:
    """Return the tolerance that a text such as `abs:0.01,rel:1e-6` or `abs:2s` says.

    Raises:
        ConfigError: the text is not of that form, or a number is negative, infinite or no number.
        InputError: the column's type has no distance.
    """
    kind = family(canonical)
    if kind not in ("number", "float", *_TEMPORAL):
        raise InputError(
            f"--tolerance {column}: a column of type {canonical.simpleString()} has no distance.",
            object=column,
            hint="Tolerances fit numbers, dates and timestamps. "
            + (f"Where the text is numbers, declare it: --rule {column}=cast:double." if kind == "text" else "Use --rule."),
        )
    found: dict[str, Decimal] = {}
    for part in text.split(","):
        name, colon, number = part.strip().partition(":")
        if not colon or name not in ("abs", "rel") or name in found:
            raise ConfigError(f"--tolerance {column}={text}: not understood.", object=column, hint=_hint(kind))
        found[name] = _microseconds(column, text, number) if kind in _TEMPORAL else _number(column, text, number)
    if kind in _TEMPORAL and "rel" in found:
        raise ConfigError(f"--tolerance {column}={text}: a point in time has no relative tolerance.", object=column, hint=_TIME_FORM)
    return Tolerance(found.get("abs", Decimal(0)), found.get("rel", Decimal(0)))


def _hint(kind: str) -> str:
    return (_TIME_FORM if kind in _TEMPORAL else _FORM).capitalize() + "."


def _number(column: str, text: str, number: str) -> Decimal:
    try:
        value = Decimal(number)
    except InvalidOperation:
        raise ConfigError(
            f"--tolerance {column}={text}: {number!r} is not a number.", object=column, hint=f"{_FORM.capitalize()}."
        ) from None
    if not value.is_finite() or value < 0:
        raise ConfigError(
            f"--tolerance {column}={text}: {number} is not a finite number of 0 or more.", object=column, hint=f"{_FORM.capitalize()}."
        )
    return value


def _microseconds(column: str, text: str, number: str) -> Decimal:
    match = _DURATION.match(number)
    if not match:
        raise ConfigError(f"--tolerance {column}={text}: {number!r} is not a duration.", object=column, hint=f"{_TIME_FORM.capitalize()}.")
    return Decimal(match.group(1)) * _UNITS_US[match.group(2)]


def delta(source: Column, target: Column, canonical: T.DataType) -> Column | None:
    """Return |source − target| as double for finite numbers, seconds for points in time; None for types without a distance.

    Exact numbers are subtracted as decimals. NULL where the distance does not fit: 38 digits, a double, 64 bits of microseconds.
    """
    kind = family(canonical)
    if kind == "number":
        return _distance(_as_decimal(source, canonical), _as_decimal(target, canonical)).cast("double")
    if kind == "float":
        difference = F.abs(source.cast("double") - target.cast("double"))
        return F.when(_finite(source) & _finite(target) & _finite(difference), difference)
    if kind in _TEMPORAL:
        return _distance(_instant(source, kind), _instant(target, kind)) / F.lit(1e6)
    if kind == "interval_dt":
        return _distance(microseconds(source), microseconds(target)) / F.lit(1e6)
    return None


def relative_delta(source: Column, target: Column, canonical: T.DataType) -> Column | None:
    """Return |source − target| / max(|source|, |target|) as double, unitless; None for types other than numbers."""
    if family(canonical) not in ("number", "float"):
        return None
    distance = delta(source, target, canonical)
    assert distance is not None
    largest = F.greatest(F.abs(source.cast("double")), F.abs(target.cast("double")))
    return F.when(largest > 0, distance / largest)


def within(source: Column, target: Column, canonical: T.DataType, tolerance: Tolerance) -> Column:
    """Return whether two values, neither NULL and not equal, are within the tolerance; never NULL.

    The list: NaN with a number → no; any infinity → no; exact numbers in decimal arithmetic;
    |a − b| ≤ max(abs, rel · max(|a|, |b|)), ends included.
    """
    kind = family(canonical)
    if kind in _TEMPORAL:
        distance = _distance(_instant(source, kind), _instant(target, kind))
        return F.coalesce(distance.cast("decimal(38,0)") <= _limit(tolerance.absolute, 0), F.lit(False))
    if kind == "float":
        a, b = source.cast("double"), target.cast("double")
        far = F.abs(a - b) == F.lit(float("inf"))
        near = F.when(far, _near(a / 2, b / 2, tolerance, 0.5)).otherwise(_near(a, b, tolerance, 1.0))
        return F.coalesce(_finite(source) & _finite(target) & near, F.lit(False))
    return F.coalesce(_exact_within(source, target, canonical, tolerance), F.lit(False))


def _near(a: Column, b: Column, tolerance: Tolerance, scale: float) -> Column:
    """Return whether two doubles, which may both be halves since the distance of whole ones is no double, are within the tolerance."""
    relative = F.lit(float(tolerance.relative)) * F.greatest(F.abs(a), F.abs(b))
    return F.abs(a - b) <= F.greatest(F.lit(float(tolerance.absolute) * scale), relative)


def _distance(a: Column, b: Column) -> Column:
    """Return the distance of two exact numbers, NULL where it does not fit.

    No abs(): Spark's rounds negative decimals to 34 digits (scala.math.BigDecimal.unary_-), and the lowest bigint has none. And
    greatest() and least() pass over NULL: the distance to a value that does not fit would be 0.
    """
    return F.when(a.isNotNull() & b.isNotNull(), F.try_subtract(F.greatest(a, b), F.least(a, b)))


def _exact_within(source: Column, target: Column, canonical: T.DataType, tolerance: Tolerance) -> Column:
    a, b = _as_decimal(source, canonical), _as_decimal(target, canonical)
    scale = canonical.scale if isinstance(canonical, T.DecimalType) else 0
    distance = _distance(a, b)
    absolute = distance <= _limit(tolerance.absolute, scale)
    if not tolerance.relative:
        return absolute
    # |a−b| ≤ rel·m  ⇔  |a−b| / rel ≤ m would divide; scaling both by the power of ten keeps it exact
    _, digits, exponent = tolerance.relative.as_tuple()
    assert isinstance(exponent, int)
    power = 10 ** max(-exponent, 0)
    numerator = int("".join(map(str, digits))) * 10 ** max(exponent, 0)
    zero = F.lit(0).cast(T.DecimalType(1, 0))
    largest = F.greatest(a, b, F.try_subtract(zero, a), F.try_subtract(zero, b))
    exact = _multiplied(distance, power, scale) <= _multiplied(largest, numerator, scale)
    rough = distance.cast("double") <= F.lit(float(tolerance.relative) * _CAUTION) * largest.cast("double")
    return absolute | F.coalesce(exact, rough)


def _as_decimal(value: Column, canonical: T.DataType) -> Column:
    """Return an exact number as a decimal whose difference with another has all its digits.

    The difference of two decimal(38, s) has 39 digits, and Spark rounds the last one away where s > 6; values that need all 38
    then have no distance, and count as different. In decimal(38, 38) the 38th digit stands behind the point: rounded away, all
    values near 0 would be one.
    """
    if isinstance(canonical, T.LongType):
        return value.cast("decimal(20,0)")
    assert isinstance(canonical, T.DecimalType)
    if canonical.precision < _MAX_DIGITS or canonical.scale <= _KEPT_SCALE:
        return value.cast(canonical)
    narrow = value.try_cast(T.DecimalType(_MAX_DIGITS - 1, min(canonical.scale, _MAX_DIGITS - 1)))
    return narrow if canonical.scale < _MAX_DIGITS else F.when(narrow == value, narrow)


def _multiplied(value: Column, factor: int, scale: int) -> Column:
    """Return the exact product with a whole number, or NULL where it needs more than 38 digits."""
    digits = len(str(factor))
    room = _MAX_DIGITS - 1 - digits
    if room < max(scale, 1):
        return F.lit(None).cast(T.DecimalType(_MAX_DIGITS, scale))
    return F.try_multiply(value.try_cast(T.DecimalType(room, scale)), F.lit(str(factor)).cast(T.DecimalType(digits, 0)))


def _limit(value: Decimal, scale: int) -> Column:
    """Return the largest decimal(38, scale) that is not above a value.

    A distance of that scale is within one exactly when it is within the other; compared with more digits, Spark would round
    the limit to the distance's scale (SPARK-45905).
    """
    with localcontext() as exact:
        exact.prec = 2 * _MAX_DIGITS
        if value.adjusted() >= _MAX_DIGITS - scale:
            held = Decimal("9" * _MAX_DIGITS).scaleb(-scale)
        else:
            held = value.quantize(Decimal(1).scaleb(-scale), rounding=ROUND_DOWN)
    return F.lit(format(held, "f")).cast(T.DecimalType(_MAX_DIGITS, scale))


def _finite(value: Column) -> Column:
    wide = value.cast("double")
    return ~F.isnan(wide) & (F.abs(wide) != F.lit(float("inf")))


def _instant(value: Column, kind: str) -> Column:
    if kind == "date":
        return F.try_multiply(F.unix_date(value).cast("bigint"), F.lit(86_400_000_000).cast("bigint"))
    return F.unix_micros(value.cast("timestamp"))
