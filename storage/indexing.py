"""Bringing the search index up to date: what came lately at once, what was there before from the newest back.

Ids grow with time, but a transaction may commit after others with greater ids, so the last minute is looked at
again each time. Messages of marketing are left out: a campaign would bury what customers wrote.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import BigInteger, Connection, Integer, Select, Table, bindparam, or_, select

from storage import shelves, switches, vouchers
from storage.conditions import among
from storage.customers import by_ids, customers
from storage.ids import distance, next_id
from storage.messages import MARKETING, messages
from storage.profile_changes import profile_changes
from storage.rows import Row
from storage.wording import Phrase, code_words, number_words, words

BATCH = 200  #: rows of one transaction, so that no text waits long for a writer on SQLite
TOUCHED = 2_000  #: rows looked at for customers who changed
AGAIN = distance(timedelta(minutes=1))  #: how late a transaction may commit
PROGRESS = "search"  #: the switch that says how far the index is

_after = bindparam("after", type_=BigInteger)
_until = bindparam("until", type_=BigInteger)
_count = bindparam("count", type_=Integer)
_NOT_MARKETING = or_(messages.c.purpose.is_(None), messages.c.purpose != MARKETING)


def _late(table: Table, shelf: shelves.Shelf, *conditions: Any) -> Select[Any]:
    unknown = ~select(shelf.c.id).where(shelf.c.id == table.c.id).exists()
    query = select(table.c.id).where(table.c.id > _after, table.c.id <= _until, unknown, *conditions)
    return query.order_by(table.c.id).limit(_count)


def _earlier(table: Table) -> Select[Any]:
    return select(table.c.id).where(table.c.id < _until).order_by(table.c.id.desc()).limit(_count)


def _touched(table: Table) -> Select[Any]:
    return select(table.c.customer_id).where(table.c.id > _after, table.c.id <= _until).distinct()


_LATE_TEXTS, _EARLIER_TEXTS = _late(messages, shelves.TEXTS, _NOT_MARKETING), _earlier(messages)
_LATE_CUSTOMERS, _EARLIER_CUSTOMERS = _late(customers, shelves.CUSTOMERS), _earlier(customers)
_BODIES = select(messages.c.id, messages.c.customer_id, messages.c.body).where(
    among(messages.c.id, "ids"), _NOT_MARKETING
)
#: Rows that come with a change of what a customer is found by.
_TOUCHING = {"vouchers": vouchers.vouchers, "profile_changes": profile_changes}
_TOUCHED = {name: _touched(table) for name, table in _TOUCHING.items()}
_ENDS = {
    name: select(table.c.id).where(table.c.id > _after).order_by(table.c.id).limit(1).offset(_count)
    for name, table in _TOUCHING.items()
}


@dataclass(frozen=True, slots=True)
class Work:
    """What to index next, and how far the index is then."""

    texts: list[int]
    customers: list[int]
    progress: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the index is."""

    filled: bool  #: everything that was there before is in it


def progress(connection: Connection) -> Progress:
    """Return how far the index is."""
    known = switches.get(connection, PROGRESS)
    return Progress(known is not None and not known["texts"]["from"] and not known["customers"]["from"])


def look(connection: Connection, limit: int = BATCH) -> Work | None:
    """Return what to index next, None when the index has everything."""
    known = switches.get(connection, PROGRESS) or _beginning(connection)
    late, texts, texts_then = _next(connection, messages, (_LATE_TEXTS, _EARLIER_TEXTS), known["texts"], limit)
    new, earlier, customers_then = _next(
        connection, customers, (_LATE_CUSTOMERS, _EARLIER_CUSTOMERS), known["customers"], limit
    )
    then = {"texts": texts_then, "customers": customers_then}
    touched = {row.customer_id for row in connection.execute(_BODIES, {"ids": late}) if row.customer_id}
    for name, statement in _TOUCHED.items():
        after = _again_from(known[name])
        until = connection.execute(_ENDS[name], {"after": after, "count": TOUCHED}).scalar()
        until = until or _newest_id(connection, _TOUCHING[name])
        touched.update(connection.execute(statement, {"after": after, "until": until}).scalars())
        then[name] = max(known[name], until)
    stale = _stale(connection, touched.difference(new, earlier))
    work = Work([*late, *texts], [*new, *earlier, *stale], then)
    return work if work.texts or work.customers or then != switches.get(connection, PROGRESS) else None


