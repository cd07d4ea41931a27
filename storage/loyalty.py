"""Points: the append-only ledger and the lots that are spent oldest first."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, cast

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Connection,
    ForeignKey,
    Index,
    Integer,
    Table,
    bindparam,
    exists,
    func,
    literal_column,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from storage.columns import Document, Id, Moment, Words, metadata, partial_index
from storage.conditions import among
from storage.errors import KnownKey, Stale, meaning_of
from storage.messages import messages
from storage.rows import Row, all_rows, blank, first_row, for_both, insert_rows, write_many
from storage.together import Query, ask

ledger = Table(
    "ledger",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("customer_id", Id, ForeignKey("customers.id"), nullable=False),
    Column("kind", Words, nullable=False),
    Column("points", Integer, nullable=False),  #: signed
    Column("key", Words, nullable=False, unique=True),
    Column("reason", Words, nullable=False, default=""),
    Column("qualifying", Integer, nullable=False, default=0),
    Column("expires_at", Moment),
    Column("reverses", Words),
    Column("lots", Document),  #: a burn's use of lots: {entry id: points}
    Column("message_id", BigInteger),
    Column("staff_id", BigInteger),  #: who gave or took the points; None: the bot or the command line
    Column("at", Moment, nullable=False),
    CheckConstraint("kind IN ('earn', 'burn', 'adjust', 'expire', 'reverse')", name="kind"),
    CheckConstraint(
        "(kind = 'earn' AND points >= 0) OR (kind IN ('burn', 'expire') AND points <= 0)"
        " OR kind IN ('adjust', 'reverse')",
        name="sign",
    ),
    Index("ix_ledger_customer_id_id", "customer_id", "id"),
    Index("ix_ledger_at", "at"),
)
partial_index(
    "ix_ledger_staff_id_at",
    ledger.c.staff_id,
    ledger.c.at,
    where=ledger.c.staff_id.is_not(None),
)

lots = Table(
    "lots",
    metadata,
    Column("entry_id", Id, ForeignKey("ledger.id"), primary_key=True, autoincrement=False),
    Column("customer_id", Id, ForeignKey("customers.id"), nullable=False),
    Column("remaining", Integer, nullable=False),
    Column("expires_at", Moment),
    CheckConstraint("remaining >= 0", name="remaining"),
)
partial_index(
    "ix_lots_usable",
    lots.c.customer_id,
    where=lots.c.remaining > 0,
)
partial_index(
    "ix_lots_expiring",
    lots.c.expires_at,
    where=lots.c.remaining > 0,
)


class Lot(NamedTuple):
    """Points that were earned together, as far as they are not spent."""

    entry_id: int
    remaining: int
    expires_at: datetime | None


_USABLE = lots.c.remaining > literal_column("0")  # a literal, so that the partial indexes are used
_LOTS_OF = (
    select(lots.c.customer_id, lots.c.entry_id, lots.c.remaining, lots.c.expires_at)
    .where(among(lots.c.customer_id, "customer_ids"), _USABLE)
    .order_by(lots.c.customer_id, lots.c.expires_at.nulls_last(), lots.c.entry_id)
)
_EXPIRED = (
    select(lots)
    .where(_USABLE, lots.c.expires_at <= bindparam("now", type_=Moment))
    .order_by(lots.c.expires_at, lots.c.entry_id)
    .limit(bindparam("count"))
)
_USE = (
    update(lots)
    .where(lots.c.entry_id == bindparam("the_id"), lots.c.remaining == bindparam("old", type_=Integer))
    .values(remaining=bindparam("new", type_=Integer))
)
_REFILL = (
    update(lots)
    .where(lots.c.entry_id == bindparam("the_id"))
    .values(remaining=lots.c.remaining + bindparam("count", type_=Integer))
)
_INSERT_ENTRY = for_both(
    lambda insert: (
        insert(ledger).on_conflict_do_nothing(index_elements=["key"]).execution_options(preserve_rowcount=True)
    )
)
_KEYS = select(ledger.c.key, ledger.c.id).where(among(ledger.c.key, "keys"))
_ENTRIES_OF = select(ledger).where(ledger.c.customer_id == bindparam("customer_id")).order_by(ledger.c.id)
_PAGE_OF = (
    select(ledger, messages.c.body.label("source"))
    .outerjoin_from(ledger, messages, messages.c.id == ledger.c.message_id)
    .where(ledger.c.customer_id == bindparam("customer_id"), ledger.c.id < bindparam("before"))
    .order_by(ledger.c.id.desc())
    .limit(bindparam("count"))
)
_SUM_FROM = select(func.coalesce(func.sum(ledger.c.points), 0)).where(
    ledger.c.customer_id == bindparam("customer_id"), ledger.c.id >= bindparam("first")
)
_GIVEN_BY = select(func.coalesce(func.sum(func.abs(ledger.c.points)), 0)).where(
    ledger.c.staff_id == bindparam("staff_id"), ledger.c.at >= bindparam("since", type_=Moment)
)
_BY_KEY = select(ledger).where(ledger.c.key == bindparam("key"))
_BY_ID = select(ledger).where(ledger.c.id == bindparam("id"))
_since = bindparam("since", type_=Moment)
_reversed = ledger.alias("reversed")
# What takes back an entry older than the window takes nothing from the window.
_QUALIFYING = (
    select(ledger.c.customer_id, func.sum(ledger.c.qualifying))
    .where(
        among(ledger.c.customer_id, "customer_ids"),
        ledger.c.at >= _since,
        ledger.c.reverses.is_(None) | exists().where(_reversed.c.key == ledger.c.reverses, _reversed.c.at >= _since),
    )
    .group_by(ledger.c.customer_id)
)
_NO_LIMIT = 1 << 62


def lots_of(connection: Connection, customer_ids: Sequence[int]) -> dict[int, list[Lot]]:
    """Return each customer's lots with something left, in the order they are spent; others are left out."""
    return cast("dict[int, list[Lot]]", ask(connection, lots_query(customer_ids))[0])


