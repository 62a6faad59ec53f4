"""The state machine of a migration: states, and the events that lead from one to another."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal, get_args

from pydantic import Field, StringConstraints, model_validator

from schemas.model import Model

__all__ = ["FINAL_STATES", "Event", "Gate", "Guard", "Phase", "State", "StateMachine", "Transition"]

State = Literal[
    "CREATED",
    "DISCOVERED",
    "PROFILED",
    "MAPPED",
    "PLAN_SIGNED",
    "REWRITTEN",
    "MIGRATING",
    "MIGRATED",
    "RECONCILED",
    "PARALLEL_RUN",
    "CUTOVER_READY",
    "CUTOVER_APPROVED",
    "CUTTING_OVER",
    "CUTOVER_DONE",
    "ROLLING_BACK",
    "ROLLED_BACK",
    "ROLLBACK_FAILED",
    "CLOSED",
    "ABORTED",
]
FINAL_STATES: tuple[State, ...] = ("CLOSED", "ABORTED")
Event = Literal[
    "create",
    "discover",
    "profile",
    "map",
    "sign_plan",
    "rewrite",
    "start_migration",
    "finish_migration",
    "fail_migration",
    "reload",
    "reconcile",
    "start_parallel",
    "ready",
    "unready",
    "approve_cutover",
    "start_cutover",
    "finish_cutover",
    "start_rollback",
    "finish_rollback",
    "fail_rollback",
    "retry_rollback",
    "settle",
    "resume",
    "close",
    "replan",
    "restart",
    "abort",
]
Gate = Literal["plan", "change", "cutover", "rollback", "settle", "close", "abort"]
Phase = Literal["core", "run", "cutover"]
"""The stage of Parity that can serve the event."""

GuardName = Annotated[str, StringConstraints(pattern="^[a-z][a-z0-9_]*$")]
Text = Annotated[str, StringConstraints(min_length=1)]


class Guard(Model):
    """A condition on the facts of the migration's epoch."""

    name: GuardName
    text: Text


class Transition(Model):
    """What an event does.

    Attributes:
        from_states: in which it may happen; empty for `create` only.
        to: state afterwards.
        guards: all must hold.
        gate: whose approvals are needed.
        new_epoch: evidence of before is stale afterwards.
    """

    event: Event
    from_states: tuple[State, ...] = Field(alias="from")
    to: State
    guards: tuple[GuardName, ...]
    gate: Gate | None = None
    new_epoch: bool = False
    phase: Phase


class StateMachine(Model):
    """The document `schemas/state_machine.json`."""

    type_: Literal["parity.state_machine.v1"] = Field(default="parity.state_machine.v1", alias="_type")
    version: Annotated[int, Field(ge=1)]
    guards: tuple[Guard, ...]
    transitions: Annotated[tuple[Transition, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _has_no_gap(self) -> StateMachine:
        """Refuse unknown guards, guards and events without use, two ways for one event, and states without a way in or out."""
        known = [guard.name for guard in self.guards]
        _same("guards", known, {name for transition in self.transitions for name in transition.guards})
        _same("events", [transition.event for transition in self.transitions], set(get_args(Event)))
        if [way.event for way in self.transitions if not way.from_states] != ["create"]:
            raise ValueError("create, and nothing else, begins without a state")
        reached = _closure(("CREATED",), ((source, way.to) for way in self.transitions for source in way.from_states))
        if unreached := set(get_args(State)) - reached:
            raise ValueError(f"states that cannot be reached: {', '.join(sorted(unreached))}")
        ending = _closure(FINAL_STATES, ((way.to, source) for way in self.transitions for source in way.from_states))
        if stuck := set(get_args(State)) - ending:
            raise ValueError(f"states without a way to the end: {', '.join(sorted(stuck))}")
        if left := {source for way in self.transitions for source in way.from_states} & set(FINAL_STATES):
            raise ValueError(f"final states that are left: {', '.join(sorted(left))}")
        return self

    def transition(self, state: State, event: Event) -> Transition | None:
        """Return what an event does in a state, or None when it may not happen there."""
        return next((way for way in self.transitions if way.event == event and state in way.from_states), None)

    def events_from(self, state: State) -> tuple[Event, ...]:
        """Return the events that may happen in a state, in the order of the document."""
        return tuple(way.event for way in self.transitions if state in way.from_states)


def _same(what: str, given: list[str], wanted: set[str]) -> None:
    if twice := sorted({name for name in given if given.count(name) > 1}):
        raise ValueError(f"{what}: {', '.join(twice)} stands there twice")
    if missing := sorted(wanted - set(given)):
        raise ValueError(f"{what}: {', '.join(missing)} is missing")
    if unused := sorted(set(given) - wanted):
        raise ValueError(f"{what}: {', '.join(unused)} is never used")


def _closure(start: Iterable[State], ways: Iterable[tuple[State, State]]) -> set[State]:
    """Return the states that can be reached from some, those included."""
    known, reached, size = list(ways), set(start), 0
    while len(reached) != size:
        size = len(reached)
        reached |= {target for source, target in known if source in reached}
    return reached
