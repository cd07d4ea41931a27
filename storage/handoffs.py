"""Handoffs: customers who wait for a person. Each customer waits at most once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import BigInteger, Column, Connection, ForeignKey, Index, Table, bindparam, null, select, update

from storage.columns import Id, Moment, Words, metadata, partial_index
from storage.customers import customers
from storage.rows import Row, all_rows, complete, first_row, for_both

handoffs = Table(
    "handoffs",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("customer_id", Id, ForeignKey("customers.id"), nullable=False),
    Column("reason", Words, nullable=False),
    Column("message_id", BigInteger),
    Column("requested_at", Moment, nullable=False),
    Column("closed_at", Moment),
    Column("closed_by", Words),
    Column("closed_why", Words),  #: why nobody had to answer
)
Index("ix_handoffs_requested_at", handoffs.c.requested_at)
_OPEN = handoffs.c.closed_at.is_(None)
Index("ix_handoffs_customer_id", handoffs.c.customer_id)
partial_index(
    "ix_handoffs_open",
    handoffs.c.requested_at,
    handoffs.c.id,
    where=_OPEN,
)
partial_index("ix_handoffs_waiting", handoffs.c.customer_id, unique=True, where=_OPEN)

_INSERT = for_both(lambda insert: insert(handoffs).on_conflict_do_nothing())
_WAITING = select(handoffs).where(_OPEN).order_by(handoffs.c.id)
_CLOSE = (
    update(handoffs)
    .where(handoffs.c.id == bindparam("the_id"), _OPEN)
    .values(closed_at=bindparam("at", type_=Moment), closed_by=bindparam("who"), closed_why=bindparam("why"))
)
_OPEN_AGAIN = (
    update(handoffs)
    .where(handoffs.c.id == bindparam("the_id"), handoffs.c.closed_at.is_not(None))
    .values(closed_at=null(), closed_by=null(), closed_why=null())
)
_REOPEN = (
    update(handoffs)
    .where(handoffs.c.id == bindparam("the_id"), handoffs.c.closed_why.is_not(None))
    .values(closed_at=null(), closed_by=null(), closed_why=null())
)
_OF = select(handoffs).where(handoffs.c.customer_id == bindparam("the_customer"), _OPEN)
_BY_ID = select(handoffs).where(handoffs.c.id == bindparam("the_id"))
_QUEUE = (
    select(
        handoffs,
        *(customers.c[name] for name in ("phone", "name", "language", "consent", "sendable", "held_by", "held_until")),
    )
    .join(customers, customers.c.id == handoffs.c.customer_id)
    .where(_OPEN)
    .order_by(handoffs.c.requested_at, handoffs.c.id)
    .limit(bindparam("count"))
)


def insert(connection: Connection, rows: Sequence[Row]) -> None:
    """Ask for a person; a customer who is waiting already keeps the first place."""
    if rows:
        connection.execute(_INSERT[connection.dialect.name], complete(handoffs, rows))


def waiting(connection: Connection) -> list[Row]:
    """Return the handoffs nobody has closed, the longest wait first."""
    return all_rows(connection.execute(_WAITING))


def close(connection: Connection, identifier: int, by: str, at: datetime, why: str | None = None) -> bool:
    """Close a handoff, and say `why` when nobody had to answer; False when it was closed before."""
    return connection.execute(_CLOSE, {"the_id": identifier, "who": by, "at": at, "why": why}).rowcount == 1


def reopen(connection: Connection, identifier: int) -> bool:
    """Let a customer wait again who was taken out of the queue; False when that was not so."""
    return connection.execute(_REOPEN, {"the_id": identifier}).rowcount == 1


def by_id(connection: Connection, identifier: int) -> Row | None:
    """Return one handoff."""
    return first_row(connection.execute(_BY_ID, {"the_id": identifier}))


def of(connection: Connection, customer_id: int) -> Row | None:
    """Return a customer's open handoff."""
    return first_row(connection.execute(_OF, {"the_customer": customer_id}))


def queue(connection: Connection, limit: int) -> list[Row]:
    """Return those who wait, the longest wait first, each with what the list shows of the customer."""
    return all_rows(connection.execute(_QUEUE, {"count": limit}))


def open_again(connection: Connection, identifier: int) -> bool:
    """Let a customer wait on as before a handoff was closed; False when it is open. There must be no other open one."""
    return connection.execute(_OPEN_AGAIN, {"the_id": identifier}).rowcount == 1
