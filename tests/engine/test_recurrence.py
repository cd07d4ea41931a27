"""When schedules come round: days, cron lines, zones, changes of clocks."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.engine.definition import Schedule
from bot.engine.recurrence import in_words, last_occasion, next_occasion, parse_cron, recurrence_of

NEW_YORK = "America/New_York"
ZONES = sorted(available_timezones() - {"Factory", "localtime"})


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("schedule", "after", "expected"),
    [
        (Schedule("10:00"), "2026-03-02 15:00", "2026-03-03 15:00"),
        (Schedule("10:00", every="week"), "2026-03-02 15:00", "2026-03-09 14:00"),  # Monday; summer time began
        (Schedule("10:00", every="week", on=("tue", "friday")), "2026-03-03 15:00", "2026-03-06 15:00"),
        (Schedule("10:00", every="month"), "2026-03-02 15:00", "2026-04-01 14:00"),
        (Schedule("10:00", every="month", on=("31",)), "2026-04-01 15:00", "2026-04-30 14:00"),
        (Schedule("10:00", every="month", on=("last",)), "2026-02-01 15:00", "2026-02-28 15:00"),
        (Schedule("10:00", every="year", on=("12-01",)), "2026-12-01 15:00", "2027-12-01 15:00"),
        (Schedule("10:00", every=None, on=("2026-12-01", "2026-12-24")), "2026-12-01 15:00", "2026-12-24 15:00"),
        (Schedule("10:00", every=None, on=("2026-12-01",)), "2026-12-01 15:00", None),
        (Schedule("", every=None, cron="30 9,17 * * 1-5"), "2026-03-06 14:30", "2026-03-06 22:30"),
        (Schedule("", every=None, cron="0 10 13 * fri"), "2026-03-01 00:00", "2026-03-06 15:00"),  # either
        (Schedule("", every=None, cron="0 10 29 2 *"), "2026-03-01 00:00", "2028-02-29 15:00"),
        (Schedule("02:30"), "2026-03-07 12:00", "2026-03-08 07:30"),  # does not exist: 03:30 summer time
        (Schedule("01:30"), "2026-11-01 05:30", "2026-11-02 06:30"),  # the first of two was just now
    ],
)
def test_it_comes_round(schedule: Schedule, after: str, expected: str | None) -> None:
    """The next occasion in New York."""
    found = next_occasion(recurrence_of(schedule), NEW_YORK, utc(after))
    assert found == (utc(expected) if expected else None)


@given(
    st.sampled_from(ZONES),
    st.datetimes(datetime(2026, 1, 1), datetime(2028, 1, 1), timezones=st.just(UTC)),
    st.sampled_from([Schedule("10:00"), Schedule("02:30"), Schedule("", every=None, cron="0 0,12 * * *")]),
)
def test_the_next_is_the_last_once_it_has_come(zone: str, now: datetime, schedule: Schedule) -> None:
    """In every zone, occasions are found the same from before and from after, and none lies between."""
    recurrence = recurrence_of(schedule)
    coming = next_occasion(recurrence, zone, now)
    assert coming is not None
    assert now < coming <= now + timedelta(hours=26)
    assert last_occasion(recurrence, zone, coming, timedelta(minutes=1)) == coming
    passed = last_occasion(recurrence, zone, coming - timedelta(microseconds=1), timedelta(days=2))
    assert passed is not None
    assert passed <= now


def test_what_was_missed_too_long_ago_has_no_occasion() -> None:
    """Only the latest occasion counts, and only within the time that is allowed."""
    daily = recurrence_of(Schedule("10:00"))
    three_days_later = utc("2026-03-05 16:00")
    assert last_occasion(daily, NEW_YORK, three_days_later, timedelta(hours=12)) == utc("2026-03-05 15:00")
    assert last_occasion(daily, NEW_YORK, utc("2026-03-05 14:00"), timedelta(hours=12)) is None


@pytest.mark.parametrize(
    "line",
    ["", "* * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "0 10 * 13 *", "0 10 * * 8", "5-1 * * * *", "* * * * *"],
)
def test_it_refuses_a_cron_line_that_says_nothing_or_too_much(line: str) -> None:
    """Wrong fields, wrong numbers, and every minute of the day."""
    with pytest.raises(ValueError):
        parse_cron(line)


def test_it_is_said_in_words() -> None:
    """Lists of flows tell when they start."""
    assert in_words(Schedule("10:00", every="week", on=("monday",))) == "every week on monday at 10:00"
    assert in_words(Schedule("10:00", every=None, before="voucher_ends", by=timedelta(days=7))) == (
        "7 days before voucher_ends at 10:00"
    )
    assert in_words(Schedule("10:00", every=None, before="birthday")) == "on the birthday at 10:00"
    assert date.fromisoformat("2026-12-01") in (
        recurrence_of(Schedule("10:00", every=None, on=("2026-12-01",))).dates or ()
    )
