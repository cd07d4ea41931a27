"""The one door for everything that can change a conversation.

`Turns.take` handles a group of events in one durable transaction: lock, load, route, decide, apply,
commit. Events that arrive together share the cost of the commit; events of one customer are handled one
after the other; a group that fails as a whole is taken again one event at a time, so that one customer's
trouble is never another's. Customers are locked before anything else of theirs is touched.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import Connection, Engine

from bot import daycode, suppression, telemetry
from bot.apply import Context, Row, Rows, apply_all, apply_conversations
from bot.broker import Broker, Kind, NoBroker
from bot.catalog import Book, Catalog
from bot.engine.conversation import Customer
from bot.engine.decide import decide, expectation
from bot.engine.decision import Decision
from bot.engine.events import Event, FactRecorded, Media, MessageReceived
from bot.engine.route import Expectation, Standing
from bot.engine.routing import Routing
from bot.errors import TurnBroken
from bot.loading import customers_of, load_customers, lock_and_ask
from bot.phone import person
from bot.settings import Settings
from storage import customers, loyalty, messages
from storage.database import after_commit, writing
from storage.ids import next_id

Result = Literal["answered", "repeated", "crashed", "not_a_person", "handled", "not_taken"]
RETRIES = 3
PATIENCE = 10.0  # seconds one group may cost, all retries included: Twilio waits 15 for an answer


@dataclass(frozen=True, slots=True)
class Reply:
    """One text that goes back in the answer to the webhook."""

    message_id: int
    body: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one event. `not_taken`: nothing of it was written, the sender must come again."""

    result: Result
    message_id: int | None = None
    replies: tuple[Reply, ...] = ()


@dataclass(frozen=True, slots=True)
class _Loaded:
    """What the database knows of the customers of one wave, read under their locks."""

    customers: Mapping[int, Customer]
    by_phone: Mapping[str, int]
    sendable: Mapping[int, bool]
    repeated: Mapping[str, Answer]
    stock: Mapping[str, int]

    def whose(self, event: Event) -> Customer | None:
        """Return the customer an event is about, None when that is nobody we know."""
        if isinstance(event, MessageReceived):
            customer_id = self.by_phone.get(person(event.sender) or "")
        else:
            customer_id = event.customer_id
        return self.customers.get(customer_id) if customer_id is not None else None


