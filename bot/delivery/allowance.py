"""What one claim may spend: each sender's tokens and what is left of the brand's day. What the gate stops is free."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from sqlalchemy import Connection

from bot.delivery.rates import Bucket, Rate, day_of
from bot.delivery.sender import EVERYTHING
from storage import budgets, outbox
from storage.outbox import Lane
from storage.rows import Row

_COMMITTED = timedelta(seconds=2)  # an answer is counted so late that no younger one is still being written


class Allowance(Protocol):
    """Says how much may go. `served` has the lane of each priority that was served last."""

    served: dict[str, str]
    paused: frozenset[str]

    def most(self, lane: Lane) -> int:
        """How many messages of a lane could go at most, each of one segment."""

    def spend(self, lane: Lane, segments: int) -> bool:
        """Pay for one message; False when it has to wait."""

    def close(self, conn: Connection, cleared: Sequence[Row]) -> None:
        """Write down what these messages cost; whatever else was paid for is given back."""


class Unlimited:
    """No limit of ours. Whose turn it is each process knows for itself: nobody waits long for it."""

    def __init__(self, conn: Connection, now: datetime, served: dict[str, str]) -> None:
        self.served = served
        self.paused = frozenset(budgets.paused(conn, now))

    def most(self, _lane: Lane) -> int:
        return sys.maxsize

    def spend(self, _lane: Lane, _segments: int) -> bool:
        return True

    def close(self, conn: Connection, cleared: Sequence[Row]) -> None:
        pass


class Metered:
    """The senders' buckets and the brand's day, locked until the transaction ends.

    Answers that went back with a webhook's answer were not claimed: they are charged now, so that bulk yields.
    """

    def __init__(self, conn: Connection, now: datetime, rate: Rate, senders: Iterable[str]) -> None:
        self._now, self._rate, self._day = now, rate, day_of(now)
        new = {"tokens": rate.burst, "refilled_at": now, "day": self._day}
        stored = budgets.lock(conn, sorted({EVERYTHING, *senders}), new)
        self._brand = brand = stored.pop(EVERYTHING)
        rows = {EVERYTHING: brand, **stored}
        self.paused = frozenset(name for name, row in rows.items() if row["paused_until"] and row["paused_until"] > now)
        self.served: dict[str, str] = dict(brand["served"] or {})
        self._answered = outbox.handed_over(conn, brand["refilled_at"] - _COMMITTED, now - _COMMITTED)
        self._used = (brand["used"] if brand["day"] == self._day else 0) + sum(self._answered.values())
        self._left = rate.daily - self._used if rate.daily is not None else sys.maxsize
        self._buckets = {sender: Bucket.refilled(row, rate, now) for sender, row in stored.items()}
        for sender, bucket in self._buckets.items():
            bucket.tokens -= self._answered.get(sender, 0)
        self._before = {sender: bucket.tokens for sender, bucket in self._buckets.items()}
        self._saving: set[str] = set()

    def most(self, lane: Lane) -> int:
        if lane.sender in self._saving:
            return 0
        tokens = self._buckets[lane.sender].most
        return tokens if lane.priority == 0 else max(0, min(tokens, self._left))

    def spend(self, lane: Lane, segments: int) -> bool:
        """Pay for one message; False when it has to wait.

        What waits for tokens saves them up: whoever comes after it could take them one by one for ever. The day
        is not for saving, and whoever asked us gets an answer all the same.
        """
        if lane.priority > 0 and self._left < min(segments, self._rate.daily or segments):
            return False
        if lane.sender in self._saving or not self._buckets[lane.sender].spend(segments):
            self._saving.add(lane.sender)
            return False
        self._left -= segments
        return True

    def close(self, conn: Connection, cleared: Sequence[Row]) -> None:
        spent = Counter[str]()
        for row in cleared:
            spent[row["sender"]] += row["segments"] or 1
        always = {"refilled_at": self._now, "day": self._day, "served": None}
        charged = [
            {**always, "sender": sender, "tokens": tokens - spent[sender], "used": spent[sender]}
            for sender, tokens in self._before.items()
            if spent[sender] or sender in self._answered
        ]
        if charged or self._answered or self.served != (self._brand["served"] or {}):
            total = {**self._brand, **always, "used": self._used + spent.total(), "served": self.served}
            budgets.charge(conn, [*charged, total])
