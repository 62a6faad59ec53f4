import dataclasses

import pytest
import report_documents
from report_documents import column, result

from reports.advice import command, steps
from reports.figures import covered, percent, relative, share, trimmed
from reports.interleave import interleaved
from reports.method import method
from reports.model import ReportData, SampleCell, SampleRow
from reports.summary import bound, findings, headline, ordered_columns, settings
from schemas.contract import Contract
from schemas.verdict import Counts, Finding, InputResult, Inputs, Reason


def test_almost_all_is_never_100_percent():
    assert percent(99_999_996, 100_000_000) == "99.99 %"
    assert share(1 - 2**-53) == "99.99 %"
    assert percent(1, 10**9) == "< 0.01 %"
    assert share(0.999999) == covered(0.999999) == "99.99 %"


def test_shares_are_rounded_in_one_way_and_coverage_is_floored():
    assert percent(13, 70) == share(13 / 70) == "18.57 %"
    assert (share(0.18568), covered(0.18568)) == ("18.57 %", "18.56 %")


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        ("0.007894736842105263", "0.79 %"),
        ("0.99352", "99.4 %"),
        ("0.375", "37.5 %"),
        ("1.0", "100 %"),
        ("99", "9,900 %"),
        ("4.2e-06", "0.00042 %"),
        ("1e+300", "1.0e+302 %"),
        ("0", "0 %"),
        ("inf", "inf"),
        ("<i>", "<i>"),
        ("", ""),
    ],
)
def test_relative_deltas_are_percentages(number, shown):
    assert relative(number) == shown


def test_absolute_deltas_lose_zeros_at_the_end():
    assert [trimmed(text) for text in ("0.000900000000000", "100", "-7.10", "1.0", "9e-10")] == ["0.0009", "100", "-7.1", "1", "9e-10"]


def test_rows_of_rare_kinds_are_shown_first():
    def row(number, row_class="changed", causes=(), column="a"):
        return SampleRow(row_class, (("id", str(number)),), (SampleCell(column, "value", "1", "2"),), causes)

    rows = [*map(row, range(5)), row(5, column="b"), row(6, causes=("x",)), row(7, "missing"), row(8, "missing")]

    assert [int(found.key[0][1]) for found in interleaved(rows)] == [5, 6, 7, 0, 8, 1, 2, 3, 4]


def finding(class_, text, severity="INFO", column=None):
    return Finding.model_validate({"class": class_, "column": column, "severity": severity, "text": text})


def test_proposed_keys_are_one_finding():
    keys = ("id", "a + b", "c")
    texts = [f"{key} names each source row exactly once: compare with --key {key} to see cells" for key in keys]
    found = tuple(finding("candidate_key", text, column="id") for text in texts)
    told = findings(ReportData(result("FAIL", Counts(source_rows=1, target_rows=1, matched=1), findings=found)))

    assert [item.text for item in told] == [f"{texts[0]}. Also unique: a + b; c."]


def test_settings_stand_with_the_inputs_only_and_name_their_side():
    def told(*texts, uris=("csv:/a", "csv:/b"), repeated="9 rows"):
        sides = [InputResult(uri=uri, pin=None, pinned=False, rows=1) for uri in uris]
        found = (*(finding("csv_settings", text) for text in texts), finding("other", repeated), finding("other", repeated))
        whole = result(
            "FAIL", Counts(source_rows=1, target_rows=1, matched=1), findings=found, inputs=Inputs(source=sides[0], target=sides[1])
        )
        data = ReportData(whole, settings=(("format", "CSV"), *(("csv_settings", text) for text in texts)))
        assert [item.text for item in findings(data)] == [f"Both sides: {repeated}"]
        return [name for name, _ in settings(data)]

    assert told("x", "y") == ["format", "csv settings, source", "csv settings, target"]
    assert told("x") == told("x", "x") == ["format", "csv settings, both sides"]
    assert told("x", uris=("delta:/a", "csv:/b")) == ["format", "csv settings, target"]
    assert told("x", uris=("delta:/a", "dataframe:b")) == ["format", "csv settings"]


def test_a_verdict_is_never_cut_inside():
    reason = Reason(code="type_changed", text=f"{'Column x is of another type now ' * 4}. {'More about it. ' * 40}")
    column_name = "c" * 58
    columns = (column(column_name, "text", changed=1),)
    assert "characters)" not in headline(
        ReportData(result("INCONCLUSIVE", Counts(source_rows=0, target_rows=0, matched=0), reasons=(reason,)))
    )
    counts = Counts(source_rows=2, target_rows=2, matched=1, changed=1)
    assert column_name in headline(ReportData(result("FAIL", counts, columns=columns)))


