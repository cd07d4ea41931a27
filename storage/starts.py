"""Which scheduled flow was started for whom on which occasion; the key makes each start happen once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Column, Connection, ForeignKey, Table

from storage.database import Id, Moment, Row, Words, for_both, metadata

starts = Table(
    "starts",
    metadata,
    Column("flow", Words, primary_key=True),
    Column("customer_id", Id, ForeignKey("customers.id"), primary_key=True),
    Column("occasion", Words, primary_key=True),
    Column("at", Moment, nullable=False),
)


class Start(NamedTuple):
    """One start of a flow."""

    flow: str
    customer_id: int
    occasion: str


_KEY = (starts.c.flow, starts.c.customer_id, starts.c.occasion)
_INSERT = for_both(lambda insert: insert(starts).on_conflict_do_nothing().returning(*_KEY))


def insert_missing(connection: Connection, rows: Sequence[Row]) -> list[Start]:
    """Note starts (flow, customer_id, occasion, at) and return those that had not been noted before."""
    if not rows:
        return []
    new = connection.execute(_INSERT[connection.dialect.name], [dict(row) for row in rows])
    return [Start(*row) for row in new]
