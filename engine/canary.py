"""The known answers, asked of the session that is about to compare: a wrong one stops the run before it can lie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from weakref import WeakKeyDictionary

from pyspark.sql import Column, DataFrame, Row, SparkSession
from pyspark.sql import functions as F

from engine.golden import CANARY_SET, GoldenRow, GoldenSet, golden_sets, hashed_columns, spark_rows
from engine.hashing import HashedColumn, group_hashes, key_hash, row_hashes
from engine.portable import is_portable, pct1_row
from schemas.errors import CanaryError

__all__ = ["HINT", "canary_answers", "check_canary", "expected_answers", "hash_columns"]

_QUESTIONS: WeakKeyDictionary[SparkSession, dict[str, dict[str, Column]]] = WeakKeyDictionary()
HINT = "Spark, an accelerator or a setting computes something else than it should here; no comparison of this session can be trusted."


def hash_columns(found: GoldenSet) -> dict[str, Column]:
    """Return the expressions over `engine.golden.spark_rows` that must give what `expected_answers` says, as text."""
    columns = hashed_columns(found)
    proof = _proof(columns)
    answers = {"h2_128": row_hashes(columns, "128")[1], "sha256.h2": row_hashes(columns, "sha256", proof)[1]}
    answers |= {f"group {number}": group for number, group in enumerate(group_hashes(columns))}
    texts = {**_asked(found, "sha256"), **{name: _text(hashed) for name, hashed in answers.items()}}
    if all(is_portable(column.type) for column in columns):
        texts["pct1"] = pct1_row([(column.value, column.type) for column in _in_order(columns)])
    return texts


def _asked(found: GoldenSet, strength: str) -> dict[str, Column]:
    """Return the answers that a run waits for: every kind of token, bitmaps and guard are in them, and what its strength adds."""
    columns = hashed_columns(found)
    keys = [column for column in columns if column.name in found.key]
    h1, h2 = row_hashes(columns)
    asked = {"h1": h1, "h2": h2, "key": key_hash(keys)}
    if strength == "128":
        asked["h2_128"] = row_hashes(columns, "128")[1]
    if strength == "sha256":
        asked["sha256.h1"] = row_hashes(columns, "sha256", _proof(columns))[0]
    return {name: _text(hashed) for name, hashed in asked.items()}


def _proof(columns: Sequence[HashedColumn]) -> Column:
    return F.sha2(pct1_row([(column.value, column.type) for column in _in_order(columns)], allow_float=True), 256)


def _in_order(columns: Sequence[HashedColumn]) -> list[HashedColumn]:
    return sorted(columns, key=lambda column: column.name)


def _text(hashed: Column) -> Column:
    return F.lower(F.lpad(F.hex(hashed), 16, "0"))


def expected_answers(row: GoldenRow) -> Mapping[str, str | None]:
    """Return what Spark must answer for a row, by the names of `hash_columns`."""
    answers = {"h1": row.h1, "h2": row.h2, "h2_128": row.h2_128, "sha256.h1": row.sha256[0], "sha256.h2": row.sha256[1], "key": row.key}
    answers |= {f"group {number}": group for number, group in enumerate(row.groups)}
    return answers if row.pct1 is None else {**answers, "pct1": row.pct1}


def canary_answers(spark: SparkSession, strength: str = "64") -> DataFrame:
    """Return `i: int`, the number of a published row, and the hashes that this session computes for it, as text.

    Args:
        strength: of the run; what is computed with it is asked for too.
    """
    # the questions are kept, the answers never: building expressions costs ten times what computing them does
    questions = _QUESTIONS.setdefault(spark, {})
    answers = questions.get(strength)
    found = golden_sets()[CANARY_SET]
    if answers is None:
        answers = questions[strength] = _asked(found, strength)
    return spark_rows(spark, found).select("i", *(answer.alias(name) for name, answer in answers.items()))


def check_canary(rows: Sequence[Row]) -> None:
    """Compare the rows of `canary_answers` with what is published.

    Raises:
        CanaryError: a row is missing, or an answer wrong.
    """
    found = golden_sets()[CANARY_SET]
    if sorted(row["i"] for row in rows) != list(range(len(found.rows))):
        raise CanaryError(f"Of {len(found.rows)} canary rows {len(rows)} came back.", object=CANARY_SET, hint=HINT)
    for row in rows:
        for name, expected in expected_answers(found.rows[row["i"]]).items():
            if name in row and row[name] != expected:
                raise CanaryError(f"Canary row {row['i']}: {name} is {row[name]} and must be {expected}.", object=name, hint=HINT)
