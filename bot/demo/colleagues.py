"""The demo's staff in the past: whoever asked for a person was answered within the hour; the last ones still wait."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection

from bot.demo.history import Past
from bot.desk.actor import Actor, note
from bot.desk.demo_staff import demo_member
from storage import customers, handoffs, messages
from storage.ids import next_id

STILL_WAITING = timedelta(hours=20)  #: who asked later than this before the demo begins waits for you
_PATIENCE = (4, 11, 2, 26, 7, 48)  #: minutes, in turn
_WORDS = {
    "en": (
        "Hi, this is Sam from Corner Cup. Sorry for the trouble; show this text at the till and it is put right.",
        "Hi, Sam here. I have looked it up and your points are as they should be now. Thanks for telling us!",
        "Hi, this is Sam. Good question: yes, we do. See you soon!",
    ),
    "es": ("Hola, soy Sam de Corner Cup. Perdona la molestia; muestra este mensaje en la caja y lo arreglamos.",),
}


class Colleagues:
    """Answers those who wait, while the past is played."""

    def __init__(self, conn: Connection, past: Past, shop_number: str, begin: datetime, now: datetime) -> None:
        self._conn = conn
        self._past = past
        self._shop_number = shop_number
        self._until = now - STILL_WAITING
        self._sam = demo_member(conn, "support", begin)
        self._answered = 0

    def answer(self, before: datetime) -> None:
        """Answer everybody whose turn comes before a moment."""
        for row in handoffs.waiting(self._conn):
            at = row["requested_at"] + timedelta(minutes=_PATIENCE[self._answered % len(_PATIENCE)])
            if at < min(before, self._until):
                self._past.until(at)
                self._say(row["customer_id"], at)
                handoffs.close(self._conn, row["id"], str(self._sam["id"]), at)
                self._answered += 1

    def _say(self, customer_id: int, at: datetime) -> None:
        customer = customers.by_id(self._conn, customer_id)
        assert customer is not None
        words = _WORDS.get(customer["language"], _WORDS["en"])
        message = {
            "id": next_id(),
            "customer_id": customer_id,
            "direction": "out",
            "sid": f"SMstaff{self._answered:025d}",
            "sender": self._shop_number,
            "recipient": customer["phone"],
            "body": words[self._answered % len(words)],
            "state": "delivered",
            "purpose": "staff",
            "staff_id": self._sam["id"],
            "language": customer["language"],
            "segments": 1,
            "encoding": "GSM-7",
            "created_at": at,
            "sent_at": at,
            "delivered_at": at,
        }
        messages.insert(self._conn, [message])
        actor = Actor(self._sam["id"], self._sam["name"], "support")
        note(self._conn, actor, "answer.sent", at, customer_id, message=message["id"])