def lots_query(customer_ids: Sequence[int]) -> Query[dict[int, list[Lot]]]:
    """Ask what `lots_of` returns."""
    return Query(_LOTS_OF, {"customer_ids": customer_ids}, _lots_by_customer)


def _lots_by_customer(rows: Sequence[Row]) -> dict[int, list[Lot]]:
    found: dict[int, list[Lot]] = {}
    for row in rows:
        lot = Lot(row["entry_id"], row["remaining"], row["expires_at"])
        found.setdefault(row["customer_id"], []).append(lot)
    return found


def insert_entries(connection: Connection, rows: Sequence[Row]) -> None:
    """Append ledger entries; the balances follow by a trigger.

    Raises KnownKey when a key is there already and NotEnoughPoints when a burn would make a balance
    negative. The transaction must then be rolled back.
    """
    if not rows:
        return

    def check(written: int) -> None:
        if written != len(rows):
            mine = {row["id"] for row in rows}
            known = connection.execute(_KEYS, {"keys": [row["key"] for row in rows]})
            raise KnownKey(", ".join(sorted(row.key for row in known if row.id not in mine)))

    try:
        write_many(connection, _INSERT_ENTRY[connection.dialect.name], rows, blank(ledger), check)
    except IntegrityError as error:
        raise meaning_of(error) from error


def known_keys(connection: Connection, keys: Sequence[str]) -> set[str]:
    """Return which of these idempotency keys are used."""
    return {row.key for row in connection.execute(_KEYS, {"keys": keys})}


def insert_lots(connection: Connection, rows: Sequence[Row]) -> None:
    """Open lots for entries that were just appended: entry_id, customer_id, remaining, expires_at."""
    insert_rows(connection, lots, rows)


def use_lots(connection: Connection, uses: Sequence[tuple[int, int, int]]) -> None:
    """Change what is left of lots: `(entry_id, old_remaining, new_remaining)`.

    Raises Stale when one of them is not what was read; the transaction must then be rolled back.
    """
    if not uses:
        return
    parameters = [{"the_id": entry_id, "old": old, "new": new} for entry_id, old, new in uses]

    def check(written: int) -> None:
        if written != len(uses):
            raise Stale("lots")

    write_many(connection, _USE, parameters, then=check)


def refill_lot(connection: Connection, entry_id: int, count: int) -> None:
    """Put points back into the lot they were spent from, so that they expire as before.

    Raises Stale when there is no such lot; the transaction must then be rolled back.
    """
    if connection.execute(_REFILL, {"the_id": entry_id, "count": count}).rowcount != 1:
        raise Stale(f"lot {entry_id}")


def expired_lots(connection: Connection, now: datetime, limit: int) -> list[Row]:
    """Return lots whose time is over and that still hold points, the earliest first."""
    return all_rows(connection.execute(_EXPIRED, {"now": now, "count": limit}))


def entries_of(connection: Connection, customer_id: int) -> list[Row]:
    """Return a customer's ledger, oldest first."""
    return all_rows(connection.execute(_ENTRIES_OF, {"customer_id": customer_id}))


def page_of(connection: Connection, customer_id: int, limit: int, before: int | None = None) -> list[Row]:
    """Return a customer's entries older than `before`, the newest first, each with the text that caused it."""
    values = {"customer_id": customer_id, "before": before or _NO_LIMIT, "count": limit}
    return all_rows(connection.execute(_PAGE_OF, values))


def sum_from(connection: Connection, customer_id: int, entry_id: int) -> int:
    """Return the points of an entry and all newer ones; the balance less this is what there was before."""
    return int(connection.execute(_SUM_FROM, {"customer_id": customer_id, "first": entry_id}).scalar_one())


def given_by(connection: Connection, staff_id: int, since: datetime) -> int:
    """Return how many points one of the staff gave and took since then, both counted as positive."""
    return int(connection.execute(_GIVEN_BY, {"staff_id": staff_id, "since": since}).scalar_one())


def by_id(connection: Connection, identifier: int) -> Row | None:
    """Return one entry."""
    return first_row(connection.execute(_BY_ID, {"id": identifier}))


def by_key(connection: Connection, key: str) -> Row | None:
    """Return the entry with this idempotency key."""
    return first_row(connection.execute(_BY_KEY, {"key": key}))


def qualifying_since(connection: Connection, customer_ids: Sequence[int], since: datetime) -> dict[int, int]:
    """Return the points that count for tiers, summed over entries since then; customers without any are left out."""
    found = connection.execute(_QUALIFYING, {"customer_ids": customer_ids, "since": since})
    return {customer_id: int(points) for customer_id, points in found}
