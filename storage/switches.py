"""Switches: small values the whole installation shares, such as the demo clock."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, Connection, Table, bindparam, select

from storage.columns import Document, Words, metadata
from storage.rows import for_both

switches = Table(
    "switches",
    metadata,
    Column("key", Words, primary_key=True),
    Column("value", Document),
)

_GET = select(switches.c.value).where(switches.c.key == bindparam("key"))
_new = bindparam("new_value", type_=Document)
_SET = for_both(
    lambda insert: (
        insert(switches)
        .values(key=bindparam("the_key"), value=_new)
        .on_conflict_do_update(index_elements=["key"], set_={"value": _new})
    )
)


def get(connection: Connection, key: str) -> Any:
    """Return a switch's value, None when it was never set."""
    return connection.execute(_GET, {"key": key}).scalar()


def set(connection: Connection, key: str, value: Any) -> None:
    """Set a switch."""
    connection.execute(_SET[connection.dialect.name], {"the_key": key, "new_value": value})


_LOCK = select(switches.c.value).where(switches.c.key == bindparam("key")).with_for_update()
_MAKE = for_both(lambda insert: insert(switches).values(key=bindparam("the_key")).on_conflict_do_nothing())


def lock(connection: Connection, key: str) -> Any:
    """Return a switch's value and keep others from changing it until the transaction ends."""
    connection.execute(_MAKE[connection.dialect.name], {"the_key": key})
    return connection.execute(_LOCK, {"key": key}).scalar()


_BETWEEN = select(switches.c.key).where(switches.c.key >= bindparam("first"), switches.c.key < bindparam("end"))


def keys(connection: Connection, beginning: str) -> list[str]:
    """Return the names of the switches that begin so; the beginning ends in a colon."""
    end = beginning[:-1] + chr(ord(beginning[-1]) + 1)
    return sorted(connection.execute(_BETWEEN, {"first": beginning, "end": end}).scalars())
