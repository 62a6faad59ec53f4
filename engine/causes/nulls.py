"""Why one side is NULL where the other is not: empty text, zero, a marker, a date that means nothing."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import Any

from engine.causes.model import NUMBER_FAMILIES, TIMESTAMP_FAMILIES, Candidate, Cell, Remedy, as_sql
from schemas.evidence_rows import ColumnMeta

__all__ = ["null_causes"]

_MARKERS = (
    "<null>", "NULL", "null", "Null", "\\N", "(null)", "[null]", "_null_recon_", "__HIVE_DEFAULT_PARTITION__", "DEFAULT_REPLACEMENT_STRING",
    "N/A", "n/a", "NA", "NaN", "nan", "None", "none", "nil", "NIL", "-", "?", "^^", "0", "unknown", "UNKNOWN", "1900-01-01", "1970-01-01",
)  # fmt: skip
_STAND_IN_SHARE = 0.05  # a rarer one is a value like any other
_DAY_US = 86_400_000_000
# Days since 1970-01-01 of the dates that systems write for "no date".
_DATES = {"1900-01-01": -25567, "1970-01-01": 0, "0001-01-01": -719162, "1899-12-30": -25569, "1753-01-01": -79257, "9999-12-31": 2932896}


def null_causes(meta: ColumnMeta, cells: Sequence[Cell], context: Sequence[Any]) -> Iterator[Candidate]:
    """Yield the causes that explain at least one cell with NULL on exactly one side."""
    for null_side, values in (
        ("target", [cell.source for cell in cells if cell.target is None and cell.source is not None]),
        ("source", [cell.target for cell in cells if cell.source is None and cell.target is not None]),
    ):
        if not values:
            continue
        full_side = "source" if null_side == "target" else "target"
        known: list[Callable[[Any], bool]] = []
        for cause, label, same, remedy in _stand_ins(meta):
            if sum(same(value) for value in values) >= max(1, _STAND_IN_SHARE * len(values)):
                known.append(same)
                phrase = f"the {null_side} holds NULL where the {full_side} holds {label}"
                yield Candidate(cause, (null_side, label), phrase, _one_null(same, null_side), remedy, 9, same)
        yield _any_value(null_side, known)


def _any_value(null_side: str, known: Sequence[Callable[[Any], bool]]) -> Candidate:
    lost = null_side == "target"
    seen = "the target holds NULL where the source holds a value" if lost else "the target holds a value where the source holds NULL"
    test = _one_null(lambda value: not any(same(value) for same in known), null_side)
    remedy = Remedy("reload", text=_lost_values(null_side))
    return Candidate("value_to_null" if lost else "null_to_value", (null_side,), seen, test, remedy, 55, needs=2)


def _lost_values(null_side: str) -> str:
    if null_side == "target":
        return "Load {column} of the target again, with a cast that fails instead of giving NULL (ANSI mode, FAILFAST)."
    return "Ask where {column} of the target comes from: a default, or a later change. Then load it again from the source."


def _one_null(same: Callable[[Any], bool], null_side: str) -> Callable[[Any, Any], bool]:
    if null_side == "target":
        return lambda source, target: target is None and source is not None and same(source)
    return lambda source, target: source is None and target is not None and same(target)


def _equals(expected: Any) -> Callable[[Any], bool]:
    return lambda value: type(value) is type(expected) and value == expected


def _stand_ins(meta: ColumnMeta) -> Iterator[tuple[str, str, Callable[[Any], bool], Remedy]]:
    """Yield (cause, label, test, remedy) of what may stand for NULL; the remedies work on both sides, so equal rows stay equal."""
    family = meta.family
    if family == "text":
        yield "null_and_empty", "the empty text ''", _equals(""), Remedy("contract_rule", rule="empty_as_null")
        blank = Remedy("spark", expression="CASE WHEN trim({c}) = '' THEN NULL ELSE {c} END")
        yield "null_and_blank", "blanks", lambda value: isinstance(value, str) and value != "" and value.strip(" ") == "", blank
        for marker in _MARKERS:
            yield "null_and_marker", f"the text '{marker}'", _equals(marker), Remedy("contract_rule", rule=f"null_as:{marker}")
    elif family in NUMBER_FAMILIES:
        for number, cause in ((Decimal(0), "null_and_zero"), (Decimal(-1), "null_and_marker"), (Decimal(-9999), "null_and_marker")):
            yield cause, str(number), _equals(number), Remedy("spark", expression=f"nullif({{c}}, {number})")
        for number in (Decimal(999), Decimal(9999), Decimal(99999), Decimal(999999)):
            yield "null_and_marker", str(number), _equals(number), Remedy("spark", expression=f"nullif({{c}}, {number})")
        if family in ("float", "double"):
            nan = Remedy("spark", expression="CASE WHEN isnan({c}) THEN NULL ELSE {c} END")
            yield "null_and_nan", "NaN", lambda value: isinstance(value, float) and math.isnan(value), nan
    elif family == "date" or family in TIMESTAMP_FAMILIES:
        for text, days in _DATES.items():
            value = days if family == "date" else days * _DAY_US
            yield (
                f"null_and_{text}" if text in ("1900-01-01", "1970-01-01") else "null_and_marker",
                text,
                _equals(value),
                _no_date(value, meta),
            )
    elif family == "boolean":
        yield "null_and_false", "false", _equals(False), Remedy("spark", expression="nullif({c}, false)")
    elif family in ("array", "map", "struct"):
        empty = ("[]",) if family == "array" else ("{}",)
        size = (
            Remedy("spark", expression="CASE WHEN size({c}) = 0 THEN NULL ELSE {c} END")
            if family != "struct"
            else Remedy("investigate", text="Decide whether a struct without values in {column} means NULL.")
        )
        yield (
            "null_and_empty",
            f"an empty {family}",
            lambda value: (value if isinstance(value, str) else "") in empty or value in ([], {}),
            size,
        )
    elif family == "binary":
        yield (
            "null_and_empty",
            "no bytes",
            lambda value: isinstance(value, (bytes, bytearray)) and not value,
            Remedy("spark", expression="CASE WHEN octet_length({c}) = 0 THEN NULL ELSE {c} END"),
        )


def _no_date(value: int, meta: ColumnMeta) -> Remedy:
    return Remedy("spark", expression=f"nullif({{c}}, {as_sql(value, meta)})")
