"""The gate's reasons in plain words, for the console."""

from __future__ import annotations

from collections.abc import Mapping

REASONS: Mapping[str, str] = {
    "bad_number": "The carrier says this number takes no texts.",
    "opted_out": "The customer has opted out.",
    "no_consent": "The customer has not agreed to marketing.",
    "consent_expired": "The customer's consent was for a time, and that is over.",
    "in_doubt": "The customer may want out; nothing is sent until that is settled.",
    "same_text": "The customer got exactly this text a short while ago.",
    "too_late": "It would have come too late to be of use.",
    "frequency_cap": "The customer has had as many texts as the limits allow.",
    "held_by_person": "A colleague is talking with the customer.",
    "quiet_hours": "It is outside the shop's hours where the customer may be.",
    "legal_hours": "The law allows no marketing now where the customer may be.",
    "blackout": "It is one of the shop's blackout days.",
    "never_open": (
        "There is no hour that suits every place where this number may be. Ask the customer for the ZIP code or the"
        " town, and put the time zone into the profile."
    ),
    "place_unknown": (
        "Nobody knows where this number may be, so no hour is safe. Ask the customer for the town, and put the time"
        " zone into the profile."
    ),
    "carrier_answers": "Twilio answers this word itself.",
}
"""Why a message waits or was suppressed."""


def in_words(reason: str | None) -> str:
    """Return a reason in plain words; one that is not the gate's comes back as it is."""
    return REASONS.get(reason or "", reason or "")
