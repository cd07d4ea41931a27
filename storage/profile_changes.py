"""Profile changes: what a customer's name, birthday, e-mail, tags and attributes were before, and who changed them."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Table

from storage.database import Document, Id, Moment, Words, metadata

profile_changes = Table(
    "profile_changes",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("customer_id", Id, ForeignKey("customers.id"), nullable=False),
    Column("field", Words, nullable=False),  #: `name`, `tags`, `attributes.milk`
    Column("before", Document),
    Column("after", Document),
    Column("by", Words, nullable=False),  #: `customer`, `import` or a staff id
    Column("at", Moment, nullable=False),
)
Index("ix_profile_changes_customer_id_id", profile_changes.c.customer_id, profile_changes.c.id)
