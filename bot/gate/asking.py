"""The question itself: send, wait until, or drop, with the reason."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from functools import lru_cache

from bot.engine.calendar import HORIZON, Hours, Place, next_allowed, shop_hours
from bot.engine.programme import Limits
from bot.gate.verdict import Drop, Purpose, Recipient, Send, Verdict, Wait
from bot.places import UNKNOWN_STATE, country_of_zone, likely_zones_of, region_of
from bot.rules import Rule, rules

DAY = timedelta(days=1)
WEEK = timedelta(days=7)
MONTH = timedelta(days=30)
_SERVICE_TWICE = timedelta(hours=1)  # the same service text again so soon is a loop, not news
_ALWAYS = (time(0), time.max)


def ask(
    purpose: Purpose,
    recipient: Recipient,
    limits: Limits,
    now: datetime,
    deadline: datetime | None = None,
    body: str | None = None,
) -> Verdict:
    """Decide about one message.

    Answers to the customer's own text pass at any hour; everything else needs a customer who has not opted
    out. What a person writes then passes, too; the bot's own texts keep to the window in every zone the
    customer may be in (a number that may be anywhere from Guam to Newfoundland is presumed on the mainland, for
    service texts only), and nothing is said twice. Marketing also needs recorded consent that has not run out,
    keeps to the hours of the law that counts for the customer and to the shop's blackout days, and stays
    under the caps, which are rolling.
    """
    if not recipient.sendable:
        return Drop("bad_number")
    if deadline is not None and now >= deadline:
        return Drop("too_late")
    if purpose in ("reply", "opt_out_confirmation"):
        return Send()
    if recipient.consent == "unsubscribed":
        return Drop("opted_out")
    if purpose == "staff":
        return Send()  # whoever wrote it was asked whether the hour is right, see `daytime`
    if purpose == "marketing":
        if recipient.consent != "subscribed":
            return Drop("no_consent")
        if recipient.consent_until is not None and recipient.consent_until <= now:
            return Drop("consent_expired")
        if recipient.paused:
            return Drop("in_doubt")
    if body is not None and _said_lately(purpose, recipient, limits, now, body):
        return Drop("same_text")
    verdict = _timely(purpose, recipient, limits, now)
    if isinstance(verdict, Wait) and deadline is not None and verdict.until >= deadline:
        return Drop("too_late")
    return verdict


def daytime(recipient: Recipient, limits: Limits, now: datetime) -> datetime:
    """Return from when on it is day wherever the customer may be, by the shop's own hours: `now` when it is."""
    return next_allowed(now, _places("service", recipient, limits, ())) or now


def _said_lately(purpose: Purpose, recipient: Recipient, limits: Limits, now: datetime, body: str) -> bool:
    said = recipient.said.get(body)
    span = limits.same_text_within if purpose == "marketing" else min(limits.same_text_within, _SERVICE_TWICE)
    return said is not None and said > now - span


def _timely(purpose: Purpose, recipient: Recipient, limits: Limits, now: datetime) -> Verdict:
    laws = _laws_of(recipient)
    moment, reason = now, ""
    if recipient.held_until is not None and recipient.held_until > moment:
        moment, reason = recipient.held_until, "held_by_person"
    sent = recipient.marketing_sent if purpose == "marketing" else recipient.service_sent
    for cap, span in _caps(purpose, recipient, limits, laws):
        free = _free_again(sent, cap, span, moment)
        if free is None:
            return Drop("frequency_cap")
        if free > moment:
            moment, reason = free, "frequency_cap"
    places = _places(purpose, recipient, limits, laws)
    if not places:
        return Drop("place_unknown")
    opens = next_allowed(moment, places, HORIZON + _longest(limits))
    if opens is None and purpose == "service" and recipient.phone:
        recipient = replace(recipient, zones=likely_zones_of(recipient.phone))
        opens = next_allowed(moment, _places(purpose, recipient, limits, laws))
    if opens is None:
        return Drop("never_open")
    if opens > moment:
        moment, reason = opens, reason or _why_closed(now, recipient, limits)
    return Wait(moment, reason) if moment > now else Send()


def _caps(
    purpose: Purpose, recipient: Recipient, limits: Limits, laws: Sequence[Rule]
) -> Iterator[tuple[int, timedelta]]:
    """Yield how many texts may lie within which rolling span."""
    if purpose == "service":
        if limits.service_per_day is not None:
            yield limits.service_per_day, DAY
        return
    yield min([limits.marketing_per_day, *(law.per_day for law in laws if law.per_day is not None)]), DAY
    yield 1 if recipient.wants_less else limits.marketing_per_week, WEEK
    if limits.marketing_per_month is not None:
        yield limits.marketing_per_month, MONTH


def _free_again(sent: Sequence[datetime], cap: int, span: timedelta, moment: datetime) -> datetime | None:
    """Return the first moment from `moment` on at which fewer than `cap` texts lie within the last `span`."""
    if cap <= 0:
        return None
    within = sorted(at for at in sent if at > moment - span)
    if len(within) < cap:
        return moment
    return within[len(within) - cap] + span


def _places(purpose: Purpose, recipient: Recipient, limits: Limits, laws: Sequence[Rule]) -> list[Place]:
    """Return every zone with all the hours to keep there. States and blackout days count for marketing only."""
    hours = [_of_shop(limits.opens, limits.closes, limits.sunday_opens)]
    if purpose == "marketing":
        hours += [law.hours for law in laws if law.hours is not None]
        if limits.blackouts:
            hours.append(_blackouts(limits.blackouts))
    return [(zone, tuple(hours)) for zone in dict.fromkeys(recipient.zones)]


def _why_closed(now: datetime, recipient: Recipient, limits: Limits) -> str:
    """Say what keeps a text back: the shop's own hours, its blackout days, or the law."""
    own = _of_shop(limits.opens, limits.closes, limits.sunday_opens)
    if next_allowed(now, [(zone, (own,)) for zone in recipient.zones]) != now:
        return "quiet_hours"
    days = (_blackouts(limits.blackouts),)
    return "legal_hours" if next_allowed(now, [(zone, days) for zone in recipient.zones]) == now else "blackout"


def _longest(limits: Limits) -> timedelta:
    return sum((last - first + DAY for first, last in limits.blackouts), timedelta())


@lru_cache(maxsize=64)
def _of_shop(opens: time, closes: time, sunday_opens: time) -> Hours:
    return shop_hours(opens, closes, sunday_opens)


@lru_cache(maxsize=64)
def _blackouts(days: tuple[tuple[date, date], ...]) -> Hours:
    return Hours((_ALWAYS,) * 7, dates=days)


def _laws_of(recipient: Recipient) -> tuple[Rule, ...]:
    return _laws(recipient.phone, recipient.region, recipient.zones)


@lru_cache(maxsize=16_384)
def _laws(phone: str, region: str | None, zones: tuple[str, ...]) -> tuple[Rule, ...]:
    """Return all rules that may count: of the known address, of the number, else of the zones' countries."""
    regions = {each for each in (region, region_of(phone) if phone else None) if each is not None}
    if region is not None and region.startswith("US-"):
        regions.discard(UNKNOWN_STATE)
    if not regions:
        regions = {country for zone in zones if (country := country_of_zone().get(zone)) is not None}
    names = sorted({name for each in regions for name in (each.partition("-")[0], each)})
    return tuple(rules()[name] for name in names if name in rules())
