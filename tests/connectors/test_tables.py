"""Tables of catalogs and logs: versions, snapshots, partitions, views."""

# ruff: noqa: S608 - the names in these statements are the tests' own

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from connectors import open_table
from schemas.errors import ConfigError, MissingTableError


def ids(table) -> list[int]:
    return sorted(row[0] for row in table.rows.select("id").collect())


def codes(reasons) -> list[str]:
    return [reason.code for reason in reasons]


@pytest.fixture
def table(spark: SparkSession, request: pytest.FixtureRequest):
    """Return a name that is dropped afterwards."""
    name = f"default.{request.node.name.split('[')[0][-40:]}"
    spark.sql(f"DROP TABLE IF EXISTS {name}")
    yield name
    spark.sql(f"DROP TABLE IF EXISTS {name}")


def test_delta_versions_come_with_their_own_schema(spark: SparkSession, tmp_path: Path) -> None:
    path = str(tmp_path / "t")
    spark.sql("SELECT 1L AS id, 'a' AS old").write.format("delta").save(path)
    spark.sql("SELECT 2L AS id, 'b' AS new").write.format("delta").mode("overwrite").option("overwriteSchema", "true").save(path)

    first = open_table(spark, f"delta:{path}@v0", {}, side="source")
    newest = open_table(spark, f"delta:file://{path}", {}, side="target")

    assert (first.rows.columns, ids(first), first.pin) == (["id", "old"], [1], "delta version 0")
    assert (newest.rows.columns, ids(newest), newest.pin) == (["id", "new"], [2], "delta version 1")
    assert first.identity != newest.identity
    with pytest.raises(MissingTableError, match=r"no version 7.*0 to 1"):
        open_table(spark, f"delta:{path}@v7", {}, side="source")
    shutil.rmtree(path)
    spark.sql("SELECT 1L AS id").write.format("delta").save(path)
    assert codes(newest.still_holds()) == ["source_changed"]


def test_delta_tables_have_names_too(spark: SparkSession, table: str) -> None:
    spark.sql(f"CREATE TABLE {table} (id BIGINT, p STRING) USING delta PARTITIONED BY (p)")
    spark.sql(f"INSERT INTO {table} VALUES (1, 'x')")

    by_name = open_table(spark, f"delta:{table}@v1", {}, side="source")
    by_catalog = open_table(spark, f"hive:{table}", {}, side="source")

    assert (ids(by_name), by_name.partition_columns, by_name.pin) == ([1], ("p",), "delta version 1")
    assert by_catalog.identity == by_name.identity
    assert ids(open_table(spark, f"delta:{table}@v0", {}, side="source")) == []
    with pytest.raises(MissingTableError):
        open_table(spark, "delta:default.no_such_table", {}, side="source")


def test_a_folder_of_parquet_is_no_delta_table(spark: SparkSession, tmp_path: Path) -> None:
    spark.range(1).write.parquet(str(tmp_path / "t"))

    with pytest.raises(MissingTableError):
        open_table(spark, f"delta:{tmp_path}/t", {}, side="source")


