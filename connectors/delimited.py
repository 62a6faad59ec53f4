"""Folders of delimited text (CSV) to tables of text, every setting written down."""

from __future__ import annotations

import bz2
import codecs
import csv
import gzip
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import reduce
from pathlib import Path
from typing import IO, Any

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from connectors.base import Location, OpenedTable
from connectors.dialect import ENCODINGS, LINE_ENCODINGS, Dialect
from connectors.file_schemas import quoted
from connectors.folders import Folder, open_folder
from connectors.inspection import Inspection, inspect, inspect_values, not_text
from connectors.manifest import escape_glob
from connectors.options import character, check_names, choice, names, truth
from connectors.spark_errors import translated
from schemas.errors import ConfigError, UnreadableDataError
from schemas.verdict import Finding

__all__ = ["DelimitedDoor"]

_OPTIONS = (
    "header", "separator", "quote", "escape", "encoding", "null_value", "multiline", "columns", "comment", "unescaped_quotes",
    "partition_types",
)  # fmt: skip


@dataclass(frozen=True)
class _Form:
    """How some of the files are to be read.

    Attributes:
        names: of their header, empty ones filled in; else the columns of the table.
        line_end: what ends a record, None to let the reader find out.
        strips_carriage_return: the reader is told that records end with LF although they end with CR LF, and the CR is taken
            off here: told the truth, it would read every CR LF inside quotes as LF.
        last_name_is_bare: the last name of the header is not quoted, so the CR is part of it.
    """

    names: tuple[str, ...]
    line_end: str | None
    strips_carriage_return: bool = False
    last_name_is_bare: bool = False


@dataclass(frozen=True)
class _Start:
    """The first record of a file, and how its last line ends."""

    fields: tuple[str, ...]
    has_carriage_return: bool
    ends_quoted: bool


class DelimitedDoor:
    """`csv:` folders or single files, plain or packed (by extension)."""

    def open(self, spark: SparkSession, location: Location, options: Mapping[str, str]) -> OpenedTable:
        """Return the files as one table of strings, pinned by its manifest (see connectors.base.Door).

        The header of every file is read first. Cost: one scan for invalid bytes before the table is returned.
        """
        where = str(location)
        check_names(options, _OPTIONS, where)
        dialect = _dialect(options, where)
        folder = open_folder(spark, location, options)
        starts = {path: _first_record(folder, path, dialect) for path in folder.paths}
        columns = _column_names({path: start.fields for path, start in starts.items()}, dialect, where)
        folder.refuse_shadowed(columns)
        inspection = inspect(folder, dialect, len(columns))
        forms: dict[_Form, list[str]] = {}
        for path, start in starts.items():
            forms.setdefault(_form(start, inspection, path, columns, dialect), []).append(path)
        rows = reduce(DataFrame.unionByName, [_rows(folder, paths, form, columns, dialect) for form, paths in forms.items()])
        blockers = list(inspection.blockers(where, {path for path, start in starts.items() if start.has_carriage_return}))
        if dialect.encoding not in LINE_ENCODINGS:
            blockers += inspect_values(folder, dialect, columns, rows, any(start.has_carriage_return for start in starts.values()))
        opened = folder.opened(rows)
        return replace(
            opened,
            text_columns=frozenset(columns) | folder.text_partitions,
            dear=True,
            findings=(dialect.finding(), *inspection.findings(dialect), *_told(folder, dialect, {form.names for form in forms})),
            blockers=(*opened.blockers, *blockers),
        )


def _form(start: _Start, inspection: Inspection, path: str, columns: tuple[str, ...], dialect: Dialect) -> _Form:
    names = tuple(_named(start.fields)) if dialect.header else columns
    if dialect.encoding not in LINE_ENCODINGS:
        return _Form(names, None)
    if not start.has_carriage_return:
        return _Form(names, "\n")
    if not inspection.may_break_lines(path):
        return _Form(names, "\r\n")
    return _Form(names, "\n", strips_carriage_return=True, last_name_is_bare=dialect.header and not start.ends_quoted)


