"""Causes that whole rows show, places where differences lie, and what is said when there is no pattern."""

import random
from dataclasses import replace
from decimal import Decimal

import pytest
from explain_tables import column, compared, days, local_of, micros

from engine.explain import explain

DAY = 86_400_000_000
ORDERS = (
    column("id", "integer", key=True),
    column("name", "text"),
    column("city", "text"),
    column("amount", "decimal"),
    column("day", "date", is_partition=True),
    column("at", "timestamp"),
)


def orders(rows=300, seed=3):
    chance = random.Random(seed)
    return [
        {
            "id": number,
            "name": f"{chance.choice(['Ada', 'Bob', 'Eve', 'Max'])}{chance.randint(1, 10**6)}",
            "city": chance.choice(["Rome", "Oslo", "Bern", "Lima", "Cairo"]),
            "amount": Decimal(chance.randint(100, 999_999)).scaleb(-2),
            "day": days(2024, 1, 1) + chance.randint(0, 9),
            "at": micros(2024, 1, 1) + number * 60_000_000 * 37,
        }
        for number in range(1, rows + 1)
    ]


def changed(rows, wanted, **values):
    return [{**row, **{name: make(row) for name, make in values.items()}} if wanted(row) else row for row in rows]


def causes(found):
    return [explanation.cause for explanation in found]


def test_no_difference_has_no_explanation():
    assert explain(compared(ORDERS, orders(), orders())) == ()


def test_two_swapped_columns_are_named_with_the_mapping_that_unswaps_them():
    target = changed(orders(), lambda row: True, name=lambda row: row["city"], city=lambda row: row["name"])

    first, *_ = explain(compared(ORDERS, orders(), target))

    assert (first.cause, first.share) == ("swapped_columns", 1)
    assert first.fix.text == "--map city=name --map name=city"


def test_columns_swapped_in_some_rows_only_are_not_repaired_by_a_mapping():
    target = changed(orders(), lambda row: row["id"] % 3 == 0, name=lambda row: row["city"], city=lambda row: row["name"])

    first, *_ = explain(compared(ORDERS, orders(), target))

    assert (first.cause, first.fix.kind) == ("swapped_columns", "reload")
    assert any("equal rows" in text for text in first.against)


def test_a_column_filled_from_another_one_is_named():
    target = changed(orders(), lambda row: True, city=lambda row: row["name"])

    first, *_ = explain(compared(ORDERS, orders(), target))

    assert first.cause == "wrong_column"
    assert "source's name" in first.statement


@pytest.mark.parametrize("shift", [1, 7, -3, 1000])
def test_keys_that_moved_are_named_whether_they_overlap_or_not(shift):
    target = [{**row, "id": row["id"] + shift} for row in orders()]

    first, *others = explain(compared(ORDERS, orders(), target))

    assert first.cause == "shifted_keys"
    assert first.share > 0.97
    assert "constant_value" not in causes(others)
    assert f"id {'-' if shift > 0 else '+'} {abs(shift)}" in first.fix.text


KEYED = (column("code", "text", key=True), column("amount", "decimal"), column("city", "text"))


def coded(make, rows=80):
    return [{"code": make(row["id"]), "amount": row["amount"], "city": row["city"]} for row in orders(rows)]


@pytest.mark.parametrize(
    ("ours", "theirs", "cause", "fix"),
    [
        pytest.param("AB{}", "AB{}  ", "key_padding", "--rule code=pad", id="padding"),
        pytest.param("AB{}", "\tAB{}", "key_blanks", "--rule code=trim", id="blanks"),
        pytest.param("AB{}", "ab{}", "key_case", "--rule code=casefold", id="case"),
        pytest.param("é{}", "e\u0301{}", "key_unicode_form", "--rule code=nfc", id="Unicode form"),
        pytest.param("{}", "000{}", "key_leading_zeros", "^0+", id="leading zeros"),
    ],
)
def test_keys_written_differently_are_paired(ours, theirs, cause, fix):
    evidence = compared(KEYED, coded(ours.format), coded(theirs.format))
    first, *_ = explain(evidence)

    assert (cause, 1) == (first.cause, first.share)
    assert fix in first.fix.text
    assert {name: evidence.counts[name] for name in ("missing", "extra")} == {"missing": 80, "extra": 80}


