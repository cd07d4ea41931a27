"""A flow compiled to a `transitions` machine. The only file that imports the library.

One plain machine per revision, without models, shared by all threads: a turn hands in a light model for
one trigger at a time. Names in files never reach the library as something to resolve: events carry a
prefix, and conditions and callbacks are our own callables.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any, Literal, Protocol

from transitions import EventData, Machine
from transitions import State as MachineState

from bot.engine.definition import Ask, Flow, Place, State, Transition
from bot.engine.guards import Predicate, describe
from bot.errors import FlowError

BEGIN = "(begin)"  #: the place before a flow's first state; no state of a file can have this name
SlotKind = Literal["reward", "voucher", "date", "option", "plain"]

logging.getLogger("transitions").setLevel(logging.WARNING)


class Walker(Protocol):
    """What a machine moves: one customer's place in one flow, for the length of a turn."""

    state: str

    def permits(self, predicate: Predicate, words: str) -> bool:
        """Say whether a guard holds; `words` describe it for the explanation."""

    def leave(self, source: str, outcome: str, arrow: Transition, place: str) -> None:
        """Take an arrow: its actions and its words, before the state changes."""

    def enter(self, state: State) -> None:
        """Arrive in a state: its actions and its words."""


@dataclass(frozen=True, slots=True)
class Compiled:
    """One published revision, ready to run."""

    flow: Flow
    machine: Machine
    revision_id: int
    slots: Mapping[str, SlotKind] = field(default_factory=dict)  #: what kind of answer each slot holds

    def fire(self, event: str, walker: Walker) -> bool:
        """Take the first arrow for this event whose guard holds; False when there is none."""
        known = self.machine.events.get(event)
        if known is None or walker.state not in known.transitions:
            return False
        return bool(known.trigger(walker))


def compile_flow(flow: Flow, revision_id: int) -> Compiled:
    """Build the machine of a flow. Raises FlowError for an arrow to a state that does not exist."""
    machine = Machine(
        model=None,
        states=[
            MachineState(BEGIN),
            *(
                MachineState(name, on_enter=_Entering(state), final=state.final is not None)
                for name, state in flow.states.items()
            ),
        ],
        initial=None,
        auto_transitions=False,
        send_event=True,
    )
    for source, event, outcome, arrow in _arrows(flow):
        if arrow.to is not None and arrow.to not in flow.states:
            raise FlowError(f"{arrow.place}: there is no state {arrow.to!r} in {flow.name}")
        leaving = _Leaving(source, outcome, arrow)
        guard = None if arrow.when is None else _Guard(arrow.when)
        machine.add_transition(event, source, arrow.to, conditions=guard, before=leaving)
    return Compiled(flow, machine, revision_id, _slot_kinds(flow))


def short_place(place: Place) -> str:
    """Return a place as staff read it: `redeem.yaml:31`."""
    return f"{PurePath(place.file).name}:{place.line}"


def _arrows(flow: Flow) -> Iterator[tuple[str, str, str, Transition]]:
    """Yield (source, event, outcome, arrow) for every arrow of a flow, each list in the file's order."""
    for index, trigger in enumerate(flow.triggers):
        yield BEGIN, f"start:{index}", "start", Transition(trigger.to, trigger.place, trigger.when)
    for name, state in flow.states.items():
        for outcome, arrows in state.on.items():
            for arrow in arrows:
                yield name, f"on:{outcome}", outcome, arrow
        for keyword, arrows in state.listen.items():
            for arrow in arrows:
                yield name, f"listen:{keyword}", keyword, arrow
        for arrow in state.go:
            yield name, "go", "go", arrow
        for step, after in enumerate(state.after):
            if after.transition is not None:
                yield name, f"after:{step}", "silence", after.transition
        if state.give_up is not None:
            yield name, "give_up", "misunderstood", state.give_up


def _slot_kinds(flow: Flow) -> dict[str, SlotKind]:
    asks = [state.ask for state in flow.states.values() if state.ask is not None]
    return {ask.slot: _slot_kind(ask) for ask in asks if ask.slot is not None}


def _slot_kind(ask: Ask) -> SlotKind:
    if ask.kind == "date":
        return "date"
    if ask.kind != "choice":
        return "plain"
    if ask.source is None:
        return "option"
    return "voucher" if ask.source == "vouchers" else "reward"


class _Guard:
    """A condition: asks the walker, which notes a refusal."""

    __slots__ = ("predicate", "words")

    def __init__(self, predicate: Predicate) -> None:
        self.predicate = predicate
        self.words = describe(predicate)

    def __call__(self, event: EventData) -> bool:
        walker: Any = event.model
        return bool(walker.permits(self.predicate, self.words))


class _Leaving:
    """Runs before the state changes, once an arrow's guard holds."""

    __slots__ = ("arrow", "outcome", "place", "source")

    def __init__(self, source: str, outcome: str, arrow: Transition) -> None:
        self.source = source
        self.outcome = outcome
        self.arrow = arrow
        self.place = short_place(arrow.place)

    def __call__(self, event: EventData) -> None:
        walker: Any = event.model
        walker.leave(self.source, self.outcome, self.arrow, self.place)


class _Entering:
    """Runs after the state has changed."""

    __slots__ = ("state",)

    def __init__(self, state: State) -> None:
        self.state = state

    def __call__(self, event: EventData) -> None:
        walker: Any = event.model
        walker.enter(self.state)
