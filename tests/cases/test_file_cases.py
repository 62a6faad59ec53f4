"""Files: everything that lies there is read, as it is written, or nothing is claimed (I*, E*, F*, J* as far as files show them)."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import DataFrame, SparkSession

from jobs.compare import compare
from jobs.comparison import Comparison
from schemas.errors import ParityError, UnreadableDataError


def _csv(folder: Path, *files: str, name: str = "csv") -> str:
    target = folder / name
    target.mkdir()
    for index, text in enumerate(files):
        (target / f"part-{index}.csv").write_bytes(text.encode())
    return f"csv:{target}"


def _parquet(folder: Path, *tables: pa.Table, name: str = "parquet") -> str:
    target = folder / name
    target.mkdir()
    for index, table in enumerate(tables):
        pq.write_table(table, target / f"part-{index}.parquet")
    return f"parquet:{target}"


def _codes(outcome: Comparison) -> set[str]:
    return {reason.code for reason in outcome.result.reasons}


def _findings(outcome: Comparison) -> set[tuple[str, str | None]]:
    return {(finding.class_, finding.column) for finding in outcome.result.findings}


def _classes(outcome: Comparison) -> dict[str, dict[str, int]]:
    return {column.source: dict(column.classes) for column in outcome.columns if column.classes and column.source}


TEXT_AND_TYPE = [
    # id, text in the CSV file, SQL of the typed side, verdict, class of the cell
    ("E7_rounded_decimal", "1.005", "CAST(1.01 AS DECIMAL(10, 2))", "FAIL", "unparsable"),
    ("N149_trailing_zeros", "1.5000", "CAST(1.5 AS DECIMAL(10, 2))", "PASS", None),
    ("E8_overflow_of_tinyint", "300", "CAST(44 AS TINYINT)", "FAIL", "unparsable"),
    ("E11_beyond_2_to_53", "9007199254740993", "9007199254740992L", "FAIL", "value"),
    ("E11_beyond_2_to_53_equal", "9007199254740993", "9007199254740993L", "PASS", None),
    ("E17_money", "$1234.50", "CAST(1234.50 AS DECIMAL(10, 2))", "FAIL", "unparsable"),
    ("E19_exponent_of_an_integer", "1e3", "1000", "FAIL", "unparsable"),
    ("E19_underscores", "1_000", "1000", "FAIL", "unparsable"),
    ("E19_leading_zero", "012", "12", "FAIL", "unparsable"),
    ("N150_blank_before_a_number", " 12", "12", "FAIL", "unparsable"),
    ("T44_scientific_decimal", "1.0E20", "CAST('100000000000000000000' AS DECIMAL(38, 0))", "PASS", None),
    ("T45_nan_and_decimal", "NaN", "CAST(1 AS DECIMAL(10, 2))", "FAIL", "unparsable"),
    ("T45_nan_and_null", "NaN", "CAST(NULL AS DECIMAL(10, 2))", "FAIL", "unparsable"),
    ("N151_nan_and_double", "NaN", "double('NaN')", "PASS", None),
    ("N152_infinity_and_double", "-Infinity", "double('-Infinity')", "PASS", None),
    ("E12_shortest_text_of_a_double", "0.30000000000000004", "0.3D", "FAIL", "value"),
    ("N153_double_text", "1e-3", "0.001D", "PASS", None),
    ("T59_zeros_after_the_point", "2024-01-01 00:00:00.1", "TIMESTAMP'2024-01-01 00:00:00.100000'", "PASS", None),
    ("F18_day_that_is_none", "2024-02-30", "CAST(NULL AS DATE)", "FAIL", "unparsable"),
    ("F18_day_that_is_none_and_a_day", "2024-02-30", "DATE'2024-03-01'", "FAIL", "unparsable"),
    ("F20_two_digit_year", "24-01-01", "DATE'2024-01-01'", "FAIL", "unparsable"),
    ("F20_epoch_seconds", "1704067200", "TIMESTAMP'2024-01-01 00:00:00'", "FAIL", "unparsable"),
    ("T60_zone_in_text", "2024-01-01T14:00:00+02:00", "TIMESTAMP'2024-01-01 12:00:00Z'", "PASS", None),
    ("T60_other_zone_in_text", "2024-01-01T12:00:00+02:00", "TIMESTAMP'2024-01-01 12:00:00Z'", "FAIL", "value"),
    ("T65_infinity_and_timestamp", "infinity", "TIMESTAMP'9999-12-31 00:00:00'", "FAIL", "unparsable"),
    ("T65_infinity_and_null", "infinity", "CAST(NULL AS TIMESTAMP)", "FAIL", "unparsable"),
    ("N154_date_with_a_time", "2024-01-01 00:00:00", "DATE'2024-01-01'", "FAIL", "unparsable"),
    ("N155_boolean", "TRUE", "true", "PASS", None),
    ("N156_boolean_as_number", "1", "true", "FAIL", "unparsable"),
    ("N157_empty_and_null_number", "", "CAST(NULL AS INT)", "PASS", None),
    ("N158_quoted_empty_and_null_number", '""', "CAST(NULL AS INT)", "FAIL", "unparsable"),
    ("T52_empty_and_null_text", '""', "CAST(NULL AS STRING)", "FAIL", "value_to_null"),
    ("T52_unquoted_empty_is_null", "", "''", "FAIL", "null_to_value"),
    ("N159_quoted_empty_is_empty", '""', "''", "PASS", None),
    ("N160_line_break_in_quotes", '"a\nb"', r"'a\nb'", "PASS", None),
    ("G11_line_ends_in_quotes", '"a\r\nb"', r"'a\nb'", "FAIL", "value"),
    ("N161_quotes_in_quotes", '"a""b"', "'a\"b'", "PASS", None),
    ("N162_blanks_are_kept", " a ", "' a '", "PASS", None),
    ("N163_wrong_date_text_of_text", "2024-02-30", "'2024-02-30'", "PASS", None),
    ("N164_minus_zero_text", "-0", "0", "PASS", None),
    ("N165_nul_as_backslash_n", r"\N", "CAST(NULL AS STRING)", "FAIL", "value_to_null"),
]


@pytest.mark.parametrize(("text", "typed", "verdict", "class_"), [c[1:] for c in TEXT_AND_TYPE], ids=[c[0] for c in TEXT_AND_TYPE])
def test_text_against_a_type(spark: SparkSession, tmp_path: Path, text: str, typed: str, verdict: str, class_: str | None) -> None:
    outcome = compare(_csv(tmp_path, f"id,v\n1,{text}\n"), spark.sql(f"SELECT 1 AS id, {typed} AS v"), keys=["id"])
    assert outcome.verdict == verdict, (outcome.result.reasons, _classes(outcome))
    assert _classes(outcome) == ({} if class_ is None else {"v": {class_: 1}})


def test_e11_json_numbers_keep_all_digits(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "t.json").write_text('{"id": 1, "v": 9007199254740993}\n{"id": 2, "v": 5}\n')
    equal = spark.sql("SELECT * FROM VALUES (1, 9007199254740993L), (2, 5L) AS t(id, v)")
    other = spark.sql("SELECT * FROM VALUES (1, 9007199254740992L), (2, 5L) AS t(id, v)")
    assert compare(f"json:{tmp_path}", equal, keys=["id"]).verdict == "PASS"
    outcome = compare(f"json:{tmp_path}", other, keys=["id"])
    assert (outcome.verdict, outcome.counts.changed) == ("FAIL", 1)


def test_n166_json_against_nested_types(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "t.json").write_text('{"id": 1, "v": {"a": [1, 2], "b": null}}\n{"id": 2, "v": null}\n')
    rows = "(1, named_struct('a', array(1, {0}), 'b', CAST(NULL AS STRING))), (2, NULL)"
    equal = compare(f"json:{tmp_path}", spark.sql(f"SELECT * FROM VALUES {rows.format(2)} AS t(id, v)"), keys=["id"])  # noqa: S608
    assert equal.verdict == "PASS", (equal.result.reasons, _classes(equal))
    other = compare(f"json:{tmp_path}", spark.sql(f"SELECT * FROM VALUES {rows.format(3)} AS t(id, v)"), keys=["id"])  # noqa: S608
    assert (other.verdict, other.counts.changed) == ("FAIL", 1)


@pytest.mark.parametrize("name", ["_part-9.parquet", ".part-9.parquet"])
def test_i1_hidden_files_are_told(spark: SparkSession, tmp_path: Path, name: str) -> None:
    table = pa.table({"id": [1, 2]})
    source, target = _parquet(tmp_path, table, name="s"), _parquet(tmp_path, table, name="t")
    shutil.copy(tmp_path / "t" / "part-0.parquet", tmp_path / "t" / name)
    outcome = compare(source, target, keys=["id"], spark=spark)
    assert outcome.verdict == "INCONCLUSIVE" and "hidden_files" in _codes(outcome)


def test_i3_cut_gzip_is_an_error(spark: SparkSession, tmp_path: Path) -> None:
    packed = gzip.compress("".join(["id,v\n", *(f"{n},{n * 7919 % 1000}\n" for n in range(20_000))]).encode())
    (tmp_path / "t.csv.gz").write_bytes(packed[: len(packed) // 2])
    with pytest.raises(ParityError) as caught:
        compare(f"csv:{tmp_path}", spark.range(1), keys=["id"])
    assert caught.value.exit_code == 3


def test_i4_file_cut_at_a_line_end(spark: SparkSession, tmp_path: Path) -> None:
    """No reader can see it: the rows are missing, and the evidence holds size and manifest."""
    lines = [f"{n},x\n" for n in range(10)]
    source, target = _csv(tmp_path, "id,v\n", name="unused"), _csv(tmp_path, "".join(["id,v\n", *lines[:6]]), name="t")
    source = _csv(tmp_path, "".join(["id,v\n", *lines]), name="s")
    outcome = compare(source, target, keys=["id"], spark=spark)
    assert (outcome.verdict, outcome.counts.missing) == ("FAIL", 4)
    sides = outcome.result.inputs
    assert sides.source.bytes > sides.target.bytes and sides.target.pin is not None


BROKEN_CSV = {
    "I5_too_few_fields": "id,v,w\n1,a,b\n2,a\n",
    "I6_too_many_fields": "id,v,w\n1,a,b\n2,a,b,c\n",
    "I6_text_after_a_quote": 'id,v,w\n1,"a"x,b\n',
    "I6_quote_never_closed": 'id,v,w\n1,"a,b\n2,c,d\n',
}


@pytest.mark.parametrize("name", sorted(BROKEN_CSV))
def test_broken_lines_are_no_rows(spark: SparkSession, tmp_path: Path, name: str) -> None:
    source = _csv(tmp_path, BROKEN_CSV[name])
    target = spark.sql("SELECT * FROM VALUES ('1', 'a', 'b'), ('2', 'a', NULL) AS t(id, v, w)")
    try:
        outcome = compare(source, target, keys=["id"])
    except ParityError as error:
        assert error.exit_code == 3, error
        return
    assert outcome.verdict in ("INCONCLUSIVE", "FAIL"), outcome.result.reasons


@pytest.mark.parametrize("line", ['{"id": 2, "v": ', "not json", '{"id": 2} {"id": 3}', '{"id": 2, "id": 3, "v": 1}'], ids=str)
def test_i16_broken_json_is_an_error(spark: SparkSession, tmp_path: Path, line: str) -> None:
    (tmp_path / "t.json").write_text('{"id": 1, "v": 1}\n' + line + "\n")
    with pytest.raises(UnreadableDataError):
        compare(f"json:{tmp_path}", spark.sql("SELECT 1 AS id, 1 AS v"), keys=["id"])


def test_i8_column_of_a_newer_file_is_seen(spark: SparkSession, tmp_path: Path) -> None:
    old, new = pa.table({"id": [1], "v": ["a"]}), pa.table({"id": [2], "v": ["b"], "w": [5]})
    target = spark.sql("SELECT * FROM VALUES (1L, 'a', NULL), (2L, 'b', {0}) AS t(id, v, w)".format("5L"))  # noqa: S608, UP030
    source = _parquet(tmp_path, old, new)
    outcome = compare(source, target, keys=["id"])
    assert outcome.verdict == "PASS" and ("file_schema_drift", "w") in _findings(outcome)
    other = compare(source, spark.sql("SELECT * FROM VALUES (1L, 'a', NULL), (2L, 'b', 6L) AS t(id, v, w)"), keys=["id"])
    assert (other.verdict, other.counts.changed) == ("FAIL", 1)


def test_e20_decimal_scale_changed_between_files(spark: SparkSession, tmp_path: Path) -> None:
    narrow = pa.table({"id": [1], "v": pa.array([Decimal("1.50")], pa.decimal128(10, 2))})
    wide = pa.table({"id": [2], "v": pa.array([Decimal("1.505")], pa.decimal128(12, 3))})
    target = spark.sql("SELECT * FROM VALUES (1L, CAST(1.500 AS DECIMAL(12, 3))), (2L, CAST(1.505 AS DECIMAL(12, 3))) AS t(id, v)")
    for name, order in (("a", (narrow, wide)), ("b", (wide, narrow))):
        outcome = compare(_parquet(tmp_path, *order, name=name), target, keys=["id"])
        assert outcome.verdict == "PASS", outcome.result.reasons
        assert ("file_schema_drift", "v") in _findings(outcome)


def test_n167_types_of_two_families_between_files_are_refused(spark: SparkSession, tmp_path: Path) -> None:
    source = _parquet(tmp_path, pa.table({"id": [1], "v": ["a"]}), pa.table({"id": [2], "v": [1]}))
    with pytest.raises(UnreadableDataError, match=r"part-0.*part-1"):
        compare(source, spark.range(1), keys=["id"])


def test_i11_partition_values_keep_their_zeros(spark: SparkSession, tmp_path: Path) -> None:
    for value in ("0", "00"):
        (tmp_path / f"p={value}").mkdir()
        pq.write_table(pa.table({"id": [1]}), tmp_path / f"p={value}" / "part-0.parquet")
    target = spark.sql("SELECT * FROM VALUES (1L, '0'), (1L, '00') AS t(id, p)")
    outcome = compare(f"parquet:{tmp_path}", target, keys=["id", "p"])
    assert (outcome.verdict, outcome.counts.matched) == ("PASS", 2)
    merged = spark.sql("SELECT * FROM VALUES (1L, '0'), (1L, '0') AS t(id, p)")
    assert compare(f"parquet:{tmp_path}", merged, keys=["id", "p"]).verdict == "FAIL"


def _at(phase: str, action: Callable[[], Any]) -> Callable[[str], None]:
    done = []

    def progress(name: str) -> None:
        if name == phase and not done:
            done.append(name)
            action()

    return progress


def test_i14_file_added_during_the_read(spark: SparkSession, tmp_path: Path) -> None:
    table = pa.table({"id": [1, 2]})
    source, target = _parquet(tmp_path, table, name="s"), _parquet(tmp_path, table, name="t")
    added = _at("explaining", lambda: shutil.copy(tmp_path / "s" / "part-0.parquet", tmp_path / "t" / "part-1.parquet"))
    outcome = compare(source, target, keys=["id"], spark=spark, progress=added)
    assert outcome.verdict == "INCONCLUSIVE" and "source_changed" in _codes(outcome)


@pytest.mark.parametrize("phase", ["files", "fingerprints"])
def test_i13_file_removed_during_the_read(spark: SparkSession, tmp_path: Path, phase: str) -> None:
    table = pa.table({"id": [1, 2]})
    source, target = _parquet(tmp_path, table, table, name="s"), _parquet(tmp_path, table, table, name="t")
    if phase == "fingerprints":  # copies would be proven without them
        pq.write_table(table, tmp_path / "t" / "part-0.parquet", compression="gzip")
    removed = _at(phase, (tmp_path / "t" / "part-1.parquet").unlink)
    try:
        outcome = compare(source, target, keys=["id"], spark=spark, progress=removed)
    except ParityError as error:
        assert error.exit_code == 3
    else:
        assert outcome.verdict in ("FAIL", "INCONCLUSIVE")


def test_i14_file_rewritten_before_the_read(spark: SparkSession, tmp_path: Path) -> None:
    """A cached listing would show the old rows."""
    source, target = _parquet(tmp_path, pa.table({"id": [1]}), name="s"), _parquet(tmp_path, pa.table({"id": [1]}), name="t")
    assert compare(source, target, keys=["id"], spark=spark).verdict == "PASS"
    pq.write_table(pa.table({"id": [2]}), tmp_path / "t" / "part-0.parquet")
    assert compare(source, target, keys=["id"], spark=spark).verdict == "FAIL"


def test_i15_delta_folder_is_no_parquet_folder(spark: SparkSession, tmp_path: Path) -> None:
    path = str(tmp_path / "d")
    spark.range(4).write.format("delta").save(path)
    spark.sql(f"DELETE FROM delta.`{path}` WHERE id = 0")  # noqa: S608
    with pytest.raises(ParityError) as caught:
        compare(f"parquet:{path}", spark.range(4), keys=["id"])
    assert caught.value.exit_code in (2, 3) and "delta" in str(caught.value).lower()
    outcome = compare(f"delta:{path}", spark.range(4), keys=["id"])
    assert (outcome.verdict, outcome.counts.extra) == ("FAIL", 1)


def test_n168_delta_version_is_compared_by_its_own_schema(spark: SparkSession, tmp_path: Path) -> None:
    path = str(tmp_path / "d")
    spark.range(3).selectExpr("id", "id AS v").write.format("delta").save(path)
    spark.range(3).selectExpr("id", "id AS w").write.format("delta").mode("overwrite").option("overwriteSchema", "true").save(path)
    assert compare(f"delta:{path}@v0", spark.range(3).selectExpr("id", "id AS v"), keys=["id"]).verdict == "PASS"
    assert compare(f"delta:{path}", spark.range(3).selectExpr("id", "id AS w"), keys=["id"]).verdict == "PASS"


def test_i18_zero_byte_part(spark: SparkSession, tmp_path: Path) -> None:
    table = pa.table({"id": [1, 2]})
    source, target = _parquet(tmp_path, table, name="s"), _parquet(tmp_path, table, name="t")
    (tmp_path / "t" / "part-1.parquet").touch()
    outcome = compare(source, target, keys=["id"], spark=spark)
    assert outcome.verdict == "INCONCLUSIVE" and "empty_files" in _codes(outcome)


def test_i18_unfinished_write(spark: SparkSession, tmp_path: Path) -> None:
    table = pa.table({"id": [1, 2]})
    source, target = _parquet(tmp_path, table, name="s"), _parquet(tmp_path, table, name="t")
    (tmp_path / "t" / "_temporary").mkdir()
    outcome = compare(source, target, keys=["id"], spark=spark)
    assert outcome.verdict == "INCONCLUSIVE" and "unfinished_write" in _codes(outcome)


def test_n169_corrupt_parquet_is_an_error(spark: SparkSession, tmp_path: Path) -> None:
    source = _parquet(tmp_path, pa.table({"id": list(range(1000))}))
    file = tmp_path / "parquet" / "part-0.parquet"
    data = bytearray(file.read_bytes())
    data[10:60] = b"\xff" * 50
    file.write_bytes(bytes(data))
    with pytest.raises(ParityError) as caught:
        compare(source, spark.range(1000), keys=["id"])
    assert caught.value.exit_code == 3


def test_i20_settings_of_the_writer_are_declared_and_told(spark: SparkSession, tmp_path: Path) -> None:
    source = _csv(tmp_path, "id;v\n1;'a;b'\n# not a row\n2;c\n")
    target = spark.sql("SELECT * FROM VALUES ('1', 'a;b'), ('2', 'c') AS t(id, v)")
    options = {"separator": ";", "quote": "'", "escape": "'", "comment": "#"}
    outcome = compare(source, target, keys=["id"], source_options=options)
    assert outcome.verdict == "PASS", outcome.result.reasons
    told = " ".join(finding.text for finding in outcome.result.findings if finding.class_ == "csv_settings")
    assert "#" in told and ";" in told


def test_what_both_sides_tell_is_said_once(spark: SparkSession, tmp_path: Path) -> None:
    source, target = _csv(tmp_path, "id,v\n1,a\n", name="one"), _csv(tmp_path, "id,v\n1,a\n", name="other")
    outcome = compare(source, target, keys=["id"])
    assert [finding.class_ for finding in outcome.result.findings].count("csv_settings") == 1


def test_n170_headers_in_two_orders_are_read_by_name(spark: SparkSession, tmp_path: Path) -> None:
    source = _csv(tmp_path, "id,v\n1,a\n", "v,id\nb,2\n")
    assert compare(source, spark.sql("SELECT * FROM VALUES (1, 'a'), (2, 'b') AS t(id, v)"), keys=["id"]).verdict == "PASS"


def test_n171_headers_with_other_names_are_refused(spark: SparkSession, tmp_path: Path) -> None:
    with pytest.raises(UnreadableDataError):
        compare(_csv(tmp_path, "id,v\n1,a\n", "id,w\n2,b\n"), spark.range(1), keys=["id"])


def test_f11_old_dates_of_a_proleptic_writer(spark: SparkSession, tmp_path: Path) -> None:
    table = pa.table({"id": [1, 2], "d": pa.array([date(1500, 1, 1), date(1, 1, 1)], pa.date32())})
    source = _parquet(tmp_path, table)
    equal = spark.sql("SELECT * FROM VALUES (1L, DATE'1500-01-01'), (2L, DATE'0001-01-01') AS t(id, d)")
    assert compare(source, equal, keys=["id"]).verdict == "PASS"
    moved = spark.sql("SELECT * FROM VALUES (1L, DATE'1499-12-23'), (2L, DATE'0001-01-01') AS t(id, d)")
    assert compare(source, moved, keys=["id"]).verdict == "FAIL"


def test_f10_nanoseconds_in_int96(spark: SparkSession, tmp_path: Path) -> None:
    moments = pa.array([1_704_067_200_000_000_123, 1_704_067_200_000_000_000], pa.timestamp("ns"))
    pq.write_table(pa.table({"id": [1, 2], "t": moments}), tmp_path / "t.parquet", use_deprecated_int96_timestamps=True)
    target = spark.sql("SELECT id, TIMESTAMP'2024-01-01 00:00:00' AS t FROM VALUES (1L), (2L) AS s(id)")
    outcome = compare(f"parquet:{tmp_path}", target, keys=["id"])
    assert outcome.verdict in ("INCONCLUSIVE", "FAIL"), outcome.result.reasons


def test_n172_two_forms_of_one_table(spark: SparkSession, tmp_path: Path) -> None:
    """Parquet, ORC, Avro, CSV, JSON and Delta of one table are equal, each with each other's typed side."""
    frame = spark.sql(
        "SELECT id, CAST(id * 1.25 AS DECIMAL(12, 2)) AS amount, concat('n', id) AS name, DATE'2024-01-01' AS d,"
        " TIMESTAMP'2024-01-01 10:00:00.123456' AS ts, id % 2 = 0 AS flag, id / 3D AS ratio FROM range(5)"
    )
    uris = {}
    for scheme in ("parquet", "orc", "avro", "delta", "csv", "json"):
        path = str(tmp_path / scheme)
        writer = frame.write.format(scheme)
        if scheme == "csv":
            writer = writer.option("header", "true").option("timestampFormat", "yyyy-MM-dd'T'HH:mm:ss.SSSSSSXXX")
        if scheme == "json":
            writer = writer.option("timestampFormat", "yyyy-MM-dd'T'HH:mm:ss.SSSSSSXXX")
        writer.save(path)
        uris[scheme] = f"{scheme}:{path}"
    for scheme in ("orc", "avro", "delta", "csv", "json"):
        outcome = compare(uris["parquet"], uris[scheme], keys=["id"], spark=spark)
        assert outcome.verdict == "PASS", (scheme, outcome.result.reasons, _classes(outcome))
        assert outcome.result.inputs.source.pinned and outcome.result.inputs.target.pinned


