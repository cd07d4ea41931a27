"""What law and carriers demand of flows.

47 CFR 64.1200(a)(10): the words stop, quit, end, revoke, opt out, cancel and unsubscribe always mean leave.
(a)(12): one confirmation text and no marketing in it is all that may follow. (f)(9): marketing needs
consent that the customer gave to words they were shown. CTIA and Twilio: HELP and INFO always answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bot.engine.actions import ACTIONS
from bot.engine.definition import Action, Flow, Place, State, Transition, Trigger
from bot.engine.guards import Ask, Predicate
from bot.engine.language.flows import COMPLIANCE
from bot.engine.language.reader import Reader
from bot.engine.prover.book import Book
from bot.engine.prover.walk import arrows, at_once, reachable
from bot.engine.words import normalise

WORDS: Mapping[str, str] = {
    **dict.fromkeys(("stop", "stopall", "unsubscribe", "cancel", "end", "quit", "revoke", "optout", "opt out"), "stop"),
    **dict.fromkeys(("start", "unstop", "join"), "start"),
    **dict.fromkeys(("help", "info"), "help"),
}
"""Words that the router hears before any flow does."""

STOP_MAY = frozenset({"unsubscribe", "record", "untag", "tag", "set", "forget", "settle_doubt"})
"""What a flow may do on the way out; all else is marketing, or brings the customer back."""


def check_compliance(book: Book) -> None:
    """Complain of what would break a law or a carrier's rule."""
    _check_each_kind_once(book)
    for flow in book.flows.values():
        reader = book.reader(flow.place)
        _check_keywords(flow, reader)
        _check_kind(flow, reader)
        _check_silence(flow, reader)
        for trigger in flow.triggers:
            if trigger.compliance is not None and flow.kind == "marketing":
                message = f"a flow that answers {trigger.compliance.upper()} is of kind service"
                reader.error("compliance-kind", message, trigger.place)
            if trigger.to not in flow.states:
                continue
            if trigger.compliance == "stop" and flow.name not in book.broken:
                _check_stop(flow, trigger, reader)
            elif trigger.compliance in ("help", "unsure"):
                _check_no_consent(flow, trigger, reader)
            if trigger.schedule is not None:
                _check_no_subscribe_at_once(flow, trigger, reader)


def _check_each_kind_once(book: Book) -> None:
    for kind in COMPLIANCE:
        having = [
            (flow, next(t for t in flow.triggers if t.compliance == kind))
            for flow in book.flows.values()
            if any(t.compliance == kind for t in flow.triggers)
        ]
        if not having and not book.broken:
            flow_of_that_name = book.flows.get(kind)
            place = flow_of_that_name.place if flow_of_that_name is not None else Place("flows", 1, 1)
            message = f"no flow answers {kind.upper()}: one needs a trigger with `compliance: {kind}`"
            book.reader(place).error("compliance-missing", message, place)
        for flow, trigger in having[1:]:
            message = f"`compliance: {kind}` already leads to the flow '{having[0][0].name}'"
            book.reader(flow.place).error("compliance-twice", message, trigger.place)
        for flow, _ in having[:1]:
            triggers = [t for t in flow.triggers if t.compliance == kind]
            if all(t.when is not None for t in triggers):
                message = f"a customer for whom no `if` holds gets no answer to {kind.upper()}: add one without `if`"
                book.reader(flow.place).error("compliance-guarded", message, triggers[-1].place)


def _check_keywords(flow: Flow, reader: Reader) -> None:
    """Complain of keywords that never arrive here, because they mean something by law."""
    own = {trigger.compliance for trigger in flow.triggers}
    for trigger in flow.triggers:
        for keyword in (word for words in trigger.keywords.values() for word in words):
            kind = WORDS.get(normalise(keyword))
            if kind is not None and kind not in own:
                _complain(keyword, kind, trigger.places.get("keywords", trigger.place), reader)
    for state in flow.states.values():
        for keyword, transitions in state.listen.items():
            if (kind := WORDS.get(normalise(keyword))) is not None:
                _complain(keyword, kind, transitions[0].place if transitions else state.place, reader)
        for keyword in state.ask.keywords if state.ask is not None else ():
            if (kind := WORDS.get(normalise(keyword))) is not None:
                _complain(keyword, kind, state.ask.place if state.ask is not None else state.place, reader)


def _complain(keyword: str, kind: str, place: Place, reader: Reader) -> None:
    message = f"'{keyword}' never arrives here: it always means {kind.upper()}; choose another word"
    reader.error("compliance-word", message, place)


