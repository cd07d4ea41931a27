"""May this message go out now? One function, asked when a message is planned and again when it is claimed.

Sources: 47 CFR 64.1200(a)(10), (a)(12) (revocation, one confirmation) and (c)(1) (hours, local to the called
party); CTIA Messaging Principles 5.1 (opt-in, opt-out). The shop's own, stricter window and caps are in
programme.yaml under `limits`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from bot.engine.calendar import next_open
from bot.engine.conversation import Consent
from bot.engine.programme import Limits

Purpose = Literal["reply", "service", "marketing", "opt_out_confirmation"]
_DAY = timedelta(days=1)
_WEEK = timedelta(days=7)
MONTH = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Send:
    """It may go out now."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Not before `until`."""

    until: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Drop:
    """Never; the reason is kept with the message."""

    reason: str


Verdict = Send | Wait | Drop


@dataclass(frozen=True, slots=True)
class Recipient:
    """What the gate must know of a customer, read in the transaction that asks."""

    consent: Consent
    zones: tuple[str, ...]  #: every zone the customer may be in
    sendable: bool = True
    paused: bool = False  #: an unsettled doubt whether the customer wants out
    held_until: datetime | None = None
    wants_less: bool = False
    marketing_sent: Sequence[datetime] = ()  #: marketing texts of the last 30 days


def ask(
    purpose: Purpose, recipient: Recipient, limits: Limits, now: datetime, deadline: datetime | None = None
) -> Verdict:
    """Decide about one message.

    Answers to the customer's own text pass at any hour; everything else needs a customer who has not opted
    out and keeps to the window in every zone the customer may be in. Marketing also needs recorded consent
    and stays under the caps, which are rolling.
    """
    if not recipient.sendable:
        return Drop("bad_number")
    if deadline is not None and now >= deadline:
        return Drop("too_late")
    if purpose in ("reply", "opt_out_confirmation"):
        return Send()
    if recipient.consent == "unsubscribed":
        return Drop("opted_out")
    if purpose == "marketing":
        if recipient.consent != "subscribed":
            return Drop("no_consent")
        if recipient.paused:
            return Drop("in_doubt")
    verdict = _timely(purpose, recipient, limits, now)
    if isinstance(verdict, Wait) and deadline is not None and verdict.until >= deadline:
        return Drop("too_late")
    return verdict


def _timely(purpose: Purpose, recipient: Recipient, limits: Limits, now: datetime) -> Verdict:
    moment, reason = now, ""
    if recipient.held_until is not None and recipient.held_until > moment:
        moment, reason = recipient.held_until, "held_by_person"
    if purpose == "marketing":
        per_week = 1 if recipient.wants_less else limits.marketing_per_week
        caps = [(limits.marketing_per_day, _DAY), (per_week, _WEEK)]
        if limits.marketing_per_month is not None:
            caps.append((limits.marketing_per_month, MONTH))
        for cap, span in caps:
            free = _free_again(recipient.marketing_sent, cap, span, moment)
            if free is None:
                return Drop("frequency_cap")
            if free > moment:
                moment, reason = free, "frequency_cap"
    opens = next_open(moment, recipient.zones, limits.opens, limits.closes, limits.sunday_opens)
    if opens is None:
        return Drop("never_open")
    if opens > moment:
        moment, reason = opens, reason or "quiet_hours"
    return Wait(moment, reason) if moment > now else Send()


def _free_again(sent: Sequence[datetime], cap: int, span: timedelta, moment: datetime) -> datetime | None:
    """Return the first moment from `moment` on at which fewer than `cap` texts lie within the last `span`."""
    if cap <= 0:
        return None
    within = sorted(at for at in sent if at > moment - span)
    if len(within) < cap:
        return moment
    return within[len(within) - cap] + span
