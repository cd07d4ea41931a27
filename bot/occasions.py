"""Whom a schedule reaches on an occasion, in each customer's own zone, a page at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, and_, extract, func, or_, select

from bot.audience import Condition, condition
from bot.engine import offers
from bot.engine.calendar import local_moment
from bot.engine.definition import Flow, Schedule, Trigger
from bot.engine.recurrence import last_occasion, recurrence_of
from bot.gate.recipients import REGION, places_of
from storage import customers as people
from storage import switches
from storage.customers import customers
from storage.loyalty import lots
from storage.rows import Row
from storage.vouchers import ISSUED, vouchers

SINCE = "schedules_since"  #: switch: what came round before this moment is over
_ZONE = "zone:"
_TICK = timedelta(minutes=15)  # `missed: skip`: later than this it was missed
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Occasion:
    """A schedule that has come round in a zone and whose start is not over yet."""

    flow: str
    index: int  #: of the trigger
    trigger: Trigger
    zone: str
    everywhere_else: bool  #: also those whose zone nobody knows
    at: datetime
    after: int = 0  #: everybody up to here was started

    @property
    def schedule(self) -> Schedule:
        assert self.trigger.schedule is not None
        return self.trigger.schedule

    @property
    def day(self) -> date:
        """Return the day it falls on, there."""
        return self.at.astimezone(ZoneInfo(self.zone)).date()

    @property
    def key(self) -> str:
        return f"schedule:{self.flow}:{self.index}:{self.zone}"


@dataclass(frozen=True, slots=True)
class Reached:
    """One customer to be started, and what makes it happen once."""

    position: int  #: grows from page to page
    customer_id: int
    occasion: str
    slots: Mapping[str, Any] = field(default_factory=dict)
    wanted: bool = True


def due(conn: Connection, flows: Mapping[str, Flow], shop_zone: str, now: datetime) -> Iterator[Occasion]:
    """Yield what has come round by now and is not over, by each schedule's policy for missed occasions."""
    zones = sorted({shop_zone, *(key.removeprefix(_ZONE) for key in switches.keys(conn, _ZONE))})
    kept = switches.get(conn, SINCE)
    since = datetime.fromisoformat(kept) if kept else datetime.min.replace(tzinfo=UTC)
    for flow in flows.values():
        for index, trigger in enumerate(flow.triggers):
            plan = trigger.schedule
            if plan is None:
                continue
            within = plan.late if plan.missed == "run" else _TICK
            for zone in zones if plan.zone == "customer" else [shop_zone]:
                at = last_occasion(recurrence_of(plan), zone, now, within)
                if at is None or at <= since:
                    continue
                found = Occasion(flow.name, index, trigger, zone, zone == shop_zone, at)
                done = switches.get(conn, found.key) or {}
                if done.get("at") != at.isoformat():
                    yield found
                elif done["after"] is not None:
                    yield Occasion(flow.name, index, trigger, zone, zone == shop_zone, at, done["after"])


def note(conn: Connection, occasion: Occasion, after: int | None) -> None:
    """Remember how far an occasion has come; None: it is over."""
    switches.set(conn, occasion.key, {"at": occasion.at.isoformat(), "after": after})


def reached(conn: Connection, occasion: Occasion, now: datetime, after: int, limit: int) -> list[Reached]:
    """Return the next customers of an occasion, behind `after`, at most `limit`."""
    return _READERS[occasion.schedule.before](conn, occasion, now, after, limit)


def place_customers(conn: Connection, shop_zone: str, now: datetime, limit: int) -> int:
    """Note for subscribed customers by whose clock their schedules go; return for how many.

    The known zone; else, of all the zones the address or the number allows, the one where it is earliest,
    so that ten in the morning is nobody's night.
    """
    rows = people.unplaced(conn, limit)
    found = [(row["id"], {"local_zone": _local_zone(row, shop_zone, now)}) for row in rows]
    people.change(conn, found)
    known = set(switches.keys(conn, _ZONE))
    for zone in sorted({values["local_zone"] for _, values in found}):
        if _ZONE + zone not in known:
            switches.set(conn, _ZONE + zone, 1)
    return len(rows)


def _local_zone(row: Row, shop_zone: str, now: datetime) -> str:
    if row["zone"]:
        return str(row["zone"])
    region = (row["attributes"] or {}).get(REGION)
    zones = places_of(row["phone"], None, region if isinstance(region, str) else None)
    return min(zones, key=lambda zone: now.astimezone(ZoneInfo(zone)).utcoffset() or timedelta(), default=shop_zone)


