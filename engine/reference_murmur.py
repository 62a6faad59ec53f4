"""Spark's murmur3 of bytes, which differs from the published one in the tail."""

from __future__ import annotations

import struct

__all__ = ["murmur3"]

_MASK = 0xFFFFFFFF


def _rotated(value: int, count: int) -> int:
    return ((value << count) | (value >> (32 - count))) & _MASK


def _mixed(state: int, word: int) -> int:
    word = _rotated(word * 0xCC9E2D51 & _MASK, 15) * 0x1B873593 & _MASK
    return (_rotated(state ^ word, 13) * 5 + 0xE6546B64) & _MASK


def murmur3(data: bytes, seed: int) -> int:
    """Return the unsigned 32-bit murmur3 of bytes: words of four, then every byte left over as a signed word of its own.

    Source:
        Murmur3_x86_32.hashUnsafeBytes of Apache Spark; tests/engine/test_reference.py checks it against Spark's `hash`.

    >>> murmur3(b"abc", 42)
    1322437556
    """
    aligned = len(data) - len(data) % 4
    state = seed
    for (word,) in struct.iter_unpack("<I", data[:aligned]):
        state = _mixed(state, word)
    for (byte,) in struct.iter_unpack("<b", data[aligned:]):
        state = _mixed(state, byte & _MASK)
    state ^= len(data)
    state = (state ^ state >> 16) * 0x85EBCA6B & _MASK
    state = (state ^ state >> 13) * 0xC2B2AE35 & _MASK
    return state ^ state >> 16
