"""Approvals: points that one person asked to give or take and a second one has to allow."""

from __future__ import annotations

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
    func,
    literal_column,
    select,
    update,
)

from storage.columns import Id, Moment, Words, metadata, partial_index
from storage.rows import Row, all_rows, first_row, insert_rows

approvals = Table(
    "approvals",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("customer_id", Id, ForeignKey("customers.id"), nullable=False),
    Column("points", Integer, nullable=False),
    Column("reason", Words, nullable=False),
    Column("key", Words, nullable=False, unique=True),  #: idempotency key of the asker: asking twice is asking once
    Column("reverses", Words),  #: key of the ledger entry to be taken back; None: an adjustment
    Column("asked_by", BigInteger, nullable=False),
    Column("asked_at", Moment, nullable=False),
    Column("decided_by", BigInteger),
    Column("decided_at", Moment),
    Column("decision", Words),
    Column("answer", Words),  #: what the second person said to it
    CheckConstraint("decision IN ('allowed', 'refused')", name="decision"),
    CheckConstraint("decided_by IS NULL OR decided_by <> asked_by", name="second_person"),
)
partial_index(
    "ix_approvals_open",
    approvals.c.id,
    where=approvals.c.decided_at.is_(None),
)
Index("ix_approvals_asked_by_id", approvals.c.asked_by, approvals.c.id)
Index("ix_approvals_customer_id", approvals.c.customer_id)

_OPEN = approvals.c.decided_at.is_(None)
_BY_ID = select(approvals).where(approvals.c.id == bindparam("id"))
_BY_KEY = select(approvals).where(approvals.c.key == bindparam("key"))
_OPEN_ONES = select(approvals).where(_OPEN).order_by(approvals.c.id).limit(bindparam("count"))
_COUNT_OPEN = select(func.count()).where(_OPEN)
_DECIDED = select(approvals).where(~_OPEN).order_by(approvals.c.id.desc()).limit(bindparam("count"))
_OF = (
    select(approvals)
    .where(approvals.c.customer_id == bindparam("customer_id"))
    .order_by(approvals.c.id.desc())
    .limit(bindparam("count"))
)
_ASKED_BY = (
    select(approvals)
    .where(approvals.c.asked_by == bindparam("staff_id"))
    .order_by(approvals.c.id.desc())
    .limit(bindparam("count"))
)
_WAITING_FOR = select(approvals).where(approvals.c.reverses == bindparam("entry_key"), _OPEN)
_DECIDE = (
    update(approvals)
    .where(approvals.c.id == bindparam("the_id"), _OPEN)
    .values(
        decided_by=bindparam("who"),
        decided_at=bindparam("now", type_=Moment),
        decision=bindparam("said"),
        answer=bindparam("why"),
    )
)
_ALLOWED = select(func.coalesce(func.sum(func.abs(approvals.c.points)), 0)).where(
    approvals.c.asked_by == bindparam("staff_id"),
    approvals.c.decision == literal_column("'allowed'"),
    approvals.c.decided_at >= bindparam("since", type_=Moment),
)


def insert(connection: Connection, row: Row) -> None:
    """Ask: id, customer_id, points, reason, key, reverses, asked_by, asked_at."""
    insert_rows(connection, approvals, [row])


def by_id(connection: Connection, identifier: int) -> Row | None:
    """Return one request."""
    return first_row(connection.execute(_BY_ID, {"id": identifier}))


def by_key(connection: Connection, key: str) -> Row | None:
    """Return the request that was made with this idempotency key."""
    return first_row(connection.execute(_BY_KEY, {"key": key}))


def waiting_for(connection: Connection, entry_key: str) -> Row | None:
    """Return the open request to take this ledger entry back."""
    return first_row(connection.execute(_WAITING_FOR, {"entry_key": entry_key}))


def open_ones(connection: Connection, limit: int) -> list[Row]:
    """Return the requests nobody has decided, the oldest first."""
    return all_rows(connection.execute(_OPEN_ONES, {"count": limit}))


def count_open(connection: Connection) -> int:
    """Return how many requests wait."""
    return connection.execute(_COUNT_OPEN).scalar_one()


def decided(connection: Connection, limit: int) -> list[Row]:
    """Return requests that were decided, the newest first."""
    return all_rows(connection.execute(_DECIDED, {"count": limit}))


def of(connection: Connection, customer_id: int, limit: int) -> list[Row]:
    """Return a customer's requests, the newest first."""
    return all_rows(connection.execute(_OF, {"customer_id": customer_id, "count": limit}))


def asked_by(connection: Connection, staff_id: int, limit: int) -> list[Row]:
    """Return what somebody asked for, the newest first."""
    return all_rows(connection.execute(_ASKED_BY, {"staff_id": staff_id, "count": limit}))


def decide(connection: Connection, identifier: int, by: int, decision: str, answer: str, now: datetime) -> bool:
    """Write what a second person decided, `allowed` or `refused`; False when somebody was faster."""
    values = {"the_id": identifier, "who": by, "said": decision, "why": answer, "now": now}
    return connection.execute(_DECIDE, values).rowcount == 1


def allowed_since(connection: Connection, staff_id: int, since: datetime) -> int:
    """Return how many points, given and taken together, others have allowed somebody since then."""
    return int(connection.execute(_ALLOWED, {"staff_id": staff_id, "since": since}).scalar_one())
