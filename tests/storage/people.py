"""Rows for storage tests."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection

from storage import conversations, customers, messages
from storage.ids import next_id
from storage.rows import Row

NOW = datetime(2026, 11, 22, 12, 0, 0, 123456, tzinfo=UTC)
SHOP = "+12025550100"
_count = iter(range(10_000_000))


def new_customer(connection: Connection, **values: Any) -> int:
    """Insert one customer with a number of their own and return the id."""
    identifier = values.pop("id", None) or next_id()
    phone = values.pop("phone", None) or f"+1303{next(_count):07}"
    customers.insert_missing(connection, [{"id": identifier, "phone": phone, "created_at": NOW, **values}])
    return identifier


def customer(connection: Connection, identifier: int) -> Row:
    """Return one customer's row, which must be there."""
    row = customers.by_id(connection, identifier)
    assert row is not None
    return row


def message(**values: Any) -> dict[str, Any]:
    """Return an outbound message that is due, not inserted."""
    return {
        "id": next_id(),
        "direction": "out",
        "sender": SHOP,
        "recipient": "+13035550100",
        "body": "Hello",
        "state": "queued",
        "purpose": "service",
        "created_at": NOW,
        "send_after": NOW,
        **values,
    }


def new_message(connection: Connection, **values: Any) -> int:
    """Insert one outbound message and return its id."""
    row = message(**values)
    messages.insert(connection, [row])
    return int(row["id"])


def stored(connection: Connection, identifier: int) -> Row:
    """Return one message's row, which must be there."""
    row = messages.by_id(connection, identifier)
    assert row is not None
    return row


def conversation(customer_id: int, **values: Any) -> dict[str, Any]:
    """Return a conversation, not inserted."""
    return {
        "id": next_id(),
        "customer_id": customer_id,
        "flow": "redeem",
        "revision_id": 1,
        "state": "choosing",
        "opened_at": NOW,
        **values,
    }


def new_conversation(connection: Connection, customer_id: int, **values: Any) -> int:
    """Insert one conversation and return its id."""
    row = conversation(customer_id, **values)
    conversations.insert(connection, [row])
    return int(row["id"])
