"""What is due and belongs to a customer: found by its index, with the customer locked first, as a text's turn does.

What makes trouble is put off for longer each time, and given up after a while: it stays, until somebody retries it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Table, bindparam, select, true, update

from storage.columns import Moment
from storage.customers import customers
from storage.rows import Row, all_rows

MOST_TROUBLES = 10  #: so often it is tried before it is given up


def due_with_customer(
    table: Table, *conditions: ColumnElement[bool], customer: ColumnElement[bool] | None = None
) -> Mapping[str, Select[Any]]:
    """Return, by dialect, the query for the ids of rows of `table` due at `now`, the earliest first, at most `count`.

    Their customers are locked before them; rows of customers whom somebody else has locked are passed over, and
    so are those whose customer does not meet the condition `customer`. By `due_at` alone: of a million rows due at
    one moment none has to be sorted to find the first.
    """
    whose = customers.c.id == table.c.customer_id
    if customer is not None:
        whose &= customer
    lock: dict[str, Any] = {"skip_locked": True, "key_share": True}
    due = (
        select(table.c.id)
        .where(table.c.due_at <= bindparam("now", type_=Moment), table.c.troubles < MOST_TROUBLES, *conditions)
        .order_by(table.c.due_at)
        .limit(bindparam("count"))
    )
    # LATERAL leaves the planner no choice but to walk the index and look each customer up. A join, planned once for
    # any `count` or on a table it knows nothing of yet, may compare every row with every customer.
    free = select(customers.c.id).where(whose).with_for_update(**lock).lateral("whose")
    return {
        "postgresql": due.join_from(table, free, true()).with_for_update(of=table, **lock),
        "sqlite": due.join_from(table, customers, whose),
    }


def put_off(connection: Connection, table: Table, identifier: int, due_at: datetime, trouble: str) -> None:
    """Let a row that made trouble wait until later, and remember why; after MOST_TROUBLES times nobody takes it."""
    values = {"due_at": due_at, "troubles": table.c.troubles + 1, "trouble": trouble}
    connection.execute(update(table).where(table.c.id == identifier).values(values))


def given_up(connection: Connection, table: Table, limit: int) -> list[Row]:
    """Return what was given up, the oldest first, each with its customer's `phone`."""
    query = (
        select(table, customers.c.phone)
        .join_from(table, customers, customers.c.id == table.c.customer_id)
        .where(table.c.troubles >= MOST_TROUBLES)
        .order_by(table.c.id)
        .limit(limit)
    )
    return all_rows(connection.execute(query))


def try_again(connection: Connection, table: Table, identifier: int, due_at: datetime) -> bool:
    """Let what was given up be due again; False when it was not."""
    again = update(table).where(table.c.id == identifier, table.c.troubles >= MOST_TROUBLES)
    return connection.execute(again.values(due_at=due_at, troubles=0, trouble=None)).rowcount == 1
