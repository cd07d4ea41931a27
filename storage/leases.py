"""Leases: who holds a conversation and until when. A customer has at most one that runs.

The customer's own row says the same in `held_by` and `held_until`, for the gate and the router.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, bindparam, select, update

from storage import customers as people
from storage.columns import Moment
from storage.customers import customers
from storage.desk import leases
from storage.rows import Row, all_rows, first_row, insert_rows

_RUNS = leases.c.ended_at.is_(None)
_RUNNING = select(leases).where(leases.c.customer_id == bindparam("customer_id"), _RUNS)
_OF = (
    select(leases)
    .where(leases.c.customer_id == bindparam("customer_id"))
    .order_by(leases.c.id.desc())
    .limit(bindparam("count"))
)
# With its customer, passing over those who are busy, as timers do.
_RUN_OUT = (
    select(leases)
    .join(customers, customers.c.id == leases.c.customer_id)
    .where(_RUNS, leases.c.ends_at <= bindparam("now", type_=Moment))
    .order_by(leases.c.ends_at)
    .limit(1)
    .with_for_update(skip_locked=True, key_share=True, of=[customers, leases])  # in this order
)
_EXTEND = (
    update(leases).where(leases.c.id == bindparam("the_id"), _RUNS).values(ends_at=bindparam("until", type_=Moment))
)
_END = (
    update(leases)
    .where(leases.c.id == bindparam("the_id"), _RUNS)
    .values(ended_at=bindparam("at", type_=Moment), how=bindparam("in_what_way"))
)


def begin(connection: Connection, row: Row) -> None:
    """Write a new lease and note it with its customer. IntegrityError when another one runs."""
    insert_rows(connection, leases, [row])
    _note(connection, row["customer_id"], str(row["staff_id"]), row["ends_at"])


def extend(connection: Connection, lease: Row, until: datetime) -> None:
    """Let a running lease end at `until`."""
    connection.execute(_EXTEND, {"the_id": lease["id"], "until": until})
    _note(connection, lease["customer_id"], str(lease["staff_id"]), until)


def end(connection: Connection, lease: Row, how: str, at: datetime) -> bool:
    """End a lease; False when it had ended already."""
    ended = connection.execute(_END, {"the_id": lease["id"], "at": at, "in_what_way": how}).rowcount == 1
    if ended:
        _note(connection, lease["customer_id"], None, None)
    return ended


def running(connection: Connection, customer_id: int) -> Row | None:
    """Return the lease that nobody has ended, even when its time is over."""
    return first_row(connection.execute(_RUNNING, {"customer_id": customer_id}))


def take_run_out(connection: Connection, now: datetime) -> Row | None:
    """Return the lease whose time has been over longest, and lock it and its customer; others skip it meanwhile."""
    return first_row(connection.execute(_RUN_OUT, {"now": now}))


def of(connection: Connection, customer_id: int, limit: int = 20) -> list[Row]:
    """Return a customer's leases, the newest first."""
    return all_rows(connection.execute(_OF, {"customer_id": customer_id, "count": limit}))


def _note(connection: Connection, customer_id: int, by: str | None, until: datetime | None) -> None:
    people.change(connection, [(customer_id, {"held_by": by, "held_until": until})])
