"""Messages in both directions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ColumnElement,
    Connection,
    ForeignKey,
    Index,
    Integer,
    Table,
    and_,
    bindparam,
    func,
    literal_column,
    null,
    select,
    update,
)

from storage.columns import Document, Id, Moment, Words, metadata, partial_index
from storage.conditions import among
from storage.rows import Row, all_rows, first_row, insert_rows, write_many

messages = Table(
    "messages",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("customer_id", Id, ForeignKey("customers.id")),
    Column("direction", Words, nullable=False),
    Column("sid", Words, unique=True),
    Column("sender", Words, nullable=False),
    Column("recipient", Words, nullable=False),
    Column("body", Words, nullable=False, default=""),
    Column("media", Document),
    Column("state", Words, nullable=False),
    Column("purpose", Words),  #: reply, service, marketing, opt_out_confirmation, staff; None: inbound
    Column("in_reply_to", BigInteger),
    Column("conversation_id", BigInteger),
    Column("flow", Words),
    Column("flow_state", Words),
    Column("language", Words),
    Column("segments", Integer),
    Column("encoding", Words),
    Column("explanation", Document),
    Column("error_code", Words),
    Column("reason", Words),
    Column("created_at", Moment, nullable=False),
    Column("send_after", Moment),  #: None: went back as the immediate reply, never through the outbox
    Column("deadline", Moment),
    Column("attempts", Integer, nullable=False, default=0),
    Column("claimed_until", Moment),  #: sending: the lease; unknown: when to look it up next
    Column("sent_at", Moment),
    Column("delivered_at", Moment),
    Column("attempted_at", Moment),  #: when it was last claimed, or handed over with a webhook's answer
    Column("lane", Words),  #: what it queues behind, see `lane_of`
    Column("staff_id", BigInteger),  #: outbound: who wrote it; None: the bot
    Column("misunderstood", Boolean),  #: inbound: True when the bot had to say that it did not understand
    Column("unanswered", Boolean),  #: inbound: True when nothing was answered though something should be
    Column("retry_of", BigInteger),  #: the second try of this message, which the carrier could not deliver
    CheckConstraint(
        "(direction = 'in' AND state IN ('received', 'failed'))"
        " OR (direction = 'out' AND state IN ('queued', 'sending', 'sent', 'delivered', 'undelivered',"
        " 'failed', 'suppressed', 'unknown', 'dead'))",
        name="state",
    ),
    Index("ix_messages_customer_id_id", "customer_id", "id"),
    Index("ix_messages_created_at", "created_at"),
)
partial_index(
    "ix_messages_in_reply_to",
    messages.c.in_reply_to,
    where=messages.c.in_reply_to.is_not(None),
)
partial_index(
    "ix_messages_lanes",
    messages.c.lane,
    messages.c.send_after,
    messages.c.id,
    where=messages.c.state == "queued",
)
partial_index(
    "ix_messages_dead",
    messages.c.id,
    where=messages.c.state == "dead",
)
partial_index(
    "ix_messages_claimed",
    messages.c.claimed_until,
    where=messages.c.claimed_until.is_not(None),
)
partial_index(
    "ix_messages_marketing",
    messages.c.customer_id,
    messages.c.sent_at,
    where=messages.c.purpose == "marketing",
)
partial_index(
    "ix_messages_broken",
    messages.c.id,
    where=and_(messages.c.direction == "in", messages.c.state == "failed"),
)

_OF_CUSTOMERS = and_(messages.c.direction == "in", messages.c.customer_id.is_not(None))
partial_index("ix_messages_inbound", messages.c.id, where=_OF_CUSTOMERS)
partial_index(
    "ix_messages_misunderstood",
    messages.c.id,
    where=messages.c.misunderstood.is_not(None),
)
partial_index(  # a customer's newer ones, by which the inbox leaves the older out, however much the customer writes
    "ix_messages_misunderstood_of",
    messages.c.customer_id,
    messages.c.id,
    where=messages.c.misunderstood.is_not(None),
)
partial_index(
    "ix_messages_unanswered",
    messages.c.id,
    where=messages.c.unanswered.is_not(None),
)
partial_index(
    "ix_messages_undelivered_of",
    messages.c.customer_id,
    messages.c.id,
    where=messages.c.error_code.is_not(None),
)
partial_index(  # however often the carrier reports a failure, there is one second try
    "ix_messages_retry_of",
    messages.c.retry_of,
    where=messages.c.retry_of.is_not(None),
    unique=True,
)
partial_index(
    "ix_messages_undelivered",
    messages.c.id,
    where=messages.c.error_code.is_not(None),
)


#: Literals, because a parameter would keep the partial indexes from being used.
QUEUED: ColumnElement[str] = literal_column("'queued'")
SENDING: ColumnElement[str] = literal_column("'sending'")
UNKNOWN: ColumnElement[str] = literal_column("'unknown'")
DEAD: ColumnElement[str] = literal_column("'dead'")
FAILED: ColumnElement[str] = literal_column("'failed'")
INBOUND: ColumnElement[str] = literal_column("'in'")
MARKETING: ColumnElement[str] = literal_column("'marketing'")


_BY_SID = select(messages).where(messages.c.sid == bindparam("sid"))
_BY_ID = select(messages).where(messages.c.id == bindparam("id"))
_HISTORY = (
    select(messages)
    .where(
        messages.c.customer_id == bindparam("customer_id"),
        messages.c.id > bindparam("after"),
        messages.c.id < bindparam("before"),
    )
    .order_by(messages.c.id.desc())
    .limit(bindparam("count"))
)
_COUNT_OF = select(func.count()).where(messages.c.customer_id == bindparam("customer_id"))
_SUPPRESS = (
    update(messages)
    .where(among(messages.c.customer_id, "customer_ids"), messages.c.state == QUEUED)
    .values(state="suppressed", reason=bindparam("why"), send_after=None)
    .returning(messages.c.id, messages.c.customer_id)
)


#: A reply handed over with a webhook's answer is looked up when no callback has confirmed it by then.
HANDED_OVER = timedelta(minutes=2)
_PRIORITY = {"reply": 0, "opt_out_confirmation": 0, "staff": 0, "marketing": 2}


def lane_of(row: Row) -> str:
    """Return the lane a message queues in: `priority|sender|flow`.

    Answers go before service, service before marketing; among equals each flow has its turn.
    """
    return f"{_PRIORITY.get(row.get('purpose') or '', 1)}|{row['sender']}|{row.get('flow') or ''}"


def insert(connection: Connection, rows: Sequence[Row]) -> None:
    """Insert messages. A sid that is already there raises sqlalchemy's IntegrityError.

    A queued message gets its lane; one that is `sending` without `send_after` is a reply being handed over.
    """
    insert_rows(connection, messages, [_placed(row) for row in rows])


def _placed(row: Row) -> Row:
    if row["state"] == "queued":
        return {"lane": lane_of(row), **row}
    if row["state"] == "sending" and row.get("send_after") is None:
        at = row["created_at"]
        return {"claimed_until": at + HANDED_OVER, "attempted_at": at, **row}
    return row


def by_sid(connection: Connection, sid: str) -> Row | None:
    """Return the message the carrier calls by this sid."""
    return first_row(connection.execute(_BY_SID, {"sid": sid}))


_STATES_BY_SIDS = select(messages.c.sid, messages.c.id, messages.c.state).where(among(messages.c.sid, "sids"))


def by_sids(connection: Connection, sids: Sequence[str]) -> dict[str, Row]:
    """Return `sid`, `id` and `state` of the messages with these sids."""
    return {row["sid"]: row for row in all_rows(connection.execute(_STATES_BY_SIDS, {"sids": sids}))}


def by_id(connection: Connection, identifier: int) -> Row | None:
    """Return one message."""
    return first_row(connection.execute(_BY_ID, {"id": identifier}))


def history(
    connection: Connection, customer_id: int, limit: int, before: int | None = None, *, after: int = 0
) -> list[Row]:
    """Return a customer's newest messages between the ids `after` and `before`, newest first."""
    parameters = {"customer_id": customer_id, "after": after, "before": before or (1 << 63) - 1, "count": limit}
    return all_rows(connection.execute(_HISTORY, parameters))


