"""Fills a database with customers who have been here before, so that size can be measured."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine

from storage import conversations, customers, messages
from storage.database import writing
from storage.ids import next_id
from storage.rows import insert_rows
from tests.bench.load import phone_number

BATCH = 20_000


def fill(engine: Engine, count: int) -> None:
    """Write `count` customers, each with a text, its answer and an ended conversation."""
    begun = datetime.now(UTC) - timedelta(days=200)
    for start in range(0, count, BATCH):
        people = [(next_id(), phone_number(index)) for index in range(start, min(count, start + BATCH))]
        with writing(engine) as conn:
            insert_rows(conn, customers.customers, [_customer(who, phone, begun) for who, phone in people])
            insert_rows(conn, conversations.conversations, [_conversation(who, begun) for who, _ in people])
            insert_rows(conn, messages.messages, [row for who, phone in people for row in _texts(who, phone, begun)])


def _customer(who: int, phone: str, at: datetime) -> dict[str, object]:
    return {"id": who, "phone": phone, "language": "en", "created_at": at}


def _conversation(who: int, at: datetime) -> dict[str, object]:
    return {
        "id": next_id(),
        "customer_id": who,
        "flow": "info",
        "revision_id": 1,
        "state": "told",
        "outcome": "done",
        "opened_at": at,
        "updated_at": at,
        "ended_at": at,
    }


def _texts(who: int, phone: str, at: datetime) -> Iterator[dict[str, object]]:
    inbound = next_id()
    yield {
        "id": inbound,
        "customer_id": who,
        "direction": "in",
        "sid": f"SMpast{inbound}",
        "sender": phone,
        "recipient": "+14155550100",
        "body": "What time do you open?",
        "state": "received",
        "created_at": at,
    }
    yield {
        "id": next_id(),
        "customer_id": who,
        "direction": "out",
        "sid": f"SMpast{inbound}r",
        "sender": "+14155550100",
        "recipient": phone,
        "body": "We open at 7 every day.",
        "state": "delivered",
        "purpose": "reply",
        "in_reply_to": inbound,
        "created_at": at,
    }
