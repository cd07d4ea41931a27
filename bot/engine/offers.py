"""What a customer can have now: rewards, vouchers, and the codes that prove them."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

from bot.engine.conversation import Voucher
from bot.engine.programme import Programme, Reward

if TYPE_CHECKING:
    from bot.engine.working import Turn

ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"  #: 30 characters; no 0 O, 1 I L, U
ISSUED = "_voucher"  #: slot: code of the voucher issued in this conversation
_DIGITS = 8  #: 30 ** 8 codes are 39 bits


def reward_by_key(programme: Programme, key: str) -> Reward | None:
    """Return a reward of the programme, None when it is not offered any more."""
    return next((reward for reward in programme.rewards if reward.key == key), None)


def attainable(turn: Turn, reward: Reward) -> bool:
    """Say whether a reward can be had at all, points aside: stock, limit per customer and tier allow it."""
    customer = turn.customer
    if reward.stock is not None and turn.taken(reward.key) >= reward.stock:
        return False
    if reward.limit_per_customer is not None and customer.redeemed.get(reward.key, 0) >= reward.limit_per_customer:
        return False
    if not reward.tiers:
        return True
    tier = turn.tier
    return tier is not None and tier.key in reward.tiers


def within_reach(turn: Turn, reward: Reward) -> bool:
    """Say whether the customer can have a reward now."""
    return reward.cost <= turn.customer.points and attainable(turn, reward)


def rewards_in_reach(turn: Turn) -> list[Reward]:
    """Return the rewards the customer can have now, cheapest first."""
    return [reward for reward in turn.programme.rewards if within_reach(turn, reward)]


def all_rewards(turn: Turn) -> list[Reward]:
    """Return the rewards the customer can have with enough points, cheapest first."""
    return [reward for reward in turn.programme.rewards if attainable(turn, reward)]


def next_reward(turn: Turn) -> Reward | None:
    """Return the cheapest reward the points are not yet enough for."""
    points = turn.customer.points
    return next((reward for reward in all_rewards(turn) if reward.cost > points), None)


def usable_vouchers(turn: Turn) -> list[Voucher]:
    """Return the customer's vouchers that can be used now, oldest first."""
    return [v for v in turn.customer.vouchers if v.status == "issued" and v.ends_at > turn.now]


def voucher_code(entropy: bytes, counter: int) -> str:
    """Derive a voucher code from fresh entropy: `K7MR-2XWD`. The counter tells codes of one turn apart."""
    letters = _letters(b"voucher:%d:" % counter + entropy, _DIGITS)
    return f"{letters[:4]}-{letters[4:]}"


def referral_code(entropy: bytes, customer_id: int) -> str:
    """Derive a customer's referral code: seven characters, such as `K7MR2XW`."""
    return _letters(b"referral:%d:" % customer_id + entropy, 7)


def _letters(seed: bytes, length: int) -> str:
    number = int.from_bytes(sha256(seed).digest(), "big")
    letters = []
    for _ in range(length):
        number, digit = divmod(number, len(ALPHABET))
        letters.append(ALPHABET[digit])
    return "".join(letters)
