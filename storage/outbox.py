"""The outbox: messages on their way out. queued -> sending -> sent | queued again | failed | unknown | dead."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, bindparam, func, select, update

from storage.database import Moment, Row, all_rows, among
from storage.messages import MARKETING, QUEUED, SENDING, Moved, catch_up, messages

_DUE = (
    select(messages.c.id)
    .where(messages.c.state == QUEUED, messages.c.send_after <= bindparam("now", type_=Moment))
    .order_by(messages.c.send_after, messages.c.id)
    .limit(bindparam("count"))
    .with_for_update(skip_locked=True)
)
_CLAIM = (
    update(messages)
    .where(messages.c.id.in_(_DUE))
    .values(state="sending", attempts=messages.c.attempts + 1, claimed_until=bindparam("until", type_=Moment))
    .returning(messages)
)
_OURS = messages.c.state.in_(("sending", "unknown"))
_SENT = (
    update(messages)
    .where(messages.c.id == bindparam("the_id"), _OURS)
    .values(
        state="sent",
        sid=func.coalesce(messages.c.sid, bindparam("new_sid")),
        sent_at=func.coalesce(messages.c.sent_at, bindparam("new_sent_at", type_=Moment)),
        claimed_until=None,
    )
)
_PUT_BACK = (
    update(messages)
    .where(messages.c.id == bindparam("the_id"), _OURS)
    .values(state="queued", send_after=bindparam("later", type_=Moment), claimed_until=None)
)
_FINISH = (
    update(messages)
    .where(messages.c.id == bindparam("the_id"), messages.c.state.in_(("queued", "sending", "unknown")))
    .values(
        state=bindparam("new_state"),
        reason=bindparam("why"),
        error_code=func.coalesce(messages.c.error_code, bindparam("code")),
        claimed_until=None,
    )
)
_STALE = (
    update(messages)
    .where(
        messages.c.claimed_until.is_not(None),
        messages.c.claimed_until <= bindparam("now", type_=Moment),
        messages.c.state == SENDING,
    )
    .values(state="unknown", claimed_until=None)
    .returning(messages)
)
_MARKETING_SENT = (
    select(messages.c.customer_id, messages.c.sent_at)
    .where(
        among(messages.c.customer_id, "customer_ids"),
        messages.c.purpose == MARKETING,
        messages.c.sent_at >= bindparam("since", type_=Moment),
    )
    .order_by(messages.c.customer_id, messages.c.sent_at)
)
_NEXT_DUE = select(func.min(messages.c.send_after)).where(messages.c.state == QUEUED)


def claim(connection: Connection, now: datetime, limit: int, lease: timedelta) -> list[Row]:
    """Take queued messages that are due, the oldest first: they become `sending` until `now + lease`.

    Others skip them. Whoever dies with them in hand leaves them to `stale`.
    """
    claimed = all_rows(connection.execute(_CLAIM, {"now": now, "count": limit, "until": now + lease}))
    return sorted(claimed, key=lambda row: (row["send_after"], row["id"]))


def sent(connection: Connection, rows: Sequence[Row]) -> list[Moved]:
    """Note what the carrier took: `id`, `sid`, `at` of each.

    Callbacks that came before this answer are applied; return the messages they moved.
    """
    if not rows:
        return []
    connection.execute(_SENT, [{"the_id": row["id"], "new_sid": row["sid"], "new_sent_at": row["at"]} for row in rows])
    return catch_up(connection, {row["sid"]: row["id"] for row in rows if row["sid"]})


def put_back(connection: Connection, identifier: int, send_after: datetime) -> bool:
    """Queue a claimed message again for later; False when it is not in hand any more."""
    return connection.execute(_PUT_BACK, {"the_id": identifier, "later": send_after}).rowcount == 1


def finish(
    connection: Connection,
    identifier: int,
    state: str,
    reason: str | None = None,
    error_code: str | int | None = None,
) -> bool:
    """End a message that was not sent as `failed`, `suppressed`, `unknown` or `dead`.

    False when it is neither queued nor in hand. The first error code stays.
    """
    code = None if error_code is None else str(error_code)
    values = {"the_id": identifier, "new_state": state, "why": reason, "code": code}
    return connection.execute(_FINISH, values).rowcount == 1


def stale(connection: Connection, now: datetime) -> list[Row]:
    """Mark messages whose lease is over as `unknown` and return them: perhaps sent, to be looked up."""
    found = all_rows(connection.execute(_STALE, {"now": now}))
    return sorted(found, key=lambda row: int(row["id"]))


def marketing_counts(connection: Connection, customer_ids: Sequence[int], since: datetime) -> dict[int, list[datetime]]:
    """Return when marketing was sent to each customer since then, oldest first; others are left out."""
    found: dict[int, list[datetime]] = {}
    for customer_id, at in connection.execute(_MARKETING_SENT, {"customer_ids": customer_ids, "since": since}):
        found.setdefault(customer_id, []).append(at)
    return found


def next_due(connection: Connection) -> datetime | None:
    """Return when the next queued message is due."""
    return connection.execute(_NEXT_DUE).scalar()
