"""The desk: what staff keep about conversations: whose they are, what was read, who is looking, what may wait."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    ForeignKey,
    Index,
    Table,
    bindparam,
    delete,
    func,
    select,
)

from storage.columns import Id, Moment, Words, metadata, partial_index
from storage.conditions import among
from storage.customers import customers
from storage.messages import messages
from storage.rows import Row, first_row, for_both

desk = Table(
    "desk",
    metadata,
    Column("customer_id", Id, ForeignKey("customers.id"), primary_key=True, autoincrement=False),
    Column("assignee_id", Id, ForeignKey("staff.id")),
    Column("snoozed_until", Moment),
    Column("done_message_id", BigInteger),  #: settled up to this message; a newer text opens it again
    Column("handoff_id", BigInteger),  #: closed when it was settled; who opens it again opens that too
    Column("changed_at", Moment, nullable=False),
)
partial_index(
    "ix_desk_assignee_id_changed_at",
    desk.c.assignee_id,
    desk.c.changed_at,
    where=desk.c.assignee_id.is_not(None),
)
partial_index(
    "ix_desk_snoozed_until",
    desk.c.snoozed_until,
    where=desk.c.snoozed_until.is_not(None),
)

reads = Table(
    "desk_reads",
    metadata,
    Column("staff_id", Id, ForeignKey("staff.id"), primary_key=True, autoincrement=False),
    Column("customer_id", Id, ForeignKey("customers.id"), primary_key=True, autoincrement=False),
    Column("message_id", BigInteger, nullable=False),  #: read up to this one
)

presence = Table(
    "desk_presence",
    metadata,
    Column("staff_id", Id, ForeignKey("staff.id"), primary_key=True, autoincrement=False),
    Column("customer_id", Id, ForeignKey("customers.id"), nullable=False),
    Column("writing", Boolean, nullable=False, default=False),
    Column("seen_at", Moment, nullable=False),
)
Index("ix_desk_presence_customer_id", presence.c.customer_id)

leases = Table(
    "leases",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("customer_id", Id, ForeignKey("customers.id"), nullable=False),
    Column("staff_id", Id, ForeignKey("staff.id"), nullable=False),
    Column("began_at", Moment, nullable=False),
    Column("ends_at", Moment, nullable=False),  #: as last extended
    Column("ended_at", Moment),
    Column("how", Words),  #: resume, ask_again, end, ran_out, taken_over
    Column("reason", Words),  #: why it was taken from a colleague
)
Index("ix_leases_customer_id_id", leases.c.customer_id, leases.c.id)
partial_index(
    "ix_leases_held",
    leases.c.customer_id,
    unique=True,
    where=leases.c.ended_at.is_(None),
)
partial_index(
    "ix_leases_running",
    leases.c.ends_at,
    where=leases.c.ended_at.is_(None),
)

_OF = select(desk).where(desk.c.customer_id == bindparam("customer_id"))


def _setting(*names: str) -> dict[str, Any]:
    """Return an upsert of these columns of the desk, for each database."""
    return for_both(
        lambda insert: (
            (new := insert(desk))
            .values({name: bindparam(name, type_=desk.c[name].type) for name in ("customer_id", *names)})
            .on_conflict_do_update(index_elements=["customer_id"], set_={name: new.excluded[name] for name in names})
        )
    )


_ASSIGN = _setting("assignee_id", "changed_at")
_SETTLE = _setting("done_message_id", "snoozed_until", "handoff_id", "changed_at")
_READ = for_both(
    lambda insert: (new := insert(reads)).on_conflict_do_update(
        index_elements=["staff_id", "customer_id"],
        set_={"message_id": new.excluded.message_id},
        where=reads.c.message_id < new.excluded.message_id,
    )
)
_ATTEND = for_both(
    lambda insert: (new := insert(presence)).on_conflict_do_update(
        index_elements=["staff_id"],
        set_={name: new.excluded[name] for name in ("customer_id", "writing", "seen_at")},
    )
)
_LEAVE = delete(presence).where(presence.c.staff_id == bindparam("staff_id"))
_unread = (
    select(messages.c.id)
    .where(
        messages.c.customer_id == customers.c.id,
        messages.c.direction == "in",
        messages.c.id
        > func.coalesce(
            select(reads.c.message_id)
            .where(reads.c.staff_id == bindparam("staff_id"), reads.c.customer_id == customers.c.id)
            .correlate(customers)
            .scalar_subquery(),
            0,
        ),
    )
    .limit(bindparam("most"))
    .correlate(customers)
    .subquery("unread")
)
_UNREAD = select(customers.c.id, select(func.count()).select_from(_unread).scalar_subquery().label("unread")).where(
    among(customers.c.id, "ids")
)


def of(connection: Connection, customer_id: int) -> Row | None:
    """Return what the desk knows of a customer, None when nobody did anything yet."""
    return first_row(connection.execute(_OF, {"customer_id": customer_id}))


def assign(connection: Connection, customer_id: int, assignee_id: int | None, now: datetime) -> None:
    """Say whose a conversation is; None: nobody's."""
    values = {"customer_id": customer_id, "assignee_id": assignee_id, "changed_at": now}
    connection.execute(_ASSIGN[connection.dialect.name], values)


def settle(
    connection: Connection,
    customer_id: int,
    upto: int | None,
    now: datetime,
    snoozed_until: datetime | None = None,
    handoff_id: int | None = None,
) -> None:
    """Settle everything up to an id, until a moment if one is given; `upto` None opens it again."""
    values = {
        "customer_id": customer_id,
        "done_message_id": upto,
        "snoozed_until": snoozed_until,
        "handoff_id": handoff_id,
        "changed_at": now,
    }
    connection.execute(_SETTLE[connection.dialect.name], values)


def read(connection: Connection, staff_id: int, customer_id: int, message_id: int) -> None:
    """Note that somebody has read a conversation up to a message; never takes anything back."""
    values = {"staff_id": staff_id, "customer_id": customer_id, "message_id": message_id}
    connection.execute(_READ[connection.dialect.name], values)


def unread(connection: Connection, staff_id: int, customer_ids: Sequence[int], most: int) -> dict[int, int]:
    """Return how many texts of each customer somebody has not read, counting no further than `most`."""
    rows = connection.execute(_UNREAD, {"staff_id": staff_id, "ids": customer_ids, "most": most})
    return {row.id: row.unread for row in rows}


def attend(connection: Connection, staff_id: int, customer_id: int, writing: bool, now: datetime) -> None:
    """Note that somebody has this customer's conversation open, and no other."""
    values = {"staff_id": staff_id, "customer_id": customer_id, "writing": writing, "seen_at": now}
    connection.execute(_ATTEND[connection.dialect.name], values)


def leave(connection: Connection, staff_id: int) -> None:
    """Note that somebody has no conversation open any more."""
    connection.execute(_LEAVE, {"staff_id": staff_id})
