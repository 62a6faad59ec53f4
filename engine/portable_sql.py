"""PCT-1 as SQL text for databases: the same bytes as engine.portable, computed where the rows are."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pyspark.sql import types as T

from engine.canonical import family
from schemas.errors import ConfigError, InputError

__all__ = ["postgres_pct1", "postgres_pct1_value", "quote_identifier"]

_QUOTES = {"postgres": '"', "redshift": '"', "snowflake": '"', "spark": "`"}


def quote_identifier(dialect: str, name: str) -> str:
    """Return a name as the dialect quotes it, whatever it contains.

    Raises:
        ConfigError: there is no such dialect, or no identifier can have that name.

    >>> quote_identifier("postgres", 'a"b; drop'), quote_identifier("spark", "a`b")
    ('"a""b; drop"', '`a``b`')
    """
    if dialect not in _QUOTES:
        raise ConfigError(f"No SQL dialect {dialect}; there are {', '.join(_QUOTES)}.", object=dialect)
    if not name or "\0" in name:
        raise ConfigError(f"{name!r} cannot be the name of a column.", object=name)
    quote = _QUOTES[dialect]
    return quote + name.replace(quote, quote + quote) + quote


def postgres_pct1(columns: Sequence[tuple[str, T.DataType]]) -> str:
    """Return a PostgreSQL expression for the PCT-1 text of a row, never NULL; hash it with `sha256(convert_to(…, 'UTF8'))`.

    Args:
        columns: names in the database, unquoted, with canonical types, in canonical order.

    Raises:
        InputError: a type has no portable text.
        ConfigError: no column can have such a name.
    """
    items = []
    for name, canonical in columns:
        text = postgres_pct1_value(name, canonical)
        length = f"octet_length(convert_to({text}, 'UTF8'))"
        items.append(f"CASE WHEN {quote_identifier('postgres', name)} IS NULL THEN 'N;' ELSE {length} || ':' || {text} || ';' END")
    return "(" + " || ".join(items) + ")" if items else "''"


def postgres_pct1_value(name: str, canonical: T.DataType) -> str:
    """Return a PostgreSQL expression for the PCT-1 text of one column; NULL stays NULL."""
    column = quote_identifier("postgres", name)
    kind = family(canonical)
    if isinstance(canonical, T.DecimalType):
        return _decimal(column, canonical.scale)
    written = _WRITERS.get(kind)
    if written is None:
        raise InputError(
            f"Column {name}: a value of type {canonical.simpleString()} has no text that every engine writes alike.",
            object=name,
            hint="Compare it in Spark, not in the database.",
        )
    return written(column)


def _decimal(column: str, scale: int) -> str:
    """A value with more digits than the contract's scale keeps them: rounding here would hide a difference."""
    number = f"({column})::numeric"
    at_scale = f"round({number}, {scale})"
    return f"CASE WHEN {at_scale} = {number} THEN {at_scale}::text ELSE {number}::text END"


def _date(column: str) -> str:
    year = f"(extract(year from {column})::int + CASE WHEN extract(year from {column}) < 0 THEN 1 ELSE 0 END)"
    sign = f"CASE WHEN {year} < 0 THEN '-' WHEN {year} > 9999 THEN '+' ELSE '' END"
    digits = f"lpad(abs({year})::text, greatest(4, length(abs({year})::text)), '0')"
    return f"CASE WHEN isfinite({column}) THEN {sign} || {digits} || to_char({column}, '-MM-DD') ELSE ({column})::text END"


def _clock(column: str, wall: str) -> str:
    """Whole seconds and fraction apart: exact even where `extract` gives double precision (before PostgreSQL 14)."""
    seconds = f"extract(epoch from date_trunc('second', {wall}))::bigint * 1000000"
    fraction = f"extract(microseconds from {wall})::bigint % 1000000"
    return f"CASE WHEN isfinite({column}) THEN ({seconds} + {fraction})::text ELSE ({column})::text END"


def _time(column: str) -> str:
    fields = f"extract(hour from {column})::bigint * 3600000000 + extract(minute from {column})::bigint * 60000000"
    return f"(({fields} + extract(microseconds from {column})::bigint) * 1000)::text"


_WRITERS: dict[str, Callable[[str], str]] = {
    "number": lambda column: f"({column})::bigint::text",
    "boolean": lambda column: f"CASE WHEN {column} THEN 't' WHEN NOT {column} THEN 'f' END",
    "date": _date,
    "timestamp": lambda column: _clock(column, f"({column} AT TIME ZONE 'UTC')"),
    "timestamp_ntz": lambda column: _clock(column, column),
    "time": _time,
    "text": lambda column: f"({column})::text",
    "binary": lambda column: f"encode({column}, 'hex')",
}
