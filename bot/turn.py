"""The one door for everything that can change a conversation.

`Turns.take` handles a group of events in one durable transaction: lock, load, route, decide, apply,
commit. Events that arrive together share the cost of the commit; events of one customer are handled one
after the other; a group that fails as a whole is taken again one event at a time, so that one customer's
trouble is never another's.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from bot import daycode, telemetry
from bot.apply import Context, Row, Rows, apply_all, apply_conversations
from bot.catalog import Book, Catalog
from bot.engine.conversation import Conversation, Customer, Lot, Voucher
from bot.engine.decide import decide, expectation
from bot.engine.decision import Decision
from bot.engine.events import Event, FactRecorded, MessageReceived
from bot.engine.route import Standing
from bot.engine.routing import Routing
from bot.errors import RegularsError
from bot.phone import mask, person
from bot.settings import Settings
from storage import conversations, customers, loyalty, messages, vouchers
from storage.database import writing
from storage.errors import Stale
from storage.ids import next_id

Result = Literal["answered", "repeated", "crashed", "not_a_person", "handled"]
RETRIES = 3


@dataclass(frozen=True, slots=True)
class Reply:
    """One text that goes back in the answer to the webhook."""

    message_id: int
    body: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one event."""

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


class Turns:
    """Takes events, one transaction for each group of them."""

    def __init__(self, engine: Engine, catalog: Catalog, settings: Settings) -> None:
        self.engine = engine
        self.catalog = catalog
        self.settings = settings

    def take(self, events: Sequence[Event], now: datetime) -> list[Answer]:
        """Handle events and return their answers in the same order, all committed.

        Raises only when the database cannot be written at all; then nothing was acknowledged.
        """
        started = time.perf_counter()
        try:
            with writing(self.engine) as conn:
                answers = self.take_in(conn, events, now)
        except (DBAPIError, RegularsError, Stale) as trouble:
            if len(events) == 1:
                answers = [self._take_alone(events[0], now, trouble)]
            else:
                telemetry.retaken(type(trouble).__name__)
                answers = [self.take([event], now)[0] for event in events]
        telemetry.group_taken(len(events), time.perf_counter() - started)
        return answers

    def take_in(self, conn: Connection, events: Sequence[Event], now: datetime) -> list[Answer]:
        """Handle events inside a transaction of the caller, who commits or rolls back."""
        answers: list[Answer | None] = [None] * len(events)
        left = list(enumerate(events))
        while left:
            wave: list[tuple[int, Event]] = []
            later: list[tuple[int, Event]] = []
            seen: set[object] = set()
            for index, event in left:
                whose = _whose(event)
                (later if whose in seen else wave).append((index, event))
                seen.add(whose)
            for (index, _), answer in zip(wave, self._take_wave(conn, [e for _, e in wave], now), strict=True):
                answers[index] = answer
            left = later
        return [answer for answer in answers if answer is not None]

    def _take_alone(self, event: Event, now: datetime, trouble: Exception) -> Answer:
        """Take one event again after a conflict; when it still fails, keep its text and answer politely."""
        for _ in range(RETRIES):
            telemetry.retaken(type(trouble).__name__)
            try:
                with writing(self.engine) as conn:
                    return self.take_in(conn, [event], now)[0]
            except (DBAPIError, RegularsError, Stale) as again:
                trouble = again
        if not isinstance(event, MessageReceived):
            raise trouble
        telemetry.crashed(repr(trouble), sid=event.sid, sender=mask(event.sender))
        with writing(self.engine) as conn:
            return self._keep_for_replay(conn, event, now, repr(trouble))

    def _keep_for_replay(self, conn: Connection, event: MessageReceived, now: datetime, error: str) -> Answer:
        book = self.catalog.book
        loaded = self._load(conn, [event], book, now)
        if event.sid in loaded.repeated:
            return loaded.repeated[event.sid]
        phone = person(event.sender)
        assert phone is not None
        customer = loaded.customers[loaded.by_phone[phone]]
        answer, rows = Answer("crashed"), Rows()
        decision = decide(
            book,
            customer,
            event,
            None,
            stock={},
            now=now,
            entropy=b"",
            ids=next_id,
            day_code="",
            trouble=error,
        )
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
            customer = load_customers(conn, record, book.programme.shop.languages[0], now)[row["customer_id"]]
            event = MessageReceived(row["sid"], row["sender"], row["recipient"], row["body"], row["created_at"])
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
                    telemetry.received("repeated")
                    answers.append(repeated)
                    continue
                customer_id = loaded.by_phone.get(person(event.sender) or "")
            else:
                customer_id = event.customer_id
            customer = loaded.customers.get(customer_id) if customer_id is not None else None
            if customer is None:
                answers.append(self._write_stranger(rows, event, now))
                continue
            decision = self._decide(book, customer, event, stock, now, code)
            answers.append(self._write(conn, rows, book, loaded, customer, event, decision, now))
        rows.flush(conn, now)
        return answers

    def _load(self, conn: Connection, events: Sequence[Event], book: Book, now: datetime) -> _Loaded:
        texts = [event for event in events if isinstance(event, MessageReceived)]
        country = {person(event.sender): event for event in texts}
        phones = [phone for phone in country if phone is not None]
        found = customers.lock_by_phone(conn, phones) if phones else {}
        missing = [phone for phone in phones if phone not in found]
        if missing:
            customers.insert_missing(conn, [self._new_customer(phone, book, now) for phone in missing])
            found = {**found, **customers.lock_by_phone(conn, missing)}
        ids = [event.customer_id for event in events if not isinstance(event, MessageReceived)]
        records = {row["id"]: row for row in found.values()}
        if ids:
            records.update(customers.lock_by_id(conn, ids))
        repeated = messages.replies_to(conn, [event.sid for event in texts]) if texts else {}
        limited = any(reward.stock is not None for reward in book.programme.rewards)
        return _Loaded(
            customers=load_customers(conn, records, book.programme.shop.languages[0], now),
            by_phone={phone: row["id"] for phone, row in found.items()},
            sendable={customer_id: row["sendable"] for customer_id, row in records.items()},
            repeated={
                sid: Answer("repeated", message_id, tuple(Reply(row["id"], row["body"]) for row in replies))
                for sid, (message_id, _, replies) in repeated.items()
            },
            stock=loyalty.stock_taken(conn) if limited else {},
        )

    def _new_customer(self, phone: str, book: Book, now: datetime) -> Row:
        programme = book.programme
        return {
            "id": next_id(),
            "phone": phone,
            "language": programme.shop.languages[0],
            "tier": programme.tiers[0].key if programme.tiers else None,
            "created_at": now,
        }

    def _day_code(self, book: Book, now: datetime) -> str:
        return daycode.code_for(self.settings.secret_key, book.programme.shop.zone, now)

    def _decide(
        self, book: Book, customer: Customer, event: Event, stock: Mapping[str, int], now: datetime, code: str
    ) -> Decision:
        routing: Routing | None = None
        if isinstance(event, MessageReceived):
            routing = route_text(book, customer, event, stock, now)
            telemetry.decided(routing.decision, routing.rule)
        decision = decide(
            book,
            customer,
            event,
            routing,
            stock=stock,
            now=now,
            entropy=secrets.token_bytes(16),
            ids=next_id,
            day_code=code,
        )
        if decision.error:
            telemetry.crashed(decision.error, customer=customer.id)
        return decision

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
        context.carrier_answers = self._carrier_answers(text, decision.routing)
        apply_conversations(decision.conversations, context)
        apply_all(decision.effects, context)
        if text is None:
            if isinstance(event, FactRecorded) and event.name == "purchase_recorded":
                _count_purchase(event, context)
            return Answer("handled")
        assert inbound_id is not None
        rows.messages.append(_inbound_row(text, inbound_id, customer, decision, now))
        result: Result = "crashed" if decision.error else "answered"
        telemetry.received(result)
        return Answer(result, inbound_id, tuple(Reply(*reply) for reply in context.replies))

    def _carrier_answers(self, text: MessageReceived | None, routing: Routing | None) -> bool:
        """Say whether Twilio itself answers this keyword.

        With OptOutType it already has; with its default handling it answers single STOP, START and HELP words
        (https://help.twilio.com/articles/223134027). YES is answered only when it lifts a block, which we
        cannot know, and our own confirmation carries what carriers require, so YES is always ours.
        """
        if text is None:
            return False
        if text.opt_out_type is not None:
            return True
        return self.settings.keywords == "twilio" and text.body.strip().upper() in _TWILIO_WORDS

    def _write_stranger(self, rows: Rows, event: Event, now: datetime) -> Answer:
        """Record what came from a sender who is no phone number of a person; there is nobody to answer."""
        if not isinstance(event, MessageReceived):
            return Answer("handled")
        telemetry.received("not_a_person")
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
    standing = Standing(
        consent=customer.consent,
        language=customer.language,
        expectation=expectation(book, customer, stock, now),
        held=customer.held_until is not None and customer.held_until > now,
        has_media=bool(text.media),
        opt_out_type=text.opt_out_type,
        today=now.date(),
        doubt=customer.marketing_paused,
    )
    return book.router.route(text.body, standing)


