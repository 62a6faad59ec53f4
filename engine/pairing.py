"""What is to be compared, and the ways to bring its rows into pairs; nothing here starts a job."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.aggregates import Sampling, is_context
from engine.columns import ColumnPlan
from engine.fingerprint import Longs, Sketch, fetched_rows
from engine.frames import SideFrames
from engine.keydiff import join_unique, match_multisets

__all__ = ["Build", "Request", "both_raw", "few", "is_numbered", "is_ruled", "key_fields", "many", "matched_up"]

Build = Callable[[bool, bool], DataFrame]  # with the declared rows, with matched pairs


@dataclass(frozen=True)
class Request:
    """What is to be compared, and how.

    Attributes:
        source, target: the two sides.
        copies: both sides are the same bytes read in the same way; how that was seen.
        one_pass: read each side once and pair all rows at once, since a second scan is dear or sums are not proof enough; the reason.
    """

    source: SideFrames
    target: SideFrames
    one_pass: str | None = None
    copies: str | None = None

    @property
    def plan(self) -> ColumnPlan:
        """What is compared."""
        return self.source.plan

    @property
    def keyed(self) -> bool:
        """Whether rows are paired by a key."""
        return bool(self.plan.keys)


def few(request: Request, mask: Longs, sampling: Sampling, *, unique: bool) -> Build:
    """Return how to pair the rows that a mask wants; `unique`: both sides' keys are, and no rule works on them."""

    def build(raw: bool, with_matched: bool) -> DataFrame:
        rows = request.source.candidates(mask, raw=raw)
        other = request.target.candidates(mask, raw=raw)
        if unique:
            return join_unique(*(both_raw(rows, other) if raw else (rows, other)), key_fields(request))
        return matched_up(request, rows, other, raw=raw, with_matched=with_matched, kept=is_context(sampling))

    return build


def many(request: Request, sketch: Sketch, unique: bool) -> Build:
    """Return how to pair a large part of all rows: by hash join when keys are unique, else as multisets."""
    every = np.where(sketch.differs, -1, 0).astype(np.int64)
    restricted = fetched_rows(sketch, every) < 0.7 * (sketch.source_rows.sum() + sketch.target_rows.sum())

    def build(raw: bool, with_matched: bool) -> DataFrame:
        mask = every if restricted else None
        rows = request.source.candidates(mask, raw=raw)
        other = request.target.candidates(mask, raw=raw)
        if unique and not is_ruled(request):
            return join_unique(*(both_raw(rows, other) if raw else (rows, other)), key_fields(request))
        return matched_up(request, rows, other, raw=raw, with_matched=False)

    return build


def matched_up(
    request: Request, source: DataFrame, target: DataFrame, *, raw: bool, with_matched: bool, kept: Column | None = None
) -> DataFrame:
    if raw:
        source, target = both_raw(source, target)
    both = source.unionByName(target)
    return match_multisets(
        both,
        key_fields(request),
        keyed=request.keyed,
        ruled=is_ruled(request),
        with_matched=with_matched,
        kept=kept,
        one_sided=("raw_source", "raw_target") if raw else (),
    )


def both_raw(source: DataFrame, target: DataFrame) -> tuple[DataFrame, DataFrame]:
    """Give each side the other's declared row as a typed NULL, so that both have one schema."""
    ours, theirs = source.schema["v"].dataType, target.schema["v"].dataType
    assert isinstance(ours, T.StructType) and isinstance(theirs, T.StructType)

    def with_both(frame: DataFrame, own: str, other: str, other_type: T.DataType) -> DataFrame:
        value = F.col("v").withField(own, F.col("v").getField("raw")).withField(other, F.lit(None).cast(other_type)).dropFields("raw")
        ordered = F.struct(*(value.getField(name).alias(name) for name in [*shared, "raw_source", "raw_target"]))
        return frame.withColumn("v", ordered)

    shared = [name for name in ours.names if name != "raw"]
    return (
        with_both(source, "raw_source", "raw_target", theirs["raw"].dataType),
        with_both(target, "raw_target", "raw_source", ours["raw"].dataType),
    )


def is_ruled(request: Request) -> bool:
    return any(column.steps for column in request.plan.compared)


def is_numbered(request: Request) -> bool:
    """Whether all rows can be paired at once by a key that is one whole number, compared as they are."""
    return request.keyed and request.source.number() is not None and not is_ruled(request)


def key_fields(request: Request) -> list[str]:
    """Return the fields of `v` that make the key, under its normalisers where it has some."""
    fields = []
    for index, column in enumerate(request.plan.compared):
        if column.is_key:
            fields.append(f"r{index}_{len(column.steps) - 1}" if column.steps else f"c{index}")
    return fields
