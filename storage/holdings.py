"""Where a customer's data lies, table by table: what an export takes, an erasure deletes and a merge moves.

One list for all three, so that nobody can forget a table: a test holds it against every table there is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Select,
    SelectBase,
    Table,
    and_,
    bindparam,
    func,
    literal_column,
    select,
    union_all,
)

from storage.answers import staff_answers
from storage.approvals import approvals
from storage.audit import audit_log
from storage.consent import consent_records
from storage.conversations import conversations
from storage.customers import customers
from storage.desk import desk, leases, presence, reads
from storage.erasures import erasures
from storage.facts import facts
from storage.handoffs import handoffs
from storage.lessons import lessons
from storage.loyalty import ledger, lots
from storage.messages import messages
from storage.notes import mentions, notes
from storage.profile_changes import profile_changes
from storage.rows import Row
from storage.seals import seals
from storage.shelves import CUSTOMERS, TEXTS
from storage.starts import starts
from storage.statuses import status_log
from storage.tags import customer_tags
from storage.timers import timers
from storage.vouchers import vouchers

Erasing = Literal["delete", "blank", "keep"]
Merging = Literal["move", "fill", "delete", "stay"]

_WHO: ColumnElement[Any] = bindparam("customer_id")
_MOST: ColumnElement[int] = bindparam("most", type_=BigInteger)
_MESSAGE_IDS = select(messages.c.id).where(messages.c.customer_id == _WHO)
_THEIRS = select(messages.c.id, messages.c.sid).where(messages.c.customer_id == _WHO)
_SOME = _THEIRS.limit(_MOST)


def _reports(theirs: Select[Any]) -> SelectBase:
    """Return the reports of messages, and those that came before anybody knew whose they are; each by its own index."""
    log, first, second = status_log.alias().c, theirs.subquery(), theirs.subquery()
    return union_all(
        select(log.id).join(first, first.c.id == log.message_id),
        select(log.id).join(second, second.c.sid == log.sid).where(log.message_id.is_(None)),
    )


def _beside(column: ColumnElement[int]) -> SelectBase:
    """Return the rows of a table that stand beside the first messages."""
    some = _SOME.subquery()
    return select(column).join(some, some.c.id == column)


_NOTE_IDS = select(notes.c.id).where(notes.c.customer_id == _WHO)


@dataclass(frozen=True, slots=True)
class Holding:
    """One table: whose rows are whose, and what becomes of them.

    Erasing: `delete`; `blank` takes the words and leaves the bookkeeping; `keep` holds nothing personal.
    Merging: `move` to the other customer; `fill` moves what the other has not and deletes the rest; `delete`;
    `stay` with the number.
    """

    table: Table
    whose: ColumnElement[bool]  #: the rows of the customer given as parameter `customer_id`
    erasing: Erasing = "delete"
    merging: Merging = "move"
    staff_only: frozenset[str] = frozenset()  #: columns about members of the staff, which no export gives away
    derived: bool = False  #: made of the other rows, so no export needs it
    some: SelectBase | None = None  #: for a table without customers: the rows of their first `most` messages


def _of(table: Table, erasing: Erasing = "delete", merging: Merging = "move", *staff_only: str) -> Holding:
    return Holding(table, table.c.customer_id == _WHO, erasing, merging, frozenset(staff_only))


def _within(table: Table, first: str) -> ColumnElement[bool]:
    """Return the condition for a table whose key begins with another column: one step for each of its few values."""
    other, column = table.alias(), table.c[first]
    walk = select(func.min(column).label("value")).cte(f"{table.name}_walk", recursive=True)
    following = select(func.min(other.c[first])).where(other.c[first] > walk.c.value).scalar_subquery()
    walk = walk.union_all(select(following).where(walk.c.value.is_not(None)))
    return and_(column.in_(select(walk.c.value)), table.c.customer_id == _WHO)


#: In the order in which rows are deleted: whatever points at a row goes before it.
HOLDINGS: tuple[Holding, ...] = (
    Holding(status_log, status_log.c.id.in_(_reports(_THEIRS)), merging="stay", some=_reports(_SOME)),
    Holding(mentions, mentions.c.note_id.in_(_NOTE_IDS), "delete", "stay", frozenset({"staff_id", "read_at"})),
    _of(notes, "delete", "move", "staff_id"),
    _of(lessons, "delete", "move", "staff_id"),
    Holding(TEXTS, TEXTS.c.id.in_(_MESSAGE_IDS), "delete", "stay", derived=True, some=_beside(TEXTS.c.id)),
    # Of an erased customer the index notes that there is nothing to find.
    Holding(CUSTOMERS, and_(CUSTOMERS.c.id == _WHO, CUSTOMERS.c.words != ()), "delete", "stay", derived=True),
    Holding(
        staff_answers,
        staff_answers.c.message_id.in_(_MESSAGE_IDS),
        "delete",
        "stay",
        frozenset({"staff_id"}),
        some=_beside(staff_answers.c.message_id),
    ),
    _of(messages, "delete", "move", "staff_id"),
    _of(timers, "delete", "delete"),
    _of(conversations),
    _of(handoffs, "delete", "move", "closed_by"),
    _of(leases, "delete", "move", "staff_id"),
    _of(presence, "delete", "delete", "staff_id"),
    _of(reads, "delete", "fill", "staff_id"),
    _of(desk, "delete", "fill", "assignee_id"),
    _of(approvals, "delete", "move", "asked_by", "decided_by"),
    _of(profile_changes),
    _of(facts),
    Holding(starts, _within(starts, "flow"), merging="fill"),
    _of(vouchers, "delete", "move", "redeemed_by"),
    _of(consent_records, "delete", "stay"),
    Holding(customer_tags, _within(customer_tags, "tag"), merging="stay"),  # follows customers.tags by a trigger
    _of(lots, "keep", "move"),
    _of(ledger, "blank", "stay", "staff_id"),
    _of(seals, "keep", "stay"),
    _of(audit_log, "keep", "stay", "staff_id", "who", "address"),
    _of(erasures, "keep", "stay", "by"),
    Holding(customers, customers.c.id == _WHO, "blank", "stay"),
)

#: Tables that know no customer; a test asks that every table stands here or above.
NOBODYS = frozenset(
    {
        "flow_revisions",
        "saved_replies",
        "saved_views",
        "search_vocabulary",
        "sending_budgets",
        "sign_in_attempts",
        "staff",
        "staff_links",
        "staff_sessions",
        "stock",
        "switches",
        "tallies",
    }
)


#: Tables of which an erasure leaves nothing.
EMPTIED = frozenset(holding.table.name for holding in HOLDINGS if holding.erasing == "delete")


def counts(connection: Connection, customer_id: int) -> dict[str, int]:
    """Return how many rows of each table are a customer's; tables without one are left out."""
    found = {}
    for holding in HOLDINGS:
        query = select(func.count()).select_from(holding.table).where(holding.whose)
        found[holding.table.name] = connection.execute(query, {"customer_id": customer_id}).scalar_one()
    return {name: count for name, count in found.items() if count}


