"""Lots of points: what is earned opens one, what is spent takes the oldest first, what is taken back refills them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from bot.apply.context import Context
from bot.engine import effects as fx
from bot.engine.conversation import Lot
from bot.errors import Conflict
from storage import loyalty


def open_new(entry_id: int, effect: fx.AddEntry, context: Context) -> None:
    """Open a lot of the points an entry earns, less what only pays the customer's debt."""
    _open(entry_id, effect.points - _debt(context, effect.points), effect.expires_at, context)


def give_back(effect: fx.AddEntry, entry_id: int, context: Context) -> None:
    """Put the points of a reversed burn back into the lots they came from, so that they expire as before."""
    assert effect.reverses is not None
    burnt: Mapping[str, Any] | None = next((row for row in context.rows.entries if row["key"] == effect.reverses), None)
    burnt = burnt or loyalty.by_key(context.conn, effect.reverses)
    if burnt is None:
        raise Conflict(f"there is no ledger entry {effect.reverses} to take back")
    left = effect.points - _debt(context, effect.points)
    for lot_id, count in (burnt["lots"] or {}).items():
        if give := min(count, left):
            _refill(int(lot_id), give, context)
            left -= give
    if left:
        _open(entry_id, left, effect.expires_at, context)


def use_oldest(context: Context, count: int, *, may_owe: bool = False, first: int | None = None) -> dict[str, int]:
    """Take `count` points from the lots that expire first and return {lot: taken}.

    `first` names a lot to be taken before all others. Raises Conflict when there are too few, unless the
    customer may owe the rest (the reversal of points already spent).
    """
    used: dict[str, int] = {}
    fresh = {row["entry_id"]: row for row in context.rows.lots}
    order = sorted(context.lots, key=lambda lot: lot.entry_id != first)
    kept: dict[int, Lot] = {}
    for lot in order:
        take = min(lot.remaining, count)
        if take <= 0:
            continue
        count -= take
        used[str(lot.entry_id)] = take
        if lot.entry_id in fresh:
            fresh[lot.entry_id]["remaining"] -= take
        else:
            context.rows.lot_uses.append((lot.entry_id, lot.remaining, lot.remaining - take))
        kept[lot.entry_id] = Lot(lot.entry_id, lot.remaining - take, lot.expires_at)
    if count and not may_owe:
        raise Conflict("there are too few points left")
    context.lots = [kept.get(lot.entry_id, lot) for lot in context.lots]
    return used


def _debt(context: Context, points: int) -> int:
    """Return how many of these new points only pay what the customer owes."""
    return min(points, max(0, -context.points))


def _open(entry_id: int, points: int, expires_at: datetime | None, context: Context) -> None:
    context.rows.lots.append(
        {
            "entry_id": entry_id,
            "customer_id": context.customer.id,
            "remaining": points,
            "expires_at": expires_at,
        }
    )
    context.lots.append(Lot(entry_id, points, expires_at))


def _refill(lot_id: int, count: int, context: Context) -> None:
    """Add to a lot as this turn knows it; one that is not among the lots with something left holds nothing."""
    place = next((index for index, lot in enumerate(context.lots) if lot.entry_id == lot_id), None)
    if place is None:
        context.lots.insert(0, Lot(lot_id, 0, None))  # it was spent first, so it is the first to expire
        place = 0
    lot = context.lots[place]
    context.lots[place] = Lot(lot_id, lot.remaining + count, lot.expires_at)
    fresh = next((row for row in context.rows.lots if row["entry_id"] == lot_id), None)
    if fresh is not None:
        fresh["remaining"] += count
    else:
        context.rows.lot_uses.append((lot_id, lot.remaining, lot.remaining + count))
