"""Ledger entries into rows, with the lots kept true."""

from __future__ import annotations

from bot.apply.context import Context
from bot.apply.lots import give_back, open_new, use_oldest
from bot.engine import effects as fx
from storage import loyalty
from storage.ids import next_id


def add_entry(effect: fx.AddEntry, context: Context) -> None:
    """Append the entry and keep the lots true: what is earned is a lot, what is spent takes the oldest first."""
    entry_id = next_id()
    used: dict[str, int] = {}
    if effect.points > 0:
        if effect.reverses is not None:
            give_back(effect, entry_id, context)
        else:
            open_new(entry_id, effect, context)
    elif effect.points < 0:
        used = use_oldest(context, -effect.points, may_owe=effect.kind == "reverse", first=_lot_of(effect, context))
    context.points += effect.points
    context.rows.entries.append(
        {
            "id": entry_id,
            "customer_id": context.customer.id,
            "kind": effect.kind,
            "points": effect.points,
            "key": effect.key,
            "reason": effect.reason,
            "qualifying": effect.qualifying,
            "expires_at": effect.expires_at,
            "reverses": effect.reverses,
            "lots": used or None,
            "message_id": context.inbound_id,
            "staff_id": context.staff_id,
            "at": context.now,
        }
    )


def _lot_of(effect: fx.AddEntry, context: Context) -> int | None:
    """Return the lot that the reversed entry opened: its points are taken back before any others."""
    earned = loyalty.by_key(context.conn, effect.reverses) if effect.reverses is not None else None
    return earned["id"] if earned is not None else None
