"""Normalisers that say which text means NULL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.rules.kinds import Argument, RuleKind, is_text, plain_text

__all__ = ["NULL_RULES"]


def _null_when(value: Column, declared: T.DataType, argument: Argument) -> Column:
    text = plain_text(value, declared)
    return F.when(text != F.lit(argument or ""), text)


def _twin(value: Any, declared: T.DataType, argument: Argument) -> Any:
    return None if value == (argument or "") else value


def _needs_text(argument: Argument) -> str | None:
    return "the text that means NULL is not given" if argument is None else None


NULL_RULES: Sequence[RuleKind] = (
    RuleKind("empty_as_null", "text columns", is_text, _null_when, _twin),
    RuleKind("null_as:<text>", "text columns", is_text, _null_when, _twin, wrong_argument=_needs_text),
)
