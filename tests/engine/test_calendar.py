"""Local times in every zone, at the edges where clocks change."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.engine.calendar import next_local, next_open, window_open

HOURS = (time(9), time(20), time(12))
NEW_YORK, LOS_ANGELES = "America/New_York", "America/Los_Angeles"
ZONES = st.sampled_from(sorted(available_timezones()))
MINUTES = st.integers(0, 24 * 60 - 1).map(lambda minute: time(minute // 60, minute % 60))


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@cache
def edges(zone: str) -> Sequence[datetime]:
    """Return the moments in 2024 to 2026 at which a zone's clocks change, to the minute, else the middle of 2025."""
    place, found = ZoneInfo(zone), []
    moment = datetime(2024, 1, 1, tzinfo=UTC)
    while moment < datetime(2027, 1, 1, tzinfo=UTC):
        low, high = moment, moment + timedelta(days=7)
        if low.astimezone(place).utcoffset() != high.astimezone(place).utcoffset():
            before = low.astimezone(place).utcoffset()
            while high - low > timedelta(minutes=1):
                middle = low + ((high - low) // 2 // timedelta(minutes=1) or 1) * timedelta(minutes=1)
                low, high = (middle, high) if middle.astimezone(place).utcoffset() == before else (low, middle)
            found.append(high)
        moment += timedelta(days=7)
    return found or [datetime(2025, 6, 15, 12, tzinfo=UTC)]


@st.composite
def moments(draw: st.DrawFn) -> tuple[str, datetime]:
    """Draw a zone and a moment within two days of a change of its clocks."""
    zone = draw(ZONES)
    edge = draw(st.sampled_from(edges(zone)))
    return zone, edge + timedelta(minutes=draw(st.integers(-2 * 24 * 60, 2 * 24 * 60)))


@pytest.mark.parametrize(
    ("after", "at", "zone", "expected"),
    [
        ("2026-03-02 14:00", "10:00", NEW_YORK, "2026-03-02 15:00"),
        ("2026-03-02 15:00", "10:00", NEW_YORK, "2026-03-02 15:00"),
        ("2026-03-02 15:01", "10:00", NEW_YORK, "2026-03-03 15:00"),
        ("2026-03-08 05:00", "02:30", NEW_YORK, "2026-03-08 07:30"),  # does not exist: 03:30 summer time
        ("2026-11-01 04:00", "01:30", NEW_YORK, "2026-11-01 05:30"),  # happens twice: the first
        ("2026-11-01 05:31", "01:30", NEW_YORK, "2026-11-02 06:30"),
        ("2026-03-07 15:01", "10:00", NEW_YORK, "2026-03-08 14:00"),
        ("2026-03-02 00:00", "10:00", "Asia/Kathmandu", "2026-03-02 04:15"),
        ("2026-03-02 00:00", "10:00", "Pacific/Kiritimati", "2026-03-02 20:00"),
        ("2011-12-29 21:00", "10:00", "Pacific/Apia", "2011-12-30 20:00"),  # the 30th was left out there
    ],
)
def test_it_finds_the_next_local_time(after: str, at: str, zone: str, expected: str) -> None:
    assert next_local(utc(after), at, zone) == utc(expected)


@given(moments(), MINUTES)
def test_it_finds_a_local_time_in_every_zone_at_every_change(drawn: tuple[str, datetime], clock: time) -> None:
    """The moment is not before, at most a day and a change later, and shows that time unless it does not exist."""
    zone, after = drawn
    found = next_local(after, f"{clock:%H:%M}", zone)
    place = ZoneInfo(zone)
    assert timedelta(0) <= found - after <= timedelta(hours=26)
    shown = found.astimezone(place)
    wanted = datetime.combine(shown.date(), clock, place)
    if shown.time() != clock:
        day = shown.date() if shown.time() > clock else shown.date() - timedelta(days=1)
        missing = datetime.combine(day, clock, place)
        assert missing.astimezone(UTC).astimezone(place).replace(tzinfo=None) != missing.replace(tzinfo=None)
    else:
        assert wanted.astimezone(UTC) == found  # fold 0: the first of two


@given(moments(), MINUTES)
def test_it_finds_no_earlier_local_time(drawn: tuple[str, datetime], clock: time) -> None:
    """From the found moment itself the answer is the same; starting a moment later it is later."""
    zone, after = drawn
    at = f"{clock:%H:%M}"
    found = next_local(after, at, zone)
    assert next_local(found, at, zone) == found
    assert next_local(found + timedelta(seconds=1), at, zone) > found
    assert next_local(after + (found - after) / 2, at, zone) == found


@pytest.mark.parametrize(("at", "zone"), [("25:00", NEW_YORK), ("ten", NEW_YORK), ("10:00", "Etc/Unknown")])
def test_it_refuses_what_is_no_time_and_no_zone(at: str, zone: str) -> None:
    with pytest.raises(ValueError):
        next_local(utc("2026-03-02 00:00"), at, zone)


@pytest.mark.parametrize(
    ("local", "is_open"),
    [
        ("2026-03-02 08:59:59", False),
        ("2026-03-02 09:00", True),
        ("2026-03-02 19:59:59", True),
        ("2026-03-02 20:00", False),
        ("2026-03-08 11:59", False),  # a Sunday
        ("2026-03-08 12:00", True),
    ],
)
def test_it_knows_opening_hours(local: str, is_open: bool) -> None:
    moment = datetime.fromisoformat(local).replace(tzinfo=ZoneInfo(NEW_YORK)).astimezone(UTC)
    assert window_open(moment, [NEW_YORK], *HOURS) is is_open


def test_it_is_open_only_when_every_zone_is() -> None:
    morning = utc("2026-03-02 15:00")  # 10:00 and 07:00
    assert window_open(morning, [NEW_YORK], *HOURS)
    assert not window_open(morning, [NEW_YORK, LOS_ANGELES], *HOURS)
    assert next_open(morning, [NEW_YORK, LOS_ANGELES], *HOURS) == utc("2026-03-02 17:00")


def test_it_waits_over_the_night_and_for_sunday_noon() -> None:
    saturday_night = utc("2026-03-08 02:00")
    assert next_open(saturday_night, [NEW_YORK], *HOURS) == utc("2026-03-08 16:00")
    assert next_open(utc("2026-03-03 02:00"), [NEW_YORK], *HOURS) == utc("2026-03-03 14:00")


@pytest.mark.parametrize("zones", [[], ["Etc/Unknown"], [NEW_YORK, "Etc/Unknown"], [""], ["../etc"]])
def test_it_is_closed_where_the_zone_is_unknown(zones: list[str]) -> None:
    moment = utc("2026-03-02 17:00")
    assert not window_open(moment, zones, *HOURS)
    assert next_open(moment, zones, *HOURS) is None


def test_it_finds_no_opening_when_zones_never_overlap() -> None:
    """Half a world lies between them: eleven hours here are night there."""
    assert next_open(utc("2026-03-02 17:00"), ["America/New_York", "Asia/Shanghai"], *HOURS) is None
    assert next_open(utc("2026-03-02 17:00"), [NEW_YORK], time(9), time(9), time(9)) is None


@given(moments(), moments(), MINUTES, MINUTES, MINUTES)
@settings(max_examples=60)
def test_it_finds_the_first_open_moment(
    drawn: tuple[str, datetime], other: tuple[str, datetime], opens: time, closes: time, sunday: time
) -> None:
    """The answer is open and, looking every half hour, nothing before it is; None only where nothing is open."""
    zone, moment = drawn
    zones = [zone, other[0]]
    found = next_open(moment, zones, opens, closes, sunday)
    end = moment + timedelta(days=8) if found is None else found
    assert found is None or (found >= moment and window_open(found, zones, opens, closes, sunday))
    probe = moment
    while probe < end:
        assert not window_open(probe, zones, opens, closes, sunday)
        probe += timedelta(minutes=30)
    if found is not None and found > moment:
        assert not window_open(found - timedelta(seconds=1), zones, opens, closes, sunday)


def test_it_opens_when_the_clocks_skip_the_opening_hour() -> None:
    """Opening at 02:30 means 03:00 on the night when 02:00 to 03:00 is left out."""
    hours = (time(2, 30), time(5), time(2, 30))
    assert next_open(utc("2026-03-08 06:00"), [NEW_YORK], *hours) == utc("2026-03-08 07:00")


def test_it_opens_at_midnight_before_the_clocks_change_in_the_same_night() -> None:
    """At two in the night Morocco goes back an hour for Ramadan; the opening at midnight comes first."""
    hours = (time(0), time(2, 1), time(0))
    assert next_open(utc("2024-03-09 22:59"), ["Africa/Casablanca"], *hours) == utc("2024-03-09 23:00")
