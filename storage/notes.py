"""Notes staff write about a customer, and who was mentioned in them."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Table

from storage.database import Id, Moment, Words, metadata

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
Index(
    "ix_mentions_unread",
    mentions.c.staff_id,
    sqlite_where=mentions.c.read_at.is_(None),
    postgresql_where=mentions.c.read_at.is_(None),
)
