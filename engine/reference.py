"""PCH-1 in plain Python with nothing but xxhash and hashlib: the oracle that Spark's expressions are checked against.

Written from CANONICAL_HASH 2 and `policy/hashing_spec.json`, not from engine.hashing, with which it shares no code and no constants.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import xxhash
from pyspark.sql import types as T

from engine.natives import days, interval_micros, micros, unscaled
from engine.reference_murmur import murmur3
from engine.reference_text import float_bytes, pairs, parts, pct1_row_python
from schemas.canonical_json import canonical_bytes

__all__ = ["RowHashes", "contract_digest", "key_hash", "row_hashes", "tokens_of"]

Columns = Sequence[tuple[str, T.DataType]]
_SEED = 42
_GROUP = 16
_LONG_TOKEN = 64
_SECOND_CHAIN = int.from_bytes(b"PARITY12", "big")
_CONTAINERS = (T.ArrayType, T.MapType, T.StructType)
_INTEGERS = (T.ByteType, T.ShortType, T.IntegerType, T.LongType)
_NARROW_DIGITS = 18


@dataclass(frozen=True)
class RowHashes:
    """The hashes of one row as signed 64-bit integers; `groups` are those of the first chain."""

    h1: int
    h2: int
    groups: tuple[int, ...]

    @property
    def text(self) -> str:
        """The row hash as people and files see it: 16 lower-case hex digits."""
        return f"{self.h1 % 2**64:016x}"


def contract_digest(columns: Columns) -> int:
    """Return the signed salt of a contract: the head of the SHA-256 of its names and types in canonical order.

    >>> contract_digest([("id", T.LongType())])
    7037218417466806545
    """
    document = {"canon": 1, "columns": [[name, declared.simpleString()] for name, declared in _ordered(columns)]}
    return int(struct.unpack(">q", hashlib.sha256(canonical_bytes(document)).digest()[:8])[0])


def row_hashes(columns: Columns, row: Mapping[str, Any], strength: str = "64") -> RowHashes:
    """Return what Spark must compute for a row.

    Args:
        columns: names and canonical types, in any order.
        row: values by name: int, bool, float, Decimal, str, bytes, date or days, datetime or microseconds, timedelta or microseconds,
            months; list; mapping, Row or tuple for a struct; mapping or pairs for a map; canonical JSON text for a variant.
        strength: `64`, `128` or `sha256`.
    """
    ordered = _ordered(columns)
    digest = _int64(contract_digest(columns))
    groups = [_group(ordered[start : start + _GROUP], row) for start in range(0, len(ordered), _GROUP)]
    if strength == "sha256":
        text = pct1_row_python((row[name], declared) for name, declared in ordered)
        proof = hashlib.sha256(text.encode("utf-8")).hexdigest().encode()
        return RowHashes(_chain([_int64(1), digest, proof]), _chain([_int64(2), digest, proof]), tuple(groups))
    others = groups
    if strength == "128":
        others = [_group(ordered[start : start + _GROUP], row, _SECOND_CHAIN) for start in range(0, len(ordered), _GROUP)]
    first = _chain([_int64(1), digest, *map(_int64, groups)])
    second = _chain([_int64(2), digest, *map(_int64, others), _guard(ordered, row)])
    return RowHashes(first, second, tuple(groups))


def key_hash(columns: Columns, row: Mapping[str, Any]) -> int:
    """Return the hash of the key columns of a row; `columns` are those of the key only."""
    bits, tokens = _row_parts(_ordered(columns), row)
    return _chain([_int64(contract_digest(columns)), *_words(bits), *tokens])


def tokens_of(value: Any, declared: T.DataType) -> list[bytes]:
    """Return the bytes that a value contributes to the hash of its row, NULL tokens left out.

    >>> [token.hex() for token in tokens_of(-2, T.LongType())]
    ['feffffffffffffff']
    """
    _, tokens = _parts(value, declared)
    return [token for token in tokens if token is not None]


def _ordered(columns: Columns) -> list[tuple[str, T.DataType]]:
    return sorted(columns, key=lambda column: column[0])


def _chain(tokens: Iterable[bytes | None]) -> int:
    """H(42; tokens): each token hashed with the hash so far as its seed, NULL tokens skipped."""
    state = _SEED
    for token in tokens:
        if token is not None:
            state = xxhash.xxh64(token, seed=state).intdigest()
    return state - 2**64 if state >= 2**63 else state


def _int64(value: int) -> bytes:
    return struct.pack("<q", value)


def _group(columns: Columns, row: Mapping[str, Any], chain: int | None = None) -> int:
    bits, tokens = _row_parts(columns, row)
    return _chain([None if chain is None else _int64(chain), *_words(bits), *tokens])


def _row_parts(columns: Columns, row: Mapping[str, Any]) -> tuple[list[bool], list[bytes | None]]:
    bits: list[bool] = []
    tokens: list[bytes | None] = []
    for name, declared in columns:
        own_bits, own_tokens = _parts(row[name], declared)
        bits += own_bits
        tokens += own_tokens
    return bits, tokens


def _words(bits: Sequence[bool]) -> list[bytes]:
    """The null bitmap: bit i of the whole is bit i mod 64 of word i // 64."""
    number = sum(1 << position for position, bit in enumerate(bits) if bit)
    count = max(1, -(-len(bits) // 64))
    return [struct.pack("<Q", (number >> (64 * word)) & (2**64 - 1)) for word in range(count)]


def _parts(value: Any, declared: T.DataType) -> tuple[list[bool], list[bytes | None]]:
    """Null bits and tokens of a value where it stands in a row."""
    if isinstance(declared, T.StructType):
        bits, tokens = [value is None], []
        for part, kind in parts(value, declared):
            own_bits, own_tokens = _parts(part, kind)
            bits += own_bits
            tokens += own_tokens
        return bits, tokens
    if value is None:
        return [True], []
    if isinstance(declared, T.ArrayType):
        return [False], _array(value, declared.elementType)
    if isinstance(declared, T.MapType):
        return [False], _map(value, declared)
    return [False], list(_scalar(value, declared))


def _array(value: Sequence[Any], element: T.DataType) -> list[bytes | None]:
    has_null = any(item is None for item in value)
    tokens: list[bytes | None] = [_int64(len(value)), _flag(has_null)]
    if has_null:
        tokens += [_flag(item is None) for item in value]
    for item in value:
        if item is not None:
            tokens += [_own_hash(item, element)] if isinstance(element, _CONTAINERS) else _scalar(item, element)
    return tokens


def _map(value: Any, declared: T.MapType) -> list[bytes | None]:
    hashed = sorted(
        (struct.unpack("<q", _own_hash(key, declared.keyType))[0], struct.unpack("<q", _own_hash(item, declared.valueType))[0])
        for key, item in pairs(value)
    )
    return [_int64(len(hashed)), *(_int64(number) for pair in hashed for number in pair)]


def _own_hash(value: Any, declared: T.DataType) -> bytes:
    """The hash that stands for a value inside a container."""
    bits, tokens = _parts(value, declared)
    return _int64(_chain([*_words(bits), *tokens]))


def _flag(value: bool) -> bytes:
    return struct.pack("<i", int(value))


def _scalar(value: Any, declared: T.DataType) -> tuple[bytes, ...]:
    if isinstance(declared, T.BooleanType):
        return (_flag(value),)
    if isinstance(declared, _INTEGERS):
        return (_int64(value),)
    if isinstance(declared, T.DecimalType):
        number = unscaled(value, declared.scale)
        return (_int64(number) if declared.precision <= _NARROW_DIGITS else _minimal(number),)
    if isinstance(declared, (T.FloatType, T.DoubleType)):
        return (float_bytes(value, declared),)
    if isinstance(declared, T.DateType):
        return (struct.pack("<i", days(value)),)
    if isinstance(declared, (T.TimestampType, T.TimestampNTZType)):
        return (_int64(micros(value)),)
    if isinstance(declared, T.YearMonthIntervalType):
        return (_int64(value), _int64(0), _int64(0))
    if isinstance(declared, T.DayTimeIntervalType):
        return (_int64(0), _int64(0), _int64(interval_micros(value)))
    return (_octets(value),)


def _octets(value: Any) -> bytes:
    return value.encode("utf-8") if isinstance(value, str) else bytes(value)


def _minimal(number: int) -> bytes:
    """Two's complement, big-endian, in as few bytes as hold the sign."""
    length = (number if number >= 0 else ~number).bit_length() // 8 + 1
    return number.to_bytes(length, "big", signed=True)


def _guard(columns: Columns, row: Mapping[str, Any]) -> bytes | None:
    """murmur3 of the long text and binary values, since inputs that collide in XXH64 under every seed are published."""
    state: int | None = None
    for name, declared in columns:
        for token in _long_tokens(row[name], declared):
            state = murmur3(token, _SEED if state is None else state)
    return None if state is None else struct.pack("<I", state)


def _long_tokens(value: Any, declared: T.DataType) -> list[bytes]:
    if isinstance(declared, T.StructType):
        return [token for part, kind in parts(value, declared) for token in _long_tokens(part, kind)]
    if value is not None and isinstance(declared, (T.StringType, T.BinaryType, T.VariantType)):
        token = _octets(value)
        return [token] if len(token) >= _LONG_TOKEN else []
    return []
