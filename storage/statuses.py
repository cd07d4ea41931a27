"""What the carrier reported of messages, all of it, and how it moves each forward."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, Column, Connection, Table, and_, bindparam, null, or_, select, text, update

from storage.columns import Document, Id, Moment, Words, metadata, partial_index
from storage.conditions import among
from storage.ids import next_id
from storage.messages import messages
from storage.rows import Row, all_rows, insert_rows, write_many

status_log = Table(
    "status_log",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("message_id", BigInteger),
    Column("sid", Words),
    Column("status", Words, nullable=False),
    Column("error_code", Words),
    Column("raw", Document),
    Column("at", Moment, nullable=False),
)
partial_index(
    "ix_status_log_early",
    status_log.c.sid,
    where=status_log.c.message_id.is_(None),
)

#: How far a delivery is. A status moves a message up only; the carrier's callbacks come late, twice and out of order.
RANK = {"unknown": 0, "dead": 0, "queued": 1, "sending": 2, "sent": 3, "delivered": 4, "undelivered": 4, "failed": 4}

#: The carrier's words in ours. Whatever it says of a message proves at least that it has it.
STATUS = {
    "accepted": "sending",
    "scheduled": "sending",
    "queued": "sending",
    "sending": "sending",
    "sent": "sent",
    "delivered": "delivered",
    "partially_delivered": "delivered",
    "read": "delivered",
    "undelivered": "undelivered",
    "failed": "failed",
    "canceled": "failed",
}


class Moved(NamedTuple):
    """One message whose delivery moved on."""

    message_id: int
    customer_id: int | None
    before: str
    state: str
    error_code: str | None


_MOVABLE = (
    messages.c.id,
    messages.c.customer_id,
    messages.c.sid,
    messages.c.state,
    messages.c.error_code,
    messages.c.sent_at,
    messages.c.delivered_at,
)
_MOVABLE_BY_IDS = (
    select(*_MOVABLE)
    .where(among(messages.c.id, "ids"), messages.c.direction == "out")
    .order_by(messages.c.id)
    .with_for_update()
)
_IDS_BY_SIDS = select(messages.c.sid, messages.c.id).where(among(messages.c.sid, "sids"))
_EXISTING = select(messages.c.id).where(among(messages.c.id, "ids"), messages.c.direction == "out")
_MOVE = (
    update(messages)
    .where(messages.c.id == bindparam("the_id"))
    .values(
        sid=bindparam("new_sid"),
        state=bindparam("new_state"),
        error_code=bindparam("new_error_code"),
        sent_at=bindparam("new_sent_at", type_=Moment),
        delivered_at=bindparam("new_delivered_at", type_=Moment),
        claimed_until=null(),
    )
)
#: The same for many at once where the database takes lists.
_MOVE_TOGETHER = """UPDATE messages SET sid = given.sid, state = given.state, error_code = given.error_code,
    sent_at = given.sent_at, delivered_at = given.delivered_at, claimed_until = NULL
    FROM unnest(CAST(:ids AS bigint[]), CAST(:sids AS text[]), CAST(:states AS text[]), CAST(:error_codes AS text[]),
    CAST(:sent_ats AS timestamptz[]), CAST(:delivered_ats AS timestamptz[]))
    AS given(id, sid, state, error_code, sent_at, delivered_at) WHERE messages.id = given.id"""
_EARLY = (
    select(status_log)
    .where(among(status_log.c.sid, "sids"), status_log.c.message_id.is_(None))
    .order_by(status_log.c.id)
)


_EARLY_CODES = select(status_log.c.sid, status_log.c.error_code).where(
    among(status_log.c.sid, "sids"), status_log.c.message_id.is_(None), status_log.c.error_code.is_not(None)
)


def move_forward(connection: Connection, updates: Sequence[Row]) -> list[Moved]:
    """Record what the carrier reported of outbound messages and move them forward; return those that moved.

    Each update has `status` (the carrier's word) and `at`, `message_id` or `sid` or both, and may have
    `error_code` and `raw`. All are kept in `status_log`. One whose message is not known yet waits there
    for `catch_up`. A state never goes back, the first error code stays, a sid is learnt once.
    """
    updates = [{**update_, "error_code": _code(update_.get("error_code"))} for update_ in updates]
    ids = _known_ids(connection, updates)
    insert_rows(
        connection,
        status_log,
        [
            {
                "id": next_id(),
                "message_id": message_id,
                **{name: update_.get(name) for name in ("sid", "status", "error_code", "raw", "at")},
            }
            for update_, message_id in zip(updates, ids, strict=True)
        ],
    )
    return _move(connection, [(i, update_) for i, update_ in zip(ids, updates, strict=True) if i is not None])


def _code(error_code: str | int | None) -> str | None:
    return str(error_code) if error_code else None


def catch_up(connection: Connection, sids: dict[str, int]) -> list[Moved]:
    """Apply what was reported of these sids before we knew whose they are: `{sid: message id}`."""
    if not sids:
        return []
    early = all_rows(connection.execute(_EARLY, {"sids": list(sids)}))
    return _move(connection, [(sids[row["sid"]], dict(row)) for row in early])


def early_codes(connection: Connection, sids: Sequence[str]) -> list[tuple[str, str]]:
    """Return `(sid, error code)` of what was reported of these sids before we knew whose they are."""
    return [(sid, code) for sid, code in connection.execute(_EARLY_CODES, {"sids": sids})] if sids else []


def _known_ids(connection: Connection, updates: Sequence[Row]) -> list[int | None]:
    """Return the message of each update: the one it names if that exists, else the one with its sid."""
    named = [update_["message_id"] for update_ in updates if update_.get("message_id")]
    sids = [update_["sid"] for update_ in updates if update_.get("sid")]
    existing = set(connection.execute(_EXISTING, {"ids": named}).scalars()) if named else set()
    by_sids = {row.sid: row.id for row in connection.execute(_IDS_BY_SIDS, {"sids": sids})} if sids else {}
    return [
        by_sids.get(update_.get("sid"), update_["message_id"] if update_.get("message_id") in existing else None)
        for update_ in updates
    ]


def _move(connection: Connection, updates: Sequence[tuple[int, Row]]) -> list[Moved]:
    """Fold the updates of each message into one change and write the changes in one call to the driver."""
    ids = sorted({message_id for message_id, _ in updates})
    if not ids:
        return []
    before = {row["id"]: row for row in all_rows(connection.execute(_MOVABLE_BY_IDS, {"ids": ids}))}
    after: dict[int, dict[str, Any]] = {identifier: dict(row) for identifier, row in before.items()}
    touched = set()
    for message_id, update_ in updates:
        if message_id in after and _fold(after[message_id], update_):
            touched.add(message_id)
    if touched:
        _write_moved(connection, [after[i] for i in sorted(touched)])
    return [
        Moved(i, before[i]["customer_id"], before[i]["state"], after[i]["state"], after[i]["error_code"])
        for i in sorted(touched)
        if after[i]["state"] != before[i]["state"]
    ]


def _write_moved(connection: Connection, rows: Sequence[Row]) -> None:
    names = ("sid", "state", "error_code", "sent_at", "delivered_at")
    if connection.dialect.name == "postgresql":
        lists = {f"{name}s": [row[name] for row in rows] for name in ("id", *names)}
        connection.execute(text(_MOVE_TOGETHER), lists)
        return
    parameters = [{"the_id": row["id"], **{f"new_{name}": row[name] for name in names}} for row in rows]
    write_many(connection, _MOVE, parameters)


def _fold(message: dict[str, Any], update_: Row) -> bool:
    """Apply one report to a message; return whether anything changed."""
    state = STATUS.get(update_["status"])
    if state is None or message["state"] not in RANK:
        return False
    old = dict(message)
    message["sid"] = message["sid"] or update_.get("sid")
    message["error_code"] = message["error_code"] or update_.get("error_code")
    if RANK[state] > RANK[message["state"]]:
        message["state"] = state
        if state in ("sent", "delivered", "undelivered"):
            message["sent_at"] = message["sent_at"] or update_["at"]
        if state == "delivered":
            message["delivered_at"] = update_["at"]
    return message != old or message["state"] == "sending"


#: Handset off, blocked, unknown, landline: https://www.twilio.com/docs/api/errors/30003 to 30006.
UNREACHABLE = ("30003", "30004", "30005", "30006")
#: "Known litigator": the carrier will not text this number, whatever comes from it.
LITIGATOR = "30640"
_ends = messages.c.state.in_(("delivered", "undelivered", "failed"))
_LATEST_ENDS = (
    select(messages.c.error_code, messages.c.created_at, messages.c.retry_of)
    .where(
        messages.c.customer_id == bindparam("customer_id"),
        or_(messages.c.direction == "in", and_(messages.c.direction == "out", _ends)),
    )
    .order_by(messages.c.id.desc())
    .limit(bindparam("count"))
)
_REFUSED_WITH = (
    select(messages.c.id)
    .where(messages.c.customer_id == bindparam("customer_id"), messages.c.error_code == bindparam("code"))
    .limit(1)
)


def failures_in_a_row(connection: Connection, customer_id: int, most: int, since: datetime | None = None) -> int:
    """Return how many of a customer's latest messages could not reach the handset, looking at `most` at most.

    What was delivered ends the row, and so does a text of the customer's own, or the moment `since`. A text and
    its second try count once.
    """
    count = 0
    for row in connection.execute(_LATEST_ENDS, {"customer_id": customer_id, "count": 2 * most}):
        if row.error_code not in UNREACHABLE or (since is not None and row.created_at < since):
            break
        count += row.retry_of is None
    return count


def refused_with(connection: Connection, customer_id: int, code: str) -> bool:
    """Say whether the carrier ever gave this code for a message to a customer."""
    return connection.execute(_REFUSED_WITH, {"customer_id": customer_id, "code": code}).first() is not None


_OWNERS = select(messages.c.id, messages.c.customer_id).where(among(messages.c.id, "ids"))


def whose(connection: Connection, updates: Sequence[Row]) -> list[tuple[str, int, int | None]]:
    """Return error code, message and customer of each update that has a code and whose message is known."""
    failed_ = [update_ for update_ in updates if update_.get("error_code")]
    ids = _known_ids(connection, failed_)
    owners = {row.id: row.customer_id for row in connection.execute(_OWNERS, {"ids": [i for i in ids if i]})}
    pairs = zip(failed_, ids, strict=True)
    return [(str(update_["error_code"]), i, owners[i]) for update_, i in pairs if i is not None and i in owners]


def log_status(connection: Connection, rows: Sequence[Row]) -> None:
    """Append reports to `status_log` without moving anything."""
    insert_rows(connection, status_log, rows)
