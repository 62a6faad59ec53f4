"""Why two numbers differ: rounding, scale, sign, a constant, float precision, overflow. Numbers come as Decimal."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, ROUND_HALF_EVEN, ROUND_HALF_UP, Context, Decimal
from typing import Any

from engine.causes.model import NUMBER_FAMILIES, Candidate, Cell, Remedy
from schemas.evidence_rows import ColumnMeta

__all__ = ["as_number", "number_causes"]

# Wide enough for every double and decimal(38); nothing traps: what cannot be calculated is NaN, equal to nothing.
_EXACT = Context(prec=700, Emax=99999, Emin=-99999, traps=[])
_MODES = (
    ("rounding", "rounded half up", ROUND_HALF_UP, 10),
    ("rounding", "rounded half to even", ROUND_HALF_EVEN, 11),
    ("decimal_truncation", "cut off, not rounded,", ROUND_DOWN, 12),
    ("rounding", "rounded down", ROUND_FLOOR, 14),
    ("rounding", "rounded up", ROUND_CEILING, 15),
)
_DIGITS_TRIED = 4
_LARGEST_SCALE = 18
_LEAST_FACTOR = Decimal("1e-6")  # nearer to 1 it is noise
_FLOAT_NOISE = Decimal("1e-12")
_BINARY = "and compare {column} with the tolerance rel:1e-12, since binary floating point keeps a rest"
Pair = tuple[Decimal, Decimal]


def as_number(value: Any) -> Any:
    """Return a finite number as Decimal (a float by its shortest text); anything else as it is."""
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        return value
    number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    return number if number.is_finite() else float(number)


def number_causes(meta: ColumnMeta, cells: Sequence[Cell], context: Sequence[Any]) -> Iterator[Candidate]:
    """Yield the causes that explain at least one of the number cells."""
    pairs = [(cell.source, cell.target) for cell in cells if isinstance(cell.source, Decimal) and isinstance(cell.target, Decimal)]
    if not pairs or meta.family not in NUMBER_FAMILIES:
        return
    is_float = meta.family in ("float", "double")
    yield from _precision(pairs, is_float)
    yield from _rounded(pairs, is_float)
    yield from _scaled(pairs, meta, is_float)
    yield from _signs(pairs)
    yield from _shifted(pairs, is_float)
    if meta.family == "integer":
        yield from _overflown(pairs)


def _on_numbers(function: Callable[[Decimal, Decimal], bool]) -> Callable[[Any, Any], bool]:
    return lambda s, t: isinstance(s, Decimal) and isinstance(t, Decimal) and s != t and function(s, t)


def _is_number(test: Callable[[Decimal], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, Decimal) and test(value)


def _quantized(value: Decimal, digits: int, mode: str) -> Decimal:
    return value.quantize(Decimal(1).scaleb(-digits, _EXACT), rounding=mode, context=_EXACT)


def _fraction_digits(value: Decimal) -> int:
    exponent = value.normalize(_EXACT).as_tuple().exponent
    return -exponent if isinstance(exponent, int) and value else 0


def _rounded(pairs: Sequence[Pair], is_float: bool) -> Iterator[Candidate]:
    for side in ("target", "source"):
        ordered = pairs if side == "target" else [(t, s) for s, t in pairs]
        fewer = Counter(_fraction_digits(short) for long, short in ordered if _fraction_digits(long) > _fraction_digits(short))
        if not fewer:
            continue
        tried = sorted(fewer, key=lambda digits: (-fewer[digits], digits))[:_DIGITS_TRIED]
        for digits in sorted({*tried, max(fewer)}):
            for cause, words, mode, simplicity in _MODES:
                test = _rounding_test(digits, mode, side)
                if any(test(s, t) for s, t in pairs):
                    yield _rounding(cause, words, mode, simplicity, digits, side, test, is_float)


def _rounding_test(digits: int, mode: str, side: str) -> Callable[[Any, Any], bool]:
    if side == "target":
        return _on_numbers(lambda s, t: _quantized(s, digits, mode) == t)
    return _on_numbers(lambda s, t: _quantized(t, digits, mode) == s)


def _rounding(
    cause: str, words: str, mode: str, simplicity: int, digits: int, side: str, test: Callable[[Any, Any], bool], is_float: bool
) -> Candidate:
    place = f"{digits} digit{'' if digits == 1 else 's'} after the point" if digits >= 0 else f"{Decimal(1).scaleb(-digits):f}s"
    if mode == ROUND_HALF_UP and digits >= 0 and not is_float:
        remedy = Remedy("contract_rule", rule=f"round:{digits}")
    else:
        unit = Decimal(1).scaleb(-digits)
        limit = unit / 2 if mode in (ROUND_HALF_EVEN, ROUND_HALF_UP) else unit
        if is_float:
            limit += unit.scaleb(-6)
        remedy = Remedy("contract_rule", tolerance=f"abs:{limit.normalize():f}")
    affects = _is_number(lambda value: _quantized(value, digits, mode) != value)
    return Candidate(
        cause, (side, str(digits), mode), f"the {side} is the other side's value {words} to {place}", test, remedy, simplicity, affects
    )


def _float32(value: Decimal) -> Decimal | None:
    try:
        (narrow,) = struct.unpack("<f", struct.pack("<f", float(value)))
    except OverflowError:
        return None
    return Decimal(repr(narrow)) if narrow in (narrow,) and abs(narrow) != float("inf") else None


def _widened(precise: Decimal, narrow: Decimal) -> bool:
    """Return whether `narrow` is what a 32-bit float keeps of `precise`, in its double or its short decimal form."""
    kept = _float32(precise)
    return kept is not None and kept != precise and (kept == narrow or float(kept) == float(narrow))


def _precision(pairs: Sequence[Pair], is_float: bool) -> Iterator[Candidate]:
    for side in ("target", "source"):
        ordered = pairs if side == "target" else [(t, s) for s, t in pairs]
        if any(_widened(precise, narrow) for precise, narrow in ordered):
            yield Candidate(
                "float_widened",
                (side,),
                f"the {side} has gone through a 32-bit float: it is the other side's value in single precision",
                _on_numbers(_widened if side == "target" else lambda s, t: _widened(t, s)),
                Remedy("contract_rule", tolerance="rel:6e-8"),
                8,
                _is_number(lambda value: _float32(value) != value),
            )
        if not is_float and any(_through_double(precise, cut) for precise, cut in ordered):
            yield Candidate(
                "double_precision_loss",
                (side,),
                f"the {side} has gone through a 64-bit float: digits after the 15th or 16th are lost",
                _on_numbers(_through_double if side == "target" else lambda s, t: _through_double(t, s)),
                Remedy("contract_rule", tolerance="rel:2.3e-16"),
                9,
                _is_number(lambda value: Decimal(float(value)) != value and len(value.as_tuple().digits) > 15),
            )
    if any(_is_noise(s, t) for s, t in pairs) and is_float:
        yield Candidate(
            "float_noise",
            (),
            "the values differ only in the last bits of floating point, as after sums in another order",
            _on_numbers(_is_noise),
            Remedy("contract_rule", tolerance=f"rel:{_FLOAT_NOISE:e}"),
            9,
        )


def _through_double(precise: Decimal, cut: Decimal) -> bool:
    if len(precise.as_tuple().digits) < 16:
        return False
    exponent = precise.as_tuple().exponent
    exact, short = Decimal(float(precise)), Decimal(repr(float(precise)))
    digits = -exponent if isinstance(exponent, int) else 0
    return any(_quantized(kept, digits, ROUND_HALF_UP) == cut for kept in (exact, short)) and _relative(precise, cut) <= Decimal("2.3e-16")


def _relative(one: Decimal, other: Decimal) -> Decimal:
    largest = max(abs(one), abs(other))
    return abs(_EXACT.subtract(one, other)) / largest if largest else Decimal(0)


def _is_noise(source: Decimal, target: Decimal) -> bool:
    return 0 < _relative(source, target) <= _FLOAT_NOISE


def _scaled(pairs: Sequence[Pair], meta: ColumnMeta, is_float: bool) -> Iterator[Candidate]:
    powers = Counter(t.adjusted() - s.adjusted() for s, t in pairs if s and t)
    near = {power + step for power in powers for step in (-1, 0, 1)} if is_float else set(powers)
    for power in sorted(near - {0}, key=lambda power: (-powers[power], abs(power), power))[:8]:
        if abs(power) > _LARGEST_SCALE:
            continue
        test = _scale_test(power, is_float)
        if any(test(s, t) for s, t in pairs):
            yield Candidate(
                "scale",
                (str(power),),
                f"the target is the source {'times' if power > 0 else 'divided by'} {10 ** abs(power):,}",
                test,
                _rescale(power, meta),
                10 if power % 3 and power % 2 else 9,
                _is_number(lambda value: value != 0),
            )
    if is_float:
        ratios = Counter(f"{t / s:.11e}" for s, t in pairs if s and t)
    else:
        ratios = Counter(f"{_ratio(s, t):.15e}" for s, t in pairs if s and t)
    for text, number in sorted(ratios.items(), key=lambda item: (-item[1], item[0]))[:2]:
        factor = Decimal(text)
        distinct = {s for s, t in pairs if s and t and _near(_EXACT.multiply(s, factor), t)}
        power_of_ten = factor.normalize().as_tuple().digits == (1,)
        if number >= 3 and len(distinct) >= 3 and abs(abs(factor) - 1) > _LEAST_FACTOR and not power_of_ten:
            yield Candidate(
                "constant_factor",
                (f"{factor.normalize():f}",),
                f"the target is the source times {factor.normalize():f}",
                _factor_test(factor, is_float),
                _divided(factor, meta, is_float),
                20,
                _is_number(lambda value: value != 0),
                needs=3,
            )


def _factor_test(factor: Decimal, is_float: bool) -> Callable[[Any, Any], bool]:
    if is_float:
        return _on_numbers(lambda s, t: s != 0 and _near(_EXACT.multiply(s, factor), t))
    narrow = Context(prec=60, traps=[])
    return _on_numbers(lambda s, t: s != 0 and _quantized(narrow.divide(t, factor), _fraction_digits(s), ROUND_HALF_UP) == s)


def _divided(factor: Decimal, meta: ColumnMeta, is_float: bool) -> Remedy:
    if is_float:
        return Remedy("spark", expression=f"{{c}} / {factor.normalize():f}D", side="target", note=_BINARY)
    scale = meta.type.rpartition(",")[2].rstrip(")") if meta.family == "decimal" and "," in meta.type else "0"
    return Remedy("spark", expression=f"CAST(round({{c}} / {factor.normalize():f}BD, {scale}) AS {meta.type})", side="target")


def _ratio(source: Decimal, target: Decimal) -> Decimal:
    return Context(prec=40).divide(target, source)


def _near(expected: Decimal, actual: Decimal) -> bool:
    return abs(_EXACT.subtract(expected, actual)) <= max(abs(expected), abs(actual)) * Decimal("1e-11")


def _scale_test(power: int, is_float: bool) -> Callable[[Any, Any], bool]:
    if is_float:
        return _on_numbers(lambda s, t: s != 0 and _relative(s.scaleb(power, _EXACT), t) <= _FLOAT_NOISE)
    return _on_numbers(lambda s, t: s != 0 and s.scaleb(power, _EXACT) == t)


def _rescale(power: int, meta: ColumnMeta) -> Remedy:
    if meta.family in ("float", "double"):
        return Remedy("spark", expression=f"{{c}} {'/' if power > 0 else '*'} {10 ** abs(power)}D", side="target", note=_BINARY)
    factor = f"{Decimal(1).scaleb(-power):f}BD"
    return Remedy("spark", expression=f"CAST({{c}} * {factor} AS {meta.type})", side="target")


def _signs(pairs: Sequence[Pair]) -> Iterator[Candidate]:
    if not any(s == -t and s for s, t in pairs):
        return
    yield Candidate(
        "sign_flip",
        (),
        "the target has the opposite sign",
        _on_numbers(lambda s, t: s == -t),
        Remedy("spark", expression="-{c}", side="target"),
        9,
        _is_number(lambda value: value != 0),
    )
    for side, negative in (("target", 0), ("source", 1)):
        if all(pair[negative] < 0 for pair in pairs if pair[0] == -pair[1]):
            yield Candidate(
                "sign_lost",
                (side,),
                f"the {side} has lost the minus sign: it is the absolute value",
                _on_numbers((lambda s, t: s < 0 and s == -t) if side == "target" else (lambda s, t: t < 0 and s == -t)),
                Remedy(
                    "reload",
                    text=f"Load {{column}} of the {side} again with its sign: which of its values were negative is lost.",
                ),
                11,
                _is_number(lambda value: value < 0),
            )


def _shifted(pairs: Sequence[Pair], is_float: bool) -> Iterator[Candidate]:
    deltas = Counter(_difference(s, t, is_float) for s, t in pairs)
    for delta, number in sorted(deltas.items(), key=lambda item: (-item[1], abs(item[0]), item[0]))[:2]:
        test = _delta_test(delta, is_float)
        if number < 3 or delta == 0 or len({s for s, t in pairs if test(s, t)}) < 2:
            continue
        amount = f"{abs(delta):f}"
        sign = "-" if delta > 0 else "+"
        literal = f"{amount}D" if is_float else f"{amount}BD" if "." in amount else amount
        yield Candidate(
            "constant_delta",
            (f"{delta:f}",),
            f"the target is {amount} {'more' if delta > 0 else 'less'} than the source",
            test,
            Remedy("spark", expression=f"{{c}} {sign} {literal}", side="target", note=_BINARY if is_float else ""),
            13,
            _is_number(lambda value: True),
            needs=3,
        )


def _delta_test(delta: Decimal, is_float: bool) -> Callable[[Any, Any], bool]:
    return _on_numbers(lambda s, t: _difference(s, t, is_float) == delta)


def _difference(source: Decimal, target: Decimal, is_float: bool) -> Decimal:
    """Return target − source; of floats to 12 digits of the larger one, so that binary noise does not tell them apart."""
    difference = _EXACT.subtract(target, source)
    if is_float and difference:
        place = max(source.adjusted(), target.adjusted()) - 12
        difference = _quantized(difference, -place, ROUND_HALF_EVEN).normalize(_EXACT)
    return difference.normalize(_EXACT)


def _overflown(pairs: Sequence[Pair]) -> Iterator[Candidate]:
    for bits in (8, 16, 32):
        for side in ("target", "source"):
            test = _overflow_test(bits, side)
            if any(test(s, t) for s, t in pairs):
                yield Candidate(
                    "integer_overflow",
                    (side, str(bits)),
                    f"the {side} holds only the lowest {bits} bits of the value: an integer overflow",
                    test,
                    Remedy("reload", text=f"Widen {{column}} of the {side} beyond {bits} bits and load it again."),
                    9,
                    _is_number(lambda value, bits=bits: not -(2 ** (bits - 1)) <= value < 2 ** (bits - 1)),  # type: ignore[misc]
                )


def _overflow_test(bits: int, side: str) -> Callable[[Any, Any], bool]:
    half = 2 ** (bits - 1)

    def wraps(whole: Decimal, kept: Decimal) -> bool:
        return whole == int(whole) and not -half <= whole < half and (int(whole) + half) % (2 * half) - half == kept

    return _on_numbers(wraps if side == "target" else lambda s, t: wraps(t, s))
