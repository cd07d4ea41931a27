"""What became of a text on its way out, in plain words; never more than is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from bot.delivery import codes
from bot.gate import reasons
from storage.database import Row

Tone = Literal["", "good", "warn", "bad"]
_SOON = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Fate:
    """The state of one outbound text."""

    state: str
    words: str  #: English; translated where it is shown
    tone: Tone = ""
    at: datetime | None = None  #: when it went out or will, where that is not when it was written
    reason: str | None = None  #: why it waits or was not sent, in English
    error: str | None = None  #: what the carrier's error means, in English
    code: str | None = None  #: the carrier's error code

    @property
    def settled(self) -> bool:
        """Say whether nothing more will become of it."""
        return self.state in ("delivered", "undelivered", "failed", "suppressed", "dead", "received")


_WORDS: Mapping[str, tuple[str, Tone]] = {
    "sent": ("Sent; delivery is not confirmed yet", ""),
    "delivered": ("Delivered", "good"),
    "undelivered": ("Not delivered", "bad"),
    "failed": ("Failed", "bad"),
    "suppressed": ("Not sent", "warn"),
    "unknown": ("Perhaps sent: the carrier's answer never came", "warn"),
    "dead": ("Given up", "bad"),
}


def fate_of(row: Row, now: datetime) -> Fate | None:
    """Return what became of a message; None for one that came from the customer and was taken well."""
    state = row["state"]
    if row["direction"] == "in":
        return Fate("failed", "Something broke; the text is kept", "bad") if state == "failed" else None
    code = row["error_code"]
    reason = reasons.in_words(row["reason"]) or None
    if state == "queued":
        waits = row["send_after"] is not None and row["send_after"] > now
        words = "Waits until {at}" if waits else "About to go out"
        return Fate(state, words, "warn" if waits else "", row["send_after"] if waits else None, reason)
    if state == "sending":
        handed_over = row["send_after"] is None or row["claimed_until"] is None
        words = "With the carrier; not confirmed yet" if handed_over else "On its way to the carrier"
        return Fate(state, words)
    words, tone = _WORDS.get(state, (state, ""))
    late = row["sent_at"] is not None and row["sent_at"] - row["created_at"] > _SOON
    said = {"sent": "Sent {at}; delivery is not confirmed yet", "delivered": "Delivered {at}"} if late else {}
    told = state in ("suppressed", "undelivered", "failed", "dead")
    return Fate(
        state,
        said.get(state, words),
        tone,
        (row["delivered_at"] or row["sent_at"]) if state in said else None,
        reason if told else None,
        codes.in_words(code) or None,
        code,
    )
