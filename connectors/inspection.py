"""Delimited text to what Spark's reader would pass over in silence."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F

from connectors.dialect import ENCODINGS, LINE_ENCODINGS, NO_QUOTE, Dialect
from connectors.file_schemas import quoted
from connectors.folders import Folder
from connectors.manifest import escape_glob, path_in_store, plain_path
from connectors.spark_errors import translated
from engine.folding import any_of
from schemas.errors import UnreadableDataError
from schemas.verdict import Finding, Reason

__all__ = ["Inspection", "inspect", "inspect_values", "not_text"]

_REPLACEMENT = "\ufffd"


@dataclass(frozen=True)
class Inspection:
    """What one scan of the lines found, per file; empty where lines are not bytes (UTF-16)."""

    facts: Mapping[str, Row]
    columns: int

    def may_break_lines(self, path: str) -> bool:
        """Return whether a quoted field of this file may hold a line end."""
        return bool(self.facts[path_in_store(path)].odd)

    def findings(self, dialect: Dialect) -> tuple[Finding, ...]:
        total = sum(row.doubled for row in self.facts.values())
        if not total:
            return ()
        text = (
            f"{total} lines hold doubled quotes while escape={dialect.escape!r}: such fields may keep their quotes as text. "
            "If these files double their quotes, leave escape at its default."
        )
        return (Finding.model_validate({"class": "csv_doubled_quotes", "severity": "LOW", "text": text}),)

    def blockers(self, where: str, with_carriage_returns: Collection[str]) -> tuple[Reason, ...]:
        """Return what cannot be read exactly; `with_carriage_returns`: files whose records end with CR LF."""
        found = []
        blank = sum(row.blank for row in self.facts.values())
        if self.columns == 1 and blank:
            text = f"{where} has one column and {blank} blank lines, which Spark leaves out: an empty value and a blank line look the same."
            found.append(Reason(code="blank_lines", text=text))
        unclear = sorted(
            path for path in with_carriage_returns if path_in_store(path) in self.facts and self.facts[path_in_store(path)].returned
        )
        if unclear:
            text = (
                f"{unclear[0]} ends its records with CR LF and holds quoted values that end with CR: "
                "the two cannot be told apart in the last column."
            )
            found.append(Reason(code="carriage_returns", text=text))
        return tuple(found)


def _doubled(line: Column, dialect: Dialect) -> Column:
    """Return whether a line holds a quote twice within a field; an empty field in quotes is none."""
    quote, separator = (f"\\u{ord(text):04x}" for text in (dialect.quote or NO_QUOTE, dialect.separator[0]))
    edge = rf"[^{separator}{quote}\r]"
    return F.rlike(line, F.lit(rf"{edge}{quote}{quote}|{quote}{quote}{edge}|{quote}{quote}{quote}"))


def inspect(folder: Folder, dialect: Dialect, columns: int) -> Inspection:
    """Return what the lines of all files hold. Cost: one scan of the files as text.

    Raises:
        UnreadableDataError: bytes that are not text in this encoding: Spark would read every one of them as U+FFFD, and
            two different ones would look equal.
    """
    if dialect.encoding not in LINE_ENCODINGS:
        return Inspection({}, columns)
    line = F.col("value")
    quote = F.lit(dialect.quote or NO_QUOTE)
    foreign = dialect.quote is not None and dialect.escape != dialect.quote
    unescaped = (
        F.replace(F.replace(line, F.lit(dialect.escape * 2), F.lit("")), F.concat(F.lit(dialect.escape), quote), F.lit(""))
        if foreign
        else line
    )
    invalid = {"UTF-8": ~F.expr("is_valid_utf8(value)"), "US-ASCII": F.octet_length(line) != F.length(line)}.get(
        dialect.encoding, F.lit(False)
    )
    facts = {
        "invalid": F.max(invalid),
        "unreadable": F.max(F.contains(line, F.lit(NO_QUOTE))),
        "blank": F.sum(F.rtrim(line, F.lit("\r")).eqNullSafe("").cast("bigint")),
        "doubled": F.sum(_doubled(line, dialect).cast("bigint") if foreign else F.lit(0)),
        "odd": F.max((F.length(unescaped) - F.length(F.replace(unescaped, quote, F.lit("")))) % 2 == 1),
        "returned": F.max(F.contains(line, F.concat(F.lit("\r"), quote))),
    }
    with translated(folder.where):
        text = folder.spark.read.format("text").option("lineSep", "\n").load([escape_glob(path) for path in folder.paths])
        found = (
            text.groupBy(F.col("_metadata.file_path").alias("file"))
            .agg(*(fact.alias(name) for name, fact in facts.items()))
            .orderBy("file")
            .collect()
        )
    for row in found:
        if row.invalid or (row.unreadable and dialect.quote is None):
            raise not_text(plain_path(row.file), dialect.encoding, folder.where)
    return Inspection({path_in_store(unquote(row.file)): row for row in found}, columns)


def inspect_values(
    folder: Folder, dialect: Dialect, columns: Collection[str], rows: DataFrame, has_carriage_returns: bool
) -> tuple[Reason, ...]:
    """Check the parsed values where lines are not bytes. Cost: one parse of the files.

    Raises:
        UnreadableDataError: a value holds U+FFFD, which is also what Spark makes of bytes that are no text.
    """
    with translated(folder.where):
        replaced, broken = (
            any_of(F.coalesce(F.contains(F.col(quoted(name)), F.lit(sign)), F.lit(False)) for name in columns)
            for sign in (_REPLACEMENT, "\n")
        )
        found = rows.agg(F.max(replaced).alias("replaced"), F.max(broken).alias("broken")).collect()[0]
    if found.replaced:
        raise not_text(folder.where, dialect.encoding, folder.where)
    if found.broken and has_carriage_returns:
        text = f"{folder.where} ends its records with CR LF and breaks lines inside quotes, which are then read as LF. Convert it to UTF-8."
        return (Reason(code="carriage_returns", text=text),)
    return ()


def not_text(file: str, encoding: str, where: str) -> UnreadableDataError:
    """Return the error for bytes that are not text in the encoding given."""
    return UnreadableDataError(
        f"{where}: {file} holds bytes that are not {encoding}; different ones would be read as the same character.",
        object=file,
        hint=f"Say how it is written, option encoding={'|'.join(ENCODINGS[1:4])}, or convert it to UTF-8.",
    )
