"""Rules that contradict themselves are refused when they are read."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from schemas.coercion import READ_SQL, Coercion, CoercionPart, Matches, ProfileCondition, ReadForm, Rulebook, TypeRule, TypeRules

MATCHES = {"kind": "base", "names": ["int2"]}
RULE = {
    "rule_id": "PG-01",
    "matches": [MATCHES],
    "canonical": "integer",
    "spark": "smallint",
    "parquet": "INT32",
    "read": "text",
    "loss": "exact",
    "loss_text": "Nothing is lost.",
}
REFUSAL = {"rule_id": "PG-01", "matches": [MATCHES], "loss": "refuse", "loss_text": "It cannot.", "remedy": "Exclude the column."}
FILE = {"pair": "postgres_parquet", "path": "type_rules/postgres_parquet.json", "sha256": "0" * 64}


def without(fields, name):
    return {key: value for key, value in fields.items() if key != name}


def test_a_rule_and_a_refusal_are_read():
    assert TypeRule.model_validate(RULE).read is ReadForm.TEXT
    assert TypeRule.model_validate(REFUSAL).loss == "refuse"


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        pytest.param(without(RULE, "spark"), "canonical, spark, parquet and read are wanted", id="no type"),
        pytest.param(without(RULE, "read"), "canonical, spark, parquet and read are wanted", id="no form"),
        pytest.param({**RULE, "read": "as_is"}, "nested_read is wanted", id="a driver's type has no form inside arrays"),
        pytest.param({**RULE, "read": "as_is", "nested_read": "as_is"}, "nested_read is wanted", id="nor is as_is one"),
        pytest.param({**RULE, "rule_id": "PG-1"}, "rule_id", id="an id of another form"),
        pytest.param({**RULE, "matches": []}, "matches", id="for no type"),
        pytest.param({**RULE, "matches": [{"kind": "base"}]}, "names them", id="for any base type"),
        pytest.param({**RULE, "matches": [{**MATCHES, "declared": "("}]}, "no regular expression", id="a broken pattern"),
        pytest.param({**RULE, "matches": [{**MATCHES, "scale": {}}]}, "at_least or at_most", id="a range without an end"),
        pytest.param({**RULE, "matches": [{**MATCHES, "scale": {"at_least": 2, "at_most": 1}}]}, "above at_most", id="an empty range"),
        pytest.param({**RULE, "matches": [{**MATCHES, "profile": {}}]}, "any_of or digits_at_most", id="a profile that shows nothing"),
        pytest.param(without(REFUSAL, "remedy"), "says what to do", id="a refusal without a way out"),
        pytest.param({**REFUSAL, "spark": "string"}, "has no type", id="a refusal with a type"),
        pytest.param({**REFUSAL, "question": "Really?"}, "no question", id="a refusal with a question"),
        pytest.param({**REFUSAL, "nested_read": "text"}, "no form", id="a refusal with a form"),
        pytest.param({**REFUSAL, "declared_only": True}, "cannot be declared", id="a refusal by choice"),
    ],
)
def test_a_rule_that_contradicts_itself_is_refused(rule, says):
    with pytest.raises(ValidationError, match=says):
        TypeRule.model_validate(rule)


def test_two_rules_with_one_id_are_refused():
    with pytest.raises(ValidationError, match="same id: PG-01"):
        TypeRules.model_validate({"pair": "postgres_parquet", "version": 1, "rules": [RULE, REFUSAL]})


def test_two_files_for_one_pair_are_refused():
    with pytest.raises(ValidationError, match="two files: postgres_parquet"):
        Rulebook.model_validate({"version": 1, "files": [FILE, FILE]})


def test_ranges_of_numbers_may_be_one_number():
    assert Matches.model_validate({**MATCHES, "scale": {"at_least": 2, "at_most": 2}}).scale is not None
    assert ProfileCondition.model_validate({"digits_at_most": 1}).digits_at_most == 1


def test_every_form_is_documented_and_has_its_sql():
    for form in ReadForm:
        assert f"* `{form.value}`: " in (ReadForm.__doc__ or "")
        assert "{x}" in READ_SQL[form]


def test_parts_are_found_by_name():
    inner = Coercion(rule_id="PG-10", native="date", spark="date", loss="exact", reason="Nothing is lost.")
    outer = Coercion(rule_id=None, native="x", loss="refuse", reason="No rule.", parts=(CoercionPart(name="d", coercion=inner),))

    assert outer.part("d") is inner
    assert outer.rule_ids() == ("PG-10",)
    assert (outer.refused, inner.refused) == (True, False)
    with pytest.raises(KeyError):
        outer.part("e")
