"""What the nightly reviews ask: whose tier to look at, what may be forgotten, who waits for a person."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, bindparam, case, or_, select, update

from storage.columns import Document, Moment
from storage.conditions import among
from storage.consent import consent_records
from storage.conversations import conversations
from storage.customers import customers
from storage.handoffs import handoffs
from storage.messages import messages
from storage.rows import Row, all_rows

_IN_TIERS = (
    select(customers.c.id)
    .where(
        customers.c.id > bindparam("after"),
        or_(customers.c.qualifying != 0, customers.c.tier_until.is_not(None), customers.c.tier != bindparam("lowest")),
    )
    .order_by(customers.c.id)
    .limit(bindparam("count"))
)
_WAITING = (
    select(handoffs.c.id, handoffs.c.customer_id, handoffs.c.requested_at)
    .where(
        handoffs.c.closed_at.is_(None),
        handoffs.c.requested_at <= bindparam("before", type_=Moment),
        handoffs.c.requested_at > bindparam("since", type_=Moment),
    )
    .order_by(handoffs.c.id)
    .limit(bindparam("count"))
)
_MESSAGES = (
    select(messages.c.id, messages.c.created_at)
    .where(messages.c.id > bindparam("after"))
    .order_by(messages.c.id)
    .limit(bindparam("count"))
)
#: The text that gave or withdrew consent, and what was answered to it, prove it: their words stay.
_PROVES_CONSENT = (
    select(consent_records.c.id)
    .where(consent_records.c.message_id.in_((messages.c.id, messages.c.in_reply_to)))
    .correlate(messages)
    .exists()
)
_FORGET_MESSAGES = (
    update(messages)
    .where(among(messages.c.id, "ids"))
    .values(body=case((_PROVES_CONSENT, messages.c.body), else_=""), media=None, explanation=None)
)
_CONVERSATIONS = (
    select(conversations.c.id, conversations.c.opened_at.label("created_at"))
    .where(conversations.c.id > bindparam("after"))
    .order_by(conversations.c.id)
    .limit(bindparam("count"))
)
_FORGET_ANSWERS = (
    update(conversations)
    .where(among(conversations.c.id, "ids"), conversations.c.ended_at.is_not(None))
    .values(slots=bindparam("nothing", type_=Document))
)


def in_tiers(connection: Connection, lowest: str, after: int, limit: int) -> list[int]:
    """Return customers behind `after` whose tier may have to change, or whose points for it have to be counted."""
    return list(connection.execute(_IN_TIERS, {"lowest": lowest, "after": after, "count": limit}).scalars())


def waiting_for_a_person(connection: Connection, before: datetime, since: datetime, limit: int) -> list[Row]:
    """Return open handoffs asked for between two moments: id, customer_id, requested_at."""
    return all_rows(connection.execute(_WAITING, {"before": before, "since": since, "count": limit}))


def forget_messages(connection: Connection, after: int, before: datetime, limit: int) -> int | None:
    """Delete the words of messages behind `after` that are older than `before`; return the last id, None at the end.

    Everything else stays: that there was a message, when, and what became of it; and the words that prove consent.
    """
    ids = _older(all_rows(connection.execute(_MESSAGES, {"after": after, "count": limit})), before)
    if not ids:
        return None
    connection.execute(_FORGET_MESSAGES, {"ids": ids})
    return ids[-1]


def forget_answers(connection: Connection, after: int, before: datetime, limit: int) -> int | None:
    """Delete the answers in ended conversations behind `after` that began before `before`; return the last id."""
    ids = _older(all_rows(connection.execute(_CONVERSATIONS, {"after": after, "count": limit})), before)
    if not ids:
        return None
    connection.execute(_FORGET_ANSWERS, {"ids": ids, "nothing": {}})
    return ids[-1]


def _older(rows: Sequence[Row], before: datetime) -> list[int]:
    """Return the ids up to the first row that is young: ids grow with time."""
    ids = []
    for row in rows:
        if row["created_at"] >= before:
            break
        ids.append(row["id"])
    return ids
