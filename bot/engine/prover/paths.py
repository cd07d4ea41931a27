"""Every state can be reached and left, nothing turns in a circle, nobody waits for ever."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from bot.engine.definition import Flow, State
from bot.engine.language.reader import Reader
from bot.engine.prover.book import Book
from bot.engine.prover.walk import arrows, at_once, reachable

MAX_REPEATS = 10  #: findings of one kind about one flow; the rest says the same


def check_paths(flow: Flow, book: Book) -> None:
    """Complain of states nobody reaches or leaves, of circles, and of waiting without an end."""
    reader = book.reader(flow.place)
    reached = reachable(flow, [trigger.to for trigger in flow.triggers])
    lost = [state for name, state in flow.states.items() if name not in reached]
    for state in lost[:MAX_REPEATS]:
        reader.error("unreachable-state", f"no arrow and no trigger leads to the state '{state.name}'", state.place)
    endless = [flow.states[name] for name in reached - _ending(flow)]
    for state in sorted(endless, key=lambda s: s.place)[:MAX_REPEATS]:
        message = f"no way out: from the state '{state.name}' no `final` state can be reached"
        reader.error("no-way-out", message, state.place)
    _check_circles(flow, reader)
    for name in reached:
        _check_waiting(flow.states[name], reader)


def _ending(flow: Flow) -> set[str]:
    """Return the states from which the flow can end."""
    before: dict[str, list[str]] = {}
    ends: list[str] = []
    for name, state in flow.states.items():
        if state.final is not None or _starts(state):
            ends.append(name)
        for arrow in arrows(state):
            if arrow.transition.to is not None:
                before.setdefault(arrow.transition.to, []).append(name)
            elif any(action.name == "start" for action in arrow.transition.do):
                ends.append(name)
    seen: set[str] = set()
    while ends:
        name = ends.pop()
        if name not in seen:
            seen.add(name)
            ends += before.get(name, [])
    return seen


def _starts(state: State) -> bool:
    return any(action.name in ("start", "unsubscribe") for action in state.do)


def _check_circles(flow: Flow, reader: Reader) -> None:
    graph = {name: [t.to for t in at_once(state) if t.to in flow.states] for name, state in flow.states.items()}
    for circle in circles(graph)[:MAX_REPEATS]:
        names = " -> ".join([*circle[:6], circle[0]] if len(circle) <= 6 else [*circle[:6], "..."])
        message = f"a circle without waiting: {names}; somewhere on it must stand an `ask` or an end"
        reader.error("circle", message, flow.states[circle[0]].place)


def _check_waiting(state: State, reader: Reader) -> None:
    waits = state.ask is not None or bool(state.listen)
    if waits and not any(after.transition is not None for after in state.after):
        message = f"the state '{state.name}' waits for ever: add `after`, like {{24h: end}}"
        reader.warn("waits-forever", message, state.place)


def circles(graph: Mapping[str, Iterable[str | None]]) -> list[list[str]]:
    """Return the circles of a graph, each once, as the names on one way around. Linear; no recursion."""
    found: list[list[str]] = []
    done: set[str] = set()
    for root in graph:
        if root in done:
            continue
        path: list[str] = [root]
        at = {root: 0}
        ways = [iter(graph[root])]
        while ways:
            following = next((name for name in ways[-1] if name is not None and name not in done), None)
            if following is None:
                ways.pop()
                name = path.pop()
                del at[name]
                done.add(name)
            elif following in at:
                found.append(path[at[following] :])
            elif following in graph:
                at[following] = len(path)
                path.append(following)
                ways.append(iter(graph[following]))
    return found
