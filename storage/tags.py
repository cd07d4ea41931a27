"""Who has a tag: `customers.tags` seen from the other side, kept by triggers and never written otherwise."""

from __future__ import annotations

from sqlalchemy import Column, Connection, Table, bindparam, func, select

from storage.columns import Id, Words, metadata

customer_tags = Table(
    "customer_tags",
    metadata,
    Column("tag", Words, primary_key=True),
    Column("customer_id", Id, primary_key=True, autoincrement=False),
)

# The next tag each time: as many steps along the index as there are tags, however many customers have them.
_NEXT = select(func.min(customer_tags.c.tag)).where(customer_tags.c.tag > bindparam("after"))
_SOME = select(customer_tags.c.customer_id).where(customer_tags.c.tag == bindparam("tag")).limit(bindparam("count"))


def names(connection: Connection, limit: int = 200) -> list[str]:
    """Return the tags customers have, in the order of the database, at most `limit`."""
    found: list[str] = []
    while len(found) < limit:
        name = connection.execute(_NEXT, {"after": found[-1] if found else ""}).scalar()
        if name is None:
            break
        found.append(name)
    return found


def some(connection: Connection, tag: str, limit: int) -> list[int]:
    """Return ids of customers with a tag, at most `limit`, in no order."""
    return list(connection.execute(_SOME, {"tag": tag, "count": limit}).scalars())
