"""The outbox: messages on their way out. queued -> sending -> sent | queued again | failed | unknown | dead.

An unknown outcome is settled by `storage.unsettled`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, Integer, bindparam, func, literal_column, null, or_, select, text, update

from storage.columns import Moment
from storage.conditions import among
from storage.messages import (
    DEAD,
    MARKETING,
    QUEUED,
    SENDING,
    UNKNOWN,
    lane_of,
    messages,
)
from storage.rows import Row, all_rows, write_many
from storage.statuses import Moved, catch_up

_c = messages.c
#: What a sender needs; the explanation is long and not for the carrier.
SENDABLE = [column for column in _c if column.name not in ("explanation", "raw", "reason")]
_now = bindparam("now", type_=Moment)

# The distinct lanes with queued messages: one step through the index for each, however many messages wait.
_next = messages.alias()
_walk = select(func.min(_c.lane).label("lane")).where(_c.state == QUEUED).cte("lanes", recursive=True)
_walk = _walk.union_all(
    select(
        select(func.min(_next.c.lane)).where(_next.c.state == QUEUED, _next.c.lane > _walk.c.lane).scalar_subquery()
    ).where(_walk.c.lane.is_not(None))
)
_first = messages.alias()
_earliest = select(func.min(_first.c.send_after)).where(_first.c.state == QUEUED, _first.c.lane == _walk.c.lane)
_LANES = select(_walk.c.lane, _earliest.scalar_subquery().label("due")).where(_walk.c.lane.is_not(None))

_PEEK = (
    select(_c.id, _c.segments)
    .where(_c.state == QUEUED, _c.lane == bindparam("lane"), _c.send_after <= _now)
    .order_by(_c.send_after, _c.id)
    .limit(bindparam("count"))
    .with_for_update(skip_locked=True)
)
_CLAIM = (
    update(messages)
    .where(among(_c.id, "ids"), _c.state == QUEUED)
    .values(
        state="sending",
        attempts=_c.attempts + 1,
        attempted_at=_now,
        claimed_until=bindparam("until", type_=Moment),
    )
    .returning(*SENDABLE)
)
_OURS = or_(_c.state == SENDING, _c.state == UNKNOWN)
_SENT = (
    update(messages)
    .where(_c.id == bindparam("the_id"), _OURS)
    .values(
        state=literal_column("'sent'"),
        sid=func.coalesce(_c.sid, bindparam("new_sid")),
        sent_at=func.coalesce(_c.sent_at, bindparam("new_sent_at", type_=Moment)),
        claimed_until=null(),
    )
)
#: The same for many at once where the database takes lists; one statement for each costs it four times as much.
_SENT_TOGETHER = """UPDATE messages SET state = 'sent', sid = COALESCE(messages.sid, given.sid),
    sent_at = COALESCE(messages.sent_at, given.at), claimed_until = NULL
    FROM unnest(CAST(:ids AS bigint[]), CAST(:sids AS text[]), CAST(:ats AS timestamptz[])) AS given(id, sid, at)
    WHERE messages.id = given.id AND messages.state IN ('sending', 'unknown')"""
# An outcome counts only for the attempt it came from: whoever was late finds another's attempt in the row.
_SAME_ATTEMPT = _c.attempts == func.coalesce(bindparam("attempt", type_=Integer), _c.attempts)
_PUT_BACK = (
    update(messages)
    .where(_c.id == bindparam("the_id"), _OURS, _SAME_ATTEMPT)
    .values(
        state="queued",
        send_after=bindparam("later", type_=Moment),
        attempts=_c.attempts - bindparam("uncounted"),
        claimed_until=None,
    )
)
_FINISH = (
    update(messages)
    .where(_c.id == bindparam("the_id"), or_(_c.state == QUEUED, _OURS), _SAME_ATTEMPT)
    .values(
        state=bindparam("new_state"),
        reason=bindparam("why"),
        error_code=func.coalesce(_c.error_code, bindparam("code")),
        claimed_until=bindparam("look_at", type_=Moment),
    )
)
_HANDED_OVER = (
    select(_c.sender, func.sum(func.coalesce(_c.segments, 1)))
    .where(
        _c.created_at > bindparam("since", type_=Moment),
        _c.created_at <= bindparam("until", type_=Moment),
        _c.direction == "out",
        _c.in_reply_to.is_not(None),
        _c.send_after.is_(None),
        _c.state != "suppressed",
    )
    .group_by(_c.sender)
)
_MARKETING_SENT = (
    select(_c.customer_id, _c.sent_at)
    .where(
        among(_c.customer_id, "customer_ids"), _c.purpose == MARKETING, _c.sent_at >= bindparam("since", type_=Moment)
    )
    .order_by(_c.customer_id, _c.sent_at)
)
_DEAD = select(messages).where(_c.state == DEAD).order_by(_c.id).limit(bindparam("count"))
_RETRY = (
    update(messages)
    .where(_c.id == bindparam("the_id"), _c.state == DEAD)
    .values(
        state="queued",
        attempts=0,
        reason=None,
        send_after=bindparam("later", type_=Moment),
        lane=func.coalesce(_c.lane, bindparam("new_lane")),
    )
)
_DISCARD = (
    update(messages).where(_c.id == bindparam("the_id"), _c.state == DEAD).values(state="failed", reason="discarded")
)


_RELEASE = (
    update(messages)
    .where(
        _c.customer_id == bindparam("the_customer"),
        _c.state == QUEUED,
        _c.send_after > _now,
        _c.send_after <= bindparam("until", type_=Moment),
    )
    .values(send_after=_now)
)


class Lane(NamedTuple):
    """A lane with queued messages and when its first is due."""

    name: str
    due: datetime

    @property
    def priority(self) -> int:
        return int(self.name.partition("|")[0])

    @property
    def sender(self) -> str:
        return self.name.split("|", 2)[1]


def lanes(connection: Connection) -> list[Lane]:
    """Return the lanes in which messages are queued, those that go first in front."""
    return [Lane(name, due) for name, due in connection.execute(_LANES)]


def peek(connection: Connection, lane: str, now: datetime, count: int) -> list[tuple[int, int]]:
    """Return `(id, segments)` of a lane's messages that are due, the oldest first; others skip them until we end."""
    found = connection.execute(_PEEK, {"lane": lane, "now": now, "count": count})
    return [(identifier, segments or 1) for identifier, segments in found]


