"""Texts the bot did not understand and nobody has taught yet, the newest first, through their partial index."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, select

from storage.lessons import lessons
from storage.messages import messages
from storage.rows import Row, all_rows

_NEWEST = (
    select(
        messages.c.id,
        messages.c.customer_id,
        messages.c.body,
        messages.c.language,
        messages.c.flow,
        messages.c.flow_state,
        messages.c.created_at,
    )
    .outerjoin(lessons, lessons.c.message_id == messages.c.id)
    .where(messages.c.misunderstood.is_not(None), lessons.c.id.is_(None))
    .order_by(messages.c.id.desc())
    .limit(bindparam("count"))
)


def untaught(connection: Connection, limit: int) -> Sequence[Row]:
    """Return misunderstood texts that no lesson is about, the newest first."""
    return all_rows(connection.execute(_NEWEST, {"count": limit}))
