"""What guards may ask of one customer: one small reader for each fact of `guards.FACTS`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from bot.engine import offers, tiers
from bot.engine.variant import variant_of

if TYPE_CHECKING:
    from bot.engine.frame import Frame
    from bot.engine.working import Turn


def look(turn: Turn, frame: Frame | None, fact: str, key: str | None) -> Any:
    """Return the value of a fact, None when it is not known. Raises KeyError for a fact nobody declared."""
    return _READERS[fact](turn, frame, key or "")


def day_mark(name: str) -> str:
    """Return the mark under which a once-a-day award is kept, beside awards given once ever."""
    return f"{name}:day"


def is_used(turn: Turn, name: str) -> bool:
    """Say whether a `once` key is used up: for ever, or for today when it is once a day."""
    marks = turn.customer.marks
    return name in marks or marks.get(day_mark(name)) == turn.today.isoformat()


def _slot(turn: Turn, frame: Frame | None, key: str) -> Any:
    """Return an answer; a chosen reward that can be had now is also the word `in_reach`."""
    if frame is None:
        return None
    value = frame.slots.get(key)
    if value is not None and frame.compiled.slots.get(key) == "reward":
        reward = offers.reward_by_key(turn.programme, str(value))
        if reward is not None and offers.within_reach(turn, reward):
            return (value, "in_reach")
    return value


def _voucher(turn: Turn, frame: Frame | None, key: str) -> bool:
    """Say whether there is a usable voucher; in a conversation that issued one, whether that one is."""
    issued = frame.slots.get(offers.ISSUED) if frame is not None else None
    return any(issued is None or voucher.code == issued for voucher in offers.usable_vouchers(turn))


def _setting(turn: Turn, frame: Frame | None, key: str) -> Any:
    programme = turn.programme
    settings: Mapping[str, Any] = {
        "opt_in": programme.opt_in,
        "accents": programme.accents,
        "day_code": turn.day_code,
    }
    return settings.get(key)


def _used(turn: Turn, frame: Frame | None, key: str) -> frozenset[str]:
    names = {mark.removesuffix(":day") for mark in turn.customer.marks}
    return frozenset(name for name in names if is_used(turn, name))


def _in_flow(turn: Turn, frame: Frame | None, key: str) -> str | None:
    parent = turn.frame(frame.parent_id) if frame is not None else None
    return parent.compiled.flow.name if parent is not None else None


def _tier(turn: Turn, frame: Frame | None, key: str) -> str | None:
    tier = tiers.current(turn.programme, turn.customer)
    return tier.key if tier is not None else None


_READERS: Mapping[str, Callable[[Turn, Frame | None, str], Any]] = {
    "consent": lambda turn, frame, key: turn.customer.consent,
    "points": lambda turn, frame, key: turn.customer.points,
    "tier": _tier,
    "tag": lambda turn, frame, key: turn.customer.tags,
    "language": lambda turn, frame, key: turn.language,
    "name": lambda turn, frame, key: turn.customer.name,
    "email": lambda turn, frame, key: turn.customer.email,
    "birthday": lambda turn, frame, key: turn.customer.birthday,
    "frequency": lambda turn, frame, key: turn.customer.frequency,
    "purchases": lambda turn, frame, key: turn.customer.purchases,
    "spent": lambda turn, frame, key: turn.customer.spent_minor,
    "last_purchase": lambda turn, frame, key: turn.customer.last_purchase_at,
    "joined": lambda turn, frame, key: turn.customer.joined_at,
    "attribute": lambda turn, frame, key: turn.customer.attributes.get(key),
    "voucher": _voucher,
    "reward_in_reach": lambda turn, frame, key: bool(offers.rewards_in_reach(turn)),
    "slot": _slot,
    "setting": _setting,
    "used": _used,
    "in_flow": _in_flow,
    "variant": lambda turn, frame, key: variant_of(turn.customer.id, key),
}
