"""Conversations: a customer's places in flows. The open ones of a customer form a stack by `parent_id`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    ForeignKey,
    Integer,
    Table,
    bindparam,
    select,
)

from storage.columns import Document, Id, Moment, Words, metadata, partial_index
from storage.conditions import among
from storage.messages import messages
from storage.rows import Row, all_rows, complete, first_row, insert_rows, update_rows
from storage.together import Query, ask, by_customer

conversations = Table(
    "conversations",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("customer_id", Id, ForeignKey("customers.id"), nullable=False),
    Column("flow", Words, nullable=False),
    Column("revision_id", BigInteger, nullable=False),
    Column("state", Words, nullable=False),
    Column("slots", Document, nullable=False, default={}),
    Column("turn_no", Integer, nullable=False, default=0),
    Column("misses", Integer, nullable=False, default=0),
    Column("parent_id", BigInteger),
    Column("relation", Words),
    Column("outcome", Words),
    Column("opened_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    Column("ended_at", Moment),
)
partial_index(
    "ix_conversations_open",
    conversations.c.customer_id,
    where=conversations.c.ended_at.is_(None),
)
partial_index(
    "ix_conversations_open_flow",
    conversations.c.flow,
    conversations.c.id,
    where=conversations.c.ended_at.is_(None),
)

#: What a turn may change; the rest is fixed when a conversation is opened.
CHANGING = ("state", "slots", "turn_no", "misses", "parent_id", "relation", "outcome", "updated_at", "ended_at")

_TEXTS = 300  # what is older is found in the timeline; an index for this alone would cost every turn
_OPEN_OF = (
    select(conversations)
    .where(among(conversations.c.customer_id, "customer_ids"), conversations.c.ended_at.is_(None))
    .order_by(conversations.c.id)
)
_LATEST_OF = (
    select(conversations)
    .where(conversations.c.customer_id == bindparam("customer_id"), conversations.c.ended_at.is_(None))
    .order_by(conversations.c.id.desc())
    .limit(1)
)

_LATELY = (
    select(messages.c.conversation_id)
    .where(messages.c.customer_id == bindparam("customer_id"))
    .order_by(messages.c.id.desc())
    .limit(_TEXTS)
    .subquery()
)
_RECENT_OF = (
    select(conversations)
    .where(conversations.c.id.in_(select(_LATELY.c.conversation_id)))
    .order_by(conversations.c.id.desc())
    .limit(bindparam("count"))
)


def open_of(connection: Connection, customer_ids: Sequence[int]) -> dict[int, list[Row]]:
    """Return the open conversations of each customer, oldest first; customers without one are left out."""
    return cast("dict[int, list[Row]]", ask(connection, open_query(customer_ids))[0])


def open_query(customer_ids: Sequence[int]) -> Query[dict[int, list[Row]]]:
    """Ask what `open_of` returns."""
    return Query(_OPEN_OF, {"customer_ids": customer_ids}, by_customer)


def insert(connection: Connection, rows: Sequence[Row]) -> None:
    """Open conversations; `updated_at` is `opened_at` when it is not given."""
    insert_rows(connection, conversations, [{"updated_at": row["opened_at"], **row} for row in rows])


def update(connection: Connection, rows: Sequence[Row]) -> None:
    """Write what changed. Each row has `id` and every column of CHANGING (empty ones may be left out)."""
    update_rows(connection, conversations, CHANGING, complete(conversations, rows))


def recent_of(connection: Connection, customer_id: int, limit: int) -> list[Row]:
    """Return the conversations of a customer's last 300 texts, ended ones too, the newest first."""
    return all_rows(connection.execute(_RECENT_OF, {"customer_id": customer_id, "count": limit}))


def current_of(connection: Connection, customer_id: int) -> Row | None:
    """Return the conversation a customer is in now."""
    return first_row(connection.execute(_LATEST_OF, {"customer_id": customer_id}))
