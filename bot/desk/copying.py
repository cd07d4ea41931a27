"""A masked copy of a customer that texts and waits, in a transaction that is always rolled back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from hashlib import blake2b
from itertools import count
from typing import Any

from sqlalchemy import Connection

from bot import telemetry
from bot.catalog import Book
from bot.desk.actor import NotPossible
from bot.desk.deed import locked
from bot.desk.handset import held_by, shop_number
from bot.desk.masking import mask
from bot.engine.events import MessageReceived
from bot.errors import Conflict, TurnBroken
from bot.schedule import timer_fired
from bot.turn import Answer, Turns
from storage import customers, handsets, messages, outbox, timers
from storage.database import writing
from storage.rows import Row

_MOST_MESSAGES = 400  #: that one trial shows
_LEASE = timedelta(minutes=1)
_AS_TRIED = {"sending": "tried", "sent": "tried", "queued": "planned"}  #: nothing of it goes out, so nothing says so


class _RolledBack(Exception):
    """Ends the transaction."""


@contextmanager
def copied(turns: Turns, customer_id: int, seed: bytes, now: datetime) -> Iterator[Copy]:
    """Give a masked copy of a customer; nothing it does is kept. Raises NotPossible when there is no such customer.

    The copy's door has a memory of numbers and an entropy of its own, and nobody to wake.
    """
    dry = Turns(turns.engine, turns.catalog, turns.settings, entropy=_entropy(seed))
    try:
        with telemetry.quiet(), suppress(_RolledBack), writing(turns.engine) as conn:
            yield Copy(conn, dry, locked(conn, customer_id), seed, now)
            raise _RolledBack
    except (Conflict, TurnBroken):
        raise NotPossible("Something broke here. The bot itself would try again later; start over.") from None


def _entropy(seed: bytes) -> Callable[[], bytes]:
    """Return entropy that is the same at every play of one trial: the n-th turn has the n-th."""
    turns = count()
    return lambda: blake2b(str(next(turns)).encode(), key=seed, digest_size=16).digest()


class Copy:
    """A customer under other names, with a clock of their own."""

    def __init__(self, conn: Connection, turns: Turns, row: Row, seed: bytes, now: datetime) -> None:
        self.conn = conn
        self.turns = turns
        self.id: int = row["id"]
        self.now = now
        self.newest: int = next((each["id"] for each in messages.history(conn, self.id, 1)), 0)
        self.phone = mask(conn, self._book, row, seed)
        self._heard = 0

    def hear(self, body: str, at: datetime) -> Answer:
        """Take a text of the copy; its clock never goes back."""
        self.now = max(self.now, at)
        self._heard += 1
        number = shop_number(self._book, self.turns.settings)
        text = MessageReceived(f"TRY{self._heard:031d}", self.phone, number, body, self.now)
        [answer] = self.turns.take_in(self.conn, [text], self.now)
        self._send_due()
        return answer

    def wait(self) -> None:
        """Turn the copy's clock to the next thing that happens by itself: a text goes out, or a timer fires."""
        timer = next(iter(handsets.timers_of(self.conn, self.id, 1)), None)
        moments = [row["send_after"] for row in self._queued()] + ([timer["due_at"]] if timer is not None else [])
        self.now = max(self.now, min(moments, default=self.now))
        if timer is not None and timer["due_at"] <= self.now:
            timers.take(self.conn, [timer["id"]])
            self.turns.take_in(self.conn, [timer_fired(timer, self.now)], self.now)
        self._send_due()

    def row(self) -> Row:
        """Return the copy's row."""
        found = customers.by_id(self.conn, self.id)
        assert found is not None
        return found

    def shown(self) -> dict[str, Any]:
        """Return what the copy's phone shows; ids count from the trial's beginning, as they are new at every play."""
        settings = self.turns.settings
        found = held_by(self.conn, self._book, settings, self.phone, self.now, _MOST_MESSAGES, self.newest)
        names = {each["id"]: str(index) for index, each in enumerate(found["messages"], 1)}
        for each in found["messages"]:
            each["id"], each["answers"] = names[each["id"]], names.get(each["answers"])
            if each["from"] == "shop":
                each["state"] = _AS_TRIED.get(each["state"], each["state"])
        for timer in found["customer"]["timers"]:
            timer["scope"] = None  # may name one of the customer's codes
        return {**found, "now": self.now.isoformat(timespec="milliseconds"), "stamp": str(self.newest)}

    @property
    def _book(self) -> Book:
        return self.turns.catalog.book

    def _queued(self) -> list[Row]:
        said = messages.history(self.conn, self.id, _MOST_MESSAGES, after=self.newest)
        return [row for row in said if row["state"] == "queued"]

    def _send_due(self) -> None:
        """Let go out what has waited until now."""
        due = [row["id"] for row in self._queued() if row["send_after"] <= self.now]
        outbox.take(self.conn, due, self.now, _LEASE)
        outbox.sent(self.conn, [{"id": each, "sid": f"TRY{each}", "at": self.now} for each in due])
