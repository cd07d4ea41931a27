"""Flow files: text -> Flow, with every mistake at its place."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import get_args

from bot.engine.definition import Finding, Flow, HandBack, State, Transition, Trigger
from bot.engine.guards import FACTS, All, Any_, Ask, Not, Predicate
from bot.engine.language.arrows import STATE_NAME
from bot.engine.language.nodes import Node, Series, Table, read_nodes
from bot.engine.language.predicates import PREDICATE
from bot.engine.language.reader import Reader
from bot.engine.language.records import Field, Record, Values
from bot.engine.language.schedules import SCHEDULE
from bot.engine.language.shapes import (
    Clock,
    Definitions,
    Duration,
    Flag,
    ListOf,
    OneOf,
    Schema,
    Shape,
    TableOf,
    Word,
    Words,
)
from bot.engine.language.states import DONE, END, StatesShape
from bot.engine.language.texts import FIRST_LANGUAGE, LANGUAGE

COMPLIANCE = ("stop", "start", "help", "unsure")
MAX_TRIGGERS = 50
WAYS_IN = ("keywords", "questions", "compliance", "event", "schedule", "called")


@dataclass(frozen=True, slots=True)
class PhrasesByLanguage(Shape[Mapping[str, tuple[str, ...]]]):
    """A list (English), or a list for each language."""

    words: Words

    def read(self, node: Node, reader: Reader) -> Mapping[str, tuple[str, ...]] | None:
        phrases = ListOf(self.words, "the list")
        if isinstance(node, Table):
            return TableOf(Word("a language such as en", LANGUAGE), phrases).read(node, reader)
        found = phrases.read(node, reader)
        return {FIRST_LANGUAGE: found} if found else None

    def schema(self, defs: Definitions) -> Schema:
        phrases = ListOf(self.words).schema(defs)
        table = {"type": "object", "patternProperties": {f"^{LANGUAGE}$": phrases}, "minProperties": 1}
        return {"anyOf": [*phrases["anyOf"], {**table, "additionalProperties": False}]}


def _trigger(values: Values, reader: Reader) -> Trigger | None:
    here = values.places
    if not any(key in here for key in WAYS_IN):
        reader.error("trigger-empty", f"a trigger needs one of {', '.join(WAYS_IN)}", values.place)
    if "takes" in here and "keywords" not in here:
        reader.error("needless-key", "`takes` needs `keywords`: it keeps what follows them", here["takes"])
    for key in ("after", "at"):
        if key in here and "event" not in here:
            reader.error("needless-key", f"`{key}` counts from an event, and there is none", here[key])
    trigger = Trigger(
        to=values.get("to", ""),
        place=values.place,
        when=values.get("if"),
        keywords=values.get("keywords", {}),
        questions=values.get("questions", {}),
        takes=values.get("takes"),
        compliance=values.get("compliance"),
        event=values.get("event"),
        after=values.get("after"),
        at=values.get("at"),
        schedule=values.get("schedule"),
        called=values.get("called", False),
        places=values.values,
    )
    if "schedule" in here:
        _check_schedule(trigger, values, reader)
    return trigger


def _check_schedule(trigger: Trigger, values: Values, reader: Reader) -> None:
    if "if" not in values.places:
        message = "a schedule needs `if`: without it everybody would be texted"
        reader.error("schedule-without-if", message, values.at("schedule"))
    for ask in asks(trigger.when):
        if not FACTS[ask.fact].in_segments:
            known = ", ".join(name for name, fact in FACTS.items() if fact.in_segments)
            message = f"'{ask.fact}' is only known inside a conversation; a schedule may ask {known}"
            reader.error("schedule-fact", message, values.at("if"))


def asks(predicate: Predicate | None) -> Iterator[Ask]:
    """Yield every question in a predicate."""
    open_parts: list[Predicate] = [predicate] if predicate is not None else []
    while open_parts:
        part = open_parts.pop()
        if isinstance(part, Ask):
            yield part
        elif isinstance(part, All | Any_):
            open_parts += reversed(part.parts)
        elif isinstance(part, Not):
            open_parts.append(part.part)


TRIGGER = Record(
    "trigger",
    (
        Field("keywords", PhrasesByLanguage(Words("a keyword", 60, upper=True)), "whole texts, in any case"),
        Field("questions", PhrasesByLanguage(Words("a question", 200)), "phrases of natural language"),
        Field("takes", Word("a slot's name"), "the slot for what follows the keyword (`JOIN ANA42`)"),
        Field("compliance", OneOf("compliance rule", COMPLIANCE), "the router's compliance rules lead here"),
        Field("event", Word("a fact's name"), "starts when this fact is recorded"),
        Field("after", Duration(), "so long after the event"),
        Field("at", Clock(), "the first such local time after that"),
        Field("schedule", SCHEDULE, "starts for everybody `if` holds for"),
        Field("called", Flag(), "other flows may `start`, `call` or `remind` it"),
        Field("if", PREDICATE, "the trigger counts only when this holds"),
        Field("to", STATE_NAME, "the state the flow begins in", required=True),
    ),
    _trigger,
    "One way into the flow.",
)


@dataclass(frozen=True, slots=True)
class TriggersShape(Shape[tuple[Trigger, ...]]):
    """The list under `start`."""

    def read(self, node: Node, reader: Reader) -> tuple[Trigger, ...] | None:
        items = node.items if isinstance(node, Series) else (node,)
        if not 0 < len(items) <= MAX_TRIGGERS:
            reader.error("bad-list", f"a flow has one to {MAX_TRIGGERS} triggers", node.place)
            return None
        triggers = [TRIGGER.read(item, reader) for item in items]
        return tuple(trigger for trigger in triggers if trigger is not None)

    def schema(self, defs: Definitions) -> Schema:
        item = TRIGGER.schema(defs)
        return {"anyOf": [item, {"type": "array", "items": item, "minItems": 1, "maxItems": MAX_TRIGGERS}]}


def _flow(values: Values, reader: Reader) -> Flow:
    name = values.get("flow", reader.stem)
    if name != reader.stem and reader.file.endswith((".yaml", ".yml")):
        message = f"the flow '{name}' stands in a file called '{reader.stem}'; both names are the same"
        reader.error("flow-name", message, values.at("flow"), reader.stem)
    _check_hand_back(values, reader)
    return Flow(
        name=name,
        title=values.get("title", name),
        kind="marketing" if values.get("kind") == "marketing" else "service",
        triggers=values.get("start", ()),
        states=_with_end(values.get("states", {})),
        place=values.at("flow"),
        digest="",
        intent=values.get("intent", name),
        description=values.get("description", ""),
        relevant=values.get("relevant"),
        handed_back=values.get("handed_back", "resume"),
    )


def _check_hand_back(values: Values, reader: Reader) -> None:
    """Complain of a question to be asked again where there is none."""
    states: Mapping[str, State] = values.get("states", {})
    asked = any(state.ask is not None and state.say is not None for state in states.values())
    if values.get("handed_back") == "ask_again" and states and not asked:
        message = "`handed_back: ask_again` needs a state that has `say` and `ask`: there is nothing to ask again"
        reader.error("needless-key", message, values.at("handed_back"))


def _with_end(states: dict[str, State]) -> dict[str, State]:
    """Add the silent final state `end` when an arrow leads there and the file has none."""
    if END in states:
        return states
    for state in states.values():
        for arrow in arrows_of(state):
            if arrow.to == END:
                return {**states, END: State(END, arrow.place, final=DONE)}
    return states


def arrows_of(state: State) -> Iterator[Transition]:
    """Yield every arrow that leaves a state, in the file's order of keys."""
    for arrows in state.on.values():
        yield from arrows
    for arrows in state.listen.values():
        yield from arrows
    if state.give_up is not None:
        yield state.give_up
    for after in state.after:
        if after.transition is not None:
            yield after.transition
    yield from state.go