@pytest.mark.parametrize(
    ("counts", "sentence"),
    [
        pytest.param(
            {"matched": 9, "changed": 1, "source_rows": 10, "target_rows": 10}, "FAIL: 1 of 10 rows differs: 1 changed.", id="one"
        ),
        pytest.param(
            {"matched": 0, "missing": 3, "source_rows": 3, "target_rows": 0}, "FAIL: all 3 rows differ: 3 rows missing.", id="empty target"
        ),
        pytest.param(
            {"matched": 0, "extra": 1, "source_rows": 0, "target_rows": 1}, "FAIL: the only row differs: 1 extra.", id="empty source"
        ),
        pytest.param(
            {"matched": 5, "extra": 2, "multiplicity": 2, "source_rows": 5, "target_rows": 7},
            "FAIL: 2 of 7 rows differ: 2 doubled.",
            id="doubled",
        ),
        pytest.param(
            {"matched": 5, "missing": 1, "multiplicity": 1, "source_rows": 6, "target_rows": 5},
            "FAIL: 1 of 6 rows differs: 1 copy of repeated rows missing.",
            id="lost copy",
        ),
        pytest.param(
            {"matched": 5, "missing": 2, "extra": 3, "multiplicity": 2, "source_rows": 7, "target_rows": 8},
            "FAIL: 5 of 10 rows differ: 2 rows missing, 3 extra, 2 of these are on both sides in another number.",
            id="which copies is not known",
        ),
    ],
)
def test_the_headline_adds_up(counts, sentence):
    assert headline(ReportData(result("FAIL", Counts(**counts)))) == sentence


def test_a_fail_without_differing_rows_says_why():
    data = ReportData(
        result(
            "FAIL", Counts(source_rows=5, target_rows=5, matched=5), reasons=(Reason(code="type_changed", text="a is text, then integer."),)
        )
    )

    assert headline(data) == "FAIL: no row differs in what was compared, yet: a is text, then integer."
    assert "cast:" in steps(data)[0].detail


def test_an_unpinned_pass_says_that_no_gate_accepts_it():
    source = InputResult(uri="dataframe:source", pin=None, pinned=False, rows=5)
    data = ReportData(result("PASS", Counts(source_rows=5, target_rows=5, matched=5), inputs=Inputs(source=source, target=source)))

    assert "not pinned" in headline(data) and "no gate" in headline(data)
    assert "Nothing to do" not in steps(data)[0].title


def test_a_pass_with_rules_also_tells_what_was_not_compared():
    assert headline(report_documents.with_rules()).endswith("the rest is equal, but the contract leaves out column load_ts.")


def test_every_reason_of_an_inconclusive_run_gets_advice():
    data = report_documents.inconclusive()

    assert [step.title for step in steps(data)] == [reason.text for reason in data.result.reasons]
    assert all(step.detail for step in steps(data))


def test_a_tiny_sample_bounds_nothing_and_the_bound_is_rounded_up():
    assert bound(3) == "so few rows bound nothing"
    assert bound(7_000) == "at most 3/7,000 = 0.0429 % of the rows differ, at 95 % confidence"


def test_the_bound_is_over_keys_when_the_verdict_counted_keys():
    counts = Counts(source_rows=900, target_rows=900, matched=900, duplicate_keys=300, source_rows_total=9_000, target_rows_total=9_000)
    told = Reason(code="sample", text="It shows no difference: with 95 % confidence, at most 3/400 = 0.75 % of all rows differ.")

    assert "at most 3/400 = 0.750 %" in headline(ReportData(result("SAMPLED_PASS", counts, reasons=(told,))))
    assert "so few rows bound nothing" in headline(ReportData(result("SAMPLED_PASS", counts)))


def test_qualifications_do_not_explain_an_inconclusive_run():
    reasons = (Reason(code="source_changed", text="File a changed."), Reason(code="columns_excluded", text="The contract leaves out x."))
    data = ReportData(result("INCONCLUSIVE", Counts(source_rows=1, target_rows=1, matched=1), reasons=reasons))

    assert headline(data) == "INCONCLUSIVE: equality was not proven: file a changed. What could be compared agrees (1 row)."
    assert [step.title for step in steps(data)] == ["File a changed"]


