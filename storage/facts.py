"""Facts about customers that may start flows. Each is recorded once, by its key, and handled once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Column, Connection, ForeignKey, Index, Integer, Table, bindparam, func, select, update

from storage.columns import Document, Id, Moment, Words, metadata, partial_index
from storage.conditions import among
from storage.due import due_with_customer
from storage.rows import Row, all_rows, blank, for_both, write_many

facts = Table(
    "facts",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("customer_id", Id, ForeignKey("customers.id"), nullable=False),
    Column("name", Words, nullable=False),
    Column("key", Words, nullable=False, unique=True),
    Column("data", Document, nullable=False, default={}),
    Column("recorded_at", Moment, nullable=False),
    Column("due_at", Moment, nullable=False),
    Column("handled_at", Moment),
    Column("troubles", Integer, nullable=False, default=0, server_default="0"),  #: how often its turn broke
    Column("trouble", Words),  #: the last time: what broke
)
Index("ix_facts_customer_id_recorded_at", facts.c.customer_id, facts.c.recorded_at)
partial_index(
    "ix_facts_waiting",
    facts.c.due_at,
    facts.c.id,
    where=facts.c.handled_at.is_(None),
)

_INSERT = for_both(lambda insert: insert(facts).on_conflict_do_nothing(index_elements=["key"]))
_DUE = due_with_customer(facts, facts.c.handled_at.is_(None))
_TAKE = update(facts).where(among(facts.c.id, "ids")).values(handled_at=bindparam("now", type_=Moment)).returning(facts)
_NEXT_DUE = select(func.min(facts.c.due_at)).where(facts.c.handled_at.is_(None))


def insert(connection: Connection, rows: Sequence[Row]) -> None:
    """Record facts; one whose key is known stays as it is. `due_at` is `recorded_at` when it is not given."""
    if rows:
        timed = [{**row, "due_at": row.get("due_at") or row["recorded_at"]} for row in rows]
        write_many(connection, _INSERT[connection.dialect.name], timed, blank(facts))


def insert_new(connection: Connection, rows: Sequence[Row]) -> int:
    """Record facts and return how many of their keys were not known."""
    keys = select(facts.c.key).where(among(facts.c.key, "keys"))
    known = set(connection.execute(keys, {"keys": [row["key"] for row in rows]}).scalars())
    new = [row for row in rows if row["key"] not in known]
    insert(connection, new)
    return len(new)


def take_due(connection: Connection, now: datetime, limit: int) -> list[Row]:
    """Mark facts that are due as handled, lock their customers and return them, the earliest first.

    Others skip them meanwhile; facts of customers whom somebody else has locked wait for the next look.
    """
    ids = list(connection.execute(_DUE[connection.dialect.name], {"now": now, "count": limit}).scalars())
    taken = all_rows(connection.execute(_TAKE, {"ids": ids, "now": now})) if ids else []
    return sorted(taken, key=lambda row: (row["due_at"], row["id"]))


def next_due(connection: Connection) -> datetime | None:
    """Return when the next fact is due."""
    return connection.execute(_NEXT_DUE).scalar()