def count_of(connection: Connection, customer_id: int) -> int:
    """Return how many messages there are from and to a customer."""
    return connection.execute(_COUNT_OF, {"customer_id": customer_id}).scalar_one()


def suppress_pending(connection: Connection, customer_ids: Sequence[int], reason: str, at: datetime) -> list[int]:
    """Suppress every message to these customers that is still queued; return the ids, oldest first.

    `at` is when it was decided; `status_log` keeps it.
    """
    gone = connection.execute(_SUPPRESS, {"customer_ids": customer_ids, "why": reason}).all()
    return sorted(row.id for row in gone)


_SUPPRESS_EACH = (
    update(messages)
    .where(messages.c.customer_id == bindparam("the_customer"), messages.c.state == QUEUED)
    .values(state=literal_column("'suppressed'"), reason=bindparam("why"), send_after=null())
)


def suppress_all(connection: Connection, reasons: Mapping[int, str]) -> None:
    """Suppress what is queued for each of these customers, in one call to the driver: `{customer id: reason}`."""
    write_many(connection, _SUPPRESS_EACH, [{"the_customer": who, "why": why} for who, why in sorted(reasons.items())])


_MARK_ANSWERED = (
    update(messages)
    .where(messages.c.customer_id == bindparam("the_customer"), messages.c.unanswered.is_not(None))
    .values(unanswered=null())
)


def mark_answered(connection: Connection, customer_id: int) -> None:
    """Note that no text of a customer waits for an answer any more."""
    connection.execute(_MARK_ANSWERED, {"the_customer": customer_id})
