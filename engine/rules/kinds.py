"""What a normaliser is: a name, the types it fits, its native expression, and its twin in plain Python."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql import types as T

__all__ = ["Argument", "RuleKind", "is_text", "plain_text"]

Argument = str | None


def is_text(declared: T.DataType, argument: Argument = None) -> bool:
    """Return whether a type holds text: string, char, varchar, any collation."""
    return isinstance(declared, (T.StringType, T.CharType, T.VarcharType))


def plain_text(value: Column, declared: T.DataType) -> Column:
    """Return text without its collation, so that nothing but its bytes decides."""
    if getattr(declared, "collation", "UTF8_BINARY") == "UTF8_BINARY":
        return value
    return F.collate(value.cast("string"), "UTF8_BINARY")


def _same_type(declared: T.DataType, argument: Argument) -> T.DataType:
    return T.StringType() if is_text(declared) else declared


def _no_argument(argument: Argument) -> str | None:
    return None if argument is None else "it takes no argument"


@dataclass(frozen=True)
class RuleKind:
    """One normaliser of the catalogue.

    Attributes:
        form: how it is written, such as `round:<n>`; the name is what stands before the colon.
        fits_text: the types it fits, for messages.
        fits: whether it fits a canonical type, given the argument.
        native: expression of value, type, argument; None when it needs Arrow. NULL stays NULL.
        python: the same on one Python value that is not None; the tests' oracle.
        result: type after the rule.
        wrong_argument: what is wrong with an argument, or None.
    """

    form: str
    fits_text: str
    fits: Callable[[T.DataType, Argument], bool]
    native: Callable[[Column, T.DataType, Argument], Column] | None
    python: Callable[[Any, T.DataType, Argument], Any]
    result: Callable[[T.DataType, Argument], T.DataType] = _same_type
    wrong_argument: Callable[[Argument], str | None] = _no_argument

    @property
    def name(self) -> str:
        """The word before the colon."""
        return self.form.partition(":")[0]
