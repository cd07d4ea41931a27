"""Handoffs: customers who wait for a person. Each customer waits at most once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import BigInteger, Column, Connection, ForeignKey, Index, Table, bindparam, select, update

from storage.database import Id, Moment, Row, Words, all_rows, complete, for_both, metadata

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
_OPEN = handoffs.c.closed_at.is_(None)
Index("ix_handoffs_customer_id", handoffs.c.customer_id)
Index("ix_handoffs_waiting", handoffs.c.customer_id, unique=True, sqlite_where=_OPEN, postgresql_where=_OPEN)

_INSERT = for_both(lambda insert: insert(handoffs).on_conflict_do_nothing())
_WAITING = select(handoffs).where(_OPEN).order_by(handoffs.c.id)
_CLOSE = (
    update(handoffs)
    .where(handoffs.c.id == bindparam("the_id"), _OPEN)
    .values(closed_at=bindparam("at", type_=Moment), closed_by=bindparam("who"))
)


def insert(connection: Connection, rows: Sequence[Row]) -> None:
    """Ask for a person; a customer who is waiting already keeps the first place."""
    if rows:
        connection.execute(_INSERT[connection.dialect.name], complete(handoffs, rows))


def waiting(connection: Connection) -> list[Row]:
    """Return the handoffs nobody has closed, the longest wait first."""
    return all_rows(connection.execute(_WAITING))


def close(connection: Connection, identifier: int, by: str, at: datetime) -> bool:
    """Close a handoff; False when it was closed before."""
    return connection.execute(_CLOSE, {"the_id": identifier, "who": by, "at": at}).rowcount == 1
