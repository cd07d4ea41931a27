"""Notes staff write about a customer, and who was mentioned in them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    ForeignKey,
    Index,
    Table,
    bindparam,
    func,
    select,
    update,
)

from storage.columns import Id, Moment, Words, metadata, partial_index
from storage.conditions import among
from storage.customers import customers
from storage.rows import Row, all_rows, insert_rows

notes = Table(
    "notes",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("customer_id", Id, ForeignKey("customers.id"), nullable=False),
    Column("staff_id", BigInteger, nullable=False),
    Column("body", Words, nullable=False),
    Column("at", Moment, nullable=False),
)
Index("ix_notes_customer_id_id", notes.c.customer_id, notes.c.id)

mentions = Table(
    "mentions",
    metadata,
    Column("note_id", Id, ForeignKey("notes.id"), primary_key=True, autoincrement=False),
    Column("staff_id", Id, ForeignKey("staff.id"), primary_key=True, autoincrement=False),
    Column("read_at", Moment),
)
partial_index(
    "ix_mentions_unread",
    mentions.c.staff_id,
    where=mentions.c.read_at.is_(None),
)

_MINE = (
    select(notes, mentions.c.read_at, customers.c.name, customers.c.phone)
    .join_from(mentions, notes, mentions.c.note_id == notes.c.id)
    .join(customers, customers.c.id == notes.c.customer_id)
    .where(mentions.c.staff_id == bindparam("staff_id"), mentions.c.note_id < bindparam("before"))
    .order_by(mentions.c.note_id.desc())
    .limit(bindparam("count"))
)
_UNREAD = mentions.c.read_at.is_(None)
_LAST = (1 << 63) - 1


def add(connection: Connection, row: Row, mentioned: Sequence[int] = ()) -> None:
    """Write a note and tell the staff mentioned in it, given by id."""
    insert_rows(connection, notes, [row])
    insert_rows(connection, mentions, [{"note_id": row["id"], "staff_id": each} for each in sorted(set(mentioned))])


def count_of(connection: Connection, customer_id: int) -> int:
    """Return how many notes there are about a customer."""
    query = select(func.count()).where(notes.c.customer_id == customer_id)
    return connection.execute(query).scalar_one()


def mentioning(connection: Connection, staff_id: int, limit: int, before: int | None = None) -> list[Row]:
    """Return notes that mention somebody, the newest first, with `read_at` and the customer's name and phone."""
    return all_rows(connection.execute(_MINE, {"staff_id": staff_id, "count": limit, "before": before or _LAST}))


def unread(connection: Connection, staff_id: int) -> int:
    """Return how many notes mention somebody who has not read them."""
    query = select(func.count()).where(mentions.c.staff_id == staff_id, _UNREAD)
    return connection.execute(query).scalar_one()


def unread_about(connection: Connection, staff_id: int, customer_id: int) -> list[int]:
    """Return the notes about a customer that mention somebody who has not read them."""
    query = (
        select(mentions.c.note_id)
        .join(notes, notes.c.id == mentions.c.note_id)
        .where(mentions.c.staff_id == staff_id, _UNREAD, notes.c.customer_id == customer_id)
    )
    return list(connection.execute(query).scalars())


def mark_read(connection: Connection, staff_id: int, note_ids: Sequence[int], now: datetime) -> None:
    """Note that somebody has read the notes that mention them."""
    query = (
        update(mentions)
        .where(mentions.c.staff_id == staff_id, _UNREAD, among(mentions.c.note_id, "note_ids"))
        .values(read_at=now)
    )
    connection.execute(query, {"note_ids": note_ids})