def load_customers(
    conn: Connection, records: Mapping[int, Mapping[str, Any]], language: str, now: datetime
) -> dict[int, Customer]:
    """Return the customers of some rows with everything the engine may know of them."""
    ids = list(records)
    lots = loyalty.lots_of(conn, ids)
    held = vouchers.of(conn, ids)
    places = conversations.open_of(conn, ids)
    return {
        customer_id: _customer(
            row, lots.get(customer_id, ()), held.get(customer_id, ()), places.get(customer_id, ()), language, now
        )
        for customer_id, row in records.items()
    }


def _customer(
    row: Mapping[str, Any],
    lots: Sequence[tuple[int, int, datetime | None]],
    held: Sequence[Mapping[str, Any]],
    places: Sequence[Mapping[str, Any]],
    language: str,
    now: datetime,
) -> Customer:
    redeemed: dict[str, int] = {}
    for voucher in held:
        if voucher["reward"] and voucher["cost"] and voucher["status"] != "revoked":
            redeemed[voucher["reward"]] = redeemed.get(voucher["reward"], 0) + 1
    return Customer(
        id=row["id"],
        phone=row["phone"],
        language=row["language"] or language,
        language_chosen=row["language_chosen"],
        name=row["name"],
        consent=row["consent"],
        points=row["points"],
        qualifying=row["qualifying"],
        tier=row["tier"],
        tags=frozenset(row["tags"] or ()),
        attributes=row["attributes"] or {},
        birthday=row["birthday"],
        email=row["email"],
        frequency=row["frequency"],
        purchases=row["purchases"],
        spent_minor=row["spent_minor"],
        last_purchase_at=row["last_purchase_at"],
        joined_at=row["joined_at"],
        referral_code=row["referral_code"],
        zone=row["zone"],
        held_until=row["held_until"],
        marketing_paused=row["marketing_paused"],
        lots=tuple(Lot(*lot) for lot in lots),
        vouchers=tuple(
            Voucher(
                id=voucher["id"],
                code=voucher["code"],
                name=voucher["name"],
                reward=voucher["reward"],
                cost=voucher["cost"],
                status=voucher["status"],
                issued_at=voucher["issued_at"],
                ends_at=voucher["ends_at"],
                entry_key=voucher["entry_key"],
            )
            for voucher in held
            if voucher["status"] == "issued" and voucher["ends_at"] > now
        ),
        conversations=tuple(_conversation(place) for place in places),
        marks=row["marks"] or {},
        redeemed=redeemed,
    )


def _conversation(row: Mapping[str, Any]) -> Conversation:
    return Conversation(
        id=row["id"],
        customer_id=row["customer_id"],
        flow=row["flow"],
        revision_id=row["revision_id"],
        state=row["state"],
        opened_at=row["opened_at"],
        slots=row["slots"] or {},
        turn_no=row["turn_no"],
        misses=row["misses"],
        parent_id=row["parent_id"],
        relation=row["relation"],
        outcome=row["outcome"],
        ended_at=row["ended_at"],
    )


def _inbound_row(
    text: MessageReceived, message_id: int, customer: Customer | None, decision: Decision | None, now: datetime
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
        "created_at": now,
    }


def _count_purchase(event: FactRecorded, context: Context) -> None:
    change = context.change()
    customer = context.customer
    change["purchases"] = customer.purchases + 1
    change["spent_minor"] = customer.spent_minor + int(event.data.get("amount_minor", 0))
    change["last_purchase_at"] = max(event.at, customer.last_purchase_at or event.at)


def _whose(event: Event) -> object:
    """Return what two events must not share to be handled in one wave."""
    if isinstance(event, MessageReceived):
        return event.sender
    return event.customer_id
