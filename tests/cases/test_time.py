"""Points in time: to the microsecond, in UTC, in one calendar (T57…T67, F*)."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

from pairs import Case, check, parametrised
from pyspark.sql import SparkSession

from engine.causes.calendars import julian_day
from jobs.compare import compare

ONE = {"changed": 1}


def _differs(id_: str, source: str, target: str, class_: str = "value", **options: Any) -> Case:
    return Case(id_, "id, v", f"(1, {source})", f"(1, {target})", "FAIL", ONE, {"v": {class_: 1}}, options=options)


def _equal(id_: str, source: str, target: str) -> Case:
    return Case(id_, "id, v", f"(1, {source})", f"(1, {target})", "PASS", {"matched": 1}, {})


def _ruled(id_: str, source: str, target: str, class_: str, **options: Any) -> Case:
    return Case(
        id_, "id, v", f"(1, {source})", f"(1, {target})", "PASS_WITH_RULES", {"matched_by_rule": 1}, {"v": {class_: 1}}, options=options
    )


POINTS = [
    _differs("T57_seconds_only", "TIMESTAMP'2024-01-01 00:00:00.100'", "TIMESTAMP'2024-01-01 00:00:00.900'"),
    _differs("T58_micros_and_millis", "TIMESTAMP'2024-01-01 00:00:00.123456'", "TIMESTAMP'2024-01-01 00:00:00.123'"),
    _ruled(
        "T58_declared",
        "TIMESTAMP'2024-01-01 00:00:00.123456'",
        "TIMESTAMP'2024-01-01 00:00:00.123'",
        "normalised:trunc:ms",
        rules={"v": "trunc:ms"},
    ),
    _equal("T59_zeros_after_the_point", "TIMESTAMP'2024-01-01 00:00:00.100000'", "TIMESTAMP'2024-01-01 00:00:00.1'"),
    _differs("T60_same_clock_other_zone", "TIMESTAMP'2024-01-01 12:00:00Z'", "TIMESTAMP'2024-01-01 12:00:00+02:00'"),
    _equal("T60_same_instant", "TIMESTAMP'2024-01-01 12:00:00Z'", "TIMESTAMP'2024-01-01 14:00:00+02:00'"),
    _differs("T65_infinity_as_9999", "TIMESTAMP'9999-12-31 00:00:00'", "CAST(NULL AS TIMESTAMP)", "value_to_null"),
    _differs("F1_real_9999", "TIMESTAMP'9999-12-31 23:59:59.999'", "TIMESTAMP'9999-12-31 00:00:00'"),
    _differs("F3_before_christ", "DATE'-0043-03-15'", "DATE'0044-03-15'"),
    _differs("F4_days_that_never_were", "DATE'1582-10-10'", "DATE'1582-10-20'"),
    _differs("F8_hour_that_never_was", "TIMESTAMP_NTZ'2024-03-10 02:30:00'", "TIMESTAMP_NTZ'2024-03-10 03:30:00'"),
    _differs("F13_zero_dates", "CAST(NULL AS DATE)", "DATE'0000-12-30'", "null_to_value"),
    _differs("F14_three_milliseconds", "TIMESTAMP'2024-01-01 00:00:00.003'", "TIMESTAMP'2024-01-01 00:00:00.000'"),
    _ruled(
        "F14_declared",
        "TIMESTAMP'2024-01-01 00:00:00.003'",
        "TIMESTAMP'2024-01-01 00:00:00.000'",
        "within_tolerance",
        tolerance={"v": "abs:4ms"},
    ),
    _differs("F20_two_digit_years", "DATE'2024-01-01'", "DATE'0024-01-01'"),
    _differs("F20_seconds_as_millis", "TIMESTAMP'2024-01-01 00:00:00'", "TIMESTAMP'1970-01-20 17:27:47'"),
    _ruled(
        "T67_at_the_end_of_a_duration",
        "TIMESTAMP'2024-01-01 00:00:00'",
        "TIMESTAMP'2024-01-02 00:00:00'",
        "within_tolerance",
        tolerance={"v": "abs:24h"},
    ),
    _ruled(
        "T67_inside_a_duration",
        "TIMESTAMP'2024-01-01 00:00:00'",
        "TIMESTAMP'2024-01-01 23:00:00'",
        "within_tolerance",
        tolerance={"v": "abs:24h"},
    ),
    _differs(
        "T67_beyond_a_duration", "TIMESTAMP'2024-01-01 00:00:00'", "TIMESTAMP'2024-01-02 00:00:00.000001'", tolerance={"v": "abs:24h"}
    ),
    _ruled("N102_days_of_dates", "DATE'2024-01-01'", "DATE'2024-01-02'", "within_tolerance", tolerance={"v": "abs:1day"}),
    _differs("N103_days_of_dates_beyond", "DATE'2024-01-01'", "DATE'2024-01-03'", tolerance={"v": "abs:1day"}),
    _ruled(
        "N104_ntz_within",
        "TIMESTAMP_NTZ'2024-01-01 00:00:00'",
        "TIMESTAMP_NTZ'2024-01-01 00:00:02'",
        "within_tolerance",
        tolerance={"v": "abs:2s"},
    ),
    _differs("N105_one_microsecond", "TIMESTAMP_NTZ'2024-01-01 00:00:00.000001'", "TIMESTAMP_NTZ'2024-01-01 00:00:00'"),
    _differs("N106_one_microsecond_before_1970", "TIMESTAMP'1969-12-31 23:59:59.999999'", "TIMESTAMP'1970-01-01 00:00:00'"),
    _differs("N107_far_years", "TIMESTAMP'0001-01-01 00:00:00'", "TIMESTAMP'9999-12-31 23:59:59.999999'"),
    _ruled(
        "N108_trunc_before_1970",
        "TIMESTAMP'1969-12-31 23:59:59.999999'",
        "TIMESTAMP'1969-12-31 23:59:59'",
        "normalised:trunc:s",
        rules={"v": "trunc:s"},
    ),
    _equal("N109_dates_before_christ", "DATE'-0043-03-15'", "DATE'-0043-03-15'"),
]


@parametrised(POINTS)
def test_time(spark: SparkSession, case: Case) -> None:
    check(spark, case)


def _instants() -> list[datetime]:
    return [datetime(2024, month, 3 + month, 12, 7 * month % 60, 11, tzinfo=timezone.utc) for month in range(1, 13)]


def _compared(spark: SparkSession, source: list[Any], target: list[Any], type_: str) -> Any:
    frames = [spark.createDataFrame(list(enumerate(values)), f"id INT, v {type_}") for values in (source, target)]
    return compare(*frames, keys=["id"])


def test_t61_constant_offset_is_explained(spark: SparkSession) -> None:
    outcome = _compared(spark, _instants(), [moment - timedelta(hours=5) for moment in _instants()], "TIMESTAMP")
    assert (outcome.verdict, outcome.counts.changed) == ("FAIL", 12)
    best = outcome.explain()[0]
    assert (best.cause, best.share) == ("constant_time_offset", 1.0), best
    assert "5" in best.statement


def test_t63_calendar_rebase_is_explained(spark: SparkSession) -> None:
    """1001-01-01 of the proleptic calendar, read as a day of the Julian one."""
    proleptic = [date(1001, 1, 1), date(1300, 5, 17), date(1500, 1, 1), date(1582, 10, 4), date(1999, 1, 1)]
    epoch = date(1970, 1, 1).toordinal()
    rebased = []
    for day in proleptic:
        moved = julian_day(day.toordinal() - epoch)
        rebased.append(day if moved is None else date.fromordinal(moved + epoch))
    assert rebased[0] != proleptic[0] and rebased[-1] == proleptic[-1]
    outcome = _compared(spark, proleptic, rebased, "DATE")
    assert (outcome.verdict, outcome.counts.changed) == ("FAIL", 4)
    assert outcome.explain()[0].cause == "calendar_rebase", outcome.explain()


def test_t64_int96_zone_is_among_the_explanations(spark: SparkSession) -> None:
    zone = ZoneInfo("America/New_York")
    local = [moment.astimezone(zone).replace(tzinfo=timezone.utc) for moment in _instants()]
    outcome = _compared(spark, _instants(), local, "TIMESTAMP")
    assert (outcome.verdict, outcome.counts.changed) == ("FAIL", 12)
    found = {(one.cause, one.share) for one in outcome.explain()}
    assert ("int96_zone", 1.0) in found and ("zone_shift", 1.0) in found, found
