"""The page of a migration: what is wrong comes first, with what to do about it."""

from __future__ import annotations

import re
from dataclasses import replace

from reports.migration_page import Fault, MigrationPage, TableRow, render_migration

_GOOD = TableRow(
    "customer", "customer", "PASS", 15_000, 15_000, 0, 1_290_000, 1, 2.0, ("All is equal.",), report="comparisons/customer.html"
)
_BAD = TableRow(
    "lineitem",
    "lineitem",
    "FAIL",
    600_572,
    600_565,
    4_100,
    38_000_000,
    2,
    8.0,
    ("file:/lake/x.parquet was changed after it was published.",),
    differs="l_shipped_at in 3,402 rows, 7 rows missing",
    causes=(("81.2 %", "In l_shipped_at the target is two hours earlier."),),
    damaged=True,
    report="comparisons/lineitem.html",
)
_UNKNOWN = TableRow("orders", "orders", "INCONCLUSIVE", 0, 0, 0, 0, 0, 0.0, ("orders.at holds infinity.",), remedy="Name a rule for text.")
_PAGE = MigrationPage(
    verdict="FAIL",
    source="postgres://reader@db/shop",
    schema="tpch",
    target="file:/lake",
    pin="PostgreSQL snapshot 7:7:",
    plan_sha256="d" * 64,
    result_sha256="e" * 64,
    seconds=71.3,
    tables=(_GOOD, _BAD, _UNKNOWN),
    resume=("parity", "run", "shop/plan.json", "--workdir", "shop", "--resume"),
)


def _text(page: MigrationPage) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", render_migration(page).partition("<main>")[2]).split())


def test_the_sentence_names_what_is_wrong_before_what_is_right() -> None:
    told = "lineitem differs from the source; of orders it is not known; 1 of 3 tables in the target hold what the source held."
    assert _PAGE.sentence == told
    many = replace(_PAGE, tables=tuple(replace(_BAD, name=f"t{number}") for number in range(6)))
    assert many.sentence.startswith("t0, t1, t2 and 3 more differ from the source; 0 of 6 tables")


def test_the_worst_table_stands_first_with_why_and_a_link() -> None:
    text, html = _text(_PAGE), render_migration(_PAGE)
    assert text.index("lineitem Fail 600,572 600,565 4,100") < text.index("orders Inconclusive") < text.index("customer Pass")
    for told in ("was changed after it was published", "l_shipped_at in 3,402 rows, 7 rows missing", "81.2 % In l_shipped_at"):
        assert told in text
    assert html.count('href="comparisons/lineitem.html"') == 2
    assert "All is equal." not in text


def test_each_kind_of_trouble_has_its_own_advice() -> None:
    assert [step.title for step in _PAGE.advice] == ["Load lineitem again", "orders was not loaded"]
    assert "parity run shop/plan.json --workdir shop --resume" in _text(_PAGE)
    assert "Name a rule for text." in _text(_PAGE)
    other = replace(_PAGE, tables=(replace(_BAD, damaged=False), replace(_UNKNOWN, report="x.html")), questions=(("a", "Which?"),))
    titles = ["Read the report of lineitem", "Read the report of orders", "Answer 1 open question of the plan"]
    assert [step.title for step in other.advice] == titles
    assert [step.title for step in replace(_PAGE, tables=(_GOOD,)).advice] == ["Nothing to do"]


def test_a_finding_that_stands_with_its_table_is_not_told_twice_and_notes_are_folded() -> None:
    findings = (Fault("CRITICAL", "lineitem", _BAD.why[0]), Fault("MEDIUM", "orders", "Could write."), Fault("INFO", "a.b", "One value."))
    page = replace(_PAGE, findings=findings)
    assert ([one.text for one in page.grave], [one.text for one in page.quiet]) == (["Could write."], ["One value."])
    assert _text(page).count(_BAD.why[0]) == 1
    assert "<summary>1 note</summary>" in render_migration(page)


def test_names_of_a_source_are_text_and_nothing_else() -> None:
    page = replace(_PAGE, schema="<script>x</script>", tables=(replace(_BAD, name="<b>t</b>", causes=(("1 %", "<i>"),)),))
    html = render_migration(page)
    assert not re.search(r"<script|<b>t|<i>", html)
