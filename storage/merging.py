"""Two numbers of one customer become one: their rows move, table by table as `storage.holdings` says."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Delete, Table, and_, bindparam, delete, exists, select, update

from storage.columns import Moment
from storage.conversations import conversations
from storage.customers import customers
from storage.desk import leases
from storage.handoffs import handoffs
from storage.holdings import HOLDINGS
from storage.messages import messages

_OLD: ColumnElement[int] = bindparam("the_old")
_NEW: ColumnElement[int] = bindparam("the_new")
_NOW = bindparam("now", type_=Moment)
_IN_USE = (
    select(customers.c.id)
    .where(
        customers.c.merged_into == bindparam("customer_id"),
        exists(select(messages.c.id).where(messages.c.customer_id == customers.c.id)),
    )
    .order_by(customers.c.id)
)
_REPOINT = (
    update(customers)
    .where(customers.c.merged_into.is_not(None), customers.c.merged_into == _OLD)
    .values(merged_into=_NEW)
)
_END_CONVERSATIONS = (
    update(conversations)
    .where(conversations.c.customer_id == _OLD, conversations.c.ended_at.is_(None))
    .values(ended_at=_NOW, updated_at=_NOW, outcome="merged", turn_no=conversations.c.turn_no + 1)
)
_END_LEASES = (
    update(leases).where(leases.c.customer_id == _OLD, leases.c.ended_at.is_(None)).values(ended_at=_NOW, how="end")
)
_waits = handoffs.alias()
#: A customer waits for a person once: who waits with both numbers keeps the place of the new one.
_CLOSE_SECOND_HANDOFF = (
    update(handoffs)
    .where(
        handoffs.c.customer_id == _OLD,
        handoffs.c.closed_at.is_(None),
        exists(select(_waits.c.id).where(_waits.c.customer_id == _NEW, _waits.c.closed_at.is_(None))),
    )
    .values(closed_at=_NOW, closed_by="merge")
)


def in_use_again(connection: Connection, customer_id: int) -> set[int]:
    """Return those of a customer's former numbers that somebody has used since: perhaps somebody else."""
    return set(connection.execute(_IN_USE, {"customer_id": customer_id}).scalars())


def end_open(connection: Connection, old: int, new: int, now: datetime) -> None:
    """End what the old number is in the middle of: conversations, a colleague's lease, a second wait for a person."""
    connection.execute(_END_CONVERSATIONS, {"the_old": old, "now": now})
    connection.execute(_END_LEASES, {"the_old": old, "now": now})
    connection.execute(_CLOSE_SECOND_HANDOFF, {"the_old": old, "the_new": new, "now": now})


def move_rows(connection: Connection, old: int, new: int) -> dict[str, int]:
    """Give the old number's rows to the new one; return how many of which table moved."""
    moved = {}
    for holding in HOLDINGS:
        table, both = holding.table, {"the_old": old, "the_new": new}
        if holding.merging == "fill":
            connection.execute(_taken(table), both)
        if holding.merging in ("move", "fill"):
            change = update(table).where(table.c.customer_id == _OLD).values(customer_id=_NEW)
            moved[table.name] = connection.execute(change, both).rowcount
        elif holding.merging == "delete":
            connection.execute(delete(table).where(table.c.customer_id == _OLD), {"the_old": old})
    connection.execute(_REPOINT, {"the_old": old, "the_new": new})
    return {name: count for name, count in moved.items() if count}


def _taken(table: Table) -> Delete:
    """Return the statement that deletes the old number's rows of which the new one has its own."""
    other = table.alias()
    rest = [column.name for column in table.primary_key.columns if column.name != "customer_id"]
    same = and_(other.c.customer_id == _NEW, *(other.c[name] == table.c[name] for name in rest))
    return delete(table).where(table.c.customer_id == _OLD, exists(select(other.c.customer_id).where(same)))
