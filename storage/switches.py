"""Switches: small values the whole installation shares, such as the demo clock."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, Connection, Table, bindparam, select

from storage.database import Document, Words, for_both, metadata

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
