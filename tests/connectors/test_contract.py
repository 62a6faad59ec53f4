"""What every door must do, asked of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest
from pyspark.sql import SparkSession

from connectors import OpenedTable
from connectors import open_table as open_with_types
from connectors.memory import from_dataframe
from policy.coercion import load_rules, rule_for
from schemas.errors import ConfigError, MissingTableError

DOORS = ["parquet", "orc", "avro", "csv", "json", "delta", "iceberg", "hive", "postgres"]
VERSIONED = {"delta", "iceberg", "postgres"}
# The Avro specification allows no other signs; Spark's ORC writer cuts a name at a backtick.
ODD_NAMES = {"avro": "odd_name", "orc": "odd.na me ü"}
ROWS = [("1", "plain"), ("2", None), ("3", ""), ("4", 'é 漢 😀 "q", l1\nl2\r\nl3 \\N \\ é '), ("5", " NULL "), ("5", "\t")]


def open_table(spark: SparkSession, uri: str, options: dict[str, str], *, side: str) -> OpenedTable:
    return open_with_types(spark, uri, options, side=side, types=lambda native, column: rule_for(native, None, load_rules(), column=column))


def rows_of(opened) -> Counter:
    return Counter(tuple(row) for row in opened.rows.collect())


@pytest.mark.parametrize("scheme", DOORS)
def test_reads_back_what_was_stored_and_is_pinned(spark: SparkSession, store: Callable, scheme: str) -> None:
    stored = store(scheme, ["id", ODD_NAMES.get(scheme, "odd.na`me")], ROWS)

    opened = open_table(spark, stored.uri, {}, side="source")

    assert rows_of(opened) == Counter(ROWS)
    assert opened.rows.columns == ["id", ODD_NAMES.get(scheme, "odd.na`me")]
    assert opened.pinned
    assert opened.pin
    assert opened.blockers == ()
    assert opened.files == (None if scheme == "postgres" else 1)
    assert opened.bytes
    assert opened.complete(len(ROWS)) == ()
    assert opened.still_holds() == ()
    assert (opened.text_columns == set(opened.rows.columns)) == (scheme in ("csv", "json"))


@pytest.mark.parametrize("scheme", DOORS)
def test_a_location_that_names_nothing_is_a_missing_table(spark: SparkSession, store: Callable, scheme: str) -> None:
    stored = store(scheme, ["id", "v"], ROWS)

    with pytest.raises(MissingTableError) as caught:
        open_table(spark, stored.missing_uri, {}, side="source")

    assert caught.value.exit_code == 2
    assert "Exception" not in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize("scheme", DOORS)
def test_an_unknown_option_is_refused_with_its_value_unsaid(spark: SparkSession, store: Callable, scheme: str) -> None:
    stored = store(scheme, ["id", "v"], ROWS)

    with pytest.raises(ConfigError, match="partition_tipes") as caught:
        open_table(spark, stored.uri, {"partition_tipes": "hush"}, side="source")

    assert caught.value.exit_code == 2
    assert "hush" not in str(caught.value)
    if scheme not in ("delta", "iceberg", "hive", "postgres"):
        assert "partition_types" in str(caught.value)


@pytest.mark.parametrize("scheme", DOORS)
def test_a_change_after_opening_is_seen_or_does_not_reach_the_pinned_version(spark: SparkSession, store: Callable, scheme: str) -> None:
    stored = store(scheme, ["id", "v"], ROWS)
    opened = open_table(spark, stored.uri, {}, side="source")

    stored.change()

    if scheme in VERSIONED:
        assert opened.still_holds() == ()
        assert rows_of(opened) == Counter(ROWS)
    else:
        assert [reason.code for reason in opened.still_holds()] == ["source_changed"]


@pytest.mark.parametrize("scheme", DOORS)
def test_identity_is_that_of_the_object_and_its_state(spark: SparkSession, store: Callable, scheme: str) -> None:
    one, other = store(scheme, ["id", "v"], ROWS), store(scheme, ["id", "v"], ROWS)

    first = open_table(spark, one.uri, {}, side="source").identity

    assert first is not None
    assert first == open_table(spark, one.uri, {}, side="target").identity
    assert first != open_table(spark, other.uri, {}, side="target").identity
    one.change()
    if scheme not in ("csv", "json", "parquet", "orc", "avro"):  # those are damaged now
        assert first != open_table(spark, one.uri, {}, side="source").identity


@pytest.mark.parametrize("scheme", DOORS)
def test_partition_values_are_text_as_written(spark: SparkSession, store: Callable, scheme: str) -> None:
    rows = [("1", "a", "00"), ("2", "b", "0"), ("3", "c", "2024-01-01")]
    stored = store(scheme, ["id", "v", "p"], rows)

    opened = open_table(spark, stored.uri, {}, side="source")

    assert rows_of(opened) == Counter(rows)
    assert opened.partition_columns == ("p",)
    assert dict(opened.rows.dtypes)["p"] == "string"
    assert ("p" in opened.text_columns) == (scheme in ("parquet", "orc", "avro", "csv", "json"))


def test_a_dataframe_is_the_callers_own_pin(spark: SparkSession) -> None:
    opened = from_dataframe(spark.range(3), "source")

    assert (opened.uri, opened.pinned, opened.pin, opened.identity, opened.rows.count()) == ("dataframe:source", False, None, None, 3)
