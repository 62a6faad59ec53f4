"""The published answers, all of them, and one small comparison from end to end, asked of one session."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from pyspark.sql import SparkSession

from engine.canary import expected_answers, hash_columns
from engine.golden import GoldenSet, golden_sets, spark_rows
from jobs.canary import canary
from jobs.compare import compare
from jobs.session import pinned
from schemas.errors import CanaryError

__all__ = ["SelfTest", "selftest"]

_HINT = "Spark, an accelerator or a setting computes something else than it should here; no comparison of this session can be trusted."
_SOURCE = ((1, "same"), (2, "changed"), (3, "missing"), (5, "twice"), (5, "twice"))
_TARGET = ((1, "same"), (2, "CHANGED"), (4, "extra"), (5, "twice"))
_EXPECTED = {
    "source_rows": 5,
    "target_rows": 4,
    "matched": 2,
    "changed": 1,
    "missing": 2,
    "extra": 1,
    "multiplicity": 1,
    "duplicate_keys": 1,
}


@dataclass(frozen=True)
class SelfTest:
    """What was proven of a session.

    Attributes:
        vectors: published rows whose hashes came out right.
        answers: hashes and texts that were compared with published ones.
        session_sha256: digest of the settings under which they were computed.
        spark: version of the session.
        seconds: wall time.
    """

    vectors: int
    answers: int
    session_sha256: str
    spark: str
    seconds: float


def selftest(spark: SparkSession, progress: Callable[[str], None] = lambda phase: None) -> SelfTest:
    """Return what was proven of a session: it computes every published answer, and tells two small tables apart.

    Cost: one small Spark job per golden set, some more for the comparison; below a minute.

    Raises:
        CanaryError: an answer is wrong.
        SessionError: the session cannot be held in the pinned configuration.
    """
    started = time.monotonic()
    with pinned(spark, caller_frames=False) as evidence:
        progress("canary")
        canary(spark)
        answers = 0
        for name, found in golden_sets().items():
            progress(f"golden vectors: {name}")
            answers += _proven(spark, found)
        progress("a small comparison")
        _compared(spark)
    vectors = sum(len(found.rows) for found in golden_sets().values())
    return SelfTest(vectors, answers, evidence.sha256, spark.version, time.monotonic() - started)


def _proven(spark: SparkSession, found: GoldenSet) -> int:
    columns = hash_columns(found)
    rows = spark_rows(spark, found).select("i", *(answer.alias(name) for name, answer in columns.items())).collect()
    if sorted(row["i"] for row in rows) != list(range(len(found.rows))):
        raise CanaryError(f"{found.name}: {len(rows)} of {len(found.rows)} vectors came back.", object=found.name, hint=_HINT)
    answers = 0
    for row in rows:
        for name, expected in expected_answers(found.rows[row["i"]]).items():
            answers += 1
            if row[name] != expected:
                message = f"{found.name}, vector {row['i']}: {name} is {row[name]} and must be {expected}."
                raise CanaryError(message, object=found.name, hint=_HINT)
    return answers


def _compared(spark: SparkSession) -> None:
    shape = "id int, text string"
    source, target = spark.createDataFrame(_SOURCE, shape), spark.createDataFrame(_TARGET, shape)
    outcome = compare(source, target, ["id"], spark=spark)
    counts = {name: number for name, number in outcome.counts.model_dump().items() if number}
    if outcome.verdict != "FAIL" or counts != _EXPECTED:
        raise CanaryError(f"A small comparison came out as {outcome.verdict} with {counts}.", object="comparison", hint=_HINT)
    if compare(source, source, ["id"], spark=spark).counts.matched != len(_SOURCE):
        raise CanaryError("A table does not equal itself.", object="comparison", hint=_HINT)
