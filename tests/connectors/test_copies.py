"""Equal bytes prove equal rows; whatever is not plainly that is left to the rows."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from connectors import open_table
from connectors.copies import are_copies
from jobs.compare import compare


@pytest.fixture(scope="module")
def original(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two partitions, duplicate keys and a NULL key."""
    place = tmp_path_factory.mktemp("copies") / "original"
    rows = "SELECT IF(id = 5, NULL, id DIV 2) AS id, concat('v', id) AS v, id % 2 AS p FROM range(40)"
    spark.sql(rows).coalesce(1).write.partitionBy("p").parquet(place.as_uri())
    return place


@pytest.fixture
def copy(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "copy"))


def _opened(spark: SparkSession, *places: Path) -> list[Any]:
    return [open_table(spark, f"parquet:{place}", {}, side="source") for place in places]


def _file(place: Path, partition: int) -> Path:
    (found,) = (place / f"p={partition}").glob("*.parquet")
    return found


def test_copies_are_equal_without_a_look_at_their_rows(spark: SparkSession, original: Path, copy: Path) -> None:
    _file(copy, 0).rename(copy / "p=0" / "renamed.parquet")
    for crc in copy.glob("p=*/.*.crc"):
        crc.unlink()
    outcome = compare(f"parquet:{original}", f"parquet:{copy}", ["id"], spark=spark)
    assert (outcome.verdict, outcome.result.plan.mode) == ("PASS", "metadata")
    assert "2 files of the target are those of the source, byte for byte" in outcome.result.plan.reason
    by_rows = compare(f"parquet:{original}", spark.read.parquet(str(copy)), ["id"], spark=spark)
    assert by_rows.result.plan.mode == "fingerprint"
    assert by_rows.counts == outcome.counts
    assert outcome.counts.null_keys == 2
    assert outcome.counts.duplicate_keys > 10
    assert outcome.diffs().count() == 0


def test_one_other_byte_is_no_copy(spark: SparkSession, original: Path, copy: Path) -> None:
    assert are_copies(*_opened(spark, original, copy))
    found = _file(copy, 1)
    content = bytearray(found.read_bytes())
    content[len(content) // 3] ^= 1
    before = found.stat().st_size
    found.write_bytes(content)
    assert found.stat().st_size == before
    assert not are_copies(*_opened(spark, original, copy))


def test_files_in_other_partitions_are_no_copies(spark: SparkSession, original: Path, copy: Path) -> None:
    (copy / "p=0").rename(copy / "p=7")
    assert not are_copies(*_opened(spark, original, copy))
    assert compare(f"parquet:{original}", f"parquet:{copy}", ["id"], spark=spark).verdict == "FAIL"


def test_a_missing_file_is_seen(spark: SparkSession, original: Path, copy: Path) -> None:
    shutil.rmtree(copy / "p=1")
    assert not are_copies(*_opened(spark, original, copy))


def test_one_file_under_two_names_proves_nothing_of_its_own(spark: SparkSession, original: Path, tmp_path: Path) -> None:
    linked = tmp_path / "linked"
    for partition in (0, 1):
        (linked / f"p={partition}").mkdir(parents=True)
        os.link(_file(original, partition), linked / f"p={partition}" / "a.parquet")
    assert not are_copies(*_opened(spark, original, linked))


@pytest.mark.parametrize("options", [{"rules": {"v": "rtrim"}}, {"where": "id < 9"}, {"sample": "50%"}])
def test_what_changes_the_question_is_answered_by_the_rows(
    spark: SparkSession, original: Path, copy: Path, options: dict[str, Any]
) -> None:
    outcome = compare(f"parquet:{original}", f"parquet:{copy}", ["id"], spark=spark, **options)
    assert outcome.result.plan.mode != "metadata"


def test_text_is_read_even_where_the_bytes_are_equal(spark: SparkSession, tmp_path: Path) -> None:
    for side in ("one", "other"):
        (tmp_path / f"{side}.csv").write_text("id,v\n1,a\n")
    outcome = compare(f"csv:{tmp_path}/one.csv", f"csv:{tmp_path}/other.csv", ["id"], spark=spark)
    assert (outcome.verdict, outcome.result.plan.mode) == ("PASS", "one_pass")
