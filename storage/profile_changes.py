"""Profile changes: what a customer's name, birthday, e-mail, tags and attributes were before, and who changed them."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Column, Connection, ForeignKey, Index, Table, bindparam, select

from storage.columns import Document, Id, Moment, Words, metadata
from storage.rows import Row, all_rows, insert_rows

profile_changes = Table(
    "profile_changes",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("customer_id", Id, ForeignKey("customers.id"), nullable=False),
    Column("field", Words, nullable=False),  #: `name`, `tags`, `attributes.milk`
    Column("before", Document),
    Column("after", Document),
    Column("by", Words, nullable=False),  #: `customer`, `bot`, `import` or a staff id
    Column("at", Moment, nullable=False),
)
Index("ix_profile_changes_customer_id_id", profile_changes.c.customer_id, profile_changes.c.id)

_OF = (
    select(profile_changes)
    .where(profile_changes.c.customer_id == bindparam("customer_id"))
    .order_by(profile_changes.c.id.desc())
    .limit(bindparam("count"))
)


def insert(connection: Connection, rows: Sequence[Row]) -> None:
    """Write down changes."""
    insert_rows(connection, profile_changes, rows)


def of(connection: Connection, customer_id: int, limit: int) -> list[Row]:
    """Return a customer's changes, the newest first."""
    return all_rows(connection.execute(_OF, {"customer_id": customer_id, "count": limit}))
