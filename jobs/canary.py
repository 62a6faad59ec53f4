"""The canary sings: a session must give the published answers before anything that it computes is believed."""

from __future__ import annotations

from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from engine.canary import HINT, canary_answers, check_canary
from engine.golden import CANARY_SET
from schemas.errors import CanaryError

__all__ = ["canary"]


def canary(spark: SparkSession, strength: str = "64") -> None:
    """Compute the hashes of some two dozen published rows of all types in this session, as it is configured.

    One Spark job, a few tenths of a second.

    Args:
        strength: of the run; what is computed with it is asked for too.

    Raises:
        CanaryError: an answer is wrong, or Spark failed.
    """
    try:
        rows = canary_answers(spark, strength).collect()
    except PySparkException as error:
        raise CanaryError(f"The canary could not be computed: {error.getCondition() or error}", object=CANARY_SET, hint=HINT) from error
    check_canary(rows)
