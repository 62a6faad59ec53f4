"""Normalisers of arrays: `set` says that the order of elements means nothing. Duplicates stay: it is a multiset."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cmp_to_key
from typing import Any

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.rules.kinds import Argument, RuleKind

__all__ = ["ARRAY_RULES"]


def _orderable(declared: T.DataType) -> bool:
    if isinstance(declared, T.ArrayType):
        return _orderable(declared.elementType)
    if isinstance(declared, T.StructType):
        return all(_orderable(part.dataType) for part in declared)
    return not isinstance(declared, (T.MapType, T.VariantType, T.CalendarIntervalType))


def _fits(declared: T.DataType, argument: Argument) -> bool:
    return isinstance(declared, T.ArrayType) and _orderable(declared.elementType)


def _sort(value: Column, declared: T.DataType, argument: Argument) -> Column:
    return F.array_sort(value)


def _sort_twin(value: Any, declared: T.DataType, argument: Argument) -> Any:
    present = [element for element in value if element is not None]
    return sorted(present, key=cmp_to_key(_compare)) + [None] * (len(value) - len(present))


def _compare(one: Any, other: Any) -> int:
    """Spark's order: within structs and arrays NULL comes first, NaN is above all numbers."""
    if one is None or other is None:
        return (one is not None) - (other is not None)
    if isinstance(one, dict):
        return _compare(list(one.values()), list(other.values()))
    if isinstance(one, (list, tuple)):
        for left, right in zip(one, other, strict=False):
            if found := _compare(left, right):
                return found
        return (len(one) > len(other)) - (len(one) < len(other))
    if isinstance(one, float) and (math.isnan(one) or math.isnan(other)):
        return int(math.isnan(one)) - int(math.isnan(other))
    return int(one > other) - int(one < other)


ARRAY_RULES: Sequence[RuleKind] = (RuleKind("set", "arrays whose elements have an order (no maps, no variants)", _fits, _sort, _sort_twin),)
