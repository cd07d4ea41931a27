"""Tallies: what happened on each day of the shop, counted once and kept, so that a report reads a few rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import NamedTuple

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Date,
    Select,
    Table,
    case,
    delete,
    func,
    literal_column,
    select,
    union,
)

from storage.columns import Words, metadata
from storage.consent import consent_records
from storage.handoffs import handoffs
from storage.loyalty import ledger
from storage.messages import messages
from storage.rows import insert_rows
from storage.vouchers import vouchers

tallies = Table(
    "tallies",
    metadata,
    Column("measure", Words, primary_key=True),  #: `texts`, `joined`, `left`, `delivery`, `points` ...
    Column("day", Date, primary_key=True),  #: of the shop's zone
    Column("part", Words, primary_key=True),  #: what is counted apart, such as an error code; else empty
    Column("value", BigInteger, nullable=False),
)

CAUSE_WITHIN = timedelta(hours=48)  #: a customer who leaves so soon after marketing probably leaves because of it
#: Upper ends of the classes of waiting times, in minutes; the last class has none.
WAITS = (1, 5, 15, 60, 240, 1440)


class Tally(NamedTuple):
    """One number of one day."""

    measure: str
    part: str
    value: int


def write(connection: Connection, day: date, counted: Sequence[Tally]) -> None:
    """Put a day's numbers in the place of those that were counted before."""
    connection.execute(delete(tallies).where(tallies.c.day == day))
    rows = [{"day": day, "measure": each.measure, "part": each.part, "value": each.value} for each in counted]
    insert_rows(connection, tallies, rows)


def read(connection: Connection, measure: str, first: date, last: date) -> dict[tuple[date, str], int]:
    """Return a measure's numbers from a day to a day, both included: `{(day, part): value}`."""
    query = select(tallies.c.day, tallies.c.part, tallies.c.value).where(
        tallies.c.measure == measure, tallies.c.day >= first, tallies.c.day <= last
    )
    return {(row.day, row.part): row.value for row in connection.execute(query)}


def totals(connection: Connection, measure: str, first: date, last: date) -> dict[str, int]:
    """Return the sums of a measure's parts from a day to a day, both included."""
    query = (
        select(tallies.c.part, func.sum(tallies.c.value))
        .where(tallies.c.measure == measure, tallies.c.day >= first, tallies.c.day <= last)
        .group_by(tallies.c.part)
    )
    return {part: int(value) for part, value in connection.execute(query)}


def total_until(connection: Connection, measure: str, day: date) -> int:
    """Return the sum of a measure over all days up to this one."""
    query = select(func.coalesce(func.sum(tallies.c.value), 0)).where(
        tallies.c.measure == measure, tallies.c.day <= day
    )
    return int(connection.execute(query).scalar_one())


def first_moment(connection: Connection) -> datetime | None:
    """Return when the first message was written or the first points given, None when there is nothing."""
    found = [
        connection.execute(select(func.min(messages.c.created_at))).scalar(),
        connection.execute(select(func.min(ledger.c.at))).scalar(),
    ]
    return min((moment for moment in found if moment is not None), default=None)


def count(connection: Connection, start: datetime, end: datetime) -> list[Tally]:
    """Count everything that happened from `start` until before `end`."""
    counted = [
        *_texts(connection, start, end),
        *_customers(connection, start, end),
        *_consent(connection, start, end),
        *_points(connection, start, end),
        *_vouchers(connection, start, end),
        *_waits(connection, start, end),
    ]
    return [each for each in counted if each.value]


def _texts(connection: Connection, start: datetime, end: datetime) -> Iterator[Tally]:
    """Count texts by who wrote them and what became of them; `segments` is what the carrier charges for."""
    writer = case(
        (messages.c.direction == "in", "customer"),
        (messages.c.staff_id.is_not(None), "staff"),
        else_=func.coalesce(messages.c.purpose, "service"),
    ).label("writer")
    code = func.coalesce(messages.c.error_code, "").label("code")
    missed = func.coalesce(func.sum(case((messages.c.misunderstood.is_not(None), 1), else_=0)), 0)
    segments = func.coalesce(func.sum(messages.c.segments), 0)
    within = (messages.c.created_at >= start, messages.c.created_at < end)
    query = select(writer, messages.c.state, code, func.count(), missed, segments).where(*within)
    for by, state, error, found, misses, charged in connection.execute(query.group_by(writer, messages.c.state, code)):
        yield Tally("texts", f"{by}|{state}|{error}", found)
        yield Tally("misunderstood", f"{by}|{state}|{error}", int(misses))
        if state in ("sent", "delivered", "undelivered"):
            yield Tally("segments", f"{by}|{state}|{error}", int(charged))


