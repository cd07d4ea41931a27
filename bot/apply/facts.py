"""What happened, for flows and people to hear of: facts, and requests for a person."""

from __future__ import annotations

from bot.apply.context import Context
from bot.engine import effects as fx
from storage import customers
from storage.ids import next_id


def request_person(effect: fx.RequestPerson, context: Context) -> None:
    """Let the customer wait for a person."""
    context.rows.handoffs.append(
        {
            "id": next_id(),
            "customer_id": context.customer.id,
            "reason": effect.reason,
            "message_id": context.inbound_id,
            "requested_at": context.now,
        }
    )


def record_fact(effect: fx.RecordFact, context: Context) -> None:
    """Record a fact of the customer, or of whoever has the referral code it names."""
    customer_id: int | None = context.customer.id
    if effect.referral_code is not None:
        customer_id = customers.by_referral_code(context.conn, effect.referral_code)
    if customer_id is None or (effect.referral_code is not None and customer_id == context.customer.id):
        return  # nobody has that code, or it is the customer's own
    context.rows.facts.append(
        {
            "id": next_id(),
            "customer_id": customer_id,
            "name": effect.name,
            "key": effect.key,
            "data": dict(effect.data),
            "recorded_at": context.now,
            "due_at": effect.due_at or context.now,
        }
    )
