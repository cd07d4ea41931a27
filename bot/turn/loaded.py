"""What the database knows of those whose events are taken together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from bot.catalog import Book
from bot.engine.conversation import Customer
from bot.engine.events import Event, MessageReceived
from bot.loading import customers_of, lock_and_ask
from bot.phone import person
from bot.turn.answer import Answer, Reply
from storage import inbound, stock
from storage.ids import next_id
from storage.rows import Row


@dataclass(frozen=True, slots=True)
class Loaded:
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


def load(conn: Connection, events: Sequence[Event], book: Book, now: datetime, seen: dict[str, int]) -> Loaded:
    """Lock the customers of these events and read all a turn may ask about; a number not known yet gets its row.

    `seen`: see `bot.loading.lock_and_ask`.
    """
    texts = [event for event in events if isinstance(event, MessageReceived)]
    phones = [phone for phone in dict.fromkeys(person(event.sender) for event in texts) if phone is not None]
    ids = [event.customer_id for event in events if not isinstance(event, MessageReceived)]
    limited = any(reward.stock is not None for reward in book.programme.rewards)
    records, answers = lock_and_ask(
        conn,
        phones,
        ids,
        lambda phone: _new_customer(phone, book, now),
        seen,
        inbound.inbound_query([event.sid for event in texts]),
        *((stock.stock_query(),) if limited else ()),
    )
    lots, held, places, repeated, *taken = answers
    language = book.programme.shop.languages[0]
    return Loaded(
        customers=customers_of(records, (lots, held, places), language, now),
        by_phone={row["phone"]: identifier for identifier, row in records.items()},
        sendable={customer_id: row["sendable"] for customer_id, row in records.items()},
        repeated={
            sid: Answer(
                "repeated", message_id, tuple(Reply.of(row["id"], row["body"], row["media"]) for row in replies)
            )
            for sid, (message_id, _, replies) in inbound.with_replies(conn, repeated).items()
        },
        stock=taken[0] if taken else {},
    )


def _new_customer(phone: str, book: Book, now: datetime) -> Row:
    programme = book.programme
    return {
        "id": next_id(),
        "phone": phone,
        "language": programme.shop.languages[0],
        "tier": programme.tiers[0].key if programme.tiers else None,
        "created_at": now,
    }
