"""The gate and the law: every zone at every change of clocks, states, countries, numbers that may be anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot import gate
from bot.engine.programme import Limits
from bot.gate.asking import _laws_of
from bot.places import region_of, zones_of
from bot.rules import rules, states

OPEN = Limits(marketing_per_day=99, marketing_per_week=99, opens=time(0), closes=time(23, 59), sunday_opens=time(0))
ZONES = sorted(available_timezones() - {"Factory", "localtime"})
YEARS = (2026, 2027)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def subscribed(phone: str, region: str | None = None, **more: object) -> gate.Recipient:
    """Return a subscribed customer of whom nothing but the number, and perhaps the address, is known."""
    row = {
        "phone": phone,
        "zone": None,
        "attributes": {"region": region} if region else {},
        "consent": "subscribed",
        "sendable": True,
        "marketing_paused": False,
        "held_until": None,
        "frequency": "normal",
        **more,
    }
    return gate.recipient_of(row)


@cache
def edges(zone: str) -> Sequence[datetime]:
    """Return the moments of this and next year at which a zone's clocks change, else a summer's and a winter's day."""
    place, found = ZoneInfo(zone), []
    moment = datetime(YEARS[0], 1, 1, tzinfo=UTC)
    while moment.year <= YEARS[1]:
        low, high = moment, moment + timedelta(days=1)
        if low.astimezone(place).utcoffset() != high.astimezone(place).utcoffset():
            before = low.astimezone(place).utcoffset()
            while high - low > timedelta(minutes=1):
                middle = low + (high - low) / 2
                low, high = (middle, high) if middle.astimezone(place).utcoffset() == before else (low, middle)
            found.append(high)
        moment += timedelta(days=1)
    return found or [datetime(YEARS[0], 1, 4, tzinfo=UTC), datetime(YEARS[1], 7, 4, tzinfo=UTC)]


def test_no_marketing_outside_its_window_in_any_zone_at_any_change_of_clocks() -> None:
    """Every zone, every change of this and next year: asked again and again around it, and when told to wait."""
    limits = Limits(marketing_per_day=99, marketing_per_week=99)
    for zone in ZONES:
        place = ZoneInfo(zone)
        recipient = gate.Recipient("subscribed", (zone,))
        for edge in edges(zone):
            for step in range(-60, 61, 3):
                now = edge + timedelta(minutes=15 * step)
                verdict = gate.ask("marketing", recipient, limits, now)
                moment = verdict.until if isinstance(verdict, gate.Wait) else now
                assert not isinstance(verdict, gate.Drop), (zone, now)
                local = moment.astimezone(place)
                opens = limits.sunday_opens if local.weekday() == 6 else limits.opens
                assert opens <= local.time() < limits.closes, (zone, now, moment)
                if moment > now:  # and not later than need be: a minute before, it was still closed
                    early = (moment - timedelta(minutes=1)).astimezone(place)
                    opened = limits.sunday_opens if early.weekday() == 6 else limits.opens
                    assert not opened <= early.time() < limits.closes, (zone, now, moment)


@settings(max_examples=300)
@given(
    st.sampled_from(sorted(states())),
    st.datetimes(datetime(2026, 1, 1), datetime(2028, 1, 1), timezones=st.just(UTC)),
    st.data(),
)
def test_every_state_keeps_its_own_hours_in_all_its_zones(state: str, now: datetime, data: st.DataObject) -> None:
    """What goes out to a number of a state is inside the federal and the state's hours, wherever in it the phone is."""
    code = data.draw(st.sampled_from(states()[state].area_codes))
    recipient = subscribed(f"+1{code}5550123", region=f"US-{state}")
    verdict = gate.ask("marketing", recipient, OPEN, now)
    moment = verdict.until if isinstance(verdict, gate.Wait) else now
    for zone in recipient.zones:
        local = moment.astimezone(ZoneInfo(zone))
        for name in ("US", f"US-{state}"):
            hours = rules()[name].hours if name in rules() else None
            if hours is not None:
                span = hours.on(local.date())
                assert span is not None
                assert span[0] <= local.time() < span[1]


