"""Numbers to text; no rounding makes all of nearly all, or nothing of a little."""

from __future__ import annotations

import re
from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_HALF_UP, Decimal, InvalidOperation

__all__ = [
    "bytes_text",
    "count",
    "covered",
    "duration",
    "grouped",
    "percent",
    "percent_at_most",
    "plural",
    "power",
    "relative",
    "share",
    "trimmed",
]


def count(number: int) -> str:
    """Return a count with thousands separators.

    >>> count(600572)
    '600,572'
    """
    return f"{number:,}"


def grouped(number: str) -> str:
    """Return a decimal text with thousands separators; any other text as it is.

    >>> grouped("-1234567.8900"), grouped("1E+5")
    ('-1,234,567.8900', '1E+5')
    """
    found = re.fullmatch(r"([-+]?)([0-9]+)(\.[0-9]+)?", number)
    return f"{found[1]}{int(found[2]):,}{found[3] or ''}" if found and len(number) < 60 else number


def plural(number: int, noun: str, many: str = "") -> str:
    """Return a count and its noun.

    >>> plural(1, "row"), plural(1200, "row")
    ('1 row', '1,200 rows')
    """
    return f"{number:,} {noun if number == 1 else many or noun + 's'}"


def percent(part: int, whole: int) -> str:
    """Return part of whole as a percentage, rounded to two digits: 100 % only when it is all (case B18).

    >>> percent(99_999_996, 100_000_000), percent(1, 10**6), percent(5, 5), percent(13, 70)
    ('99.99 %', '< 0.01 %', '100 %', '18.57 %')
    """
    if whole <= 0:
        return "–"
    return "100 %" if part >= whole else _rounded(Decimal(100 * part) / Decimal(whole))


def share(fraction: float) -> str:
    """Return a share of 0…1 as a percentage, rounded as `percent` does.

    >>> share(0.9999996), share(0.18568), share(1.0), share(0.0)
    ('99.99 %', '18.57 %', '100 %', '0 %')
    """
    return "100 %" if fraction >= 1 else _rounded(Decimal(repr(fraction)) * 100)


def covered(fraction: float) -> str:
    """Return what share was proven as a percentage, floored, as the words of the coverage are.

    >>> covered(0.0156517), covered(1.0)
    ('1.56 %', '100 %')
    """
    return "100 %" if fraction >= 1 else _rounded(Decimal(repr(fraction)) * 100, ROUND_DOWN)


def _rounded(value: Decimal, rounding: str = ROUND_HALF_UP) -> str:
    """Return a percentage below 100, rounded to two digits."""
    if value <= 0:
        return "0 %"
    if value < Decimal("0.01"):
        return "< 0.01 %"
    return f"{min(value.quantize(Decimal('0.01'), rounding), Decimal('99.99'))} %"


def trimmed(number: str) -> str:
    """Return a decimal text without zeros at its end that say nothing.

    >>> trimmed("0.000900000000000"), trimmed("12.00"), trimmed("1200")
    ('0.0009', '12', '1200')
    """
    return number.rstrip("0").rstrip(".") if re.fullmatch(r"[-+]?[0-9]+\.[0-9]+", number) else number


def relative(number: str) -> str:
    """Return a ratio as a percentage, to two digits that tell, and to one behind the point at least; any other text as it is.

    >>> relative("0.007894736842105263"), relative("0.994"), relative("99.0"), relative("-")
    ('0.79 %', '99.4 %', '9,900 %', '-')
    """
    try:
        value = Decimal(number) * 100
    except InvalidOperation:
        return number
    if not value.is_finite():
        return number
    if not -6 <= value.adjusted() <= 12:
        return f"{value:.1e} %" if value else "0 %"
    return f"{grouped(trimmed(f'{round(value, max(1, 1 - value.adjusted())):f}'))} %"


def percent_at_most(part: int, whole: int) -> str:
    """Return an upper bound as a percentage, to three digits, rounded up.

    >>> percent_at_most(3, 9400)
    '0.0320 %'
    """
    value = min(Decimal(100), Decimal(100 * part) / Decimal(whole))
    digits = max(0, 2 - value.adjusted())
    return f"{value.quantize(Decimal(1).scaleb(-digits), ROUND_CEILING):f} %"


def power(numerator: int, exponent: int) -> str:
    """Return numerator / 2**exponent in scientific notation, rounded up.

    >>> power(1, 64), power(600573, 64)
    ('5.5e-20', '3.3e-14')
    """
    if numerator == 0:
        return "0"
    value = Decimal(numerator) / Decimal(2) ** exponent
    quantum = Decimal(1).scaleb(value.adjusted() - 1)
    return f"{value.quantize(quantum, ROUND_CEILING):.1e}"


def duration(seconds: float) -> str:
    """Return a time span.

    >>> duration(0.042), duration(12.34), duration(3725)
    ('42 ms', '12.3 s', '1 h 02 min')
    """
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60:,} h {minutes % 60:02d} min"


def bytes_text(size: int | None) -> str:
    """Return a size in decimal units, or a dash when it is not known.

    >>> bytes_text(1_234_567), bytes_text(None)
    ('1.2 MB', '–')
    """
    if size is None:
        return "–"
    value, units = float(size), ["B", "kB", "MB", "GB", "TB", "PB"]
    while value >= 999.95 and len(units) > 1:
        value /= 1000
        units.pop(0)
    return f"{size:,} B" if units[0] == "B" else f"{value:,.1f} {units[0]}"