def _check_kind(flow: Flow, reader: Reader) -> None:
    """Warn where the kind does not fit the way the flow begins."""
    for trigger in flow.triggers:
        if trigger.schedule is not None and flow.kind == "service":
            message = "a schedule texts people who asked for nothing: such a flow is of kind marketing"
            reader.error("scheduled-service", message, trigger.place)
    begun_by_us = any(t.schedule is not None or t.event is not None or t.called for t in flow.triggers)
    if flow.kind == "marketing" and not begun_by_us:
        message = "only customers begin this flow, so it answers what was asked: its kind is service"
        reader.warn("marketing-asked-for", message, flow.place)


def _check_stop(flow: Flow, trigger: Trigger, reader: Reader) -> None:
    """From STOP every way ends in the same turn, unsubscribed, with one text at the most."""
    said = False
    for path in _paths(flow, trigger.to):
        last, do, texts = path
        if last.final is None:
            message = f"after STOP nothing more may be asked: the state '{last.name}' needs to be `final`"
            reader.error("stop-goes-on", message, last.place)
        if not any(action.name == "unsubscribe" for action in do) and not _already_out(trigger.when):
            message = f"STOP leads to '{last.name}' without `unsubscribe: true` on the way"
            reader.error("stop-without-unsubscribe", message, last.place)
        for action in do:
            if action.name not in STOP_MAY:
                message = f"after STOP nothing but leaving may happen, so no `{action.name}`"
                reader.error("stop-does-more", message, action.place)
        if texts > 1:
            message = f"after STOP one text may be sent, not {texts}"
            reader.error("stop-says-more", message, last.place)
        said = said or texts == 1
    if not said:
        reader.error("stop-silent", "STOP needs one text that confirms it", trigger.place)


def _already_out(when: Predicate | None) -> bool:
    return isinstance(when, Ask) and when.fact == "consent" and when.value == "unsubscribed"


def _paths(flow: Flow, start: str) -> Iterator[tuple[State, list[Action], int]]:
    """Yield each way from a state through `go` to where it stops: last state, actions done, texts said."""
    open_ways: list[tuple[str, list[Action], int, frozenset[str]]] = [(start, [], 0, frozenset())]
    for _ in range(500):
        if not open_ways:
            return
        name, do, texts, seen = open_ways.pop()
        state = flow.states[name]
        do, texts = [*do, *state.do], texts + (state.say is not None)
        further = [t for t in at_once(state) if t.to in flow.states and t.to not in seen]
        if not further:
            yield state, do, texts
        for transition in further:
            said = texts + (transition.say is not None)
            open_ways.append((transition.to or name, [*do, *transition.do], said, seen | {name}))


def _check_no_consent(flow: Flow, trigger: Trigger, reader: Reader) -> None:
    kind = (trigger.compliance or "").upper()
    forbidden = ("subscribe", "request_consent", "unsubscribe") if kind == "HELP" else ("subscribe", "request_consent")
    for name in reachable(flow, [trigger.to]):
        state = flow.states[name]
        for action in (*state.do, *(a for arrow in arrows(state) for a in arrow.transition.do)):
            if action.name in forbidden:
                message = f"{kind} must not change consent, so no `{action.name}`"
                reader.error("consent-changed", message, action.place)


def _check_silence(flow: Flow, reader: Reader) -> None:
    """Consent needs the customer's word: silence and what was not understood are none."""
    for state in flow.states.values():
        for arrow in arrows(state):
            if arrow.key in ("after", "give_up"):
                words = "silence" if arrow.key == "after" else "a reply that was not understood"
                for action in _done_at_once(flow, arrow.transition):
                    if action.name == "subscribe":
                        message = f"{words} is no consent: `subscribe` needs the customer's own word"
                        reader.error("consent-by-silence", message, action.place)


def _check_no_subscribe_at_once(flow: Flow, trigger: Trigger, reader: Reader) -> None:
    for action in _done_at_once(flow, Transition(trigger.to, trigger.place)):
        if ACTIONS[action.name].changes == "consent" and action.name != "unsubscribe":
            message = f"a schedule is no consent: `{action.name}` needs the customer's own word"
            reader.error("consent-by-schedule", message, action.place)


def _done_at_once(flow: Flow, transition: Transition) -> Iterator[Action]:
    """Yield what is done when an arrow is taken, up to the next wait."""
    yield from transition.do
    if transition.to is None:
        return
    for name in sorted(reachable(flow, [transition.to], waiting=False)):
        state = flow.states[name]
        yield from state.do
        for further in at_once(state):
            yield from further.do
