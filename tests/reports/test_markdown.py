import re

import report_documents

from reports.markdown import render

MARKUP = re.compile(r"</?(?:code|b|br|details|summary|sub)>")


def outside_of_code_blocks(text):
    return re.sub(r"^ *```.*?^ *```$", "", text, flags=re.S | re.M)


def test_only_our_own_tags_are_tags(any_report):
    assert set(re.findall(r"<[^>]*>?", outside_of_code_blocks(render(any_report)))) - set(MARKUP.findall(render(any_report))) == set()


def test_hostile_values_make_no_link_mention_image_or_issue():
    text = outside_of_code_blocks(render(report_documents.hostile()))

    assert not re.search(r"://|www\.|@[a-z]|!\[|\]\(|`|#[0-9](?!\d*;)", text)


def test_every_table_row_has_the_cells_of_its_heading(any_report):
    for table in re.findall(r"(?:^\|.*\|$\n?)+", outside_of_code_blocks(render(any_report)), re.M):
        widths = {line.count("|") for line in table.strip().splitlines()}
        assert len(widths) == 1


def test_no_control_characters(any_report):
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\ud800-\udfff\ufeff]", render(any_report))


def test_a_code_block_cannot_be_left():
    data = report_documents.failed()
    (first, *others) = data.result.explanations
    fix = first.fix.model_copy(update={"text": "```\n# out\n````\n"})
    result = data.result.model_copy(update={"explanations": (first.model_copy(update={"fix": fix}), *others)})

    assert "   `````\n   ```\n   # out\n   ````\n   `````" in render(report_documents.ReportData(result))


def test_it_starts_with_the_sentence_and_fits_into_a_comment(any_report):
    text = render(any_report)

    assert text.startswith("### ")
    assert len(text) < 65_536


def test_a_sample_states_its_bound_and_has_no_green_sign():
    text = render(report_documents.sampled())

    assert text.startswith(
        "### 🔶 SAMPLED PASS: no difference in 9,400 sampled rows of 600,572: at most 3/9,400 = 0.0320 % of the rows differ"
    )
    assert "✅" not in text


def test_each_rule_is_listed_with_its_rows():
    text = render(report_documents.with_rules())

    for column, rule, rows in (("l_comment", "rtrim", "12,000"), ("l_extendedprice", "abs:0.01", "412"), ("l_comment", "nfc", "0")):
        assert f"| <code>{column}</code> | <code>{rule}</code> | {rows} |" in text
