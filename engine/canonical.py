"""Two declared types to the one type in which both sides are compared, and values to that form.

A column is compared in *physical* form: a Spark value on which `<=>` and `xxhash64` mean equality. Physical differs from the
canonical type where Spark cannot compare: maps become arrays of entries sorted by key, variants canonical JSON text, collated
text binary text. Nothing here starts a job.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql import types as T

__all__ = ["Common", "common_type", "family", "is_char", "physical", "physical_type", "refusal", "same_shape", "unhashable"]

_INTEGER_DIGITS = {"tinyint": 3, "smallint": 5, "int": 10, "bigint": 19}
_INTEGERS = (T.ByteType, T.ShortType, T.IntegerType, T.LongType)
_MAX_DIGITS = 38
_LONG_DIGITS = 18
_BINARY_COLLATION = "UTF8_BINARY"


def family(declared: T.DataType) -> str:
    """Return the family whose members compare with each other (CONTRACT 2), or `unhashable`.

    >>> family(T.IntegerType()), family(T.DecimalType(10, 2)), family(T.CharType(3))
    ('number', 'number', 'text')
    """
    if isinstance(declared, (*_INTEGERS, T.DecimalType)):
        return "number"
    if isinstance(declared, (T.StringType, T.CharType, T.VarcharType)):
        return "text"
    for kind, name in (
        ((T.FloatType, T.DoubleType), "float"),
        ((T.BinaryType,), "binary"),
        ((T.BooleanType,), "boolean"),
        ((T.DateType,), "date"),
        ((T.TimestampType,), "timestamp"),
        ((T.TimestampNTZType,), "timestamp_ntz"),
        ((T.YearMonthIntervalType,), "interval_ym"),
        ((T.DayTimeIntervalType,), "interval_dt"),
        ((T.ArrayType,), "array"),
        ((T.StructType,), "struct"),
        ((T.MapType,), "map"),
        ((T.VariantType,), "variant"),
        ((T.NullType,), "void"),
    ):
        if isinstance(declared, kind):
            return name
    return "time" if declared.simpleString().startswith("time(") else "unhashable"


def unhashable(declared: T.DataType) -> bool:
    """Return whether the type, or a part of it, is one Parity cannot hash: calendar interval, user-defined, object, geometry."""
    if isinstance(declared, T.ArrayType):
        return unhashable(declared.elementType)
    if isinstance(declared, T.MapType):
        return unhashable(declared.keyType) or unhashable(declared.valueType)
    if isinstance(declared, T.StructType):
        return any(unhashable(part.dataType) for part in declared)
    return family(declared) == "unhashable"


def is_char(part: T.StructField) -> bool:
    """Return whether a column is CHAR(n): Spark keeps that in the metadata of a string column."""
    declared = (part.metadata or {}).get("__CHAR_VARCHAR_TYPE_STRING", "")
    return isinstance(part.dataType, T.CharType) or str(declared).lower().startswith("char(")


@dataclass(frozen=True)
class Common:
    """The canonical type of a pair, and what had to be done: notes are `widened`, `narrowed`, `order`."""

    type: T.DataType
    notes: frozenset[str] = field(default_factory=frozenset)


def common_type(source: T.DataType, target: T.DataType) -> Common | None:
    """Return the canonical type of two declared types, or None when they belong to different families.

    `narrowed` says that the target's type holds less than the source's; the values decide.

    >>> common_type(T.IntegerType(), T.LongType())
    Common(type=LongType(), notes=frozenset({'widened'}))
    >>> common_type(T.DecimalType(10, 2), T.DecimalType(10, 3)).type
    DecimalType(11,3)
    >>> common_type(T.StringType(), T.BinaryType()) is None
    True
    """
    if isinstance(source, T.NullType) or isinstance(target, T.NullType):
        typed = target if isinstance(source, T.NullType) else source
        return Common(T.BooleanType() if isinstance(typed, T.NullType) else _alone(typed))
    kind = family(source)
    if kind != family(target):
        return None
    if kind == "number":
        return _common_number(source, target)
    if kind == "float":
        wide = T.DoubleType() if T.DoubleType() in (source, target) else T.FloatType()
        return Common(wide, _direction(source == wide, target == wide))
    if kind == "array":
        return _common_array(source, target)
    if kind == "map":
        return _common_map(source, target)
    if kind == "struct":
        return _common_struct(source, target)
    return Common(_alone(source))


def _alone(declared: T.DataType) -> T.DataType:
    """Return the canonical type of a type paired with itself."""
    if family(declared) == "text":
        return T.StringType()
    if isinstance(declared, T.YearMonthIntervalType):
        return T.YearMonthIntervalType()
    if isinstance(declared, T.DayTimeIntervalType):
        return T.DayTimeIntervalType()
    paired = common_type(declared, declared) if isinstance(declared, (*_INTEGERS, T.ArrayType, T.MapType, T.StructType)) else None
    return paired.type if paired else declared


def _direction(source_is_wide: bool, target_is_wide: bool) -> frozenset[str]:
    if source_is_wide == target_is_wide:
        return frozenset()
    return frozenset({"widened" if target_is_wide else "narrowed"})


def _digits(declared: T.DataType) -> tuple[int, int]:
    """Return digits before and after the point."""
    if isinstance(declared, T.DecimalType):
        return declared.precision - declared.scale, declared.scale
    return _INTEGER_DIGITS[declared.simpleString()], 0


def _common_number(source: T.DataType, target: T.DataType) -> Common:
    if isinstance(source, _INTEGERS) and isinstance(target, _INTEGERS):
        notes: frozenset[str] = frozenset()
        if source != target:
            notes = _direction(_digits(source) > _digits(target), _digits(target) > _digits(source))
        return Common(T.LongType(), notes)
    (source_whole, source_scale), (target_whole, target_scale) = _digits(source), _digits(target)
    scale = max(source_scale, target_scale)
    digits = max(source_whole, target_whole) + scale
    wide = T.DecimalType(min(digits, _MAX_DIGITS), scale)
    if source == target:
        return Common(T.DecimalType(max(source_whole + source_scale, 1), source_scale))
    narrowed = target_whole < source_whole or target_scale < source_scale
    return Common(wide, frozenset({"narrowed" if narrowed else "widened"}))


def _common_array(source: T.DataType, target: T.DataType) -> Common | None:
    assert isinstance(source, T.ArrayType) and isinstance(target, T.ArrayType)
    inner = common_type(source.elementType, target.elementType)
    return Common(T.ArrayType(inner.type, True), inner.notes) if inner else None


def _common_map(source: T.DataType, target: T.DataType) -> Common | None:
    assert isinstance(source, T.MapType) and isinstance(target, T.MapType)
    key, value = common_type(source.keyType, target.keyType), common_type(source.valueType, target.valueType)
    return Common(T.MapType(key.type, value.type, True), key.notes | value.notes) if key and value else None


def _common_struct(source: T.DataType, target: T.DataType) -> Common | None:
    assert isinstance(source, T.StructType) and isinstance(target, T.StructType)
    if sorted(source.names) != sorted(target.names) or len(set(source.names)) != len(source.names):
        return None
    parts, notes = [], frozenset({"order"} if source.names != target.names else ())
    for part in source:
        inner = common_type(part.dataType, target[part.name].dataType)
        if inner is None:
            return None
        parts.append(T.StructField(part.name, inner.type, True))
        notes |= inner.notes
    return Common(T.StructType(parts), notes)


def same_shape(declared: T.DataType, canonical: T.DataType) -> bool:
    """Return whether a value needs no conversion to be in physical form."""
    return declared == canonical == physical_type(canonical) and not isinstance(canonical, (T.ArrayType, T.StructType))


def physical_type(canonical: T.DataType) -> T.DataType:
    """Return the Spark type of the physical form of a canonical type."""
    if isinstance(canonical, T.ArrayType):
        return T.ArrayType(physical_type(canonical.elementType), True)
    if isinstance(canonical, T.MapType):
        entry = [T.StructField("key", physical_type(canonical.keyType)), T.StructField("value", physical_type(canonical.valueType))]
        return T.ArrayType(T.StructType(entry), True)
    if isinstance(canonical, T.StructType):
        return T.StructType([T.StructField(part.name, physical_type(part.dataType), True) for part in canonical])
    return T.StringType() if isinstance(canonical, (T.VariantType, T.StringType)) else canonical


def physical(value: Column, declared: T.DataType, canonical: T.DataType, *, char: bool = False) -> Column:
    """Return a value of the declared type in the physical form of the canonical type; NULL stays NULL.

    Decimals that do not fit decimal(38, s) become NULL and are counted by `refusal`. Trailing blanks of CHAR(n) are its
    padding, not its value.
    """
    if isinstance(declared, T.NullType):
        return value.cast(physical_type(canonical))
    kind = family(declared)
    if kind == "text":
        plain = isinstance(declared, T.StringType) and getattr(declared, "collation", _BINARY_COLLATION) == _BINARY_COLLATION
        raw = value if plain else F.collate(value.cast("string"), _BINARY_COLLATION)
        return F.rtrim(raw) if char else raw
    if kind == "variant":
        return F.to_json(value)
    if isinstance(declared, T.ArrayType) and isinstance(canonical, T.ArrayType):
        inner, wanted = declared.elementType, canonical.elementType
        return value if same_shape(inner, wanted) else F.transform(value, lambda x: physical(x, inner, wanted))
    if isinstance(declared, T.MapType) and isinstance(canonical, T.MapType):
        return _entries(value, declared, canonical)
    if isinstance(declared, T.StructType) and isinstance(canonical, T.StructType):
        parts = [
            physical(value.getField(_quoted(part.name)), declared[part.name].dataType, part.dataType).alias(part.name) for part in canonical
        ]
        return F.when(value.isNotNull(), F.struct(*parts) if parts else value)
    if declared == canonical:
        return value
    if isinstance(canonical, T.DecimalType) and canonical.precision == _MAX_DIGITS:
        return value.try_cast(canonical)
    return value.cast(canonical)


def _quoted(name: str) -> str:
    """Return a field name that `getField` takes literally."""
    return name


def _entries(value: Column, declared: T.MapType, canonical: T.MapType) -> Column:
    entries = F.transform(
        F.map_entries(value),
        lambda e: F.struct(
            physical(e.getField("key"), declared.keyType, canonical.keyType).alias("key"),
            physical(e.getField("value"), declared.valueType, canonical.valueType).alias("value"),
        ),
    )

    def by_key(left: Column, right: Column) -> Column:
        one, other = left.getField("key"), right.getField("key")
        return F.when(one < other, F.lit(-1)).when(one > other, F.lit(1)).otherwise(F.lit(0))

    return F.array_sort(entries, by_key)


def refusal(value: Column, declared: T.DataType, canonical: T.DataType) -> Column | None:
    """Return a boolean, true for values that have no canonical form, or None when every value has one.

    Such values: a decimal out of range of decimal(38, s), wherever it is nested; a map with the same key twice. Either makes a run
    INCONCLUSIVE.
    """
    if isinstance(canonical, T.DecimalType) and declared != canonical and canonical.precision == _MAX_DIGITS:
        return value.isNotNull() & value.try_cast(canonical).isNull()
    if isinstance(canonical, T.MapType) and isinstance(declared, T.MapType):
        return _map_refusal(value, declared, canonical)
    if isinstance(canonical, T.ArrayType) and isinstance(declared, T.ArrayType):
        return _any_refused(value, declared.elementType, canonical.elementType)
    if isinstance(canonical, T.StructType) and isinstance(declared, T.StructType):
        parts = [refusal(value.getField(part.name), declared[part.name].dataType, part.dataType) for part in canonical]
        found = [part for part in parts if part is not None]
        total = None
        for part in found:
            total = part if total is None else total | part
        return total
    return None


def _map_refusal(value: Column, declared: T.MapType, canonical: T.MapType) -> Column:
    keys = F.map_keys(value)
    refused = F.lit(False)
    if not isinstance(declared.keyType, (T.MapType, T.VariantType)):
        refused = F.coalesce(F.size(F.array_distinct(keys)) != F.size(keys), F.lit(False))
    for parts in (
        _any_refused(keys, declared.keyType, canonical.keyType),
        _any_refused(F.map_values(value), declared.valueType, canonical.valueType),
    ):
        if parts is not None:
            refused = refused | parts
    return refused


def _any_refused(values: Column, declared: T.DataType, canonical: T.DataType) -> Column | None:
    """Return whether any element of an array has no canonical form; None when every one has."""
    if refusal(F.lit(None), declared, canonical) is None:
        return None

    def refused(element: Column) -> Column:
        found = refusal(element, declared, canonical)
        return F.lit(False) if found is None else F.coalesce(found, F.lit(False))

    return F.coalesce(F.exists(values, refused), F.lit(False))
