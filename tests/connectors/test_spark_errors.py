"""What Spark throws, as told to people."""

from __future__ import annotations

import pytest

from connectors import translate_spark_error
from schemas.errors import (
    ConfigError,
    ConnectorError,
    EngineError,
    MissingTableError,
    ParityError,
    TransientConnectorError,
    UnreadableDataError,
)

CASES = [
    (
        "An error occurred while calling o99.count.\n: org.apache.spark.SparkException: [FAILED_READ_FILE.NO_HINT] Encountered error "
        "while reading file file:///d/a%20b.csv.  SQLSTATE: KD001\n\tat org.apache.spark.X(Y.scala:1)\nCaused by: "
        "org.apache.spark.SparkRuntimeException: [MALFORMED_CSV_RECORD] Malformed CSV record: Jane,Doe,4111 SQLSTATE: KD000\n",
        UnreadableDataError, "/d/a b.csv", "MALFORMED_CSV_RECORD",
    ),
    ("Caused by: java.io.IOException: No space left on device\n\tat java.base/x", ConnectorError, "no space", None),
    ("py4j.protocol.Py4JNetworkError: Answer from Java side is empty", TransientConnectorError, "connection", None),
    ("[PATH_NOT_FOUND] Path does not exist: file:/nope. SQLSTATE: 42K03", MissingTableError, "no such path", "PATH_NOT_FOUND"),
    ("Caused by: java.lang.OutOfMemoryError: Java heap space", EngineError, "memory", None),
    ("[DIVIDE_BY_ZERO] Division by zero. Use `try_divide`. SQLSTATE: 22012", EngineError, "Division by zero", "DIVIDE_BY_ZERO"),
    (
        "[FAILED_READ_FILE.FILE_NOT_EXIST] Encountered error while reading file file:///d/a.parquet. File does not exist. SQLSTATE: KD001",
        UnreadableDataError, "is gone", None,
    ),
    ("calling o9.jdbc.\n: java.lang.ClassNotFoundException: org.postgresql.Driver\n\tat java.base/x", ConfigError, "no driver", None),
]  # fmt: skip


@pytest.mark.parametrize(("text", "kind", "says", "condition"), CASES)
def test_tells_what_where_and_what_to_do(text: str, kind: type[ParityError], says: str, condition: str | None) -> None:
    told = translate_spark_error(RuntimeError(text), "source csv:/d")

    assert type(told) is kind
    assert says in told.message
    assert "source csv:/d" in told.message
    assert told.hint
    assert condition is None or condition in told.message
    assert not any(word in str(told) for word in ("java.", "\tat ", "org.apache", "4111", "SQLSTATE"))


def test_an_error_of_parity_stays_itself() -> None:
    error = MissingTableError("no")

    assert translate_spark_error(error, "x") is error
