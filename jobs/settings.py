"""Which Spark settings an answer depends on, and what each must be."""

from __future__ import annotations

__all__ = [
    "COMPILE_LONG_METHODS",
    "FIXED_BY_THE_JVM",
    "IS_READ_BY_LAZY_PLANS",
    "JVM_ZONE",
    "PINNED",
    "SET_BY_DOORS",
    "is_utc",
    "same_value",
]

JVM_ZONE = "UTC"

# Hive SerDes, ORC, INT96 and JDBC go through java.sql.Timestamp, which asks the machine for its zone (CASES F8).
FIXED_BY_THE_JVM = ("spark.driver.extraJavaOptions", "spark.executor.extraJavaOptions")

# Comparing many columns makes methods of more than 8,000 bytes, which Java else interprets: three times slower.
COMPILE_LONG_METHODS = "-XX:-DontCompileHugeMethods"

_NAMES_OF_UTC = frozenset(("UTC", "UCT", "GMT", "GMT0", "GMT+0", "GMT-0", "GREENWICH", "UNIVERSAL", "ZULU", "Z"))

_TIME_AND_TEXT = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.timestampType": "TIMESTAMP_LTZ",
    "spark.sql.ansi.enabled": "true",
    "spark.sql.ansi.doubleQuotedIdentifiers": "false",
    "spark.sql.ansi.enforceReservedKeywords": "false",
    "spark.sql.caseSensitive": "true",
    "spark.sql.parser.escapedStringLiterals": "false",
    "spark.sql.parser.quotedRegexColumnNames": "false",  # a column named `a.*` would be a pattern
    "spark.sql.icu.caseMappings.enabled": "true",
}

_ARITHMETIC = {
    "spark.sql.decimalOperations.allowPrecisionLoss": "true",
    "spark.sql.legacy.allowNegativeScaleOfDecimal": "false",
    "spark.sql.legacy.decimal.retainFractionDigitsOnTruncate": "false",
    "spark.sql.legacy.doLooseUpcast": "false",
    "spark.sql.legacy.exponentLiteralAsDecimal.enabled": "false",
    "spark.sql.legacy.literal.pickMinimumPrecision": "true",
    "spark.sql.legacy.statisticalAggregate": "false",
    "spark.sql.storeAssignmentPolicy": "ANSI",
}

_EXPRESSIONS = {
    "spark.sql.analyzer.failAmbiguousSelfJoin": "true",
    "spark.sql.function.concatBinaryAsString": "false",
    "spark.sql.jsonGenerator.ignoreNullFields": "false",
    "spark.sql.legacy.allowHashOnMapType": "false",
    "spark.sql.legacy.castComplexTypesToString.enabled": "false",
    "spark.sql.legacy.charVarcharAsString": "false",
    "spark.sql.legacy.codingErrorAction": "false",
    "spark.sql.legacy.createEmptyCollectionUsingStringType": "false",
    "spark.sql.legacy.disableMapKeyNormalization": "false",
    "spark.sql.legacy.followThreeValuedLogicInArrayExists": "true",
    "spark.sql.legacy.interval.enabled": "false",
    "spark.sql.legacy.javaCharsets": "false",
    "spark.sql.legacy.lpadRpadAlwaysReturnString": "false",
    "spark.sql.legacy.negativeIndexInArrayInsert": "false",
    "spark.sql.legacy.setopsPrecedence.enabled": "false",
    "spark.sql.legacy.sizeOfNull": "false",
    "spark.sql.legacy.timeParserPolicy": "CORRECTED",
    "spark.sql.legacy.typeCoercion.datetimeToString.enabled": "false",
    "spark.sql.mapKeyDedupPolicy": "EXCEPTION",
    "spark.sql.preserveCharVarcharTypeInfo": "false",
    "spark.sql.charAsVarchar": "false",
    "spark.sql.readSideCharPadding": "true",
    "spark.sql.retainGroupColumns": "true",
}

