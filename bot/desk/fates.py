"""What became of a text on its way out, in plain words; never more than is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from bot.delivery import codes
from bot.desk.said import Said
from bot.gate import reasons
from storage.rows import Row

Tone = Literal["", "good", "warn", "bad"]
_SOON = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Fate:
    """The state of one outbound text."""

    state: str
    words: Said
    tone: Tone = ""
    at: datetime | None = None  #: when it went out or will, where that is not when it was written
    reason: str | None = None  #: why it waits or was not sent, in English
    error: str | None = None  #: what the carrier's error means, in English
    code: str | None = None  #: the carrier's error code

    @property
    def settled(self) -> bool:
        """Say whether nothing more will become of it."""
        return self.state in ("delivered", "undelivered", "failed", "suppressed", "dead", "received")


_WORDS: Mapping[str, tuple[Said, Tone]] = {
    "sent": (Said("Sent; delivery is not confirmed yet"), ""),
    "delivered": (Said("Delivered"), "good"),
    "undelivered": (Said("Not delivered"), "bad"),
    "failed": (Said("Failed"), "bad"),
    "suppressed": (Said("Not sent"), "warn"),
    "unknown": (Said("Perhaps sent: the carrier's answer never came"), "warn"),
    "dead": (Said("Given up"), "bad"),
}
_LATE: Mapping[str, Said] = {
    "sent": Said("Sent {at}; delivery is not confirmed yet"),
    "delivered": Said("Delivered {at}"),
}


def fate_of(row: Row, now: datetime) -> Fate | None:
    """Return what became of a message; None for one that came from the customer and was taken well."""
    state = row["state"]
    if row["direction"] == "in":
        return Fate("failed", Said("Something broke; the text is kept"), "bad") if state == "failed" else None
    if state == "queued":
        return _waiting(row, now)
    if state == "sending":
        handed_over = row["send_after"] is None or row["claimed_until"] is None
        with_carrier = Said("With the carrier; not confirmed yet")
        return Fate(state, with_carrier if handed_over else Said("On its way to the carrier"))
    words, tone = _WORDS.get(state) or (Said(state), "")
    at = None
    if state in _LATE and row["sent_at"] is not None and row["sent_at"] - row["created_at"] > _SOON:
        at = row["delivered_at"] or row["sent_at"]
        words = Said(_LATE[state].message, {"at": at})
    told = state in ("suppressed", "undelivered", "failed", "dead")
    reason = reasons.in_words(row["reason"]) or None
    code = row["error_code"]
    return Fate(state, words, tone, at, reason if told else None, codes.in_words(code) or None, code)


def _waiting(row: Row, now: datetime) -> Fate:
    reason = reasons.in_words(row["reason"]) or None
    at: datetime | None = row["send_after"]
    if at is None or at <= now:
        return Fate("queued", Said("About to go out"), "", None, reason)
    return Fate("queued", Said("Waits until {at}", {"at": at}), "warn", at, reason)
