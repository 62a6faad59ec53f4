import base64
import hashlib
import json
import os
import re
import subprocess
import sys
import zipfile
from html.parser import HTMLParser
from pathlib import Path

import pytest
import report_documents

import reports
from reports.html import render
from reports.notebook import render as render_notebook

VOID = {"meta", "br", "wbr", "input", "rect", "circle", "path"}
TAGS = """html head meta title style body div main header svg circle path rect g text tspan h1 h2 h3 span dl dt dd section ol li b p pre
button table thead tbody tr th td details summary bdi br wbr code input select option mark article footer script small"""
EXPECTED_TAGS = set(TAGS.split())


class Page(HTMLParser):
    """Collects tags and attributes and checks nesting."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.data, self._open = [], [], {}, []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in VOID:
            self._open.append(tag)
        self.data.setdefault(tag, []).append("")

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        if self._open:
            self.data[self._open[-1]][-1] += data


def test_nothing_is_fetched(any_report):
    for text in (render(any_report), render_notebook(any_report)):
        names = {name for _, name, _ in Page(text).attributes}
        assert names.isdisjoint({"src", "href", "srcset", "action", "formaction", "data", "poster", "xlink:href", "background", "style"})
        assert {name for name in names if name.startswith("on")} == set()
        assert not re.search(r"url\(|@import|fetch\(|XMLHttpRequest|WebSocket|import\(", text)


def test_pages_without_hostile_values_name_no_address():
    for name in set(report_documents.ALL) - {"hostile"}:
        assert not re.search(r"(?:https?:)?//(?!www\.w3\.org)[a-z]", render(report_documents.ALL[name]()))


def test_values_never_become_markup(any_report):
    page = Page(render(any_report))

    assert set(page.tags) <= EXPECTED_TAGS
    assert page.tags.count("script") == 2
    assert Page(render_notebook(any_report)).tags.count("script") == 0


def test_a_script_as_a_value_stays_text():
    text = render(report_documents.hostile())

    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)" in text


def test_invisible_characters_are_shown(any_report):
    for text in (render(any_report), render_notebook(any_report)):
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\xa0\xad\u200b-\u200f\u2028-\u202e\u2060-\u2069\ud800-\udfff\ufeff\ufe0f]", text)
        text.encode("utf-8")


def test_templates_are_not_read_in_values():
    assert "{{ 7 * 7 }}" in Page(render(report_documents.hostile())).data["span"] or "{{ 7 * 7 }}" in render(report_documents.hostile())


def test_the_policy_allows_exactly_the_style_and_script_of_the_page(any_report):
    page = Page(render(any_report))
    (policy,) = [value for tag, name, value in page.attributes if tag == "meta" and name == "content" and "default-src" in value]

    def digest(text):
        return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()

    assert policy == (
        f"default-src 'none'; style-src '{digest(page.data['style'][0])}'; script-src '{digest(page.data['script'][1])}';"
        " base-uri 'none'; form-action 'none'"
    )


def test_the_embedded_document_is_the_document_of_json(any_report):
    embedded = Page(render(any_report)).data["script"][0]

    assert json.loads(embedded) == any_report.result.document()
    assert not re.search("[<>&\u2028\u2029]", embedded)


@pytest.mark.parametrize("name", ["sampled", "inconclusive", "rules", "fail"])
def test_only_a_pass_looks_like_a_pass(name):
    page = Page(render(report_documents.ALL[name]()))
    banners = [value for tag, attribute, value in page.attributes if tag == "header" and attribute == "class"]
    signs = [value for tag, attribute, value in page.attributes if attribute == "aria-label"][1]

    assert "PASS" not in banners[0].split()
    assert signs != "PASS"


def test_the_equations_are_shown_and_one_that_does_not_hold_is_called_out():
    data = report_documents.failed()
    counts = data.result.counts.model_copy(update={"matched": 592_569})
    broken = report_documents.ReportData(data.result.model_copy(update={"counts": counts}))

    assert "✗" not in render(data) and render(data).count("✓ adds up") == 2
    assert render(broken).count("✗ does not add up") == 2


def test_ids_are_unique_and_labels_point_at_them(any_report):
    page = Page(render(any_report))
    ids = [value for _, name, value in page.attributes if name == "id"]

    assert len(ids) == len(set(ids))
    assert {value for _, name, value in page.attributes if name in {"aria-labelledby", "data-copy"}} <= set(ids)


def test_a_100_kb_value_costs_a_few_hundred_bytes():
    assert len(render(report_documents.hostile())) < 500_000


def test_two_renderings_are_the_same_bytes(any_report):
    assert render(any_report) == render(any_report)


def contrast(one, other):
    def light(colour):
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    high, low = sorted((light(one), light(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_colours_have_the_contrast_of_wcag_aa():
    style = (Path(reports.__file__).parent / "templates" / "report.css").read_text()
    blocks = [
        dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", block)) for block in re.findall(r"color-scheme: (?:light|dark);(.*?)}", style, re.S)
    ]
    pairs = [
        ("ink", "page"),
        ("quiet", "page"),
        ("quiet", "card"),
        ("ink", "code"),
        ("changed", "changed-tint"),
        ("changed-target", "changed-target-tint"),
    ]
    pairs += [(name, tint) for name in ("pass", "rules", "sampled", "fail", "inconclusive") for tint in (f"{name}-tint", "page")]
    pairs += [("ink", f"{name}-tint") for name in ("pass", "rules", "sampled", "fail", "inconclusive")]

    assert len(blocks) == 4
    assert blocks[1] == blocks[2], "dark by preference and dark by choice are the same"
    low = [(a, b) for block in blocks[:3] for a, b in pairs if contrast(block[a], block[b]) < 4.5]
    assert low == []


def test_it_works_from_inside_a_zip(tmp_path):
    root = Path(reports.__file__).parents[1]
    archive = tmp_path / "parity.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for package in ("reports", "schemas"):
            for file in (root / package).rglob("*"):
                if file.is_file() and "__pycache__" not in file.parts:
                    packed.write(file, file.relative_to(root))
    code = "import report_documents as d, reports, reports.html as h, reports.notebook as n; h.render(d.failed()), n.render(d.failed())"
    code += "; print(reports.__file__)"
    path = os.pathsep.join([str(archive), str(Path(__file__).parent)])

    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": path}, cwd=tmp_path, capture_output=True, text=True
    )

    assert done.returncode == 0, done.stderr
    assert "parity.zip" in done.stdout


def test_names_break_after_an_underscore_and_lone_rows_take_one_line():
    text = render(report_documents.failed_many())

    assert '<span class="tag">trailing_<wbr>blanks</span>' in text
    assert re.search(r'id=</span><span class="value ">9001</span> · <span class="quiet">email=</span>', text)
    assert "white-space: pre-wrap" in re.search(r"\.evidence dd {.*}", text)[0]
    assert "overflow-wrap: anywhere" not in re.search(r"\.tag {.*}", text)[0]


def test_later_rows_are_hidden_on_screen_only_and_only_by_the_script():
    text = render(report_documents.failed())

    assert '<button type="button" id="show-all" class="needs-js more" hidden>' in text
    assert 'class="later"' not in text
    assert re.search(r"@media screen {[^@]*tbody\.later { display: none; } }", text)


def test_rows_of_every_kind_come_first():
    kinds = re.findall(r'<tbody data-class="(\w+)"', render(report_documents.failed()))

    assert set(kinds[:3]) == {"changed", "missing", "multiplicity"} and len(kinds) > 30