_FILES = {
    "spark.sql.files.ignoreCorruptFiles": "false",
    "spark.sql.files.ignoreMissingFiles": "false",
    "spark.sql.files.ignoreInvalidPartitionPaths": "false",
    "spark.sql.sources.partitionColumnTypeInference.enabled": "false",  # '01' would become 1
    "spark.sql.sources.validatePartitionColumns": "true",
    "spark.sql.legacy.keepPartitionSpecAsStringLiteral": "false",
    "spark.sql.legacy.parseNullPartitionSpecAsStringLiteral": "false",
    "spark.sql.legacy.readFileSourceTableCacheIgnoreOptions": "false",
    "spark.sql.optimizer.metadataOnly": "false",  # partitions without rows would count
    # Delta, Iceberg, Parquet and ORC: what is proven is read, not taken from a footer's statistics.
    "spark.sql.orc.aggregatePushdown": "false",
    "spark.sql.orc.impl": "native",
    "spark.sql.parquet.aggregatePushdown": "false",
    "spark.sql.parquet.respectSummaryFiles": "false",
    "spark.sql.parquet.binaryAsString": "false",
    "spark.sql.parquet.fieldId.read.enabled": "false",
    "spark.sql.parquet.inferTimestampNTZ.enabled": "true",
    "spark.sql.parquet.int96AsTimestamp": "true",
    "spark.sql.parquet.int96TimestampConversion": "false",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.sql.legacy.parquet.nanosAsLong": "false",
    "spark.sql.legacy.avro.allowIncompatibleSchema": "false",
    # Two calendars: never guess which one a file was written in (SPARK-31159, SPARK-31404).
    "spark.sql.parquet.datetimeRebaseModeInRead": "EXCEPTION",
    "spark.sql.parquet.datetimeRebaseModeInWrite": "EXCEPTION",
    "spark.sql.parquet.int96RebaseModeInRead": "EXCEPTION",
    "spark.sql.parquet.int96RebaseModeInWrite": "EXCEPTION",
    "spark.sql.avro.datetimeRebaseModeInRead": "EXCEPTION",
    "spark.sql.avro.datetimeRebaseModeInWrite": "EXCEPTION",
    # With pruning, a line that is broken in a column nobody asked for is not noticed.
    "spark.sql.csv.parser.columnPruning.enabled": "false",
    "spark.sql.legacy.csv.enableDateTimeParsingFallback": "false",
    "spark.sql.legacy.json.allowEmptyString.enabled": "false",
    "spark.sql.legacy.json.enableDateTimeParsingFallback": "false",
    "spark.sql.json.enableExactStringParsing": "true",
    # A Hive table over Parquet written as `Id` would be read as a column `id` full of NULL, on both sides.
    "spark.sql.hive.caseSensitiveInferenceMode": "INFER_ONLY",
}

PINNED: dict[str, str] = dict(sorted({**_TIME_AND_TEXT, **_ARITHMETIC, **_EXPRESSIONS, **_FILES}.items()))

# Delta sets this itself when it opens a table. It only matters to schemas that carry field ids, which are those of Delta tables.
SET_BY_DOORS = {"spark.sql.parquet.fieldId.read.enabled": "true"}

# Spark Connect analyses a plan when it runs. To change these under a DataFrame that its owner built would change what it means.
IS_READ_BY_LAZY_PLANS = frozenset(
    {
        "spark.sql.ansi.enabled",
        "spark.sql.caseSensitive",
        "spark.sql.legacy.timeParserPolicy",
        "spark.sql.mapKeyDedupPolicy",
        "spark.sql.session.timeZone",
        "spark.sql.sources.partitionColumnTypeInference.enabled",
        "spark.sql.timestampType",
    }
)


def same_value(found: str | None, needed: str) -> bool:
    """Return whether Spark takes both texts for the same value; it ignores letter case in switches and modes."""
    return found is not None and found.strip().casefold() == needed.casefold()


def is_utc(zone: str) -> bool:
    """Return whether a zone's name is one of UTC's.

    >>> is_utc("Etc/UTC"), is_utc("Europe/London")
    (True, False)
    """
    return zone.upper().removeprefix("ETC/") in _NAMES_OF_UTC
