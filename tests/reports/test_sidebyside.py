import random

import pytest
from report_documents import HOSTILE_VALUES

from reports.escape import ascii_only, json_for_script, pieces, plain
from reports.model import SampleCell
from reports.sidebyside import pair


def shown(source, target, **more):
    both = pair(SampleCell("c", "value", source, target, **more))
    return tuple("".join(f"[{piece.text}]" if piece.changed else piece.text for piece in side) for side in (both.source, both.target))


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        pytest.param("0.04", "0.0", ("0.0[4]", "0.0"), id="one digit lost"),
        pytest.param("a", "a  ", ("a", "a[··]"), id="trailing blanks"),
        pytest.param("a\tb", "a b", ("a[⇥]b", "a[·]b"), id="tab and blank"),
        pytest.param("é", "e\u0301", ("[é]", "[e][U+0301]"), id="composed and decomposed"),
        pytest.param("a\u00a0b", "a b", ("a[U+00A0]b", "a[·]b"), id="no-break space"),
        pytest.param("ab", "a\u200bb", ("ab", "a[U+200B]b"), id="zero width"),
        pytest.param("2024-07-01", "2024-07-02", ("2024-07-0[1]", "2024-07-0[2]"), id="date"),
        pytest.param("abc", "xyz", ("[abc]", "[xyz]"), id="nothing in common"),
        pytest.param("", None, ("empty", "NULL"), id="empty is not null"),
        pytest.param("aXbcdefgYh", "aUbcdefgVh", ("a[X]bcdefg[Y]h", "a[U]bcdefg[V]h"), id="two places"),
    ],
)
def test_differing_characters_are_found(source, target, expected):
    assert shown(source, target) == expected


def test_a_look_alike_is_told_by_name():
    assert pair(SampleCell("c", "value", "Маier", "Maier")).note.startswith("U+041C CYRILLIC CAPITAL LETTER EM")


@pytest.mark.parametrize(
    ("source", "target", "note"),
    [
        ("4", "5", ""),
        ("a4 ", "a5", ""),
        ("0.04", "0.0", ""),
        ("ab", "ab  ", "nothing → U+0020 SPACE"),
        ("a\u200bb", "ab", "U+200B ZERO WIDTH SPACE → nothing"),
        ("Мay", "May", "U+041C CYRILLIC CAPITAL LETTER EM → M"),
    ],
)
def test_only_characters_that_the_eye_mistakes_are_named(source, target, note):
    assert pair(SampleCell("c", "value", source, target)).note == note


def test_a_kind_of_difference_is_named_once_in_a_report():
    told = set()
    notes = [pair(SampleCell("c", "value", "ab", target), told).note for target in ("ab ", "ab  ", "ab\u200b")]

    assert notes == ["nothing → U+0020 SPACE", "", "nothing → U+200B ZERO WIDTH SPACE"]


def test_masked_values_are_placeholders_and_not_compared():
    assert shown("hash:1", "hash:2", masked=True) == ("hash:1", "hash:2")


@pytest.mark.parametrize("source", HOSTILE_VALUES)
def test_long_and_hostile_values_stay_short_and_printable(source):
    for target in (source + "!", source[1:], source[: len(source) // 2] + "?" + source[len(source) // 2 :], None):
        for text in shown(source, target):
            assert len(text) < 1_200
            assert all(char.isprintable() for char in text)


def test_the_runs_put_together_are_the_values():
    generator = random.Random(7)
    for _ in range(300):
        source, target = ("".join(generator.choice("abcdé") for _ in range(generator.randrange(1, 40))) for _ in range(2))
        both = pair(SampleCell("c", "value", source, target))
        assert "".join(piece.text for piece in both.source) == source
        assert "".join(piece.text for piece in both.target) == target


def test_what_is_not_marked_is_equal_on_both_sides():
    generator = random.Random(8)
    for _ in range(300):
        source, target = ("".join(generator.choice("ab01") for _ in range(generator.randrange(1, 30))) for _ in range(2))
        both = pair(SampleCell("c", "value", source, target))
        left, right = ("".join(piece.text for piece in side if not piece.changed) for side in (both.source, both.target))
        assert left == right


def test_every_character_can_be_seen():
    for code in (*range(0x0, 0x3000), *range(0xD7F0, 0x11000), *range(0xE0000, 0xE0200)):
        char = chr(code)
        assert all(piece.text.isprintable() for piece in pieces(char, changed=True)), hex(code)
        assert plain(char, lines=False).isprintable(), hex(code)
        assert ascii_only(plain(char)).isascii(), hex(code)


def test_embedded_json_cannot_end_its_script():
    assert json_for_script({"a": "</script><!--&\u2028"}) == '{"a":"\\u003c/script\\u003e\\u003c!--\\u0026\\u2028"}'
