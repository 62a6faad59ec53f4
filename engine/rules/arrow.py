"""Rules that Spark has no expression for, in Arrow batches; for the few candidate rows only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from pyspark import cloudpickle
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.portable_sql import quote_identifier
from engine.rules import unicode_text
from engine.rules.registry import Rule
from schemas.errors import EngineError

if TYPE_CHECKING:
    import pyarrow

__all__ = ["apply_with_arrow"]

# Workers of Spark Connect and of notebooks have no copy of Parity: the functions travel with the plan.
cloudpickle.register_pickle_by_value(unicode_text)  # type: ignore[no-untyped-call]

_RAW, _DONE, _JOINED = "parity_raw", "parity_done", "parity_joined"
_TRAVELS = (
    T.BooleanType,
    T.ByteType,
    T.ShortType,
    T.IntegerType,
    T.LongType,
    T.FloatType,
    T.DoubleType,
    T.DecimalType,
    T.BinaryType,
    T.DateType,
    T.TimestampType,
    T.TimestampNTZType,
)


def apply_with_arrow(frame: DataFrame, steps: Mapping[str, Sequence[Rule]]) -> DataFrame:
    """Return the frame with the named text columns replaced by their values after the rules.

    Text is carried as bytes, so that bytes that are no UTF-8 come back unchanged.

    Args:
        frame: any grain; the named columns hold text.
        steps: column name to rules, each of nfc, nfkc, casefold, json.

    Returns:
        The same rows and columns in the same order.
        Cost: narrow where all columns can travel through Arrow; else one join on the distinct texts of each named column.

    Raises:
        EngineError: a rule has a Spark expression, or a column is no text.
    """
    wanted = {name: tuple(rule.name for rule in rules) for name, rules in steps.items() if rules}
    for name, rules in wanted.items():
        if not isinstance(frame.schema[name].dataType, T.StringType) or not set(rules) <= set(unicode_text.NORMALISERS):
            raise EngineError(f"Column {name}: {', '.join(rules)} cannot be applied through Arrow.", object=name)
    if not wanted:
        return frame
    if all(_travels(part.dataType) for part in frame.schema):
        return _through(frame, wanted)
    for name, rules in wanted.items():
        frame = _joined(frame, name, rules)
    return frame


def _travels(declared: T.DataType) -> bool:
    """Return whether Arrow gives back exactly what it was given."""
    if isinstance(declared, T.ArrayType):
        return _travels(declared.elementType)
    if isinstance(declared, T.StructType):
        return len(set(declared.names)) == len(declared) > 0 and all(_travels(part.dataType) for part in declared)
    if type(declared) is T.StringType:
        return declared.collation == "UTF8_BINARY"
    return isinstance(declared, _TRAVELS)


def _column(name: str) -> Column:
    return F.col(quote_identifier("spark", name))


def _through(frame: DataFrame, wanted: Mapping[str, tuple[str, ...]]) -> DataFrame:
    # mapInArrow looks its own columns up by name and stumbles over dots
    short = {name: f"c{index}" for index, name in enumerate(frame.columns)}
    raw = frame.select(*((_column(name).cast("binary") if name in wanted else _column(name)).alias(short[name]) for name in short))
    done = raw.mapInArrow(_worker({short[name]: rules for name, rules in wanted.items()}), raw.schema)
    return done.select(*((F.col(short[name]).cast("string") if name in wanted else F.col(short[name])).alias(name) for name in short))


def _joined(frame: DataFrame, name: str, rules: tuple[str, ...]) -> DataFrame:
    texts = frame.select(_column(name).cast("binary").alias(_RAW)).where(F.col(_RAW).isNotNull()).distinct()
    pairs = texts.select(_RAW, F.col(_RAW).alias(_DONE))
    done = pairs.mapInArrow(_worker({_DONE: rules}), pairs.schema)
    keyed = frame.withColumn(_JOINED, _column(name).cast("binary"))
    joined = keyed.join(done, F.col(_JOINED) == F.col(_RAW), "left")
    return joined.select(*(F.col(_DONE).cast("string").alias(name) if one == name else _column(one) for one in frame.columns))


def _worker(wanted: dict[str, tuple[str, ...]]):  # type: ignore[no-untyped-def]
    """Return a function over batches that refers to nothing of Parity but `unicode_text`."""
    normalised = unicode_text.normalised

    def work(batches: Iterator[pyarrow.RecordBatch]) -> Iterator[pyarrow.RecordBatch]:
        import pyarrow

        for batch in batches:
            columns = []
            for name, column in zip(batch.schema.names, batch.columns, strict=True):
                if name in wanted:
                    rules = wanted[name]
                    column = pyarrow.array([normalised(raw, rules) for raw in column.to_pylist()], column.type)
                columns.append(column)
            yield pyarrow.RecordBatch.from_arrays(columns, schema=batch.schema)

    return work
