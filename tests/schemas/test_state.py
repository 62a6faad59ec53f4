"""The state machine is the one of the specification, and has no gap."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import pytest
from pydantic import ValidationError

from schemas import state
from schemas.state import FINAL_STATES, Event, State, StateMachine

FILE = Path(state.__file__).parent / "state_machine.json"
MACHINE = StateMachine.model_validate_json(FILE.read_bytes())


def document():
    return json.loads(FILE.read_text(encoding="utf-8"))


def test_it_has_the_states_and_events_of_the_specification():
    assert len(get_args(State)) == 19
    assert len(get_args(Event)) == len(MACHINE.transitions) == 27


def test_the_usual_way_leads_from_created_to_closed():
    way = (
        "discover profile map sign_plan rewrite start_migration finish_migration reconcile start_parallel ready approve_cutover "
        "start_cutover finish_cutover close"
    )
    now = "CREATED"
    for event in way.split():
        transition = MACHINE.transition(now, event)
        assert transition is not None, (now, event)
        now = transition.to
    assert now == "CLOSED"


def test_every_pair_of_state_and_event_is_decided():
    allowed = {(way, event) for way in get_args(State) for event in get_args(Event) if MACHINE.transition(way, event)}

    assert len(allowed) == sum(len(transition.from_states) for transition in MACHINE.transitions) == 60
    assert MACHINE.events_from("MAPPED") == ("sign_plan", "restart", "abort")
    assert MACHINE.events_from("MIGRATING") == ("finish_migration", "fail_migration")
    assert [MACHINE.events_from(final) for final in FINAL_STATES] == [(), ()]
    assert MACHINE.transition("MAPPED", "start_cutover") is None


def test_what_makes_evidence_stale_raises_the_epoch():
    assert [way.event for way in MACHINE.transitions if way.new_epoch] == ["reload", "resume", "replan", "restart"]


def test_gates_stand_where_the_specification_has_them():
    gates = {way.event: way.gate for way in MACHINE.transitions if way.gate}

    assert gates == {
        "sign_plan": "plan", "rewrite": "change", "approve_cutover": "cutover", "start_rollback": "rollback", "retry_rollback": "rollback",
        "settle": "settle", "close": "close", "abort": "abort",
    }  # fmt: skip


def without_event(name):
    found = document()
    found["transitions"] = [way for way in found["transitions"] if way["event"] != name]
    return found


def altered(event, **fields):
    found = document()
    for way in found["transitions"]:
        if way["event"] == event:
            way.update(fields)
    return found


def with_guards(change):
    found = document()
    change(found["guards"])
    return found


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        pytest.param(without_event("resume"), "events: resume is missing", id="an event is missing"),
        pytest.param({**document(), "transitions": document()["transitions"] * 2}, "stands there twice", id="an event twice"),
        pytest.param(
            altered("approve_cutover", to="PARALLEL_RUN"), "cannot be reached: CLOSED, CUTOVER_APPROVED, ", id="a state without a way in"
        ),
        pytest.param(
            altered("settle", **{"from": ["ABORTED", "ROLLBACK_FAILED"]}), "final states that are left: ABORTED", id="an end left"
        ),
        pytest.param(altered("discover", **{"from": []}), "create, and nothing else", id="a second beginning"),
        pytest.param(altered("resume", guards=["mood_good"]), "guards: mood_good is missing", id="an unknown guard"),
        pytest.param(altered("profile", guards=[]), "guards: profile_done is never used", id="an idle guard"),
        pytest.param(
            with_guards(lambda guards: guards.append(guards[0])), "guards: archetype_known stands there twice", id="a guard twice"
        ),
    ],
)
def test_a_machine_with_a_gap_is_refused(broken, says):
    with pytest.raises(ValidationError, match=says):
        StateMachine.model_validate(broken)


def test_a_state_without_a_way_to_the_end_is_refused():
    found = altered("finish_rollback", **{"from": ["ROLLING_BACK", "ROLLBACK_FAILED"], "to": "ROLLED_BACK"})
    for way in found["transitions"]:
        if "ROLLED_BACK" in way["from"] and way["event"] != "resume":
            way["from"] = [name for name in way["from"] if name != "ROLLED_BACK"]
        if way["event"] == "resume":
            way["to"] = "ROLLING_BACK"
        if way["event"] == "settle":
            way["from"] = ["CREATED"]

    with pytest.raises(ValidationError, match="without a way to the end: ROLLBACK_FAILED, ROLLED_BACK, ROLLING_BACK"):
        StateMachine.model_validate(found)