def test_pairs_of_keys_whose_rows_still_differ_are_not_counted_as_explained():
    target = [{**row, "amount": row["amount"] + number} for number, row in enumerate(coded("ab{}".format))]

    found = {explanation.cause: explanation for explanation in explain(compared(KEYED, coded("AB{}".format), target))}

    assert found["key_case"].share == pytest.approx(1 / 80)
    assert "79 of the pairs would still differ" in found["key_case"].statement


def test_a_load_done_twice_is_named_with_what_undoes_it():
    first, *_ = explain(compared(ORDERS, orders(), orders() * 2))

    assert (first.cause, first.share) == ("doubled_load", 1)
    assert "target = target.dropDuplicates()" in first.fix.text


def test_a_few_copies_are_duplicated_rows_and_lost_copies_are_told_apart():
    few = explain(compared(ORDERS, orders(), orders() + orders()[:9]))
    lost = explain(compared(ORDERS, orders() + orders()[:9], orders()))

    assert few[0].cause == "duplicated_rows"
    assert lost[0].cause == "lost_copies"
    assert "1 more copy in the target" in few[0].for_[0]


@pytest.mark.parametrize("kind", ["missing", "extra", "changed"])
def test_one_bad_partition_is_named_with_the_base_rate(kind):
    bad = days(2024, 1, 4)
    chance = random.Random(4)
    full, less = orders(), [row for row in orders() if row["day"] != bad]
    other = changed(full, lambda row: row["day"] == bad, amount=lambda row: Decimal(chance.randint(10**6, 10**9)).scaleb(-2))
    evidence = compared(ORDERS, *{"missing": (full, less), "extra": (less, full), "changed": (full, other)}[kind])

    found = {explanation.cause: explanation for explanation in explain(evidence)}

    assert found["bad_partition"].share == 1
    assert "day is 2024-01-04" in found["bad_partition"].statement
    assert "against 0 of" in found["bad_partition"].statement
    assert f"date_add(DATE'1970-01-01', {bad})" in found["bad_partition"].fix.text


def test_one_bad_partition_is_named_first_through_noise():
    bad = days(2024, 1, 4)
    target = [row for row in orders(600) if row["day"] != bad and row["id"] % 25]

    first, *_ = explain(compared(ORDERS, orders(600), target))

    assert first.cause == "bad_partition"
    assert 0.5 < first.share < 0.9
    assert first.against


def test_without_equal_rows_the_base_rate_is_unknown_and_only_a_partition_is_named():
    source = [{**row, "day": days(2024, 1, 4), "city": "Rome"} for row in orders(20)]

    found = explain(compared(ORDERS, source, []))

    place = next(explanation for explanation in found if explanation.cause == "bad_partition")
    assert "base rate among equal rows is unknown" in place.statement
    assert "value_cluster" not in causes(found)


def test_the_newest_rows_missing_is_a_late_load():
    target = [row for row in orders() if row["id"] <= 270]

    assert explain(compared(ORDERS, orders(), target))[0].cause == "late_load"


def test_a_time_window_and_a_range_of_keys_are_named():
    target = [row for row in orders() if not 100 <= row["id"] < 140]

    found = {explanation.cause: explanation for explanation in explain(compared(ORDERS, orders(), target))}

    assert found["key_range"].share == found["time_window"].share == 1
    assert "id lies between 100 and 139" in found["key_range"].statement


def test_scattered_losses_are_no_place():
    lost = set(random.Random(11).sample(range(1, 301), 25))
    target = [row for row in orders() if row["id"] not in lost]

    found = explain(compared(ORDERS, orders(), target))

    assert found[0].cause == "lost_rows"
    assert not {"bad_partition", "value_cluster", "time_window", "key_range", "late_load"} & {f.cause for f in found if f.share}
    assert "left_anti" in found[0].fix.text


