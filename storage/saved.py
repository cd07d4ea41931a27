"""What staff save for later: replies with placeholders, and views of the inbox."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    ForeignKey,
    Table,
    bindparam,
    delete,
    func,
    null,
    or_,
    select,
)
from sqlalchemy import update as update_of

from storage.columns import Document, Id, Moment, Words, metadata
from storage.rows import Row, all_rows, first_row, insert_rows

saved_replies = Table(
    "saved_replies",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("title", Words, nullable=False),
    Column("body", Words, nullable=False),
    Column("language", Words, nullable=False, default="en"),
    Column("staff_id", BigInteger),
    Column("changed_at", Moment, nullable=False),
    Column("removed_at", Moment),  #: kept, so that removing can be undone
)

saved_views = Table(
    "saved_views",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("staff_id", Id, ForeignKey("staff.id"), nullable=False),
    Column("name", Words, nullable=False),
    Column("query", Document, nullable=False),
    Column("shared", Boolean, nullable=False, default=False),
)

_VIEWS = (
    select(saved_views)
    .where(or_(saved_views.c.staff_id == bindparam("who"), saved_views.c.shared))
    .order_by(func.lower(saved_views.c.name), saved_views.c.id)
)
_VIEW = select(saved_views).where(saved_views.c.id == bindparam("the_id"))
_REMOVE_VIEW = delete(saved_views).where(saved_views.c.id == bindparam("the_id"))

_KEPT = saved_replies.c.removed_at.is_(None)
_REPLIES = select(saved_replies).where(_KEPT).order_by(func.lower(saved_replies.c.title), saved_replies.c.id)
_REPLY = select(saved_replies).where(saved_replies.c.id == bindparam("the_id"), _KEPT)
_CHANGE_REPLY = (
    update_of(saved_replies)
    .where(saved_replies.c.id == bindparam("the_id"), _KEPT)
    .values(
        title=bindparam("new_title"),
        body=bindparam("new_body"),
        language=bindparam("new_language"),
        staff_id=bindparam("who"),
        changed_at=bindparam("at", type_=Moment),
    )
)
_REMOVE_REPLY = (
    update_of(saved_replies)
    .where(saved_replies.c.id == bindparam("the_id"), _KEPT)
    .values(removed_at=bindparam("at", type_=Moment))
)
_RESTORE_REPLY = (
    update_of(saved_replies)
    .where(saved_replies.c.id == bindparam("the_id"), saved_replies.c.removed_at.is_not(None))
    .values(removed_at=null())
)


def replies(connection: Connection) -> list[Row]:
    """Return the saved replies by title."""
    return all_rows(connection.execute(_REPLIES))


def reply(connection: Connection, identifier: int) -> Row | None:
    """Return one saved reply."""
    return first_row(connection.execute(_REPLY, {"the_id": identifier}))


def add_reply(connection: Connection, row: Row) -> None:
    """Save a new reply."""
    insert_rows(connection, saved_replies, [row])


def change_reply(connection: Connection, row: Row) -> bool:
    """Change a saved reply; False when it is gone."""
    values = {"the_id": row["id"], "who": row["staff_id"], "at": row["changed_at"]}
    values |= {f"new_{name}": row[name] for name in ("title", "body", "language")}
    return connection.execute(_CHANGE_REPLY, values).rowcount == 1


def remove_reply(connection: Connection, identifier: int, at: datetime) -> bool:
    """Remove a saved reply; False when it is gone."""
    return connection.execute(_REMOVE_REPLY, {"the_id": identifier, "at": at}).rowcount == 1


def restore_reply(connection: Connection, identifier: int) -> bool:
    """Bring a removed reply back; False when it is not removed."""
    return connection.execute(_RESTORE_REPLY, {"the_id": identifier}).rowcount == 1


def views(connection: Connection, staff_id: int) -> list[Row]:
    """Return somebody's saved views of the inbox and those shared with everybody, by name."""
    return all_rows(connection.execute(_VIEWS, {"who": staff_id}))


def view(connection: Connection, identifier: int) -> Row | None:
    """Return one saved view."""
    return first_row(connection.execute(_VIEW, {"the_id": identifier}))


def add_view(connection: Connection, row: Row) -> None:
    """Save a view."""
    insert_rows(connection, saved_views, [row])


def remove_view(connection: Connection, identifier: int) -> bool:
    """Remove a saved view; False when it is gone."""
    return connection.execute(_REMOVE_VIEW, {"the_id": identifier}).rowcount == 1
