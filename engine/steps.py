"""What a column's normalisers make of its type, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.canonical import common_type
from engine.rules import Rule, apply_rule, is_native

__all__ = ["RuleStep", "StepTypes", "step_types"]


@dataclass(frozen=True)
class RuleStep:
    """One normaliser, and the sides it works on."""

    rule: Rule
    source: bool = True
    target: bool = True


@dataclass(frozen=True)
class StepTypes:
    """Types of one column after each normaliser, per side, and the steps after which both can be compared."""

    source: tuple[T.DataType, ...]
    target: tuple[T.DataType, ...]
    common: tuple[T.DataType | None, ...]

    @property
    def compared(self) -> tuple[int, ...]:
        """Indexes of the steps after which both sides have one type."""
        return tuple(index for index, found in enumerate(self.common) if found is not None)


def step_types(start: T.DataType, steps: Sequence[RuleStep]) -> StepTypes:
    """Return what normalisers make of a type that both sides begin with."""
    sides: list[list[T.DataType]] = [[], []]
    for index, types in enumerate(sides):
        current = start
        for step in steps:
            if (step.source if index == 0 else step.target) and is_native(step.rule):
                _, current = apply_rule(step.rule, F.lit(None).cast(current), current)
            types.append(current)
    common = [found.type if (found := common_type(one, other)) else None for one, other in zip(*sides, strict=True)]
    return StepTypes(tuple(sides[0]), tuple(sides[1]), tuple(common))
