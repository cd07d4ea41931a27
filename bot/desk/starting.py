"""Starting a flow for one customer, because somebody of the staff wants it now: through the door, past the gate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bot.desk.actor import Actor, NotPossible, note
from bot.desk.deed import locked
from bot.engine.events import StartDue
from bot.turn import Turns
from storage import messages, starts
from storage.database import writing
from storage.ids import next_id
from storage.rows import Row

_LOOK_BACK = 20  # messages one turn may cause, and more


@dataclass(frozen=True, slots=True)
class Started:
    """What came of it: the texts it caused, as rows; `again`: it was done before, under the same key."""

    said: tuple[Row, ...] = ()
    again: bool = False


def start(
    turns: Turns, actor: Actor, customer_id: int, flow: str, slots: Mapping[str, Any], key: str | None, now: datetime
) -> Started:
    """Start a flow through the first of its triggers whose condition holds; what it says is asked of the gate.

    `slots` stand for what an event would bring, `key` makes it happen once. Raises NotPossible for a flow there is
    not, and for one that answers STOP, START or HELP: those are the customer's to say.
    """
    found = turns.catalog.book.flows.get(flow)
    if found is None:
        raise NotPossible("There is no flow {flow}.", flow=flow)
    if any(trigger.compliance for trigger in found.triggers):
        raise NotPossible("Only the customer can start {flow}, with a text.", flow=flow)
    occasion = f"staff:{key or next_id()}"
    with writing(turns.engine) as conn:
        locked(conn, customer_id)
        row = {"flow": flow, "customer_id": customer_id, "occasion": occasion, "at": now}
        if not starts.insert_missing(conn, [row]):
            return Started(again=True)
        before = {each["id"] for each in messages.history(conn, customer_id, _LOOK_BACK)}
        turns.take_in(conn, [StartDue(flow, None, customer_id, now, occasion, slots)], now)
        after = messages.history(conn, customer_id, _LOOK_BACK)
        note(conn, actor, "flow.started", now, customer_id, flow=flow)
    return Started(tuple(each for each in reversed(after) if each["id"] not in before))
