"""Local times: the next moment of a clock time, opening hours in several zones, days that are closed.

Moments are aware UTC datetimes, zones tz database names. Where the clocks change, a local time that
does not exist moves forward by the gap (02:30 becomes 03:30) and one that happens twice is the first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from typing import Literal
from zoneinfo import ZoneInfo

_DAY = timedelta(days=1)
_MARGIN = timedelta(hours=3)  # midnight itself may be skipped or repeated
HORIZON = timedelta(days=8)
Span = tuple[time, time]  #: from the first until before the second


@dataclass(frozen=True, slots=True, eq=False)
class Hours:
    """When texts may arrive: by weekday (Monday first), never on some days of the year."""

    week: tuple[Span | None, ...]
    yearly: frozenset[tuple[int, int]] = frozenset()  #: closed on these (month, day)
    easter: frozenset[int] = frozenset()  #: closed so many days after Easter Sunday
    dates: tuple[tuple[date, date], ...] = ()  #: closed from a day to a day, both included

    def on(self, day: date) -> Span | None:
        """Return the hours of a day, None when it is closed."""
        if (day.month, day.day) in self.yearly or any(first <= day <= last for first, last in self.dates):
            return None
        if self.easter and (day - easter_sunday(day.year)).days in self.easter:
            return None
        return self.week[day.weekday()]


Place = tuple[str, tuple[Hours, ...]]  #: a zone, and all the hours that must be kept there


@lru_cache(maxsize=64)
def easter_sunday(year: int) -> date:
    """Return Easter Sunday of the Gregorian calendar (the algorithm of Meeus, Jones and Butcher)."""
    century, of_century = divmod(year, 100)
    leaps, rest = divmod(century, 4)
    moon = (19 * (year % 19) + century - leaps - (century - (century + 8) // 25 + 1) // 3 + 15) % 30
    shift = (32 + 2 * rest + 2 * (of_century // 4) - moon - of_century % 4) % 7
    late = (year % 19 + 11 * moon + 22 * shift) // 451
    month, day = divmod(moon + shift - 7 * late + 114, 31)
    return date(year, month, day + 1)


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


def shop_hours(opens: time, closes: time, sunday_opens: time) -> Hours:
    """Return the hours of a shop: every day from `opens` (Sundays `sunday_opens`) until before `closes`."""
    return Hours((*[(opens, closes)] * 6, (sunday_opens, closes)))


def window_open(moment: datetime, zones: Sequence[str], opens: time, closes: time, sunday_opens: time) -> bool:
    """Say whether every zone is within its hours: from `opens` (Sundays `sunday_opens`) until before `closes`.

    No zone, or one that does not exist, is closed: where nothing is known nobody is disturbed.
    """
    hours = (shop_hours(opens, closes, sunday_opens),)
    places = [zone_named(name) for name in zones]
    return bool(places) and all(place is not None and _is_open(moment, place, hours) for place in places)


def next_open(moment: datetime, zones: Sequence[str], opens: time, closes: time, sunday_opens: time) -> datetime | None:
    """Return the first moment, not before the given one, when every zone is open; None if none is within 8 days.

    The given moment itself comes back when all are open already.
    """
    hours = (shop_hours(opens, closes, sunday_opens),)
    return next_allowed(moment, [(name, hours) for name in dict.fromkeys(zones)])


def next_allowed(moment: datetime, places: Sequence[Place], horizon: timedelta = HORIZON) -> datetime | None:
    """Return the first moment, not before the given one, when all the hours of every place are open.

    None when there is none within the horizon, when there is no place, and for a zone that does not exist:
    where nothing is known nobody is disturbed.
    """
    known = [(zone, hours) for name, hours in places if (zone := zone_named(name)) is not None]
    if not known or len(known) < len(places):
        return None
    limit, now = moment + horizon, moment.astimezone(UTC)
    while now <= limit:
        latest = now
        for zone, hours in known:
            found = _next_open(latest, zone, hours, limit)
            if found is None:
                return None
            latest = max(latest, found)
        if latest == now:
            return now
        now = latest
    return None


def local_moment(day: date, clock: time, zone: str) -> datetime:
    """Return when it is a time of a day in a zone, in UTC. Raises ValueError for a zone that does not exist."""
    place = zone_named(zone)
    if place is None:
        raise ValueError(f"unknown time zone {zone!r}")
    return _moment(day, clock, place)


def _moment(day: date, clock: time, place: tzinfo, fold: Literal[0, 1] = 0) -> datetime:
    return datetime.combine(day, clock.replace(fold=fold), place).astimezone(UTC)


@lru_cache(maxsize=4096)
def _span(hours: tuple[Hours, ...], day: date) -> Span | None:
    """Return what of a day all the hours leave open."""
    spans = [each.on(day) for each in hours]
    if not spans or None in spans:
        return None
    opens, closes = max(span[0] for span in spans if span), min(span[1] for span in spans if span)
    return (opens, closes) if opens < closes else None


def _is_open(moment: datetime, place: tzinfo, hours: tuple[Hours, ...]) -> bool:
    local = moment.astimezone(place)
    span = _span(hours, local.date())
    return span is not None and span[0] <= local.time() < span[1]


def _next_open(now: datetime, place: tzinfo, hours: tuple[Hours, ...], limit: datetime) -> datetime | None:
    """Return the first moment from now on when one zone is open, None if there is none until the limit.

    It can only be now, when the clock shows an opening time, or when the clocks are changed.
    """
    if _is_open(now, place, hours):
        return now
    today, found = now.astimezone(place).date(), None
    for offset in range(-1, (limit - now).days + 3):
        day = today + timedelta(days=offset)
        candidates = set(_changes(day, place))
        if (span := _span(hours, day)) is not None:
            candidates |= {_moment(day, span[0], place), _moment(day, span[0], place, 1)}
        possible = [moment for moment in candidates if moment > now and _is_open(moment, place, hours)]
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
