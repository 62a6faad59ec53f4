"""JSON as the exact text in the file."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from connectors import OpenedTable, open_table
from schemas.errors import UnreadableDataError


@pytest.fixture
def opened(spark: SparkSession, tmp_path: Path) -> Callable[..., OpenedTable]:
    def opened(content: bytes, **options: str) -> OpenedTable:
        (tmp_path / "a.json").write_bytes(content)
        return open_table(spark, f"json:{tmp_path}", options, side="source")

    return opened


def values(table: OpenedTable, column: str) -> list[str | None]:
    return sorted((row[column] for row in table.rows.collect()), key=repr)


def test_numbers_keep_their_digits(opened: Callable[..., OpenedTable]) -> None:
    table = opened(
        b'{"a":1.0}\n{"a":1e3}\n\n{"a":12345678901234567890.10}\n{"a":"1.0"}\n{"a":true}\n{"a":null}\n{"b":1}\n{"a":"\\u00e9\\n"}\n'
    )

    assert values(table, "a") == sorted(["1.0", "1e3", "12345678901234567890.10", "1.0", "true", None, None, "é\n"], key=repr)
    assert table.rows.count() == 8
    assert table.text_columns == {"a", "b"}
    assert table.nested_text_columns == frozenset()


def test_nested_values_are_their_own_text(opened: Callable[..., OpenedTable]) -> None:
    table = opened(b'{"a":{"x": 1.00, "y":[1 , 2]},"b":[],"c":{},"d":"{}","A":1}\n')

    assert table.rows.columns == ["A", "a", "b", "c", "d"]
    assert [tuple(row) for row in table.rows.collect()] == [("1", '{"x": 1.00, "y":[1 , 2]}', "[]", "{}", "{}")]
    assert table.nested_text_columns == {"a", "b", "c"}


def test_packed_lines_keep_their_digits_and_packed_files_of_several_lines_are_refused(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "a.json.gz").write_bytes(gzip.compress(b'{"a":1.00,"b":{"c": 1.00}}\n'))

    table = open_table(spark, f"json:{tmp_path}", {}, side="source")

    assert [tuple(row) for row in table.rows.collect()] == [("1.00", '{"c": 1.00}')]
    with pytest.raises(UnreadableDataError, match="packed"):
        open_table(spark, f"json:{tmp_path}", {"multiline": "true"}, side="source")


@pytest.mark.parametrize("content", [b'[{"a":1.00},\n {"b":"x"}]', b'{"a":1.00,\n "b":"x"}\n'])
def test_values_over_several_lines(opened: Callable[..., OpenedTable], content: bytes) -> None:
    table = opened(content, multiline="true")

    assert table.rows.columns == ["a", "b"]
    assert set(values(table, "a")) <= {"1.00", None}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        pytest.param(b'{"a":1}\n{"a":', "one JSON object per line", id="cut"),
        pytest.param(b'{"a":1}{"a":2}\n', "after the end", id="two on a line"),
        pytest.param(b'{"a":1},0]\n', "after the end", id="rubbish after it"),
        pytest.param(b'[{"a":1},{"a":2}]\n', "one JSON object per line", id="array"),
        pytest.param(b"5\n", "one JSON object per line", id="number"),
        pytest.param(b'{"a":1,"a":2}\n', "the same name twice", id="name twice"),
        pytest.param(b'{"a":"\xff"}\n', "not UTF-8", id="bytes that are no text"),
        pytest.param(b'{"a":"\\ud800x"}\n', "surrogate", id="half a pair"),
        pytest.param(b'{"a":"x\\\\\\uDC00"}\n', "surrogate", id="the other half"),
        pytest.param(b'{"a":NaN}\n', "one JSON object per line", id="NaN"),
    ],
)
def test_refuses_with_the_file_named(opened: Callable[..., OpenedTable], content: bytes, says: str) -> None:
    with pytest.raises(UnreadableDataError, match=says) as caught:
        opened(content).rows.collect()

    assert "a.json" in str(caught.value)


@pytest.mark.parametrize(("content", "value"), [(b'{"a":"\\ud83d\\ude00"}', "😀"), (b'{"a":"x\\\\ud800"}', "x\\ud800")])
def test_whole_pairs_and_escaped_backslashes_are_text(opened: Callable[..., OpenedTable], content: bytes, value: str) -> None:
    assert values(opened(content), "a") == [value]


def test_repeated_names_inside_an_array_of_objects_are_seen(opened: Callable[..., OpenedTable]) -> None:
    with pytest.raises(UnreadableDataError, match="the same name twice"):
        opened(b'[{"a":1,"a":2}]', multiline="true")
