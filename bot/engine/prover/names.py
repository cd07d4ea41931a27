"""Every name that a flow mentions exists: states, flows, wordings, awards, rewards, tiers, languages, facts."""

from __future__ import annotations

from bot.engine.definition import Action, Flow, Place
from bot.engine.guards import Ask
from bot.engine.language.flows import asks
from bot.engine.language.reader import Reader, nearest
from bot.engine.prover.book import OUTSIDE_EVENTS, Book
from bot.engine.prover.walk import actions, arrows, conditions

RETURNED = "returned"  #: the outcome of a call, whatever the called flow's own outcome was


def check_names(flow: Flow, book: Book) -> None:
    """Complain of every name in a flow that nothing bears."""
    reader = book.reader(flow.place)
    _check_states(flow, reader)
    for trigger in flow.triggers:
        if trigger.event is not None:
            known = {*OUTSIDE_EVENTS, *book.given.events}
            _check_open("fact", trigger.event, known, trigger.places.get("event", trigger.place), reader)
    for action in actions(flow):
        _check_action(action, book, reader)
    for state in flow.states.values():
        if state.call is not None and _check_flow(state.call, state.place, book, reader):
            _check_outcomes_of_call(flow, state.name, book, reader)
    for condition in conditions(flow):
        for ask in asks(condition.predicate):
            _check_ask(ask, condition.place, book, reader)


def _check_states(flow: Flow, reader: Reader) -> None:
    for trigger in flow.triggers:
        if trigger.to and trigger.to not in flow.states:
            reader.unknown("state", trigger.to, flow.states, trigger.places.get("to", trigger.place))
    for state in flow.states.values():
        for arrow in arrows(state):
            transition, to = arrow.transition, arrow.transition.to
            if to is not None and to not in flow.states:
                reader.unknown("state", to, flow.states, transition.places.get("to", transition.place))
            if to is None and arrow.key == "go":
                reader.error("missing-to", "an arrow of `go` leads somewhere: it needs `to`", transition.place)


def _check_open(what: str, word: str, known: set[str], place: Place, reader: Reader) -> None:
    """Warn of a name that may come from outside but looks like a slip of the pen."""
    if word not in known and (near := nearest(word, known)) is not None:
        message = f"nothing here gives the {what} '{word}'; did you mean '{near}'?"
        reader.warn(f"unknown-{what}", message, place, near)


def _check_action(action: Action, book: Book, reader: Reader) -> None:
    programme, arguments, place = book.programme, action.arguments, action.place
    match action.name:
        case "subscribe" | "request_consent":
            if arguments["wording"] not in programme.wordings:
                reader.unknown("wording", arguments["wording"], programme.wordings, place)
        case "award":
            points = arguments["points"]
            if isinstance(points, str) and points not in programme.awards:
                reader.unknown("award", points, programme.awards, place)
        case "issue_voucher":
            rewards = [reward.key for reward in programme.rewards]
            if arguments["reward"] is not None and arguments["reward"] not in rewards:
                reader.unknown("reward", arguments["reward"], rewards, place)
        case "start" | "remind":
            _check_flow(arguments["flow"], place, book, reader)
        case "set":
            language = arguments["values"].get("language")
            if isinstance(language, str) and language not in programme.shop.languages:
                reader.unknown("language", language, programme.shop.languages, place)
        case "forget":
            keys = {a.arguments["key"] for flow in book.flows.values() for a in actions(flow) if a.name == "remind"}
            if not book.broken and arguments["key"] not in {"all", *keys}:
                reader.unknown("reminder", arguments["key"], {"all", *keys}, place)
        case "untag":
            _check_open("tag", arguments["tag"], book.given.tags, place, reader)
        case _:
            pass


def _check_flow(name: str, place: Place, book: Book, reader: Reader) -> bool:
    """Say whether a flow that is started or called is there, and complain when it cannot be."""
    if name not in book.flow_names:
        reader.unknown("flow", name, book.flow_names, place)
        return False
    flow = book.flows.get(name)
    if flow is None or name in book.broken:
        return False
    if not any(trigger.called for trigger in flow.triggers):
        message = f"the flow '{name}' has no trigger with `called: true`, so no other flow may begin it"
        reader.error("not-callable", message, place)
    return True


def _check_outcomes_of_call(flow: Flow, name: str, book: Book, reader: Reader) -> None:
    state = flow.states[name]
    called = book.flows[state.call or ""]
    finals = {s.final for s in called.states.values() if s.final is not None}
    for outcome, transitions in state.on.items():
        if outcome not in finals and outcome != RETURNED:
            place = transitions[0].place if transitions else state.place
            reader.unknown("outcome", outcome, {*finals, RETURNED}, place)
    missing = sorted(finals - set(state.on))
    if RETURNED not in state.on and missing and state.on:
        message = f"'{called.name}' may also end with '{missing[0]}': add it, or `{RETURNED}`, under `on`"
        reader.error("missing-outcome", message, state.place, missing[0])


def _check_ask(ask: Ask, place: Place, book: Book, reader: Reader) -> None:
    """Check the words a condition compares with, where the list of words is known."""
    words = ask.value if isinstance(ask.value, tuple) else (ask.value,)
    if ask.operator not in ("is", "one_of"):
        return
    for word in words:
        if not isinstance(word, str):
            continue
        if ask.fact == "tier":
            _check_word("tier", word, [tier.key for tier in book.programme.tiers], place, reader)
        elif ask.fact == "language":
            _check_word("language", word, book.programme.shop.languages, place, reader)
        elif ask.fact == "in_flow":
            _check_word("flow", word, sorted(book.flow_names), place, reader)
        elif ask.fact == "used" and not book.broken:
            _check_word("once key", word, sorted(book.given.marks), place, reader)
        elif ask.fact == "tag":
            _check_open("tag", word, book.given.tags, place, reader)


def _check_word(what: str, word: str, known: list[str] | tuple[str, ...], place: Place, reader: Reader) -> None:
    if word not in known:
        reader.unknown(what, word, known, place)
