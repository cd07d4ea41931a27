"""Answers of staff: the key the browser made for each, so that one answer is one message however often it is posted."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Column, Connection, Table, bindparam, select

from storage.columns import Moment, Words, metadata
from storage.rows import Row, first_row, for_both

staff_answers = Table(
    "staff_answers",
    metadata,
    Column("key", Words, primary_key=True),
    Column("message_id", BigInteger, nullable=False),
    Column("staff_id", BigInteger, nullable=False),
    Column("at", Moment, nullable=False),
)

_BY_KEY = select(staff_answers).where(staff_answers.c.key == bindparam("the_key"))
_INSERT = for_both(lambda insert: insert(staff_answers).on_conflict_do_nothing().returning(staff_answers.c.key))


def by_key(connection: Connection, key: str) -> Row | None:
    """Return the answer that was sent under a key."""
    return first_row(connection.execute(_BY_KEY, {"the_key": key}))


def insert(connection: Connection, key: str, message_id: int, staff_id: int, at: datetime) -> bool:
    """Note which message was sent under a key; False when the key was used before."""
    row = {"key": key, "message_id": message_id, "staff_id": staff_id, "at": at}
    return connection.execute(_INSERT[connection.dialect.name], row).first() is not None
