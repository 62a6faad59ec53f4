"""One side of a comparison in the form the engine works on. Nothing here starts a job."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.canonical import physical, physical_type
from engine.columns import ColumnPlan, ComparedColumn
from engine.fingerprint import BUCKETS, Longs, apart, bucket_of, wanted_rows
from engine.folding import any_of
from engine.hashing import HashedColumn, key_hash, row_hashes, text_hash
from engine.parsing import PARSED_TEXT, PARSED_VALUE
from engine.portable import pct1_row
from engine.ranges import KeySpan
from engine.rules import Rule, apply_rule, apply_with_arrow, is_native, loses
from engine.steps import StepTypes

__all__ = ["RAW", "SideFrames", "quoted"]

RAW = "raw"


def quoted(name: str) -> str:
    """Return a column name as Spark's own dialect quotes it, whatever it contains.

    >>> quoted("a.b`c")
    '`a.b``c`'
    """
    return "`" + name.replace("`", "``") + "`"


@dataclass(frozen=True)
class SideFrames:
    """A side's rows with names of its own, as the engine reads them again and again.

    Attributes:
        rows: the user's rows, filtered, under source names where compared.
        plan: what is compared.
        on_source: which side this is.
        strength: of the row hash.
        spacing: see `engine.fingerprint.bucket_of`.
    """

    rows: DataFrame
    plan: ColumnPlan
    on_source: bool
    strength: str
    spacing: int | None = None

    def spaced(self, spacing: int | None) -> SideFrames:
        """Return this side with other buckets; what is built already is kept."""
        other = replace(self, spacing=spacing)
        other.__dict__.update({name: self.__dict__[name] for name in ("_physical", "_physical_raw") if name in self.__dict__})
        return other

    def _declared(self, column: ComparedColumn) -> Column:
        return F.col(quoted(column.name if self.on_source else column.target))

    def physical(self, *, raw: bool = False) -> DataFrame:
        """Return the compared columns in physical form as `c0, c1, …`; with `raw`, also the declared row as a struct."""
        return self._physical_raw if raw else self._physical

    # built once and read several times: each expression is a conversation with the JVM

    @cached_property
    def _physical(self) -> DataFrame:
        return self._in_physical_form(raw=False)

    @cached_property
    def _physical_raw(self) -> DataFrame:
        return self._in_physical_form(raw=True)

    @cached_property
    def _hashed(self) -> DataFrame:
        return self._with_hashes(self._physical)

    def _in_physical_form(self, *, raw: bool) -> DataFrame:
        columns = [
            column.physical(self._declared(column), on_source=self.on_source).alias(f"c{index}")
            for index, column in enumerate(self.plan.compared)
        ]
        if raw:
            columns.append(F.struct(*(F.col(quoted(name)) for name in self.rows.columns)).alias(RAW))
        return self.rows.select(*columns)

    def hashed(self, *, raw: bool = False) -> DataFrame:
        """Return `physical` with `k: bigint`, `h1: bigint`, `h2: bigint`, `bucket: int`. Narrow."""
        return self._with_hashes(self.physical(raw=True)) if raw else self._hashed

    def fingerprinted(self) -> DataFrame:
        """Return `physical` with `h1: bigint`, `h2: bigint`, `k: bigint`. Narrow."""
        return self._with_row_hashes(self._physical)

    def _with_hashes(self, frame: DataFrame, *, has_k: bool = False) -> DataFrame:
        """Add hashes and bucket to rows in physical form, which may have `k` already."""
        frame = self._with_row_hashes(frame, has_k=has_k)
        bucket = self._bucket()
        return frame.withColumn("bucket", apart(bucket, F.col("h1"), self.null_key()) if self.plan.keys else bucket)

    def _bucket(self) -> Column:
        return bucket_of(F.col("k"), self.number(), self.spacing)

    def _with_row_hashes(self, frame: DataFrame, *, has_k: bool = False) -> DataFrame:
        h1, h2 = self._built(f"row {self.strength}", self._row_hashes)
        keyed = bool(self.plan.keys)
        k = [self._key_hash().alias("k")] if keyed and not has_k else []
        frame = frame.select("*", h1.alias("h1"), h2.alias("h2"), *k)
        return frame if keyed else frame.withColumn("k", F.col("h1"))

    def _built(self, name: str, build: Callable[[], tuple[Column, ...]]) -> tuple[Column, ...]:
        """Return expressions that are the same on both sides, built once."""
        if name not in self.plan.built:
            self.plan.built[name] = build()
        return self.plan.built[name]

    def _row_hashes(self) -> tuple[Column, Column]:
        compared = [column.hashed(F.col(f"c{index}")) for index, column in enumerate(self.plan.compared)]
        return row_hashes(compared, self.strength, self._proof(compared) if self.strength == "sha256" else None)

    def _key_hash(self) -> Column:
        keys = [column.hashed(F.col(f"c{index}")) for index, column in enumerate(self.plan.compared) if column.is_key]
        return self._built("key", lambda: (key_hash(keys),))[0]

    def value_hashes(self) -> tuple[Column, ...]:
        """Return one hash per compared column of a physical row."""
        compared = self.plan.compared
        return self._built("values", lambda: tuple(key_hash([column.hashed(F.col(f"c{i}"))]) for i, column in enumerate(compared)))

    def number(self) -> Column | None:
        """Return the key of a physical row as a bigint where it is one column of whole numbers, else None."""
        keys = [(index, column) for index, column in enumerate(self.plan.compared) if column.is_key]
        if len(keys) != 1 or keys[0][1].parsed or keys[0][1].steps or not isinstance(keys[0][1].type, T.LongType):
            return None
        return F.col(f"c{keys[0][0]}")

    def _wanted(self, mask: Longs, span: KeySpan | None, *, raw: bool) -> DataFrame:
        """Return hashed rows that a mask wants; rows are hashed whole only once the hash of their key is wanted."""
        if not self.plan.keys:
            return wanted_rows(self.hashed(raw=raw), mask)
        frame = self.physical(raw=raw)
        nulls = bool(mask[BUCKETS:].any())
        if span is not None and self.spacing is not None and not nulls:
            frame = self._near(frame, mask, span, self.spacing)
        frame = frame.select("*", self._key_hash().alias("k"))
        bucket = self._bucket()
        first = mask.copy()
        first[BUCKETS:] = 0
        if nulls:
            bucket = apart(bucket, F.lit(0).cast("bigint"), self.null_key())
            first[BUCKETS] = -1
        else:
            frame = frame.where(~self.null_key())
        hashed = self._with_hashes(wanted_rows(frame.withColumn("bucket", bucket), first).drop("bucket"), has_k=True)
        return wanted_rows(hashed, mask) if nulls else hashed

    def _near(self, frame: DataFrame, mask: Longs, span: KeySpan, spacing: int) -> DataFrame:
        """Return the rows of the ranges of the key where the wanted ones lie: Spark hands such a predicate to the files."""
        ranges = span.ranges_of(mask[:BUCKETS] != 0, spacing)
        if ranges is None:
            return frame
        number = next(f"c{index}" for index, column in enumerate(self.plan.compared) if column.is_key)
        parts = [f"{number} BETWEEN {first}L AND {last}L" for first, last in ranges]
        return frame.where(" OR ".join([f"{number} < {span.lowest}L", f"{number} > {span.highest}L", *parts]))

    def _proof(self, compared: Sequence[HashedColumn]) -> Column:
        ordered = sorted(compared, key=lambda column: column.name)
        row = pct1_row([(column.value, physical_type(column.type)) for column in ordered], allow_float=True, allow_nested=True)
        return F.sha2(row, 256)

    def null_key(self) -> Column:
        """Return whether any key column of a physical row is NULL."""
        marks = [F.col(f"c{index}").isNull() for index, column in enumerate(self.plan.compared) if column.is_key]
        return any_of(marks)

    def refusals(self) -> dict[str, Column]:
        """Return, for columns with values that may have no canonical form, a boolean over `rows` that marks them."""
        found = {}
        for column in self.plan.compared:
            refused = column.refusal(self._declared(column), on_source=self.on_source)
            if refused is not None:
                found[column.name] = refused
        return found

    def candidates(self, mask: Longs | None, span: KeySpan | None = None, *, raw: bool = False) -> DataFrame:
        """Return rows as engine.keydiff takes them: `side, k, h1, h2, v` (with rules also `hr`), those wanted only.

        Args:
            mask: of `engine.fingerprint.fetch_mask`; None takes all rows.
            span: of the source's keys, where known: what is read is then bounded by ranges of the key.
        """
        frame = self.hashed(raw=raw) if mask is None else self._wanted(mask, span, raw=raw)
        side = F.lit(1 if self.on_source else -1).alias("side")
        values = [f"c{index}" for index in range(len(self.plan.compared))]
        if not any(column.steps for column in self.plan.compared):
            carried = [*values, *([RAW] if raw else [])]
            return frame.select(side, "k", "h1", "h2", F.struct(*carried).alias("v"))
        return self._ruled(frame, values, side, raw=raw)

    def compact(self) -> DataFrame:
        """Return all rows as `engine.keydiff.join_on_number` takes them: `number: bigint` the key, `v: struct` of the compared columns.

        Texts outside the key are 64-bit hashes: whether two are equal is all that is asked of them, and less has to be moved.
        """
        parts = []
        for index, column in enumerate(self.plan.compared):
            value = F.col(f"c{index}")
            if isinstance(column.type, (T.StringType, T.BinaryType)) and not column.is_key:
                value = F.when(value.isNotNull(), text_hash(value))
            parts.append(value.alias(f"c{index}"))
        number = self.number()
        assert number is not None
        return self.physical().select(number.alias("number"), F.struct(*parts).alias("v"))

    def _ruled(self, frame: DataFrame, values: Sequence[str], side: Column, *, raw: bool) -> DataFrame:
        """Apply the normalisers to candidates, keeping the value after every step, and key and row hash under the rules."""
        stepped = [_Stepped.of(index, column) for index, column in enumerate(self.plan.compared) if column.steps]
        frame = frame.withColumns({one.running: one.start for one in stepped})
        for step in range(max(len(one.column.steps) for one in stepped)):
            frame = self._one_step(frame, [one for one in stepped if step < len(one.column.steps)], step)
        final = {one.index: one.last for one in stepped if one.last is not None}
        hashed = []
        for index, column in enumerate(self.plan.compared):
            name, declared = final.get(index, (f"c{index}", column.type))
            hashed.append(HashedColumn(column.name, declared, F.col(name)))
        keys = [one for one, column in zip(hashed, self.plan.compared, strict=True) if column.is_key]
        by_rule, _ = row_hashes(hashed)
        key_changed = any(column.is_key and column.steps for column in self.plan.compared)
        frame = frame.select("*", by_rule.alias("hr"), *([key_hash(keys).alias("ruled_k")] if keys and key_changed else []))
        k = F.col("ruled_k") if keys and key_changed else F.col("k")
        losses = {one.loss: F.coalesce(F.col(one.loss), F.lit(False)) if one.loses else F.lit(False) for one in stepped if one.column.casts}
        kept = [name for one in stepped for name in one.kept]
        carried = [*(F.col(name) for name in (*values, *kept)), *(lost.alias(name) for name, lost in losses.items())]
        return frame.select(side, k.alias("k"), "h1", "h2", "hr", F.struct(*carried, *([F.col(RAW)] if raw else [])).alias("v"))

    def _one_step(self, frame: DataFrame, stepped: Sequence[_Stepped], step: int) -> DataFrame:
        """Apply one step of every column at once, and add `r<index>_<step>`, its value in the common type of both sides.

        One projection for all columns: Spark's analysis of a projection for each is what takes time where there are many rules.
        """
        changed: dict[str, Column] = {}
        through_arrow: dict[str, tuple[Rule, ...]] = {}
        for one in stepped:
            applied = one.column.steps[step]
            if not (applied.source if self.on_source else applied.target):
                continue
            if not is_native(applied.rule):
                through_arrow[one.running] = (applied.rule,)
                continue
            before, running = one.declared, F.col(one.running)
            value, one.declared = apply_rule(applied.rule, running, before)
            if applied.rule.name in ("cast", "double"):
                lost = loses(running, before, value, one.declared)
                changed[one.loss] = F.col(one.loss) | lost if one.loses else lost
                one.loses = True
            changed[one.running] = value
        frame = frame.withColumns(changed) if changed else frame
        frame = apply_with_arrow(frame, through_arrow)
        results = {name: value for one in stepped for name, value in one.result(step)}
        return frame.withColumns(results) if results else frame


@dataclass
class _Stepped:
    """A column on its way through its normalisers, on one side.

    Attributes:
        declared: its type after the last step applied.
        loses: whether `loss` is there, which says that a cast lost something.
        kept: names of the values after each step that both sides can be compared after.
        last: name and type of the value after all steps, if it can be compared.
    """

    index: int
    column: ComparedColumn
    types: StepTypes
    declared: T.DataType
    loses: bool = False
    kept: list[str] = field(default_factory=list)
    last: tuple[str, T.DataType] | None = None

    @classmethod
    def of(cls, index: int, column: ComparedColumn) -> _Stepped:
        return cls(index, column, column.step_types, column.value_type if column.parsed else column.type)

    @property
    def running(self) -> str:
        return f"running{self.index}"

    @property
    def loss(self) -> str:
        return f"l{self.index}"

    @property
    def start(self) -> Column:
        value = F.col(f"c{self.index}")
        return value.getField(PARSED_VALUE) if self.column.parsed else value

    def result(self, step: int) -> Iterator[tuple[str, Column]]:
        """Yield the column of the value after a step, if both sides can be compared after it."""
        common = self.types.common[step]
        if common is None:
            return
        value = physical(F.col(self.running), self.declared, common)
        typed: T.DataType = common
        if self.column.parsed:
            own = F.col(f"c{self.index}")
            text = own.getField(PARSED_TEXT)
            value = F.when(own.isNotNull(), F.struct(value.alias(PARSED_VALUE), text.alias(PARSED_TEXT)))
            typed = T.StructType([T.StructField(PARSED_VALUE, common), T.StructField(PARSED_TEXT, T.StringType())])
        name = f"r{self.index}_{step}"
        self.kept.append(name)
        if step == len(self.column.steps) - 1:
            self.last = (name, typed)
        yield name, value
