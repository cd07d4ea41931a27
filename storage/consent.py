"""Consent records, append-only. `customers.consent` follows the newest by a trigger."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Connection,
    ForeignKey,
    Index,
    Integer,
    Table,
    bindparam,
    select,
)

from storage.columns import Id, Moment, Words, metadata, partial_index
from storage.conditions import among
from storage.messages import messages
from storage.rows import Row, all_rows, insert_rows

consent_records = Table(
    "consent_records",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("customer_id", Id, ForeignKey("customers.id"), nullable=False),
    Column("status", Words, nullable=False),
    Column("how", Words, nullable=False),
    Column("wording", Words),
    Column("version", Integer),
    Column("text", Words),
    Column("language", Words),
    Column("reason", Words),
    Column("message_id", BigInteger),
    Column("at", Moment, nullable=False),
    Column("staff_id", BigInteger),  #: who of the staff did it; None: nobody, or the command line
    Column("expires_at", Moment),  #: implied consent ends (CASL: two years after a purchase); None: it does not
    CheckConstraint("status IN ('pending', 'subscribed', 'unsubscribed')", name="status"),
    CheckConstraint("how IN ('keyword', 'form', 'import', 'staff', 'carrier')", name="how"),
    Index("ix_consent_records_customer_id", "customer_id"),
    Index("ix_consent_records_at", "at"),
)
partial_index(
    "ix_consent_records_message_id",  # so that retention keeps the words that prove consent
    consent_records.c.message_id,
    where=consent_records.c.message_id.is_not(None),
)
partial_index(
    "ix_consent_records_left",
    consent_records.c.id,
    where=consent_records.c.status == "unsubscribed",
)

_HISTORY = (
    select(consent_records)
    .where(consent_records.c.customer_id == bindparam("customer_id"))
    .order_by(consent_records.c.id)
)


def insert(connection: Connection, rows: Sequence[Row]) -> None:
    """Append consent records; each customer's status becomes that of the last one given."""
    insert_rows(connection, consent_records, rows)


def history(connection: Connection, customer_id: int) -> list[Row]:
    """Return a customer's consent records, oldest first."""
    return all_rows(connection.execute(_HISTORY, {"customer_id": customer_id}))


_ANSWERS = (
    select(messages)
    .where(
        among(messages.c.in_reply_to, "ids"),
        messages.c.in_reply_to.is_not(None),
        messages.c.direction == "out",
    )
    .order_by(messages.c.id)
)
_UNASKED = (
    select(messages)
    .where(
        among(messages.c.customer_id, "ids"),
        messages.c.created_at == bindparam("at", type_=Moment),
        messages.c.direction == "out",
        messages.c.in_reply_to.is_(None),
    )
    .order_by(messages.c.id)
)


def answers(connection: Connection, message_ids: Sequence[int]) -> list[Row]:
    """Return what was answered to these inbound messages, at once or later, whatever became of it."""
    return all_rows(connection.execute(_ANSWERS, {"ids": message_ids}))


def unasked(connection: Connection, customer_ids: Sequence[int], at: datetime) -> list[Row]:
    """Return what was written to customers in the turns of this moment, which no text of theirs had caused."""
    return all_rows(connection.execute(_UNASKED, {"ids": customer_ids, "at": at}))