def _there(occasion: Occasion, now: datetime) -> Condition:
    """Return who is meant: for whom the trigger's `if` holds, by whose clock it is time."""
    wanted = condition(occasion.trigger.when, now)
    if occasion.schedule.zone == "shop":
        return wanted
    here = customers.c.local_zone == occasion.zone
    return and_(wanted, or_(here, customers.c.local_zone.is_(None)) if occasion.everywhere_else else here)


def _until(occasion: Occasion) -> datetime:
    """Return the end of the day that lies `by` after the occasion."""
    return local_moment(occasion.day + occasion.schedule.by + _DAY, time(), occasion.zone)


def _everybody(conn: Connection, occasion: Occasion, now: datetime, after: int, limit: int) -> list[Reached]:
    plan = occasion.schedule
    each = plan.again_after is not None or plan.every in (None, "year")
    name = occasion.day.isoformat() if each else "once"
    if plan.cron is not None and plan.again_after is None:
        name = f"{occasion.at.astimezone(ZoneInfo(occasion.zone)):%Y-%m-%dT%H:%M}"
    query = select(customers.c.id).where(customers.c.id > after, _there(occasion, now))
    ids = conn.execute(query.order_by(customers.c.id).limit(limit)).scalars()
    return [Reached(each_id, each_id, name) for each_id in ids]


def _voucher_holders(conn: Connection, occasion: Occasion, now: datetime, after: int, limit: int) -> list[Reached]:
    """Each voucher once, when its end comes nearer than `by`; not those that were shorter from the start."""
    held = vouchers.alias("held")  # a condition may ask about the customer's vouchers too
    query = (
        select(held.c.id, held.c.customer_id, held.c.code, held.c.issued_at, held.c.ends_at)
        .join_from(held, customers, held.c.customer_id == customers.c.id)
        .where(
            held.c.id > after,
            held.c.status == ISSUED,
            held.c.ends_at > now,
            held.c.ends_at < _until(occasion),
            _there(occasion, now),
        )
        .order_by(held.c.id)
        .limit(limit)
    )
    return [
        Reached(row.id, row.customer_id, f"voucher:{row.id}", {offers.ISSUED: row.code}, long_enough)
        for row in conn.execute(query)
        for long_enough in [row.ends_at - row.issued_at > occasion.schedule.by]
    ]


def _point_holders(conn: Connection, occasion: Occasion, now: datetime, after: int, limit: int) -> list[Reached]:
    """Each customer once for the day on which points expire next."""
    query = (
        select(lots.c.customer_id, func.min(lots.c.expires_at).label("ends"))
        .join_from(lots, customers, lots.c.customer_id == customers.c.id)
        .where(
            lots.c.customer_id > after,
            lots.c.remaining > 0,
            lots.c.expires_at > now,
            lots.c.expires_at < _until(occasion),
            _there(occasion, now),
        )
        .group_by(lots.c.customer_id)
        .order_by(lots.c.customer_id)
        .limit(limit)
    )
    zone = ZoneInfo(occasion.zone)
    return [
        Reached(row.customer_id, row.customer_id, f"points:{row.ends.astimezone(zone).date()}")
        for row in conn.execute(query)
    ]


def _celebrants(conn: Connection, occasion: Occasion, now: datetime, after: int, limit: int) -> list[Reached]:
    """Those whose birthday it is, `by` later; who was born on 29 February celebrates on the 28th in other years."""
    day = occasion.day + occasion.schedule.by
    days = [(day.month, day.day)]
    if days == [(2, 28)] and (day + _DAY).day == 1:
        days.append((2, 29))
    born = customers.c.birthday
    query = (
        select(customers.c.id)
        .where(
            customers.c.id > after,
            born.is_not(None),
            or_(*(and_(extract("month", born) == month, extract("day", born) == number) for month, number in days)),
            _there(occasion, now),
        )
        .order_by(customers.c.id)
        .limit(limit)
    )
    return [Reached(each, each, f"birthday:{day.year}") for each in conn.execute(query).scalars()]


_Reader = Callable[[Connection, Occasion, datetime, int, int], list[Reached]]
_READERS: Mapping[str | None, _Reader] = {
    None: _everybody,
    "voucher_ends": _voucher_holders,
    "points_expire": _point_holders,
    "birthday": _celebrants,
}
