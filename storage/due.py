"""What is due and belongs to a customer: found by its index, with the customer locked first, as a text's turn does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, Select, Table, bindparam, select, true

from storage.customers import customers
from storage.database import Moment


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
        .where(table.c.due_at <= bindparam("now", type_=Moment), *conditions)
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