def _customers(connection: Connection, start: datetime, end: datetime) -> Iterator[Tally]:
    """Count who wrote to the bot, and how many of them needed a person that day."""
    within = (messages.c.created_at >= start, messages.c.created_at < end)
    wrote = select(messages.c.customer_id).where(
        *within, messages.c.direction == "in", messages.c.customer_id.is_not(None)
    )
    asked = select(handoffs.c.customer_id).where(handoffs.c.requested_at >= start, handoffs.c.requested_at < end)
    helped = select(messages.c.customer_id).where(*within, messages.c.staff_id.is_not(None))
    yield Tally("active", "", _how_many(connection, wrote.distinct()))
    needed = union(asked, helped).subquery()
    both = select(wrote.distinct().subquery().c.customer_id).where(
        literal_column("customer_id").in_(select(needed.c.customer_id))
    )
    yield Tally("needed_person", "", _how_many(connection, both))


def _how_many(connection: Connection, query: Select[tuple[int]]) -> int:
    return int(connection.execute(select(func.count()).select_from(query.subquery())).scalar_one())


def _consent(connection: Connection, start: datetime, end: datetime) -> Iterator[Tally]:
    """Count who joined and who left, and after which marketing they left."""
    records = consent_records.c
    within = (records.at >= start, records.at < end)
    query = select(records.status, records.how, func.count()).where(*within).group_by(records.status, records.how)
    for status, how, found in connection.execute(query):
        if status in ("subscribed", "unsubscribed"):
            yield Tally("joined" if status == "subscribed" else "left", how, found)
    last_flow = (
        select(messages.c.flow)
        .where(
            messages.c.customer_id == records.customer_id,
            messages.c.purpose == "marketing",
            messages.c.sent_at <= records.at,
            messages.c.sent_at > start - CAUSE_WITHIN,
        )
        .order_by(messages.c.sent_at.desc())
        .limit(1)
        .scalar_subquery()
    )
    left = select(func.coalesce(last_flow, "").label("flow")).where(*within, records.status == "unsubscribed")
    flows = left.subquery()
    for flow, found in connection.execute(select(flows.c.flow, func.count()).group_by(flows.c.flow)):
        yield Tally("left_after", flow, found)


def _points(connection: Connection, start: datetime, end: datetime) -> Iterator[Tally]:
    """Count points by what was done with them; their sum is how the liability changed."""
    query = (
        select(ledger.c.kind, func.sum(ledger.c.points))
        .where(ledger.c.at >= start, ledger.c.at < end)
        .group_by(ledger.c.kind)
    )
    for kind, points in connection.execute(query):
        yield Tally("points", kind, int(points))


def _vouchers(connection: Connection, start: datetime, end: datetime) -> Iterator[Tally]:
    what = func.coalesce(vouchers.c.reward, vouchers.c.name).label("what")
    query = (
        select(what, func.count()).where(vouchers.c.redeemed_at >= start, vouchers.c.redeemed_at < end).group_by(what)
    )
    for reward, found in connection.execute(query):
        yield Tally("redeemed", reward, found)


def _waits(connection: Connection, start: datetime, end: datetime) -> Iterator[Tally]:
    """Count how long those who asked for a person waited for the first words of one, in classes of minutes."""
    answered = (
        select(func.min(messages.c.created_at))
        .where(
            messages.c.customer_id == handoffs.c.customer_id,
            messages.c.staff_id.is_not(None),
            messages.c.created_at >= handoffs.c.requested_at,
        )
        .scalar_subquery()
    )
    query = select(handoffs.c.requested_at, answered.label("answered_at")).where(
        handoffs.c.requested_at >= start, handoffs.c.requested_at < end
    )
    classes: dict[str, int] = {}
    for requested_at, answered_at in connection.execute(query):
        minutes = (answered_at - requested_at) / timedelta(minutes=1) if answered_at is not None else None
        name = "never" if minutes is None else str(next((most for most in WAITS if minutes <= most), "more"))
        classes[name] = classes.get(name, 0) + 1
    for name, found in classes.items():
        yield Tally("waited", name, found)