FLOW = Record(
    "flow",
    (
        Field("flow", Word("the flow's name (lower case, digits, _)"), "the name; equals the file's", required=True),
        Field("title", Words("a title"), "for colleagues and reports", required=True),
        Field(
            "kind",
            OneOf("kind", ("service", "marketing")),
            "service answers what was asked; marketing needs consent and keeps quiet hours and caps",
            required=True,
        ),
        Field("description", Words("a description", 500), "one line for colleagues"),
        Field(
            "relevant",
            Duration(),
            "what it says unasked is dropped when it could not go out within this time of its cause; absent: `limits`",
        ),
        Field(
            "handed_back",
            OneOf("way", get_args(HandBack)),
            "when a person hands the conversation back: `resume` (the default) waits for the answer in silence, "
            "`ask_again` asks the open question again, `end` closes the conversation",
        ),
        Field("intent", Word("an intent's name"), "what the router calls it; default: the flow's name"),
        Field("start", TriggersShape(), "triggers; the first whose `if` holds wins", required=True),
        Field("states", StatesShape(), "states by name", required=True),
    ),
    _flow,
    "One flow: what a customer and the bot say to each other for one purpose.",
    titled=False,
)


def read_flow_leniently(text: str, file: str) -> tuple[Flow | None, list[Finding]]:
    """Read a flow as far as possible: with mistakes in it, what could be read is still there to be checked.

    None only when the file is no YAML table at all.
    """
    root, findings = read_nodes(text, file)
    reader = Reader(file, findings)
    flow = None if root is None else FLOW.read(root, reader)
    if flow is not None:
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        flow = replace(flow, digest=digest)
    return flow, reader.findings


def read_flow(text: str, file: str) -> tuple[Flow | None, list[Finding]]:
    """Read one flow file. `file` is its name, for the findings; nothing is opened. None when it has errors."""
    flow, findings = read_flow_leniently(text, file)
    return (None if has_errors(findings) else flow), findings


def parse_predicate(text: str, file: str) -> tuple[Predicate | None, list[Finding]]:
    """Read one predicate, as a segment or a test writes it: `{points: {at_least: 100}}`."""
    root, findings = read_nodes(text, file)
    reader = Reader(file, findings)
    predicate = None if root is None else PREDICATE.read(root, reader)
    return (None if reader.failed else predicate), reader.findings


def has_errors(findings: list[Finding]) -> bool:
    """Tell whether any finding is an error."""
    return any(finding.severity == "error" for finding in findings)