@pytest.mark.parametrize(
    ("phone", "now", "expected", "why"),
    [
        ("+12125550123", "2026-03-02 13:00", "2026-03-02 13:00", "New York opens at 8"),
        ("+12125550123", "2026-03-03 02:00", "2026-03-03 13:00", "21:00 is closed"),
        ("+13055550123", "2026-03-03 01:00", "2026-03-03 13:00", "Florida closes at 20:00, and may be Eastern"),
        ("+18505550123", "2026-03-03 13:00", "2026-03-03 14:00", "the Florida panhandle is Central too"),
        ("+12085550123", "2026-03-03 15:00", "2026-03-03 16:00", "north Idaho is Pacific"),
        ("+12145550123", "2026-03-01 16:00", "2026-03-01 18:00", "Texas: Sunday from noon"),
        ("+12145550123", "2026-03-02 14:30", "2026-03-02 15:00", "Texas: Monday from nine"),
        ("+14015550123", "2026-03-02 23:30", "2026-03-03 14:00", "Rhode Island closes at six"),
        ("+33612345678", "2026-03-01 12:00", "2026-03-02 07:00", "France: not on Sunday"),
        ("+33612345678", "2026-04-06 12:00", "2026-04-07 06:00", "France: not on Easter Monday"),
        ("+33612345678", "2026-07-14 12:00", "2026-07-15 06:00", "France: not on 14 July"),
        ("+447700900123", "2026-03-01 03:00", "2026-03-01 03:00", "the United Kingdom has no hours for texts"),
        ("+12999999999", "2026-03-03 05:00", "2026-03-03 23:00", "an area code of nobody may be anywhere"),
    ],
)
def test_the_law_of_the_place_counts(phone: str, now: str, expected: str, why: str) -> None:
    """Federal hours, stricter states, other countries, split area codes."""
    verdict = gate.ask("marketing", subscribed(phone), OPEN, utc(now))
    moment = verdict.until if isinstance(verdict, gate.Wait) else utc(now)
    assert moment == utc(expected), why


def test_an_address_wins_over_the_number() -> None:
    """Who moved to Hawaii is not woken at 3 in the morning; the law of the number's state still counts."""
    moved = subscribed("+12125550123", region="US-HI")
    verdict = gate.ask("marketing", moved, OPEN, utc("2026-03-02 13:00"))
    assert verdict == gate.Wait(utc("2026-03-02 18:00"), "legal_hours")
    assert {law.place for law in _laws_of(subscribed("+13055550123", region="US-HI"))} == {"US", "US-FL"}


def test_a_toll_free_number_may_be_anywhere_in_north_america() -> None:
    """Newfoundland and Guam share no hour of the usual window: in summer such a number gets no marketing."""
    assert len(zones_of("+18005550123")) == 42
    toll_free = subscribed("+18005550123")
    verdict = gate.ask("marketing", toll_free, Limits(), utc("2026-07-01 15:00"))
    assert verdict == gate.Drop("never_open")
    assert gate.ask("reply", toll_free, Limits(), utc("2026-07-01 15:00")) == gate.Send()


@pytest.mark.parametrize("phone", ["+18005550123", "+18885550123", "+12335550123"])
def test_such_a_number_is_told_of_its_order_in_the_mainlands_day(phone: str) -> None:
    """A service text waits until it is nine in Los Angeles, goes out until eight in New York, and is never dropped."""
    customer = subscribed(phone)
    assert gate.ask("service", customer, Limits(), utc("2026-07-01 15:00")) == gate.Wait(
        utc("2026-07-01 16:00"), "quiet_hours"
    )
    assert gate.ask("service", customer, Limits(), utc("2026-07-01 23:59")) == gate.Send()
    assert isinstance(gate.ask("service", customer, Limits(), utc("2026-07-02 00:00")), gate.Wait)
    known = replace(customer, zones=("Pacific/Guam",))
    assert isinstance(gate.ask("service", known, Limits(), utc("2026-07-01 16:00")), gate.Wait)


def test_the_reason_says_what_to_do() -> None:
    """Whoever reads why nothing was sent learns what to ask the customer."""
    assert "ZIP code" in gate.REASONS["never_open"]


