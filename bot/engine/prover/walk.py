"""Walks over a flow: every text, action, predicate and arrow, with what is known at that point."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from bot.engine.definition import Action, Ask, Flow, Place, State, Text, Transition
from bot.engine.guards import Predicate

Moment = Literal["state", "ask", "silence"]

REWARD_SOURCES = ("rewards_in_reach", "all_rewards")


@dataclass(frozen=True, slots=True)
class Arrow:
    """An arrow with where it hangs: `on` with outcome `yes`, `listen`, `give_up`, `after` or `go`."""

    key: Literal["on", "listen", "give_up", "after", "go"]
    outcome: str
    transition: Transition
    answered: bool = False  #: the state's question was answered: its slot is set


@dataclass(frozen=True, slots=True)
class Said:
    """A text with the place of its state, and whether the state's choice can be listed in it."""

    text: Text
    choice: Ask | None = None


def arrows(state: State) -> Iterator[Arrow]:
    """Yield every arrow that leaves a state."""
    for outcome, transitions in state.on.items():
        for transition in transitions:
            answered = state.ask is not None and not (state.ask.source is not None and outcome == "none")
            yield Arrow("on", outcome, transition, answered)
    for keyword, transitions in state.listen.items():
        for transition in transitions:
            yield Arrow("listen", keyword, transition)
    if state.give_up is not None:
        yield Arrow("give_up", "misunderstood", state.give_up)
    for after in state.after:
        if after.transition is not None:
            yield Arrow("after", "silence", after.transition)
    for transition in state.go:
        yield Arrow("go", "go", transition)


def at_once(state: State) -> Iterator[Transition]:
    """Yield the arrows that may be taken without waiting for anybody: `go`, and `none` of an empty choice."""
    yield from state.go
    if state.ask is not None and state.ask.source is not None:
        yield from state.on.get("none", ())


def texts(state: State) -> Iterator[Said]:
    """Yield what a state says by itself, its arrows left out."""
    choice = state.ask if state.ask is not None and state.ask.kind == "choice" else None
    if state.say is not None:
        yield Said(state.say, choice)
    if state.ask is not None and state.ask.invalid is not None:
        yield Said(state.ask.invalid, choice)
    for text in state.misunderstood:
        yield Said(text, choice)
    for after in state.after:
        if after.remind is not None:
            yield Said(after.remind, choice)


def all_texts(flow: Flow) -> Iterator[Said]:
    """Yield every text of a flow that is sent as a message."""
    for state in flow.states.values():
        yield from texts(state)
        for arrow in arrows(state):
            if arrow.transition.say is not None:
                yield Said(arrow.transition.say)


def actions(flow: Flow) -> Iterator[Action]:
    """Yield every action of a flow."""
    for state in flow.states.values():
        yield from state.do
        for arrow in arrows(state):
            yield from arrow.transition.do


@dataclass(frozen=True, slots=True)
class Condition:
    """A predicate and where it stands."""

    predicate: Predicate
    place: Place


def conditions(flow: Flow) -> Iterator[Condition]:
    """Yield every predicate of a flow."""
    for trigger in flow.triggers:
        if trigger.when is not None:
            yield Condition(trigger.when, trigger.places.get("if", trigger.place))
    for state in flow.states.values():
        for arrow in arrows(state):
            transition = arrow.transition
            if transition.when is not None:
                yield Condition(transition.when, transition.places.get("if", transition.place))
    for said in all_texts(flow):
        for case in said.text.cases:
            if case.when is not None:
                yield Condition(case.when, case_place(said.text, case.lines))


def case_place(text: Text, lines: object) -> Place:
    """Return where a case of a text stands."""
    if isinstance(lines, dict) and lines:
        first = next(iter(lines.values()))
        place: Place = first[0][1]
        return place
    return text.place


def reachable(flow: Flow, starts: Iterator[str] | list[str], *, waiting: bool = True) -> set[str]:
    """Return the states that can be reached from `starts`; with `waiting=False` within the same turn."""
    seen: set[str] = set()
    open_states = [name for name in starts if name in flow.states]
    while open_states:
        name = open_states.pop()
        if name in seen:
            continue
        seen.add(name)
        state = flow.states[name]
        leaving = (arrow.transition for arrow in arrows(state)) if waiting else at_once(state)
        open_states += [t.to for t in leaving if t.to is not None and t.to in flow.states and t.to not in seen]
    return seen


@dataclass(slots=True)
class Uses:
    """Names that flows give to each other: facts, tags and `once` keys."""

    events: set[str] = field(default_factory=set)
    tags: set[str] = field(default_factory=set)
    marks: set[str] = field(default_factory=set)
    attributes: set[str] = field(default_factory=set)


def uses(flow: Flow) -> Uses:
    """Collect what a flow records, tags, marks and sets."""
    found = Uses()
    for action in actions(flow):
        match action.name:
            case "record":
                found.events.add(action.arguments["event"])
            case "tag":
                found.tags.add(action.arguments["tag"])
            case "award" if action.arguments["once"]:
                found.marks.add(action.arguments["once"])
            case "set":
                found.attributes.update(action.arguments["values"])
            case _:
                pass
    return found
