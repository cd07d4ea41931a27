"""Customers: who they are, and what may be known of them at a glance."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Connection,
    Date,
    Integer,
    Table,
    bindparam,
    func,
    or_,
    select,
    text,
)

from storage.columns import Document, Id, Moment, Words, metadata, partial_index
from storage.conditions import among
from storage.rows import Row, all_rows, blank, first_row, for_both, update_rows, write_many
from storage.together import Query

customers = Table(
    "customers",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("phone", Words, nullable=False, unique=True),  #: E.164
    Column("language", Words, nullable=False, default="en"),
    Column("language_chosen", Boolean, nullable=False, default=False),
    Column("name", Words),
    Column("consent", Words, nullable=False, default="none"),  #: kept by a trigger on consent_records
    Column("points", Integer, nullable=False, default=0),  #: kept by a trigger on ledger
    Column("qualifying", Integer, nullable=False, default=0),  #: kept by a trigger on ledger
    Column("tier", Words),
    Column("tags", Document, nullable=False, default=[]),
    Column("attributes", Document, nullable=False, default={}),
    Column("marks", Document, nullable=False, default={}),
    Column("birthday", Date),
    Column("email", Words),
    Column("frequency", Words, nullable=False, default="normal"),
    Column("purchases", Integer, nullable=False, default=0),
    Column("spent_minor", Id, nullable=False, default=0),
    Column("last_purchase_at", Moment),
    Column("joined_at", Moment),
    Column("referral_code", Words, unique=True),
    Column("zone", Words),
    Column("local_zone", Words),  #: of the subscribed: whose clock schedules go by
    Column("held_by", Words),
    Column("held_until", Moment),
    Column("marketing_paused", Boolean, nullable=False, default=False),
    Column("sendable", Boolean, nullable=False, default=True),  #: False: the carrier says this number takes no texts
    Column("created_at", Moment, nullable=False),
    Column("consent_expires_at", Moment),  #: kept by a trigger on consent_records; None: it does not end
    Column("tier_until", Moment),  #: the points for the tier have gone; it is kept until then
    Column("merged_into", Id),  #: everything is with this customer now
    Column("failures_since", Moment),  #: somebody of the staff said the number works: older failures do not count
    CheckConstraint("consent IN ('none', 'pending', 'subscribed', 'unsubscribed')", name="consent"),
)
_UNPLACED = "consent = 'subscribed' AND (local_zone IS NULL OR (zone IS NOT NULL AND zone <> local_zone))"
# Audiences ask among the subscribed; nobody else is in these indexes, so a stranger's text pays nothing.
for _columns in (["id"], ["last_purchase_at", "id"]):
    partial_index(
        f"ix_customers_subscribed_{_columns[0]}",
        *(customers.c[name] for name in _columns),
        where=customers.c.consent == "subscribed",
    )

partial_index(
    "ix_customers_unplaced",
    customers.c.id,
    where=text(_UNPLACED),
)
partial_index(
    "ix_customers_merged_into",
    customers.c.merged_into,
    where=customers.c.merged_into.is_not(None),
)

_BY_PHONES = select(customers).where(among(customers.c.phone, "phones"))
_BY_IDS = select(customers).where(among(customers.c.id, "ids"))
# No key of a customer changes, so rows that only point at a locked customer need not wait for the lock.
_LOCK_PHONES = _BY_PHONES.order_by(customers.c.id).with_for_update(key_share=True)
_LOCK_IDS = _BY_IDS.order_by(customers.c.id).with_for_update(key_share=True)
_KNOWN_PHONES = select(customers.c.phone).where(among(customers.c.phone, "phones"))
_LOCK_EITHER = (
    select(customers)
    .where(or_(among(customers.c.id, "ids"), among(customers.c.phone, "phones")))
    .order_by(customers.c.id)
    .with_for_update(key_share=True)
)
_BY_PHONE = select(customers).where(customers.c.phone == bindparam("phone"))
_BY_ID = select(customers).where(customers.c.id == bindparam("id"))
_SILENT = select(customers.c.id).where(among(customers.c.id, "ids"), customers.c.sendable.is_(False))
_BY_REFERRAL_CODE = select(customers.c.id).where(customers.c.referral_code == bindparam("code"))
_FIND_UNPLACED = (
    select(customers.c.id, customers.c.phone, customers.c.zone, customers.c.attributes)
    .where(customers.c.id > bindparam("after"), text(_UNPLACED))
    .order_by(customers.c.id)
    .limit(bindparam("count"))
)
_MERGED_INTO = select(customers).where(customers.c.merged_into == bindparam("merged_into")).order_by(customers.c.id)
_COUNT = select(func.count()).select_from(customers)
_INSERT = for_both(lambda insert: insert(customers).on_conflict_do_nothing(index_elements=["phone"]))


def lock_by_phone(connection: Connection, phones: Sequence[str]) -> dict[str, Row]:
    """Lock the customers with these numbers until the transaction ends; unknown numbers are left out.

    PostgreSQL locks in the order of ids, so that two batches never wait for each other in a ring.
    In SQLite the transaction of `writing` is the lock.
    """
    found = all_rows(connection.execute(_LOCK_PHONES, {"phones": phones}))
    return {row["phone"]: row for row in found}


def lock_by_id(connection: Connection, ids: Sequence[int]) -> dict[int, Row]:
    """Lock these customers until the transaction ends; unknown ids are left out."""
    return {row["id"]: row for row in all_rows(connection.execute(_LOCK_IDS, {"ids": ids}))}


def insert_missing(connection: Connection, rows: Sequence[Row]) -> None:
    """Insert the customers whose numbers are not known yet; the others stay as they are.

    They are inserted in the order of numbers, so that two batches never wait for each other in a ring.
    """
    if rows:
        ordered = sorted(rows, key=lambda row: str(row["phone"]))
        write_many(connection, _INSERT[connection.dialect.name], ordered, blank(customers))


def lock_or_make(connection: Connection, phones: Sequence[str], new: Callable[[str], Row]) -> dict[str, Row]:
    """Lock the customers with these numbers as `lock_by_phone` does; `new` gives the row of one not known yet.

    Nothing is locked before everybody is inserted: a transaction that waits to insert holds no lock that one
    which waits for a lock could want.
    """
    if connection.dialect.name == "sqlite":  # one writer at a time: looking is locking
        found = lock_by_phone(connection, phones)
        known = set(found)
    else:
        found = None
        known = set(connection.execute(_KNOWN_PHONES, {"phones": phones}).scalars())
    missing = [phone for phone in phones if phone not in known]
    insert_missing(connection, [new(phone) for phone in missing])
    if missing or found is None:
        found = lock_by_phone(connection, phones)
    if erased := [phone for phone in phones if phone not in found]:  # while we waited for the lock
        insert_missing(connection, [new(phone) for phone in erased])
        found = lock_by_phone(connection, phones)
    return found


def locking(ids: Sequence[int], phones: Sequence[str] = ()) -> Query[dict[int, Row]]:
    """Ask for the customers with these ids or numbers, by id, and lock them as `lock_by_phone` does."""
    parameters = {"ids": ids, "phones": phones}
    return Query(_LOCK_EITHER, parameters, lambda rows: {row["id"]: row for row in rows}, locks=True)


def change(connection: Connection, changes: Sequence[tuple[int, Row]]) -> None:
    """Set columns: `[(id, {"name": "Ana"}), ...]`; one call to the driver for each set of columns."""
    groups: dict[tuple[str, ...], list[Row]] = {}
    for identifier, values in changes:
        if values:
            groups.setdefault(tuple(sorted(values)), []).append({**values, "id": identifier})
    for columns, rows in groups.items():
        update_rows(connection, customers, columns, rows)


def by_phone(connection: Connection, phone: str) -> Row | None:
    """Return the customer with this number."""
    return first_row(connection.execute(_BY_PHONE, {"phone": phone}))


def by_id(connection: Connection, identifier: int) -> Row | None:
    """Return one customer."""
    return first_row(connection.execute(_BY_ID, {"id": identifier}))


def by_ids(connection: Connection, ids: Sequence[int]) -> dict[int, Row]:
    """Return customers without locking them."""
    return {row["id"]: row for row in all_rows(connection.execute(_BY_IDS, {"ids": ids}))}


def silent(connection: Connection, ids: Sequence[int]) -> list[int]:
    """Return which of these customers get no texts because the carrier said their number takes none."""
    return list(connection.execute(_SILENT, {"ids": ids}).scalars())


def by_referral_code(connection: Connection, code: str) -> int | None:
    """Return the id of the customer who gives this code to friends."""
    return connection.execute(_BY_REFERRAL_CODE, {"code": code}).scalar()


def merged_into(connection: Connection, identifier: int) -> list[Row]:
    """Return the customers whose everything is with this one now."""
    return all_rows(connection.execute(_MERGED_INTO, {"merged_into": identifier}))


def unplaced(connection: Connection, limit: int) -> list[Row]:
    """Return subscribed customers whose `local_zone` is not known yet, or not any more."""
    return all_rows(connection.execute(_FIND_UNPLACED, {"after": 0, "count": limit}))


def count(connection: Connection) -> int:
    """Return how many customers there are."""
    return connection.execute(_COUNT).scalar_one()
