"""Seals of consent records: one chain over all of them, append-only, in which each digest covers the one before.

A record is sealed after the fact, never while its text is answered. What a digest is made of is `bot.desk.sealing`'s
business; here are the rows, and the records with the messages they point to.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import BigInteger, Column, Connection, Table, bindparam, func, select, text

from storage.columns import Id, Moment, Words, metadata
from storage.conditions import among
from storage.consent import consent_records
from storage.erasures import erasures
from storage.ids import distance
from storage.messages import messages
from storage.rows import Row, all_rows, first_row, insert_rows

seals = Table(
    "seals",
    metadata,
    Column("record_id", Id, primary_key=True, autoincrement=False),  #: no foreign key: it outlives an erased record
    Column("number", BigInteger, nullable=False, unique=True),  #: the place in the chain, from 1, without a gap
    Column("customer_id", BigInteger, nullable=False),
    Column("key", Words, nullable=False),  #: which key it was made with, as a fingerprint
    Column("previous", Words, nullable=False),
    Column("digest", Words, nullable=False),
    Column("at", Moment, nullable=False),
)

#: Records this much older than the newest sealed one are not sealed any more: they were put in behind our back.
LATE = timedelta(hours=1)
_LOCK = 0x7265_6775_7365_616C  # "regu" + "seal", the advisory lock of whoever seals

_CAUSE = ("sid", "direction", "sender", "recipient", "body", "created_at")
RECORDS_WITH_CAUSE = select(
    consent_records, *(messages.c[name].label(f"message_{name}") for name in _CAUSE)
).select_from(consent_records.outerjoin(messages, messages.c.id == consent_records.c.message_id))
_OF_RECORDS = select(seals).where(among(seals.c.record_id, "ids"))
_PAGE = select(seals).where(seals.c.number > bindparam("after")).order_by(seals.c.number).limit(bindparam("count"))
_HEAD = select(seals).where(seals.c.number == select(func.max(seals.c.number)).scalar_subquery())
_BY_NUMBER = select(seals).where(seals.c.number == bindparam("number"))
_HIGHEST = select(func.max(seals.c.record_id))
_UNSEALED = (
    RECORDS_WITH_CAUSE.where(
        consent_records.c.id > bindparam("after"),
        consent_records.c.at <= bindparam("before", type_=Moment),
        ~select(seals.c.record_id).where(seals.c.record_id == consent_records.c.id).exists(),
    )
    .order_by(consent_records.c.id)
    .limit(bindparam("count"))
)
_RECORDS = RECORDS_WITH_CAUSE.where(among(consent_records.c.id, "ids"))
_ERASED = select(erasures.c.customer_id).where(among(erasures.c.customer_id, "ids"))


def try_lock(connection: Connection) -> bool:
    """Try to be the one who seals until the transaction ends. SQLite has one writer: always."""
    if connection.dialect.name != "postgresql":
        return True
    return bool(connection.execute(text("SELECT pg_try_advisory_xact_lock(:lock)"), {"lock": _LOCK}).scalar())


def insert(connection: Connection, rows: Sequence[Row]) -> None:
    """Append seals."""
    insert_rows(connection, seals, rows)


def head(connection: Connection) -> Row | None:
    """Return the newest seal."""
    return first_row(connection.execute(_HEAD))


def by_number(connection: Connection, number: int) -> Row | None:
    """Return the seal at a place in the chain."""
    return first_row(connection.execute(_BY_NUMBER, {"number": number}))


def page(connection: Connection, after: int, limit: int) -> list[Row]:
    """Return seals behind a place in the chain, in order."""
    return all_rows(connection.execute(_PAGE, {"after": after, "count": limit}))


def of_records(connection: Connection, ids: Sequence[int]) -> dict[int, Row]:
    """Return the seals of these consent records by record id; those not sealed yet are left out."""
    return {row["record_id"]: row for row in all_rows(connection.execute(_OF_RECORDS, {"ids": ids}))}


def records(connection: Connection, ids: Sequence[int]) -> dict[int, Row]:
    """Return consent records by id, each with `message_sid`, `message_body` ... of the message it points to."""
    return {row["id"]: row for row in all_rows(connection.execute(_RECORDS, {"ids": ids}))}


def erased(connection: Connection, customer_ids: Sequence[int]) -> set[int]:
    """Return which of these customers were erased, so that their records are lawfully gone."""
    return set(connection.execute(_ERASED, {"ids": customer_ids}).scalars())


def unsealed(connection: Connection, after: int, before: datetime, limit: int) -> list[Row]:
    """Return records with larger ids than `after` that bear a moment up to `before` and have no seal, in order of ids.

    They have the columns that `records` gives.
    """
    return all_rows(connection.execute(_UNSEALED, {"after": after, "before": before, "count": limit}))


def oldest_to_seal(connection: Connection) -> int:
    """Return the id behind which records are still sealed: LATE before the highest sealed record."""
    highest = connection.execute(_HIGHEST).scalar()
    return 0 if highest is None else max(0, int(highest) - distance(LATE))
