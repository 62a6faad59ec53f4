import html
import io

import pytest
from report_documents import column, result
from rich.console import Console

from reports.advice import steps
from reports.causes import about_cells, entries, label
from reports.html import render as render_html
from reports.markdown import render as render_markdown
from reports.model import ReportData
from reports.notebook import render as render_notebook
from reports.summary import headline
from reports.terminal import render as render_terminal
from schemas.verdict import Counts, Explanation, Fix


def explained(cause, statement, share=0.5, **more):
    given = {"role": "mechanism", "row_classes": ("changed",), "fix": Fix(kind="investigate", text="look")} | more
    return Explanation(cause=cause, statement=statement, share=share, **given)


def place(condition="country is 'DE'", **more):
    return explained("value_cluster", "In 5 of 7 changed rows country is 'DE'.", role="place", condition=condition, **more)


def failed(*explanations, missing=0, extra=0, columns=("iata", "icao"), **more):
    counts = Counts(source_rows=90 + missing, target_rows=90 + extra, matched=60, changed=30, missing=missing, extra=extra)
    found = tuple(column(name, "text", changed=5, classes={"value": 5}) for name in columns)
    return ReportData(result("FAIL", counts, columns=found, explanations=explanations), **more)


def test_a_cause_is_labelled_with_its_columns():
    assert label(explained("null_filled", "NULL became text.", columns=("iata", "icao"))) == "iata, icao: null_filled"
    assert label(explained("lost_rows", "Rows are lost.", role="rest", row_classes=("missing",))) == "lost_rows"


@pytest.mark.parametrize(
    ("role", "classes", "expected"),
    [
        pytest.param("mechanism", ("changed",), True, id="cells"),
        pytest.param("mechanism", ("changed", "missing", "extra"), False, id="moved keys"),
        pytest.param("mechanism", ("extra",), False, id="copies"),
        pytest.param("place", ("changed",), False, id="a place"),
        pytest.param("rest", ("changed",), False, id="no pattern"),
        pytest.param("refuted", (), False, id="refuted"),
    ],
)
def test_only_a_mechanism_of_changed_rows_is_about_cells(role, classes, expected):
    assert about_cells(explained("x", "Something happened.", role=role, row_classes=classes)) is expected


def test_alternatives_stand_with_the_one_they_point_to_whatever_its_name():
    first = explained("trim", "In iata blanks went.", columns=("iata",))
    second = explained("trim", "In icao blanks went.", 0.3)
    also = [explained(name, "In icao blanks went.", 0.3, alternative_to=1) for name in ("trim_both", "inner_blanks")]
    chained = explained("casefold", "In icao case went.", 0.2, alternative_to=3)
    lonely = explained("nfc", "In icao form.", 0.1)
    told = entries(failed(first, second, *also, chained, lonely).result)

    assert [(entry.explanation.share, entry.also) for entry in told] == [
        (0.5, ()),
        (0.3, ("trim_both", "inner_blanks", "casefold")),
        (0.1, ()),
    ]


@pytest.mark.parametrize(
    ("share", "words", "clause"),
    [
        (1.0, "All in rows where country is 'DE'.", "(probably values were rounded, all where country is 'DE')"),
        (0.96, "Nearly all (96.00 %) in rows where country is 'DE'.", "(probably values were rounded, nearly all where country is 'DE')"),
    ],
)
def test_the_place_of_a_cause_stands_in_its_entry_in_every_report_and_in_the_headline(share, words, clause):
    rounded = explained("rounding", "In qty values were rounded. Explains 9 of 9.", 0.9, place=1, place_share=share)
    data = failed(rounded, place(), columns=("qty",))
    shown = io.StringIO()
    render_terminal(data, Console(file=shown, width=120))

    assert [entry.where for entry in entries(data.result)] == [words, ""]
    assert clause in headline(data)
    for report in (render_html(data), render_notebook(data), render_markdown(data), shown.getvalue()):
        folded = " ".join(html.unescape(report).split())
        assert f"In qty values were rounded. Explains 9 of 9. {words}" in folded


def test_the_headline_tells_the_cause_of_a_place_that_explains_most():
    rounded = explained("rounding", "In qty values were rounded.", 0.8, place=0, place_share=1.0)
    rare = explained("case", "In qty case went.", 0.1, place=0, place_share=1.0)

    assert "(probably values were rounded, all where country is 'DE')" in headline(failed(place(), rounded, columns=("qty",)))
    assert "probably" not in headline(failed(place(), rare, columns=("qty",)))


