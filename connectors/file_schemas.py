"""The schemas of many files to one, and columns to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql import types as T

from schemas.errors import UnreadableDataError
from schemas.verdict import Finding

__all__ = ["FileGroup", "conform", "merge_schemas", "quoted"]

_INTEGERS: tuple[type[T.DataType], ...] = (T.ByteType, T.ShortType, T.IntegerType, T.LongType)
_DIGITS: dict[type[T.DataType], int] = {T.ByteType: 3, T.ShortType: 5, T.IntegerType: 10, T.LongType: 19}
_MAX_PRECISION = 38
_SHOWN = 3


@dataclass(frozen=True)
class FileGroup:
    """Files that share one schema."""

    paths: tuple[str, ...]
    schema: T.StructType


def merge_schemas(groups: Sequence[FileGroup], where: str) -> tuple[T.StructType, tuple[Finding, ...]]:
    """Return the schema that holds every group without loss, and what differs between them.

    Args:
        groups: at least one; column order is that of the first, further columns follow.

    Returns:
        The merged schema, all fields nullable when they are missing somewhere; one `file_schema_drift` finding per
        column that is absent from, or narrower in, some files.

    Raises:
        UnreadableDataError: a column has types of two families; two files are named.
    """
    merged: dict[str, T.StructField] = {}
    first_file: dict[str, str] = {}
    for group in groups:
        for column in group.schema.fields:
            if column.name not in merged:
                merged[column.name], first_file[column.name] = column, group.paths[0]
                continue
            known = merged[column.name]
            wider = _wider(known.dataType, column.dataType)
            if wider is None:
                raise UnreadableDataError(
                    f"{where}: column {column.name} is {known.dataType.simpleString()} in {first_file[column.name]}"
                    f" and {column.dataType.simpleString()} in {group.paths[0]}.",
                    object=column.name,
                    hint="Write the files again with one type, or compare them apart.",
                )
            metadata = known.metadata if known.metadata == column.metadata else {}
            merged[column.name] = T.StructField(column.name, wider, known.nullable or column.nullable, metadata)
    return T.StructType(list(merged.values())), tuple(_drift(groups, merged))


def conform(value: Column, actual: T.DataType, wanted: T.DataType) -> Column:
    """Return a value in a wider type of its own family; a field that it lacks becomes NULL. Narrow, exact."""
    if actual == wanted:
        return value
    if isinstance(actual, T.StructType) and isinstance(wanted, T.StructType):
        own = {field.name: field.dataType for field in actual.fields}
        fields = [
            (conform(value.getField(f.name), own[f.name], f.dataType) if f.name in own else F.lit(None).cast(f.dataType)).alias(f.name)
            for f in wanted.fields
        ]
        return F.when(value.isNull(), F.lit(None).cast(wanted)).otherwise(F.struct(*fields))
    if isinstance(actual, T.ArrayType) and isinstance(wanted, T.ArrayType):
        inner, outer = actual.elementType, wanted.elementType
        return F.transform(value, lambda item: conform(item, inner, outer))
    if isinstance(actual, T.MapType) and isinstance(wanted, T.MapType):
        narrow, wide = actual.valueType, wanted.valueType
        return F.transform_values(value, lambda _, item: conform(item, narrow, wide))
    return value.cast(wanted)


def quoted(name: str) -> str:
    """Return a column name that Spark takes literally.

    >>> quoted("a.b`c")
    '`a.b``c`'
    """
    return "`" + name.replace("`", "``") + "`"


def _wider(one: T.DataType, two: T.DataType) -> T.DataType | None:
    """The smallest type of the same family that holds both without loss; None when there is none."""
    if one == two:
        return one
    if isinstance(one, T.StructType) and isinstance(two, T.StructType):
        return _wider_struct(one, two)
    if isinstance(one, T.ArrayType) and isinstance(two, T.ArrayType):
        inner = _wider(one.elementType, two.elementType)
        return None if inner is None else T.ArrayType(inner, one.containsNull or two.containsNull)
    if isinstance(one, T.MapType) and isinstance(two, T.MapType):
        value = _wider(one.valueType, two.valueType)
        if value is None or one.keyType != two.keyType:
            return None
        return T.MapType(one.keyType, value, one.valueContainsNull or two.valueContainsNull)
    if isinstance(one, T.NullType) or isinstance(two, T.NullType):
        return two if isinstance(one, T.NullType) else one
    kinds = {type(one), type(two)}
    if kinds <= set(_INTEGERS):
        return max(one, two, key=lambda kind: _DIGITS[type(kind)])
    if kinds == {T.FloatType, T.DoubleType}:
        return T.DoubleType()
    if kinds <= {*_INTEGERS, T.DecimalType}:
        return _wider_decimal(one, two)
    return None


def _wider_decimal(one: T.DataType, two: T.DataType) -> T.DecimalType | None:
    sizes = [
        (kind.precision - kind.scale, kind.scale) if isinstance(kind, T.DecimalType) else (_DIGITS[type(kind)], 0) for kind in (one, two)
    ]
    whole, scale = max(size[0] for size in sizes), max(size[1] for size in sizes)
    return T.DecimalType(whole + scale, scale) if whole + scale <= _MAX_PRECISION else None


def _wider_struct(one: T.StructType, two: T.StructType) -> T.StructType | None:
    fields = {field.name: field for field in one.fields}
    for other in two.fields:
        known = fields.get(other.name)
        if known is None:
            fields[other.name] = T.StructField(other.name, other.dataType, True, other.metadata)
            continue
        wider = _wider(known.dataType, other.dataType)
        if wider is None:
            return None
        fields[other.name] = T.StructField(other.name, wider, known.nullable or other.nullable, known.metadata)
    absent = {name for name in fields if name not in two.names}
    return T.StructType([T.StructField(f.name, f.dataType, True, f.metadata) if f.name in absent else f for f in fields.values()])


def _drift(groups: Sequence[FileGroup], merged: dict[str, T.StructField]) -> list[Finding]:
    findings = []
    for name, column in merged.items():
        absent = [path for group in groups if name not in group.schema.names for path in group.paths]
        narrower = [
            path
            for group in groups
            if name in group.schema.names and not _same(group.schema[name].dataType, column.dataType)
            for path in group.paths
        ]
        told = []
        if absent:
            told.append(
                f"is absent from {len(absent)} files and read as NULL there"
                f" ({', '.join(absent[:_SHOWN])}{'…' if len(absent) > _SHOWN else ''})"
            )
        if narrower:
            told.append(
                f"is read as {column.dataType.simpleString()} although {len(narrower)} files hold another type"
                f" ({', '.join(narrower[:_SHOWN])}{'…' if len(narrower) > _SHOWN else ''})"
            )
        if told:
            findings.append(
                Finding.model_validate(
                    {"class": "file_schema_drift", "column": name, "severity": "MEDIUM", "text": f"Column {name} {' and '.join(told)}."}
                )
            )
    return findings


def _same(one: T.DataType, two: T.DataType) -> bool:
    """Equal but for nullability, which is no drift worth telling."""
    return one.simpleString() == two.simpleString()
