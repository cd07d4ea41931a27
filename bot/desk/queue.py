"""The queue: customers who wait for a person, the longest wait first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine

from bot.desk.actor import Actor, NotPossible, note
from storage import customers, handoffs, staff
from storage.database import writing
from storage.rows import Row

MAX_SHOWN = 200
MAX_REASON = 200


@dataclass(frozen=True, slots=True)
class Waiting:
    """One customer who waits."""

    handoff: Row
    waits: timedelta
    holder: str | None = None  #: the name of the colleague who is talking with them


def waiting(conn: Connection, now: datetime) -> list[Waiting]:
    """Return who waits, the longest wait first, at most 200."""
    names = staff.names(conn)
    return [
        Waiting(row, now - row["requested_at"], _holder(row, names, now)) for row in handoffs.queue(conn, MAX_SHOWN)
    ]


def close(engine: Engine, actor: Actor, handoff_id: int, reason: str, now: datetime) -> None:
    """Take a customer out of the queue without an answer. Raises NotPossible without a reason.

    The reason stays with the handoff; the audit log does not repeat it, because it may be about the customer.
    """
    reason = " ".join(reason.split())[:MAX_REASON]
    if not reason:
        raise NotPossible("Say why nobody has to answer; colleagues will read it.")
    with writing(engine) as conn:
        row = handoffs.by_id(conn, handoff_id)
        if row is not None:
            customers.lock_by_id(conn, [row["customer_id"]])
        if row is None or not handoffs.close(conn, handoff_id, actor.label, now, reason):
            raise NotPossible("This customer does not wait any more; somebody was faster.")
        note(conn, actor, "handoff.closed", now, row["customer_id"], handoff=handoff_id)


def reopen(engine: Engine, actor: Actor, handoff_id: int, now: datetime) -> None:
    """Put a customer back into the queue, at the old place; nothing happens to one who waits again already."""
    with writing(engine) as conn:
        row = handoffs.by_id(conn, handoff_id)
        if row is not None:
            customers.lock_by_id(conn, [row["customer_id"]])
            if handoffs.of(conn, row["customer_id"]) is not None:
                return
        if row is None or not handoffs.reopen(conn, handoff_id):
            raise NotPossible("This cannot be undone any more.")
        note(conn, actor, "handoff.reopened", now, row["customer_id"], handoff=handoff_id)


def _holder(row: Row, names: Mapping[int, str], now: datetime) -> str | None:
    if row["held_by"] is None or row["held_until"] is None or row["held_until"] <= now:
        return None
    return names.get(int(row["held_by"]), "")
