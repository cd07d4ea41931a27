"""One customer's timeline: texts and everything else that happened, read together, the newest first.

Texts are found by id, all else by its moment, so that each look reads a page's worth of index and no more.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, Column, Connection, Select, Table, and_, bindparam, func, or_, select

from storage.columns import EPOCH, Moment
from storage.conditions import among
from storage.consent import consent_records
from storage.conversations import conversations
from storage.customers import customers
from storage.desk import leases
from storage.facts import facts
from storage.handoffs import handoffs
from storage.lessons import lessons
from storage.loyalty import ledger
from storage.messages import messages
from storage.notes import notes
from storage.profile_changes import profile_changes
from storage.revisions import flow_revisions
from storage.rows import Row, all_rows
from storage.together import Query, ask
from storage.vouchers import vouchers

_LAST = (1 << 63) - 1
_MICROSECOND = timedelta(microseconds=1)
_WATCHED = 40  #: newest texts whose delivery is looked at


class Found(NamedTuple):
    """Something that happened: what, when, and the row that says so."""

    kind: str  #: a name in SOURCES, or `text`
    at: datetime
    row: Row

    @property
    def place(self) -> tuple[datetime, int]:
        """Return where it stands: what happened in one moment stands in the order it was written."""
        return self.at, int(self.row["id"])


class Cursor(NamedTuple):
    """Where a page ends: everything shown happened at or after it."""

    at: datetime
    id: int
    message_id: int  #: the oldest text shown so far

    def __str__(self) -> str:
        return f"{(self.at - EPOCH) // _MICROSECOND}-{self.id}-{self.message_id}"

    @classmethod
    def read(cls, written: str) -> Cursor | None:
        """Return the cursor that `str` made, None for anything else."""
        parts = written.split("-")
        if len(parts) != 3 or not all(part.isascii() and part.isdigit() and len(part) < 20 for part in parts):
            return None
        micros, identifier, message_id = map(int, parts)
        try:
            return cls(EPOCH + micros * _MICROSECOND, min(identifier, _LAST), min(message_id, _LAST))
        except OverflowError:
            return None


#: What happened -> the table that knows, and the column with its moment.
SOURCES: dict[str, tuple[Table, Column[Any]]] = {
    "fact": (facts, facts.c.recorded_at),
    "entry": (ledger, ledger.c.at),
    "voucher_issued": (vouchers, vouchers.c.issued_at),
    "voucher_redeemed": (vouchers, vouchers.c.redeemed_at),
    "consent": (consent_records, consent_records.c.at),
    "person_asked": (handoffs, handoffs.c.requested_at),
    "person_answered": (handoffs, handoffs.c.closed_at),
    "taken_over": (leases, leases.c.began_at),
    "handed_back": (leases, leases.c.ended_at),
    "note": (notes, notes.c.at),
    "profile_changed": (profile_changes, profile_changes.c.at),
}

_at, _id = bindparam("at", type_=Moment), bindparam("id", type_=BigInteger)
_customer = bindparam("customer_id", type_=BigInteger)
_TEXTS = (
    select(messages)
    .where(messages.c.customer_id == _customer, messages.c.id < bindparam("message_id", type_=BigInteger))
    .order_by(messages.c.id.desc())
    .limit(bindparam("count", type_=BigInteger))
)


@cache
def _older(kind: str) -> Select[Any]:
    table, at = SOURCES[kind]
    return (
        select(table)
        .where(table.c.customer_id == _customer, or_(at < _at, and_(at == _at, table.c.id < _id)))
        .order_by(at.desc(), table.c.id.desc())
        .limit(bindparam("count", type_=BigInteger))
    )


def page(
    connection: Connection, customer_id: int, limit: int, before: Cursor | None = None
) -> tuple[list[Found], Cursor | None]:
    """Return the newest things before a cursor, the oldest first, and the cursor of the page before this one.

    The cursor is None when there is nothing older.
    """
    start = before or Cursor(datetime.max.replace(tzinfo=EPOCH.tzinfo), _LAST, _LAST)
    parameters = {"customer_id": customer_id, "count": limit + 1}
    others = {**parameters, "at": start.at, "id": start.id}
    queries: list[Query[Sequence[Row]]] = [
        Query(_TEXTS, {**parameters, "message_id": start.message_id}, lambda rows: rows),
        *(Query(_older(kind), others, lambda rows: rows) for kind in SOURCES),
    ]
    texts, *rest = ask(connection, *queries)
    found = [Found("text", row["created_at"], row) for row in texts]
    for (kind, (_, at)), rows in zip(SOURCES.items(), rest, strict=True):
        found += [Found(kind, row[at.name], row) for row in rows]
    found.sort(key=lambda each: each.place, reverse=True)
    shown = found[:limit]
    if len(found) <= limit:
        return shown[::-1], None
    oldest = min((each.row["id"] for each in shown if each.kind == "text"), default=start.message_id)
    return shown[::-1], Cursor(*shown[-1].place, oldest)


def _newest(table: Table, *columns: Column[Any]) -> list[Any]:
    mine = table.c.customer_id == _customer
    return [
        select(func.max(column)).where(mine).scalar_subquery().label(f"{table.name}_{column.name}")
        for column in (columns or (table.c.id,))
    ]


_STAMP = select(
    customers,
    *_newest(facts),
    *_newest(ledger),
    *_newest(vouchers, vouchers.c.id, vouchers.c.redeemed_at),
    *_newest(consent_records),
    *_newest(handoffs, handoffs.c.id, handoffs.c.closed_at),
    *_newest(leases, leases.c.id, leases.c.ended_at),
    *_newest(notes),
    *_newest(profile_changes),
    *_newest(lessons, lessons.c.at),
).where(customers.c.id == _customer)
_DELIVERIES = (
    select(messages.c.id, messages.c.state, messages.c.error_code, messages.c.send_after)
    .where(messages.c.customer_id == _customer)
    .order_by(messages.c.id.desc())
    .limit(_WATCHED)
)


def stamp(connection: Connection, customer_id: int) -> str:
    """Return words that change whenever the end of the timeline, or the customer's own row, does."""
    only = {"customer_id": customer_id}
    asked = [Query(query, only, lambda rows: rows) for query in (_STAMP, _DELIVERIES)]
    return repr([[tuple(row.values()) for row in rows] for rows in ask(connection, *asked)])


_REVISION_IDS = select(conversations.c.id, conversations.c.revision_id).where(among(conversations.c.id, "ids"))
_REVISIONS = select(flow_revisions).where(among(flow_revisions.c.id, "ids"))


def revisions_of(connection: Connection, conversation_ids: Sequence[int]) -> dict[int, Row]:
    """Return the flow revision each conversation began in; conversations that are gone are left out."""
    if not conversation_ids:
        return {}
    of = {row.id: row.revision_id for row in connection.execute(_REVISION_IDS, {"ids": conversation_ids})}
    rows = all_rows(connection.execute(_REVISIONS, {"ids": sorted(set(of.values()))}))
    found = {row["id"]: row for row in rows}
    return {each: found[revision_id] for each, revision_id in of.items() if revision_id in found}
