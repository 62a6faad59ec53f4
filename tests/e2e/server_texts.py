"""What a table holds by the server's own output, and whether the files of its migration say the same; without Parity's readers.

Both sides are read by others: the server's texts by psycopg, the files by pyarrow. Calendars, arrays, rows and ranges are taken apart here.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Sequence
from decimal import Context, Decimal, Inexact, InvalidOperation
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
from psycopg import sql
from psycopg.types.string import TextLoader

__all__ = ["Rows", "arrived", "canonical", "expected", "published_files"]

Rows = list[dict[str, Any]]
_INTERVAL = re.compile(r"P(?:(-?\d+)Y)?(?:(-?\d+)M)?(?:(-?\d+)D)?(?:T(?:(-?\d+)H)?(?:(-?\d+)M)?(?:(-?[\d.]+)S)?)?")
_MOMENT = re.compile(r"(\d+)-(\d\d)-(\d\d)(?: (\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:\+00)?)?( BC)?")
_TIME = re.compile(r"(\d\d):(\d\d):(\d\d)(?:\.(\d+))?")
_RANGE = ("lower", "upper", "lower_inclusive", "upper_inclusive", "empty")
_EXACT = Context(prec=100, traps=[Inexact, InvalidOperation])
_SPAN = ("months", "days", "microseconds")


def expected(dsn: str, schema: str, table: str) -> list[dict[str, str | None]]:
    """Return every row as the output functions of the server print it."""
    settings = "-c timezone=UTC -c datestyle=ISO,YMD -c intervalstyle=iso_8601 -c lc_messages=C"
    with psycopg.connect(dsn, options=settings) as connection:
        for (oid,) in connection.execute("SELECT oid FROM pg_type").fetchall():
            connection.adapters.register_loader(oid, TextLoader)
        cursor = connection.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(schema, table)))
        names = [column.name for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def published_files(target: Path, path: str) -> list[Path]:
    """Return the files that the manifest of a table names."""
    folder = target / path
    manifest = json.loads((folder / "_parity" / "manifest.json").read_text())
    return [folder / "data" / manifest["version"] / file["path"] for file in manifest["files"]]


def arrived(target: Path, path: str, like: Sequence[dict[str, str | None]]) -> tuple[Rows, Rows]:
    """Return the rows of the files and those of the server, both as values that compare.

    Args:
        like: rows of `expected`; their texts are taken apart as the types of the files ask for.
    """
    tables = [pq.ParquetFile(file).read() for file in published_files(target, path)]
    whole = pa.concat_tables(tables)
    columns = {
        field.name: [_plain(value, field.type) for value in whole[field.name].cast(_stored(field.type)).to_pylist()]
        for field in whole.schema
    }
    written = [{name: values[place] for name, values in columns.items()} for place in range(whole.num_rows)]
    told = [{field.name: canonical(row[field.name], field.type) for field in whole.schema} for row in like]
    return written, told


def canonical(text: str | None, kind: pa.DataType) -> Any:
    """Return the value of an output of the server, for a type of the files."""
    if text is None:
        return None
    if pa.types.is_list(kind):
        return [canonical(one, kind.value_type) for one in _parts(text, "{}", null="NULL")]
    if pa.types.is_struct(kind):
        return _structure(text, kind)
    if pa.types.is_boolean(kind):
        return text == "t"
    if pa.types.is_floating(kind):
        return _bits(float(text), kind)
    if pa.types.is_decimal(kind):
        return Decimal(text.replace("$", "").replace(",", "")).quantize(Decimal(1).scaleb(-kind.scale), context=_EXACT)
    if pa.types.is_date(kind):
        return _moment(text) // 86_400_000_000
    if pa.types.is_timestamp(kind):
        return _moment(text)
    if pa.types.is_integer(kind):
        return _time(text) if ":" in text else int(text)
    if pa.types.is_binary(kind):
        return bytes.fromhex(text.removeprefix("\\x"))
    return text


def _structure(text: str, kind: pa.StructType) -> dict[str, Any]:
    names = tuple(field.name for field in kind)
    if names == _SPAN:
        match = _INTERVAL.fullmatch(text)
        assert match is not None, text
        years, months, days, hours, minutes, seconds = (Decimal(part or 0) for part in match.groups())
        spans = (years * 12 + months, days, ((hours * 60 + minutes) * 60 + seconds) * 1_000_000)
        return dict(zip(_SPAN, map(int, spans), strict=True))
    if names == _RANGE:
        if text == "empty":
            return dict(zip(_RANGE, (None, None, False, False, True), strict=True))
        lower, upper = _parts(text, text[0] + text[-1], null="")
        ends = [canonical(end, kind.field(name).type) for end, name in ((lower, "lower"), (upper, "upper"))]
        return dict(zip(_RANGE, (*ends, text[0] == "[", text[-1] == "]", False), strict=True))
    return {field.name: canonical(one, field.type) for field, one in zip(kind, _parts(text, "()", null=""), strict=True)}


def _parts(text: str, around: str, null: str) -> list[str | None]:
    """Take apart what the server writes between commas: arrays, rows, ranges."""
    assert text[0] == around[0] and text[-1] == around[-1], text
    inner, place = text[1:-1], 0
    found: list[str | None] = []
    if not inner and around == "{}":
        return []
    while True:
        written, quoted, depth = "", False, 0
        while place < len(inner) and (depth or inner[place] != ","):
            letter = inner[place]
            if letter == "\\":
                place += 1
                written, quoted = written + inner[place], True
            elif letter == '"' and depth and inner[place + 1 : place + 2] == '"':
                place += 1
                written += '"'
            elif letter == '"':
                depth, quoted = 1 - depth, True
            else:
                written += letter
            place += 1
        found.append(None if written == null and not quoted else written)
        if place >= len(inner):
            return found
        place += 1


def _moment(text: str) -> int:
    """Microseconds from 1970 in the proleptic Gregorian calendar, without a library that ends at the year 1 or 9999."""
    match = _MOMENT.fullmatch(text)
    assert match is not None, text
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
    year = 1 - year if match[8] else year
    shifted, moved = (year - 1, month + 9) if month < 3 else (year, month - 3)
    days = 365 * shifted + shifted // 4 - shifted // 100 + shifted // 400 + (153 * moved + 2) // 5 + day - 719_469
    return ((days * 24 + hour) * 60 + minute) * 60_000_000 + second * 1_000_000 + int((match[7] or "").ljust(6, "0"))


def _time(text: str) -> int:
    match = _TIME.fullmatch(text)
    assert match is not None, text
    return ((int(match[1]) * 60 + int(match[2])) * 60 + int(match[3])) * 1_000_000 + int((match[4] or "").ljust(6, "0"))


def _stored(kind: pa.DataType) -> pa.DataType:
    """Dates and timestamps as the integers that they are: Python's own end at the years 1 and 9999."""
    if pa.types.is_date(kind):
        return pa.int32()
    if pa.types.is_timestamp(kind):
        return pa.int64()
    if pa.types.is_list(kind):
        return pa.list_(_stored(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([(field.name, _stored(field.type)) for field in kind])
    return kind


def _plain(value: Any, kind: pa.DataType) -> Any:
    """The value as `canonical` has it; floats by their bits."""
    if value is None:
        return None
    if pa.types.is_list(kind):
        return [_plain(one, kind.value_type) for one in value]
    if pa.types.is_struct(kind):
        return {field.name: _plain(value[field.name], field.type) for field in kind}
    return _bits(value, kind) if pa.types.is_floating(kind) else value


def _bits(value: float, kind: pa.DataType) -> bytes | str:
    return "NaN" if value != value else struct.pack("<f" if kind.bit_width == 32 else "<d", value)