def test_a_place_too_long_for_the_headline_is_left_to_the_entry():
    condition = f"country is '{'long ' * 20}'"
    rounded = explained("rounding", "In qty values were rounded.", 0.9, place=1, place_share=1.0)
    data = failed(rounded, place(condition), columns=("qty",))

    assert "(probably values were rounded)" in headline(data)
    assert condition in entries(data.result)[0].where


def test_alternatives_are_one_line_in_every_report():
    data = failed(explained("trim", "In iata blanks went."), explained("pad", "In iata padding went.", 0.5, alternative_to=0))
    html, markdown = render_html(data), render_markdown(data)

    assert html.count('<article class="cause') == 1 and "the same rows fit also: pad" in html
    assert "In iata padding went." not in markdown and "The same rows fit also: pad" in markdown


def test_the_chart_has_a_bar_per_cause_with_its_own_exact_share():
    data = failed(
        explained("null_filled", "In iata NULL became text.", 0.185711, columns=("iata",)),
        explained("null_filled", "In icao NULL became text.", 0.0719, columns=("icao",)),
        explained("pad", "In icao padding went.", 0.0719, alternative_to=1, columns=("icao",)),
        explained("trim", "trim in iata: no pair", 0.0, role="refuted", row_classes=()),
    )
    page = render_html(data)
    chart = page[page.index("Differences by hypothesis") : page.index("</svg>", page.index("Differences by hypothesis"))]

    assert "iata: null_filled: 18.57 %; icao: null_filled: 7.19 %" in chart
    assert "pad" not in chart and chart.count("chart-bar") == 2


def test_a_cause_of_cells_only_is_not_shown_as_refuted():
    page = render_html(
        failed(explained("case", "In iata case went.", 0.0), explained("trim", "no pair", 0.0, role="refuted", row_classes=()))
    )

    assert page.count('<article class="cause">') == page.count('<article class="cause refuted">') == 1


def test_the_headline_guesses_a_cause_of_cells_only():
    def said(cause, statement, **more):
        return headline(failed(explained(cause, statement, 0.9, **more), missing=2, columns=("qty",)))

    assert "30 in column qty (probably values were rounded), 2 rows missing." in said("rounding", "In qty values were rounded. Explains 9.")
    for cause, statement, more in (
        ("lost_rows", "In the target rows are lost without a pattern.", {"role": "rest", "row_classes": ("missing",)}),
        ("isolated_change", "In qty values changed without a pattern, as real changes of the data do.", {"role": "rest"}),
        ("value_cluster", "In 5 of 7 changed rows iata is A: one part of the load is affected.", {"role": "place"}),
        ("rounding", f"In qty values were {'very ' * 30} rounded.", {}),
    ):
        assert "probably" not in said(cause, statement, **more) and "characters)" not in said(cause, statement, **more)


def test_lone_rows_and_grave_columns_without_a_cause_get_a_step():
    severities = (("a", "CRITICAL"), ("b", "HIGH"), ("c", "CRITICAL"), ("d", "LOW"), ("e", "HIGH"))
    names = ("a", "b", "c", "d", "e")
    rounded = explained("rounding", "In c values were rounded.", 0.6, columns=("c",))
    titles = [step.title for step in steps(failed(rounded, missing=2, extra=1, columns=names, severities=severities))]

    assert titles[:5] == [
        "In c values were rounded",
        "Look at the 2 missing rows: no cause was found",
        "Look at the extra row: no cause was found",
        "Look at the 5 changed cells of a: no cause was found",
        "Look at the 5 changed cells of b: no cause was found",
    ]
    assert not any("of e" in title for title in titles)


def test_a_rare_cause_is_a_step_when_it_is_of_lone_rows_or_of_a_grave_column():
    common = [explained(f"c{n}", f"In x{n} values changed somehow.", 0.2) for n in range(3)]
    lost = explained("lost_rows", "In the target rows are lost.", 0.01, role="rest", row_classes=("missing",))
    grave = explained("rounding", "In qty values were rounded.", 0.0, columns=("qty",))
    data = failed(*common, lost, grave, missing=2, columns=("x0", "x1", "x2", "qty"), severities=(("qty", "CRITICAL"),))
    found = steps(data)

    assert [step.title for step in found[3:5]] == ["In the target rows are lost", "In qty values were rounded"]
    assert not any("no cause was found" in step.title for step in found)