class Some(NamedTuple):
    """How many rows there are, as far as anybody counted."""

    rows: int
    more: bool  #: there may be more


def some_counts(connection: Connection, customer_id: int, most: int) -> dict[str, Some]:
    """Return what `counts` does, counting no further than `most` rows of a table, and those of so many messages.

    So that somebody with fifty thousand texts is counted as fast as anybody.
    """
    found = {
        name: connection.execute(query, {"customer_id": customer_id, "most": most + 1}).scalar_one()
        for name, query in _some_queries().items()
    }
    many = found["messages"] > most
    return {
        name: Some(min(count, most), count > most or (many and name in _BY_MESSAGE))
        for name, count in found.items()
        if count
    }


_BY_MESSAGE = frozenset(holding.table.name for holding in HOLDINGS if holding.some is not None)


@cache
def _some_queries() -> dict[str, Select[Any]]:
    """Return what counts the rows of each table no further than asked."""
    queries = {}
    for holding in HOLDINGS:
        some = holding.some
        if some is None:
            some = select(literal_column("1")).select_from(holding.table).where(holding.whose)
        few = select(literal_column("1")).select_from(some.subquery()).limit(_MOST).subquery()
        queries[holding.table.name] = select(func.count()).select_from(few)
    return queries


def rows(connection: Connection, holding: Holding, customer_id: int, *, page: int = 500) -> Iterator[Row]:
    """Give a customer's rows of one table in the order of their key, a page at a time, as an export may see them."""
    columns = [column for column in holding.table.columns if column.name not in holding.staff_only]
    query = select(*columns).where(holding.whose).order_by(*holding.table.primary_key.columns)
    found = connection.execute(query, {"customer_id": customer_id}, execution_options={"yield_per": page})
    for row in found.mappings():
        yield dict(row)
