"""Days as people write them: 3/14, 14.3., March 14, 14 de marzo, 1990-03-14, tomorrow."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from bot.engine import words as spoken
from bot.engine.lexicon import Lexicon

NO_YEAR = 2000  #: the year of a birthday told without one; a leap year, so that 29 February is a day

Kind = Literal["any", "past", "future", "birthday"]

_ISO = re.compile(r"(?<!\d)(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?!\d)")
_PARTS = re.compile(r"(?<!\d)(\d{1,2})\s?([-/.])\s?(\d{1,2})(?:\s?[-/.]\s?(\d{4}|\d{2})|\.)?(?!\d)")
_COMPACT = re.compile(r"(?<!\d)(\d{2})(\d{2})(\d{4})(?!\d)")
_DAY_WORD = re.compile(r"^(\d{1,2})(?:st|nd|rd|th|er|re|ro|o|a)?$")
_YEAR_WORD = re.compile(r"^(?:19|20)\d\d$")
_LONGEST = 14  #: words; a longer text is a story


@dataclass(frozen=True, slots=True)
class Day:
    """A day as read; `value` is None when there is no such day (31 April)."""

    value: date | None
    has_year: bool
    matched: str
    score: float = 1.0

    def placed(self, today: date, kind: Kind) -> date:
        """Return the date meant: without a year, the nearest one that fits what was asked for."""
        if self.value is None:
            raise ValueError("no such day")
        if self.has_year or kind == "birthday":
            return self.value
        this_year = _in_year(self.value, today.year)
        if kind == "past" and this_year > today:
            return _in_year(self.value, today.year - 1)
        if kind in ("future", "any") and this_year < today:
            return _in_year(self.value, today.year + 1)
        return this_year


def read_day(text: str, *, language: str, today: date, lexicon: Lexicon) -> Day | None:
    """Return the day a text names, or None. `language` decides whether 3/4 is in March or in April."""
    folded = spoken.fold(text)[:200]
    if len(folded.split()) > _LONGEST:
        return None
    if found := _ISO.search(folded):
        return _day(int(found[1]), int(found[2]), int(found[3]), found.group(), today)
    day_first = language in lexicon.replies.day_first
    if found := _PARTS.search(folded):
        return _numeric(int(found[1]), found[2], int(found[3]), found[4], day_first, found.group(), today)
    if (found := _COMPACT.search(folded)) and folded.strip().isdecimal():
        return _numeric(int(found[1]), "/", int(found[2]), found[3], day_first, found.group(), today)
    return _named(folded, today, lexicon)


def _numeric(first: int, mark: str, second: int, year: str | None, day_first: bool, matched: str, today: date) -> Day:
    month, day = (second, first) if day_first or mark == "." else (first, second)
    if month > 12 >= day:
        month, day = day, month
    return _day(int(year) if year else None, month, day, matched, today, short=bool(year) and len(year or "") == 2)


def _named(folded: str, today: date, lexicon: Lexicon) -> Day | None:
    """Read a day with a month's name, or today, tomorrow, yesterday."""
    tokens = spoken.join_words(folded).split(" ")
    replies = lexicon.replies
    months = [(place, replies.months[token]) for place, token in enumerate(tokens) if token in replies.months]
    if not months:
        offsets = [replies.days[token] for token in tokens if token in replies.days]
        if len(offsets) == 1 and len(tokens) <= 4:
            return Day(today + timedelta(days=offsets[0]), True, " ".join(tokens))
        return None
    place, month = months[0] if len(months) == 1 else _with_day(months, tokens)
    years = [int(token) for token in tokens if _YEAR_WORD.match(token)]
    days = sorted(
        ((abs(at - place), int(found[1])) for at, token in enumerate(tokens) if (found := _DAY_WORD.match(token))),
    )
    if not days:
        days = sorted(
            (abs(at - place), number)
            for at, token in enumerate(tokens)
            if (number := replies.ordinals.get(token, replies.numbers.get(token, 0))) and abs(at - place) <= 2
        )
    if not days:
        return None
    return _day(years[0] if years else None, month, days[0][1], " ".join(tokens)[:40], today)


def _with_day(months: list[tuple[int, int]], tokens: list[str]) -> tuple[int, int]:
    """Choose the month that has a number beside it: `I may come on march 3`."""
    for place, month in months:
        near = tokens[max(place - 2, 0) : place + 3]
        if any(_DAY_WORD.match(token) for token in near):
            return place, month
    return months[0]


def _day(year: int | None, month: int, day: int, matched: str, today: date, *, short: bool = False) -> Day:
    if year is not None and short:
        year += 2000 if year <= (today.year + 5) % 100 else 1900
    try:
        return Day(date(year if year is not None else NO_YEAR, month, day), year is not None, matched)
    except ValueError:
        return Day(None, year is not None, matched)


def _in_year(day: date, year: int) -> date:
    try:
        return day.replace(year=year)
    except ValueError:
        return date(year, 3, 1)
