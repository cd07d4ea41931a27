"""Reports: the tallies of a range of days, beside those of the range before it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from typing import Literal

from sqlalchemy import Connection

from storage import tallies

Name = Literal[
    "joined", "left", "left_after", "active", "solved", "misunderstood", "delivery", "errors", "redeemed", "points",
    "waited",
]  # fmt: skip
NAMES: tuple[Name, ...] = (
    "joined", "left", "left_after", "active", "solved", "misunderstood", "delivery", "errors", "redeemed", "points",
    "waited",
)  # fmt: skip
Numbers = Mapping[tuple[date, str], int]  #: by day and part
DAY = timedelta(days=1)
_FIRST = date(2000, 1, 1)  # no shop is older
LONGEST = 400 * DAY


@dataclass(frozen=True, slots=True)
class Days:
    """From a day to a day, both included, in the shop's zone."""

    first: date
    last: date

    @property
    def count(self) -> int:
        return (self.last - self.first).days + 1

    @property
    def before(self) -> Days:
        """Return as many days just before these."""
        return Days(self.first - self.count * DAY, self.first - DAY)

    def __iter__(self) -> Iterator[date]:
        return (self.first + number * DAY for number in range(self.count))


@dataclass(frozen=True, slots=True)
class Report:
    """One question's numbers: by day and by part, with the total and that of the range before."""

    name: Name
    days: Days
    parts: tuple[str, ...]  #: the largest first
    by_day: Numbers
    totals: Mapping[str, int]  #: by part
    total: int
    before: int  #: the same, of as many days before

    @property
    def by_days(self) -> dict[date, int]:
        """Return each day's sum over all parts."""
        sums = dict.fromkeys(self.days, 0)
        for (day, _), value in self.by_day.items():
            sums[day] += value
        return sums

    @property
    def change_percent(self) -> int | None:
        """Return by how much the total differs from the range before, None when there was nothing before."""
        return round(100 * (self.total - self.before) / self.before) if self.before > 0 else None


def days_of(wanted: str, first: str, last: str, today: date) -> Days:
    """Return the range a person asked for: `7`, `30`, `90`, `365` days up to today, or two ISO dates.

    What cannot be read becomes the last 30 days; the later day is never in the future.
    """
    try:
        earlier, later = sorted(min(max(date.fromisoformat(day), _FIRST), today) for day in (first, last))
    except ValueError:
        count = int(wanted) if wanted in ("7", "30", "90", "365") else 30
        return Days(today - (count - 1) * DAY, today)
    return Days(max(earlier, later - LONGEST + DAY), later)


def read(conn: Connection, days: Days, *names: Name) -> list[Report]:
    """Return reports in this order; each measure is read once, however many of them are made of it."""
    during = cache(lambda measure: tallies.read(conn, measure, days.first, days.last))
    before = cache(lambda measure: _in_one(conn, measure, days.before))
    return [_report(name, days, _numbers(name, during), _numbers(name, before)) for name in names]


def _report(name: Name, days: Days, numbers: Numbers, before: Numbers) -> Report:
    totals: dict[str, int] = {}
    for (_, part), value in numbers.items():
        totals[part] = totals.get(part, 0) + value
    parts = tuple(sorted(totals, key=lambda part: (-abs(totals[part]), part)))
    return Report(name, days, parts, numbers, totals, sum(totals.values()), sum(before.values()))


def outstanding(conn: Connection, days: Days) -> dict[date, int]:
    """Return how many points all customers held together at the end of each day."""
    held = tallies.total_until(conn, "points", days.first - DAY)
    changed: dict[date, int] = {}
    for (day, _), value in tallies.read(conn, "points", days.first, days.last).items():
        changed[day] = changed.get(day, 0) + value
    found = {}
    for day in days:
        held += changed.get(day, 0)
        found[day] = held
    return found


def _in_one(conn: Connection, measure: str, days: Days) -> Numbers:
    """Return a measure's numbers as if they were all of one day: of the days before only the sum is shown."""
    return {(days.first, part): value for part, value in tallies.totals(conn, measure, days.first, days.last).items()}


def _numbers(name: Name, of: Callable[[str], Numbers]) -> Numbers:
    read = of({"delivery": "texts", "errors": "texts", "solved": "active"}.get(name, name))
    if name == "misunderstood":
        return _gathered(read, lambda part: "")
    if name == "delivery":
        return _gathered(read, lambda part: None if _is_in(part) else part.split("|")[1])
    if name == "errors":
        return _gathered(read, lambda part: None if _is_in(part) else part.split("|")[2] or None)
    if name == "solved":
        needed = of("needed_person")
        alone = {key: value - needed.get(key, 0) for key, value in read.items()}
        return {**{(day, "alone"): value for (day, _), value in alone.items()},
                **{(day, "person"): value for (day, _), value in needed.items()}}  # fmt: skip
    return read


def _is_in(part: str) -> bool:
    return part.startswith("customer|")


def _gathered(numbers: Numbers, name: Callable[[str], str | None]) -> Numbers:
    """Return the numbers under new names of their parts; those without a name are left out."""
    found: dict[tuple[date, str], int] = {}
    for (day, part), value in numbers.items():
        new = name(part)
        if new is not None:
            found[day, new] = found.get((day, new), 0) + value
    return found
