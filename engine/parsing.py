"""Text to typed values, strictly: what does not say exactly one value of the type is not a value of it.

CSV, JSON and partition folders carry text. Spark's casts are lenient ('1.005' to decimal(10,2) is 1.01, ' 1' is 1), so each
type has a grammar, and digits that would be lost are a refusal. Nothing here starts a job.
"""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.canonical import family, physical

__all__ = ["PARSED_TEXT", "PARSED_VALUE", "can_parse", "parse_strictly", "parsed_type", "typed_as_parsed"]

PARSED_VALUE, PARSED_TEXT = "value", "unparsable"

_INTEGER = r"^-?(0|[1-9][0-9]*)\z"
_DECIMAL = r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?\z"
_FLOAT = r"^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,4})?\z"
_DATE = r"^[+-]?[0-9]{4,5}-[0-9]{2}-[0-9]{2}\z"
_CLOCK = r"[0-9]{4,5}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6}0*)?)?"
_ZONE = r"( ?(Z|UTC|[+-][0-9]{2}(:?[0-9]{2})?))?"
_NARROW = (T.ByteType(), T.ShortType(), T.IntegerType())
_TRUE, _FALSE = ("true", "t"), ("false", "f")
_PARSABLE = {"number", "float", "boolean", "date", "timestamp", "timestamp_ntz"}
_NESTED = {"array", "struct", "map"}


def can_parse(canonical: T.DataType, *, nested_text: bool = False) -> bool:
    """Return whether text can be read as this type; nested types only from JSON text."""
    kind = family(canonical)
    return kind in _PARSABLE or (nested_text and kind in _NESTED)


def parsed_type(canonical: T.DataType) -> T.StructType:
    """Return the canonical type of a pair of which one side is parsed: the value, or the text that is none."""
    return T.StructType([T.StructField(PARSED_VALUE, canonical, True), T.StructField(PARSED_TEXT, T.StringType(), True)])


def parse_strictly(text: Column, canonical: T.DataType, declared: T.DataType | None = None) -> Column:
    """Return text as a physical value of `parsed_type(canonical)`; NULL stays NULL.

    Accepted: integers and decimals in plain or scientific notation without leading zeros or blanks, exactly representable;
    floats also `NaN`, `Infinity`, `-Infinity`; `true false t f` in any letter case; ISO 8601 dates and timestamps
    with `T` or blank, up to six significant digits of fraction, and for instants a zone offset (none means UTC).

    Args:
        declared: the type of the other side where it is narrower than the canonical one: 300 is no tinyint.
    """
    value = _value(text, canonical)
    if declared in _NARROW:
        value = F.when(value.try_cast(declared).isNotNull(), value)
    parsed = F.struct(value.alias(PARSED_VALUE), F.when(value.isNull(), text).alias(PARSED_TEXT))
    return F.when(text.isNotNull(), parsed)


def typed_as_parsed(value: Column) -> Column:
    """Return a physical value in the form that `parse_strictly` gives to text, so that both compare."""
    return F.when(value.isNotNull(), F.struct(value.alias(PARSED_VALUE), F.lit(None).cast("string").alias(PARSED_TEXT)))


def _value(text: Column, canonical: T.DataType) -> Column:
    kind = family(canonical)
    if kind in _NESTED:
        return _nested(text, canonical)
    if kind == "number":
        return _number(text, canonical)
    if kind == "float":
        special = (
            F.when(text.isin("NaN", "nan"), F.lit(float("nan")))
            .when(text.isin("Infinity", "inf", "+Infinity"), F.lit(float("inf")))
            .when(text.isin("-Infinity", "-inf"), F.lit(float("-inf")))
        )
        number = F.when(text.rlike(_FLOAT), text.try_cast(canonical))
        finite = F.when(~F.coalesce(number.isin(float("inf"), float("-inf")), F.lit(False)), number)
        return F.coalesce(special.cast(canonical), finite)
    if kind == "boolean":
        folded = F.lower(text)
        return F.when(folded.isin(*_TRUE), F.lit(True)).when(folded.isin(*_FALSE), F.lit(False))
    if kind == "date":
        return F.when(text.rlike(_DATE), text.try_cast("date"))
    if kind == "timestamp":
        return F.when(text.rlike(rf"^[+-]?{_CLOCK}{_ZONE}\z"), text.try_cast("timestamp"))
    return F.when(text.rlike(rf"^[+-]?{_CLOCK}\z"), text.try_cast("timestamp_ntz"))


def _number(text: Column, canonical: T.DataType) -> Column:
    if isinstance(canonical, T.LongType):
        return F.when(text.rlike(_INTEGER), text.try_cast("bigint"))
    assert isinstance(canonical, T.DecimalType)
    narrow = text.try_cast(canonical)
    digits_after = F.length(F.regexp_extract(text, r"\.([0-9]*?)0*([eE]|\z)", 1))
    exponent = F.coalesce(F.regexp_extract(text, r"[eE]([+-]?[0-9]+)\z", 1).try_cast("int"), F.lit(0))
    fits = F.when(text.rlike(r"[eE]"), digits_after - exponent <= canonical.scale).otherwise(digits_after <= canonical.scale)
    return F.when(text.rlike(_DECIMAL) & fits, narrow)


def _nested(text: Column, canonical: T.DataType) -> Column:
    """Return JSON text as a nested value, or NULL when writing the value again does not give the same document."""
    ddl = canonical.simpleString()
    value = F.from_json(text, ddl, {"mode": "PERMISSIVE"})
    again = F.to_json(F.try_parse_json(F.to_json(value, {"ignoreNullFields": "false"})))
    faithful = again == F.to_json(F.try_parse_json(text))
    return F.when(faithful, physical(value, canonical, canonical))
