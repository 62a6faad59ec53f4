"""Causes that any family of values may have: inverted booleans, one constant, a code list, nested paths, order of an array."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any

from engine.causes.model import Candidate, Cell, Remedy, as_sql
from schemas.evidence_rows import ColumnMeta

__all__ = ["constant_causes", "nested_causes"]

_NESTED = ("array", "struct", "map", "variant")
_MAPPED_VALUES = 20
_PATHS_SHOWN = 3


def constant_causes(meta: ColumnMeta, cells: Sequence[Cell], context: Sequence[Any]) -> Iterator[Candidate]:
    """Yield inversion of booleans, a constant on one side, and a fixed replacement of few values."""
    pairs = [(c.source, c.target) for c in cells if isinstance(c.source, Hashable) and isinstance(c.target, Hashable)]
    if meta.family == "boolean":
        yield from _inverted(pairs)
    for side, index in (("target", 1), ("source", 0)):
        yield from _constant(pairs, context, side, index)
    yield from _mapped(pairs, context, meta)


def _inverted(pairs: Sequence[tuple[Any, Any]]) -> Iterator[Candidate]:
    if any(isinstance(s, bool) and isinstance(t, bool) and s is not t for s, t in pairs):
        yield Candidate(
            "boolean_inversion",
            (),
            "true and false are swapped",
            lambda s, t: isinstance(s, bool) and isinstance(t, bool) and s is not t,
            Remedy("spark", expression="NOT {c}", side="target"),
            9,
            lambda value: isinstance(value, bool),
            needs=2,
        )


def _constant(pairs: Sequence[tuple[Any, Any]], context: Sequence[Any], side: str, index: int) -> Iterator[Candidate]:
    pairs = [pair for pair in pairs if pair[0] is not None and pair[1] is not None]
    values = Counter(pair[index] for pair in pairs)
    if not values:
        return
    constant, number = min(values.items(), key=lambda item: (-item[1], repr(item[0])))
    others = {pair[1 - index] for pair in pairs if pair[index] == constant}
    elsewhere = sum(value is not None and value != constant for value in context)
    two_values = isinstance(constant, bool)
    if (
        number < 3
        or number * 2 < len(pairs)
        or (len(others) < 3 and not two_values)
        or (two_values and (elsewhere or not context or len(values) > 1))
    ):
        return
    yield Candidate(
        "constant_value",
        (side, repr(constant)),
        f"the {side} holds one and the same value, {{value}}, whatever the other side holds (a default, or a mask)",
        (lambda s, t: s is not None and type(t) is type(constant) and t == constant and s != t)
        if side == "target"
        else (lambda s, t: t is not None and type(s) is type(constant) and s == constant and s != t),
        Remedy("reload", text=f"Load {{column}} of the {side} again from the real column, without the default."),
        8 if two_values else 30,
        lambda value: value is not None and value != constant,
        needs=3,
    )


def _mapped(pairs: Sequence[tuple[Any, Any]], context: Sequence[Any], meta: ColumnMeta) -> Iterator[Candidate]:
    """Yield the replacement table when every source value has one target value and each is seen several times."""
    if meta.family not in ("text", "integer", "boolean") or meta.family == "boolean":
        return
    counts = Counter(pairs)
    best: dict[Any, tuple[Any, int]] = {}
    for (s, t), number in sorted(counts.items(), key=lambda item: (-item[1], repr(item[0]))):
        if s is not None and s not in best and number >= 3:
            best[s] = (t, number)
    explained = sum(number for _, number in best.values())
    if not best or len(best) > _MAPPED_VALUES or explained * 2 < len(pairs) or explained < 5:
        return
    mapping = {s: t for s, (t, _) in best.items()}
    if any(value in mapping for value in context if isinstance(value, Hashable)):
        return
    back: dict[Any, Any] = {}
    for s, t in mapping.items():
        back.setdefault(t, s)
    reversible = len(back) == len(mapping) and not any(value in back for value in context if isinstance(value, Hashable))
    cases = " ".join(f"WHEN {{c}} <=> {as_sql(t, meta)} THEN {as_sql(s, meta)}" for s, t in sorted(mapping.items(), key=repr))
    forth = " ".join(f"WHEN {{c}} <=> {as_sql(s, meta)} THEN {as_sql(t, meta)}" for s, t in sorted(mapping.items(), key=repr))
    remedy = (
        Remedy("spark", expression=f"CASE {cases} ELSE {{c}} END", side="target", reveals=True)
        if reversible
        else Remedy("spark", expression=f"CASE {forth} ELSE {{c}} END", side="source", reveals=True)
    )
    yield Candidate(
        "value_mapping",
        tuple(f"{s!r}>{t!r}" for s, t in sorted(mapping.items(), key=repr)),
        "each source value always comes with the same other target value: another code list",
        lambda s, t: isinstance(s, Hashable) and s in mapping and mapping[s] == t,
        remedy,
        35,
        lambda value: isinstance(value, Hashable) and value in mapping,
        needs=5,
    )


def _document(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def nested_causes(meta: ColumnMeta, cells: Sequence[Cell], context: Sequence[Any]) -> Iterator[Candidate]:
    """Yield another order of array elements, and the paths at which nested values differ."""
    if meta.family not in _NESTED:
        return
    pairs = [(cell.source, cell.target) for cell in cells if cell.source is not None and cell.target is not None]
    if meta.family == "array" and any(_same_elements(s, t) for s, t in pairs):
        yield Candidate(
            "array_order",
            (),
            "the arrays hold the same elements in another order",
            _same_elements,
            Remedy("contract_rule", rule="set"),
            9,
        )
    seen = Counter(paths for paths in (difference_paths(s, t) for s, t in pairs) if paths)
    for paths, _ in sorted(seen.items(), key=lambda item: (-item[1], item[0]))[:_PATHS_SHOWN]:
        shown = ", ".join(paths[:_PATHS_SHOWN]) + (f" and {len(paths) - _PATHS_SHOWN} more" if len(paths) > _PATHS_SHOWN else "")
        yield Candidate(
            "nested_path",
            paths,
            f"the nested values differ only at {shown}",
            _path_test(paths),
            Remedy("investigate", text=f"Compare {shown} of {{column}} as columns of their own, then look at the causes found there."),
            45,
            needs=1,
        )


def _path_test(paths: tuple[str, ...]) -> Callable[[Any, Any], bool]:
    return lambda s, t: s is not None and t is not None and difference_paths(s, t) == paths


def _same_elements(source: Any, target: Any) -> bool:
    one, other = _document(source), _document(target)
    if not isinstance(one, list) or not isinstance(other, list) or one == other:
        return False
    return sorted(json.dumps(e, sort_keys=True, default=str) for e in one) == sorted(
        json.dumps(e, sort_keys=True, default=str) for e in other
    )


def difference_paths(source: Any, target: Any) -> tuple[str, ...]:
    """Return where two nested values differ, array positions as `[]`.

    >>> difference_paths('{"a": {"b": 1}, "c": [1, 2]}', '{"a": {"b": 2}, "c": [1, 3]}')
    ('$.a.b', '$.c[]')
    """
    found: set[str] = set()
    _collect(_document(source), _document(target), "$", found)
    return tuple(sorted(found))


def _collect(one: Any, other: Any, path: str, found: set[str]) -> None:
    if isinstance(one, dict) and isinstance(other, dict):
        for name in sorted({*one, *other}, key=str):
            if name in one and name in other:
                _collect(one[name], other[name], f"{path}.{name}", found)
            else:
                found.add(f"{path}.{name}")
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for left, right in zip(one, other, strict=True):
            _collect(left, right, f"{path}[]", found)
    elif type(one) is not type(other) or one != other:
        found.add(path)
