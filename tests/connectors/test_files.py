"""Folders of Parquet, ORC and Avro files whose files disagree."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.orc as orc
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from connectors import open_table, translate_spark_error
from connectors.spark_errors import SPARK_FAILURES
from schemas.errors import ConfigError, MissingTableError, ParityError, UnreadableDataError


def opened(spark: SparkSession, folder: Path, scheme: str = "parquet", **options: str) -> Any:
    return open_table(spark, f"{scheme}:{folder}", options, side="source")


def rows(table: Any) -> list[tuple[Any, ...]]:
    return sorted((tuple(row) for row in table.rows.collect()), key=repr)


def codes(table: Any) -> list[str]:
    return [reason.code for reason in table.blockers]


def put(folder: Path, name: str, table: pa.Table, **options: Any) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, **options)
    return path


def test_files_are_widened_exactly_and_absent_columns_are_null(spark: SparkSession, tmp_path: Path) -> None:
    put(
        tmp_path,
        "a.parquet",
        pa.table(
            {
                "i": pa.array([1], pa.int32()),
                "d": pa.array([Decimal("1.50")], pa.decimal128(5, 2)),
                "f": pa.array([0.1], pa.float32()),
                "u": pa.array([4294967295], pa.uint32()),
            }
        ),
    )
    put(
        tmp_path,
        "b.parquet",
        pa.table(
            {
                "w": ["x"],
                "i": pa.array([2**40], pa.int64()),
                "d": pa.array([Decimal("123456789.1234")], pa.decimal128(20, 4)),
                "f": pa.array([0.1], pa.float64()),
                "u": pa.array([1], pa.int64()),
            }
        ),
    )

    table = opened(spark, tmp_path)

    assert dict(table.rows.dtypes) == {"i": "bigint", "d": "decimal(20,4)", "f": "double", "u": "bigint", "w": "string"}
    widened = 0.10000000149011612
    assert rows(table) == sorted(
        [(1, Decimal("1.5000"), widened, 4294967295, None), (2**40, Decimal("123456789.1234"), 0.1, 1, "x")], key=repr
    )
    drift = {finding.column: finding.text for finding in table.findings if finding.class_ == "file_schema_drift"}
    assert set(drift) == {"i", "d", "f", "w"}
    assert "a.parquet" in drift["w"]


@pytest.mark.parametrize("scheme", ["orc", "avro"])
def test_other_formats_are_widened_too(spark: SparkSession, tmp_path: Path, scheme: str) -> None:
    spark.sql("SELECT 1 AS i, named_struct('x', 1) AS s, array(named_struct('y', 1)) AS l").write.format(scheme).save(str(tmp_path / "t"))
    spark.sql("SELECT 2L AS i, named_struct('x', 2L, 'z', 'q') AS s, array(named_struct('y', 2L)) AS l").write.format(scheme).mode(
        "append"
    ).save(str(tmp_path / "t"))

    table = opened(spark, tmp_path / "t", scheme)

    assert sorted(map(repr, table.rows.selectExpr("i", "to_json(s) AS s", "to_json(l) AS l").collect())) == [
        """Row(i=1, s='{"x":1,"z":null}', l='[{"y":1}]')""",
        """Row(i=2, s='{"x":2,"z":"q"}', l='[{"y":2}]')""",
    ]
    assert {finding.column for finding in table.findings} == {"i", "s", "l"}


def test_types_of_two_families_are_refused_with_both_files(spark: SparkSession, tmp_path: Path) -> None:
    put(tmp_path, "a.parquet", pa.table({"v": [1]}))
    put(tmp_path, "b.parquet", pa.table({"v": ["1"]}))

    with pytest.raises(UnreadableDataError, match=r"column v is bigint in .*a\.parquet and string in .*b\.parquet"):
        opened(spark, tmp_path)


def test_names_that_differ_by_case_are_two_columns(spark: SparkSession, tmp_path: Path) -> None:
    put(tmp_path, "a.parquet", pa.table({"V": [1]}))
    put(tmp_path, "b.parquet", pa.table({"v": [2]}))

    assert rows(opened(spark, tmp_path)) == [(1, None), (None, 2)]


@pytest.mark.parametrize("odd", ["we ird{a}%20é", "a*b?[c]", "with,comma"])
def test_odd_folder_names_and_partition_values(spark: SparkSession, tmp_path: Path, odd: str) -> None:
    folder = tmp_path / odd
    data = [("1", "a/b ü%"), ("2", None), ("3", "00"), ("4", "0")]
    spark.createDataFrame(data, "id string, p string").write.partitionBy("p").parquet(str(tmp_path / "plain"))
    (tmp_path / "plain").rename(folder)

    table = opened(spark, folder)

    assert rows(table) == sorted(data, key=repr)
    assert table.text_columns == {"p"}
    assert table.still_holds() == ()


def test_declared_partition_types(spark: SparkSession, tmp_path: Path) -> None:
    put(tmp_path, "dt=2024-01-02/a.parquet", pa.table({"v": [1]}))

    table = opened(spark, tmp_path, partition_types="dt:date")

    assert rows(table) == [(1, datetime.date(2024, 1, 2))]
    assert table.text_columns == frozenset()
    for wrong in ("day:date", "dt:dates"):
        with pytest.raises(ConfigError, match=wrong.split(":")[0]):
            opened(spark, tmp_path, partition_types=wrong)


@pytest.mark.parametrize(
    ("first", "second"), [("p=1/a.parquet", "b.parquet"), ("p=1/a.parquet", "q=1/b.parquet"), ("a.parquet", "sub/b.parquet")]
)
def test_stray_layouts_are_refused(spark: SparkSession, tmp_path: Path, first: str, second: str) -> None:
    for name in (first, second):
        put(tmp_path, name, pa.table({"v": [1]}))

    with pytest.raises(UnreadableDataError, match=r"a\.parquet(.|\n)*b\.parquet|b\.parquet(.|\n)*a\.parquet"):
        opened(spark, tmp_path)


def test_a_partition_folder_that_hides_a_column_is_refused(spark: SparkSession, tmp_path: Path) -> None:
    put(tmp_path, "v=2/a.parquet", pa.table({"v": [1]}))

    with pytest.raises(UnreadableDataError, match="would be hidden"):
        opened(spark, tmp_path)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("_x.parquet", "hidden_files"),
        (".part-1.parquet", "hidden_files"),
        ("_old/b.parquet", "hidden_files"),
        ("_temporary/0/b.parquet", "unfinished_write"),
    ],
)
def test_what_spark_leaves_out_blocks(spark: SparkSession, tmp_path: Path, name: str, code: str) -> None:
    put(tmp_path, "a.parquet", pa.table({"v": [1]}))
    put(tmp_path, name, pa.table({"v": [2]}))
    for harmless in ("_SUCCESS", "._SUCCESS.crc", "_committed_1", "_metadata"):
        (tmp_path / harmless).write_bytes(b"{}")

    table = opened(spark, tmp_path)

    assert codes(table) == [code]
    assert name.split("/")[0] in table.blockers[0].text
    assert rows(table) == [(1,)]


def test_a_file_without_bytes_blocks(spark: SparkSession, tmp_path: Path) -> None:
    put(tmp_path, "a.parquet", pa.table({"v": [1]}))
    (tmp_path / "b.parquet").touch()

    assert codes(opened(spark, tmp_path)) == ["empty_files"]


def test_nothing_to_read_is_a_missing_table(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "_SUCCESS").touch()
    (tmp_path / "orders").mkdir()

    with pytest.raises(MissingTableError, match="no data files"):
        opened(spark, tmp_path / "orders")
    with pytest.raises(MissingTableError, match="orders") as caught:
        opened(spark, tmp_path / "oders")
    assert caught.value.exit_code == 2


def test_folders_of_other_formats_are_refused(spark: SparkSession, tmp_path: Path) -> None:
    put(tmp_path, "delta/a.parquet", pa.table({"v": [1]}))
    (tmp_path / "delta/_delta_log").mkdir()
    put(tmp_path, "iceberg/data/a.parquet", pa.table({"v": [1]}))
    (tmp_path / "iceberg/metadata").mkdir()
    (tmp_path / "iceberg/metadata/v1.metadata.json").write_text("{}")

    for folder, use in (
        ("delta", "delta:"),
        ("delta/a.parquet", "delta:"),
        ("iceberg/data", "iceberg:"),
        ("iceberg", "iceberg:"),
        (".", "delta:"),
    ):
        with pytest.raises(ConfigError, match=use):
            opened(spark, tmp_path / folder)


@pytest.mark.parametrize("scheme", ["parquet", "orc", "avro"])
def test_damaged_files_are_named(spark: SparkSession, tmp_path: Path, scheme: str) -> None:
    spark.createDataFrame([("1", "a")], "id string, v string").coalesce(1).write.format(scheme).save(str(tmp_path / "t"))
    data = next((tmp_path / "t").glob("part-*"))
    data.write_bytes(data.read_bytes()[:20])

    with pytest.raises(UnreadableDataError) as caught:
        opened(spark, tmp_path / "t", scheme).rows.collect()

    assert data.name in str(caught.value)
    assert caught.value.exit_code == 3
    assert not any(word in str(caught.value) for word in ("java.", "\tat ", "org.apache"))


def test_a_file_damaged_after_opening_is_named_by_the_action(spark: SparkSession, tmp_path: Path) -> None:
    data = put(tmp_path, "a.parquet", pa.table({"v": list(range(1000))}))
    table = opened(spark, tmp_path)
    data.write_bytes(b"x" * data.stat().st_size)

    with pytest.raises(SPARK_FAILURES) as caught:
        table.rows.collect()

    told = translate_spark_error(caught.value, "source")
    assert isinstance(told, UnreadableDataError)
    assert "a.parquet" in told.message
    assert [reason.code for reason in table.still_holds()] == ["source_changed"]


OLD, NEW = datetime.date(1500, 2, 28), datetime.date(2024, 1, 1)


def foreign(path: Path, created_by: str) -> None:
    """Give a Parquet file another writer of the same length."""
    content = path.read_bytes()
    start = content.rindex(b"parquet-cpp-arrow version")
    end = content.index(b"\x19", start)
    path.write_bytes(content[:start] + created_by.encode().ljust(end - start) + content[end:])


def test_old_dates_of_a_known_writer_are_read(spark: SparkSession, tmp_path: Path) -> None:
    put(tmp_path, "a.parquet", pa.table({"d": [OLD]}))

    table = opened(spark, tmp_path)

    assert codes(table) == []
    assert rows(table) == [(OLD,)]


@pytest.mark.parametrize("statistics", [True, False])
@pytest.mark.parametrize("value", [OLD, NEW])
def test_old_dates_of_an_unknown_writer_block(spark: SparkSession, tmp_path: Path, value: datetime.date, statistics: bool) -> None:
    path = put(tmp_path, "a.parquet", pa.table({"d": [value]}), write_statistics=statistics)
    foreign(path, "parquet-mr version 1.8.1")

    table = opened(spark, tmp_path)

    assert codes(table) == (["ambiguous_calendar"] if value == OLD else [])
    assert rows(table) == [(value,)]
    assert codes(opened(spark, tmp_path, calendar="proleptic")) == []
    hybrid = opened(spark, tmp_path, calendar="hybrid")
    assert codes(hybrid) == []
    assert rows(hybrid) == [(datetime.date(1500, 2, 19) if value == OLD else NEW,)]


def test_old_dates_in_orc_and_avro(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "o").mkdir()
    orc.write_table(pa.table({"d": pa.array([OLD])}), str(tmp_path / "o/a.orc"))
    assert codes(opened(spark, tmp_path / "o", "orc")) == ["ambiguous_calendar"]
    assert codes(opened(spark, tmp_path / "o", "orc", calendar="proleptic")) == []
    for scheme in ("orc", "avro"):
        mode = {"spark.sql.avro.datetimeRebaseModeInWrite": "CORRECTED"}
        before = {name: spark.conf.get(name) for name in mode}
        try:
            for name, value in mode.items():
                spark.conf.set(name, value)
            spark.sql("SELECT date'1500-02-28' AS d").write.format(scheme).save(str(tmp_path / scheme))
        finally:
            for name, value in before.items():
                spark.conf.set(name, value)
        table = opened(spark, tmp_path / scheme, scheme)
        assert codes(table) == []
        assert rows(table) == [(OLD,)]


def test_int96_of_another_writer_blocks_unless_accepted(spark: SparkSession, tmp_path: Path) -> None:
    put(
        tmp_path,
        "a.parquet",
        pa.table({"t": pa.array([datetime.datetime(2024, 1, 1)], pa.timestamp("ns"))}),
        use_deprecated_int96_timestamps=True,
    )

    assert codes(opened(spark, tmp_path)) == ["int96"]
    assert codes(opened(spark, tmp_path, int96="accept")) == []


def test_nanoseconds_are_refused(spark: SparkSession, tmp_path: Path) -> None:
    put(tmp_path, "a.parquet", pa.table({"t": pa.array([datetime.datetime(2024, 1, 1)], pa.timestamp("ns"))}), version="2.6")

    with pytest.raises(ParityError) as caught:
        opened(spark, tmp_path).rows.collect()

    assert caught.value.exit_code == 3
    assert "microseconds" in str(caught.value)


def test_the_pin_does_not_depend_on_anything_but_the_files(spark: SparkSession, tmp_path: Path) -> None:
    put(tmp_path, "a.parquet", pa.table({"v": [1]}))

    one, two = opened(spark, tmp_path), opened(spark, Path(f"{tmp_path}/"))

    assert one.pin == two.pin
    assert one.identity == two.identity
    assert json.dumps(one.pin)


def test_a_file_added_removed_or_rewritten_is_seen(spark: SparkSession, tmp_path: Path) -> None:
    first = put(tmp_path, "a.parquet", pa.table({"v": [1]}))
    changes: list[Callable[[], Any]] = [
        lambda: put(tmp_path, "b.parquet", pa.table({"v": [1]})),
        lambda: (tmp_path / "b.parquet").unlink(),
        lambda: first.write_bytes(first.read_bytes()),
        lambda: put(tmp_path, "_b.parquet", pa.table({"v": [1]})),
    ]
    for change in changes:
        table = opened(spark, tmp_path)
        change()
        assert [reason.code for reason in table.still_holds()] == ["source_changed"]
