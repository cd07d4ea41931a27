"""Conversations into rows: opened or moved."""

from __future__ import annotations

from collections.abc import Sequence

from bot.apply.context import Context
from bot.engine.conversation import Conversation


def apply_conversations(changed: Sequence[Conversation], context: Context) -> None:
    """Turn the new conversation values of one decision into rows."""
    known = {conversation.id for conversation in context.customer.conversations}
    for conversation in changed:
        row = {
            "id": conversation.id,
            "customer_id": conversation.customer_id,
            "flow": conversation.flow,
            "revision_id": conversation.revision_id,
            "state": conversation.state,
            "slots": dict(conversation.slots),
            "turn_no": conversation.turn_no,
            "misses": conversation.misses,
            "parent_id": conversation.parent_id,
            "relation": conversation.relation,
            "outcome": conversation.outcome,
            "opened_at": conversation.opened_at,
            "updated_at": context.now,
            "ended_at": conversation.ended_at,
        }
        (context.rows.moved if conversation.id in known else context.rows.opened).append(row)
