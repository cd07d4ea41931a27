"""Turning the demo's clock: from one due moment to the next, so that everything happens in its order."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import Connection

from bot.engine.definition import Flow
from bot.engine.recurrence import next_occasion, recurrence_of
from bot.errors import RegularsError
from bot.services import Services
from storage import customers, handsets, switches
from storage.database import reading, writing

OFFSET = "clock_offset"
FURTHEST = timedelta(days=400)
_DAY = timedelta(days=1)
_turning = threading.Lock()


class AlreadyTurning(RegularsError):
    """The clock is being turned already; one moment."""


@dataclass(frozen=True, slots=True)
class Due:
    """Something that will happen at a moment, and to whom."""

    at: datetime
    kind: Literal["deadline", "reminder", "text", "fact", "daily"]
    customer_id: int | None = None
    flow: str | None = None
    state: str | None = None


@dataclass(frozen=True, slots=True)
class Turned:
    """How far the clock came. `done` is False when there is more on the way to the target."""

    now: datetime
    until: datetime
    done: bool


def next_due(conn: Connection, after: datetime) -> Due | None:
    """Return the first thing after a moment that waits for one customer: a timer, a queued text or a fact."""
    found = []
    timer = handsets.next_timer(conn, after)
    if timer is not None:
        flow = timer["place_flow"] or timer["flow"]
        found.append(Due(timer["due_at"], timer["kind"], timer["customer_id"], flow, timer["place_state"]))
    queued = handsets.next_queued(conn, after)
    if queued is not None:
        found.append(Due(queued["send_after"], "text", queued["customer_id"], queued["flow"], queued["flow_state"]))
    fact = handsets.next_fact(conn, after)
    if fact is not None:
        found.append(Due(fact["due_at"], "fact", fact["customer_id"]))
    return min(found, key=lambda due: due.at, default=None)


def next_daily(flows: list[Flow], zone: str, after: datetime) -> Due | None:
    """Return the first moment after `after` at which a flow starts by its schedule, for whomever it is due."""
    moments = []
    for flow in flows:
        for plan in (trigger.schedule for trigger in flow.triggers if trigger.schedule is not None):
            moment = next_occasion(recurrence_of(plan), zone, after)
            if moment is not None:
                moments.append(Due(moment, "daily", flow=flow.name))
    return min(moments, key=lambda due: due.at, default=None)


def turn(shop: Services, until: datetime, budget: float = 0.8) -> Turned:
    """Turn the clock towards a moment, stopping at everything due on the way; work for about `budget` seconds.

    The offset is kept before anything happens under it, so that a restart never goes back behind what was
    said. Raises AlreadyTurning while another request turns it.
    """
    if not _turning.acquire(blocking=False):
        raise AlreadyTurning()
    try:
        return _turn(shop, until, budget)
    finally:
        _turning.release()


def _turn(shop: Services, until: datetime, budget: float) -> Turned:
    started = time.monotonic()
    _settle(shop)
    while (now := shop.clock.now()) < until:
        if time.monotonic() - started > budget:
            return Turned(now, until, done=False)
        moment = _next_moment(shop, now)
        shop.clock.turn_to(until if moment is None else min(until, moment))
        with writing(shop.engine) as conn:
            switches.set(conn, OFFSET, shop.clock.offset.total_seconds())
        _settle(shop)
    return Turned(shop.clock.now(), until, done=True)


def _next_moment(shop: Services, now: datetime) -> datetime | None:
    with reading(shop.engine) as conn:
        waiting = next_due(conn, now)
    book = shop.catalog.book
    daily = next_daily(list(book.flows.values()), book.programme.shop.zone, now)
    return min((due.at for due in (waiting, daily) if due is not None), default=None)


def _settle(shop: Services) -> None:
    """Do what is due now; wait a little for what another tick has in its hands."""
    for _ in range(5):
        now = shop.clock.now()
        shop.schedule.run(now)
        shop.delivery.drain(shop.clock.now)
        with reading(shop.engine) as conn:
            if not handsets.overdue(conn, now):
                return
        time.sleep(0.02)


def target_of_next(shop: Services) -> datetime | None:
    """Return when the next thing happens to a customer, None when nothing waits."""
    with reading(shop.engine) as conn:
        due = next_due(conn, shop.clock.now())
    return due.at if due is not None else None


def whose(conn: Connection, due: Due) -> str | None:
    """Return the number of the customer something will happen to."""
    row = customers.by_id(conn, due.customer_id) if due.customer_id is not None else None
    return row["phone"] if row is not None else None