def _told(folder: Folder, dialect: Dialect, headers: set[tuple[str, ...]]) -> list[Finding]:
    findings = []
    marked = [path for path in folder.paths if dialect.encoding == "UTF-8" and _starts_with_mark(folder, path)]
    if marked:
        text = f"{len(marked)} files start with a byte order mark, left out ({marked[0]})."
        findings.append(Finding.model_validate({"class": "csv_byte_order_mark", "severity": "INFO", "text": text}))
    if len(headers) > 1:
        text = f"The headers name the same columns in {len(headers)} orders; read by name."
        findings.append(Finding.model_validate({"class": "csv_column_order", "severity": "LOW", "text": text}))
    return findings


def _dialect(options: Mapping[str, str], where: str) -> Dialect:
    header = truth(options, "header", True)
    columns = names(options, "columns")
    if header and columns:
        raise ConfigError(
            f"{where}: columns= names the columns of files without a header.", object="columns", hint="Add header=false, or drop columns=."
        )
    encoding = options.get("encoding", "UTF-8").upper().replace("UTF8", "UTF-8").replace("LATIN1", "ISO-8859-1")
    if encoding not in ENCODINGS:
        raise ConfigError(
            f"{where}: encoding {options['encoding']} cannot be read exactly by Spark.",
            object="encoding",
            hint=f"It reads {', '.join(ENCODINGS)}; convert the files to UTF-8.",
        )
    quote = character(options, "quote", '"')
    escape = character(options, "escape", '"') or "\0"
    foreign = quote is not None and escape != quote
    kept = choice(options, "unescaped_quotes", ("keep", "refuse"), "keep" if foreign or quote is None else "refuse")
    separator = character(options, "separator", ",")
    if separator is None:
        raise ConfigError(f"{where}: a separator is needed.", object="separator", hint="Write separator=, or separator=tab.")
    return Dialect(
        header, separator, quote, escape, encoding, options.get("null_value"), truth(options, "multiline", True), columns,
        character(options, "comment", None), kept == "keep",
    )  # fmt: skip


def _named(header: tuple[str, ...]) -> list[str]:
    """Header names; an empty one gets Spark's name for it."""
    return [name or f"_c{position}" for position, name in enumerate(header)]


def _column_names(headers: Mapping[str, tuple[str, ...]], dialect: Dialect, where: str) -> tuple[str, ...]:
    """The columns of the table, in the order of the first file.

    Raises:
        UnreadableDataError: a name twice in one header; two files with other names.
    """
    first_path, first = next(iter(headers.items()))
    if not dialect.header:
        return dialect.columns or tuple(f"_c{position}" for position in range(len(first)))
    expected = _named(first)
    for path, header in headers.items():
        found = _named(header)
        if twice := sorted({name for name in found if found.count(name) > 1}):
            raise UnreadableDataError(
                f"{where}: the header of {path} names {', '.join(twice)} twice.",
                object=path,
                hint="Rename one, or read with header=false and columns=… after removing the header.",
            )
        if set(found) != set(expected):
            only = sorted(set(found) ^ set(expected))
            raise UnreadableDataError(
                f"{where}: the headers of {first_path} and {path} name different columns: {', '.join(only[:5])}.",
                object=path,
                hint="Compare them apart, or write them again with one header.",
            )
    return tuple(expected)


def _rows(folder: Folder, paths: list[str], form: _Form, columns: tuple[str, ...], dialect: Dialect) -> DataFrame:
    options = dialect.reader_options()
    if form.line_end is not None:
        options["lineSep"] = form.line_end
    header = list(form.names)
    if any(name == f"_c{position}" for position, name in enumerate(header)):
        options["enforceSchema"] = "true"  # an empty header name has nothing to be checked against
    last = header[-1]
    if form.strips_carriage_return and form.last_name_is_bare:
        header[-1] = f"{last}\r"
    schema = T.StructType([T.StructField(name, T.StringType(), True) for name in header])
    values = {name: F.col(quoted(actual)) for name, actual in zip(form.names, header, strict=True)}
    if form.strips_carriage_return:
        value = values[last]
        values[last] = F.when(value != "\r", F.regexp_replace(value, r"\r\z", ""))
    return folder.select(
        folder.read("csv", paths, schema, options), [_value(values[name], dialect.null_value).alias(name) for name in columns]
    )


def _value(value: Column, null_value: str | None) -> Column:
    """Without a null text, unquoted empty is NULL. With one, that text is NULL, quoted or not, and empty is empty."""
    if null_value is None:
        return value
    present = F.coalesce(value, F.lit(""))
    return F.when(present != F.lit(null_value), present)


