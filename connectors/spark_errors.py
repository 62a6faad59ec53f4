"""What Spark throws to errors a person can act on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import unquote

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException

from connectors.postgres_errors import translate_reader_error
from schemas.errors import (
    ConfigError,
    ConnectorError,
    EngineError,
    MissingTableError,
    ParityError,
    TransientConnectorError,
    UnreadableDataError,
)

__all__ = ["SPARK_FAILURES", "condition_of", "translate_spark_error", "translated"]

SPARK_FAILURES = (PySparkException, Py4JError, OSError, EOFError)
"""What a Spark call may raise: its own errors, those of the bridge to the JVM, and those of a lost connection."""

_CONDITION = re.compile(r"\[([A-Z][A-Z0-9_]+(?:\.[A-Z0-9_]+)*)\]")
_FILE = re.compile(
    r"(?:while reading file |CSV file: |Could not read footer for file: ?)(\S.*?)"
    r"(?=\.\s+(?:SQLSTATE|Could|Please|File|Possible|Schema)|\s+SQLSTATE|\s*\n|$)"
)
_BAD_FILE = re.compile(r"((?:[a-z0-9]+:)?/[^\n]*?) is not a Parquet file")
_CAUSE = re.compile(r"^(?:Caused by: )?(?:[\w$]+\.)+([\w$]+(?:Exception|Error)): ?(.*)$", re.MULTILINE)
_LINE = re.compile(r"line=(\d+)")
_NO_SPACE = re.compile(r"No space left on device|Disk quota exceeded|ENOSPC|There is not enough space|File too large", re.IGNORECASE)
_LOST = re.compile(
    r"Connection refused|Connection reset|ConnectException|UnknownHostException|NoRouteToHost|SocketTimeout|Broken pipe"
    r"|SparkContext was shut down|SparkContext has been shut down|stopped SparkContext|Answer from Java side is empty"
    r"|Error while sending or receiving|StatusCode\.UNAVAILABLE"
    r"|Py4JNetworkError|ExecutorLostFailure|SdkClientException",
)
_MEMORY = re.compile(r"OutOfMemoryError|GC overhead limit|UNABLE_TO_ACQUIRE_MEMORY|Total size of serialized results")
_NO_SUCH_TABLE = re.compile(
    r"PATH_NOT_FOUND|TABLE_OR_VIEW_NOT_FOUND|SCHEMA_NOT_FOUND|NoSuchTableException|NoSuchNamespaceException|NoSuchDatabaseException"
    r"|UnknownStoreException|NoSuchBucket|DELTA_TABLE_NOT_FOUND|DELTA_MISSING_DELTA_TABLE|DELTA_PATH_DOES_NOT_EXIST"
    r"|DELTA_TABLE_ONLY_OPERATION|is not a Delta table"
    r"|REQUIRES_SINGLE_PART_NAMESPACE|CATALOG_NOT_FOUND|Cannot find catalog plugin"
)
_NO_SOURCE = re.compile(
    r"DATA_SOURCE_NOT_FOUND|Failed to find (?:the )?data source|DELTA_CONFIGURE_SPARK_SESSION|DeltaSparkSessionExtension"
)
_NO_DRIVER = re.compile(r"ClassNotFoundException: org\.postgresql\.Driver")
_VANISHED = re.compile(
    r"FILE_NOT_EXIST|FileNotFoundException|DELTA_FILE_NOT_FOUND|DELTA_TRUNCATED_TRANSACTION_LOG|NotFoundException: (?:File|Failed to open)"
)
_FORBIDDEN = re.compile(r"AccessDenied|AccessControlException|Permission denied|403 Forbidden|status code: 403", re.IGNORECASE)

# What a reader says about bytes, to what is wrong with them and what to do; first match wins.
_CONTENT: tuple[tuple[str, str, str], ...] = (
    (
        r"READ_ANCIENT_DATETIME|WRITE_ANCIENT_DATETIME",
        "holds dates or timestamps before 1582-10-15 whose calendar its writer did not record",
        "Say which calendar wrote them: option calendar=proleptic or calendar=hybrid.",
    ),
    (
        r"CSV header does not conform",
        "has a header that changed or that cannot be read with these settings",
        "Check separator, quote, escape and encoding.",
    ),
    (
        r"Unescaped quote character",
        "has a quote inside a quoted field that is not escaped",
        'Check the options quote and escape (a file that doubles its quotes needs escape="), or set unescaped_quotes=keep.',
    ),
    (
        r"MALFORMED_CSV_RECORD",
        "has a row with more or fewer fields than columns",
        "Check separator, quote, escape and columns, or repair the file.",
    ),
    (
        r"EOFException|Unexpected end of (?:ZLIB )?input|end of input stream|invalid stored block|ZipException|ChecksumException"
        r"|incorrect (?:data|header) check|not a gzip|InvalidProtocolBuffer|Protocol message|FileFormatException",
        "is damaged or ends too early",
        "Copy or unload it again.",
    ),
    (
        r"JsonParseException|JsonEOFException|MalformedInputException|Invalid UTF-8|CharConversionException",
        "holds text that is not JSON, one object per line",
        "Repair that line, or set multiline=true if one object spans several lines.",
    ),
    (
        r"TextParsingException|MALFORMED_RECORD_IN_PARSING",
        "holds a record that cannot be parsed with these settings",
        "Check the options, or repair the file.",
    ),
    (
        r"is not a Parquet file|CANNOT_READ_FILE_FOOTER|Not an Avro data file|Malformed ORC|Not a valid ORC|Could not read footer",
        "is not what its scheme says, or is damaged",
        "Check the scheme of the URI, and copy or unload the file again.",
    ),
    (
        r"PARQUET_TYPE_ILLEGAL|PARQUET_TYPE_NOT_SUPPORTED|PARQUET_TYPE_NOT_RECOGNIZED|Illegal Parquet type|UNSUPPORTED_PARQUET",
        "has a column of a Parquet type that Spark cannot read exactly",
        "Write that column in another type, for example timestamps in nanoseconds as microseconds.",
    ),
    (
        r"PARQUET_COLUMN_DATA_TYPE_MISMATCH|SchemaColumnConvertNotSupported|IncompatibleSchemaException|AVRO_INCOMPATIBLE_READ_TYPE",
        "has a column of another type than its own footer or the other files said",
        "Copy or unload the file again.",
    ),
)


def condition_of(exc: BaseException) -> str | None:
    """Return Spark's name of an error condition, the most specific one in its text; None when it has none."""
    text = str(exc)
    found = [name for name in _CONDITION.findall(text) if "_" in name and not name.startswith("FAILED_READ_FILE")]
    if found:
        return str(found[-1])
    generic = _CONDITION.search(text)
    return generic.group(1) if generic and "_" in generic.group(1) else None


