"""From an event to a decision: routed, decided, and safe from what breaks on the way."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from datetime import datetime

from bot import telemetry
from bot.catalog import Book
from bot.engine.conversation import Customer
from bot.engine.decide import decide, expectation
from bot.engine.decision import Decision
from bot.engine.events import Event, MessageReceived
from bot.engine.routing import Routing
from bot.engine.standing import Expectation, Standing
from bot.errors import TurnBroken
from storage.ids import next_id

#: See `decide_event`.
Decide = Callable[[Book, Customer, Event, Mapping[str, int], datetime, str, bytes], Decision]
Entropy = Callable[[], bytes]  #: gives what makes the codes of one turn unguessable


def fresh_entropy() -> bytes:
    """Return entropy that nobody can guess or make again."""
    return secrets.token_bytes(16)


def decide_event(
    book: Book,
    customer: Customer,
    event: Event,
    stock: Mapping[str, int],
    now: datetime,
    code: str,
    entropy: bytes,
) -> Decision:
    """Decide one event; `code` is the day's, `entropy` makes the codes of this turn unguessable.

    Raises TurnBroken for one that is not a text: whoever brought it tries again later.
    """
    routing, trouble = None, None
    if isinstance(event, MessageReceived):
        routing, trouble = _route_safely(book, customer, event, stock, now)
    decision = _decide(book, customer, event, routing, trouble, stock, now, code, entropy)
    if decision.error and not isinstance(event, MessageReceived):
        raise TurnBroken(decision.error)
    return decision


def decide_broken(book: Book, customer: Customer, event: Event, error: str, now: datetime) -> Decision:
    """Decide an event whose turn could not be written: the polite answer; an opt-out counts all the same."""
    routing = None
    if isinstance(event, MessageReceived):
        routing, _ = _route_safely(book, customer, event, {}, now)
    return _decide(book, customer, event, routing, error, {}, now, "", fresh_entropy())


def _decide(
    book: Book,
    customer: Customer,
    event: Event,
    routing: Routing | None,
    trouble: str | None,
    stock: Mapping[str, int],
    now: datetime,
    code: str,
    entropy: bytes,
) -> Decision:
    if routing is not None:
        telemetry.decided(routing.decision, routing.rule)
    return decide(
        book,
        customer,
        event,
        routing,
        stock=stock,
        now=now,
        entropy=entropy,
        ids=next_id,
        day_code=code,
        trouble=trouble,
    )


def route_text(
    book: Book, customer: Customer, text: MessageReceived, stock: Mapping[str, int], now: datetime
) -> Routing:
    """Ask the router about one text of one customer."""
    return _route(book, customer, text, expectation(book, customer, stock, now), now)


def _route_safely(
    book: Book, customer: Customer, text: MessageReceived, stock: Mapping[str, int], now: datetime
) -> tuple[Routing | None, str | None]:
    """Return how a text is understood, and what broke meanwhile. STOP is understood whatever a conversation does."""
    try:
        return route_text(book, customer, text, stock, now), None
    except Exception as error:
        trouble = f"{type(error).__name__}: {error}"
    try:
        return _route(book, customer, text, None, now), trouble
    except Exception:
        return None, trouble


def _route(
    book: Book, customer: Customer, text: MessageReceived, expected: Expectation | None, now: datetime
) -> Routing:
    standing = Standing(
        consent=customer.consent,
        language=customer.language,
        expectation=expected,
        held=customer.held_until is not None and customer.held_until > now,
        has_media=bool(text.media),
        opt_out_type=text.opt_out_type,
        today=now.date(),
        doubt=customer.marketing_paused,
    )
    return book.router.route(text.body, standing)
