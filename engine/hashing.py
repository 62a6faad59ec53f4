"""Rows in physical form to two 64-bit numbers each, and keys to one (PCH-1)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.folding import any_of, bits_of
from schemas.canonical_json import canonical_bytes

__all__ = [
    "CANON",
    "GROUP_WIDTH",
    "GUARD_BYTES",
    "SECOND_CHAIN",
    "SEED",
    "HashedColumn",
    "contract_digest",
    "group_hashes",
    "key_hash",
    "row_hashes",
    "text_hash",
]

CANON = 1
SEED = 42  # Spark's, and so everybody's
GROUP_WIDTH = 16  # wider expressions pass 8,000 bytecodes, beyond which HotSpot never compiles a method
GUARD_BYTES = 64  # crafted XXH64 collisions need two stripes of 32 bytes in one token
SECOND_CHAIN = 0x5041524954593132  # "PARITY12": first token of the second chain of strength 128
_WORD = 64
_SIGN = 2**63


@dataclass(frozen=True)
class HashedColumn:
    """A column in physical form: its canonical name, canonical type, and where its value stands."""

    name: str
    type: T.DataType
    value: Column


def contract_digest(columns: Sequence[tuple[str, T.DataType]]) -> int:
    """Return the signed 64-bit salt of all hashes of one contract: other columns or types give other hashes.

    Source:
        First 8 bytes, big-endian, of the SHA-256 of the canonical JSON of names and types in canonical order.

    >>> contract_digest([("id", T.LongType())])
    7037218417466806545
    """
    listed = sorted([name, declared.simpleString()] for name, declared in columns)
    digest = hashlib.sha256(canonical_bytes({"canon": CANON, "columns": listed})).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


def row_hashes(columns: Sequence[HashedColumn], strength: str = "64", proof: Column | None = None) -> tuple[Column, Column]:
    """Return the row hash `h1` and its companion `h2`, both non-null bigint.

    Rows equal in every canonical value have equal pairs; others differ but for accidents (CANONICAL_HASH 2.6).

    Args:
        columns: in any order; hashed in order of their names.
        strength: `64`, `128` (two chains) or `sha256`.
        proof: for `sha256`, the SHA-256 of the row in lower hex; else None.

    Source:
        CANONICAL_HASH 2.2; tests/engine/test_hashing.py checks it against engine.reference.
    """
    digest = F.lit(contract_digest([(c.name, c.type) for c in columns])).cast("bigint")
    first, second = F.lit(1).cast("bigint"), F.lit(2).cast("bigint")
    if strength == "sha256":
        assert proof is not None, "strength sha256 hashes the PCT-1 text of the row"
        return F.xxhash64(first, digest, proof), F.xxhash64(second, digest, proof)
    groups = group_hashes(columns)
    others = group_hashes(columns, chain=SECOND_CHAIN) if strength == "128" else groups
    guard = _guard(columns)
    return F.xxhash64(first, digest, *groups), F.xxhash64(second, digest, *others, *guard)


def key_hash(columns: Sequence[HashedColumn]) -> Column:
    """Return the 64-bit hash of a key, non-null bigint; NULL parts have their place in it."""
    digest = F.lit(contract_digest([(c.name, c.type) for c in columns])).cast("bigint")
    bits, tokens = _bits_and_tokens(_in_order(columns))
    return F.xxhash64(digest, *_words(bits), *tokens)


def group_hashes(columns: Sequence[HashedColumn], chain: int | None = None) -> list[Column]:
    """Return one hash per group of at most 16 columns in canonical order."""
    ordered = _in_order(columns)
    hashes = []
    for start in range(0, len(ordered), GROUP_WIDTH):
        bits, tokens = _bits_and_tokens(ordered[start : start + GROUP_WIDTH])
        prefix = [] if chain is None else [F.lit(chain).cast("bigint")]
        hashes.append(F.xxhash64(*prefix, *_words(bits), *tokens))
    return hashes


def text_hash(value: Column) -> Column:
    """Return the 64-bit hash of one text or binary value; published collisions of XXH64 (CASES A16) differ in it."""
    return F.xxhash64(value, F.when(F.octet_length(value) >= GUARD_BYTES, F.hash(value)))


def _in_order(columns: Sequence[HashedColumn]) -> list[HashedColumn]:
    return sorted(columns, key=lambda column: column.name)


def _bits_and_tokens(columns: Sequence[HashedColumn]) -> tuple[list[Column], list[Column]]:
    bits: list[Column] = []
    tokens: list[Column] = []
    for column in columns:
        own_bits, own_tokens = _parts(column.value, column.type)
        bits += own_bits
        tokens += own_tokens
    return bits, tokens


def _words(bits: Sequence[Column]) -> list[Column]:
    """Return the null bitmap, 64 bits to a bigint, first bit lowest."""
    words = []
    for start in range(0, len(bits), _WORD):
        marks = []
        for position, bit in enumerate(bits[start : start + _WORD]):
            mark = 1 << position
            marks.append(F.when(bit, F.lit(mark - 2**64 if mark >= _SIGN else mark).cast("bigint")).otherwise(F.lit(0).cast("bigint")))
        words.append(bits_of(marks))
    return words or [F.lit(0).cast("bigint")]


def _parts(value: Column, canonical: T.DataType) -> tuple[list[Column], list[Column]]:
    """Return null bits and tokens of one value in physical form."""
    if isinstance(canonical, T.StructType):
        bits, tokens = [value.isNull()], []
        for part in canonical:
            inner_bits, inner_tokens = _parts(value.getField(part.name), part.dataType)
            bits += inner_bits
            tokens += inner_tokens
        return bits, tokens
    if isinstance(canonical, T.MapType):
        entries = F.transform(
            value,
            lambda e: F.struct(_own_hash(e.getField("key"), canonical.keyType), _own_hash(e.getField("value"), canonical.valueType)),
        )
        return [value.isNull()], [F.size(value).cast("bigint"), F.array_sort(entries)]
    if isinstance(canonical, T.ArrayType):
        return [value.isNull()], _array_tokens(value, canonical.elementType)
    return [value.isNull()], _scalar_tokens(value, canonical)


def _array_tokens(value: Column, element: T.DataType) -> list[Column]:
    has_null = F.exists(value, lambda x: x.isNull())
    flags = F.when(has_null, F.transform(value, lambda x: x.isNull()))
    if isinstance(element, (T.ArrayType, T.MapType, T.StructType)):
        elements = F.transform(value, lambda x: F.when(x.isNotNull(), _own_hash(x, element)))
    elif isinstance(element, (T.YearMonthIntervalType, T.DayTimeIntervalType)):
        elements = F.transform(value, lambda x: F.array(*_scalar_tokens(x, element)))
    else:
        elements = value
    return [F.size(value).cast("bigint"), has_null, flags, elements]


def _own_hash(value: Column, canonical: T.DataType) -> Column:
    """Return the hash that stands for a value inside a container."""
    bits, tokens = _parts(value, canonical)
    return F.xxhash64(*_words(bits), *tokens)


def _scalar_tokens(value: Column, canonical: T.DataType) -> list[Column]:
    zero = F.when(value.isNotNull(), F.lit(0).cast("bigint"))
    if isinstance(canonical, T.YearMonthIntervalType):
        months = (F.extract(F.lit("YEAR"), value) * 12 + F.extract(F.lit("MONTH"), value)).cast("bigint")
        return [months, zero, zero]
    if isinstance(canonical, T.DayTimeIntervalType):
        return [zero, zero, microseconds(value)]
    return [value]


def microseconds(value: Column) -> Column:
    """Return a day-time interval as a bigint of microseconds."""
    seconds = F.extract(F.lit("SECOND"), value).cast("decimal(20,6)")
    days = F.extract(F.lit("DAY"), value).cast("bigint")  # an int: from 68 years on, its seconds are more than an int holds
    whole = days * 86400 + F.extract(F.lit("HOUR"), value) * 3600 + F.extract(F.lit("MINUTE"), value) * 60
    return ((whole.cast("decimal(20,0)") + seconds) * 1_000_000).cast("bigint")


def _guard(columns: Sequence[HashedColumn]) -> list[Column]:
    """Return the murmur3 of long text and binary values, or nothing when there is no such column.

    Inputs that collide in XXH64 for every seed are published (CASES A16); they would pass both chains.
    """
    long_values = []
    for column in _in_order(columns):
        long_values += _long_values(column.value, column.type)
    if not long_values:
        return []
    any_long = any_of(value.isNotNull() for value in long_values)
    return [F.when(any_long, F.hash(*long_values))]


def _long_values(value: Column, canonical: T.DataType) -> list[Column]:
    if isinstance(canonical, T.StructType):
        return [found for part in canonical for found in _long_values(value.getField(part.name), part.dataType)]
    if isinstance(canonical, (T.StringType, T.BinaryType, T.VariantType)):
        return [F.when(F.octet_length(value) >= GUARD_BYTES, value)]
    return []
