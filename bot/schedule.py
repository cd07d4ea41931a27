"""What is due: timers, facts, daily starts, expiry. All of it is rows; a tick only looks.

Every step claims and handles in one transaction, so that a process may die anywhere and any number may
tick at once. A row whose turn cannot be taken is put off for longer and longer and given up in the end, never lost
and never in the others' way; `python -m bot stuck` lists what was given up.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, Table

from bot import occasions, telemetry
from bot.apply import Context, Rows, use_oldest
from bot.catalog import Catalog
from bot.engine.events import Event, FactRecorded, StartDue, TimerFired
from bot.errors import TurnBroken
from bot.loading import load_customers
from bot.occasions import Occasion, Reached
from bot.reviews import Reviews
from bot.turn import Turns
from storage import customers, facts, loyalty, starts, timers, vouchers
from storage.database import reading, writing
from storage.due import MOST_TROUBLES, put_off
from storage.ids import next_id

BATCH = 200
PAGES = 25  # of one schedule in one tick, so that none holds up the others
PUT_OFF = timedelta(minutes=5)
_LONGEST_PAUSE = timedelta(hours=12)
Claim = Callable[[Connection, datetime, int], Sequence[Any]]


def pause_after(troubles: int) -> timedelta:
    """Return how long to wait with what has made trouble so often before: doubling, at most half a day."""
    return min(_LONGEST_PAUSE, PUT_OFF * (1 << troubles))


def _why(trouble: Exception) -> str:
    """Return what broke, without anything a customer said: a broken turn tells the kind of its cause."""
    return str(trouble).partition(":")[0] if isinstance(trouble, TurnBroken) else type(trouble).__name__


class Schedule:
    """Brings what is due to the turns."""

    def __init__(self, engine: Engine, catalog: Catalog, turns: Turns) -> None:
        self.engine = engine
        self.catalog = catalog
        self.turns = turns
        self.reviews = Reviews(engine, catalog)

    def run(self, now: datetime) -> int:
        """Handle everything that is due at `now`; return how many turns it made."""
        done = self.expire(now)
        done += self.reviews.run(now)
        done += self.start_due(now)
        done += self.fire_timers(now)
        return done + self.take_facts(now)

    def fire_timers(self, now: datetime) -> int:
        """Fire the timers that are due, oldest first."""
        return self._drain(now, timers.timers, timers.take_due, timer_fired)

    def take_facts(self, now: datetime) -> int:
        """Hand recorded facts to the flows that start from them."""
        return self._drain(now, facts.facts, facts.take_due, _fact_recorded)

    def _drain(
        self,
        now: datetime,
        table: Table,
        claim: Claim,
        event_of: Callable[[Any, datetime], Event],
    ) -> int:
        done, size, troubles, kind = 0, BATCH, 0, table.name.removesuffix("s")
        while True:
            rows: Sequence[Any] = ()
            try:
                with writing(self.engine) as conn:
                    rows = claim(conn, now, size)
                    if rows:
                        self.turns.take_in(conn, [event_of(row, now) for row in rows], now)
            except Exception as trouble:
                if not rows:
                    raise  # it is not about one of them
                if size > 1:
                    size = 1  # find the one that makes trouble
                    continue
                troubles += 1
                later = now + pause_after(rows[0]["troubles"]) + troubles * timedelta(milliseconds=1)
                last = rows[0]["troubles"] + 1 >= MOST_TROUBLES
                telemetry.broke("given up" if last else "put off", trouble, kind=kind, id=rows[0]["id"])
                with writing(self.engine) as conn:  # no two to one moment: it is part of a timer's key
                    put_off(conn, table, rows[0]["id"], later, _why(trouble))
                size = BATCH
                continue
            done += len(rows)
            telemetry.fired(kind, len(rows))
            if len(rows) < size or not rows:
                return done

    def start_due(self, now: datetime) -> int:
        """Start scheduled flows for everybody they reach, once each occasion; a long one goes on at the next tick."""
        book = self.catalog.book
        if not any(trigger.schedule for flow in book.flows.values() for trigger in flow.triggers):
            return 0
        zone, done = book.programme.shop.zone, 0
        for _ in range(PAGES):
            with writing(self.engine) as conn:
                if occasions.place_customers(conn, zone, now, BATCH) < BATCH:
                    break
        with reading(self.engine) as conn:
            due = list(occasions.due(conn, book.flows, zone, now))
        for occasion in due:
            done += self._start_all(occasion, now)
        return done

    def _start_all(self, occasion: Occasion, now: datetime) -> int:
        """Start an occasion's flow page by page, as many as one tick may take."""
        done, after = 0, occasion.after
        for _ in range(PAGES):
            with reading(self.engine) as conn:
                page = occasions.reached(conn, occasion, now, after, BATCH)
            if page:
                after = page[-1].position
                wanted = [each for each in page if each.wanted]
                try:
                    done += self._start_some(occasion, wanted, now)
                except Exception as trouble:
                    telemetry.retaken(type(trouble).__name__)
                    done += sum(self._start_alone(occasion, each, now) for each in wanted)
            with writing(self.engine) as conn:
                occasions.note(conn, occasion, after if page else None)
            if not page:
                break
        return done

    def _start_some(self, occasion: Occasion, reached: Sequence[Reached], now: datetime) -> int:
        """Start a flow for those of these customers who have not had it yet; the note and the turn are one."""
        again_after = occasion.schedule.again_after
        with writing(self.engine) as conn:
            if again_after is not None:
                ids = [each.customer_id for each in reached]
                lately = starts.recent(conn, occasion.flow, ids, now - again_after)
                reached = [each for each in reached if each.customer_id not in lately]
            rows = [
                {"flow": occasion.flow, "customer_id": each.customer_id, "occasion": each.occasion, "at": now}
                for each in reached
            ]
            fresh = starts.insert_missing(conn, rows)
            events = [
                StartDue(occasion.flow, occasion.index, each.customer_id, now, each.occasion, each.slots)
                for each in reached
                if (each.customer_id, each.occasion) in fresh
            ]
            self.turns.take_in(conn, events, now)
            return len(events)

    def _start_alone(self, occasion: Occasion, reached: Reached, now: datetime) -> int:
        """Start a flow for one customer; one for whom it breaks is left for the next occasion."""
        try:
            return self._start_some(occasion, [reached], now)
        except Exception as trouble:
            telemetry.broke("not started", trouble, flow=occasion.flow, customer=reached.customer_id)
            return 0

    def expire(self, now: datetime) -> int:
        """Expire points lot by lot (each once: the key names the lot) and vouchers whose time is over."""
        done = 0
        while due := self._expire_some(now):
            done += due
        with writing(self.engine) as conn:
            vouchers.expire(conn, now)
        return done

    def _expire_some(self, now: datetime) -> int:
        """Expire the lots that were due first; return for how many it went well, 0 when there are none left."""
        with reading(self.engine) as conn:
            due = loyalty.expired_lots(conn, now, BATCH)
        if not due:
            return 0
        try:
            with writing(self.engine) as conn:
                self._expire_lots(conn, due, now)
            return len(due)
        except Exception as trouble:
            telemetry.retaken(type(trouble).__name__)
        done = 0
        for lot in due:
            try:
                with writing(self.engine) as conn:
                    self._expire_lots(conn, [lot], now)
                done += 1
            except Exception as trouble:
                telemetry.broke("not expired", trouble, customer=lot["customer_id"], lot=lot["entry_id"])
        return done

    def _expire_lots(self, conn: Connection, due: Sequence[Any], now: datetime) -> None:
        programme = self.catalog.book.programme
        records = customers.lock_by_id(conn, sorted({row["customer_id"] for row in due}))
        people = load_customers(conn, records, programme.shop.languages[0], now)
        for customer_id, customer in people.items():
            rows = Rows()
            context = Context(conn, rows, customer, programme, now, sender="", lots=list(customer.lots))
            for lot in (row for row in due if row["customer_id"] == customer_id):
                left = next((known.remaining for known in context.lots if known.entry_id == lot["entry_id"]), 0)
                if left <= 0:
                    continue
                rows.entries.append(
                    {
                        "id": next_id(),
                        "customer_id": customer_id,
                        "kind": "expire",
                        "points": -left,
                        "key": f"expire:{lot['entry_id']}:{now.isoformat()}",  # a lot may be refilled and expire again
                        "reason": "expired",
                        "qualifying": 0,
                        "lots": use_oldest(context, left, first=lot["entry_id"]),
                        "at": now,
                    }
                )
            rows.flush(conn, now)


def timer_fired(row: Any, now: datetime) -> TimerFired:
    """Return a timer's row as the event it becomes."""
    return TimerFired(
        timer_id=row["id"],
        kind=row["kind"],
        customer_id=row["customer_id"],
        at=row["due_at"],
        conversation_id=row["conversation_id"],
        turn_no=row["turn_no"],
        step=row["step"],
        flow=row["flow"],
        slots=row["slots"] or {},
    )


def _fact_recorded(row: Any, now: datetime) -> FactRecorded:
    return FactRecorded(
        fact_id=row["id"],
        name=row["name"],
        customer_id=row["customer_id"],
        at=row["recorded_at"],
        data=row["data"] or {},
        due_at=None if row["troubles"] else row["due_at"],
    )
