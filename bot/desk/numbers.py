"""Texting a number again that was marked as taking no texts."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Engine

from bot.desk.actor import Actor, NotPossible, note
from bot.desk.deed import locked
from bot.reachable import may_get_texts_again
from storage import customers
from storage.database import writing


def text_again(engine: Engine, actor: Actor, customer_id: int, now: datetime) -> None:
    """Let texts go to a number again, because somebody knows that it works; failures are counted from here on.

    Consent stays as it is. Raises NotPossible for a number that is not marked, and for a known litigator's.
    """
    with writing(engine) as conn:
        if locked(conn, customer_id)["sendable"]:
            raise NotPossible("This number gets texts already.")
        if not may_get_texts_again(conn, customer_id):
            raise NotPossible("The carrier knows this number for lawsuits and does not text it. Call instead.")
        customers.change(conn, [(customer_id, {"sendable": True, "failures_since": now})])
        note(conn, actor, "number.cleared", now, customer_id)
