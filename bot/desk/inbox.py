"""What staff do in the inbox: assign, snooze, settle, open again, mark as read, be seen, save views.

What is settled or snoozed leaves the views up to an id (`seen`: the last one the page knew of), so that a
text which came meanwhile stays. It comes back when the customer writes, and at the end of the snooze.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine

from bot.desk.actor import Actor, NotPossible, note
from bot.desk.deed import locked
from storage import desk, handoffs, messages, saved, staff
from storage.database import writing
from storage.ids import next_id
from storage.rows import Row

LONGEST_SNOOZE = timedelta(days=90)
LONGEST_NAME = 60
SHARES = frozenset({"manager", "admin"})  #: may share views with everybody, and remove shared ones
FILTERS = frozenset({"view", "flow", "tag", "assignee", "day"})


def assign(engine: Engine, actor: Actor, customer_id: int, assignee_id: int | None, now: datetime) -> None:
    """Give a conversation to a colleague, or to nobody. Raises NotPossible for one who does not work here."""
    with writing(engine) as conn:
        locked(conn, customer_id)
        if assignee_id is not None:
            colleague = staff.by_id(conn, assignee_id)
            if colleague is None or colleague["disabled_at"] is not None or colleague["role"] == "marketer":
                raise NotPossible("This colleague does not answer customers. Choose somebody else.")
        desk.assign(conn, customer_id, assignee_id, now)
        note(conn, actor, "conversation.assigned", now, customer_id, to=assignee_id)


def snooze(
    engine: Engine, actor: Actor, customer_id: int, until: datetime, now: datetime, seen: int | None = None
) -> None:
    """Put a conversation aside until a moment, or until the customer writes. Whoever waits for a person waits on."""
    if not now < until <= now + LONGEST_SNOOZE:
        raise NotPossible("Choose a time within the next {days} days.", days=LONGEST_SNOOZE.days)
    with writing(engine) as conn:
        locked(conn, customer_id)
        desk.settle(conn, customer_id, _upto(seen), now, snoozed_until=until)
        note(conn, actor, "conversation.snoozed", now, customer_id, until=until.isoformat())


def done(engine: Engine, actor: Actor, customer_id: int, now: datetime, seen: int | None = None) -> None:
    """Settle a conversation; the customer does not wait for a person any more."""
    upto = _upto(seen)
    with writing(engine) as conn:
        locked(conn, customer_id)
        waiting = handoffs.of(conn, customer_id)
        closed = waiting["id"] if waiting is not None and waiting["id"] <= upto else None
        if closed is not None:
            handoffs.close(conn, closed, actor.label, now)
        desk.settle(conn, customer_id, upto, now, handoff_id=closed)
        note(conn, actor, "conversation.done", now, customer_id, handoff=closed)


def reopen(engine: Engine, actor: Actor, customer_id: int, now: datetime) -> None:
    """Undo `done` and `snooze`: the conversation stands in its views again, the customer waits as before."""
    with writing(engine) as conn:
        locked(conn, customer_id)
        row = desk.of(conn, customer_id)
        if row is None or row["done_message_id"] is None:
            raise NotPossible("This conversation is open already.")
        if row["handoff_id"] is not None and handoffs.of(conn, customer_id) is None:
            handoffs.open_again(conn, row["handoff_id"])
        desk.settle(conn, customer_id, None, now)
        note(conn, actor, "conversation.reopened", now, customer_id)


def _upto(seen: int | None) -> int:
    newest = next_id()
    return newest if seen is None else min(seen, newest)


def mark_read(conn: Connection, actor: Actor, customer_id: int, upto: int | None = None) -> None:
    """Note that the actor has read a conversation up to a message, else up to its newest."""
    if actor.staff_id is None:
        return
    if upto is None:
        newest = messages.history(conn, customer_id, 1)
        upto = newest[0]["id"] if newest else None
    if upto is not None:
        desk.read(conn, actor.staff_id, customer_id, upto)


def attend(conn: Connection, actor: Actor, customer_id: int | None, writes: bool, now: datetime) -> None:
    """Note which conversation the actor has open, None for none, and whether they are writing."""
    if actor.staff_id is None:
        return
    if customer_id is None:
        desk.leave(conn, actor.staff_id)
    else:
        desk.attend(conn, actor.staff_id, customer_id, writes, now)


def save_view(
    engine: Engine, actor: Actor, name: str, query: Mapping[str, Any], now: datetime, *, shared: bool = False
) -> int:
    """Keep a view of the inbox under a name and return its id. Only managers share views."""
    name = " ".join(name.split())[:LONGEST_NAME]
    if actor.staff_id is None:
        raise NotPossible("Only somebody with an account can save views.")
    if not name:
        raise NotPossible("Give the view a name.")
    if shared and actor.role not in SHARES:
        raise NotPossible("Only managers share views. Save it for yourself.")
    kept = {key: value for key, value in query.items() if key in FILTERS and value}
    view_id = next_id()
    view = {"id": view_id, "staff_id": actor.staff_id, "name": name, "query": kept, "shared": shared}
    with writing(engine) as conn:
        saved.add_view(conn, view)
        note(conn, actor, "view.saved", now, view=view_id, shared=shared)
    return view_id


def remove_view(engine: Engine, actor: Actor, view_id: int, now: datetime) -> None:
    """Remove a saved view: one's own; a manager also one shared by others."""
    with writing(engine) as conn:
        view = saved.view(conn, view_id)
        if view is None:
            raise NotPossible("This view is gone already.")
        if not _may_remove(actor, view):
            raise NotPossible("This view is a colleague's. Ask them, or a manager, to remove it.")
        saved.remove_view(conn, view_id)
        note(conn, actor, "view.removed", now, view=view_id)


def _may_remove(actor: Actor, view: Row) -> bool:
    return bool(view["staff_id"] == actor.staff_id or (view["shared"] and actor.role in SHARES))
