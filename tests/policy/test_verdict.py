"""CONTRACT.md 4, row by row, and what must never happen whatever the facts are."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.severity import load_policy
from policy.verdict import VERDICTS, SampleFact, VerdictFacts, judge
from schemas.errors import EngineError
from schemas.policy import Policy
from schemas.verdict import EXIT_CODES, Counts, Finding, Reason, RuleCount


def counts(matched=100, matched_by_rule=0, changed=0, missing=0, extra=0, **others):
    both = matched + matched_by_rule + changed
    given = {
        "matched": matched,
        "matched_by_rule": matched_by_rule,
        "changed": changed,
        "missing": missing,
        "extra": extra,
        "source_rows": both + missing,
        "target_rows": both + extra,
    }
    return Counts(**(given | others))


def facts(**given):
    return VerdictFacts(**({"counts": counts(), "columns_required": 4, "columns_compared": 4} | given))


def finding(class_, severity="INFO", column="c"):
    return Finding.model_validate({"class": class_, "severity": severity, "column": column, "text": f"A finding about {class_}."})


def because(code):
    return Reason(code=code, text=f"The reason is {code}.")


def policy_with(**findings):
    document = json.loads(load_policy().model_dump_json(by_alias=True))
    document["findings"].update(findings)
    return Policy.model_validate(document)


EMPTY = counts(matched=0)
ONE_PERCENT = SampleFact(rate="1%", rows=100)

TABLE = [
    # any changed, missing, extra; a source column missing in the target and not excluded; type_changed
    pytest.param({"counts": counts(changed=3), "cells_changed": 4}, "FAIL", ["changed"], ["3 rows", "4 cells"], id="changed"),
    pytest.param({"counts": counts(missing=1)}, "FAIL", ["missing"], ["1 source row "], id="missing"),
    pytest.param({"counts": counts(extra=2)}, "FAIL", ["extra"], ["2 target rows"], id="extra"),
    pytest.param({"counts": counts(missing=3, multiplicity=2)}, "FAIL", ["missing", "multiplicity"], ["3", "2"], id="multiplicity"),
    pytest.param({"counts": counts(matched=0, missing=5)}, "FAIL", ["missing"], ["5"], id="five rows against none"),
    pytest.param({"counts": counts(matched=0, extra=5)}, "FAIL", ["extra"], ["5"], id="none against five rows"),
    pytest.param({"missing_columns": ("note",), "columns_compared": 3}, "FAIL", ["missing_column"], ["note"], id="missing column"),
    pytest.param({"type_changed": ("price",), "columns_compared": 3}, "FAIL", ["type_changed"], ["price"], id="type changed"),
    pytest.param(
        {"type_changed": ("a",), "columns_compared": 0, "columns_required": 1},
        "FAIL",
        ["type_changed", "nothing_compared"],
        [],
        id="only column",
    ),
    # the contract asks for unique keys
    pytest.param(
        {"counts": counts(duplicate_keys=7), "unique_keys": True}, "FAIL", ["duplicate_keys"], ["7 keys"], id="duplicates refused"
    ),
    pytest.param({"counts": counts(null_keys=1), "unique_keys": True}, "FAIL", ["null_keys"], ["1 row "], id="null keys refused"),
    # INCONCLUSIVE
    *(
        pytest.param({"unproven": (because(code),)}, "INCONCLUSIVE", [code], [code], id=code)
        for code in (
            "unhashable_column",
            "lossy_cast",
            "source_changed",
            "ambiguous_calendar",
            "unpinned",
            "hidden_files",
            "self_comparison",
        )
    ),
    pytest.param({"counts": EMPTY}, "INCONCLUSIVE", ["empty"], ["0 rows", "expect_empty"], id="zero rows on both sides"),
    pytest.param({"columns_compared": 3}, "INCONCLUSIVE", ["columns_not_compared"], ["1 of 4 columns"], id="a column skipped"),
    pytest.param({"columns_compared": 0, "columns_required": 0}, "INCONCLUSIVE", ["nothing_compared"], [], id="no column at all"),
    pytest.param(
        {"counts": EMPTY, "sample": SampleFact(rate="1/64", rows=0)},
        "INCONCLUSIVE",
        ["empty_sample", "sample"],
        ["0 rows", "1/64"],
        id="empty sample",
    ),
    pytest.param(
        {"counts": EMPTY, "sample": SampleFact(rate="1/64", rows=0), "expect_empty": True},
        "INCONCLUSIVE",
        ["empty_sample", "sample"],
        [],
        id="an empty sample proves nothing even of tables expected to be empty",
    ),
    # FAIL wins
    pytest.param(
        {"counts": counts(changed=1), "unproven": (because("lossy_cast"),)}, "FAIL", ["changed", "lossy_cast"], [], id="fail wins"
    ),
    # sample without differences
    pytest.param(
        {"counts": counts(source_rows_total=10_000, target_rows_total=10_000), "sample": ONE_PERCENT},
        "SAMPLED_PASS",
        ["sample"],
        ["1%", "100 rows of 10,000", "3/100 = 3 %", "95 %", "no gate"],
        id="sample",
    ),
    pytest.param(
        {"counts": counts(changed=1), "sample": ONE_PERCENT}, "FAIL", ["changed", "sample"], ["of the sample"], id="sample differs"
    ),
    pytest.param(
        {"counts": counts(source_rows_total=10_000, target_rows_total=9_999), "sample": ONE_PERCENT},
        "FAIL",
        ["row_totals_differ", "sample"],
        ["10,000", "9,999"],
        id="the sample agrees and the tables cannot",
    ),
    pytest.param(
        {"sample": ONE_PERCENT, "unproven": (because("unpinned"),)}, "INCONCLUSIVE", ["unpinned", "sample"], [], id="unpinned sample"
    ),
    pytest.param(
        {"sample": ONE_PERCENT, "where": "a > 1", "excluded": ("b",)},
        "SAMPLED_PASS",
        ["sample", "columns_excluded", "where"],
        ["a > 1", "b"],
        id="sample wins over rules, and both are told",
    ),
    # PASS_WITH_RULES
    pytest.param(
        {"counts": counts(matched_by_rule=4), "rules": (RuleCount(column="note", rule="rtrim", rows=4),)},
        "PASS_WITH_RULES",
        ["matched_by_rule"],
        ["4 rows", "rtrim on note (4)"],
        id="matched by rule",
    ),
    pytest.param({"excluded": ("load_ts",)}, "PASS_WITH_RULES", ["columns_excluded"], ["load_ts"], id="excluded"),
    pytest.param({"chosen": ("a", "b")}, "PASS_WITH_RULES", ["columns_chosen"], ["a, b"], id="chosen"),
    pytest.param({"chosen": ()}, "PASS_WITH_RULES", ["columns_chosen"], [], id="nothing but the key chosen"),
    pytest.param({"where": "dt > '2026'"}, "PASS_WITH_RULES", ["where"], ["dt > '2026'"], id="where"),
    pytest.param({"extra_columns": ("x",)}, "PASS_WITH_RULES", ["extra_column"], ["x"], id="extra column"),
    pytest.param(
        {"findings": (finding("extra_column", "LOW", "x"),)}, "PASS_WITH_RULES", ["extra_column"], ["x"], id="extra column by finding"
    ),
    pytest.param(
        {"cross_family_casts": ("a: text to integer",)}, "PASS_WITH_RULES", ["declared_cast"], ["text to integer"], id="declared cast"
    ),
    pytest.param({"accepted_differences": ("ticket 7",)}, "PASS_WITH_RULES", ["accepted_differences"], ["ticket 7"], id="accepted"),
    # all else proven
    pytest.param({}, "PASS", ["proven"], ["100 rows", "4 columns"], id="pass"),
    pytest.param({"counts": EMPTY, "expect_empty": True}, "PASS", ["proven_empty"], ["0 rows"], id="both empty, as expected"),
    pytest.param({"rules": (RuleCount(column="a", rule="rtrim", rows=0),)}, "PASS", ["proven"], [], id="a rule that decides no row"),
    *(
        pytest.param({"findings": (finding(class_),)}, "PASS", ["proven"], [], id=f"{class_} is a finding only")
        for class_ in (
            "widened",
            "narrowed",
            "order",
            "nullability",
            "renamed",
            "constant",
            "duplicate_keys",
            "null_keys",
            "csv_settings",
            "pad",
        )
    ),
    pytest.param({"counts": counts(duplicate_keys=7, null_keys=2)}, "PASS", ["proven"], [], id="duplicate and null keys are findings"),
    # findings that are HIGH
    pytest.param({"findings": (finding("missing_column"),)}, "FAIL", ["missing_column"], ["HIGH"], id="a finding graded HIGH"),
    pytest.param({"findings": (finding("unheard_of", "CRITICAL"),)}, "FAIL", ["unheard_of"], ["CRITICAL"], id="a door's own CRITICAL"),
    pytest.param(
        {"missing_columns": ("c",), "columns_compared": 3, "findings": (finding("missing_column", "HIGH"),)},
        "FAIL",
        ["missing_column"],
        ["c"],
        id="told once, not twice",
    ),
]


@pytest.mark.parametrize(("given_facts", "verdict", "codes", "words"), TABLE)
def test_each_situation_of_the_contract_gets_its_verdict(given_facts, verdict, codes, words):
    judged = judge(facts(**given_facts))

    assert (judged.verdict, judged.exit_code) == (verdict, EXIT_CODES[verdict])
    assert [reason.code for reason in judged.reasons] == codes
    text = " ".join(reason.text for reason in judged.reasons)
    assert [word for word in words if word not in text] == []


@pytest.mark.parametrize(
    ("class_", "given_facts"),
    [
        ("widened", {"findings": (finding("widened"),)}),
        ("duplicate_keys", {"counts": counts(duplicate_keys=1)}),
        ("null_keys", {"counts": counts(null_keys=1)}),
        ("extra_column", {"extra_columns": ("x",)}),
    ],
)
@pytest.mark.parametrize("severity", ["HIGH", "CRITICAL"])
def test_the_policy_can_turn_a_finding_into_a_failure(class_, given_facts, severity):
    strict = policy_with(**{class_: severity})

    assert judge(facts(**given_facts)).verdict in ("PASS", "PASS_WITH_RULES")
    assert judge(facts(**given_facts), strict).verdict == "FAIL"
    assert severity in judge(facts(**given_facts), strict).reasons[0].text


@pytest.mark.parametrize(
    ("broken", "numbers"),
    [
        pytest.param({"counts": counts(source_rows=101)}, ["source_rows is 101", "missing is 100"], id="a source row unaccounted for"),
        pytest.param({"counts": counts(target_rows=99)}, ["target_rows is 99", "extra is 100"], id="a target row invented"),
        pytest.param({"counts": counts(multiplicity=1)}, ["multiplicity (1)", "(0)"], id="multiplicity without a difference"),
        pytest.param({"counts": counts(null_keys=201)}, ["null_keys (201)", "(200)"], id="more null keys than rows"),
        pytest.param({"counts": counts(duplicate_keys=101)}, ["duplicate_keys", "(200)"], id="more duplicates than rows"),
        pytest.param({"counts": counts(source_rows_total=99)}, ["(100)", "(99)"], id="a sample larger than its source"),
        pytest.param({"counts": counts(target_rows_total=99)}, ["(100)", "(99)"], id="a sample larger than its target"),
        pytest.param({"sample": SampleFact(rate="1%", rows=101)}, ["(101)", "(100)"], id="a bound on rows never sampled"),
        pytest.param({"columns_compared": 5}, ["(5)", "(4)"], id="more columns than there are"),
        pytest.param({"cells_changed": 2}, ["2 cells"], id="cells differ in rows that do not"),
        pytest.param({"counts": counts(missing=1).model_copy(update={"extra": -1, "target_rows": 99})}, ["extra"], id="a negative count"),
    ],
)
def test_a_contradiction_is_an_error_with_both_numbers_and_never_a_verdict(broken, numbers):
    # model_construct: what the models would refuse must be caught as well when it comes by another way.
    built = VerdictFacts.model_construct(**(dict(facts()) | broken))

    with pytest.raises(EngineError, match="contradict each other") as caught:
        judge(built)

    assert caught.value.exit_code == 3
    assert [number for number in numbers if number not in caught.value.message] == []


@pytest.mark.parametrize(("rows", "bound"), [(1, "100 %"), (3, "100 %"), (7, "42.9 %"), (1204, "0.25 %"), (3_000_000, "0.0001 %")])
def test_the_bound_of_a_sample_is_never_better_than_three_by_n(rows, bound):
    judged = judge(facts(counts=counts(matched=rows), sample=SampleFact(rate="5%", rows=rows)))

    assert f"3/{rows:,} = {bound} " in judged.reasons[0].text


def test_a_failed_sample_states_no_bound():
    judged = judge(facts(counts=counts(changed=1), sample=ONE_PERCENT))

    assert "95 %" not in " ".join(reason.text for reason in judged.reasons)


def test_long_lists_of_names_are_cut_and_counted():
    judged = judge(facts(excluded=tuple(f"c{number}" for number in range(25))))

    assert judged.reasons[0].text == "The contract leaves out columns c0, c1, c2, c3, c4, c5, c6, c7, c8, c9 and 15 more."


def test_the_same_reason_of_both_sides_is_given_once():
    assert judge(facts(unproven=(because("unpinned"), because("unpinned")))).reasons == (because("unpinned"),)


# --- whatever the facts -------------------------------------------------------------------------------------------

SMALL = st.integers(0, 3)
NAMES = st.lists(st.sampled_from(["a", "b", "c"]), max_size=2, unique=True).map(tuple)
REASONS = st.lists(st.sampled_from(["lossy_cast", "unpinned", "unhashable_column"]).map(because), max_size=2).map(tuple)
FINDINGS = st.lists(
    st.builds(finding, st.sampled_from(["widened", "order", "extra_column", "missing_column", "new"]), st.sampled_from(["INFO", "HIGH"])),
    max_size=2,
).map(tuple)


@st.composite
def any_facts(draw):
    given = counts(draw(SMALL), draw(SMALL), draw(SMALL), draw(SMALL), draw(SMALL))
    rows = max(given.source_rows, given.target_rows)
    totals = {}
    sample = draw(st.none() | st.integers(0, rows).map(lambda n: SampleFact(rate="1%", rows=n)))
    if sample and draw(st.booleans()):
        totals = {"source_rows_total": given.source_rows + draw(SMALL), "target_rows_total": given.target_rows + draw(SMALL)}
    required = draw(SMALL)
    return VerdictFacts(
        counts=given.model_copy(
            update={
                "multiplicity": draw(st.integers(0, given.missing + given.extra)),
                "duplicate_keys": draw(st.integers(0, (given.source_rows + given.target_rows) // 2)),
                "null_keys": draw(st.integers(0, given.source_rows + given.target_rows)),
                **totals,
            }
        ),
        columns_required=required,
        columns_compared=draw(st.integers(0, required)),
        unproven=draw(REASONS),
        missing_columns=draw(NAMES),
        type_changed=draw(NAMES),
        extra_columns=draw(NAMES),
        excluded=draw(NAMES),
        chosen=draw(st.none() | NAMES),
        where=draw(st.none() | st.just("a = 1")),
        sample=sample,
        cross_family_casts=draw(NAMES),
        accepted_differences=draw(NAMES),
        expect_empty=draw(st.booleans()),
        unique_keys=draw(st.booleans()),
        findings=draw(FINDINGS),
    )


@given(any_facts())
def test_a_pass_of_any_kind_means_that_nothing_differs_and_all_is_proven(given):
    judged = judge(given)
    c = given.counts
    if judged.exit_code == 0:
        assert c.changed == c.missing == c.extra == c.multiplicity == 0
        assert c.source_rows == c.target_rows == c.matched + c.matched_by_rule
        assert not given.unproven and not given.missing_columns and not given.type_changed
        assert given.columns_compared == given.columns_required > 0
        assert c.source_rows > 0 or given.expect_empty
        assert not given.unique_keys or c.duplicate_keys == c.null_keys == 0
        assert c.source_rows_total == c.target_rows_total or None in (c.source_rows_total, c.target_rows_total)
    if judged.verdict in ("PASS", "PASS_WITH_RULES"):
        assert given.sample is None
    if judged.verdict == "PASS":
        assert c.matched == c.source_rows
        assert given.chosen is None and given.where is None
        assert not (given.excluded or given.extra_columns or given.cross_family_casts or given.accepted_differences)


@given(any_facts())
def test_equal_and_wholly_proven_tables_do_get_their_pass(given):
    clean = VerdictFacts(
        counts=counts(matched=given.counts.matched + 1),
        columns_required=given.columns_required + 1,
        columns_compared=given.columns_required + 1,
    )

    assert judge(clean).verdict == "PASS"


@given(any_facts())
def test_every_verdict_has_reasons_that_are_whole_sentences(given):
    judged = judge(given)

    assert judged.verdict in VERDICTS
    assert judged.exit_code == EXIT_CODES[judged.verdict]
    assert judged.reasons
    assert all(
        reason.code and (reason.text[0].isupper() or reason.text[0].isdigit()) and len(reason.text.split()) >= 4
        for reason in judged.reasons
    )


WORSE = {
    "one more unproven": lambda f: {"unproven": (*f.unproven, because("source_changed"))},
    "one more missing column": lambda f: {"missing_columns": (*f.missing_columns, "z"), "columns_required": f.columns_required + 1},
    "one more type change": lambda f: {"type_changed": (*f.type_changed, "z"), "columns_required": f.columns_required + 1},
    "one more column not compared": lambda f: {"columns_required": f.columns_required + 1},
    "one more excluded column": lambda f: {"excluded": (*f.excluded, "z")},
    "one more extra column": lambda f: {"extra_columns": (*f.extra_columns, "z")},
    "one more cast": lambda f: {"cross_family_casts": (*f.cross_family_casts, "z")},
    "a filter": lambda f: {"where": "z = 1"},
    "a grave finding": lambda f: {"findings": (*f.findings, finding("type_changed"))},
    "a mild finding": lambda f: {"findings": (*f.findings, finding("widened"))},
    "unique keys asked for": lambda f: {"unique_keys": True},
    "empty not expected": lambda f: {"expect_empty": False},
    "one more changed row": lambda f: {"counts": _with(f.counts, changed=1, source_rows=1, target_rows=1)},
    "one more missing row": lambda f: {"counts": _with(f.counts, missing=1, source_rows=1)},
    "one more extra row": lambda f: {"counts": _with(f.counts, extra=1, target_rows=1)},
}


def _with(c, **more):
    """Return the counts with some raised; totals, when known, rise with their side."""
    raised = {name: getattr(c, name) + by for name, by in more.items()}
    for side in ("source_rows", "target_rows"):
        if getattr(c, f"{side}_total") is not None:
            raised[f"{side}_total"] = getattr(c, f"{side}_total") + more.get(side, 0)
    return c.model_copy(update=raised)


@pytest.mark.parametrize("change", WORSE.values(), ids=WORSE.keys())
@given(before=any_facts())
def test_a_further_blemish_never_improves_the_verdict(change, before):
    after = before.model_copy(update=change(before))

    assert VERDICTS.index(judge(after).verdict) <= VERDICTS.index(judge(before).verdict)


@given(
    any_facts(),
    st.sampled_from(["matched", "matched_by_rule", "changed", "missing", "extra", "source_rows", "target_rows"]),
    st.integers(1, 5),
)
def test_one_count_off_is_always_noticed(given, field, by):
    broken = given.model_copy(update={"counts": given.counts.model_copy(update={field: getattr(given.counts, field) + by})})

    with pytest.raises(EngineError):
        judge(broken)
