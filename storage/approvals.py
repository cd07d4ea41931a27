"""Approvals: points that one person asked to give or take and a second one has to allow."""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKey, Index, Integer, Table

from storage.database import Id, Moment, Words, metadata

approvals = Table(
    "approvals",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("customer_id", Id, ForeignKey("customers.id"), nullable=False),
    Column("points", Integer, nullable=False),
    Column("reason", Words, nullable=False),
    Column("asked_by", BigInteger, nullable=False),
    Column("asked_at", Moment, nullable=False),
    Column("decided_by", BigInteger),
    Column("decided_at", Moment),
    Column("decision", Words),
    CheckConstraint("decision IN ('allowed', 'refused')", name="decision"),
    CheckConstraint("decided_by IS NULL OR decided_by <> asked_by", name="second_person"),
)
Index(
    "ix_approvals_open",
    approvals.c.id,
    sqlite_where=approvals.c.decided_at.is_(None),
    postgresql_where=approvals.c.decided_at.is_(None),
)
Index("ix_approvals_customer_id", approvals.c.customer_id)
