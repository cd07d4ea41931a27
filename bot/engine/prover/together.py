"""What must hold of all flows together: keywords lead one way, calls and starts end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bot.engine.definition import Flow, Place, Trigger
from bot.engine.prover.book import Book
from bot.engine.prover.paths import circles
from bot.engine.prover.walk import at_once, reachable
from bot.engine.words import normalise


def check_together(book: Book) -> None:
    """Complain of keywords that two flows claim, and of flows that begin each other without end."""
    _check_keywords(book)
    _check_circles(book, _calls(book.flows), "call-circle", "flows call each other in a circle")
    _check_circles(book, _starts(book.flows), "start-circle", "flows start each other in one turn, without waiting")


def _check_keywords(book: Book) -> None:
    claimed: dict[tuple[str, str], tuple[Flow, Trigger]] = {}
    for flow in book.flows.values():
        for trigger in flow.triggers:
            for what, phrase in _phrases(trigger):
                first = claimed.get((what, normalise(phrase)))
                if first is None:
                    if trigger.when is None:
                        claimed[what, normalise(phrase)] = flow, trigger
                elif first[0] is flow:
                    if first[1] is not trigger:
                        message = (
                            f"never heard here: '{phrase}' always leads to the trigger on line {first[1].place.line}"
                        )
                        book.reader(flow.place).error("trigger-unreachable", message, trigger.place)
                elif trigger.when is None:
                    message = f"the {what} '{phrase}' already leads to the flow '{first[0].name}' ({first[1].place})"
                    book.reader(flow.place).error(f"{what}-collision", message, trigger.place)


def _phrases(trigger: Trigger) -> Iterator[tuple[str, str]]:
    for keywords in trigger.keywords.values():
        for keyword in dict.fromkeys(keywords):
            yield "keyword", keyword
    for questions in trigger.questions.values():
        for question in dict.fromkeys(questions):
            yield "question", question


def _calls(flows: Mapping[str, Flow]) -> dict[str, dict[str, Place]]:
    """Return for each flow those it calls, with the place of the call."""
    return {
        name: {state.call: state.place for state in flow.states.values() if state.call is not None}
        for name, flow in flows.items()
    }


def _starts(flows: Mapping[str, Flow]) -> dict[str, dict[str, Place]]:
    """Return for each flow those it starts or calls in the very turn in which another flow began it."""
    found: dict[str, dict[str, Place]] = {}
    for name, flow in flows.items():
        started = found.setdefault(name, {})
        for state_name in reachable(flow, [t.to for t in flow.triggers if t.called], waiting=False):
            state = flow.states[state_name]
            if state.call is not None:
                started[state.call] = state.place
            for action in (*state.do, *(a for t in at_once(state) for a in t.do)):
                if action.name == "start":
                    started[action.arguments["flow"]] = action.place
    return found


def _check_circles(book: Book, graph: Mapping[str, Mapping[str, Place]], code: str, words: str) -> None:
    for circle in circles({name: list(following) for name, following in graph.items()}):
        place = graph[circle[-1]][circle[0]]
        book.reader(place).error(code, f"{words}: {' -> '.join([*circle, circle[0]])}", place)
