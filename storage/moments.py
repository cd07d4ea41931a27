"""Where a moment lies among the messages: ids grow with time, so that no index on time is needed."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, bindparam, func, select

from storage.ids import id_at
from storage.messages import messages

_LAST = select(func.max(messages.c.id))
_FROM = (
    select(messages.c.id, messages.c.created_at)
    .where(messages.c.id >= bindparam("id"))
    .order_by(messages.c.id)
    .limit(1)
)
_TO = (
    select(messages.c.id, messages.c.created_at)
    .where(messages.c.id < bindparam("id"))
    .order_by(messages.c.id.desc())
    .limit(1)
)


def id_before(connection: Connection, moment: datetime) -> int:
    """Return the id of the last message created before a moment, 0 when there is none.

    The moment tells the id, unless the demo's clock was turned: then it is found by halving, in some sixty steps.
    """
    guess = id_at(moment)
    first = connection.execute(_FROM, {"id": guess}).first()
    last = connection.execute(_TO, {"id": guess}).first()
    if (first is None or first.created_at >= moment) and (last is None or last.created_at < moment):
        return int(last.id) if last is not None else 0
    low, high = 0, connection.execute(_LAST).scalar() or 0
    while low < high:
        middle = (low + high + 1) // 2
        first = connection.execute(_FROM, {"id": middle}).first()
        if first is not None and first.created_at < moment:
            low = int(first.id)
        else:
            high = middle - 1
    return low
