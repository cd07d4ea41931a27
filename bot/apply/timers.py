"""Timers into rows."""

from __future__ import annotations

from bot.apply.context import Context
from bot.engine import effects as fx
from storage.ids import next_id


def set_timer(effect: fx.SetTimer, context: Context) -> None:
    """Set a timer."""
    context.rows.timers.append(
        {
            "id": next_id(),
            "customer_id": context.customer.id,
            "kind": effect.kind,
            "scope": effect.scope,
            "due_at": effect.due_at,
            "conversation_id": effect.conversation_id,
            "turn_no": effect.turn_no,
            "step": effect.step,
            "flow": effect.flow,
            "slots": dict(effect.slots),
        }
    )


def cancel(effect: fx.CancelTimers, context: Context) -> None:
    """Cancel the customer's timers, also those of this very turn: of one scope, or all."""
    context.rows.cancelled.append((context.customer.id, effect.scope))
    context.rows.timers = [
        row
        for row in context.rows.timers
        if row["customer_id"] != context.customer.id or (effect.scope is not None and row["scope"] != effect.scope)
    ]