def test_a_few_real_changes_are_not_dressed_up_as_a_pattern():
    chance = random.Random(5)
    wrong = set(chance.sample(range(1, 301), 6))
    target = changed(
        orders(), lambda row: row["id"] in wrong, amount=lambda row: row["amount"] + Decimal(chance.randint(1000, 999999)).scaleb(-2)
    )

    found = explain(compared(ORDERS, orders(), target))

    assert (found[0].cause, found[0].share) == ("isolated_change", 1)
    assert all(explanation.share == 0 and explanation.against for explanation in found[1:])
    assert len(found) >= 3


def test_a_few_flipped_booleans_among_equal_ones_are_no_inversion():
    columns = (column("id", "integer", key=True), column("ok", "boolean"))
    source = [{"id": number, "ok": number % 2 == 0} for number in range(200)]
    target = changed(source, lambda row: row["id"] in (3, 8, 60, 99), ok=lambda row: not row["ok"])

    found = explain(compared(columns, source, target))

    assert found[0].cause == "isolated_change"
    assert [explanation.share for explanation in found if explanation.cause == "boolean_inversion"] == [0]


def test_a_flag_reset_to_false_is_a_constant_when_the_target_holds_nothing_else():
    columns = (column("id", "integer", key=True), column("ok", "boolean"))
    source = [{"id": number, "ok": number % 2 == 0} for number in range(200)]

    first, *_ = explain(compared(columns, source, changed(source, lambda row: True, ok=lambda row: False)))

    assert first.cause == "constant_value"
    assert "false" in first.statement


