"""The numbered answers of a choice: what is offered, and what stays offered.

A list from the programme is remembered when it is said, so that "2" means what the customer saw even
when a reward before it has sold out since.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.engine import offers
from bot.engine.conversation import Voucher
from bot.engine.definition import Ask, Option
from bot.engine.message import choose, render
from bot.engine.programme import Reward
from bot.engine.understand import Choice

if TYPE_CHECKING:
    from bot.engine.frame import Frame
    from bot.engine.working import Turn

OFFERED = "_offered"  #: slot: keys of the list last said


def lines(turn: Turn, frame: Frame, ask: Ask) -> list[str]:
    """Return the list to be said, one line for each answer, and remember it as offered."""
    if ask.source is None:
        return [option_label(turn, frame, option) for option in ask.options]
    if ask.source == "vouchers":
        vouchers = offers.usable_vouchers(turn)
        _remember(frame, [voucher.code for voucher in vouchers])
        return [voucher_line(turn, voucher) for voucher in vouchers]
    rewards = _rewards(turn, ask.source)
    _remember(frame, [reward.key for reward in rewards])
    return [reward_line(turn, reward) for reward in rewards]


def offered(turn: Turn, frame: Frame, ask: Ask) -> tuple[Choice, ...]:
    """Return what the customer may choose from, in the order they saw it."""
    if ask.source is None:
        return tuple(Choice(o.key, option_label(turn, frame, o), o.words, o.key) for o in ask.options)
    keys = frame.slots.get(OFFERED)
    if keys is None:
        keys = available(turn, ask)
    if ask.source == "vouchers":
        names = {voucher.code: voucher.name for voucher in turn.customer.vouchers}
    else:
        names = {reward.key: reward_name(turn, reward) for reward in turn.programme.rewards}
    return tuple(Choice(key, names.get(key, key), (), key) for key in keys)


def available(turn: Turn, ask: Ask) -> list[str]:
    """Return the keys that can be chosen at this moment."""
    if ask.source is None:
        return [option.key for option in ask.options]
    if ask.source == "vouchers":
        return [voucher.code for voucher in offers.usable_vouchers(turn)]
    return [reward.key for reward in _rewards(turn, ask.source)]


def option_label(turn: Turn, frame: Frame, option: Option) -> str:
    """Return the words of a fixed answer."""
    template = choose(option.label, turn.language, frame.look, turn.now)
    return render(template, {}, turn.language, turn.formats)


def reward_name(turn: Turn, reward: Reward) -> str:
    """Return a reward's name in the customer's language."""
    return turn.in_language(reward.names)


def reward_line(turn: Turn, reward: Reward) -> str:
    """Return a reward as it stands in a list: `Free latte, 100 points`."""
    return f"{reward_name(turn, reward)}, {turn.voice.points(reward.cost)}"


def voucher_line(turn: Turn, voucher: Voucher) -> str:
    """Return a voucher as it stands in a list: `Free latte: K7MR-2XWD, Nov 29`."""
    return f"{voucher.name}: {voucher.code}, {turn.voice.day(voucher.ends_at)}"


def _rewards(turn: Turn, source: str) -> list[Reward]:
    return offers.rewards_in_reach(turn) if source == "rewards_in_reach" else offers.all_rewards(turn)


def _remember(frame: Frame, keys: list[str]) -> None:
    if frame.slots.get(OFFERED) != keys:
        frame.remember(OFFERED, keys)
