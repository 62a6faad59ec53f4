import pytest
from report_documents import column, result

from reports.advice import steps
from reports.causes import about_cells, columns_of, entries, label, row_classes
from reports.html import render as render_html
from reports.markdown import render as render_markdown
from reports.model import Bar, Breakdown, ReportData
from reports.summary import headline
from schemas.verdict import Counts, Explanation, Fix

NAMES = ("iata code", "iata", "icao", "qty", "a and b")


def explained(cause, statement, share=0.5, alternative_to=None, fix="look"):
    return Explanation(cause=cause, statement=statement, share=share, alternative_to=alternative_to, fix=Fix(kind="investigate", text=fix))


def failed(*explanations, missing=0, extra=0, columns=("iata", "icao"), **more):
    counts = Counts(source_rows=90 + missing, target_rows=90 + extra, matched=60, changed=30, missing=missing, extra=extra)
    found = tuple(column(name, "text", changed=5, classes={"value": 5}) for name in columns)
    return ReportData(result("FAIL", counts, columns=found, explanations=explanations), **more)


@pytest.mark.parametrize(
    ("cause", "statement", "columns"),
    [
        ("null_filled", "In iata and icao NULL became text. Explains 2 of 9 differing rows (22.2 %).", ("iata", "icao")),
        ("trim", "In iata code the blanks went. Explains 2 of 9 differing rows (22.2 %).", ("iata code",)),
        ("x", "In a and b values. Explains 0 of 9 rows, 3 of 4 differing cells of qty, 1 of 1 differing cells of iata code.", None),
        ("value_cluster", "In 5 of 7 missing rows iata is A, against 0 of 9 equal rows: one part of the load is affected.", ()),
        ("x", "qty is rounded.", ("qty",)),
        ("x", "Everything else.", ()),
    ],
)
def test_the_columns_of_a_cause_are_read_from_its_statement(cause, statement, columns):
    expected = ("a and b", "iata code", "qty") if columns is None else columns

    assert columns_of(explained(cause, statement), NAMES) == expected


def test_a_cause_is_labelled_with_its_columns():
    assert label(explained("null_filled", "In iata and icao NULL became text."), NAMES) == "iata, icao: null_filled"
    assert label(explained("lost_rows", "In the target rows are lost."), NAMES) == "lost_rows"


@pytest.mark.parametrize(
    ("cause", "statement", "classes"),
    [
        ("lost_rows", "In the target rows are lost.", {"missing"}),
        ("surplus_rows", "In the target rows stand there.", {"extra"}),
        ("value_cluster", "In 5 of 7 extra rows iata is A: one part.", {"extra"}),
        ("bad_partition", "In 5 of 7 changed rows iata is missing rows: one part.", set()),
        ("key_case", "In iata 4 missing and extra rows have keys that differ only in case.", {"missing", "extra"}),
        ("null_filled", "In iata missing values of rows became text.", set()),
    ],
)
def test_a_cause_knows_which_lone_rows_it_is_about(cause, statement, classes):
    assert row_classes(explained(cause, statement)) == classes
    assert about_cells(explained(cause, statement)) is (cause == "null_filled")


def test_alternatives_stand_with_the_one_of_the_same_columns():
    first = explained("trim", "In iata blanks went.")
    second = explained("trim", "In icao blanks went.", 0.3)
    also = [explained(name, "In icao blanks went.", 0.3, "trim") for name in ("trim_both", "inner_blanks")]
    chained = explained("casefold", "In icao case went.", 0.2, "trim_both")
    lonely = explained("nfc", "In icao form.", 0.1, "not_told")
    told = entries(failed(first, second, *also, chained, lonely).result)

    assert [(entry.explanation.share, entry.also) for entry in told] == [
        (0.5, ()),
        (0.3, ("trim_both", "inner_blanks", "casefold")),
        (0.1, ()),
    ]


def test_alternatives_are_one_line_in_every_report():
    data = failed(explained("trim", "In iata blanks went."), explained("pad", "In iata padding went.", 0.5, "trim"))
    html, markdown = render_html(data), render_markdown(data)

    assert html.count('<article class="cause') == 1 and "the same rows fit also: pad" in html
    assert "In iata padding went." not in markdown and "The same rows fit also: pad" in markdown


def test_the_chart_has_a_bar_per_cause_with_its_own_exact_share():
    data = failed(
        explained("null_filled", "In iata NULL became text.", 0.185711),
        explained("null_filled", "In icao NULL became text.", 0.0719),
        explained("pad", "In icao padding went.", 0.0719, "null_filled"),
        explained("trim", "trim in iata: no pair", 0.0),
        breakdowns=(Breakdown("Differences by hypothesis", "per mille of the differing rows", (Bar("null_filled", 185), Bar("pad", 71))),),
    )
    page = render_html(data)
    chart = page[page.index("Differences by hypothesis") : page.index("</svg>", page.index("Differences by hypothesis"))]

    assert "iata: null_filled: 18.57 %; icao: null_filled: 7.19 %" in chart
    assert "pad" not in chart and chart.count("chart-bar") == 2
    assert "per mille" not in page.split('<script type="application/json"')[0]


def test_the_headline_guesses_a_cause_of_cells_only():
    def said(cause, statement):
        return headline(failed(explained(cause, statement, 0.9), missing=2, columns=("qty",)))

    assert "30 in column qty (probably values were rounded), 2 rows missing." in said("rounding", "In qty values were rounded. Explains 9.")
    for cause, statement in (
        ("lost_rows", "In the target rows are lost without a pattern."),
        ("isolated_change", "In qty values changed without a pattern, as real changes of the data do."),
        ("value_cluster", "In 5 of 7 changed rows iata is A: one part of the load is affected."),
        ("rounding", f"In qty values were {'very ' * 30} rounded."),
    ):
        assert "probably" not in said(cause, statement) and "characters)" not in said(cause, statement)


def test_lone_rows_and_grave_columns_without_a_cause_get_a_step():
    severities = (("a", "CRITICAL"), ("b", "HIGH"), ("c", "CRITICAL"), ("d", "LOW"), ("e", "HIGH"))
    names = ("a", "b", "c", "d", "e")
    rounded = explained("rounding", "In c values were rounded.", 0.6)
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
    lost = explained("lost_rows", "In the target rows are lost.", 0.01)
    grave = explained("rounding", "In qty values were rounded. Explains 0 of 9 differing rows (0 %), 5 of 5 differing cells of qty.", 0.0)
    data = failed(*common, lost, grave, missing=2, columns=("x0", "x1", "x2", "qty"), severities=(("qty", "CRITICAL"),))
    found = steps(data)

    assert [step.title for step in found[3:5]] == ["In the target rows are lost", "In qty values were rounded"]
    assert not any("no cause was found" in step.title for step in found)
