"""What the gate is told and what it answers, as values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from bot.engine.conversation import Consent

Purpose = Literal["reply", "service", "marketing", "opt_out_confirmation", "staff"]


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
    marketing_sent: Sequence[datetime] = ()  #: marketing texts of the last 30 days, those in flight included
    phone: str = ""  #: says whose law counts; without it the countries of the zones do
    region: str | None = None  #: of a known address: `US-TX`, `FR`
    consent_until: datetime | None = None  #: implied consent ends (CASL); None: it does not
    said: Mapping[str, datetime] = field(default_factory=dict)  #: unasked texts of the last days -> when
    service_sent: Sequence[datetime] = ()  #: unasked service texts of the last days, those in flight included
