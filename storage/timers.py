"""Timers: deadlines of states and reminders. A row that is due is taken once, by whoever comes first."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Connection,
    ForeignKey,
    Index,
    Integer,
    Table,
    UniqueConstraint,
    bindparam,
    delete,
    func,
    literal_column,
    or_,
    select,
    update,
)

from storage.columns import Document, Id, Moment, Words, metadata
from storage.conditions import among
from storage.customers import customers
from storage.due import due_with_customer
from storage.rows import Row, all_rows, blank, for_both, write_many

timers = Table(
    "timers",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("customer_id", Id, ForeignKey("customers.id"), nullable=False),
    Column("kind", Words, nullable=False),
    Column("scope", Words, nullable=False),
    Column("due_at", Moment, nullable=False),
    Column("conversation_id", BigInteger),
    Column("turn_no", Integer),
    Column("step", Integer, nullable=False, default=0),
    Column("flow", Words),
    Column("slots", Document, nullable=False, default={}),
    Column("troubles", Integer, nullable=False, default=0, server_default="0"),  #: how often its turn broke
    Column("trouble", Words),  #: the last time: what broke
    CheckConstraint("kind IN ('deadline', 'reminder')", name="kind"),
    # The customer first, so that the same index finds what to cancel.
    UniqueConstraint("customer_id", "kind", "scope", "due_at", "step"),
    Index("ix_timers_due_at", "due_at"),
)

_INSERT = for_both(lambda insert: insert(timers).on_conflict_do_nothing())
_DUE = due_with_customer(timers, customer=customers.c.held_by.is_(None))
_TAKE = delete(timers).where(among(timers.c.id, "ids")).returning(timers)
_NEXT_DUE = select(func.min(timers.c.due_at))
_CANCEL_ALL = delete(timers).where(timers.c.customer_id == bindparam("customer_id"), timers.c.kind == "reminder")
_CANCEL_ONE = _CANCEL_ALL.where(timers.c.scope == bindparam("scope"))
_OF = select(timers).where(timers.c.customer_id == bindparam("customer_id")).order_by(timers.c.due_at, timers.c.id)

_REWORD = (
    update(timers)
    .where(timers.c.id == bindparam("the_id"))
    .values(slots=bindparam("the_slots", type_=timers.c.slots.type))
)
_PUT_OFF = update(timers).where(timers.c.id == bindparam("the_id")).values(due_at=bindparam("later", type_=Moment))


def insert(connection: Connection, rows: Sequence[Row]) -> None:
    """Set timers; one that is already set stays as it is."""
    if rows:
        write_many(connection, _INSERT[connection.dialect.name], rows, blank(timers))


def take_due(connection: Connection, now: datetime, limit: int) -> list[Row]:
    """Remove and return timers that are due, the earliest first.

    They are gone when the transaction commits and back when it rolls back; others skip them meanwhile. Their
    customers are locked with them; timers of customers whom somebody else has locked wait for the next look.
    Those of a customer whom a person holds rest until the end of that lease.
    """
    ids = list(connection.execute(_DUE[connection.dialect.name], {"now": now, "count": limit}).scalars())
    return take(connection, ids)


def take(connection: Connection, ids: Sequence[int]) -> list[Row]:
    """Remove and return these timers, the earliest first."""
    taken = all_rows(connection.execute(_TAKE, {"ids": ids})) if ids else []
    return sorted(taken, key=lambda row: (row["due_at"], row["id"]))


def next_due(connection: Connection) -> datetime | None:
    """Return when the next timer is due."""
    return connection.execute(_NEXT_DUE).scalar()


def cancel(connection: Connection, customer_id: int, scope: str | None = None) -> int:
    """Remove a customer's reminders under one key, or all; return how many. Deadlines become void by themselves."""
    if scope is None:
        return connection.execute(_CANCEL_ALL, {"customer_id": customer_id}).rowcount
    return connection.execute(_CANCEL_ONE, {"customer_id": customer_id, "scope": scope}).rowcount


_CANCEL_MANY = delete(timers).where(
    timers.c.customer_id == bindparam("the_customer"),
    timers.c.kind == literal_column("'reminder'"),
    or_(bindparam("any_scope", type_=Boolean), timers.c.scope == bindparam("the_scope", type_=Words)),
)


def cancel_many(connection: Connection, pairs: Sequence[tuple[int, str | None]]) -> None:
    """Remove reminders as `cancel` does, for many customers in one call to the driver."""
    parameters = [{"the_customer": who, "the_scope": scope, "any_scope": scope is None} for who, scope in pairs]
    write_many(connection, _CANCEL_MANY, parameters)


def of(connection: Connection, customer_id: int) -> list[Row]:
    """Return a customer's timers, the earliest first."""
    return all_rows(connection.execute(_OF, {"customer_id": customer_id}))


def put_off(connection: Connection, identifier: int, due_at: datetime) -> None:
    """Let a timer wait until later, because it rested meanwhile."""
    connection.execute(_PUT_OFF, {"the_id": identifier, "later": due_at})


def reword(connection: Connection, slots: Sequence[tuple[int, Row]]) -> None:
    """Let timers remember other answers, `[(id, slots), ...]`: only for a copy, which is rolled back."""
    write_many(connection, _REWORD, [{"the_id": each, "the_slots": words} for each, words in slots])
