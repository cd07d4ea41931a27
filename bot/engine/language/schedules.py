"""`schedule`: on which days and at what time a flow starts by itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, timedelta

from bot.engine.definition import Schedule
from bot.engine.language.reader import Reader
from bot.engine.language.records import Field, Record, Values
from bot.engine.language.shapes import Clock, Duration, ListOf, OneOf, Words
from bot.engine.recurrence import parse_cron, parse_day_of_year, parse_monthday, parse_weekday

BIRTHDAY = "birthday"
BEFORE = ("voucher_ends", "points_expire", BIRTHDAY)
LATEST = timedelta(days=2)
_WAYS = ("every", "on", "cron", "before")
_PARSERS: Mapping[str | None, Callable[[str], object]] = {
    "week": parse_weekday,
    "month": parse_monthday,
    "year": parse_day_of_year,
}


def _schedule(values: Values, reader: Reader) -> Schedule:
    here, found = values.places, dict(values.found)
    if not any(way in here for way in _WAYS):
        reader.error("missing-key", f"schedule needs one of {', '.join(_WAYS)}: they say on which days", values.place)
    if "at" not in here and "cron" not in here:
        reader.error("missing-key", "schedule needs `at`: the local time", values.place)
    for one, other in (("cron", "every"), ("cron", "on"), ("cron", "at"), ("before", "every"), ("before", "on")):
        if one in here and other in here:
            reader.error("needless-key", f"`{one}` already says it; leave `{other}` out", here[other])
    for key, needed in (("by", "before"), ("late", "missed")):
        if key in here and needed not in here:
            reader.error("needless-key", f"`{key}` goes with `{needed}`, and there is none", here[key])
    _check_days(values, reader)
    if found.get("on") == (BIRTHDAY,):
        found["before"] = found.pop("on")[0]
    elif found.get("before") in BEFORE[:2] and "by" not in here:
        reader.error("missing-key", "`before` needs `by`: how long before", values.at("before"))
    if found.get("missed") == "skip" and "late" in here:
        reader.error("needless-key", "`late` goes with `missed: run`", here["late"])
    if found.get("late", LATEST) > LATEST:
        reader.error("out-of-range", "at most 2 days late", here["late"])
        del found["late"]
    found.setdefault("at", "")
    return Schedule(**{"every": None, **found})


def _check_days(values: Values, reader: Reader) -> None:
    """Complain of days that do not fit the span, and of a cron line that says nothing."""
    on, every = values.get("on", ()), values.get("every")
    try:
        if values.get("cron") is not None:
            parse_cron(values.get("cron"))
        if every == "day" and on:
            raise ValueError("every day has no `on`; write every: week, month or year")
        if every == "year" and len(on) != 1:
            raise ValueError("every year needs `on` with one day, like 12-01")
        for word in on if on != (BIRTHDAY,) or every is not None else ():
            _PARSERS.get(every, _parse_date)(word)
    except ValueError as error:
        place = values.values.get("cron") or values.values.get("on", values.place)
        reader.error("bad-schedule", str(error)[:200], place)


def _parse_date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"'{text}' is no day; write a date like 2026-12-01, or {BIRTHDAY}") from None


SCHEDULE = Record(
    "schedule",
    (
        Field("every", OneOf("span", ("day", "week", "month", "year")), "how often it comes round"),
        Field(
            "on",
            ListOf(Words("a day", 20)),
            "week: `[monday, friday]`; month: `1`, `15`, `last`; year: `12-01`; alone: dates like `2026-12-01`,"
            " or `birthday`",
        ),
        Field("at", Clock(), "the local time"),
        Field("cron", Words("a cron line", 60), "instead: minute, hour, day of the month, month, weekday"),
        Field("before", OneOf("date", BEFORE), "instead: for whom this day comes near"),
        Field("by", Duration(), "so long before it"),
        Field("zone", OneOf("zone", ("customer", "shop")), "whose clock shows the time; default: the customer's"),
        Field("again_after", Duration(), "the same customer at most once in this span; without it once ever"),
        Field("missed", OneOf("policy", ("run", "skip")), "after an outage: run it late (default), or leave it out"),
        Field("late", Duration(), "with `missed: run`: no later than this; default 12 hours"),
    ),
    _schedule,
    "A start at a local time for everybody the trigger's `if` holds for.",
)
