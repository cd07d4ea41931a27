"""An event in, a decision out: new conversation values, effects, and why.

Pure but for `ids`. Works on copies: when anything inside a flow breaks, the decision says so, the
conversations stay as they were and the customer gets one polite text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Protocol

from bot.engine import answering, choices, proactive
from bot.engine.agreeing import leave
from bot.engine.conversation import Conversation, Customer
from bot.engine.decision import Decision
from bot.engine.definition import Flow
from bot.engine.effects import SendMessage
from bot.engine.events import Event, FactRecorded, HandedBack, MessageReceived, StartDue, TimerFired
from bot.engine.machine import Compiled
from bot.engine.phrases import Phrases
from bot.engine.programme import Programme
from bot.engine.routing import Routing
from bot.engine.saying import messages
from bot.engine.standing import Expectation
from bot.engine.walking import settle
from bot.engine.working import Turn


class Book(Protocol):
    """The flows in force and the words and rules beside them."""

    @property
    def programme(self) -> Programme: ...

    @property
    def phrases(self) -> Phrases: ...

    @property
    def flows(self) -> Mapping[str, Flow]: ...

    def current(self, name: str) -> Compiled | None:
        """Return the revision of a flow now in force."""

    def revision(self, revision_id: int) -> Compiled:
        """Return the revision a conversation began in; FlowError when it cannot be read."""

    def by_compliance(self, kind: str) -> Compiled:
        """Return the flow that answers `stop`, `start`, `help` or `unsure`."""


def decide(
    book: Book,
    customer: Customer,
    event: Event,
    routing: Routing | None,
    *,
    stock: Mapping[str, int],
    now: datetime,
    entropy: bytes,
    ids: Callable[[], int],
    day_code: str,
    trouble: str | None = None,
) -> Decision:
    """Decide one event for one customer.

    `stock` says how many of each reward are taken, `entropy` is fresh for every call and makes codes
    unguessable, `ids` gives ids to new conversations, `day_code` is today's code at the till. With
    `trouble`, something broke around us already: the answer is the polite one. Never raises for what a
    flow does.
    """
    turn = Turn(book, customer, event, stock=stock, now=now, entropy=entropy, ids=ids, day_code=day_code)
    if trouble is None:
        try:
            _take(turn, routing)
            settle(turn)
            return _decision(turn, routing)
        except Exception as error:
            trouble = f"{type(error).__name__}: {error}"
    return _broken(turn, routing, trouble)


def expectation(book: Book, customer: Customer, stock: Mapping[str, int], now: datetime) -> Expectation | None:
    """Return what the open conversations wait for, None when they wait for no text.

    That is the top question; a conversation on top of it that only listens adds its keywords. Labels are
    in the customer's language.
    """
    if not customer.conversations:
        return None
    turn = Turn(book, customer, None, stock=stock, now=now)
    heard: dict[str, None] = {}
    for frame in reversed(turn.frames):
        state = frame.definition
        heard.update(dict.fromkeys(state.listen))
        if state.ask is not None:
            answers = choices.offered(turn, frame, state.ask) if state.ask.kind == "choice" else ()
            return Expectation(frame.compiled.flow.name, state.name, state.ask, answers, tuple(heard))
        if not frame.quiet:
            break
    if not heard:
        return None
    top = turn.frames[-1]
    return Expectation(top.compiled.flow.name, top.state, None, (), tuple(heard))


def _take(turn: Turn, routing: Routing | None) -> None:
    match turn.event:
        case MessageReceived() as text:
            if routing is not None:
                answering.take_text(turn, text, routing)
        case TimerFired() as timer:
            proactive.take_timer(turn, timer)
        case FactRecorded() as fact:
            proactive.take_fact(turn, fact)
        case StartDue() as due:
            proactive.take_start(turn, due)
        case HandedBack() as back:
            proactive.take_back(turn, back)


def _decision(turn: Turn, routing: Routing | None) -> Decision:
    conversations = [frame.value() for frame in turn.everyone if frame.dirty and not (frame.fresh and not frame.id)]
    if conversations or turn.effects or turn.lines:
        conversations += _lost(turn)
    return Decision(
        conversations=tuple(conversations),
        effects=(*turn.effects, *messages(turn)),
        routing=routing,
        steps=tuple(turn.steps),
    )


def _lost(turn: Turn) -> list[Conversation]:
    """Return conversations that nobody can go on with, ended."""
    return [
        replace(conversation, outcome="lost", ended_at=turn.now, turn_no=conversation.turn_no + 1)
        for conversation in turn.lost
    ]


def _broken(turn: Turn, routing: Routing | None, trouble: str) -> Decision:
    """Answer politely and change nothing; but who asked to leave has left, whatever else broke."""
    clean = Turn(turn.book, turn.customer_before, turn.event, stock=turn.stock, now=turn.now)
    if routing is not None and routing.decision == "opt_out":
        leave(clean)
        conversations = tuple(frame.value() for frame in clean.everyone)
        return Decision(conversations, tuple(clean.effects), routing, tuple(turn.steps), trouble)
    effects: tuple[SendMessage, ...] = ()
    if clean.by_text:
        try:
            clean.say(None, clean.book.phrases.crash)
            effects = tuple(messages(clean))
        except Exception as error:
            trouble = f"{trouble}; and the words for it: {error}"
    return Decision((), effects, routing, tuple(turn.steps), trouble)
