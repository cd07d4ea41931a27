"""What staff save for later: replies with placeholders, and views of the inbox."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Table

from storage.database import Document, Id, Moment, Words, metadata

saved_replies = Table(
    "saved_replies",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("title", Words, nullable=False),
    Column("body", Words, nullable=False),
    Column("language", Words, nullable=False, default="en"),
    Column("staff_id", BigInteger),
    Column("changed_at", Moment, nullable=False),
)

saved_views = Table(
    "saved_views",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("staff_id", Id, ForeignKey("staff.id"), nullable=False),
    Column("name", Words, nullable=False),
    Column("query", Document, nullable=False),
    Column("shared", Boolean, nullable=False, default=False),
)