def translate_spark_error(exc: BaseException, where: str, file: str | None = None) -> ParityError:
    """Return what to raise instead of an error of Spark: what, where, what to do; no Java stack, no values of rows.

    Args:
        exc: what a Spark call raised, at definition or in an action; a ParityError comes back unchanged.
        where: what was being read or done, such as `source csv:/data/orders`.
        file: the one file that was read, where Spark may not name it.

    Returns:
        UnreadableDataError (3) for files, naming the file if Spark did; TransientConnectorError (3) for lost
        connections; ConnectorError (3) for no space or no permission; MissingTableError (2); EngineError (3) else.
    """
    if isinstance(exc, ParityError):
        return exc
    text = f"{type(exc).__name__}: {exc}"
    if _NO_DRIVER.search(text):
        return ConfigError(
            f"{where}: Spark has no driver for PostgreSQL.",
            object="org.postgresql.Driver",
            hint="On this machine: python -m jobs.jars. With spark-submit: --packages, and the coordinate that conf/spark_jars.txt has.",
        )
    if (of_a_database := translate_reader_error(exc, where)) is not None:
        return of_a_database
    condition = condition_of(exc)
    named = f" ({condition})" if condition else ""
    if _NO_SPACE.search(text):
        return ConnectorError(
            f"{where}: no space left while Spark worked{named}.", object=where, hint="Free space where spark.local.dir and the output lie."
        )
    if _LOST.search(text) and "FAILED_READ_FILE" not in text:
        return TransientConnectorError(
            f"{where}: the connection was lost{named}.", object=where, hint="Check that the service is up, then run again."
        )
    if _MEMORY.search(text):
        return EngineError(
            f"{where}: Spark ran out of memory{named}.",
            object=where,
            hint="Give it more: --conf spark.driver.memory=4g, or more partitions.",
        )
    file = _file_in(text) or file
    place = f"{where}: the file {file}" if file else f"{where}: a file"
    if _VANISHED.search(text):
        return UnreadableDataError(
            f"{place} is gone{named}.", object=file or where, hint="The data changed while they were read: run again when writing is over."
        )
    if _FORBIDDEN.search(text):
        return ConnectorError(
            f"{where}: permission to read was refused{named}.",
            object=file or where,
            hint="Grant read access to the user that Spark runs as.",
        )
    for pattern, fault, remedy in _CONTENT:
        if re.search(pattern, text):
            line = _LINE.search(text)
            at = f" near line {int(line.group(1)) + 1}" if line else ""
            return UnreadableDataError(f"{place} {fault}{at}{named}.", object=file or where, hint=remedy)
    if _NO_SUCH_TABLE.search(text):
        return MissingTableError(
            f"{where}: there is no such path or table{named}.", object=where, hint="Check its spelling and the session's catalogs."
        )
    if _NO_SOURCE.search(text):
        return ConfigError(
            f"{where}: this Spark session cannot read the format{named}.",
            object=where,
            hint="Its jar is missing: start the session with parity's jars, see conf/.",
        )
    if file:
        return UnreadableDataError(f"{place} cannot be read{named}: {_last_cause(text)}", object=file, hint="Copy or unload it again.")
    return EngineError(
        f"{where}: Spark failed{named}: {_last_cause(text)}", object=where, hint="The Spark log of this run has the details."
    )


@contextmanager
def translated(where: str, file: str | None = None) -> Iterator[None]:
    """Translate whatever Spark raises inside the block."""
    try:
        yield
    except SPARK_FAILURES as exc:
        raise translate_spark_error(exc, where, file) from None


def _file_in(text: str) -> str | None:
    match = _FILE.search(text) or _BAD_FILE.search(text)
    if match is None:
        return None
    file = match.group(1).strip()
    return re.sub(r"^file:/+", "/", unquote(file) if file.startswith("file:") else file)


def _last_cause(text: str) -> str:
    """The innermost cause in one line of at most 200 characters."""
    causes = [(name, message) for name, message in _CAUSE.findall(text) if message.strip()]
    name, message = causes[-1] if causes else ("", text.split(":", 1)[-1].strip().split("\n", 1)[0])
    message = _CONDITION.sub("", message).split("SQLSTATE")[0].strip()
    shown = f"{name}: {message}" if name and not name.startswith("Spark") else message
    return shown[:200] + ("…" if len(shown) > 200 else "")
