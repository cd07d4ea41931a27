"""Opting a customer out who asked a person: by phone, by e-mail, at the till.

A revocation counts however reasonably it is made: 47 CFR 64.1200(a)(10) and (11).
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Engine

from bot.desk.actor import Actor, NotPossible, note
from bot.desk.deed import locked, reason_of
from storage import consent, messages, timers
from storage.database import writing
from storage.ids import next_id


def opt_out(engine: Engine, actor: Actor, customer_id: int, reason: str, now: datetime) -> None:
    """Record that a customer withdrew consent, and stop everything that waits to go out. No text confirms it.

    Raises NotPossible without a reason, and for somebody who has opted out already.
    """
    why = reason_of(reason)
    with writing(engine) as conn:
        if locked(conn, customer_id)["consent"] == "unsubscribed":
            raise NotPossible("This customer has opted out already.")
        record = {"id": next_id(), "customer_id": customer_id, "status": "unsubscribed", "how": "staff", "at": now}
        consent.insert(conn, [{**record, "reason": why, "staff_id": actor.staff_id}])
        messages.suppress_pending(conn, [customer_id], "opted_out", now)
        timers.cancel(conn, customer_id)
        note(conn, actor, "consent.withdrawn", now, customer_id)