def test_two_causes_in_the_same_rows_are_told_together_and_their_fixes_joined():
    target = changed(orders(), lambda row: True, name=lambda row: row["name"] + " ", at=lambda row: row["at"] - DAY // 24)

    found = explain(compared(ORDERS, orders(), target))

    assert (found[0].cause, found[0].share) == ("combined", 1)
    assert {"--rule name=rtrim", "--rule target.at=utc_from:-01:00"} == {
        f"--rule {part.strip()}" for part in found[0].fix.text.split("--rule") if part
    }
    alone = next(explanation for explanation in found if explanation.cause == "trim_trailing")
    assert (alone.share, alone.alternative_to) == (0, None)
    assert "300 of 300 differing cells of name" in alone.statement


def late(row):
    return row["at"] + DAY // 24


def padded(row):
    return row["name"] + " "


@pytest.mark.parametrize(("every", "told"), [(50, False), (10, True)])
def test_causes_are_told_together_only_where_that_explains_clearly_more_rows(every, told):
    target = changed(changed(orders(), lambda row: row["id"] % 2 == 0, name=padded), lambda row: row["id"] % every == 0, at=late)

    found = explain(compared(ORDERS, orders(), target))

    assert ("combined" in causes(found)) is told
    assert {"trim_trailing", "constant_time_offset"} <= {one.cause for one in found if one.alternative_to is None}


def test_causes_told_together_repeat_nothing_of_their_parts_but_the_fixes():
    target = changed(orders(), lambda row: row["id"] % 2 == 0, name=padded, at=late)

    together, *found = explain(compared(ORDERS, orders(), target))

    assert together.cause == "combined"
    assert together.columns == ("at", "name")
    parts = [one for one in found if one.cause in ("trim_trailing", "constant_time_offset")]
    assert len(parts) == 2
    assert all(one.statement.split(".")[0] not in together.statement for one in parts)
    assert not {text for one in parts for text in one.against} & set(together.against)


def test_two_causes_of_one_name_in_the_same_rows_are_named_once():
    columns = (column("id", "integer", key=True), column("a", "text"), column("b", "text"))
    source = [{"id": n, "a": f"{(n + 7) ** 40}", "b": f"{(n + 9) ** 40}"} for n in range(60)]
    cut = {row["id"]: (9, 12) if row["id"] % 2 else (12, 9) for row in source}
    target = [{**row, "a": row["a"][: cut[row["id"]][0]], "b": row["b"][: cut[row["id"]][1]]} for row in source]

    first, *_ = explain(compared(columns, source, target))

    assert first.statement.startswith("In a and b several causes meet in the same rows: each is truncation. ")


def test_the_same_cause_in_two_columns_is_one_hypothesis():
    columns = (*ORDERS, column("until", "timestamp"))
    source = [{**row, "until": row["at"] + DAY} for row in orders()]
    target = changed(source, lambda row: True, at=lambda row: row["at"] + DAY // 2, until=lambda row: row["until"] + DAY // 2)

    first, *_ = explain(compared(columns, source, target))

    assert (first.cause, first.share) == ("constant_time_offset", 1)
    assert "In at and until the target is exactly 12 h later" in first.statement
    assert first.fix.text == "--rule target.at=utc_from:+12:00 --rule target.until=utc_from:+12:00"


def test_an_offset_in_part_of_the_rows_is_not_repaired_by_a_rule_that_would_break_the_others():
    target = changed(orders(), lambda row: row["id"] % 4 == 0, at=lambda row: row["at"] - DAY // 24)

    first, *_ = explain(compared(ORDERS, orders(), target))

    assert (first.cause, first.fix.kind) == ("constant_time_offset", "spark")
    assert "parity_source" in first.fix.text
    assert any("equal values of the sample" in text for text in first.against)


def test_afternoons_that_became_mornings_are_a_twelve_hour_clock_when_mornings_are_equal():
    target = changed(orders(), lambda row: row["at"] % DAY >= DAY // 2, at=lambda row: row["at"] - DAY // 2)

    first, *_ = explain(compared(ORDERS, orders(), target))

    assert first.cause == "twelve_hour_clock"


def test_summer_rows_alone_show_a_zone_whose_winter_is_utc():
    columns = (column("id", "integer", key=True), column("at", "timestamp"))
    source = [{"id": number, "at": micros(2024, 1, 1) + number * DAY + number} for number in range(366)]
    target = changed(source, lambda row: True, at=lambda row: local_of("Europe/London")(row["at"]))

    first, *_ = explain(compared(columns, source, target))

    assert (first.cause, first.fix.text) == ("zone_shift", "--rule target.at=utc_from:Europe/London")


def test_a_cause_tells_the_one_place_where_its_rows_lie():
    day = days(2024, 1, 4)
    target = changed(orders(), lambda row: row["day"] == day, at=late)

    found = explain(compared(ORDERS, orders(), target))

    offset = next(one for one in found if one.cause == "constant_time_offset")
    assert (offset.role, offset.share, offset.place_share) == ("mechanism", 1, 1)
    place = found[offset.place]
    assert (place.cause, place.role, place.columns, place.row_classes) == ("bad_partition", "place", (), ("changed",))
    assert place.condition == "day is 2024-01-04"
    assert place.condition in place.statement


@pytest.mark.parametrize(
    ("others", "share"),
    [
        pytest.param(0, 1.0, id="all"),
        pytest.param(2, 0.96, id="nearly all"),
        pytest.param(20, None, id="too many elsewhere"),
    ],
)
def test_the_place_of_a_cause_holds_nearly_all_its_rows(others, share):
    rows = orders(1_000)
    day = days(2024, 1, 4)
    inside = [row["id"] for row in rows if row["day"] == day][:48]
    outside = [row["id"] for row in rows if row["day"] != day][:others]
    target = changed(rows, lambda row: row["id"] in {*inside, *outside}, at=late)

    found = {one.cause: one for one in explain(compared(ORDERS, rows, target))}

    assert "bad_partition" in found
    assert found["constant_time_offset"].place_share == share


def test_a_cause_in_a_part_of_a_place_is_told_with_it_and_one_beyond_it_is_not():
    day = days(2024, 1, 4)
    target = changed(orders(), lambda row: row["day"] == day, city=lambda row: f"nowhere {row['id'] ** 3 % 1009}")
    target = changed(target, lambda row: row["day"] == day and row["id"] % 2 == 0, at=late)
    target = changed(target, lambda row: row["id"] % 60 == 0, name=padded)

    found = {one.cause: one for one in explain(compared(ORDERS, orders(), target))}

    assert found["constant_time_offset"].place_share == 1
    assert found["trim_trailing"].place is None


def test_of_two_places_that_hold_a_cause_the_narrower_is_told():
    day = days(2024, 1, 4)
    source = changed(orders(), lambda row: row["day"] == day and row["id"] % 4 > 0, city=lambda row: "Kyiv")
    target = changed(
        source, lambda row: row["day"] == day and row["city"] != "Kyiv", amount=lambda row: row["amount"] + row["id"] ** 3 % 1009
    )
    target = changed(target, lambda row: row["city"] == "Kyiv", name=padded)

    found = explain(compared(ORDERS, source, target))

    assert next(one.condition for one in found if one.role == "place") == "day is 2024-01-04"
    padding = next(one for one in found if one.cause == "trim_trailing")
    assert found[padding.place].condition == "city is 'Kyiv'"


def test_three_rows_in_one_place_may_be_chance():
    day = days(2024, 1, 4)
    inside = [row["id"] for row in orders() if row["day"] == day]
    target = changed(orders(), lambda row: row["id"] in inside, city=lambda row: f"nowhere {row['id'] ** 3 % 1009}")
    target = changed(target, lambda row: row["id"] in inside[:3], name=padded)

    found = {one.cause: one for one in explain(compared(ORDERS, orders(), target))}

    assert "bad_partition" in found
    assert found["trim_trailing"].place is None


def test_explanations_say_of_which_rows_and_columns_they_are():
    source = orders()
    target = changed(source[:-6], lambda row: row["id"] < 20, name=padded)
    target += [{**source[0], "id": 9_000 + number} for number in range(2)] + [target[100]]

    found = {one.cause: one for one in explain(compared(ORDERS, source, target))}

    assert (found["trim_trailing"].role, found["trim_trailing"].columns, found["trim_trailing"].row_classes) == (
        "mechanism",
        ("name",),
        ("changed",),
    )
    assert (found["surplus_rows"].role, found["surplus_rows"].columns, found["surplus_rows"].row_classes) == ("rest", (), ("extra",))
    assert (found["duplicated_rows"].role, found["duplicated_rows"].row_classes) == ("mechanism", ("extra",))
    assert {one.row_classes for one in found.values() if one.role in ("place", "rest") and "missing" in one.statement} == {("missing",)}


def test_keys_in_another_form_are_of_missing_and_extra_rows_even_when_the_rest_differs():
    columns = (column("id", "text", key=True), column("n", "integer"))
    source = [{"id": f"k{n}", "n": n} for n in range(40)]

    first = next(
        one for one in explain(compared(columns, source, [{"id": f"K{n}", "n": -n - 1} for n in range(40)])) if one.cause == "key_case"
    )

    assert (first.share, first.columns, first.row_classes) == (0, ("id",), ("missing", "extra"))


def test_alternatives_stand_behind_and_point_to_the_better_one():
    target = changed(orders(), lambda row: row["id"] % 2 == 0, name=padded)
    target = changed(target, lambda row: row["id"] % 3 == 0, at=late)

    found = explain(compared(ORDERS, orders(), target))

    better = {one.cause: found[one.alternative_to].cause for one in found if one.alternative_to is not None}
    assert (better["trim_both"], better["zone_shift"]) == ("trim_trailing", "constant_time_offset")
    first = next(position for position, one in enumerate(found) if one.alternative_to is not None)
    assert all(one.alternative_to is not None for one in found[first:])
    assert all(one.alternative_to is None or one.alternative_to < first for one in found)


def test_an_alternative_whose_better_one_was_cut_off_points_to_none(monkeypatch):
    monkeypatch.setattr("engine.explain._MOST", 2)
    monkeypatch.setattr("engine.explain._better", the_next)
    day = days(2024, 1, 4)

    found = explain(compared(ORDERS, orders(), changed(orders(), lambda row: row["day"] == day, at=late)))

    assert [(one.cause, one.alternative_to) for one in found[:2]] == [("bad_partition", None), ("constant_time_offset", None)]


def the_next(hypothesis, place, ordered):
    """Return the next one as the better one, which is then behind the limit; none for places."""
    return None if hypothesis.role == "place" else ordered[(place + 1) % len(ordered)]


def test_a_sample_says_so_with_its_uncertainty():
    target = changed(orders(), lambda row: True, name=lambda row: row["name"] + (" " if row["id"] % 3 else "x"))
    evidence = compared(ORDERS, orders(), target)
    sampled = replace(evidence, sampled=True, counts={**evidence.counts, "changed": 12_345})

    first, *_ = explain(sampled)

    assert "Estimated on 300 sampled of 12,345 differing rows: ±5.3 points at 95 %." in first.statement


def test_rows_stand_for_their_copies():
    evidence = compared(
        ORDERS,
        orders(),
        changed(orders(), lambda row: row["id"] < 3, name=lambda row: row["name"] + "  " * (row["id"] - 1) + "!" * (2 - row["id"])),
    )
    one, other = evidence.rows

    weighed = explain(replace(evidence, rows=(replace(one, count=3), other)))

    assert {0.75, 0.25} == {explanation.share for explanation in weighed if explanation.share}


def test_rules_in_force_are_kept_in_the_fix_and_applied_before_causes_are_sought():
    target = changed(orders(), lambda row: True, name=lambda row: row["name"].upper() + "  ")
    evidence = replace(compared(ORDERS, orders(), target), rules_in_force={"name": ("rtrim",)})

    first, *_ = explain(evidence)

    assert (first.cause, first.fix.text) == ("case", "--rule name=rtrim,casefold")


def test_cells_that_a_rule_already_made_equal_are_no_difference():
    target = changed(orders(), lambda row: True, name=lambda row: row["name"] + " ", city=lambda row: row["city"].upper())
    evidence = compared(ORDERS, orders(), target)
    rows = tuple(
        replace(row, cells=tuple(replace(c, cell_class="normalised:rtrim") if c.column == "name" else c for c in row.cells))
        for row in evidence.rows
    )

    first, *_ = explain(replace(evidence, rows=rows))

    assert (first.cause, first.share) == ("case", 1)


def test_every_shown_value_goes_through_the_mask():
    target = changed(orders(), lambda row: row["id"] % 2 == 0, name=lambda row: row["name"] + " ", city=lambda row: "Secretville")

    found = explain(compared(ORDERS, orders(), target), mask=lambda name, text: f"<{name}>")

    assert found[0].for_[0].startswith("id=<id>: ")
    assert "Secretville" not in repr(found)
    assert not any(row["name"] in repr(found) for row in orders())


def test_keyless_rows_are_cited_by_their_first_columns():
    columns = tuple(replace(meta, is_key=False) for meta in ORDERS)
    source = orders()

    found = explain(compared(columns, source, source[:-20]))

    assert found[0].for_[0].startswith("id=")
    assert "only in the source" in found[0].for_[0]


def test_hidden_characters_are_shown_as_escapes_and_long_texts_are_cut():
    target = changed(orders(), lambda row: row["id"] == 5, name=lambda row: "\ufeff" + "x" * 100 + "\n")

    first, *_ = explain(compared(ORDERS, orders(), target))

    assert r"'\ufeffxxx" in first.for_[0]
    assert "x…'" in first.for_[0]


def test_a_single_differing_integer_has_three_hypotheses_of_which_the_refuted_say_why():
    columns = (column("id", "integer", key=True), column("n", "integer"))

    found = explain(compared(columns, [{"id": 17, "n": 48_151}], [{"id": 17, "n": 623_400}]))

    assert len(found) == 3
    assert (found[0].cause, found[0].for_[0]) == ("isolated_change", "id=17: n 48151 → 623400")
    assert all(explanation.statement.startswith("Tested and refuted: ") for explanation in found[1:])


def test_names_that_need_quotes_get_them():
    columns = (column("id", "integer", key=True), column("full name", "text"), column("it's", "double"))
    source = [{"id": n, "full name": f"name {n}", "it's": n * 1.5} for n in range(1, 30)]
    target = [{**row, "full name": row["full name"].upper(), "it's": row["it's"] * 100} for row in source]

    found = {explanation.cause: explanation for explanation in explain(compared(columns, source, target))}

    assert found["case"].fix.text == """--rule '"full name"=casefold'"""
    assert found["scale"].fix.text.splitlines()[-1] == """target = target.withColumn("it's", F.expr("`it's` / 100D"))"""