def test_a_number_of_no_country_gets_no_marketing() -> None:
    """Where nothing is known of the place, no hour is safe."""
    nowhere = subscribed("+80012345678")
    assert region_of("+80012345678") is None
    assert gate.ask("marketing", nowhere, Limits(), utc("2026-03-02 15:00")) == gate.Drop("place_unknown")


def test_service_texts_keep_the_shops_hours_but_not_a_states() -> None:
    """An order that is ready on a Sunday in France is told; the shop's own night still counts."""
    buyer = subscribed("+33612345678")
    limits = Limits(sunday_opens=time(9))
    assert gate.ask("service", buyer, limits, utc("2026-03-01 12:00")) == gate.Send()
    assert gate.ask("service", buyer, limits, utc("2026-03-01 22:00")) == gate.Wait(
        utc("2026-03-02 08:00"), "quiet_hours"
    )


def test_a_state_allows_three_texts_in_any_24_hours() -> None:
    """Florida's cap is below this shop's own, and rolls."""
    now = utc("2026-03-02 18:00")
    sent = [now - timedelta(hours=hours) for hours in (23, 2, 1)]
    row = subscribed("+13055550123")
    three = gate.Recipient("subscribed", row.zones, phone=row.phone, marketing_sent=sent)
    assert gate.ask("marketing", three, OPEN, now) == gate.Wait(now + timedelta(hours=1), "frequency_cap")
    elsewhere = gate.Recipient("subscribed", ("America/New_York",), phone="+12125550123", marketing_sent=sent)
    assert gate.ask("marketing", elsewhere, OPEN, now) == gate.Send()


def test_blackout_days_are_those_of_the_customers_calendar() -> None:
    """On a blackout day marketing waits for the next open hour after it; service goes out."""
    limits = Limits(blackouts=((date(2026, 12, 24), date(2026, 12, 26)),))
    alice = subscribed("+12125550123")
    noon = utc("2026-12-24 17:00")
    assert gate.ask("marketing", alice, limits, noon) == gate.Wait(utc("2026-12-27 17:00"), "blackout")  # a Sunday
    assert gate.ask("service", alice, limits, noon) == gate.Send()
    year = Limits(blackouts=((date(2026, 12, 1), date(2027, 11, 30)),))
    assert gate.ask("marketing", alice, year, noon) == gate.Wait(utc("2027-12-01 14:00"), "blackout")


def test_the_same_text_is_not_sent_twice() -> None:
    """Marketing not within a day, service not within the hour; an answer always."""
    now = utc("2026-03-02 18:00")
    said = {"Hello": now - timedelta(hours=3)}
    alice = gate.Recipient("subscribed", ("America/New_York",), said=said)
    assert gate.ask("marketing", alice, Limits(), now, body="Hello") == gate.Drop("same_text")
    assert gate.ask("marketing", alice, Limits(), now, body="Hello!") == gate.Send()
    assert gate.ask("service", alice, Limits(), now, body="Hello") == gate.Send()
    assert gate.ask("reply", alice, Limits(), now, body="Hello") == gate.Send()
    assert gate.ask("marketing", alice, Limits(), now + timedelta(hours=21), body="Hello") == gate.Send()


def test_implied_consent_ends() -> None:
    """CASL's two years after a purchase: from then on no marketing."""
    ends = utc("2026-03-02 18:00")
    carl = subscribed("+14165550123", consent_expires_at=ends)
    assert gate.ask("marketing", carl, OPEN, ends - timedelta(minutes=1)) == gate.Send()
    assert gate.ask("marketing", carl, OPEN, ends) == gate.Drop("consent_expired")
    assert gate.ask("service", carl, OPEN, ends) == gate.Send()


def test_every_reason_has_plain_words() -> None:
    """What a message waits for, or was dropped for, is told in a sentence."""
    assert all(words.endswith(".") for words in gate.REASONS.values())
    assert gate.in_words("quiet_hours").startswith("It is outside")
    assert gate.in_words("carrier error 30007") == "carrier error 30007"
    assert gate.in_words(None) == ""


def test_every_rule_names_its_source_and_every_state_its_zones() -> None:
    """The data can be checked by the next reader."""
    assert all(rule.source for rule in rules().values())
    assert len(states()) == 51
    assert all(ZoneInfo(zone) for state in states().values() for zone in state.zones)
