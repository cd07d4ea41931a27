"""What is due: timers, facts, daily starts, expiry. All of it is rows; a tick only looks.

Every step claims and handles in one transaction, so that a process may die anywhere and any number may
tick at once. A row whose turn cannot be taken is put off, never lost and never in the others' way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from bot import telemetry
from bot.apply import Context, Rows, use_oldest
from bot.audience import select_customers
from bot.catalog import Catalog
from bot.engine.calendar import due_on
from bot.engine.definition import Flow, Trigger
from bot.engine.events import Event, FactRecorded, StartDue, TimerFired
from bot.errors import RegularsError
from bot.turn import Turns, load_customers
from storage import customers, facts, loyalty, starts, switches, timers, vouchers
from storage.database import reading, writing
from storage.errors import Stale
from storage.ids import next_id

BATCH = 200
PUT_OFF = timedelta(minutes=5)
Claim = Callable[[Connection, datetime, int], Sequence[Any]]


class Schedule:
    """Brings what is due to the turns."""

    def __init__(self, engine: Engine, catalog: Catalog, turns: Turns) -> None:
        self.engine = engine
        self.catalog = catalog
        self.turns = turns

    def run(self, now: datetime) -> int:
        """Handle everything that is due at `now`; return how many turns it made."""
        done = self.expire(now)
        done += self.start_due(now)
        done += self.fire_timers(now)
        return done + self.take_facts(now)

    def fire_timers(self, now: datetime) -> int:
        """Fire the timers that are due, oldest first."""
        return self._drain(now, timers.take_due, _timer_fired, timers.put_off, "timer")

    def take_facts(self, now: datetime) -> int:
        """Hand recorded facts to the flows that start from them."""
        return self._drain(now, facts.take_due, _fact_recorded, facts.put_off, "fact")

    def _drain(
        self,
        now: datetime,
        claim: Claim,
        event_of: Callable[[Any, datetime], Event],
        put_off: Callable[[Connection, int, datetime], None],
        kind: str,
    ) -> int:
        done, size = 0, BATCH
        while True:
            rows: Sequence[Any] = ()
            try:
                with writing(self.engine) as conn:
                    rows = claim(conn, now, size)
                    if rows:
                        self.turns.take_in(conn, [event_of(row, now) for row in rows], now)
            except (DBAPIError, RegularsError, Stale) as trouble:
                if size > 1:
                    size = 1  # find the one that makes trouble
                    continue
                telemetry.crashed(repr(trouble), kind=kind)
                with writing(self.engine) as conn:
                    put_off(conn, rows[0]["id"], now + PUT_OFF)
                continue
            if not rows:
                return done
            done += len(rows)
            telemetry.fired(kind, len(rows))
            if len(rows) < size and size > 1:
                return done

    def start_due(self, now: datetime) -> int:
        """Start scheduled flows for everybody their predicate holds for, once each occasion."""
        book = self.catalog.book
        local = now.astimezone(ZoneInfo(book.programme.shop.zone))
        done = 0
        for flow in book.flows.values():
            for index, trigger in enumerate(flow.triggers):
                plan = trigger.schedule
                if plan is None or f"{local:%H:%M}" < plan.at or not due_on(plan.every, local.date(), None):
                    continue
                key, today = f"schedule:{flow.name}:{index}", local.date().isoformat()
                with reading(self.engine) as conn:
                    if switches.get(conn, key) == today:
                        continue
                done += self._start_all(flow, index, trigger, today, now)
                with writing(self.engine) as conn:
                    switches.set(conn, key, today)
        return done

    def _start_all(self, flow: Flow, index: int, trigger: Trigger, today: str, now: datetime) -> int:
        assert trigger.schedule is not None
        assert trigger.when is not None
        done = after_id = 0
        occasion = today if trigger.schedule.again_after else "once"
        while True:
            with writing(self.engine) as conn:
                found = conn.execute(select_customers(trigger.when, now, after_id, BATCH))
                ids: list[int] = [row[0] for row in found]
                if not ids:
                    return done
                due = ids
                if trigger.schedule.again_after is not None:
                    recent = starts.recent(conn, flow.name, ids, now - trigger.schedule.again_after)
                    due = [customer_id for customer_id in ids if customer_id not in recent]
                fresh = starts.insert_missing(
                    conn, [{"flow": flow.name, "customer_id": each, "occasion": occasion, "at": now} for each in due]
                )
                events = [StartDue(flow.name, index, customer_id, now, occasion) for customer_id in fresh]
                self.turns.take_in(conn, events, now)
            done += len(events)
            after_id = ids[-1]

    def expire(self, now: datetime) -> int:
        """Expire points lot by lot (each once: the key names the lot) and vouchers whose time is over."""
        done = 0
        while True:
            with writing(self.engine) as conn:
                due = loyalty.expired_lots(conn, now, BATCH)
                if not due:
                    vouchers.expire(conn, now)
                    return done
                self._expire_lots(conn, due, now)
            done += len(due)

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


def _timer_fired(row: Any, now: datetime) -> TimerFired:
    return TimerFired(
        timer_id=row["id"],
        kind=row["kind"],
        customer_id=row["customer_id"],
        at=now,
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
    )
