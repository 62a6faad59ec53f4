"""Python's own values to the integers that stand for them in canonical values, and back to text."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from decimal import ROUND_HALF_UP, Context, Decimal

__all__ = ["EXACT", "civil", "clock_text", "date_text", "days", "interval_micros", "micros", "plain_decimal", "rounded", "unscaled"]

_EPOCH_DAY = date(1970, 1, 1).toordinal()
_DAY_US = 86_400_000_000
_ONE_US = timedelta(microseconds=1)
EXACT = Context(prec=2000, Emax=999_999, Emin=-999_999)


def days(value: date | int) -> int:
    """Return days since 1970-01-01, proleptic Gregorian; an int is taken as such.

    >>> days(date(1582, 10, 4)), days(-3)
    (-141438, -3)
    """
    return value if isinstance(value, int) else value.toordinal() - _EPOCH_DAY


def micros(value: datetime | int) -> int:
    """Return microseconds since 1970-01-01 00:00:00, of UTC or of the wall clock; an int is taken as such.

    >>> micros(datetime(1969, 12, 31, 23, 59, 59, 999999))
    -1
    """
    if isinstance(value, int):
        return value
    plain = value if value.tzinfo is None else value.astimezone(timezone.utc).replace(tzinfo=None)
    return (plain - datetime(1970, 1, 1)) // _ONE_US


def interval_micros(value: timedelta | int) -> int:
    """Return a day-time interval as microseconds; an int is taken as such."""
    return value if isinstance(value, int) else value // _ONE_US


def unscaled(value: Decimal | int, scale: int) -> int:
    """Return a decimal as an integer of 10^-scale.

    Raises:
        ValueError: the value has more digits after the point.

    >>> unscaled(Decimal("-1.5"), 3)
    -1500
    """
    shifted = EXACT.scaleb(Decimal(value), scale)
    if shifted != shifted.to_integral_value():
        raise ValueError(f"{value} has more than {scale} digits after the point")
    return int(shifted)


def rounded(value: Decimal, scale: int) -> Decimal:
    """Return a decimal with `scale` digits after the point, halves away from zero; a negative scale rounds tens, hundreds.

    >>> rounded(Decimal("-2.345"), 2), int(rounded(Decimal(1250), -2))
    (Decimal('-2.35'), 1300)
    """
    return value.quantize(Decimal(1).scaleb(-scale), rounding=ROUND_HALF_UP, context=EXACT)


def plain_decimal(value: Decimal | int, scale: int) -> str:
    """Return a decimal with exactly `scale` digits after the point, without exponent; zero has no sign.

    >>> plain_decimal(Decimal("-0.50"), 3), plain_decimal(Decimal("1E+2"), 0)
    ('-0.500', '100')
    """
    number = unscaled(value, scale)
    digits = str(abs(number)).rjust(scale + 1, "0")
    text = digits if scale == 0 else f"{digits[:-scale]}.{digits[-scale:]}"
    return f"-{text}" if number < 0 else text


def civil(day: int) -> tuple[int, int, int]:
    """Return year, month and day of a day number, proleptic Gregorian, any year.

    Source:
        The calendar repeats every 400 years of 146,097 days.

    >>> civil(-141427), civil(-735248)
    ((1582, 10, 15), (-44, 12, 17))
    """
    cycles, inside = divmod(day + _EPOCH_DAY - 1, 146_097)
    found = date.fromordinal(inside + 1)
    return found.year + 400 * cycles, found.month, found.day


def date_text(day: int) -> str:
    """Return `YYYY-MM-DD`; years beyond 9999 with a plus sign, years before 1 as astronomers count them.

    >>> date_text(0), date_text(3789392), date_text(-735248)
    ('1970-01-01', '+12345-01-02', '-0044-12-17')
    """
    year, month, dom = civil(day)
    sign = "-" if year < 0 else "+" if year > 9999 else ""
    return f"{sign}{abs(year):04d}-{month:02d}-{dom:02d}"


def clock_text(micro: int) -> str:
    """Return `YYYY-MM-DD HH:MM:SS[.ffffff]`, zeros at the end of the fraction left out.

    >>> clock_text(100_000)
    '1970-01-01 00:00:00.1'
    """
    day, rest = divmod(micro, _DAY_US)
    seconds, fraction = divmod(rest, 1_000_000)
    text = f"{date_text(day)} {seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    return f"{text}.{fraction:06d}".rstrip("0") if fraction else text
