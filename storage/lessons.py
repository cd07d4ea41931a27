"""Lessons: texts the bot misunderstood, with what a person says they meant. The router's tests take them up."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Table

from storage.database import Document, Id, Moment, Words, metadata

lessons = Table(
    "lessons",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("message_id", BigInteger, unique=True),
    Column("customer_id", Id, ForeignKey("customers.id")),
    Column("text", Words, nullable=False),
    Column("language", Words, nullable=False),
    Column("state", Words),  #: FLOW:STATE that was open
    Column("understood", Document),  #: what the router made of it then
    Column("decision", Words, nullable=False),  #: what it should have decided
    Column("intent", Words),
    Column("staff_id", BigInteger, nullable=False),
    Column("at", Moment, nullable=False),
)
Index("ix_lessons_customer_id", lessons.c.customer_id)
