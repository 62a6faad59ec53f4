import io
import re
import unicodedata

import pytest
import report_documents
from rich.cells import cell_len
from rich.console import Console

from reports.html import render as render_html
from reports.markdown import render as render_markdown
from reports.model import ReportData, SampleCell, SampleRow
from reports.terminal import render, render_error
from schemas.contract import Contract
from schemas.verdict import Counts, ErrorDocument


def printed(data, width=80, limit=20, encoding="utf-8", **console):
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding, newline="")
    render(data, Console(file=file, width=width, **console), limit=limit)
    file.flush()
    return raw.getvalue().decode(encoding)


@pytest.mark.parametrize("width", [40, 80, 120, 200])
def test_no_line_is_wider_than_the_terminal(any_report, width):
    lines = printed(any_report, width).splitlines()
    wrapped = [line for line in lines if "parity compare" not in line and not line.rstrip().endswith("\\") and "delta:/" not in line]

    assert [line for line in wrapped if cell_len(line) > width] == []


def test_no_control_character_is_sent_to_a_pipe(any_report):
    sent = printed(any_report).replace("\n", "")

    assert [char for char in sent if unicodedata.category(char) in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}] == []


def test_a_terminal_gets_no_escape_sequence_but_colours(any_report):
    sent = re.sub(r"\x1b\[[0-9;]*m", "", printed(any_report, force_terminal=True, color_system="truecolor"))

    assert [char for char in sent.replace("\n", "") if unicodedata.category(char) in {"Cc", "Cf", "Cs"}] == []


def test_no_color_is_respected(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")

    sent = printed(report_documents.failed(), force_terminal=True, color_system="truecolor")

    assert re.findall(r"\x1b\[(?:[0-9;]*;)?(?:3[0-7]|4[0-7]|38|48|9[0-7])[;m]", sent) == []


def test_an_ascii_pipe_gets_ascii(any_report):
    assert printed(any_report, encoding="ascii").isascii()


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("pass", "✓ PASS: all 600,572 rows are equal in all 16 columns, on pinned inputs."),
        (
            "fail",
            "✗ FAIL: 8,003 of 600,573 rows differ: 8,000 in column l_tax (probably rounded to 1 digit in the target),"
            " 2 rows missing, 1 doubled.",
        ),
        ("sampled", "~ SAMPLED PASS: no difference in 9,400 sampled rows of 600,572: at most 3/9,400 = 0.0320 % of the rows differ"),
        ("inconclusive", "? INCONCLUSIVE: equality was not proven: l_comment is a calendar interval"),
        ("rules", "✓ PASS WITH RULES: 12,400 rows of 600,572 agree only because of declared rules: l_comment by rtrim (12,000)"),
    ],
)
def test_the_verdict_comes_first_in_plain_words(name, first):
    paragraph = printed(report_documents.ALL[name]()).split("\n\n")[0].replace("\n", " ")

    assert paragraph.startswith(first)


def test_sections_come_in_the_order_of_need():
    text = printed(report_documents.failed())

    order = ["What to do", "Counts", "Coverage", "Columns that differ", "Differences", "Why, probably", "Findings", "Inputs", "Timings"]
    places = [text.index(f"\n{words}") for words in order]
    assert places == sorted(places)


def test_differing_characters_are_marked_without_styles_and_with():
    data = report_documents.failed()

    assert "0.0⟦1⟧" in printed(data)
    assert re.search(r"0\.0\x1b\[1;7m1\x1b\[0m", printed(data, force_terminal=True, color_system="standard"))


def test_null_empty_and_the_word_null_are_three_things():
    row = SampleRow("changed", (), tuple(SampleCell(f"c{n}", "value", value, "x") for n, value in enumerate([None, "", "NULL"])))
    text = printed(ReportData(report_documents.failed().result, samples=(row,)))

    assert re.search(r"c0 +<NULL> ", text) and re.search(r"c1 +<empty> ", text) and re.search(r"c2 +⟦NULL⟧ ", text)


def test_limit_bounds_the_rows_and_says_of_how_many():
    text = printed(report_documents.failed(), limit=3)

    assert "3 of 8,003" in text
    assert len(re.findall(r"^  [~+×-] ", text, re.M)) == 3
    assert "Differences" not in printed(report_documents.failed(), limit=0)


def test_commands_can_be_copied_whole():
    text = printed(report_documents.failed(), width=60)
    start = text.rindex("parity compare")
    command = re.sub(r"\\\n *", "", text[start:]).splitlines()[0]

    assert command == (
        "parity compare parquet:/data/tpch/lineitem delta:/lake/tpch/lineitem@v12 --key l_orderkey --key l_linenumber --diffs differences"
    )


def test_an_error_is_one_paragraph_with_what_to_do():
    file = io.StringIO()
    error = ErrorDocument(
        exit_code=2, code="missing_column", message="keys: t\x1b[31m has no column ïd.", object="ïd", hint="Did you mean id?"
    )

    render_error(error, Console(file=file, width=200))

    assert file.getvalue() == "error: keys: t␛[31m has no column ïd. Did you mean id?\n"


def test_without_a_key_columns_are_not_said_to_agree():
    counts = Counts(source_rows=5, target_rows=5, matched=4, missing=1, extra=1)
    data = ReportData(report_documents.result("FAIL", counts, contract=Contract(keys=())))
    equal = ReportData(report_documents.result("PASS", Counts(source_rows=5, target_rows=5, matched=5), contract=Contract(keys=())))

    for text in (printed(data), render_html(data), render_markdown(data)):
        assert re.search("Columns +were not compared one by one: there is no key", text)
        assert not re.search("no difference in 16|No difference in 16", text)
    assert "Columns  no difference in 16 columns" in printed(equal)


def test_a_note_stands_under_its_own_cell():
    cells = (SampleCell("a", "value", "x", "x "), SampleCell("b", "value", "1", "2"))
    lines = printed(ReportData(report_documents.failed().result, samples=(SampleRow("changed", (), cells),))).splitlines()
    place = next(number for number, line in enumerate(lines) if re.match(r" +a  x", line))

    assert lines[place + 1].strip() == "nothing → U+0020 SPACE"
    assert re.match(r" +b  ⟦1⟧ +→ ⟦2⟧", lines[place + 2])


def test_one_file_is_singular():
    data = report_documents.passed()
    source = data.result.inputs.source.model_copy(update={"files": 1})
    one = ReportData(data.result.model_copy(update={"inputs": data.result.inputs.model_copy(update={"source": source})}))

    for text in (printed(one), render_html(one)):
        assert "1 file" in text and not re.search(r"\b1 files", text)