def _first_record(folder: Folder, path: str, dialect: Dialect) -> _Start:
    """The first record of a file: by Python for local files, else by Spark (two small jobs)."""
    if folder.manifest.local and (Path(path).suffix.lower() in (".gz", ".bz2") or not _is_packed(path)):
        start = _local_record(path, dialect, folder.where)
    else:
        start = _remote_record(folder, path, dialect)
    if not start.fields:
        what = "header" if dialect.header else "row"
        raise UnreadableDataError(f"{folder.where}: {path} has no {what}.", object=path, hint="Remove it, or write it again.")
    return start


def _remote_record(folder: Folder, path: str, dialect: Dialect) -> _Start:
    if dialect.encoding not in LINE_ENCODINGS:
        hint = "Convert it to UTF-8, or compare a copy on a local disk."
        raise UnreadableDataError(f"{folder.where}: {dialect.encoding} is read from local files only.", object=path, hint=hint)
    with translated(folder.where):
        line = folder.spark.read.format("text").option("lineSep", "\n").load(escape_glob(path)).where(F.length("value") > 0).head(1)
        end = str(line[0].value) if line else ""
        options = dialect.reader_options() | {"header": "false", "lineSep": "\r\n" if end.endswith("\r") else "\n"}
        options.pop("enforceSchema")
        first = folder.spark.read.format("csv").options(**options).load(escape_glob(path)).head(1)
    return _Start(tuple(value or "" for value in first[0]) if first else (), end.endswith("\r"), _ends_quoted(end, dialect))


def _local_record(path: str, dialect: Dialect, where: str) -> _Start:
    foreign = dialect.escape != dialect.quote
    form: dict[str, Any] = {
        "delimiter": dialect.separator,
        "quotechar": dialect.quote,
        "quoting": csv.QUOTE_MINIMAL if dialect.quote else csv.QUOTE_NONE,
        "doublequote": not foreign,
        "escapechar": dialect.escape if foreign and dialect.quote and dialect.escape != "\0" else None,
    }
    encoding = "utf-8-sig" if dialect.encoding == "UTF-8" else codecs.lookup(dialect.encoding).name
    read: list[str] = []
    try:
        with _text(path, encoding) as lines:
            fields = next(csv.reader(_kept(lines, dialect, read), **form), [])
    except UnicodeDecodeError:
        raise not_text(path, dialect.encoding, where) from None
    except (OSError, EOFError, csv.Error) as exc:
        hint = "Check the options, and copy or unload the file again."
        raise UnreadableDataError(f"{where}: the first line of {path} cannot be read: {exc}.", object=path, hint=hint) from None
    last = read[-1] if read else ""
    if last.endswith("\r"):
        hint = "Convert its line ends to LF: with a bare CR, those inside quotes could not be told from LF."
        raise UnreadableDataError(f"{where}: {path} ends its lines with a bare CR.", object=path, hint=hint)
    return _Start(tuple(fields), last.endswith("\r\n"), _ends_quoted(last, dialect))


def _kept(lines: IO[str], dialect: Dialect, read: list[str]) -> Iterator[str]:
    """The lines that are no comment and not blank at the start; keeps the last one seen in `read`."""
    for line in lines:
        if not read and (not line.strip("\r\n") or (dialect.comment and line.startswith(dialect.comment))):
            continue
        read[:] = [line]
        yield line


def _ends_quoted(line: str, dialect: Dialect) -> bool:
    return dialect.quote is not None and line.rstrip("\r\n").endswith(dialect.quote)


@contextmanager
def _text(path: str, encoding: str) -> Iterator[IO[str]]:
    openers: dict[str, Any] = {".gz": gzip.open, ".bz2": bz2.open}
    with openers.get(Path(path).suffix.lower(), open)(path, "rt", encoding=encoding, newline="") as file:
        yield file


def _is_packed(path: str) -> bool:
    return Path(path).suffix.lower() in (".gz", ".bz2", ".zst", ".lz4", ".snappy", ".deflate", ".xz")


def _starts_with_mark(folder: Folder, path: str) -> bool:
    if not folder.manifest.local or _is_packed(path):
        return False
    with Path(path).open("rb") as file:
        return file.read(3) == codecs.BOM_UTF8
