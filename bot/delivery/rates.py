"""How fast a sender may send, in segments: the carriers count parts of texts, not texts.

Sources: https://www.twilio.com/docs/messaging/guides/scaling-queueing-latency (long code, toll-free, short
code) and the 10DLC tables of AT&T (per minute) and T-Mobile (per brand and day) by trust score, as Telnyx
reproduces them in 2026. Whoever has better figures says so in SENDING_RATE and SENDING_DAILY_CAP.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from bot.errors import SettingsError
from storage.rows import Row

CAP_ZONE = ZoneInfo("America/Los_Angeles")  # T-Mobile's day begins at midnight Pacific time
_BURST_SECONDS = 2.0  # a tick may come late by that much without losing anything
_SMALLEST_BURST = 3.0
_AMOUNT = re.compile(r"(\d+(?:\.\d+)?)/(s|min)")


@dataclass(frozen=True, slots=True)
class Rate:
    """Segments a second, how many may go at once, and how many a day for the whole brand."""

    per_second: float
    daily: int | None = None

    @property
    def burst(self) -> float:
        return max(_SMALLEST_BURST, self.per_second * _BURST_SECONDS)


CLASSES: Mapping[str, Rate] = {
    "long_code": Rate(1),
    "toll_free": Rate(3),
    "short_code": Rate(100),
    "10dlc_sole_proprietor": Rate(15 / 60, 1_000),
    "10dlc_low": Rate(75 / 60, 2_000),
    "10dlc_low_mid": Rate(240 / 60, 10_000),
    "10dlc_mid": Rate(2_400 / 60, 40_000),
    "10dlc_top": Rate(4_500 / 60, 200_000),
}
_TOLL_FREE = re.compile(r"\+1(800|833|844|855|866|877|888)\d{7}")


def rate_of(words: str, sender: str, daily: int | None = None) -> Rate | None:
    """Return a sender's rate; None is no limit of ours.

    `words` is a class, `N/s`, `N/min`, `unlimited`, or empty: then the number itself says what it is. `daily`
    replaces the class's cap, 0 removes it. Raises SettingsError for other words.
    """
    if words == "unlimited":
        return None
    amount = _AMOUNT.fullmatch(words)
    if amount:
        rate = Rate(float(amount[1]) / (60 if amount[2] == "min" else 1))
    elif words in CLASSES:
        rate = CLASSES[words]
    elif words:
        known = ", ".join(CLASSES)
        raise SettingsError(f"SENDING_RATE must be unlimited, a number like 40/s or 75/min, or one of: {known}")
    else:
        rate = CLASSES[_class_of(sender)]
    if rate.per_second <= 0:
        raise SettingsError("SENDING_RATE must be more than 0")
    return rate if daily is None else Rate(rate.per_second, daily or None)


def _class_of(sender: str) -> str:
    digits = sender.lstrip("+")
    if digits.isdigit() and len(digits) <= 6:
        return "short_code"
    if _TOLL_FREE.fullmatch(sender):
        return "toll_free"
    if sender.startswith("+1"):
        return "10dlc_low"
    return "long_code"


@dataclass(slots=True)
class Bucket:
    """One sender's tokens while a claim goes on."""

    rate: Rate
    tokens: float

    @classmethod
    def refilled(cls, row: Row, rate: Rate, now: datetime) -> Bucket:
        """Fill a stored bucket up to now; a clock that went back adds nothing."""
        seconds = max(0.0, (now - row["refilled_at"]).total_seconds())
        return cls(rate, min(rate.burst, row["tokens"] + seconds * rate.per_second))

    @property
    def most(self) -> int:
        """How many messages could go at most, each of one segment."""
        return max(0, int(self.tokens))

    def spend(self, segments: int) -> bool:
        """Pay for one message; False when it has to wait. One longer than the bucket goes from a full one."""
        if self.tokens < min(float(segments), self.rate.burst):
            return False
        self.tokens -= segments
        return True


def day_of(now: datetime) -> date:
    """Return the day a cap counts by."""
    return now.astimezone(CAP_ZONE).date()
