"""Messages in both directions, and every delivery status the carrier ever reported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

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
    text,
    update,
)

from storage.columns import Document, Id, Moment, Words, metadata
from storage.conditions import among
from storage.ids import next_id
from storage.rows import Row, all_rows, first_row, insert_rows, write_many
from storage.together import Query, ask

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
    CheckConstraint(
        "(direction = 'in' AND state IN ('received', 'failed'))"
        " OR (direction = 'out' AND state IN ('queued', 'sending', 'sent', 'delivered', 'undelivered',"
        " 'failed', 'suppressed', 'unknown', 'dead'))",
        name="state",
    ),
    Index("ix_messages_customer_id_id", "customer_id", "id"),
    Index("ix_messages_created_at", "created_at"),
)
Index(
    "ix_messages_in_reply_to",
    messages.c.in_reply_to,
    sqlite_where=messages.c.in_reply_to.is_not(None),
    postgresql_where=messages.c.in_reply_to.is_not(None),
)
Index(
    "ix_messages_lanes",
    messages.c.lane,
    messages.c.send_after,
    messages.c.id,
    sqlite_where=messages.c.state == "queued",
    postgresql_where=messages.c.state == "queued",
)
Index(
    "ix_messages_dead",
    messages.c.id,
    sqlite_where=messages.c.state == "dead",
    postgresql_where=messages.c.state == "dead",
)
Index(
    "ix_messages_claimed",
    messages.c.claimed_until,
    sqlite_where=messages.c.claimed_until.is_not(None),
    postgresql_where=messages.c.claimed_until.is_not(None),
)
Index(
    "ix_messages_marketing",
    messages.c.customer_id,
    messages.c.sent_at,
    sqlite_where=messages.c.purpose == "marketing",
    postgresql_where=messages.c.purpose == "marketing",
)
Index(
    "ix_messages_broken",
    messages.c.id,
    sqlite_where=and_(messages.c.direction == "in", messages.c.state == "failed"),
    postgresql_where=and_(messages.c.direction == "in", messages.c.state == "failed"),
)

_OF_CUSTOMERS = and_(messages.c.direction == "in", messages.c.customer_id.is_not(None))
Index("ix_messages_inbound", messages.c.id, sqlite_where=_OF_CUSTOMERS, postgresql_where=_OF_CUSTOMERS)
Index(
    "ix_messages_misunderstood",
    messages.c.id,
    sqlite_where=messages.c.misunderstood.is_not(None),
    postgresql_where=messages.c.misunderstood.is_not(None),
)
Index(  # a customer's newer ones, by which the inbox leaves the older out, however much the customer writes
    "ix_messages_misunderstood_of",
    messages.c.customer_id,
    messages.c.id,
    sqlite_where=messages.c.misunderstood.is_not(None),
    postgresql_where=messages.c.misunderstood.is_not(None),
)
Index(
    "ix_messages_unanswered",
    messages.c.id,
    sqlite_where=messages.c.unanswered.is_not(None),
    postgresql_where=messages.c.unanswered.is_not(None),
)
Index(
    "ix_messages_undelivered_of",
    messages.c.customer_id,
    messages.c.id,
    sqlite_where=messages.c.error_code.is_not(None),
    postgresql_where=messages.c.error_code.is_not(None),
)
Index(
    "ix_messages_undelivered",
    messages.c.id,
    sqlite_where=messages.c.error_code.is_not(None),
    postgresql_where=messages.c.error_code.is_not(None),
)

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
Index(
    "ix_status_log_early",
    status_log.c.sid,
    sqlite_where=status_log.c.message_id.is_(None),
    postgresql_where=status_log.c.message_id.is_(None),
)

#: Literals, because a parameter would keep the partial indexes from being used.
QUEUED: ColumnElement[str] = literal_column("'queued'")
SENDING: ColumnElement[str] = literal_column("'sending'")
UNKNOWN: ColumnElement[str] = literal_column("'unknown'")
DEAD: ColumnElement[str] = literal_column("'dead'")
FAILED: ColumnElement[str] = literal_column("'failed'")
INBOUND: ColumnElement[str] = literal_column("'in'")
MARKETING: ColumnElement[str] = literal_column("'marketing'")


class Answer(NamedTuple):
    """What was answered to an inbound message: the rows that went back as its immediate reply."""

    message_id: int
    state: str
    replies: list[Row]


_INBOUND = select(messages.c.sid, messages.c.id, messages.c.state).where(
    among(messages.c.sid, "sids"), messages.c.direction == "in"
)
_REPLIES = (
    select(messages)
    .where(
        among(messages.c.in_reply_to, "ids"),
        messages.c.in_reply_to.is_not(None),
        messages.c.direction == "out",
        messages.c.send_after.is_(None),
        messages.c.state != "suppressed",
    )
    .order_by(messages.c.id)
)
_BY_SID = select(messages).where(messages.c.sid == bindparam("sid"))
_BY_ID = select(messages).where(messages.c.id == bindparam("id"))
_HISTORY = (
    select(messages)
    .where(messages.c.customer_id == bindparam("customer_id"), messages.c.id < bindparam("before"))
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


def replies_to(connection: Connection, sids: Sequence[str]) -> dict[str, Answer]:
    """Return what was answered to the inbound messages among these sids; sids never seen are left out.

    An immediate reply is an outbound row with `in_reply_to` set, without `send_after`, not suppressed.
    """
    return with_replies(connection, ask(connection, inbound_query(sids))[0])


def inbound_query(sids: Sequence[str]) -> Query[Sequence[Row]]:
    """Ask which of these sids were seen before; `with_replies` adds what was answered to them."""
    return Query(_INBOUND, {"sids": sids}, lambda rows: rows)


def with_replies(connection: Connection, inbound: Sequence[Row]) -> dict[str, Answer]:
    """Return what `replies_to` does, of the inbound messages that were found."""
    found = {row["id"]: Answer(row["id"], row["state"], []) for row in inbound}
    if found:
        for reply in all_rows(connection.execute(_REPLIES, {"ids": list(found)})):
            found[reply["in_reply_to"]].replies.append(reply)
    return {row["sid"]: found[row["id"]] for row in inbound}


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


def history(connection: Connection, customer_id: int, limit: int, before: int | None = None) -> list[Row]:
    """Return a customer's newest messages older than the id `before`, newest first."""
    parameters = {"customer_id": customer_id, "before": before or (1 << 63) - 1, "count": limit}
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