def test_j_csv_unload_turns_null_into_empty(spark: SparkSession, tmp_path: Path) -> None:
    source = spark.sql("SELECT * FROM VALUES ('1', NULL), ('2', NULL), ('3', 'c') AS t(id, v)")
    outcome = compare(source, _csv(tmp_path, 'id,v\n1,""\n2,""\n3,c\n'), keys=["id"])
    assert (outcome.verdict, outcome.counts.changed) == ("FAIL", 2)
    assert _classes(outcome) == {"v": {"null_to_value": 2}}
    assert outcome.explain()[0].cause == "null_and_empty"


@pytest.fixture
def partitioned(spark: SparkSession) -> Any:
    spark.sql("CREATE TABLE cases_partitioned (id BIGINT, p STRING) USING parquet PARTITIONED BY (p)")
    spark.sql("INSERT INTO cases_partitioned VALUES (1, 'a'), (2, 'b')")
    location = spark.sql("DESCRIBE FORMATTED cases_partitioned").where("col_name = 'Location'").collect()[0].data_type
    yield Path(location.removeprefix("file:"))
    spark.sql("DROP TABLE cases_partitioned")


def _expected(spark: SparkSession) -> DataFrame:
    return spark.sql("SELECT * FROM VALUES (1L, 'a') AS t(id, p)")


