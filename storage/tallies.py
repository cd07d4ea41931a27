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
    Table,
    and_,
    bindparam,
    case,
    delete,
    func,
    select,
    union,
)

from storage.columns import Moment, Words, metadata
from storage.consent import consent_records
from storage.handoffs import handoffs
from storage.loyalty import ledger
from storage.messages import messages
from storage.rows import Row, insert_rows
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


_FORGET = delete(tallies).where(tallies.c.day == bindparam("the_day"))


def write(connection: Connection, day: date, counted: Sequence[Tally]) -> None:
    """Put a day's numbers in the place of those that were counted before."""
    connection.execute(_FORGET, {"the_day": day})
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


_start, _end = bindparam("start", type_=Moment), bindparam("end", type_=Moment)
_messages, _records, _handoffs = messages.c, consent_records.c, handoffs.c
_written = and_(_messages.created_at >= _start, _messages.created_at < _end)
_recorded = and_(_records.at >= _start, _records.at < _end)
_requested = and_(_handoffs.requested_at >= _start, _handoffs.requested_at < _end)

_writer = case(
    (_messages.direction == "in", "customer"),
    (_messages.staff_id.is_not(None), "staff"),
    else_=func.coalesce(_messages.purpose, "service"),
).label("writer")
_code = func.coalesce(_messages.error_code, "").label("code")
_TEXTS = (
    select(
        _writer,
        _messages.state,
        _code,
        func.count(),
        func.coalesce(func.sum(case((_messages.misunderstood.is_not(None), 1), else_=0)), 0),
        func.coalesce(func.sum(_messages.segments), 0),
    )
    .where(_written)
    .group_by(_writer, _messages.state, _code)
)

_wrote = (
    select(_messages.customer_id)
    .where(_written, _messages.direction == "in", _messages.customer_id.is_not(None))
    .distinct()
    .subquery()
)
_needed = union(
    select(_handoffs.customer_id).where(_requested),
    select(_messages.customer_id).where(_written, _messages.staff_id.is_not(None)),
).subquery()
_ACTIVE = select(func.count()).select_from(_wrote)
_NEEDED_PERSON = select(func.count()).where(_wrote.c.customer_id.in_(select(_needed.c.customer_id)))

_JOINED_AND_LEFT = (
    select(_records.status, _records.how, func.count())
    .where(_recorded, _records.status.in_(("subscribed", "unsubscribed")))
    .group_by(_records.status, _records.how)
)
_last_flow = (
    select(_messages.flow)
    .where(
        _messages.customer_id == _records.customer_id,
        _messages.purpose == "marketing",
        _messages.sent_at <= _records.at,
        _messages.sent_at > bindparam("cause_since", type_=Moment),
    )
    .order_by(_messages.sent_at.desc())
    .limit(1)
    .scalar_subquery()
)
_left = (
    select(func.coalesce(_last_flow, "").label("flow")).where(_recorded, _records.status == "unsubscribed").subquery()
)
_LEFT_AFTER = select(_left.c.flow, func.count()).group_by(_left.c.flow)

_POINTS = (
    select(ledger.c.kind, func.sum(ledger.c.points))
    .where(ledger.c.at >= _start, ledger.c.at < _end)
    .group_by(ledger.c.kind)
)
_what = func.coalesce(vouchers.c.reward, vouchers.c.name).label("what")
_REDEEMED = (
    select(_what, func.count()).where(vouchers.c.redeemed_at >= _start, vouchers.c.redeemed_at < _end).group_by(_what)
)

_answered_at = (
    select(func.min(_messages.created_at))
    .where(
        _messages.customer_id == _handoffs.customer_id,
        _messages.staff_id.is_not(None),
        _messages.created_at >= _handoffs.requested_at,
    )
    .scalar_subquery()
)
_WAITS = select(_handoffs.requested_at, _answered_at.label("answered_at")).where(_requested)


def count(connection: Connection, start: datetime, end: datetime) -> list[Tally]:
    """Count everything that happened from `start` until before `end`."""
    within = {"start": start, "end": end}
    counted = [
        *_texts(connection, within),
        *_customers(connection, within),
        *_consent(connection, within),
        *(Tally("points", kind, int(points)) for kind, points in connection.execute(_POINTS, within)),
        *(Tally("redeemed", what, found) for what, found in connection.execute(_REDEEMED, within)),
        *_waits(connection, within),
    ]
    return [each for each in counted if each.value]


def _texts(connection: Connection, within: Row) -> Iterator[Tally]:
    """Count texts by who wrote them and what became of them; `segments` is what the carrier charges for."""
    for by, state, error, found, misses, charged in connection.execute(_TEXTS, within):
        yield Tally("texts", f"{by}|{state}|{error}", found)
        yield Tally("misunderstood", f"{by}|{state}|{error}", int(misses))
        if state in ("sent", "delivered", "undelivered"):
            yield Tally("segments", f"{by}|{state}|{error}", int(charged))


def _customers(connection: Connection, within: Row) -> Iterator[Tally]:
    """Count who wrote to the bot, and how many of them needed a person that day."""
    yield Tally("active", "", int(connection.execute(_ACTIVE, within).scalar_one()))
    yield Tally("needed_person", "", int(connection.execute(_NEEDED_PERSON, within).scalar_one()))


def _consent(connection: Connection, within: Row) -> Iterator[Tally]:
    """Count who joined and who left, and after which marketing they left."""
    for status, how, found in connection.execute(_JOINED_AND_LEFT, within):
        yield Tally("joined" if status == "subscribed" else "left", how, found)
    for flow, found in connection.execute(_LEFT_AFTER, {**within, "cause_since": within["start"] - CAUSE_WITHIN}):
        yield Tally("left_after", flow, found)


def _waits(connection: Connection, within: Row) -> Iterator[Tally]:
    """Count how long those who asked for a person waited for the first words of one, in classes of minutes."""
    classes: dict[str, int] = {}
    for requested_at, answered_at in connection.execute(_WAITS, within):
        minutes = (answered_at - requested_at) / timedelta(minutes=1) if answered_at is not None else None
        name = "never" if minutes is None else str(next((most for most in WAITS if minutes <= most), "more"))
        classes[name] = classes.get(name, 0) + 1
    for name, found in classes.items():
        yield Tally("waited", name, found)