@pytest.mark.parametrize(
    ("strength", "keys", "claim", "budget", "limit"),
    [
        ("64", ("id",), "the chance to miss one differing row is 2⁻⁶⁴", "at most 5.5e-14", "crafted to collide needs --strength sha256"),
        ("64", (), "birthday bound, about N²/2⁶⁵", "about 1.1e-7", "crafted to collide needs --strength sha256"),
        ("128", (), "birthday bound, about N²/2¹²⁹", "about 5.9e-27", "crafted to collide needs --strength sha256"),
        ("sha256", ("id",), "the chance to miss one differing row is 2⁻²⁵⁶", "at most 8.7e-72", "withstands data crafted to collide"),
    ],
)
def test_the_method_claims_what_the_hash_can(strength, keys, claim, budget, limit):
    rows = 1_000_000
    contract = Contract(keys=keys, strength=strength)
    said = method(ReportData(result("PASS", Counts(source_rows=rows, target_rows=rows, matched=rows), contract=contract)))

    assert claim in said.claims[0]
    assert budget in said.budget
    assert limit in " ".join(said.limits)


def test_sha256_is_not_said_to_find_accidents_only():
    contract = Contract(keys=("id",), strength="sha256")
    said = method(ReportData(result("PASS", Counts(source_rows=1, target_rows=1, matched=1), contract=contract)))

    assert "XXH64" not in repr(said)


def test_commands_are_safe_to_paste():
    contract = Contract(keys=("a b", "x;rm -rf /"), where="d >= '2026-01-01'", mapping={"a,b": "c"}, strength="128", sample="1%")
    words = command(result("SAMPLED_PASS", Counts(source_rows=1, target_rows=1, matched=1), contract=contract), without=("sample",))

    assert " ".join(words) == (
        "parity compare parquet:/data/tpch/lineitem delta:/lake/tpch/lineitem@v12 --key '\"a b\"' --key '\"x;rm -rf /\"'"
        " --map '\"a,b\"=c' --where 'd >= '\"'\"'2026-01-01'\"'\"'' --strength 128"
    )


def test_a_rule_is_offered_as_the_whole_command_and_quoted_for_the_shell():
    data = report_documents.failed()
    first = data.result.explanations[0]
    hostile = first.model_copy(update={"fix": first.fix.model_copy(update={"text": "--rule a=$(reboot);b"})})
    open_quote = first.model_copy(update={"fix": first.fix.model_copy(update={"text": "--rule 'a"})})

    assert steps(data)[0].command.endswith("--key l_orderkey --key l_linenumber --rule l_tax=round:1")
    assert shown_first(data, hostile).endswith("--rule 'a=$(reboot);b'")
    assert shown_first(data, open_quote) == "--rule 'a"


def test_a_rule_for_a_column_that_has_one_is_left_to_the_reader_to_merge():
    data = report_documents.failed()
    contract = Contract(keys=("l_orderkey",), rules={"l_tax": ("rtrim",)}).document()

    assert steps(ReportData(data.result.model_copy(update={"contract": contract})))[0].command == "--rule l_tax=round:1"


def shown_first(data, explanation):
    return steps(ReportData(data.result.model_copy(update={"explanations": (explanation,)})))[0].command


def test_no_command_is_offered_that_would_compare_something_else():
    counts = Counts(source_rows=1, target_rows=1, matched=1)
    frame = InputResult(uri="dataframe:source", pin=None, pinned=False, rows=1)

    assert command(result("PASS", counts, contract=Contract(keys=("id",), unique_keys=True))) == ()
    assert command(result("PASS", counts, inputs=Inputs(source=frame, target=frame))) == ()


def test_the_worst_column_comes_first():
    columns = (column("a", "text", changed=9), column("b", "text", changed=1), column("c", "text"), column("d", "text", compared=False))
    data = ReportData(
        result("FAIL", Counts(source_rows=9, target_rows=9, matched=0, changed=9), columns=columns),
        severities=(("b", "CRITICAL"), ("a", "LOW")),
    )
    notable, quiet = ordered_columns(data)

    assert [item.source for item in (*notable, *quiet)] == ["b", "a", "d", "c"]


def test_reports_do_not_change_with_the_duration():
    data = report_documents.failed()

    assert headline(data) == headline(dataclasses.replace(data, duration_s=99.0))
