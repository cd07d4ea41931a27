"""Vouchers: codes customers hold, each good for one use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import cast

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ColumnElement,
    Connection,
    ForeignKey,
    Index,
    Integer,
    Table,
    bindparam,
    literal_column,
    select,
    update,
)

from storage.columns import Id, Moment, Words, metadata, partial_index
from storage.conditions import among
from storage.rows import Row, all_rows, first_row, insert_rows, write_many
from storage.together import Query, ask, by_customer

vouchers = Table(
    "vouchers",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("customer_id", Id, ForeignKey("customers.id"), nullable=False),
    Column("code", Words, nullable=False, unique=True),
    Column("name", Words, nullable=False),
    Column("reward", Words),
    Column("cost", Integer, nullable=False, default=0),
    Column("status", Words, nullable=False, default="issued"),
    Column("issued_at", Moment, nullable=False),
    Column("ends_at", Moment, nullable=False),
    Column("redeemed_at", Moment),
    Column("redeemed_by", Words),
    Column("entry_key", Words),
    Column("reason", Words),  #: why it was taken back
    Column("staff_id", BigInteger),  #: who gave it; None: the bot
    Column("given_for", Words),  #: why a person gave it
    CheckConstraint("status IN ('issued', 'redeemed', 'revoked', 'expired')", name="status"),
    Index("ix_vouchers_customer_id", "customer_id"),
)
partial_index(
    "ix_vouchers_issued",
    vouchers.c.ends_at,
    where=vouchers.c.status == "issued",
)
partial_index(
    "ix_vouchers_redeemed_at",
    vouchers.c.redeemed_at,
    where=vouchers.c.redeemed_at.is_not(None),
)

ISSUED: ColumnElement[str] = literal_column("'issued'")  #: a literal, so that the partial index is used

_OF = select(vouchers).where(among(vouchers.c.customer_id, "customer_ids")).order_by(vouchers.c.id)
_BY_CODES = select(vouchers).where(among(vouchers.c.code, "codes")).limit(2)
_BY_CODE = select(vouchers).where(vouchers.c.code == bindparam("code"))
_REDEEM = (
    update(vouchers)
    .where(
        vouchers.c.code == bindparam("the_code"),
        vouchers.c.status == ISSUED,
        vouchers.c.ends_at > bindparam("now", type_=Moment),
    )
    .values(status="redeemed", redeemed_at=bindparam("now", type_=Moment), redeemed_by=bindparam("who"))
    .returning(vouchers)
)
_REVOKE = (
    update(vouchers)
    .where(vouchers.c.code == bindparam("the_code"), vouchers.c.status == ISSUED)
    .values(status="revoked", reason=bindparam("why"))
)
_REDEEM_UNDONE = (
    update(vouchers)
    .where(
        vouchers.c.code == bindparam("the_code"),
        vouchers.c.status == literal_column("'redeemed'"),
        vouchers.c.redeemed_by == bindparam("who"),
        vouchers.c.redeemed_at >= bindparam("since", type_=Moment),
    )
    .values(status="issued", redeemed_at=None, redeemed_by=None)
    .returning(vouchers)
)
_RECODE = (
    update(vouchers)
    .where(vouchers.c.code == bindparam("old"))
    .values(code=bindparam("new", type_=vouchers.c.code.type))
)
_EXPIRE = (
    update(vouchers)
    .where(vouchers.c.status == ISSUED, vouchers.c.ends_at <= bindparam("now", type_=Moment))
    .values(status="expired")
)


def of(connection: Connection, customer_ids: Sequence[int]) -> dict[int, list[Row]]:
    """Return every voucher of each customer, whatever became of it, newest last; customers without are left out."""
    return cast("dict[int, list[Row]]", ask(connection, query_of(customer_ids))[0])


def query_of(customer_ids: Sequence[int]) -> Query[dict[int, list[Row]]]:
    """Ask what `of` returns."""
    return Query(_OF, {"customer_ids": customer_ids}, by_customer)


def insert(connection: Connection, rows: Sequence[Row]) -> None:
    """Issue vouchers. A code that exists raises sqlalchemy's IntegrityError."""
    insert_rows(connection, vouchers, rows)


def by_code(connection: Connection, code: str) -> Row | None:
    """Return the voucher with exactly this code."""
    return first_row(connection.execute(_BY_CODE, {"code": code}))


def by_codes(connection: Connection, codes: Sequence[str]) -> list[Row]:
    """Return vouchers with one of these codes, at most two."""
    return all_rows(connection.execute(_BY_CODES, {"codes": codes}))


def redeem(connection: Connection, code: str, by: str, now: datetime) -> Row | str:
    """Use a voucher up, once, in one conditional statement.

    Return its row, or why not: `unknown`, `redeemed`, `revoked` or `expired`.
    """
    used = first_row(connection.execute(_REDEEM, {"the_code": code, "who": by, "now": now}))
    if used is not None:
        return used
    found = by_code(connection, code)
    if found is None:
        return "unknown"
    return "expired" if found["status"] == "issued" else str(found["status"])


def undo_redemption(connection: Connection, code: str, by: str, since: datetime) -> Row | None:
    """Make a voucher good again that the same person used up since then; None when there is no such one."""
    return first_row(connection.execute(_REDEEM_UNDONE, {"the_code": code, "who": by, "since": since}))


def revoke(connection: Connection, code: str, reason: str) -> bool:
    """Take back a voucher that was not used; False when it was, or is not known."""
    return connection.execute(_REVOKE, {"the_code": code, "why": reason}).rowcount == 1


def expire(connection: Connection, now: datetime) -> int:
    """Mark the vouchers whose time is over; return how many."""
    return connection.execute(_EXPIRE, {"now": now}).rowcount


def recode(connection: Connection, codes: Mapping[str, str]) -> None:
    """Give vouchers other codes, `{old: new}`: only for a copy, which is rolled back."""
    write_many(connection, _RECODE, [{"old": old, "new": new} for old, new in codes.items()])