class Turns:
    """Takes events, one transaction for each group of them."""

    def __init__(self, engine: Engine, catalog: Catalog, settings: Settings, broker: Broker | None = None) -> None:
        self.engine = engine
        self.catalog = catalog
        self.settings = settings
        self.broker = broker or NoBroker()
        self._seen: dict[str, int] = {}  #: ids of numbers, see `lock_and_ask`

    def take(self, events: Sequence[Event], now: datetime) -> list[Answer]:
        """Handle events and return their answers in the same order.

        Every answer but `not_taken` stands for rows that are committed. An event that cannot be taken
        costs those beside it nothing but time.
        """
        started = time.monotonic()
        try:
            answers = self._take_together(events, now)
        except Exception as trouble:
            give_up = started + PATIENCE
            answers = [self._take_alone(event, now, trouble, give_up) for event in events]
        telemetry.group_taken(len(events), time.monotonic() - started)
        for event, answer in zip(events, answers, strict=True):
            if isinstance(event, MessageReceived):
                telemetry.received(answer.result)
        return answers

    def take_in(self, conn: Connection, events: Sequence[Event], now: datetime) -> list[Answer]:
        """Handle events inside a transaction of the caller, who commits or rolls back."""
        answers: dict[int, Answer] = {}
        left = list(enumerate(events))
        while left:
            wave, left = _first_wave(left)
            taken = self._take_wave(conn, [event for _, event in wave], now)
            answers.update(zip([index for index, _ in wave], taken, strict=True))
        return [answers[index] for index in range(len(events))]

    def _take_together(self, events: Sequence[Event], now: datetime) -> list[Answer]:
        with writing(self.engine) as conn:
            return self.take_in(conn, events, now)

    def _take_alone(self, event: Event, now: datetime, trouble: Exception, give_up: float) -> Answer:
        """Take one event by itself; when it fails again and again, keep its text and answer politely."""
        for _ in range(RETRIES):
            if time.monotonic() > give_up:
                break
            telemetry.retaken(type(trouble).__name__)
            try:
                return self._take_together([event], now)[0]
            except Exception as again:
                trouble = again
        sid = event.sid if isinstance(event, MessageReceived) else None
        telemetry.broke("turn not taken", trouble, sid=sid)
        if isinstance(event, MessageReceived) and time.monotonic() < give_up:
            try:
                return self._keep_for_replay(event, now, f"{type(trouble).__name__}: {trouble}")
            except Exception as again:
                telemetry.broke("text not kept", again, sid=sid)
        return Answer("not_taken")

    def _keep_for_replay(self, event: MessageReceived, now: datetime, error: str) -> Answer:
        """Write a text whose turn could not be written, with the polite answer; an opt-out counts all the same."""
        with writing(self.engine) as conn:
            book = self.catalog.book
            loaded = self._load(conn, [event], book, now)
            if event.sid in loaded.repeated:
                return loaded.repeated[event.sid]
            rows = Rows()
            customer = loaded.whose(event)
            if customer is None:
                answer = self._write_stranger(rows, event, now)
            else:
                routing, _ = _route_safely(book, customer, event, {}, now)
                decision = self._decide_routed(book, customer, event, routing, error, {}, now, "")
                answer = self._write(conn, rows, book, loaded, customer, event, decision, now)
            rows.flush(conn, now)
            return answer

    def replay(self, message_id: int, now: datetime) -> bool:
        """Take a text again whose turn broke; its replies go through the outbox.

        Returns False, and changes nothing, when the text does not wait for that or breaks again.
        """
        with writing(self.engine) as conn:
            row = messages.by_id(conn, message_id)
            if row is None or row["direction"] != "in" or row["state"] != "failed" or row["customer_id"] is None:
                return False
            book = self.catalog.book
            record = customers.lock_by_id(conn, [row["customer_id"]])
            row = messages.by_id(conn, message_id)  # again: somebody may have replayed it before we had the lock
            if row is None or row["state"] != "failed":
                return False
            customer = load_customers(conn, record, book.programme.shop.languages[0], now)[row["customer_id"]]
            media = tuple(Media(item["url"], item["content_type"]) for item in row["media"] or ())
            event = MessageReceived(row["sid"], row["sender"], row["recipient"], row["body"], row["created_at"], media)
            decision = self._decide(book, customer, event, loyalty.stock_taken(conn), now, self._day_code(book, now))
            if decision.error:
                return False
            rows = Rows()
            context = self._context(conn, rows, book, customer, record[customer.id]["sendable"], None, message_id, now)
            apply_conversations(decision.conversations, context)
            apply_all(decision.effects, context)
            rows.flush(conn, now)
            return messages.replayed(conn, message_id, decision.explanation())

    def _context(
        self,
        conn: Connection,
        rows: Rows,
        book: Book,
        customer: Customer,
        sendable: bool,
        text: MessageReceived | None,
        inbound_id: int | None,
        now: datetime,
    ) -> Context:
        return Context(
            conn=conn,
            rows=rows,
            customer=customer,
            programme=book.programme,
            now=now,
            sender=text.recipient if text else self.settings.sender or book.programme.shop.phone,
            inbound_id=inbound_id,
            handed_over_now=text is not None,
            sendable=sendable,
            lots=list(customer.lots),
        )

    def _take_wave(self, conn: Connection, events: Sequence[Event], now: datetime) -> list[Answer]:
        """Handle events of different customers: read for all, decide for each, write for all."""
        book = self.catalog.book
        loaded = self._load(conn, events, book, now)
        stock = dict(loaded.stock)
        code = self._day_code(book, now)
        rows = Rows()
        answers = []
        for event in events:
            if isinstance(event, MessageReceived):
                repeated = loaded.repeated.get(event.sid)
                if repeated is not None:
                    answers.append(repeated)
                    continue
            customer = loaded.whose(event)
            if customer is None:
                answers.append(self._write_stranger(rows, event, now))
                continue
            decision = self._decide(book, customer, event, stock, now, code)
            answers.append(self._write(conn, rows, book, loaded, customer, event, decision, now))
        rows.flush(conn, now)
        agreed = [row["customer_id"] for row in rows.consents if row["status"] == "subscribed"]
        if agreed:
            phones = [loaded.customers[customer_id].phone for customer_id in agreed]
            suppression.lift(conn, self.settings.secret_key, phones, "customer", now)
        self._wake_others(conn, rows, now)
        return answers

    def _wake_others(self, conn: Connection, rows: Rows, now: datetime) -> None:
        """Say, once it is committed, for which customers there is something to send or to hand on at once."""
        sending = {row["customer_id"] for row in rows.messages if row["state"] == "queued" and row["send_after"] <= now}
        starting = {row["customer_id"] for row in rows.facts if row["due_at"] <= now}
        wanted: list[tuple[Kind, int]] = [("outbox", each) for each in sorted(sending)]
        wanted += [("facts", each) for each in sorted(starting)]

        def wake() -> None:
            for kind, customer_id in wanted:
                self.broker.wake(kind, str(customer_id))

        if wanted:
            after_commit(conn, wake)

    def _load(self, conn: Connection, events: Sequence[Event], book: Book, now: datetime) -> _Loaded:
        texts = [event for event in events if isinstance(event, MessageReceived)]
        phones = [phone for phone in dict.fromkeys(person(event.sender) for event in texts) if phone is not None]
        ids = [event.customer_id for event in events if not isinstance(event, MessageReceived)]
        limited = any(reward.stock is not None for reward in book.programme.rewards)
        records, answers = lock_and_ask(
            conn,
            phones,
            ids,
            lambda phone: _new_customer(phone, book, now),
            self._seen,
            messages.inbound_query([event.sid for event in texts]),
            *((loyalty.stock_query(),) if limited else ()),
        )
        lots, held, places, inbound, *stock = answers
        language = book.programme.shop.languages[0]
        return _Loaded(
            customers=customers_of(records, (lots, held, places), language, now),
            by_phone={row["phone"]: identifier for identifier, row in records.items()},
            sendable={customer_id: row["sendable"] for customer_id, row in records.items()},
            repeated={
                sid: Answer("repeated", message_id, tuple(Reply(row["id"], row["body"]) for row in replies))
                for sid, (message_id, _, replies) in messages.with_replies(conn, inbound).items()
            },
            stock=stock[0] if stock else {},
        )

    def _day_code(self, book: Book, now: datetime) -> str:
        return daycode.code_for(self.settings.secret_key, book.programme.shop.zone, now)

    def _decide(
        self, book: Book, customer: Customer, event: Event, stock: Mapping[str, int], now: datetime, code: str
    ) -> Decision:
        """Decide one event. Raises TurnBroken for one that is not a text: whoever brought it tries again later."""
        routing, trouble = None, None
        if isinstance(event, MessageReceived):
            routing, trouble = _route_safely(book, customer, event, stock, now)
        decision = self._decide_routed(book, customer, event, routing, trouble, stock, now, code)
        if decision.error and not isinstance(event, MessageReceived):
            raise TurnBroken(decision.error)
        return decision

    def _decide_routed(
        self,
        book: Book,
        customer: Customer,
        event: Event,
        routing: Routing | None,
        trouble: str | None,
        stock: Mapping[str, int],
        now: datetime,
        code: str,
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
            entropy=secrets.token_bytes(16),
            ids=next_id,
            day_code=code,
            trouble=trouble,
        )

    def _write(
        self,
        conn: Connection,
        rows: Rows,
        book: Book,
        loaded: _Loaded,
        customer: Customer,
        event: Event,
        decision: Decision,
        now: datetime,
    ) -> Answer:
        """Collect the rows of one decision and say what goes back at once."""
        text = event if isinstance(event, MessageReceived) else None
        inbound_id = next_id() if text else None
        context = self._context(conn, rows, book, customer, loaded.sendable[customer.id], text, inbound_id, now)
        context.carrier_answers = self._carrier_answers(text, decision)
        before = len(rows.messages)
        apply_conversations(decision.conversations, context)
        apply_all(decision.effects, context)
        if text is None:
            if isinstance(event, FactRecorded) and event.name == "purchase_recorded":
                _count_purchase(event, context)
            return Answer("handled")
        assert inbound_id is not None
        answered = len(rows.messages) > before
        rows.messages.append(_inbound_row(text, inbound_id, customer, decision, now, answered))
        if decision.error:  # what it says may quote the text; it stands in the message's explanation
            telemetry.crashed(decision.error.partition(":")[0], customer=customer.id, message=inbound_id)
        result: Result = "crashed" if decision.error else "answered"
        return Answer(result, inbound_id, tuple(Reply(*reply) for reply in context.replies))

    def _carrier_answers(self, text: MessageReceived | None, decision: Decision) -> bool:
        """Say whether Twilio itself answers this keyword.

        With OptOutType it already has; with its default handling it answers single STOP, START and HELP words
        (https://help.twilio.com/articles/223134027). YES is answered only when it lifts a block, which we
        cannot know, and our own confirmation carries what carriers require, so YES is always ours. After START
        Twilio only confirms; a question of ours, without whose answer nobody is subscribed, is still asked.
        """
        if text is None:
            return False
        opting_in = decision.routing is not None and decision.routing.decision == "opt_in"
        if opting_in and any(conversation.ended_at is None for conversation in decision.conversations):
            return False
        if text.opt_out_type is not None:
            return True
        return self.settings.keywords == "twilio" and text.body.strip().upper() in _TWILIO_WORDS

    def _write_stranger(self, rows: Rows, event: Event, now: datetime) -> Answer:
        """Record what came from a sender who is no phone number of a person; there is nobody to answer."""
        if not isinstance(event, MessageReceived):
            return Answer("handled")
        inbound_id = next_id()
        rows.messages.append(_inbound_row(event, inbound_id, None, None, now))
        return Answer("not_a_person", inbound_id)


