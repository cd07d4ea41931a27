"""The inbox: which customers a view shows, newest first or longest waiting first, a page at a time.

A view walks a small index from where the last page ended, 4,000 entries at most, and looks for each customer
once; so that it answers as fast with five million messages as with fifty. What a view needs of a customer
is read for the page only.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from typing import Any, Literal, NamedTuple, cast

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Select,
    Subquery,
    and_,
    bindparam,
    false,
    func,
    literal_column,
    not_,
    or_,
    select,
    union_all,
)

from storage import tags
from storage.columns import Moment
from storage.consent import consent_records
from storage.conversations import conversations
from storage.desk import desk
from storage.handoffs import handoffs
from storage.messages import INBOUND, messages
from storage.tags import customer_tags

Kind = Literal[
    "needs_person",  #: open handoffs, the longest wait first
    "unanswered",  #: texts nobody answered
    "waiting",  #: both of these, the newest first
    "misunderstood",
    "undelivered",
    "left",  #: opted out
    "flow",  #: in an open conversation of a flow
    "assigned",
    "tagged",  #: customers of a tag that few have; see `page`
    "snoozed",
    "recent",  #: whoever wrote, settled or not
]
_STRIDES = (200, 800, 3_000)  #: entries of an index one page may walk: more each time it is not full
FEW = 2_000  #: customers of a tag, or of a member of staff, who are sorted rather than met on the walk
_LATEST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Wanted:
    """A view: its kind, and what else must hold of its customers."""

    kind: Kind
    flow: str | None = None
    tag: str | None = None
    assignee: int | None = None
    unassigned: bool = False
    since: int = 0  #: ids of messages and records after this one; see `storage.moments`
    until: int = _LATEST  #: and before this one


class Entry(NamedTuple):
    """One customer in a view. `key` is where the next page begins after it; `message_id` what the view is about."""

    key: int
    customer_id: int
    message_id: int | None


class Page(NamedTuple):
    """Entries, and the key to ask the next page with; None: there is no more."""

    entries: list[Entry]
    then: int | None


Condition = ColumnElement[bool]
Whose = Literal["anybody", "nobody", "somebody"]


def page(connection: Connection, wanted: Wanted, now: datetime, after: int | None, count: int) -> Page:
    """Return the entries of a view that come after a key, `count` at most.

    A page may be short, or empty, and still have one after it: the walk ended before the page was full.
    """
    if wanted.kind == "recent" and wanted.tag is not None and not _has_many(connection, wanted.tag):
        wanted = replace(wanted, kind="tagged")
    statement, walk = _statements(wanted.kind, wanted.tag is not None, _whose(wanted))
    values = {
        "after": after or 0,
        "before": min(after or _LATEST, wanted.until),
        "until": wanted.until,
        "since": wanted.since,
        "flow": wanted.flow,
        "tag": wanted.tag,
        "assignee": wanted.assignee,
        "now": now,
    }
    found: list[Entry] = []
    for stride in _STRIDES:
        values |= {"count": count + 1 - len(found), "stride": stride}
        found += [Entry(*row) for row in connection.execute(statement, values)]
        if len(found) > count:
            return Page(found[:count], found[count - 1].key)
        walked, last = connection.execute(walk, values).one() if walk is not None else (0, None)
        if walked < stride:
            return Page(found, None)
        values["before"] = last
    return Page(found, last)


def count(connection: Connection, wanted: Wanted, now: datetime, most: int) -> int:
    """Return how many customers a view has, counting no further than `most`."""
    return len(page(connection, wanted, now, None, most).entries)


def _whose(wanted: Wanted) -> Whose:
    if wanted.unassigned:
        return "nobody"
    return "somebody" if wanted.assignee is not None else "anybody"


_M, _N = messages.alias("m"), messages.alias("n")
_ONE: ColumnElement[int] = literal_column("1")
_NOW = bindparam("now", type_=Moment)
_COUNT: ColumnElement[int] = bindparam("count", type_=BigInteger)
_BEFORE: ColumnElement[int] = bindparam("before", type_=BigInteger)
_STRIDE: ColumnElement[int] = bindparam("stride", type_=BigInteger)
_SINCE: ColumnElement[int] = bindparam("since", type_=BigInteger)
_UNANSWERED = _M.c.unanswered.is_not(None)
_MISSED = ("undelivered", "failed", "dead")
_IS_ANSWER = and_(
    _N.c.direction == "out",
    _N.c.state != "suppressed",
    or_(_N.c.purpose.in_(("reply", "opt_out_confirmation")), _N.c.staff_id.is_not(None)),
)
_WALKED: dict[Kind, tuple[Condition, Condition]] = {  # which messages a walk meets; which newer one makes them old
    "unanswered": (_UNANSWERED, or_(_N.c.unanswered.is_not(None), _IS_ANSWER)),
    "misunderstood": (_M.c.misunderstood.is_not(None), _N.c.misunderstood.is_not(None)),
    "undelivered": (
        and_(_M.c.error_code.is_not(None), _M.c.state.in_(_MISSED)),
        and_(_N.c.error_code.is_not(None), _N.c.state.in_(_MISSED)),
    ),
    "recent": (_M.c.direction == INBOUND, and_(_N.c.direction == INBOUND, _N.c.id < bindparam("until"))),
}


def _has_many(connection: Connection, tag: str) -> bool:
    return len(tags.some(connection, tag, FEW + 1)) > FEW


@cache
def _statements(kind: Kind, by_tag: bool, whose: Whose) -> tuple[Select[Any], Select[Any] | None]:
    """Return what finds a page, and for a walk what says how far it went."""
    if kind == "needs_person":
        entries = _handoffs(bindparam("after"))
        return _finished(entries, by_tag, whose).order_by(entries.c.key).limit(_COUNT), None
    if kind == "waiting":
        unanswered = _walk("unanswered", sum(_STRIDES))
        asked = _handoffs(None)
        elsewhere = select(_ONE).where(handoffs.c.customer_id == unanswered.c.customer_id, _IS_OPEN).exists()
        texts = _finished(unanswered, by_tag, whose).where(_not_old("unanswered", unanswered), not_(elsewhere))
        texts = select(texts.order_by(unanswered.c.key.desc()).limit(_COUNT).subquery("texts"))
        calls = _finished(asked, by_tag, whose).where(asked.c.key < _BEFORE)
        either = union_all(calls, texts).subquery("either")
        return select(either).order_by(either.c.key.desc()).limit(_COUNT), None
    if kind in ("assigned", "tagged", "snoozed"):
        entries = _sorted(kind)
        statement = _finished(entries, by_tag, whose, settled=_settled_in(kind, entries)).where(entries.c.key < _BEFORE)
        return statement.order_by(entries.c.key.desc()).limit(_COUNT), None
    entries = _walk(kind)
    settled = false() if kind == "recent" else None
    statement = _finished(entries, by_tag, whose, settled=settled).where(_not_old(kind, entries))
    walk = cast("Select[Any]", select(func.count(), func.min(entries.c.key)))
    return statement.order_by(entries.c.key.desc()).limit(_COUNT), walk


def _walk(kind: Kind, stride: ColumnElement[int] | int = _STRIDE) -> Subquery:
    """Return the entries of a small index in which a customer may stand several times, the newest first."""
    if kind == "left":
        record = consent_records.c
        query = select(record.id.label("key"), record.customer_id, record.message_id)
        query = query.where(record.status == literal_column("'unsubscribed'"), record.id > _SINCE, record.id < _BEFORE)
        return query.order_by(record.id.desc()).limit(stride).subquery("walk")
    if kind == "flow":
        place = conversations.c
        query = select(place.id.label("key"), place.customer_id, newest_text(place.customer_id).label("message_id"))
        query = query.where(place.flow == bindparam("flow"), place.ended_at.is_(None), place.id < _BEFORE)
        return query.order_by(place.id.desc()).limit(stride).subquery("walk")
    met, _ = _WALKED[kind]
    query = select(_M.c.id.label("key"), _M.c.customer_id, _M.c.id.label("message_id"))
    query = query.where(met, _M.c.customer_id.is_not(None), _M.c.id > _SINCE, _M.c.id < _BEFORE)
    return query.order_by(_M.c.id.desc()).limit(stride).subquery("walk")


def _not_old(kind: Kind, entries: Subquery) -> Condition:
    """Return the condition that the walk has not met this customer before."""
    if kind == "left":
        record = consent_records.alias("newer").c  # whatever it says: who has joined again is not out
        newer = select(_ONE).where(record.customer_id == entries.c.customer_id, record.id > entries.c.key)
    elif kind == "flow":
        place = conversations.alias("newer").c
        newer = select(_ONE).where(
            place.customer_id == entries.c.customer_id,
            place.ended_at.is_(None),
            place.flow == bindparam("flow"),
            place.id > entries.c.key,
        )
    else:
        newer = select(_ONE).where(_N.c.customer_id == entries.c.customer_id, _N.c.id > entries.c.key, _WALKED[kind][1])
    return not_(newer.exists())


_IS_OPEN = handoffs.c.closed_at.is_(None)


def _handoffs(after: ColumnElement[int] | None) -> Subquery:
    asked = handoffs.c
    query = select(asked.id.label("key"), asked.customer_id, newest_text(asked.customer_id).label("message_id"))
    query = query.where(_IS_OPEN) if after is None else query.where(_IS_OPEN, asked.id > after)
    return query.subquery("asked")


def _sorted(kind: Literal["assigned", "tagged", "snoozed"]) -> Subquery:
    """Return customers of whom there are few enough to be sorted by their newest text."""
    if kind == "tagged":
        tagged = customer_tags.c
        newest = newest_text(tagged.customer_id)
        query = select(newest.label("key"), tagged.customer_id, newest.label("message_id"))
        return query.where(tagged.tag == bindparam("tag")).subquery("few")
    newest = func.coalesce(newest_text(desk.c.customer_id), desk.c.customer_id)
    query = select(newest.label("key"), desk.c.customer_id, newest.label("message_id"))
    if kind == "snoozed":
        return query.where(desk.c.snoozed_until > _NOW).subquery("few")
    query = query.where(desk.c.assignee_id == bindparam("assignee"))
    return query.order_by(desk.c.changed_at.desc()).limit(FEW).subquery("few")


def newest_text(customer_id: ColumnElement[int]) -> ColumnElement[int]:
    """Return the id of the newest text of a customer, as part of a query."""
    of = messages.alias("newest").c
    query = select(of.id).where(of.customer_id == customer_id, of.direction == INBOUND)
    return query.order_by(of.id.desc()).limit(1).scalar_subquery()


_RESTS = or_(desk.c.snoozed_until.is_(None), desk.c.snoozed_until > _NOW)


def _settled(entries: Subquery) -> Condition:
    """Return the condition that staff settled or snoozed what an entry is about, and nothing came since."""
    about = func.coalesce(entries.c.message_id, 0)
    reached = and_(entries.c.key <= desk.c.done_message_id, about <= desk.c.done_message_id)
    return and_(desk.c.done_message_id.is_not(None), _RESTS, reached)


def _settled_in(kind: Kind, entries: Subquery) -> Condition:
    if kind == "snoozed":
        return not_(_settled(entries))
    return false() if kind == "tagged" else _settled(entries)


def _finished(entries: Subquery, by_tag: bool, whose: Whose, settled: Condition | None = None) -> Select[Any]:
    """Return the entries a view shows: not settled (unless it says otherwise), of this tag, of these staff."""
    query = (
        select(entries.c.key, entries.c.customer_id, entries.c.message_id)
        .select_from(entries.outerjoin(desk, desk.c.customer_id == entries.c.customer_id))
        .where(not_(_settled(entries) if settled is None else settled))
    )
    if by_tag:
        tagged = and_(customer_tags.c.tag == bindparam("tag"), customer_tags.c.customer_id == entries.c.customer_id)
        query = query.where(select(_ONE).where(tagged).exists())
    if whose == "anybody":
        return query
    return query.where(
        desk.c.assignee_id.is_(None) if whose == "nobody" else desk.c.assignee_id == bindparam("assignee")
    )
