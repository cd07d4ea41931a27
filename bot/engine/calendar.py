"""Local times: the next moment of a clock time, opening hours in several zones, recurring days.

Moments are aware UTC datetimes, zones tz database names. Where the clocks change, a local time that
does not exist moves forward by the gap (02:30 becomes 03:30) and one that happens twice is the first.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from typing import Literal
from zoneinfo import ZoneInfo

_DAY = timedelta(days=1)
_MARGIN = timedelta(hours=3)  # midnight itself may be skipped or repeated
_HORIZON = timedelta(days=8)
_SUNDAY = 6


@lru_cache(maxsize=1024)
def zone_named(name: str) -> ZoneInfo | None:
    """Return a zone, or None for a name that is not in the tz database (such as `Etc/Unknown`)."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return None


def next_local(after: datetime, at: str, zone: str) -> datetime:
    """Return the first moment, not before `after`, when it is `at` ("10:00") in a zone, in UTC.

    Raises ValueError for a text that is no time and for a zone that does not exist.
    """
    clock = time.fromisoformat(at)
    place = zone_named(zone)
    if place is None:
        raise ValueError(f"unknown time zone {zone!r}")
    today = after.astimezone(place).date()
    days = (today + timedelta(days=offset) for offset in range(-2, 5))
    return min(moment for day in days if (moment := _moment(day, clock, place)) >= after)


def window_open(moment: datetime, zones: Sequence[str], opens: time, closes: time, sunday_opens: time) -> bool:
    """Say whether every zone is within its hours: from `opens` (Sundays `sunday_opens`) until before `closes`.

    No zone, or one that does not exist, is closed: where nothing is known nobody is disturbed.
    """
    places = [zone_named(name) for name in zones]
    return bool(places) and all(
        place is not None and _is_open(moment, place, opens, closes, sunday_opens) for place in places
    )


def next_open(moment: datetime, zones: Sequence[str], opens: time, closes: time, sunday_opens: time) -> datetime | None:
    """Return the first moment, not before the given one, when every zone is open; None if none is within 8 days.

    The given moment itself comes back when all are open already.
    """
    places = [place for name in dict.fromkeys(zones) if (place := zone_named(name)) is not None]
    if not places or len(places) < len(set(zones)):
        return None
    limit, now = moment + _HORIZON, moment.astimezone(UTC)
    while now <= limit:
        latest = now
        for place in places:
            found = _next_open(latest, place, opens, closes, sunday_opens)
            if found is None:
                return None
            latest = max(latest, found)
        if latest == now:
            return now
        now = latest
    return None


def due_on(schedule_every: Literal["day", "week", "month"], local_date: date, anchor: date | None = None) -> bool:
    """Say whether a schedule falls on a day.

    Weekly is the anchor's weekday (without an anchor Monday), monthly its day of the month (without an
    anchor the 1st), in shorter months their last day. Nothing falls before the anchor.
    """
    if anchor is not None and local_date < anchor:
        return False
    if schedule_every == "day":
        return True
    if schedule_every == "week":
        return local_date.weekday() == (anchor.weekday() if anchor else 0)
    day = anchor.day if anchor else 1
    return local_date.day == min(day, monthrange(local_date.year, local_date.month)[1])


def _moment(day: date, clock: time, place: tzinfo, fold: Literal[0, 1] = 0) -> datetime:
    return datetime.combine(day, clock.replace(fold=fold), place).astimezone(UTC)


def _is_open(moment: datetime, place: tzinfo, opens: time, closes: time, sunday_opens: time) -> bool:
    local = moment.astimezone(place)
    return (sunday_opens if local.weekday() == _SUNDAY else opens) <= local.time() < closes


def _next_open(now: datetime, place: tzinfo, opens: time, closes: time, sunday_opens: time) -> datetime | None:
    """Return the first moment from now on when one zone is open.

    It can only be now, when the clock shows an opening time, or when the clocks are changed.
    """
    if _is_open(now, place, opens, closes, sunday_opens):
        return now
    today, found = now.astimezone(place).date(), None
    for offset in range(-1, 10):
        day = today + timedelta(days=offset)
        clock = sunday_opens if day.weekday() == _SUNDAY else opens
        candidates = {_moment(day, clock, place), _moment(day, clock, place, 1), *_changes(day, place)}
        possible = [
            moment for moment in candidates if moment > now and _is_open(moment, place, opens, closes, sunday_opens)
        ]
        if found is not None:  # a change of clocks that belongs to two days may come after the second day's opening
            return min([found, *possible])
        found = min(possible, default=None)
    return found


@lru_cache(maxsize=4096)
def _changes(day: date, place: tzinfo) -> tuple[datetime, ...]:
    """Return the moment at which the clocks are changed on a local day, if they are."""
    low, high = _moment(day, time(0), place) - _MARGIN, _moment(day + _DAY, time(0), place) + _MARGIN
    before, after = _offset(low, place), _offset(high, place)
    if before == after:
        return ()
    while high - low > timedelta(seconds=1):
        middle = low + (high - low) // 2
        middle -= timedelta(microseconds=middle.microsecond)
        if _offset(middle, place) == before:
            low = middle
        else:
            high = middle
    return (high,)


def _offset(moment: datetime, place: tzinfo) -> timedelta | None:
    return moment.astimezone(place).utcoffset()
