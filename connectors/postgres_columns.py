"""A column of PostgreSQL to the SQL that lets it out unchanged, and to the Spark value of its canonical type."""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql import types as T

from connectors.postgres_objects import CatalogColumn
from engine.parsing import PARSED_VALUE, parse_strictly
from engine.portable_sql import quote_identifier
from schemas.coercion import ARRAY_ELEMENT, READ_SQL, Coercion, NativeType, ReadForm
from schemas.errors import EngineError, InputError

__all__ = ["ReadColumn", "base_of", "read_columns", "select_sql", "spark_value"]

_STRINGS = "array<string>"
_FAIL = {"mode": "FAILFAST"}
_DECIMALS = (ReadForm.DECIMAL_FROM_TEXT, ReadForm.DECIMAL_OF_MONEY)
_UNCHANGED = (ReadForm.INTEGER, ReadForm.PRINTED)


@dataclass(frozen=True)
class ReadColumn:
    """A column and what becomes of it.

    Attributes:
        name: in the table, and of the DataFrame's column.
    """

    name: str
    native: NativeType
    coercion: Coercion


def read_columns(columns: tuple[CatalogColumn, ...], coercions: tuple[Coercion, ...]) -> tuple[ReadColumn, ...]:
    """Return columns with what becomes of each, in the order of the table."""
    return tuple(ReadColumn(column.name, column.type, coercion) for column, coercion in zip(columns, coercions, strict=True))


def select_sql(column: ReadColumn) -> str:
    """Return the SQL of a column's value in its read form.

    Raises:
        InputError: the type is refused.
    """
    if column.coercion.refused:
        raise InputError(
            f"Column {column.name}: {column.coercion.native} is not read: {column.coercion.reason}",
            object=column.name,
            hint=column.coercion.remedy,
        )
    return _sql(quote_identifier("postgres", column.name), column.native, column.coercion)


def spark_value(read: Column, column: ReadColumn, arrived: T.DataType) -> Column:
    """Return what was read as a value of the canonical type; text that is none of it ends the query.

    Args:
        read: the column of the query that `select_sql` is in.
        arrived: its type, as the driver says.

    Raises:
        EngineError: a value read as it is arrives in another type than the rule says.
    """
    native, coercion = base_of(column.native, column.coercion)
    if coercion.read is ReadForm.AS_IS and arrived.simpleString() != coercion.spark:
        raise EngineError(
            f"Column {column.name}: {coercion.native} arrives as {arrived.simpleString()}, not as {coercion.spark}.",
            object=column.name,
            hint="The driver or Spark is of a version whose reading is not known: use those of conf/spark_jars.txt.",
        )
    return _value(read, native, coercion, column.name)


def base_of(native: NativeType, coercion: Coercion) -> tuple[NativeType, Coercion]:
    """Return what a type is read as: a domain, as what it is a domain of."""
    while native.kind == "domain" and native.base is not None:
        native, coercion = native.base, coercion.part("base")
    return native, coercion


def _sql(expression: str, native: NativeType, coercion: Coercion) -> str:
    bare, inner = base_of(native, coercion)
    form = _form(inner)
    if form is ReadForm.AS_IS:  # the driver gives a domain another type than its base
        return expression if bare is native else f"({expression})::{bare.declared}"
    if form is ReadForm.JSON_ARRAY and bare.element is not None:
        return READ_SQL[form].format(x=expression, element=_sql(ARRAY_ELEMENT, bare.element, inner.part("element")))
    if form is ReadForm.JSON_ROW:
        parts = [(f"({expression}).{quote_identifier('postgres', name)}", field, inner.part(name)) for name, field in bare.fields]
        fields = [f"({_sql(*part)})::text" for part in parts]
        return READ_SQL[form].format(x=expression, fields=", ".join(fields))
    if form is ReadForm.JSON_RANGE and bare.element is not None:
        lower, upper = (_sql(f"{end}({expression})", bare.element, inner.part("element")) for end in ("lower", "upper"))
        return READ_SQL[form].format(x=expression, lower=lower, upper=upper)
    return READ_SQL[form].format(x=expression)


def _value(read: Column, native: NativeType, coercion: Coercion, name: str) -> Column:
    native, coercion = base_of(native, coercion)
    form, spark = _form(coercion), coercion.spark or ""
    if form is ReadForm.AS_IS or form in _UNCHANGED or spark == "string":
        return read
    if form is ReadForm.TEXT:
        return _loud(read, read.try_cast(spark), coercion, name)
    if form in _DECIMALS:
        precision, scale = (int(part) for part in spark.removeprefix("decimal(").rstrip(")").split(","))
        return _loud(read, parse_strictly(read, T.DecimalType(precision, scale))[PARSED_VALUE], coercion, name)
    if form is ReadForm.DAYS:
        return F.date_from_unix_date(read.cast("int"))
    if form is ReadForm.MICROS:
        instant = F.timestamp_micros(read.cast("bigint"))
        return instant.cast("timestamp_ntz") if spark == "timestamp_ntz" else instant
    if form is ReadForm.MICROS_OF_DAY:
        return read.cast("bigint")
    if form is ReadForm.INTERVAL_PARTS:
        months, days, micros = (F.split(read, " ")[place] for place in range(3))
        parts = F.struct(months.cast("int").alias("months"), days.cast("int").alias("days"), micros.cast("bigint").alias("microseconds"))
        return F.when(read.isNotNull(), parts)
    if form in (ReadForm.HEX, ReadForm.HEX_TEXT):
        return _loud(read, F.unhex(read), coercion, name)
    return _nested(read, native, coercion, name)


def _nested(read: Column, native: NativeType, coercion: Coercion, name: str) -> Column:
    form = _form(coercion)
    if form is ReadForm.JSON_MAP:
        return F.from_json(read, coercion.spark or "", _FAIL)
    texts = F.from_json(read, _STRINGS, _FAIL)
    if form is ReadForm.JSON_ARRAY and native.element is not None:
        element, inner = native.element, coercion.part("element")
        return F.transform(texts, lambda text: _value(text, element, inner, name))
    if form is ReadForm.JSON_RANGE and native.element is not None:
        lower, upper = (_value(texts[place], native.element, coercion.part("element"), name) for place in range(2))
        flags = (texts[place].cast("boolean").alias(flag) for place, flag in ((2, "lower_inclusive"), (3, "upper_inclusive"), (4, "empty")))
        return F.when(read.isNotNull(), F.struct(lower.alias("lower"), upper.alias("upper"), *flags))
    if form is ReadForm.JSON_ROW and native.fields:
        fields = [
            _value(texts[place], field, coercion.part(one), f"{name}.{one}").alias(one) for place, (one, field) in enumerate(native.fields)
        ]
        return F.when(read.isNotNull(), F.struct(*fields))
    raise EngineError(f"Column {name}: no way to make {coercion.spark} of {form.value}.", object=name)


def _form(coercion: Coercion) -> ReadForm:
    if coercion.read is None:
        raise EngineError(f"{coercion.native}: a type that is refused has no read form.", object=coercion.native)
    return coercion.read


def _loud(read: Column, value: Column, coercion: Coercion, name: str) -> Column:
    """A text that is no value of the type must not become NULL, whatever the session says about ANSI."""
    told = F.raise_error(F.lit(f"parity: column {name} holds a {coercion.native} that {coercion.spark} cannot hold exactly"))
    return F.when(read.isNotNull() & value.isNull(), told).otherwise(value)