_EXISTING = select(messages.c.id).where(among(messages.c.id, "ids"), messages.c.direction == "out")


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
_LATEST_ENDS = (
    select(messages.c.state, messages.c.error_code)
    .where(
        messages.c.customer_id == bindparam("customer_id"),
        messages.c.direction == "out",
        messages.c.state.in_(("delivered", "undelivered", "failed")),
    )
    .order_by(messages.c.id.desc())
    .limit(bindparam("count"))
)


def failures_in_a_row(connection: Connection, customer_id: int, most: int) -> int:
    """Return how many of a customer's latest messages could not reach the handset, looking at `most` at most."""
    count = 0
    for row in connection.execute(_LATEST_ENDS, {"customer_id": customer_id, "count": most}):
        if row.error_code not in UNREACHABLE:
            break
        count += 1
    return count


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


_FAILED = (
    select(messages)
    .where(messages.c.direction == INBOUND, messages.c.state == FAILED)
    .order_by(messages.c.id)
    .limit(bindparam("count"))
)
_REPLAYED = (
    update(messages)
    .where(messages.c.id == bindparam("the_id"), messages.c.state == FAILED)
    .values(state="received", explanation=bindparam("reasons", type_=Document))
)


def failed(connection: Connection, limit: int) -> list[Row]:
    """Return inbound texts whose turn broke and that wait to be taken again, oldest first."""
    return all_rows(connection.execute(_FAILED, {"count": limit}))


def replayed(connection: Connection, identifier: int, explanation: Any) -> bool:
    """Note that a failed text was taken after all; False when it was not waiting for that."""
    return connection.execute(_REPLAYED, {"the_id": identifier, "reasons": explanation}).rowcount == 1


_MARK_ANSWERED = (
    update(messages)
    .where(messages.c.customer_id == bindparam("the_customer"), messages.c.unanswered.is_not(None))
    .values(unanswered=null())
)


def mark_answered(connection: Connection, customer_id: int) -> None:
    """Note that no text of a customer waits for an answer any more."""
    connection.execute(_MARK_ANSWERED, {"the_customer": customer_id})
