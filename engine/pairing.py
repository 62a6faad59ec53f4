"""What is to be compared, and the ways to bring its rows into pairs; nothing here starts a job."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.aggregates import Sampling, is_context
from engine.columns import ColumnPlan
from engine.fingerprint import BUCKETS, Longs, Sketch, fetched_rows
from engine.frames import SideFrames
from engine.keydiff import join_unique, match_multisets
from engine.ranges import KeySpan

__all__ = ["Build", "Request", "few", "is_numbered", "is_ruled", "joined", "many", "matched_up"]

Build = Callable[[bool, bool], DataFrame]  # with the declared rows, with matched pairs


@dataclass(frozen=True)
class Request:
    """What is to be compared, and how.

    Attributes:
        source, target: the two sides.
        copies: both sides are the same bytes read in the same way; how that was seen.
        one_pass: read each side once and pair all rows at once, since a second scan is dear or sums are not proof enough; the reason.
        span: of the source's keys, once it is known.
    """

    source: SideFrames
    target: SideFrames
    one_pass: str | None = None
    copies: str | None = None
    span: KeySpan | None = None

    def with_span(self, span: KeySpan) -> Request:
        """Return the request with buckets that are ranges of the key, where these keys lie close enough together."""
        spacing = span.spacing(BUCKETS)
        return replace(self, source=self.source.spaced(spacing), target=self.target.spaced(spacing), span=span)

    @property
    def session(self) -> SparkSession:
        """The session that both sides belong to."""
        return self.source.rows.sparkSession

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
        kept = is_context(sampling)
        if unique:
            return joined(request, mask, kept if with_matched else F.lit(False), raw=raw)
        return matched_up(request, mask, raw=raw, with_matched=with_matched, kept=kept)

    return build


def many(request: Request, sketch: Sketch, unique: bool) -> Build:
    """Return how to pair a large part of all rows: by hash join when keys are unique, else as multisets."""
    every = np.where(sketch.differs, -1, 0).astype(np.int64)
    restricted = fetched_rows(sketch, every) < 0.7 * (sketch.source_rows.sum() + sketch.target_rows.sum())
    mask = every if restricted else None

    def build(raw: bool, with_matched: bool) -> DataFrame:
        if unique and not is_ruled(request):
            return joined(request, mask, raw=raw)
        return matched_up(request, mask, raw=raw, with_matched=False)

    return build


def joined(request: Request, mask: Longs | None, kept: Column | None = None, *, raw: bool) -> DataFrame:
    """Return the pairs of rows (mask None: all) whose keys are unique on both sides; `kept` as in `engine.keydiff.join_unique`."""
    return join_unique(*_candidates(request, mask, raw=raw), key_fields(request), kept)


def matched_up(request: Request, mask: Longs | None, *, raw: bool, with_matched: bool, kept: Column | None = None) -> DataFrame:
    """Return the pairs of rows (None: all) whose keys may repeat, or be paired by rules; see `engine.keydiff.match_multisets`."""
    source, target = _candidates(request, mask, raw=raw)
    if raw and not with_matched:
        source, target = _apart(request, source, target)
    return match_multisets(
        source.unionByName(target),
        key_fields(request),
        keyed=request.keyed,
        ruled=is_ruled(request),
        with_matched=with_matched,
        kept=kept,
        one_sided=("raw_source", "raw_target") if raw else (),
    )


def _candidates(request: Request, mask: Longs | None, *, raw: bool) -> tuple[DataFrame, DataFrame]:
    source, target = (side.candidates(mask, request.span, raw=raw) for side in (request.source, request.target))
    return _both_raw(source, target) if raw else (source, target)


def _apart(request: Request, source: DataFrame, target: DataFrame) -> tuple[DataFrame, DataFrame]:
    """Add `other`, a hash of the declared columns that are not compared, where there are some on either side."""
    ours, theirs = {column.name for column in request.plan.compared}, {column.target for column in request.plan.compared}
    rest = [name for name in request.source.rows.columns if name not in ours]
    more = [name for name in request.target.rows.columns if name not in theirs]

    def with_other(side: DataFrame, row: str, names: list[str]) -> DataFrame:
        own = [F.col("v").getField(row).getField(name).alias(name) for name in names]
        text = F.to_json(F.struct(*own), {"ignoreNullFields": "false"}) if own else F.lit("")
        return side.withColumn("other", F.xxhash64(text))

    if not rest and not more:
        return source, target
    return with_other(source, "raw_source", rest), with_other(target, "raw_target", more)


def _both_raw(source: DataFrame, target: DataFrame) -> tuple[DataFrame, DataFrame]:
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
    """Return whether rows that differ may be equal under a rule."""
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