def do(connection: Connection, work: Work) -> int:
    """Index this; return how many texts and customers are new or changed. The index must be locked."""
    bodies = connection.execute(_BODIES, {"ids": work.texts})
    done = shelves.put(connection, shelves.TEXTS, {row.id: words(row.body) for row in bodies})
    done += shelves.put(connection, shelves.CUSTOMERS, customers_words(connection, work.customers))
    switches.set(connection, PROGRESS, work.progress)
    return done


def refresh(connection: Connection, ids: Iterable[int]) -> None:
    """Index customers at once, whose vouchers or names changed without a row the next look would find."""
    shelves.lock(connection)
    shelves.put(connection, shelves.CUSTOMERS, customers_words(connection, ids))


def begin_anew(connection: Connection) -> None:
    """Forget the whole index; it is filled again from the newest back."""
    shelves.clear(connection)
    switches.set(connection, PROGRESS, None)


def customers_words(connection: Connection, ids: Iterable[int]) -> dict[int, Phrase]:
    """Return what each of these customers is found by: name, e-mail, number and codes."""
    ids = list(ids)
    held = vouchers.of(connection, ids)
    return {
        who: _words_of(row, [voucher["code"] for voucher in reversed(held.get(who, ()))])
        for who, row in by_ids(connection, ids).items()
    }


_MOST_CODES = 50  #: of one customer, the newest


def _words_of(row: Row, codes: list[str]) -> Phrase:
    if not row["phone"].startswith("+"):
        return ()  # what is left of an erased customer
    found = [*words(row["name"] or "")[:50], *words(row["email"] or "")[:20], *number_words(row["phone"])]
    for code in [row["referral_code"] or "", *codes[:_MOST_CODES]]:
        found += code_words(code)
    return tuple(found)


def _stale(connection: Connection, ids: Iterable[int]) -> list[int]:
    """Return which of these customers are not found by what they should be."""
    fresh = customers_words(connection, ids)
    known = shelves.words_of(connection, shelves.CUSTOMERS, fresh)
    return sorted(who for who, found in fresh.items() if known.get(who) != found)


def _beginning(connection: Connection) -> dict[str, Any]:
    """Return the progress of an empty index: everything up to now is earlier."""
    marks = {name: _newest_id(connection, table) for name, table in (("texts", messages), ("customers", customers))}
    begun: dict[str, Any] = {name: {"from": mark + 1 if mark else 0, "to": mark} for name, mark in marks.items()}
    return begun | {name: _newest_id(connection, table) for name, table in _TOUCHING.items()}


def _next(
    connection: Connection, table: Table, statements: tuple[Select[Any], Select[Any]], known: Row, limit: int
) -> tuple[list[int], list[int], dict[str, int]]:
    """Return ids that came lately, ids from before, and the part that is indexed then: `from` down, `to` up."""
    late_ones, earlier_ones = statements
    newest = _newest_id(connection, table)
    bounds = {"after": _again_from(known["to"]), "until": newest, "count": limit}
    late = list(connection.execute(late_ones, bounds).scalars())
    then = {"from": known["from"], "to": max(known["to"], late[-1] if len(late) == limit else newest)}
    earlier: list[int] = []
    if known["from"] and len(late) < limit:
        count = limit - len(late)
        earlier = list(connection.execute(earlier_ones, {"until": known["from"], "count": count}).scalars())
        then["from"] = earlier[-1] if len(earlier) == count else 0
    return late, earlier, then


def _again_from(indexed: int) -> int:
    """Return the id after which to look: what was made in the last minute may be committed only now."""
    return max(0, min(indexed, next_id() - AGAIN))


def _newest_id(connection: Connection, table: Table) -> int:
    return int(connection.execute(_NEWEST_IDS[table.name]).scalar() or 0)


_NEWEST_IDS = {
    table.name: select(table.c.id).order_by(table.c.id.desc()).limit(1)
    for table in (messages, customers, *_TOUCHING.values())
}
