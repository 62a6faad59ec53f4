"""CSV as written, not as Spark would have it."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from connectors import OpenedTable, open_table, translate_spark_error
from connectors.spark_errors import SPARK_FAILURES
from schemas.errors import ConfigError, ParityError, UnreadableDataError


@pytest.fixture
def opened(spark: SparkSession, tmp_path: Path) -> Callable[..., OpenedTable]:
    """Return a function that writes files of given bytes and opens their folder."""

    def opened(files: bytes | dict[str, bytes], **options: str) -> OpenedTable:
        for name, content in (files if isinstance(files, dict) else {"a.csv": files}).items():
            (tmp_path / name).write_bytes(content)
        return open_table(spark, f"csv:{tmp_path}", options, side="source")

    return opened


def read(table: OpenedTable) -> list[tuple[str | None, ...]]:
    """All rows, sorted; what Spark raises in the action is translated, as the engine does."""
    try:
        return sorted((tuple(row) for row in table.rows.collect()), key=repr)
    except SPARK_FAILURES as exc:
        raise translate_spark_error(exc, table.uri) from None


def codes(table: OpenedTable) -> list[str]:
    return [reason.code for reason in table.blockers]


@pytest.mark.parametrize(
    ("content", "options", "rows"),
    [
        pytest.param(b'a,b\n,""\n', {}, [(None, "")], id="unquoted empty is null, quoted is not"),
        pytest.param(b'a,b\n\\N,""\n"\\N",x\n', {"null_value": "\\N"}, [(None, ""), (None, "x")], id="a null text leaves empty alone"),
        pytest.param(b"a,b\n x , y\n", {}, [(" x ", " y")], id="blanks are data"),
        pytest.param(b"a,b\n#c,1\n", {}, [("#c", "1")], id="no comments unless asked"),
        pytest.param(b"a,b\n#c\nx,1\n", {"comment": "#"}, [("x", "1")], id="comments when asked"),
        pytest.param(b"a,b\nx\x00y,\x00\n\x00#,1\n", {}, [("\x00#", "1"), ("x\x00y", "\x00")], id="NUL is data"),
        pytest.param(b'a,b\n"1\r\n2\n3\r4",x\n', {}, [("1\r\n2\n3\r4", "x")], id="line ends in quotes, records end with LF"),
        pytest.param(
            b'a,b\r\n"1\r\n2\n3\r4",x\r\ny,\r\n"z",""\r\n', {}, [("1\r\n2\n3\r4", "x"), ("y", None), ("z", "")], id="… with CR LF"
        ),
        pytest.param(b'"a","b"\r\n"1\r\n2","x"\r\n', {}, [("1\r\n2", "x")], id="… and a quoted header"),
        pytest.param(b"a,b\r\nx,1\r\n\r\n", {}, [("x", "1")], id="blank line at the end, CR LF"),
        pytest.param(b'1,2\r\n"x\r\n",\r\n', {"header": "false"}, [("1", "2"), ("x\r\n", None)], id="… without header"),
        pytest.param(b"a,b\nx\r,y\r\n", {}, [("x\r", "y\r")], id="CR is data when records end with LF"),
        pytest.param(b'a,b\n"x""y",1\n', {}, [('x"y', "1")], id="doubled quotes"),
        pytest.param(b'a,b\n"x\\"y",1\n', {"escape": "\\"}, [('x"y', "1")], id="backslash quotes"),
        pytest.param(b"a\tb\nx,y\tz\n", {"separator": "tab"}, [("x,y", "z")], id="tabs"),
        pytest.param(b'a,b\n"x,y"\n', {"quote": "none"}, [('"x', 'y"')], id="nothing is quoted"),
        pytest.param("a,b\né,ü\n".encode("latin-1"), {"encoding": "ISO-8859-1"}, [("é", "ü")], id="Latin-1"),
        pytest.param("a,b\né,ü\n".encode("utf-16"), {"encoding": "UTF-16"}, [("é", "ü")], id="UTF-16"),
        pytest.param(b"\xef\xbb\xbfa,b\nx,1\n", {}, [("x", "1")], id="byte order mark"),
        pytest.param(b",b\nx,1\n", {}, [("x", "1")], id="an empty header name"),
        pytest.param(b"A,a\nx,1\n", {}, [("x", "1")], id="names that differ by case"),
        pytest.param(b"x,1\n", {"header": "false", "columns": 'one,"t,wo"'}, [("x", "1")], id="named columns"),
    ],
)
def test_reads(opened: Callable[..., OpenedTable], content: bytes, options: dict[str, str], rows: list[tuple[str | None, ...]]) -> None:
    table = opened(content, **options)

    assert read(table) == sorted(rows, key=repr)
    assert table.blockers == ()
    assert next(f.text for f in table.findings if f.class_ == "csv_settings")


@pytest.mark.parametrize(
    ("files", "options", "says"),
    [
        pytest.param({"ok.csv": b"a,b\n1,2\n", "bad.csv": b"a,b\n1\n"}, {}, "bad.csv", id="too few fields"),
        pytest.param({"ok.csv": b"a,b\n1,2\n", "bad.csv": b"a,b\n1,2,3\n"}, {}, "bad.csv", id="too many fields"),
        pytest.param({"bad.csv": b'a,b\n"x"y,2\n'}, {}, "quote", id="a quote inside quotes"),
        pytest.param({"ok.csv": b"a,b\n1,2\n", "bad.csv": b"a,c\n1,2\n"}, {}, "ok.csv and|bad.csv and", id="other names"),
        pytest.param({"bad.csv": b"a,a\n1,2\n"}, {}, "names a twice", id="a name twice"),
        pytest.param({"bad.csv": b"a,b\nx\xff,1\n"}, {}, "bytes that are not UTF-8", id="bytes that are no text"),
        pytest.param({"bad.csv": b"a,b\nx\xff,1\n"}, {"encoding": "US-ASCII"}, "bytes that are not US-ASCII", id="not ASCII"),
        pytest.param({"bad.csv": "a,b\n".encode("utf-16") + b"\x00\xd8\n\x00"}, {"encoding": "UTF-16"}, "UTF-16", id="half a pair"),
        pytest.param({"bad.csv": b"a,b\r1,2\r"}, {}, "bare CR", id="bare CR"),
        pytest.param(
            {"bad.csv.gz": gzip.compress(b"a,b\n" + b"".join(b"%d,%d\n" % (i, i * i) for i in range(9999)))[:9000]},
            {},
            "bad.csv.gz",
            id="cut gzip",
        ),
    ],
)
def test_refuses_with_the_file_named(
    opened: Callable[..., OpenedTable], files: dict[str, bytes], options: dict[str, str], says: str
) -> None:
    with pytest.raises(UnreadableDataError, match=says) as caught:
        read(opened(files, **options))

    assert caught.value.exit_code == 3
    assert "bad.csv" in str(caught.value)
    assert caught.value.hint
    assert not any(word in str(caught.value) for word in ("java.", "\tat ", "org.apache"))


def test_a_ragged_row_is_seen_when_only_its_first_column_is_asked_for(opened: Callable[..., OpenedTable]) -> None:
    table = opened(b"a,b\n1,2,3\n")

    for ask in (lambda: table.rows.select("a").collect(), table.rows.count):
        with pytest.raises(SPARK_FAILURES):
            ask()


def test_headers_in_another_order_are_read_by_name(opened: Callable[..., OpenedTable]) -> None:
    table = opened({"a.csv": b"a,b\n1,2\n", "b.csv": b"b,a\r\n4,3\r\n"})

    assert read(table) == [("1", "2"), ("3", "4")]
    assert "csv_column_order" in [finding.class_ for finding in table.findings]


def test_what_cannot_be_told_apart_blocks(opened: Callable[..., OpenedTable]) -> None:
    assert codes(opened(b"a\nx\n\ny\n")) == ["blank_lines"]


def test_a_carriage_return_that_may_be_data_blocks(opened: Callable[..., OpenedTable]) -> None:
    assert codes(opened(b'a,b\r\n"1\n2","x\r"\r\n')) == ["carriage_returns"]


def test_an_empty_file_blocks(opened: Callable[..., OpenedTable]) -> None:
    assert codes(opened({"a.csv": b"a,b\n1,2\n", "b.csv": b""})) == ["empty_files"]


@pytest.mark.parametrize(
    "options",
    [{"encoding": "windows-1252"}, {"quote": "''"}, {"columns": "a,b"}, {"header": "perhaps"}, {"columns": "a,a", "header": "false"}],
    ids=str,
)
def test_settings_that_make_no_sense_are_refused(opened: Callable[..., OpenedTable], options: dict[str, str]) -> None:
    with pytest.raises(ConfigError) as caught:
        opened(b"a,b\n1,2\n", **options)

    assert isinstance(caught.value, ParityError)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("field", "told"),
    [('""', False), ('"a"', False), ('"a""b"', True), ('"""a"', True), ('"a"""', True), ('""""', True), ('"a \\" b"', False)],
)
def test_doubled_quotes_are_told_where_quotes_are_escaped_otherwise(opened: Callable[..., OpenedTable], field: str, told: bool) -> None:
    for line in (f"{field},1", f"1,{field}", f"1,{field}\r"):
        table = opened(f"a,b\n{line}\n".encode(), escape="\\")
        assert ("csv_doubled_quotes" in [f.class_ for f in table.findings]) == told, line


@pytest.mark.shared_data
def test_opens_real_airports(spark: SparkSession, shared_data: Path) -> None:
    columns = "airport_id,name,city,country,iata,icao,latitude,longitude,altitude,timezone,dst,tz,type,source"
    for escape in ('"', "\\"):
        options = {"header": "false", "escape": escape, "null_value": "\\N", "columns": columns}
        counts = []
        for name in ("airports_2018-12-27.dat.gz", "airports_2019-05-10.dat.gz"):
            table = open_table(spark, f"csv:{shared_data}/openflights/{name}", options, side="source")
            counts.append(table.rows.count())
            assert table.blockers == ()
            assert ("csv_doubled_quotes" in [f.class_ for f in table.findings]) == (escape == "\\")
        assert counts == [7543, 7698]
