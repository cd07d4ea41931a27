"""The audit log: what staff did and whose data they looked at. Append-only but for what retention lets go.

`detail` holds ids, counts and chosen values, never a customer's words, name or number: erasing a customer
leaves nothing to erase here.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import BigInteger, Column, Connection, Index, Table, delete, select

from storage import switches
from storage.database import Document, Id, Moment, Row, Words, all_rows, insert_rows, metadata

audit_log = Table(
    "audit_log",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("at", Moment, nullable=False),
    Column("staff_id", BigInteger),  #: None: nobody signed in, such as the command line
    Column("who", Words, nullable=False),  #: the name as it was then
    Column("action", Words, nullable=False),  #: `customer.viewed`, `points.adjusted`
    Column("customer_id", BigInteger),
    Column("detail", Document, nullable=False, default={}),
    Column("address", Words),
)
Index("ix_audit_log_staff_id_id", audit_log.c.staff_id, audit_log.c.id)
Index("ix_audit_log_action_id", audit_log.c.action, audit_log.c.id)
Index(
    "ix_audit_log_customer_id_id",
    audit_log.c.customer_id,
    audit_log.c.id,
    sqlite_where=audit_log.c.customer_id.is_not(None),
    postgresql_where=audit_log.c.customer_id.is_not(None),
)
KEPT_FROM = "audit_kept_from"  #: the switch with the oldest id that must stay; a trigger reads it


def insert(connection: Connection, rows: Sequence[Row]) -> None:
    """Append entries."""
    insert_rows(connection, audit_log, rows)


def find(
    connection: Connection,
    *,
    staff_id: int | None = None,
    customer_id: int | None = None,
    action: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    before: int | None = None,
    limit: int = 100,
) -> list[Row]:
    """Return entries that fit, the newest first; `action` may be the part before the dot; `before` is an id."""
    query = select(audit_log).order_by(audit_log.c.id.desc()).limit(limit)
    if staff_id is not None:
        query = query.where(audit_log.c.staff_id == staff_id)
    if customer_id is not None:
        query = query.where(audit_log.c.customer_id == customer_id)
    if action:
        exact = audit_log.c.action == action
        query = query.where(exact if "." in action else audit_log.c.action.startswith(action + ".", autoescape=True))
    if since is not None:
        query = query.where(audit_log.c.at >= since)
    if until is not None:
        query = query.where(audit_log.c.at < until)
    if before is not None:
        query = query.where(audit_log.c.id < before)
    return all_rows(connection.execute(query))


def forget(connection: Connection, before_id: int) -> int:
    """Delete entries with smaller ids; return how many."""
    switches.set(connection, KEPT_FROM, before_id)
    return connection.execute(delete(audit_log).where(audit_log.c.id < before_id)).rowcount
