"""The audit log: what staff did and whose data they looked at. Append-only but for what retention lets go.

`detail` holds ids, counts and chosen values, never a customer's words, name or number: erasing a customer
leaves nothing to erase here.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, Column, Connection, Index, Select, Table, bindparam, delete, func, select

from storage import switches
from storage.columns import Document, Id, Moment, Words, metadata, partial_index
from storage.ids import distance
from storage.rows import Row, all_rows, first_row, insert_rows

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
Index("ix_audit_log_at", audit_log.c.at)
partial_index(
    "ix_audit_log_customer_id_id",
    audit_log.c.customer_id,
    audit_log.c.id,
    where=audit_log.c.customer_id.is_not(None),
)
KEPT_FROM = "audit_kept_from"  #: the switch with the oldest id that must stay; a trigger reads it


def insert(connection: Connection, rows: Sequence[Row]) -> None:
    """Append entries."""
    insert_rows(connection, audit_log, rows)


_moment = bindparam("moment", type_=Moment)
_FIRST_SINCE = select(audit_log.c.id).where(audit_log.c.at >= _moment).order_by(audit_log.c.at, audit_log.c.id).limit(1)
_LAST_BEFORE = (
    select(audit_log.c.id)
    .where(audit_log.c.at < _moment)
    .order_by(audit_log.c.at.desc(), audit_log.c.id.desc())
    .limit(1)
)
_APART = distance(timedelta(hours=1))  #: by so much may ids and moments disagree about what came first
_BY_ID = select(audit_log).where(audit_log.c.id == bindparam("id"))
_ACTIONS = select(func.min(audit_log.c.action)).where(audit_log.c.action > bindparam("after"))


def find(
    connection: Connection,
    *,
    staff_id: int | None = None,
    staff_ids: Sequence[int] | None = None,
    nobody: bool = False,
    customer_id: int | None = None,
    action: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    before: int | None = None,
    limit: int = 100,
) -> list[Row]:
    """Return entries that fit, the newest first; `action` may be the part before the dot; `before` is an id.

    `staff_id` or `staff_ids` are the people; `nobody` means entries of no account, such as the command line's.
    """
    query = select(audit_log).order_by(audit_log.c.id.desc()).limit(limit)
    if staff_id is not None:
        query = query.where(audit_log.c.staff_id == staff_id)
    elif nobody:
        query = query.where(audit_log.c.staff_id.is_(None))
    elif staff_ids is not None:
        query = query.where(audit_log.c.staff_id.in_(staff_ids))
    if customer_id is not None:
        query = query.where(audit_log.c.customer_id == customer_id)
    if action:
        exact = audit_log.c.action == action
        query = query.where(exact if "." in action else audit_log.c.action.startswith(action + ".", autoescape=True))
    if since is not None:
        oldest = _bound(connection, _FIRST_SINCE, since)
        query = query.where(audit_log.c.at >= since, audit_log.c.id >= (0 if oldest is None else oldest - _APART))
    if until is not None:
        newest = _bound(connection, _LAST_BEFORE, until)  # spares a walk from the newest entry back to that day
        query = query.where(audit_log.c.at < until, audit_log.c.id <= (0 if newest is None else newest + _APART))
    if before is not None:
        query = query.where(audit_log.c.id < before)
    return all_rows(connection.execute(query))


def _bound(connection: Connection, statement: Select[Any], moment: datetime) -> int | None:
    found = connection.execute(statement, {"moment": moment}).scalar()
    return None if found is None else int(found)


def by_id(connection: Connection, identifier: int) -> Row | None:
    """Return one entry."""
    return first_row(connection.execute(_BY_ID, {"id": identifier}))


def actions(connection: Connection) -> list[str]:
    """Return the actions there are entries of, in order: one step through the index for each."""
    found: list[str] = []
    while (after := connection.execute(_ACTIONS, {"after": found[-1] if found else ""}).scalar()) is not None:
        found.append(str(after))
    return found


def first_since(connection: Connection, moment: datetime) -> int | None:
    """Return the first entry from a moment on, None when there is none."""
    return _bound(connection, _FIRST_SINCE, moment)


def is_there(connection: Connection, staff_id: int | None, customer_id: int, action: str, since: datetime) -> bool:
    """Say whether somebody did this to a customer since then.

    Only the customer is asked for, whose entries of an hour are few: one person's, or one action's, may be millions.
    """
    lately = select(audit_log.c.staff_id, audit_log.c.action).where(
        audit_log.c.customer_id == customer_id, audit_log.c.at >= since
    )
    return any((row.staff_id, row.action) == (staff_id, action) for row in connection.execute(lately))


def forget(connection: Connection, before_id: int) -> int:
    """Delete entries with smaller ids; return how many."""
    switches.set(connection, KEPT_FROM, max(before_id, switches.get(connection, KEPT_FROM) or 0))
    return connection.execute(delete(audit_log).where(audit_log.c.id < before_id)).rowcount
