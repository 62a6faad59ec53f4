# ruff: noqa: S608 -- SQL of constants
"""Canonical values to PostgreSQL's: Python has no dates before year 1 or beyond 9999, so the server counts from the epoch."""

from __future__ import annotations

from pyspark.sql import types as T

__all__ = ["placeholder"]

# An interval times a number goes through a double: whole days and the rest are added apart, so that both are exact.
_WALL = "(date '1970-01-01' + (v / 86400000000)::int) + (v %% 86400000000) * interval '1 microsecond'"


def placeholder(kind: T.DataType) -> str:
    """Return what stands for a value of this type in an INSERT; points in time are given as days or microseconds."""
    if isinstance(kind, T.DateType):
        return "date '1970-01-01' + %s::int"
    if isinstance(kind, T.TimestampNTZType):
        return f"(SELECT {_WALL} FROM (VALUES (%s::bigint)) AS x(v))"
    if isinstance(kind, T.TimestampType):
        return f"(SELECT ({_WALL}) AT TIME ZONE 'UTC' FROM (VALUES (%s::bigint)) AS x(v))"
    return "%s"
