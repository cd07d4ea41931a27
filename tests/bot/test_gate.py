"""The gate's laws: nothing after STOP, no marketing without consent, outside hours or above the caps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

from hypothesis import given
from hypothesis import strategies as st

from bot import gate
from bot.engine.programme import Limits

ZONES = sorted(available_timezones() - {"Factory", "localtime"})
LIMITS = Limits(marketing_per_day=1, marketing_per_week=3, marketing_per_month=4)
moments = st.datetimes(datetime(2024, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))
purposes = st.sampled_from(["reply", "service", "marketing", "opt_out_confirmation"])
consents = st.sampled_from(["none", "pending", "subscribed", "unsubscribed"])
zones = st.lists(st.sampled_from(ZONES), min_size=1, max_size=3).map(tuple)


@st.composite
def recipients(draw: st.DrawFn) -> gate.Recipient:
    """Any customer, with a history of marketing around now."""
    base = draw(moments)
    sent = [base - timedelta(hours=draw(st.integers(0, 800))) for _ in range(draw(st.integers(0, 6)))]
    return gate.Recipient(
        consent=draw(consents),
        zones=draw(zones),
        sendable=draw(st.booleans()),
        paused=draw(st.booleans()),
        held_until=draw(st.none() | moments),
        wants_less=draw(st.booleans()),
        marketing_sent=sent,
    )


@given(purposes, recipients(), moments, st.none() | moments)
def test_nobody_who_left_is_written_to(
    purpose: gate.Purpose, recipient: gate.Recipient, now: datetime, deadline: datetime | None
) -> None:
    """Only the answer to the customer's own text and the one confirmation pass after an opt-out."""
    verdict = gate.ask(purpose, recipient, LIMITS, now, deadline)
    if recipient.consent == "unsubscribed" and purpose in ("service", "marketing"):
        assert isinstance(verdict, gate.Drop)


@given(recipients(), moments, st.none() | moments)
def test_marketing_needs_consent_hours_and_room(
    recipient: gate.Recipient, now: datetime, deadline: datetime | None
) -> None:
    """What is let through now has consent, lies in the window of every zone, and under every rolling cap."""
    verdict = gate.ask("marketing", recipient, LIMITS, now, deadline)
    if not isinstance(verdict, gate.Send):
        return
    assert recipient.consent == "subscribed"
    assert not recipient.paused
    assert recipient.sendable
    assert deadline is None or now < deadline
    assert recipient.held_until is None or recipient.held_until <= now
    for zone in recipient.zones:
        local = now.astimezone(ZoneInfo(zone))
        opens = LIMITS.sunday_opens if local.weekday() == 6 else LIMITS.opens
        assert opens <= local.time() < LIMITS.closes
    for cap, span in ((1, 1), (1 if recipient.wants_less else 3, 7), (4, 30)):
        assert sum(at > now - timedelta(days=span) for at in recipient.marketing_sent) < cap


@given(recipients(), moments)
def test_waiting_is_long_enough(recipient: gate.Recipient, now: datetime) -> None:
    """Asked again at the moment it named, the gate does not name the same reason for a later one at once."""
    verdict = gate.ask("marketing", recipient, LIMITS, now)
    if isinstance(verdict, gate.Wait):
        assert verdict.until > now
        again = gate.ask("marketing", recipient, LIMITS, verdict.until)
        assert not isinstance(again, gate.Drop)


@given(recipients(), moments)
def test_answers_pass_at_any_hour(recipient: gate.Recipient, now: datetime) -> None:
    """A customer who writes at three in the morning is answered at three in the morning."""
    if recipient.sendable:
        assert gate.ask("reply", recipient, LIMITS, now) == gate.Send()


@given(recipients(), moments)
def test_what_a_person_writes_needs_a_customer_who_has_not_left(recipient: gate.Recipient, now: datetime) -> None:
    """At any hour and whoever holds the conversation; never to somebody who opted out or to a bad number."""
    verdict = gate.ask("staff", recipient, LIMITS, now, body="Hello")
    free = recipient.sendable and recipient.consent != "unsubscribed"
    assert isinstance(verdict, gate.Send if free else gate.Drop)
    day = gate.daytime(recipient, LIMITS, now)
    assert day >= now
    assert gate.daytime(recipient, LIMITS, day) == day


def test_a_text_that_comes_too_late_is_dropped() -> None:
    """A reminder whose deadline lies before the window opens is not sent the next morning."""
    night = datetime(2026, 3, 3, 4, 0, tzinfo=UTC)
    recipient = gate.Recipient("subscribed", ("America/New_York",))
    verdict = gate.ask("service", recipient, LIMITS, night, night + timedelta(hours=2))
    assert verdict == gate.Drop("too_late")
