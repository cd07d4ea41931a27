"""Which scheduled flow was started for whom on which occasion; the key makes each start happen once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Column, Connection, ForeignKey, Table, bindparam, select

from storage.columns import Id, Moment, Words, metadata
from storage.conditions import among
from storage.rows import Row, for_both

starts = Table(
    "starts",
    metadata,
    Column("flow", Words, primary_key=True),
    Column("customer_id", Id, ForeignKey("customers.id"), primary_key=True),
    Column("occasion", Words, primary_key=True),
    Column("at", Moment, nullable=False),
)


_INSERT = for_both(
    lambda insert: insert(starts).on_conflict_do_nothing().returning(starts.c.customer_id, starts.c.occasion)
)


_RECENT = (
    select(starts.c.customer_id)
    .where(
        starts.c.flow == bindparam("flow"),
        among(starts.c.customer_id, "customer_ids"),
        starts.c.at > bindparam("since", type_=Moment),
    )
    .distinct()
)


def insert_missing(connection: Connection, rows: Sequence[Row]) -> set[tuple[int, str]]:
    """Note starts (flow, customer_id, occasion, at); return the customers and occasions that are new."""
    if not rows:
        return set()
    new = connection.execute(_INSERT[connection.dialect.name], [dict(row) for row in rows])
    return {(row.customer_id, row.occasion) for row in new}


def recent(connection: Connection, flow: str, customer_ids: Sequence[int], since: datetime) -> set[int]:
    """Return which of these customers were started in this flow after `since`."""
    parameters = {"flow": flow, "customer_ids": customer_ids, "since": since}
    return set(connection.execute(_RECENT, parameters).scalars())
