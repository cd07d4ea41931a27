"""Facts that arrived, in the past tense. A turn handles one of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from bot.engine.definition import HandBack


@dataclass(frozen=True, slots=True)
class Media:
    """A picture or other attachment: `https://api.twilio.com/.../Media/ME1`, `image/jpeg`."""

    url: str
    content_type: str


@dataclass(frozen=True, slots=True)
class MessageReceived:
    """A customer's text arrived: From `+12015550123`, Body `JOIN`, MessageSid `SM...`."""

    sid: str
    sender: str  #: as Twilio gave it; E.164 for people, else a short code, a name or a prefixed address
    recipient: str
    body: str
    at: datetime
    media: tuple[Media, ...] = ()
    opt_out_type: Literal["STOP", "START", "HELP"] | None = None
    country: str | None = None


@dataclass(frozen=True, slots=True)
class TimerFired:
    """A timer's moment came: the deadline of a state, or a reminder that starts a flow.

    `at` is that moment, however much later somebody takes it. A deadline whose `turn_no` is not the
    conversation's any more is void.
    """

    timer_id: int
    kind: Literal["deadline", "reminder"]
    customer_id: int
    at: datetime
    conversation_id: int | None = None
    turn_no: int | None = None
    step: int = 0  #: which of the state's `after` entries
    flow: str | None = None  #: reminder: the flow to start
    slots: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FactRecorded:
    """Something happened outside the conversation: `purchase_recorded` with `{amount_minor: 450}`.

    `at` is when, however much later somebody takes it.
    """

    fact_id: int
    name: str
    customer_id: int
    at: datetime
    data: Mapping[str, Any] = field(default_factory=dict)
    due_at: datetime | None = None  #: it was to be taken only then; None: at once


@dataclass(frozen=True, slots=True)
class StartDue:
    """A flow's schedule reached this customer, or a person starts it; `occasion` makes it happen once."""

    flow: str
    trigger: int | None  #: index in the flow's triggers; None: the first one that fits, because a person said so
    customer_id: int
    at: datetime
    occasion: str
    slots: Mapping[str, Any] = field(default_factory=dict)  #: what the occasion is about, such as a voucher


@dataclass(frozen=True, slots=True)
class HandedBack:
    """A person gave the conversation back to the bot, or their lease ran out: `ask_again`."""

    customer_id: int
    at: datetime
    how: HandBack


Event = MessageReceived | TimerFired | FactRecorded | StartDue | HandedBack
