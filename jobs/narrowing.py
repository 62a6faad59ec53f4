"""Both sides to the rows that were asked for: a predicate, a sample."""

from __future__ import annotations

from collections.abc import Mapping

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from connectors.base import OpenedTable
from engine.columns import ColumnPlan
from engine.frames import SideFrames, quoted
from engine.rules import is_native
from engine.sampling import in_sample
from jobs.request import satisfying
from schemas.errors import ConfigError

__all__ = ["filtered", "sampled"]


def filtered(table: OpenedTable, plan: ColumnPlan, where: str, *, on_source: bool) -> DataFrame:
    """Return the rows that satisfy a predicate written in source names."""
    if on_source:
        return satisfying(table.rows, where, f"source {table.uri}")
    names = {target: name for name, target in plan.target_names.items()}
    forward = [F.col(quoted(name)).alias(names.get(name, _aside(name, names))) for name in table.rows.columns]
    renamed = satisfying(table.rows.select(*forward), where, f"target {table.uri}")
    back = [F.col(quoted(names.get(name, _aside(name, names)))).alias(name) for name in table.rows.columns]
    return renamed.select(*back)


def _aside(name: str, names: Mapping[str, str]) -> str:
    """Return another name for a target column whose own name is the source name of a mapped one."""
    return f"parity_target_{name}" if name in names.values() else name


def sampled(frame: SideFrames, threshold: int) -> SideFrames:
    """Return a side with the rows whose key (keyless: whole row) is in the sample."""
    plan = frame.plan
    chosen = plan.key_columns or plan.compared
    for column in plan.key_columns:
        if column.steps:
            texts = ", ".join(step.rule.text for step in column.steps)
            native = all(is_native(step.rule) for step in column.steps)
            raise ConfigError(
                f"--sample: the key {column.name} has the rule {texts}, so both sides would draw other keys.",
                object="--sample",
                hint="Compare all rows" + (", or apply the rule before comparing." if native else "."),
            )
    parts = []
    for column in chosen:
        declared = F.col(quoted(column.name if frame.on_source else column.target))
        value = column.physical(declared, on_source=frame.on_source)
        if column.parsed:
            value = value.getField("value")
        parts.append((value, column.value_type if column.parsed else column.type))
    return SideFrames(frame.rows.where(in_sample(parts, threshold)), plan, frame.on_source, frame.strength)
