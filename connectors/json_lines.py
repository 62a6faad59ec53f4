"""Folders of JSON files to tables of text: the exact characters of every value."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import replace

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from connectors.base import Location, OpenedTable
from connectors.file_schemas import quoted
from connectors.folders import Folder, open_folder
from connectors.manifest import escape_glob, plain_path
from connectors.options import check_names, truth
from connectors.spark_errors import translated
from schemas.errors import UnreadableDataError

__all__ = ["JsonDoor"]

_OPTIONS = ("multiline", "partition_types")
_PACKED = (".gz", ".bz2", ".zst", ".lz4", ".snappy", ".deflate", ".xz")
_ARRAY_OF_OBJECTS = "array<map<string,string>>"
_ESCAPED_PAIR = r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_ESCAPED_HALF = r"\\u[dD][89a-fA-F][0-9a-fA-F]{2}"

# What a check says, to what is wrong and what to do; in the order in which they are told.
_FAULTS = {
    "invalid": ("holds bytes that are not UTF-8", "Convert it to UTF-8: JSON is nothing else."),
    "malformed": (
        "holds text that is not one JSON object per line",
        "Repair that line, or set multiline=true if an object spans several lines.",
    ),
    "trailing": (
        "holds text after the end of an object, which Spark would leave out",
        "Write one object per line, or one array with multiline=true.",
    ),
    "twice": (
        "holds an object with the same name twice, of which Spark would keep the last",
        "Repair the writer: RFC 8259 leaves the meaning open.",
    ),
    "halves": ("holds an escaped half of a surrogate pair, which is no character", "Repair the writer."),
}


class JsonDoor:
    """`json:` folders or single files, one object per line, or with `multiline=true` one value per file."""

    def open(self, spark: SparkSession, location: Location, options: Mapping[str, str]) -> OpenedTable:
        """Return the files as one table of strings, pinned by its manifest (see connectors.base.Door).

        A value is the exact text in the file (`1.0` stays `1.0`), a text without its quotes; JSON null and an absent
        name are NULL. The text `"1"` and the number `1` are the same text. Cost: two scans before the table is returned.
        """
        where = str(location)
        check_names(options, _OPTIONS, where)
        multiline = truth(options, "multiline", False)
        folder = open_folder(spark, location, options)
        if multiline:
            _refuse_packed(folder)
        columns = _field_names(folder, multiline)
        folder.refuse_shadowed(columns)
        nested = _nested(folder, columns, multiline)
        schema = T.StructType([T.StructField(name, T.StringType(), True) for name in columns])
        rows = folder.select(
            folder.read("json", folder.paths, schema, _reader_options(multiline)), [F.col(quoted(name)) for name in columns]
        )
        return replace(folder.opened(rows), text_columns=frozenset(columns) | folder.text_partitions, nested_text_columns=nested, dear=True)


def _reader_options(multiline: bool) -> dict[str, str]:
    # No encoding: with one, Spark decodes first and then writes every number anew, 1.00 as 1.0 and long ones rounded.
    return {
        "mode": "FAILFAST",
        "multiLine": str(multiline).lower(),
        "columnNameOfCorruptRecord": secrets.token_hex(16),  # else a field of that name would be swallowed
        "allowComments": "false",
        "allowUnquotedFieldNames": "false",
        "allowSingleQuotes": "false",
        "allowNumericLeadingZeros": "false",
        "allowNonNumericNumbers": "false",
        "allowBackslashEscapingAnyCharacter": "false",
        "allowUnquotedControlChars": "false",
        "dropFieldIfAllNull": "false",
        "primitivesAsString": "true",
        "samplingRatio": "1.0",
    }


def _field_names(folder: Folder, multiline: bool) -> list[str]:
    """Every top-level name in any object of any file, sorted; not inferred by Spark, which drops names that only hold {}.

    Raises:
        UnreadableDataError: a file holds something that Spark would drop or change without a word.
    """
    text = _lines(folder, multiline)
    value = F.col("value")
    token = secrets.token_hex(16)
    # Parsed as a member of a larger object, text after the end of the value cannot go unseen, and nobody can guess the token.
    wrapped = F.json_object_keys(F.concat(F.lit('{"x":'), value, F.lit(f',"{token}":0}}')))
    objects = F.from_json(value, _ARRAY_OF_OBJECTS) if multiline else F.lit(None).cast(_ARRAY_OF_OBJECTS)
    is_array = F.ltrim(value).startswith("[") if multiline else F.lit(False)
    several = F.when(F.forall(objects, lambda item: item.isNotNull()), F.transform(objects, lambda item: F.map_keys(item)))
    names: Column = F.when(is_array, several).otherwise(F.array(F.json_object_keys(value)))
    checked = text.select(
        "file",
        (~F.expr("is_valid_utf8(value)")).alias("invalid"),
        (names.isNull() | F.exists(names, lambda item: item.isNull())).alias("malformed"),
        F.coalesce(wrapped != F.array(F.lit("x"), F.lit(token)), F.lit(True)).alias("trailing"),
        F.coalesce(F.exists(names, lambda item: F.size(item) != F.size(F.array_distinct(item))), F.lit(False)).alias("twice"),
        _holds_half_a_pair(value).alias("halves"),
        F.explode_outer(F.coalesce(F.array_distinct(F.flatten(names)), F.array().cast("array<string>"))).alias("name"),
    )
    with translated(folder.where):
        found = checked.groupBy("file", "name").agg(*(F.max(fault).alias(fault) for fault in _FAULTS)).orderBy("file", "name").collect()
    for row in found:
        for fault, (what, remedy) in _FAULTS.items():
            if row[fault]:
                file = plain_path(row.file)
                raise UnreadableDataError(f"{folder.where}: {file} {what}.", object=file, hint=remedy)
    return sorted({row.name for row in found if row.name is not None})


def _holds_half_a_pair(value: Column) -> Column:
    """Whether an escape names half of a surrogate pair: Spark reads every such half as '?', so different ones would look equal."""
    without_backslashes = F.regexp_replace(value, r"\\\\", " ")
    return F.contains(value, F.lit(r"\u")) & F.regexp_replace(without_backslashes, _ESCAPED_PAIR, " ").rlike(_ESCAPED_HALF)


def _lines(folder: Folder, multiline: bool) -> DataFrame:
    reader = folder.spark.read.format("text").option("wholetext", str(multiline).lower())
    text = reader.load([escape_glob(path) for path in folder.paths])
    return text.where(F.trim(F.col("value")) != "").select("value", F.col("_metadata.file_path").alias("file"))


def _refuse_packed(folder: Folder) -> None:
    """Check that no file is packed: over several lines, Spark then writes every number anew, 1.00 as 1.0 and long ones rounded."""
    for path in folder.paths:
        if path.lower().endswith(_PACKED):
            hint = "Unpack it, or write one object per line."
            raise UnreadableDataError(
                f"{folder.where}: {path} is packed; with multiline=true its numbers would be rounded.", object=path, hint=hint
            )


def _nested(folder: Folder, columns: list[str], multiline: bool) -> frozenset[str]:
    """The names whose values are arrays or objects throughout; one that Spark drops only ever holds {}."""
    with translated(folder.where):
        options = _reader_options(multiline) | {"basePath": folder.manifest.root} if folder.partitions else _reader_options(multiline)
        inferred = folder.spark.read.options(**options).json([escape_glob(path) for path in folder.paths]).schema
    kinds = {field.name: field.dataType for field in inferred.fields}
    return frozenset(name for name in columns if not isinstance(kinds.get(name), T.StringType))
