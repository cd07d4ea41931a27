"""When a schedule comes round: its days and times of day, as moments in a zone.

Where the clocks change, a time that does not exist moves forward by the gap and one that happens twice is
the first, so that no occasion is lost and none comes twice.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache

from bot.engine.calendar import local_moment, zone_named
from bot.engine.definition import Schedule

LAST = -1  #: the last day of a month
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_PART = re.compile(r"(\*|[a-z0-9]+)(?:-([a-z0-9]+))?(?:/([0-9]{1,2}))?")
_FIELDS = (("minute", 0, 59), ("hour", 0, 23), ("day of the month", 1, 31), ("month", 1, 12), ("weekday", 0, 7))
_DAY = timedelta(days=1)
_FAR = 366 * 9  # days until 29 February has surely come


@dataclass(frozen=True, slots=True)
class Recurrence:
    """Days and times of day. What is None restricts nothing."""

    times: tuple[time, ...]
    weekdays: frozenset[int] | None = None  #: 0 is Monday
    monthdays: frozenset[int] | None = None  #: LAST is the last
    months: frozenset[int] | None = None
    dates: frozenset[date] | None = None
    either: bool = False  #: a weekday or a day of the month is enough, as in cron
    exact: bool = False  #: a month that is too short has no such day, as in cron

    def falls_on(self, day: date) -> bool:
        """Say whether a day is one of them. In a month that is too short, a later day is its last, but not in cron."""
        if self.dates is not None:
            return day in self.dates
        if self.months is not None and day.month not in self.months:
            return False
        weekday = self.weekdays is None or day.weekday() in self.weekdays
        monthday = self.monthdays is None or self._is_monthday(day)
        return weekday or monthday if self.either else weekday and monthday

    def _is_monthday(self, day: date) -> bool:
        assert self.monthdays is not None
        last = monthrange(day.year, day.month)[1]
        beyond = LAST in self.monthdays or (not self.exact and any(wanted > last for wanted in self.monthdays))
        return day.day in self.monthdays or (beyond and day.day == last)


@lru_cache(maxsize=1024)
def recurrence_of(schedule: Schedule) -> Recurrence:
    """Return when a schedule comes round. Raises ValueError for what the reader would have refused."""
    if schedule.cron is not None:
        return parse_cron(schedule.cron)
    times = (time.fromisoformat(schedule.at),)
    match schedule.every:
        case "week":
            return Recurrence(times, weekdays=frozenset(map(parse_weekday, schedule.on or ("monday",))))
        case "month":
            return Recurrence(times, monthdays=frozenset(map(parse_monthday, schedule.on or ("1",))))
        case "year":
            month, day = parse_day_of_year(schedule.on[0])
            return Recurrence(times, monthdays=frozenset({day}), months=frozenset({month}))
        case None if schedule.on:
            return Recurrence(times, dates=frozenset(map(date.fromisoformat, schedule.on)))
        case _:
            return Recurrence(times)


def in_words(schedule: Schedule) -> str:
    """Say when a schedule comes round: `every week on monday at 10:00`."""
    if schedule.cron is not None:
        return f"cron {schedule.cron}"
    if schedule.before == "birthday" and not schedule.by:
        days = "on the birthday"
    elif schedule.before is not None:
        days = f"{schedule.by.days} days before {schedule.before}"
    else:
        days = f"every {schedule.every}" if schedule.every else ""
        days += f" on {', '.join(schedule.on)}" if schedule.on else ""
    return f"{days.strip()} at {schedule.at}"


def last_occasion(recurrence: Recurrence, zone: str, now: datetime, within: timedelta) -> datetime | None:
    """Return the latest occasion up to `now` that is less than `within` ago, None when there was none."""
    place = zone_named(zone)
    if place is None:
        return None
    day, found = now.astimezone(place).date() + _DAY, None
    while found is None and day >= (now - within).astimezone(place).date() - _DAY:
        if recurrence.falls_on(day):
            passed = [moment for moment in _moments(recurrence, day, zone) if moment <= now]
            found = max(passed, default=None)
        day -= _DAY
    return found if found is not None and now - found < within else None


def next_occasion(recurrence: Recurrence, zone: str, now: datetime) -> datetime | None:
    """Return the first occasion after `now`, None when there is none any more."""
    place = zone_named(zone)
    if place is None:
        return None
    today = now.astimezone(place).date()
    for offset in range(-1, _FAR):
        day = today + offset * _DAY
        if recurrence.falls_on(day):
            coming = [moment for moment in _moments(recurrence, day, zone) if moment > now]
            if coming:
                return min(coming)
    return None


def _moments(recurrence: Recurrence, day: date, zone: str) -> list[datetime]:
    return [local_moment(day, clock, zone) for clock in recurrence.times]


def parse_weekday(text: str) -> int:
    """Return 0 for `monday` or `mon`. Raises ValueError, with advice."""
    for number, name in enumerate(WEEKDAYS):
        if text.lower() in (name, name[:3]):
            return number
    raise ValueError(f"'{text}' is no weekday; write monday, tuesday ...")


def parse_monthday(text: str) -> int:
    """Return a day of the month, LAST for `last`. Raises ValueError, with advice."""
    if text.lower() == "last":
        return LAST
    if text.isascii() and text.isdigit() and 1 <= int(text) <= 31:
        return int(text)
    raise ValueError(f"'{text}' is no day of a month; write 1 to 31 or last")


def parse_day_of_year(text: str) -> tuple[int, int]:
    """Return month and day of `12-01`. Raises ValueError, with advice."""
    try:
        day = date.fromisoformat(f"2024-{text}")
    except ValueError:
        raise ValueError(f"'{text}' is no day of the year; write month and day like 12-01") from None
    return day.month, day.day


def parse_cron(text: str) -> Recurrence:
    """Return what five cron fields say: minute, hour, day of the month, month, weekday (0 and 7 are Sunday).

    As cron does, a day counts when the day of the month or the weekday fits, if both are restricted.
    Raises ValueError, with advice.
    """
    fields = text.lower().split()
    if len(fields) != len(_FIELDS):
        raise ValueError("cron has five fields: minute, hour, day of the month, month, weekday, like 0 10 * * mon")
    minutes, hours, monthdays, months, weekdays = map(_cron_field, fields, _FIELDS)
    times = tuple(time(hour, minute) for hour in sorted(hours) for minute in sorted(minutes))
    if len(times) > 24:
        raise ValueError("that comes round more than 24 times a day")
    by_monthday, by_weekday = fields[2] != "*", fields[4] != "*"
    return Recurrence(
        times,
        weekdays=frozenset((number - 1) % 7 for number in weekdays) if by_weekday else None,
        monthdays=frozenset(monthdays) if by_monthday else None,
        months=frozenset(months) if fields[3] != "*" else None,
        either=by_monthday and by_weekday,
        exact=True,
    )


def _cron_field(text: str, field: tuple[str, int, int]) -> set[int]:
    name, low, high = field
    found: set[int] = set()
    for part in text.split(","):
        match = _PART.fullmatch(part)
        if match is None:
            raise ValueError(f"'{part}' is no {name}")
        if match[1] == "*":
            first, last = low, high
        else:
            first = _cron_number(match[1], field)
            last = _cron_number(match[2], field) if match[2] else high if match[3] else first
        step = int(match[3] or 1)
        if first > last or step == 0:
            raise ValueError(f"'{part}' is no {name}")
        found.update(range(first, last + 1, step))
    return found


def _cron_number(text: str, field: tuple[str, int, int]) -> int:
    name, low, high = field
    names: Sequence[str] = _MONTHS if name == "month" else ("sun", *(day[:3] for day in WEEKDAYS[:-1]))
    if name in ("month", "weekday") and text[:3] in names and text.isalpha():
        return names.index(text[:3]) + (1 if name == "month" else 0)
    if not text.isdigit() or not low <= int(text) <= high:
        raise ValueError(f"'{text}' is no {name}: from {low} to {high}")
    return int(text)
