"""What each of the carrier's error codes means for the customer, the sender and the message.

Source of every code: https://www.twilio.com/docs/api/errors/CODE.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Literal

Consequence = Literal[
    "opted_out",  #: an opt-out record; whatever is pending for the customer is dropped
    "bad_number",  #: the number takes no texts: it gets none any more
    "unreachable",  #: counted; after `unreachable_after` in a row (programme.yaml) the number counts as bad
    "filtered",  #: a carrier takes us for spam: alarm
    "stop",  #: the account cannot send: everything waits until somebody resumes it
    "stop_sender",  #: this sender cannot send: its messages wait until somebody resumes it
    "configuration",  #: somebody has to change a setting at the carrier: alarm
    "our_bug",  #: we should have known better: alarm
    "slow_down",  #: not taken; all workers wait a little, longer each time
    "sender_full",  #: not taken; this sender's messages wait for minutes, longer each time
]

CONSEQUENCES: Mapping[str, Consequence] = {
    "20003": "stop",  # authentication failed
    "20005": "stop",  # account not active
    "20429": "slow_down",  # too many requests at once; "never processed, always safe to retry"
    "21211": "bad_number",  # not a valid number
    "21408": "configuration",  # country not enabled
    "21606": "configuration",  # the sender cannot send to this number
    "21608": "configuration",  # trial account, number not verified
    "21610": "opted_out",
    "21611": "sender_full",  # the sender's queue is full
    "21612": "configuration",  # no route for this pair of numbers
    "21614": "bad_number",  # not a mobile number
    "21617": "our_bug",  # longer than 1,600 characters
    "21635": "bad_number",  # a landline
    "30002": "stop",  # account suspended
    "30003": "unreachable",  # handset off or out of reach
    "30004": "unreachable",  # blocked by the recipient or their carrier
    "30005": "unreachable",  # unknown or inactive number
    "30006": "unreachable",  # landline or unreachable carrier
    "30007": "filtered",
    "30024": "stop_sender",  # sender not provisioned
    "30032": "stop_sender",  # toll-free number not verified
    "30034": "stop_sender",  # number not registered for 10DLC
    "30450": "configuration",  # blocked as SMS pumping
    "30640": "bad_number",  # a known litigator
}

#: What the carrier took and did not deliver, though it may do so later: sent a second time after this, once, if the
#: text is still of use then. 30001 and 30036 never left the carrier. With 30003 and 30008 a handset may have got it all
#: the same; that risk is taken once. Not 30004 to 30007: blocked, unknown, a landline, spam stay what they are.
AGAIN_AFTER: Mapping[str, timedelta] = {
    "30001": timedelta(minutes=10),  # queue overflow
    "30003": timedelta(hours=2),  # handset off or out of reach
    "30008": timedelta(hours=1),  # unknown
    "30036": timedelta(minutes=10),  # validity period over before it was sent
}

#: A refusal with one of these says nothing against the message: it waits with the others.
WAITS = frozenset({"stop", "stop_sender", "slow_down", "sender_full"})


def consequence_of(code: str | int | None) -> Consequence | None:
    """Return what a code means beyond the failure of its message, None when nothing."""
    return CONSEQUENCES.get(str(code)) if code else None


#: What a code says about one message, for somebody at the support desk.
WORDS: Mapping[str, str] = {
    "20003": "The carrier did not accept our account's password.",
    "20005": "Our account at the carrier is not active.",
    "20429": "We asked the carrier too often at once.",
    "21211": "This is not a valid phone number.",
    "21408": "Our account may not text this country.",
    "21606": "Our sender cannot text this number.",
    "21608": "A trial account may text verified numbers only.",
    "21610": "The customer has opted out at the carrier.",
    "21611": "Too many texts of ours were waiting at the carrier.",
    "21612": "The carrier has no route to this number.",
    "21614": "This number is not a mobile phone.",
    "21617": "The text was longer than the carrier allows.",
    "21635": "This number is a landline.",
    "30001": "Too many texts of ours were waiting at the carrier.",
    "30002": "Our account at the carrier is suspended.",
    "30003": "The phone was off or out of reach.",
    "30004": "The customer or their carrier blocks our texts.",
    "30005": "The number is unknown or no longer in use.",
    "30006": "The number is a landline, or its carrier cannot be reached.",
    "30007": "A carrier took the text for spam.",
    "30008": "The carrier gave no reason.",
    "30024": "Our sender is not set up yet.",
    "30032": "Our toll-free number is not verified.",
    "30034": "Our number is not registered for business texts.",
    "30036": "The text waited at the carrier until it was of no use.",
    "30450": "The carrier took the text for a fraud attempt.",
    "30640": "The carrier does not text this number.",
}


UNKNOWN = "The carrier gave a reason we have no words for."


def in_words(code: str | int | None) -> str:
    """Return what a code means, in plain words; for one we do not know, words that say so."""
    return WORDS.get(str(code), UNKNOWN) if code else ""
