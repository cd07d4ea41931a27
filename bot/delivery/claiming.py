"""Claiming: which messages go next, how many the sender's rate allows, and what the gate says of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine

from bot import gate, telemetry
from bot.catalog import Catalog
from bot.delivery.allowance import Allowance, Metered, Unlimited
from bot.delivery.dealing import deal
from bot.delivery.rates import Rate
from bot.delivery.sender import EVERYTHING, stopped
from bot.engine.programme import Limits
from storage import customers, outbox, outreach
from storage.database import writing
from storage.outbox import Lane
from storage.rows import Row

LEASE = timedelta(minutes=2)
FRESH = timedelta(seconds=5)  # what waits longer for its turn is judged anew: its customer may have left meanwhile
_BUSY = timedelta(seconds=1)  # another worker is deciding about the same customer


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
        self._served: dict[str, str] = {}

    def take(self, clock: Callable[[], datetime], room: int) -> Claim:
        """Claim at most `room` messages in one transaction and judge each once more."""
        with writing(self.engine) as conn:
            now = clock()  # not before: on SQLite the transaction waits for those before it
            lanes = self._open_lanes(conn, now)
            if not lanes:
                return NOTHING
            allowance = self._allowance(conn, lanes, now)
            lanes = [lane for lane in lanes if not {lane.sender, EVERYTHING} & allowance.paused]
            rows = outbox.take(conn, deal(conn, lanes, now, room, allowance), now, LEASE)
            cleared = self._judged(conn, rows, now) if rows else []
            allowance.close(conn, cleared)
            return Claim(len(rows), cleared)

    def _open_lanes(self, conn: Connection, now: datetime) -> list[Lane]:
        lanes = [lane for lane in outbox.lanes(conn) if lane.due <= now]
        silent = stopped(conn) if lanes else {}
        return [lane for lane in lanes if not {lane.sender, EVERYTHING} & silent.keys()]

    def _allowance(self, conn: Connection, lanes: Sequence[Lane], now: datetime) -> Allowance:
        if self.rate is None:
            return Unlimited(conn, now, self._served)
        return Metered(conn, now, self.rate, {lane.sender for lane in lanes})

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
            if row["retry_of"] is not None:  # the first try reached nobody: the second takes its place
                history[:] = [each for each in history if each["id"] != row["retry_of"]]
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
