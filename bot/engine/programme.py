"""The loyalty programme (`flows/programme.yaml`) as a frozen value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, time, timedelta
from typing import Literal

GOODBYE_RELEVANT = timedelta(days=1)  #: the confirmation of an opt-out; later it would be one more text


@dataclass(frozen=True, slots=True)
class Shop:
    """Who is speaking. `zone` is a tz database name; `currency` an ISO 4217 code."""

    name: str
    programme: str  #: the name of the loyalty programme, as carriers require in every consent text
    phone: str
    website: str
    terms: str
    zone: str
    country: str  #: ISO 3166, also the default region of numbers
    currency: str
    languages: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Tier:
    """A tier is reached with `from_points` qualifying points within the window."""

    key: str
    names: Mapping[str, str]
    from_points: int
    multiplier_percent: int = 100  #: points earned are multiplied by this
    perks: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reward:
    """Something points buy."""

    key: str
    names: Mapping[str, str]
    cost: int
    valid_for: timedelta
    stock: int | None = None  #: None: unlimited
    limit_per_customer: int | None = None
    tiers: tuple[str, ...] = ()  #: only for these tiers; empty: for all


@dataclass(frozen=True, slots=True)
class Wording:
    """A consent wording. A change of text needs a new version; old versions stay provable."""

    name: str
    version: int
    texts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Limits:
    """What marketing may do to one customer, which the gate holds, and what staff may do without a second person."""

    marketing_per_day: int = 1
    marketing_per_week: int = 3
    marketing_per_month: int | None = None  #: in 30 days; what the consent wording promises
    opens: time = time(9)
    closes: time = time(20)  #: 20:00:00 is already closed
    sunday_opens: time = time(12)
    service_per_day: int | None = None  #: unasked service texts in 24 hours
    unreachable_after: int = 3  #: texts in a row that reached nobody; then the number gets none any more
    same_text_within: timedelta = timedelta(days=1)  #: the same marketing text is not sent twice in this span
    person_holds: timedelta = timedelta(minutes=30)  #: a person who takes over, counted from the last answer
    support_points: int = 100  #: what staff may give or take at once and in a day; more needs a second person
    manager_points: int = 1000  #: the same for managers and administrators
    blackouts: tuple[tuple[date, date], ...] = ()  #: no marketing from a day to a day, both included
    replies_relevant: timedelta = timedelta(hours=4)  #: an answer that comes later answers nothing any more
    staff_relevant: timedelta = timedelta(hours=12)  #: the same for what one of the staff wrote
    service_relevant: timedelta = timedelta(days=1)  #: unasked service texts of flows that do not say `relevant`
    marketing_relevant: timedelta = timedelta(days=2)  #: marketing texts of flows that do not say `relevant`

    def relevance(self, purpose: str) -> timedelta:
        """Return after what time a text is pointless and dropped."""
        return {
            "reply": self.replies_relevant,
            "staff": self.staff_relevant,
            "service": self.service_relevant,
            "marketing": self.marketing_relevant,
        }.get(purpose, GOODBYE_RELEVANT)


@dataclass(frozen=True, slots=True)
class Programme:
    """Everything the flows may know of the shop and its rules."""

    shop: Shop
    points_per_unit: int  #: points per whole unit of money spent, rounded down once
    tiers: tuple[Tier, ...]  #: lowest first
    rewards: tuple[Reward, ...]  #: cheapest first
    wordings: Mapping[str, Wording]
    awards: Mapping[str, int]  #: named amounts: welcome, profile, check_in, referral, survey ...
    opt_in: Literal["single", "double"] = "double"
    points_expire_after: timedelta | None = None
    tier_window: timedelta = timedelta(days=365)
    tier_grace: timedelta = timedelta(days=30)  #: how long a tier is kept when the points for it have gone
    keep_messages: timedelta | None = None  #: after this the words of messages and answers are deleted; None: never
    undo_within: timedelta = timedelta(minutes=10)
    segment_price: int | None = None  #: what carriers charge for one segment, in millionths of the currency's unit
    accents: Literal["fold", "keep"] = "fold"
    limits: Limits = field(default_factory=Limits)
    digest: str = ""
