"""Counts each day of the shop for the reports: today every few minutes, the days before again while they may change."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

from sqlalchemy import Engine

from storage import switches, tallies
from storage.database import reading, writing

FRESH = timedelta(minutes=2)  #: how old today's numbers may be
_LATE = 3  #: so many days back reports of delivery still come in
_DAY = timedelta(days=1)
_SWITCH = "tallies"
_MOST = 40  #: days in one tick: an old shop's past is counted bit by bit


def tally(engine: Engine, zone: ZoneInfo, now: datetime) -> int:
    """Count what is due; return how many days were counted. Any number of processes may do it at once."""
    with reading(engine) as conn:
        state = switches.get(conn, _SWITCH) or {}
        began = now if state else tallies.first_moment(conn) or now
    due = list(islice(_due(state, began, zone, now), _MOST))
    for day in due:
        with reading(engine) as conn:
            counted = tallies.count(conn, *bounds(day, zone))
        with writing(engine) as conn:
            tallies.write(conn, day, counted)
            if day >= date.fromisoformat(state.get("done", day.isoformat())):
                state = {"done": day.isoformat(), "at": now.isoformat()}
                switches.set(conn, _SWITCH, state)
    return len(due)


def bounds(day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Return when a day of the shop begins and ends; on the edges of summer time it has 23 or 25 hours."""
    start = datetime.combine(day, time(), zone).astimezone(UTC)
    return start, datetime.combine(day + _DAY, time(), zone).astimezone(UTC)


def _due(state: dict[str, str], began: datetime, zone: ZoneInfo, now: datetime) -> Iterator[date]:
    """Give the days to count: the first time all since `began`, then today, and after midnight the last ones again."""
    today = now.astimezone(zone).date()
    if not state:
        first = began.astimezone(zone).date()
    elif state["done"] == today.isoformat():
        if now - datetime.fromisoformat(state["at"]) >= FRESH:
            yield today
        return
    else:
        first = date.fromisoformat(state["done"]) - (_LATE - 1) * _DAY
    while first <= today:
        yield first
        first += _DAY
