"""Messages whose outcome is not known: looked up at the carrier, then sent, queued again or dead."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy import Connection, bindparam, func, select, update

from storage.columns import Moment
from storage.conditions import among
from storage.messages import SENDING, UNKNOWN, lane_of, messages
from storage.outbox import SENDABLE
from storage.rows import Row, all_rows

_c = messages.c
_now = bindparam("now", type_=Moment)
_SEND_AGAIN = (
    update(messages)
    .where(_c.id == bindparam("the_id"), _c.state == UNKNOWN, _c.sid.is_(None), _c.attempts == bindparam("attempt"))
    .values(
        state="queued",
        send_after=bindparam("later", type_=Moment),
        lane=func.coalesce(_c.lane, bindparam("new_lane")),
        claimed_until=None,
    )
)
_LOOK_AGAIN = (
    update(messages)
    .where(_c.id == bindparam("the_id"), _c.state == UNKNOWN)
    .values(claimed_until=bindparam("look_at", type_=Moment))
)
_OVERDUE = (
    select(_c.id)
    .where(_c.claimed_until <= _now, _c.claimed_until.is_not(None), _c.state == SENDING)
    .limit(bindparam("count"))
    .with_for_update(skip_locked=True)
)
_STALE = (
    update(messages)
    .where(_c.id.in_(_OVERDUE))
    .values(state="unknown", claimed_until=bindparam("look_at", type_=Moment))
    .returning(messages)
)
_TO_LOOK_UP = (
    select(_c.id)
    .where(_c.claimed_until <= _now, _c.claimed_until.is_not(None), _c.state == UNKNOWN)
    .order_by(_c.claimed_until)
    .limit(bindparam("count"))
    .with_for_update(skip_locked=True)
)
_LOOK_UP = (
    update(messages)
    .where(_c.id.in_(_TO_LOOK_UP))
    .values(claimed_until=bindparam("until", type_=Moment))
    .returning(*SENDABLE)
)
_TWINS = select(_c.id, _c.recipient, _c.body).where(
    _c.claimed_until.is_not(None),
    _c.state == SENDING,
    among(_c.customer_id, "customer_ids"),
)
_KNOWN_SIDS = select(_c.sid).where(among(_c.sid, "sids"))


def stale(connection: Connection, now: datetime, look_at: datetime | None = None, limit: int = 500) -> list[Row]:
    """Mark messages whose lease is over as `unknown` and return them: perhaps sent, to be looked up at `look_at`."""
    found = all_rows(connection.execute(_STALE, {"now": now, "look_at": look_at, "count": limit}))
    return sorted(found, key=lambda row: int(row["id"]))


def take_unknown(connection: Connection, now: datetime, limit: int, lease: timedelta) -> list[Row]:
    """Return messages whose unknown outcome is to be looked up now; others leave them alone until `now + lease`."""
    found = all_rows(connection.execute(_LOOK_UP, {"now": now, "count": limit, "until": now + lease}))
    return sorted(found, key=lambda row: int(row["id"]))


def send_again(connection: Connection, row: Row, at: datetime) -> bool:
    """Queue a message the carrier never took; False when anything was heard of it or done with it meanwhile."""
    values = {"the_id": row["id"], "later": at, "new_lane": lane_of(row), "attempt": row["attempts"]}
    return connection.execute(_SEND_AGAIN, values).rowcount == 1


def look_again(connection: Connection, identifier: int, at: datetime) -> None:
    """Look an unknown outcome up once more at `at`, unless something is heard of it before."""
    connection.execute(_LOOK_AGAIN, {"the_id": identifier, "look_at": at})


def in_flight(connection: Connection, customer_ids: Iterable[int]) -> set[tuple[str, str]]:
    """Return number and text of what is being sent to these customers at this moment."""
    found = connection.execute(_TWINS, {"customer_ids": list(customer_ids)})
    return {(row.recipient, row.body) for row in found}


def known_sids(connection: Connection, sids: Iterable[str]) -> set[str]:
    """Return which of these sids belong to a message we have."""
    return set(connection.execute(_KNOWN_SIDS, {"sids": list(sids)}).scalars())
