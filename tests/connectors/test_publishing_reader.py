"""A published table, read by the name of its folder: the current version, and nothing else that lies there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from connectors import open_table
from connectors.objects import CorruptObjectError, ObjectStore, open_store
from connectors.publishing import Published, begin, publish
from jobs.compare import compare
from schemas.errors import ConfigError
from tests.connectors.test_publishing import parquet, stage


def published(store: ObjectStore, run: str, *values: int) -> Published:
    staging = begin(store, "orders", run)
    stage(staging, {"a.parquet": parquet(*values), "b.parquet": parquet(*(value + 100 for value in values))})
    return publish(staging, schema_sha256="5" * 64)


def opened(spark: SparkSession, place: str) -> Any:
    return open_table(spark, f"parquet:{place}", {}, side="target")


def ids(table: Any) -> list[int]:
    return sorted(row.id for row in table.rows.collect())


def test_of_a_published_table_the_current_version_is_read_and_pinned(spark: SparkSession, tmp_path: Path) -> None:
    store = open_store(f"file:{tmp_path}/lake")
    published(store, "run-1", 1, 2)
    begun = begin(store, "orders", "run-3")
    stage(begun, {"never.parquet": parquet(9)})
    second = published(store, "run-2", 1, 3)

    for place in (f"{tmp_path}/lake/orders", f"{tmp_path}/lake/orders/", f"file:{tmp_path}/lake/orders"):
        table = opened(spark, place)
        assert ids(table) == [1, 3, 101, 103]
        assert (table.blockers, table.still_holds()) == ((), ())
        assert table.pin.startswith(f"published version {second.manifest.version}, manifest sha256:{second.manifest_sha256}; manifest sha")
    assert ids(opened(spark, second.spark_path)) == [1, 3, 101, 103]


def test_a_version_that_replaces_it_meanwhile_changes_nothing_of_what_is_read(spark: SparkSession, tmp_path: Path) -> None:
    store = open_store(f"file:{tmp_path}/lake")
    published(store, "run-1", 1)
    table = opened(spark, f"{tmp_path}/lake/orders")
    published(store, "run-2", 2)

    assert ids(table) == [1, 101]
    assert table.still_holds() == ()
    assert ids(opened(spark, f"{tmp_path}/lake/orders")) == [2, 102]


@pytest.mark.parametrize("harm", ["added", "removed", "cut"])
def test_files_that_are_not_those_of_the_version_keep_it_from_passing(spark: SparkSession, tmp_path: Path, harm: str) -> None:
    store = open_store(f"file:{tmp_path}/lake")
    version = Path(published(store, "run-1", 1, 2).spark_path.removeprefix("file:"))
    other = tmp_path / "other"
    other.mkdir()
    (other / "a.parquet").write_bytes(parquet(1, 2))
    if harm != "removed":
        (other / "b.parquet").write_bytes(parquet(101, 102))
    if harm == "added":
        (version / "c.parquet").write_bytes(parquet(5))
        (other / "c.parquet").write_bytes(parquet(5))
    elif harm == "removed":
        (version / "b.parquet").unlink()
    else:
        (version / "b.parquet").write_bytes(parquet(101))
        (other / "b.parquet").write_bytes(parquet(101))

    found = compare(f"parquet:{other}", f"parquet:{tmp_path}/lake/orders", keys=["id"], spark=spark)

    assert found.verdict == "INCONCLUSIVE"  # the rows are equal, and still it is not what was published
    assert "not_as_published" in {reason.code for reason in found.result.reasons}


def test_a_folder_of_all_versions_and_a_damaged_pointer_are_refused(spark: SparkSession, tmp_path: Path) -> None:
    store = open_store(f"file:{tmp_path}/lake")
    pointer = Path(published(store, "run-1", 1).manifest_uri.removeprefix("file:"))

    with pytest.raises(ConfigError, match="all versions") as refused:
        opened(spark, f"{tmp_path}/lake/orders/data")
    assert f"parquet:{tmp_path}/lake/orders" in str(refused.value.hint)
    pointer.write_bytes(pointer.read_bytes().replace(b'"rows":2', b'"rows":3'))
    with pytest.raises(CorruptObjectError):
        opened(spark, f"{tmp_path}/lake/orders")
