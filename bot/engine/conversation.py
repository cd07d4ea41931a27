"""One customer's place in one flow, and what is known of the customer, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal

Consent = Literal["none", "pending", "subscribed", "unsubscribed"]


@dataclass(frozen=True, slots=True)
class Conversation:
    """A place in a flow. Open conversations of a customer form a stack by `parent_id`."""

    id: int
    customer_id: int
    flow: str
    revision_id: int
    state: str
    opened_at: datetime
    slots: Mapping[str, Any] = field(default_factory=dict)
    turn_no: int = 0  #: counts the turns that changed it; a deadline carries it
    misses: int = 0  #: misunderstandings in a row in this state
    parent_id: int | None = None
    relation: Literal["called", "interrupted"] | None = None  #: why the parent waits
    outcome: str | None = None
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Lot:
    """Points earned together, which expire together; the oldest are spent first."""

    entry_id: int
    remaining: int
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class Voucher:
    """A code a customer holds."""

    id: int
    code: str
    name: str
    reward: str | None  #: key in the programme, None for a present
    cost: int
    status: Literal["issued", "redeemed", "revoked", "expired"]
    issued_at: datetime
    ends_at: datetime
    entry_key: str | None = None  #: the ledger entry that paid for it


@dataclass(frozen=True, slots=True)
class Customer:
    """All that guards, templates and the router may know of one customer, read under the customer's lock."""

    id: int
    phone: str
    language: str = "en"
    language_chosen: bool = False  #: by the customer, not by us
    name: str | None = None
    consent: Consent = "none"
    points: int = 0
    qualifying: int = 0  #: points earned within the tier window
    tier: str | None = None
    tags: frozenset[str] = frozenset()
    attributes: Mapping[str, Any] = field(default_factory=dict)
    birthday: date | None = None
    email: str | None = None
    frequency: str = "normal"  #: how often the customer wants marketing: normal, less
    purchases: int = 0
    spent_minor: int = 0
    last_purchase_at: datetime | None = None
    joined_at: datetime | None = None
    referral_code: str | None = None
    zone: str | None = None  #: tz database name when an address is known
    held_until: datetime | None = None  #: a person holds the conversation until then
    marketing_paused: bool = False  #: an unsettled doubt whether the customer wants out
    lots: tuple[Lot, ...] = ()
    vouchers: tuple[Voucher, ...] = ()  #: those issued and not yet ended
    conversations: tuple[Conversation, ...] = ()  #: open ones, the bottom of the stack first
    marks: Mapping[str, str] = field(default_factory=dict)  #: `once` name -> ISO day of the last award under it
    redeemed: Mapping[str, int] = field(default_factory=dict)  #: reward key -> times redeemed
