"""Claiming: which messages go next, how many the sender's rate allows, and what the gate says of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, Engine

from bot import gate, telemetry
from bot.catalog import Catalog
from bot.delivery.rates import Bucket, Rate, day_of
from bot.delivery.sender import EVERYTHING, stopped
from bot.engine.programme import Limits
from storage import budgets, customers, outbox, outreach
from storage.database import writing
from storage.outbox import Lane
from storage.rows import Row

LEASE = timedelta(minutes=2)
FRESH = timedelta(seconds=5)  # what waits longer for its turn is judged anew: its customer may have left meanwhile
_BUSY = timedelta(seconds=1)  # another worker is deciding about the same customer
_COMMITTED = timedelta(seconds=2)  # an answer is counted so late that no younger one is still being written


@dataclass(frozen=True, slots=True)
class Claim:
    """How many messages were taken, and those of them that may go out now."""

    count: int
    cleared: Sequence[Row]


NOTHING = Claim(0, ())


class Claims:
    """Takes what may go next: answers before service before marketing, among equals one campaign after the other."""

    def __init__(self, engine: Engine, catalog: Catalog, rate: Rate | None = None) -> None:
        self.engine = engine
        self.catalog = catalog
        self.rate = rate
        self._turn = 0

    def take(self, clock: Callable[[], datetime], room: int) -> Claim:
        """Claim at most `room` messages in one transaction and judge each once more."""
        with writing(self.engine) as conn:
            now = clock()  # not before: on SQLite the transaction waits for those before it
            ids = self._chosen(conn, now, room)
            if not ids:
                return NOTHING
            rows = outbox.take(conn, ids, now, LEASE)
            return Claim(len(rows), self._judged(conn, rows, now))

    def _chosen(self, conn: Connection, now: datetime, room: int) -> list[int]:
        lanes = [lane for lane in outbox.lanes(conn) if lane.due <= now]
        if not lanes or room <= 0:
            return []
        silent = stopped(conn)
        if EVERYTHING in silent:
            return []
        lanes = [lane for lane in lanes if lane.sender not in silent]
        if self.rate is None:
            if budgets.paused(conn, EVERYTHING, now):
                return []
            return self._by_turns(conn, lanes, now, room, None)
        return self._within_rate(conn, lanes, now, room, self.rate)

    def _within_rate(self, conn: Connection, lanes: list[Lane], now: datetime, room: int, rate: Rate) -> list[int]:
        """Choose what the senders' buckets and the brand's day allow, and charge them for it.

        Answers that went back with a webhook's answer were not claimed: they are charged now, so that bulk yields.
        """
        day = day_of(now)
        new = {"tokens": rate.burst, "refilled_at": now, "day": day}
        stored = budgets.lock(conn, sorted({EVERYTHING, *(lane.sender for lane in lanes)}), new)
        brand = stored[EVERYTHING]
        if brand["paused_until"] is not None and brand["paused_until"] > now:
            return []
        answered = outbox.handed_over(conn, brand["refilled_at"] - _COMMITTED, now - _COMMITTED)
        used = (brand["used"] if brand["day"] == day else 0) + sum(answered.values())
        if rate.daily is not None and used >= rate.daily:
            lanes = [lane for lane in lanes if lane.priority == 0]  # whoever asked us gets an answer all the same
        buckets = {sender: Bucket.refilled(row, rate, now) for sender, row in stored.items() if sender != EVERYTHING}
        for sender, bucket in buckets.items():
            bucket.tokens -= answered.get(sender, 0)
        before = {sender: bucket.tokens for sender, bucket in buckets.items()}
        ids = self._by_turns(conn, lanes, now, room, buckets)
        spent = {sender: round(before[sender] - bucket.tokens) for sender, bucket in buckets.items()}
        charged = [
            {"sender": sender, "tokens": bucket.tokens, "refilled_at": now, "day": day, "used": spent[sender]}
            for sender, bucket in buckets.items()
            if spent[sender] or sender in answered
        ]
        if charged or answered:
            total = {**brand, "refilled_at": now, "day": day, "used": used + sum(spent.values())}
            budgets.charge(conn, [*charged, total])
        return ids

    def _by_turns(
        self, conn: Connection, lanes: Sequence[Lane], now: datetime, room: int, buckets: Mapping[str, Bucket] | None
    ) -> list[int]:
        """Give each lane of a priority the same share; who began this time is last the next time."""
        ids: list[int] = []
        self._turn += 1
        for _, equals in groupby(lanes, key=lambda lane: lane.priority):
            group = list(equals)
            first = self._turn % len(group)
            for place, lane in enumerate(group[first:] + group[:first]):
                share = -(-(room - len(ids)) // (len(group) - place))
                bucket = buckets[lane.sender] if buckets is not None else None
                if bucket is not None:
                    share = min(share, bucket.most)
                if share <= 0:
                    continue
                for identifier, segments in outbox.peek(conn, lane.name, now, share):
                    if bucket is not None and not bucket.spend(segments):
                        break
                    ids.append(identifier)
        return ids

    def _judged(self, conn: Connection, rows: Sequence[Row], now: datetime) -> list[Row]:
        """Ask the gate about each claimed message, in the transaction that claimed it."""
        unasked = sorted({row["customer_id"] for row in rows if row["purpose"] in ("service", "marketing")})
        # Without a lock: a STOP that is being written waits for the claimed row, so it commits after us.
        people = customers.by_ids(conn, sorted({row["customer_id"] for row in rows}))
        ours = outreach.alone_with(conn, unasked)
        said: dict[int, list[Row]] = outreach.history(conn, unasked, now, [row["id"] for row in rows])
        limits = self.catalog.book.programme.limits
        cleared: list[Row] = []
        for row in rows:
            customer_id = row["customer_id"]
            history = said.setdefault(customer_id, [])
            if row["purpose"] in ("service", "marketing") and customer_id not in ours:
                outbox.put_back(conn, row["id"], now + _BUSY, counted=False)
                continue
            recipient = gate.recipient_of(people[customer_id], history)
            verdict = _verdict(row, recipient, limits, now)
            if isinstance(verdict, gate.Send):
                cleared.append(row)
                if row["purpose"] in ("service", "marketing"):
                    history.append({**_said(row), "at": now})
            else:
                _turned_away(conn, row, verdict)
        return cleared


def _verdict(row: Row, recipient: gate.Recipient, limits: Limits, now: datetime) -> gate.Verdict:
    """Ask the gate for now and, as hours end with a minute, for the minute in which the message may go out still."""
    verdict = gate.ask(row["purpose"], recipient, limits, now, row["deadline"], row["body"])
    last = (now + FRESH).replace(second=0, microsecond=0)
    if last <= now or not isinstance(verdict, gate.Send):
        return verdict
    return gate.ask(row["purpose"], recipient, limits, last, row["deadline"], row["body"])


def _said(row: Row) -> dict[str, Any]:
    return {name: row[name] for name in ("id", "customer_id", "purpose", "body")}


def _turned_away(conn: Connection, row: Row, verdict: gate.Wait | gate.Drop) -> None:
    if isinstance(verdict, gate.Drop):
        outbox.finish(conn, row["id"], "suppressed", verdict.reason, None)
        telemetry.sent("suppressed")
    else:
        outbox.put_back(conn, row["id"], verdict.until, counted=False)
