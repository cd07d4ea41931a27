"""Lessons: texts the bot misunderstood, with what a person says they meant. The router's tests take them up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy import BigInteger, Column, Connection, ForeignKey, Index, Table, bindparam, delete, func, select

from storage.columns import Document, Id, Moment, Words, metadata
from storage.conditions import among
from storage.rows import Row, all_rows, complete, first_row, for_both

lessons = Table(
    "lessons",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("message_id", BigInteger, unique=True),
    Column("customer_id", Id, ForeignKey("customers.id")),
    Column("text", Words, nullable=False),
    Column("language", Words, nullable=False),
    Column("state", Words),  #: FLOW:STATE that was open
    Column("consent", Words),  #: the customer's, then
    Column("understood", Document),  #: what the router made of it then
    Column("decision", Words, nullable=False),  #: what it should have decided
    Column("intent", Words),
    Column("staff_id", BigInteger, nullable=False),
    Column("at", Moment, nullable=False),
)
Index("ix_lessons_customer_id", lessons.c.customer_id)

_CHANGING = ("decision", "intent", "staff_id", "at")
_PUT = for_both(
    lambda insert: (new := insert(lessons)).on_conflict_do_update(
        index_elements=["message_id"], set_={name: new.excluded[name] for name in _CHANGING}
    )
)
_OF_MESSAGES = select(lessons).where(among(lessons.c.message_id, "message_ids"))
_BY_ID = select(lessons).where(lessons.c.id == bindparam("id"))
_NEWER = select(lessons).where(lessons.c.id > bindparam("after")).order_by(lessons.c.id).limit(bindparam("count"))
_BATCH = 500


def put(connection: Connection, row: Row) -> None:
    """Write a lesson; one about the same message gets the new decision, intent, staff and moment."""
    connection.execute(_PUT[connection.dialect.name], complete(lessons, [row]))


def remove(connection: Connection, message_id: int) -> bool:
    """Forget the lesson about a message; False when there was none."""
    return connection.execute(delete(lessons).where(lessons.c.message_id == message_id)).rowcount == 1


def of_messages(connection: Connection, message_ids: Sequence[int]) -> dict[int, Row]:
    """Return lessons by their message; messages without one are left out."""
    if not message_ids:
        return {}
    found = connection.execute(_OF_MESSAGES, {"message_ids": message_ids})
    return {row["message_id"]: row for row in all_rows(found)}


def by_id(connection: Connection, identifier: int) -> Row | None:
    """Return one lesson."""
    return first_row(connection.execute(_BY_ID, {"id": identifier}))


def everything(connection: Connection) -> Iterator[Row]:
    """Give every lesson, the oldest first."""
    after = 0
    while rows := all_rows(connection.execute(_NEWER, {"after": after, "count": _BATCH})):
        yield from rows
        after = rows[-1]["id"]


def count(connection: Connection) -> int:
    """Return how many lessons there are."""
    return connection.execute(select(func.count()).select_from(lessons)).scalar_one()
