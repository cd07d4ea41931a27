"""What the demo's simulated phones ask: who texted lately, what is waiting, and which numbers are taken."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, RowMapping, Select, and_, bindparam, func, or_, select

from storage.columns import Moment
from storage.conditions import among
from storage.conversations import conversations
from storage.customers import customers
from storage.facts import facts
from storage.handoffs import handoffs
from storage.messages import messages
from storage.timers import timers

_WINDOW = 4_000  # newest messages looked at: bounded, however many there are

#: What a customer's phone shows: their own texts, and ours once the carrier has them. A reply that went back
#: with the webhook's answer (no `send_after`) has a deadline to be confirmed by, not a worker that still sends it.
_SHOWN = or_(
    messages.c.direction == "in",
    messages.c.state.in_(("sent", "delivered", "unknown")),
    and_(messages.c.state == "sending", or_(messages.c.claimed_until.is_(None), messages.c.send_after.is_(None))),
)
_lately = (
    select(messages.c.id, messages.c.customer_id)
    .where(messages.c.customer_id.is_not(None), _SHOWN)
    .order_by(messages.c.id.desc())
    .limit(_WINDOW)
    .subquery()
)
_newest = (
    select(_lately.c.customer_id, func.max(_lately.c.id).label("message_id")).group_by(_lately.c.customer_id).subquery()
)
_RECENT = (
    select(
        customers,
        messages.c.id.label("message_id"),
        messages.c.direction,
        messages.c.body,
        messages.c.media,
        messages.c.created_at.label("message_at"),
        messages.c.sent_at,
    )
    .join(_newest, _newest.c.customer_id == customers.c.id)
    .join(messages, messages.c.id == _newest.c.message_id)
    .order_by(messages.c.id.desc())
    .limit(bindparam("count"))
)
_SOME = select(customers).order_by(customers.c.id).limit(bindparam("count"))
_TAKEN = select(customers.c.phone).where(among(customers.c.phone, "phones"))
_WAITING_PERSON = select(handoffs).where(
    handoffs.c.customer_id == bindparam("customer_id"), handoffs.c.closed_at.is_(None)
)

_after = bindparam("after", type_=Moment)
#: A deadline whose conversation has moved on or ended will do nothing when it fires.
_LIVE_TIMERS = (
    select(timers, conversations.c.flow.label("place_flow"), conversations.c.state.label("place_state"))
    .outerjoin(conversations, conversations.c.id == timers.c.conversation_id)
    .where(
        or_(
            timers.c.kind == "reminder",
            and_(conversations.c.ended_at.is_(None), conversations.c.turn_no == timers.c.turn_no),
        )
    )
    .order_by(timers.c.due_at, timers.c.id)
)
_NEXT_TIMER = _LIVE_TIMERS.where(timers.c.due_at > _after).limit(1)
_TIMERS_OF = _LIVE_TIMERS.where(timers.c.customer_id == bindparam("customer_id")).limit(bindparam("count"))
_QUEUED = and_(messages.c.state == "queued", messages.c.send_after > _after)
_NEXT_QUEUED = select(messages).where(_QUEUED).order_by(messages.c.send_after, messages.c.id).limit(1)
_NEXT_FACT = (
    select(facts)
    .where(facts.c.handled_at.is_(None), facts.c.due_at > _after)
    .order_by(facts.c.due_at, facts.c.id)
    .limit(1)
)
_now = bindparam("now", type_=Moment)
_OVERDUE: tuple[Select[int], ...] = (
    select(func.count())
    .select_from(timers)
    .join(customers, customers.c.id == timers.c.customer_id)
    .where(timers.c.due_at <= _now, customers.c.held_by.is_(None)),
    select(func.count()).where(messages.c.state == "queued", messages.c.send_after <= _now),
    select(func.count()).where(facts.c.handled_at.is_(None), facts.c.due_at <= _now),
)


def recent(connection: Connection, limit: int) -> list[RowMapping]:
    """Return the customers who texted or were texted last, the newest first, each with that message."""
    return list(connection.execute(_RECENT, {"count": limit}).mappings())


def some(connection: Connection, limit: int) -> list[RowMapping]:
    """Return the customers who came first."""
    return list(connection.execute(_SOME, {"count": limit}).mappings())


def taken(connection: Connection, phones: Sequence[str]) -> set[str]:
    """Return which of these numbers belong to a customer."""
    return set(connection.execute(_TAKEN, {"phones": phones}).scalars())


def waits_for_person(connection: Connection, customer_id: int) -> RowMapping | None:
    """Return the customer's open request for a person."""
    return connection.execute(_WAITING_PERSON, {"customer_id": customer_id}).mappings().first()


def timers_of(connection: Connection, customer_id: int, limit: int) -> list[RowMapping]:
    """Return a customer's timers that still mean something, the earliest first.

    Each has `place_flow` and `place_state`, where its conversation stands.
    """
    return list(connection.execute(_TIMERS_OF, {"customer_id": customer_id, "count": limit}).mappings())


def next_timer(connection: Connection, after: datetime) -> RowMapping | None:
    """Return the first timer after a moment that still means something."""
    return connection.execute(_NEXT_TIMER, {"after": after}).mappings().first()


def next_queued(connection: Connection, after: datetime) -> RowMapping | None:
    """Return the first queued message that may go out after a moment."""
    return connection.execute(_NEXT_QUEUED, {"after": after}).mappings().first()


def next_fact(connection: Connection, after: datetime) -> RowMapping | None:
    """Return the first recorded fact that becomes due after a moment."""
    return connection.execute(_NEXT_FACT, {"after": after}).mappings().first()


def overdue(connection: Connection, now: datetime) -> int:
    """Return how many timers, queued messages and facts are due and not yet taken."""
    return sum(connection.execute(statement, {"now": now}).scalar_one() for statement in _OVERDUE)
