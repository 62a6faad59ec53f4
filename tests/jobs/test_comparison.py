"""What `compare` gives back: lists, files, and how it shows itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from jobs.compare import compare
from jobs.comparison import Comparison, write_whole
from schemas.errors import ConfigError


@pytest.fixture(scope="module")
def outcome(spark: SparkSession) -> Comparison:
    source = spark.sql("SELECT * FROM VALUES (1, '<b>x</b>', array(1)), (2, 'b', array(2)), (5, 'gone', NULL) AS t(id, name, list)")
    target = spark.sql("SELECT * FROM VALUES (1, '<i>x</i>', array(1)), (2, 'b', array(3)), (6, 'new', NULL) AS t(id, name, list)")
    return compare(source, target, keys=["id"])


def test_attributes_are_those_of_the_document(outcome: Comparison) -> None:
    assert (outcome.verdict, outcome.exit_code) == (outcome.result.verdict, outcome.result.exit_code) == ("FAIL", 1)
    assert outcome.counts is outcome.result.counts and outcome.columns is outcome.result.columns
    assert outcome.explain() == outcome.result.explanations
    assert outcome.coverage.rows == 1


def test_lists(outcome: Comparison) -> None:
    cells = sorted((row.id, row.row_class, row.column or "", row.source_value, row.target_value) for row in outcome.diffs().collect())
    assert cells == [
        (1, "changed", "name", "<b>x</b>", "<i>x</i>"),
        (2, "changed", "list", "[2]", "[3]"),
        (5, "missing", "", None, None),
        (6, "extra", "", None, None),
    ]
    assert [tuple(row) for row in outcome.missing().collect()] == [(5, "gone", None)]
    assert outcome.extra().schema["list"].dataType.simpleString() == "array<int>"


def test_json_on_disk_is_the_json_in_memory(outcome: Comparison, tmp_path: Path) -> None:
    text = outcome.to_json(tmp_path / "out.json")
    assert (tmp_path / "out.json").read_text(encoding="utf-8") == text
    assert json.loads(text) == outcome.to_dict()
    assert not list(tmp_path.glob(".*"))


def test_html_holds_no_markup_of_the_data(outcome: Comparison, tmp_path: Path) -> None:
    page = outcome.to_html(tmp_path / "out.html").read_text(encoding="utf-8")
    assert "<b>x</b>" not in page and "&lt;b&gt;x&lt;/b&gt;" in page
    assert "FAIL" in page
    assert "http://" not in page.replace("http://www.w3.org/", "") and "<script src" not in page


def test_notebook_and_markdown_show_the_verdict(outcome: Comparison) -> None:
    assert "FAIL" in outcome._repr_html_() and "FAIL" in outcome.to_markdown()


def test_a_folder_that_is_not_there_is_an_error(outcome: Comparison, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Cannot write"):
        outcome.to_json(tmp_path / "nowhere" / "out.json")
    with pytest.raises(ConfigError, match="Cannot write"):
        write_whole(tmp_path, "text")
    assert not list(tmp_path.glob(".*"))
