"""Points for purchases, and the tiers they lead to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.engine.conversation import Customer
from bot.engine.effects import RecordFact, SetAttribute
from bot.engine.programme import Programme, Tier

if TYPE_CHECKING:
    from bot.engine.working import Turn


def current(programme: Programme, customer: Customer) -> Tier | None:
    """Return the customer's tier; who has none yet is in the tier that needs no points, if there is one."""
    for tier in programme.tiers:
        if tier.key == customer.tier:
            return tier
    first = programme.tiers[0] if programme.tiers else None
    return first if first is not None and first.from_points <= 0 else None


def following(programme: Programme, customer: Customer) -> Tier | None:
    """Return the tier after the customer's, None for the highest."""
    now = current(programme, customer)
    floor = now.from_points if now is not None else -1
    return next((tier for tier in programme.tiers if tier.from_points > floor), None)


def earned(programme: Programme, customer: Customer, amount_minor: int) -> int:
    """Return the points for a purchase of so many minor units (cents).

    Money, points per unit and the tier's percentage are multiplied first and rounded down once, at the
    end: 4.50 at 2 points per unit and 125 % are 11 points (11.25).
    """
    tier = current(programme, customer)
    percent = tier.multiplier_percent if tier is not None else 100
    return max(0, amount_minor) * programme.points_per_unit * percent // (100 * 100)


def rise(turn: Turn, cause: str) -> None:
    """Move the customer up when the qualifying points reach a higher tier; `cause` makes the fact's key unique."""
    programme, customer = turn.programme, turn.customer
    now = current(programme, customer)
    reached = next((t for t in reversed(programme.tiers) if t.from_points <= customer.qualifying), None)
    if reached is None or (now is not None and reached.from_points <= now.from_points):
        return
    turn.change(tier=reached.key)
    turn.effects.append(SetAttribute("tier", reached.key))
    turn.effects.append(RecordFact("tier_reached", f"tier:{reached.key}:{cause}", {"tier": reached.key}))
