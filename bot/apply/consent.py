"""Consent into rows, each with its wording and who asked for it."""

from __future__ import annotations

from bot.apply.context import Context
from bot.engine import effects as fx
from storage.ids import next_id


def record_consent(effect: fx.RecordConsent, context: Context) -> None:
    """Append a consent record in the language the customer has as this turn leaves it."""
    context.rows.consents.append(
        {
            "id": next_id(),
            "customer_id": context.customer.id,
            "status": effect.status,
            "how": effect.how,
            "wording": effect.wording,
            "version": effect.version,
            "text": effect.text,
            "language": context.rows.changes.get(context.customer.id, {}).get("language", context.customer.language),
            "reason": effect.reason,
            "staff_id": context.staff_id,
            "message_id": context.inbound_id,
            "at": context.now,
        }
    )
