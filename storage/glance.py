"""What a list shows of customers: the page's, never more; and whether anything may have changed since."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, and_, bindparam, func, select

from storage.audit import audit_log
from storage.columns import Moment
from storage.conditions import among
from storage.consent import consent_records
from storage.customers import customers
from storage.desk import desk, presence
from storage.handoffs import handoffs
from storage.messages import messages
from storage.rows import Row, all_rows
from storage.staff import staff
from storage.statuses import status_log

FIRST_WORDS = 200  #: characters of a text a list shows
PRESENT = timedelta(seconds=50)  #: who has not been seen for longer is not there any more

_any = messages.alias("newest")
_NEWEST = (
    select(_any.c.id)
    .where(_any.c.customer_id == customers.c.id, _any.c.state != "suppressed")
    .order_by(_any.c.id.desc())
    .limit(1)
    .scalar_subquery()
)
_CUSTOMERS = (
    select(
        customers.c.id,
        customers.c.phone,
        customers.c.name,
        customers.c.consent,
        customers.c.tags,
        customers.c.held_by,
        customers.c.held_until,
        desk.c.assignee_id,
        desk.c.snoozed_until,
        desk.c.done_message_id,
        handoffs.c.requested_at,
        handoffs.c.reason.label("asked_because"),
        _NEWEST.label("newest_id"),
    )
    .select_from(
        customers.outerjoin(desk, desk.c.customer_id == customers.c.id).outerjoin(
            handoffs, and_(handoffs.c.customer_id == customers.c.id, handoffs.c.closed_at.is_(None))
        )
    )
    .where(among(customers.c.id, "ids"))
)
_TEXTS = select(
    messages.c.id,
    messages.c.direction,
    func.substr(messages.c.body, 1, FIRST_WORDS).label("words"),
    messages.c.media,
    messages.c.state,
    messages.c.error_code,
    messages.c.reason,
    messages.c.staff_id,
    messages.c.created_at,
    messages.c.sent_at,
    messages.c.send_after,
    messages.c.claimed_until,
    messages.c.delivered_at,
).where(among(messages.c.id, "ids"))
_PRESENT = (
    select(presence.c.customer_id, presence.c.staff_id, presence.c.writing, staff.c.name)
    .join_from(presence, staff, presence.c.staff_id == staff.c.id)
    .where(presence.c.seen_at > bindparam("since", type_=Moment))
    .order_by(presence.c.staff_id)
)
_VERSION = select(
    select(func.max(messages.c.id)).scalar_subquery(),
    select(func.max(status_log.c.id)).scalar_subquery(),
    select(func.max(audit_log.c.id)).scalar_subquery(),
    select(func.max(consent_records.c.id)).scalar_subquery(),
    select(func.max(desk.c.snoozed_until))
    .where(desk.c.snoozed_until <= bindparam("now", type_=Moment))
    .scalar_subquery(),
)


def of(connection: Connection, customer_ids: Sequence[int]) -> dict[int, Row]:
    """Return of each customer name, number, consent, tags, who holds them, what the desk knows, since when
    they wait for a person, and `newest_id`, the newest message that was not suppressed."""
    return {row["id"]: row for row in all_rows(connection.execute(_CUSTOMERS, {"ids": customer_ids}))}


def texts(connection: Connection, message_ids: Sequence[int]) -> dict[int, Row]:
    """Return the first words of messages, with what became of them."""
    return {row["id"]: row for row in all_rows(connection.execute(_TEXTS, {"ids": message_ids}))}


def present(connection: Connection, now: datetime) -> list[Row]:
    """Return which staff have whose conversation open, and whether they are writing."""
    return all_rows(connection.execute(_PRESENT, {"since": now - PRESENT}))


def version(connection: Connection, now: datetime) -> tuple[Any, ...]:
    """Return a value that differs when what lists show may have changed.

    It is the newest message, delivery status, entry of the audit log (which all actions of staff write) and
    consent record, the last snooze that ended, and who is there.
    """
    newest = connection.execute(_VERSION, {"now": now}).one()
    there = ((row["staff_id"], row["customer_id"], row["writing"]) for row in present(connection, now))
    return (*newest, *there)