def take(connection: Connection, ids: Sequence[int], now: datetime, lease: timedelta) -> list[Row]:
    """Claim these queued messages: they become `sending` until `now + lease`; return them, the oldest first."""
    if not ids:
        return []
    claimed = all_rows(connection.execute(_CLAIM, {"ids": ids, "now": now, "until": now + lease}))
    return sorted(claimed, key=lambda row: (row["send_after"], row["id"]))


def claim(connection: Connection, now: datetime, limit: int, lease: timedelta) -> list[Row]:
    """Take queued messages that are due, lane by lane: they become `sending` until `now + lease`.

    Others skip them. Whoever dies with them in hand leaves them to `stale`.
    """
    ids: list[int] = []
    for lane in lanes(connection):
        if lane.due <= now and len(ids) < limit:
            ids += [identifier for identifier, _ in peek(connection, lane.name, now, limit - len(ids))]
    return take(connection, ids, now, lease)


def sent(connection: Connection, rows: Sequence[Row]) -> list[Moved]:
    """Note what the carrier took: `id`, `sid`, `at` of each.

    Callbacks that came before this answer are applied; return the messages they moved.
    """
    if not rows:
        return []
    if connection.dialect.name == "postgresql":
        lists = {f"{name}s": [row[name] for row in rows] for name in ("id", "sid", "at")}
        connection.execute(text(_SENT_TOGETHER), lists)
    else:
        parameters = [{"the_id": row["id"], "new_sid": row["sid"], "new_sent_at": row["at"]} for row in rows]
        write_many(connection, _SENT, parameters)
    return catch_up(connection, {row["sid"]: row["id"] for row in rows if row["sid"]})


def put_back(
    connection: Connection, identifier: int, send_after: datetime, *, counted: bool = True, attempt: int | None = None
) -> bool:
    """Queue a claimed message again for later; False when it is not in hand any more.

    `attempt` says which attempt this is the end of. One that never reached the carrier is not `counted`.
    """
    values = {"the_id": identifier, "later": send_after, "uncounted": 0 if counted else 1, "attempt": attempt}
    return connection.execute(_PUT_BACK, values).rowcount == 1


def finish(
    connection: Connection,
    identifier: int,
    state: str,
    reason: str | None = None,
    error_code: str | int | None = None,
    look_at: datetime | None = None,
    *,
    attempt: int | None = None,
) -> bool:
    """End a message that was not sent as `failed`, `suppressed`, `unknown` or `dead`.

    False when it is neither queued nor in hand. The first error code stays. An unknown outcome is looked up
    at `look_at`. `attempt` says which attempt this is the end of.
    """
    code = None if error_code is None else str(error_code)
    values: dict[str, Any] = {"the_id": identifier, "new_state": state, "why": reason, "code": code, "look_at": look_at}
    values["attempt"] = attempt
    return connection.execute(_FINISH, values).rowcount == 1


def handed_over(connection: Connection, since: datetime, until: datetime) -> dict[str, int]:
    """Return how many segments of each sender went out in answers to webhooks after `since` and up to `until`."""
    found = connection.execute(_HANDED_OVER, {"since": since, "until": until})
    return {sender: int(segments) for sender, segments in found}


def marketing_counts(connection: Connection, customer_ids: Sequence[int], since: datetime) -> dict[int, list[datetime]]:
    """Return when marketing was sent to each customer since then, oldest first; others are left out."""
    found: dict[int, list[datetime]] = {}
    for customer_id, at in connection.execute(_MARKETING_SENT, {"customer_ids": customer_ids, "since": since}):
        found.setdefault(customer_id, []).append(at)
    return found


def release(connection: Connection, customer_id: int, until: datetime, now: datetime) -> int:
    """Let what was to wait for a customer until `until` at most go now, if the gate agrees; return how many."""
    return connection.execute(_RELEASE, {"the_customer": customer_id, "until": until, "now": now}).rowcount


def next_due(connection: Connection) -> datetime | None:
    """Return when the next queued message is due."""
    return min((lane.due for lane in lanes(connection)), default=None)


def dead(connection: Connection, limit: int) -> list[Row]:
    """Return the dead letters, the oldest first."""
    return all_rows(connection.execute(_DEAD, {"count": limit}))


def retry(connection: Connection, row: Row, at: datetime) -> bool:
    """Queue a dead letter again; False when it is none any more."""
    values = {"the_id": row["id"], "later": at, "new_lane": lane_of(row)}
    return connection.execute(_RETRY, values).rowcount == 1


def discard(connection: Connection, identifier: int) -> bool:
    """Give a dead letter up for good; False when it is none any more."""
    return connection.execute(_DISCARD, {"the_id": identifier}).rowcount == 1
