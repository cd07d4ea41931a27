"""Erasures: who asked to be forgotten, as a number's keyed digest on the suppression list, and what was deleted.

A row here is what lets the triggers of append-only tables pass: only rows of its customer may go, and of the ledger
only words, never amounts. The row itself stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Column, Connection, ForeignKey, Index, Table, bindparam, select, update

from storage.columns import Document, Id, Moment, Words, metadata, partial_index
from storage.conditions import among
from storage.rows import Row, all_rows, first_row, insert_rows
from storage.statuses import status_log

erasures = Table(
    "erasures",
    metadata,
    Column("customer_id", Id, ForeignKey("customers.id"), primary_key=True, autoincrement=False),
    Column("at", Moment, nullable=False),
    Column("by", Words, nullable=False),  #: a staff id, or who sat at the command line
    Column("number_digest", Words, nullable=False),  #: HMAC of the number, see bot/suppression.py
    Column("counts", Document, nullable=False, default={}),  #: table -> rows deleted or blanked
    Column("scrubbed_at", Moment),  #: when the database's files were rewritten without what was deleted
    Column("lifted_at", Moment),  #: when the person agreed anew; the number is off the list since
)
Index("ix_erasures_number_digest", erasures.c.number_digest)
partial_index(
    "ix_erasures_unscrubbed",
    erasures.c.customer_id,
    where=erasures.c.scrubbed_at.is_(None),
)
Index("ix_status_log_message_id", status_log.c.message_id)  # what the carrier said of a message goes with it

SHELL = "erased:"  #: begins the pseudonym that stands in the place of an erased customer's number

_OF = select(erasures).where(erasures.c.customer_id == bindparam("customer_id"))
_LISTED = select(erasures).where(among(erasures.c.number_digest, "digests"), erasures.c.lifted_at.is_(None))
_LIFT = (
    update(erasures)
    .where(among(erasures.c.number_digest, "digests"), erasures.c.lifted_at.is_(None))
    .values(lifted_at=bindparam("now", type_=Moment))
    .returning(erasures.c.customer_id)
)
_COUNTED = (
    update(erasures)
    .where(erasures.c.customer_id == bindparam("the_customer"))
    .values(counts=bindparam("found", type_=Document))
)
_UNSCRUBBED = select(erasures.c.customer_id).where(erasures.c.scrubbed_at.is_(None)).order_by(erasures.c.customer_id)
_SCRUBBED = (
    update(erasures)
    .where(among(erasures.c.customer_id, "ids"), erasures.c.scrubbed_at.is_(None))
    .values(scrubbed_at=bindparam("now", type_=Moment))
)
_NEWEST = select(erasures).order_by(erasures.c.at.desc(), erasures.c.customer_id).limit(bindparam("count"))


def insert(connection: Connection, row: Row) -> None:
    """Note an erasure: customer_id, at, by, number_digest. From now on the triggers let this customer's rows go."""
    insert_rows(connection, erasures, [row])


def counted(connection: Connection, customer_id: int, counts: dict[str, Any]) -> None:
    """Write down how many rows of which table were deleted."""
    connection.execute(_COUNTED, {"the_customer": customer_id, "found": counts})


def of(connection: Connection, customer_id: int) -> Row | None:
    """Return a customer's erasure, None for somebody who was not erased."""
    return first_row(connection.execute(_OF, {"customer_id": customer_id}))


def newest(connection: Connection, limit: int) -> list[Row]:
    """Return erasures, the newest first."""
    return all_rows(connection.execute(_NEWEST, {"count": limit}))


def listed(connection: Connection, digests: Sequence[str]) -> dict[str, datetime]:
    """Return which of these digests are on the suppression list, and since when."""
    found: dict[str, datetime] = {}
    for row in all_rows(connection.execute(_LISTED, {"digests": list(digests)})):
        found[row["number_digest"]] = max(row["at"], found.get(row["number_digest"], row["at"]))
    return found


def lift(connection: Connection, digests: Sequence[str], now: datetime) -> list[int]:
    """Take numbers off the suppression list; return the erased customers whose numbers they were."""
    return sorted(connection.execute(_LIFT, {"digests": list(digests), "now": now}).scalars())


def unscrubbed(connection: Connection) -> list[int]:
    """Return the erased customers of whom traces may still lie in the database's files."""
    return list(connection.execute(_UNSCRUBBED).scalars())


def scrubbed(connection: Connection, ids: Sequence[int], now: datetime) -> None:
    """Note that the files were rewritten after these customers were erased."""
    connection.execute(_SCRUBBED, {"ids": list(ids), "now": now})


def is_shell(row: Row) -> bool:
    """Say whether a customer's row is what is left of an erased one."""
    return str(row["phone"]).startswith(SHELL)