# Twilio's default words, read 2026-11: https://help.twilio.com/articles/223134027
_TWILIO_WORDS = frozenset(
    {"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT", "START", "UNSTOP", "HELP", "INFO"}
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


def _inbound_row(
    text: MessageReceived,
    message_id: int,
    customer: Customer | None,
    decision: Decision | None,
    now: datetime,
    answered: bool = True,
) -> Row:
    top = customer.conversations[-1] if customer and customer.conversations else None
    return {
        "id": message_id,
        "customer_id": customer.id if customer else None,
        "direction": "in",
        "sid": text.sid,
        "sender": text.sender,
        "recipient": text.recipient,
        "body": text.body,
        "media": [{"url": item.url, "content_type": item.content_type} for item in text.media] or None,
        "state": "failed" if decision and decision.error else "received",
        "purpose": None,
        "conversation_id": top.id if top else None,
        "flow": top.flow if top else None,
        "flow_state": top.state if top else None,
        "language": customer.language if customer else None,
        "explanation": decision.explanation() if decision else None,
        "misunderstood": (decision is not None and decision.misunderstood) or None,
        "unanswered": (not answered and decision is not None and decision.wants_answer) or None,
        "created_at": now,
    }


def _count_purchase(event: FactRecorded, context: Context) -> None:
    change = context.change()
    customer = context.customer
    change["purchases"] = customer.purchases + 1
    change["spent_minor"] = customer.spent_minor + int(event.data.get("amount_minor", 0))
    change["last_purchase_at"] = max(event.at, customer.last_purchase_at or event.at)


def _new_customer(phone: str, book: Book, now: datetime) -> Row:
    programme = book.programme
    return {
        "id": next_id(),
        "phone": phone,
        "language": programme.shop.languages[0],
        "tier": programme.tiers[0].key if programme.tiers else None,
        "created_at": now,
    }


_Numbered = list[tuple[int, Event]]


def _first_wave(left: _Numbered) -> tuple[_Numbered, _Numbered]:
    """Return the events that may be handled together, and the rest, both in order.

    One event of each customer. Texts know the number and all others the id, so they are not mixed: nobody
    could tell that two of them are one customer's.
    """
    wave: _Numbered = []
    later: _Numbered = []
    seen: set[object] = set()
    texts = isinstance(left[0][1], MessageReceived)
    for place, (index, event) in enumerate(left):
        if isinstance(event, MessageReceived) is not texts:
            return wave, later + left[place:]
        whose = _whose(event)
        (later if whose in seen else wave).append((index, event))
        seen.add(whose)
    return wave, later


def _whose(event: Event) -> object:
    """Return what two events must not share to be handled in one wave."""
    if isinstance(event, MessageReceived):
        return person(event.sender) or event.sender
    return event.customer_id
