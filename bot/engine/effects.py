"""Things decided and not yet done, in the imperative. `bot/apply.py` has one handler for each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class SendMessage:
    """Say something: `{"body": "You have 120 points.", "purpose": "reply"}`."""

    body: str
    purpose: Literal["reply", "service", "marketing", "opt_out_confirmation"]
    language: str
    conversation_id: int | None
    flow: str | None
    state: str | None
    segments: int
    encoding: Literal["GSM-7", "UCS-2"]
    deadline: datetime  #: after this the message is pointless and dropped
    picture: str | None = None  #: the address of a picture, for an MMS


@dataclass(frozen=True, slots=True)
class RecordConsent:
    """Append a consent record: `{"status": "subscribed", "how": "keyword", "wording": "join", "version": 3}`."""

    status: Literal["pending", "subscribed", "unsubscribed"]
    how: Literal["keyword", "form", "import", "staff", "carrier"]
    wording: str | None = None  #: name of the wording in programme.yaml
    version: int | None = None
    text: str | None = None  #: the exact words shown
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class AddEntry:
    """Append a ledger entry: `{"kind": "earn", "points": 50, "key": "welcome:8812", "reason": "welcome"}`."""

    kind: Literal["earn", "burn", "adjust", "expire", "reverse"]
    points: int  #: signed
    key: str  #: idempotency key, unique over all entries
    reason: str
    qualifying: int = 0
    expires_at: datetime | None = None
    reverses: str | None = None  #: key of the entry taken back


@dataclass(frozen=True, slots=True)
class IssueVoucher:
    """Give a voucher: `{"code": "K7MR-2XWD", "name": "Free latte", "reward": "latte", "cost": 100}`."""

    code: str
    name: str
    ends_at: datetime
    reward: str | None = None
    cost: int = 0
    entry_key: str | None = None


@dataclass(frozen=True, slots=True)
class RevokeVoucher:
    """Take a voucher back if it is still unused: `{"code": "K7MR-2XWD", "reason": "undo"}`."""

    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class TakeStock:
    """Take `count` (negative: give back) of a reward's stock; fails with Conflict when there is too little."""

    reward: str
    count: int = 1


@dataclass(frozen=True, slots=True)
class SetAttribute:
    """Write down a fact about the customer: `{"name": "name", "value": "Ana"}`."""

    name: str  #: name, birthday, email, language, frequency, tier, zone, marketing_paused or a shop's own attribute
    value: Any


@dataclass(frozen=True, slots=True)
class SetMark:
    """Remember that a `once` award was given: `{"name": "check_in", "day": "2026-03-02"}`."""

    name: str
    day: str


@dataclass(frozen=True, slots=True)
class AddTag:
    """Tag the customer: `{"tag": "vip"}`."""

    tag: str


@dataclass(frozen=True, slots=True)
class RemoveTag:
    """Take a tag away: `{"tag": "vip"}`."""

    tag: str


@dataclass(frozen=True, slots=True)
class SetTimer:
    """Wake this customer up later. Unique by (kind, scope, customer, due)."""

    kind: Literal["deadline", "reminder"]
    scope: str  #: deadline: `conversation id:turn`; reminder: its name
    due_at: datetime
    conversation_id: int | None = None
    turn_no: int | None = None
    step: int = 0
    flow: str | None = None
    slots: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CancelTimers:
    """Forget reminders: `{"scope": "welcome"}`; with `scope=None` all of this customer's."""

    scope: str | None = None


@dataclass(frozen=True, slots=True)
class CancelPending:
    """Suppress every message to this customer that is still queued: `{"reason": "opted_out"}`."""

    reason: str


@dataclass(frozen=True, slots=True)
class RequestPerson:
    """Put the customer into the queue for a person: `{"reason": "asked"}`."""

    reason: str


@dataclass(frozen=True, slots=True)
class RecordFact:
    """Make something known that may start other flows: `{"name": "survey_answered", "data": {"score": 5}}`.

    With `referral_code` the fact is about the customer who owns that code.
    """

    name: str
    key: str  #: idempotency key
    data: Mapping[str, Any] = field(default_factory=dict)
    referral_code: str | None = None
    due_at: datetime | None = None


Effect = (
    SendMessage
    | RecordConsent
    | AddEntry
    | IssueVoucher
    | RevokeVoucher
    | TakeStock
    | SetAttribute
    | SetMark
    | AddTag
    | RemoveTag
    | SetTimer
    | CancelTimers
    | CancelPending
    | RequestPerson
    | RecordFact
)