def test_j_registered_partition_without_a_folder(spark: SparkSession, partitioned: Path) -> None:
    shutil.rmtree(partitioned / "p=b")
    outcome = compare("hive:default.cases_partitioned", _expected(spark), keys=["id"])
    assert outcome.verdict == "INCONCLUSIVE", outcome.result.reasons
    assert "b" in " ".join(reason.text for reason in outcome.result.reasons)


def test_j_folder_without_a_registered_partition(spark: SparkSession, partitioned: Path) -> None:
    shutil.copytree(partitioned / "p=a", partitioned / "p=c")
    target = spark.sql("SELECT * FROM VALUES (1L, 'a'), (2L, 'b') AS t(id, p)")
    outcome = compare("hive:default.cases_partitioned", target, keys=["id"])
    assert "partition_not_registered" in {one[0] for one in _findings(outcome)}, _findings(outcome)
    assert outcome.verdict != "FAIL", outcome.result.reasons


def test_n173_timestamps_of_pyarrow(spark: SparkSession, tmp_path: Path) -> None:
    table = pa.table({"id": [1], "t": pa.array([datetime(2024, 1, 1, 2, 3, 4, 567891)], pa.timestamp("us"))})
    outcome = compare(_parquet(tmp_path, table), spark.sql("SELECT 1L AS id, TIMESTAMP_NTZ'2024-01-01 02:03:04.567891' AS t"), keys=["id"])
    assert outcome.verdict == "PASS", outcome.result.reasons