def test_iceberg_snapshots_and_identifier_fields(spark: SparkSession, iceberg_catalog: str) -> None:
    name = f"{iceberg_catalog}.db.snapshots"
    spark.sql(f"CREATE TABLE {name} (id BIGINT NOT NULL, v STRING) USING iceberg")
    empty = open_table(spark, f"iceberg:{name}", {}, side="source")
    assert (ids(empty), empty.pinned, empty.primary_key, empty.files) == ([], True, (), 0)
    spark.sql(f"INSERT INTO {name} VALUES (1, 'a')")
    assert codes(empty.still_holds()) == ["source_changed"]
    spark.sql(f"ALTER TABLE {name} SET IDENTIFIER FIELDS id")
    first = open_table(spark, f"iceberg:{name}", {}, side="source")
    spark.sql(f"INSERT INTO {name} VALUES (2, 'b')")
    snapshot = first.pin.rsplit(" ", 1)[1]

    again = open_table(spark, f"iceberg:{name}@{snapshot}", {}, side="target")

    assert ids(first) == ids(again) == [1]
    assert again.primary_key == ("id",)
    assert again.identity == first.identity
    assert ids(open_table(spark, f"iceberg:{name}", {}, side="source")) == [1, 2]
    with pytest.raises(MissingTableError, match=snapshot):
        open_table(spark, f"iceberg:{name}@7", {}, side="source")
    location = spark.conf.get(f"spark.sql.catalog.{iceberg_catalog}.warehouse")
    assert ids(open_table(spark, f"iceberg:{location}/db/snapshots@{snapshot}", {}, side="source")) == [1]
    with pytest.raises(ConfigError, match="iceberg:"):
        open_table(spark, f"parquet:{location}/db/snapshots/data", {}, side="source")
    spark.sql(f"DROP TABLE {name} PURGE")
    assert codes(first.still_holds()) == ["source_changed"]


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_partitions_without_folder_and_folders_without_partition_block(spark: SparkSession, table: str, kind: str) -> None:
    spark.sql(f"CREATE TABLE {table} (id BIGINT, p STRING, q STRING) USING {kind} PARTITIONED BY (p, q)")
    spark.sql(f"INSERT INTO {table} VALUES (1, 'a', 'x'), (2, 'b/b', 'x'), (3, NULL, 'y')")
    opened = open_table(spark, f"hive:{table}", {}, side="source")
    assert (ids(opened), opened.blockers, opened.partition_columns) == ([1, 2, 3], (), ("p", "q"))
    root = Path(spark.sql(f"DESCRIBE TABLE EXTENDED {table}").where("col_name = 'Location'").collect()[0].data_type.removeprefix("file:"))

    shutil.copytree(root / "p=a", root / "p=c")
    shutil.rmtree(root / "p=b%2Fb")
    spark.catalog.refreshTable(table)

    assert codes(opened.still_holds()) == ["source_changed"]
    again = open_table(spark, f"hive:{table}", {}, side="source")
    assert codes(again.blockers) == ["partition_folder_missing", "partition_not_registered"]
    assert "p=b%2Fb/q=x" in again.blockers[0].text
    assert "p=c" in again.blockers[1].text
    assert [finding.class_ for finding in again.findings] == ["partition_not_registered"]


def test_a_partition_that_lies_elsewhere_is_read_and_watched(spark: SparkSession, table: str, tmp_path: Path) -> None:
    spark.sql(f"CREATE TABLE {table} (id BIGINT, p STRING) USING parquet PARTITIONED BY (p)")
    spark.sql(f"INSERT INTO {table} VALUES (1, 'a')")
    spark.range(5, 6).coalesce(1).write.parquet(str(tmp_path / "far away"))
    spark.sql(f"ALTER TABLE {table} ADD PARTITION (p='b') LOCATION '{tmp_path}/far away'")

    opened = open_table(spark, f"hive:{table}", {}, side="source")

    assert (ids(opened), opened.blockers, opened.files) == ([1, 5], (), 2)
    spark.range(6, 7).write.mode("append").parquet(str(tmp_path / "far away"))
    assert codes(opened.still_holds()) == ["source_changed"]


def test_char_columns_keep_what_the_catalog_says(spark: SparkSession, table: str) -> None:
    spark.sql(f"CREATE TABLE {table} (id BIGINT, c CHAR(5)) USING parquet")
    spark.sql(f"INSERT INTO {table} VALUES (1, 'ab')")

    opened = open_table(spark, f"hive:{table}", {}, side="source")

    assert opened.rows.schema["c"].metadata == {"__CHAR_VARCHAR_TYPE_STRING": "char(5)"}
    assert [row.c for row in opened.rows.collect()] == ["ab   "]


def test_a_view_is_not_pinned(spark: SparkSession) -> None:
    spark.sql("CREATE OR REPLACE VIEW default.a_view AS SELECT 1 AS id")
    try:
        opened = open_table(spark, "hive:default.a_view", {}, side="source")
        assert (opened.pinned, opened.pin, codes(opened.blockers), ids(opened)) == (False, None, ["unpinned_source"], [1])
    finally:
        spark.sql("DROP VIEW default.a_view")


def test_a_misspelt_table_is_told_its_neighbours(spark: SparkSession, table: str, store: Callable) -> None:
    spark.sql(f"CREATE TABLE {table} (id BIGINT) USING parquet")

    with pytest.raises(MissingTableError, match=table.split(".")[1]):
        open_table(spark, f"hive:{table}s", {}, side="source")
    with pytest.raises(MissingTableError):
        open_table(spark, "hive:no_such_database.t", {}, side="source")
    with pytest.raises(MissingTableError):
        open_table(spark, "iceberg:no_such_catalog.db.t", {}, side="source")
    with pytest.raises(ConfigError):
        open_table(spark, "hive:a..b", {}, side="source")
