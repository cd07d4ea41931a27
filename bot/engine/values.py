"""What templates may say: names looked up only when a text uses them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from bot.engine import choices, offers, tiers
from bot.engine.conversation import Voucher
from bot.engine.definition import Ask
from bot.engine.effects import SetAttribute
from bot.engine.message import Rendered

if TYPE_CHECKING:
    from bot.engine.frame import Frame
    from bot.engine.working import Turn

_SOON = timedelta(days=60)
_Reader = Callable[["Turn", "Frame | None"], Any]


class Values(Mapping[str, Any]):
    """A template's variables, read on demand. A name nobody knows, or without a value, is missing."""

    __slots__ = ("_extra", "_frame", "_turn")

    def __init__(self, turn: Turn, frame: Frame | None, extra: Mapping[str, Any] | None = None) -> None:
        self._turn = turn
        self._frame = frame
        self._extra = extra

    def get(self, name: str, default: Any = None) -> Any:
        value = self._find(name)
        return default if value is None else value

    def __getitem__(self, name: str) -> Any:
        value = self._find(name)
        if value is None:
            raise KeyError(name)
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(_WHOLE)

    def __len__(self) -> int:
        return len(_WHOLE)

    def _find(self, name: str) -> Any:
        if self._extra is not None and name in self._extra:
            return self._extra[name]
        head, _, rest = name.partition(".")
        frame = self._frame
        if frame is not None and head in frame.slots and (name not in _WHOLE or head in frame.compiled.slots):
            return answer(self._turn, frame, head, rest)
        reader = _WHOLE.get(name)
        if reader is not None:
            return reader(self._turn, frame)
        family = _FAMILIES.get(head)
        return family(self._turn, rest) if family is not None and rest else None


def answer(turn: Turn, frame: Frame, slot: str, part: str) -> Any:
    """Return an answer as it is said: a reward's or voucher's name, an option's label, a date, or the answer itself."""
    value = frame.slots.get(slot)
    match frame.compiled.slots.get(slot):
        case "reward":
            reward = offers.reward_by_key(turn.programme, str(value))
            if reward is None:
                return value
            return reward.cost if part == "cost" else choices.reward_name(turn, reward)
        case "voucher":
            voucher = next((v for v in turn.customer.vouchers if v.code == value), None)
            return value if voucher is None else _voucher_part(voucher, part or "name")
        case "option":
            option = next((o for ask in _asks(frame, slot) for o in ask.options if o.key == value), None)
            return value if option is None else choices.option_label(turn, frame, option)
        case "date" if isinstance(value, str):
            return date.fromisoformat(value)
        case _:
            return value


def _asks(frame: Frame, slot: str) -> Iterator[Ask]:
    for state in frame.compiled.flow.states.values():
        if state.ask is not None and state.ask.slot == slot:
            yield state.ask


def _voucher_part(voucher: Voucher, part: str) -> Any:
    return {"name": voucher.name, "code": voucher.code, "ends": voucher.ends_at}.get(part)


def _voucher(part: str) -> _Reader:
    def read(turn: Turn, frame: Frame | None) -> Any:
        issued = frame.slots.get(offers.ISSUED) if frame is not None else None
        usable = offers.usable_vouchers(turn)
        voucher = next((v for v in turn.customer.vouchers if v.code == issued), usable[-1] if usable else None)
        return None if voucher is None else _voucher_part(voucher, part)

    return read


def _tier_name(turn: Turn, frame: Frame | None) -> Any:
    return None if turn.tier is None else turn.in_language(turn.tier.names)


def _tier_perks(turn: Turn, frame: Frame | None) -> Any:
    return None if turn.tier is None else turn.in_language(turn.tier.perks)


def _next_tier(part: str) -> _Reader:
    def read(turn: Turn, frame: Frame | None) -> Any:
        tier = tiers.following(turn.programme, turn.customer)
        if tier is None:
            return None
        return turn.in_language(tier.names) if part == "name" else tier.from_points - turn.customer.qualifying

    return read


def _next_reward(part: str) -> _Reader:
    def read(turn: Turn, frame: Frame | None) -> Any:
        reward = offers.next_reward(turn)
        if reward is None:
            return None
        if part == "name":
            return choices.reward_name(turn, reward)
        return reward.cost if part == "cost" else reward.cost - turn.customer.points

    return read


def _expiring(part: str) -> _Reader:
    """Read the points that expire first within 60 days: all of that day, in the shop's zone."""

    def read(turn: Turn, frame: Frame | None) -> Any:
        limit = turn.now + _SOON
        lots = [
            (turn.local_day(lot.expires_at), lot.remaining)
            for lot in turn.customer.lots
            if lot.remaining > 0 and lot.expires_at is not None and turn.now < lot.expires_at <= limit
        ]
        if not lots:
            return None
        day = min(lots)[0]
        return day if part == "on" else sum(count for on, count in lots if on == day)

    return read


def _listing(source: str) -> _Reader:
    def read(turn: Turn, frame: Frame | None) -> Any:
        ask = frame.definition.ask if frame is not None else None
        if ask is not None and ask.source == source and frame is not None:
            return choices.lines(turn, frame, ask)
        if source == "vouchers":
            return [choices.voucher_line(turn, voucher) for voucher in offers.usable_vouchers(turn)]
        rewards = offers.rewards_in_reach(turn) if source == "rewards_in_reach" else offers.all_rewards(turn)
        return [choices.reward_line(turn, reward) for reward in rewards]

    return read


def _options(turn: Turn, frame: Frame | None) -> Any:
    ask = frame.definition.ask if frame is not None else None
    return choices.lines(turn, frame, ask) if frame is not None and ask is not None and ask.kind == "choice" else None


def _question(turn: Turn, frame: Frame | None) -> Any:
    text = frame.definition.say if frame is not None else None
    return Rendered(turn.rendered(frame, text)) if text is not None else None


def referral_code(turn: Turn) -> str:
    """Return the customer's referral code, made when it is needed for the first time."""
    code = turn.customer.referral_code
    if code is None:
        code = offers.referral_code(turn.entropy, turn.customer.id)
        turn.change(referral_code=code)
        turn.effects.append(SetAttribute("referral_code", code))
    return code


def _customer(turn: Turn, part: str) -> Any:
    customer = turn.customer
    match part:
        case "name":
            return customer.name
        case "phone":
            return customer.phone
        case "language":
            return turn.language
        case "birthday":
            return customer.birthday
        case "email":
            return customer.email
        case _:
            return None if part.startswith("_") else customer.attributes.get(part)


def _shop(turn: Turn, part: str) -> Any:
    return getattr(turn.programme.shop, part) if part in ("name", "programme", "phone", "website", "terms") else None


def _wording(turn: Turn, part: str) -> Any:
    wording = turn.programme.wordings.get(part)
    return None if wording is None else turn.in_language(wording.texts)


_WHOLE: Mapping[str, _Reader] = {
    "points": lambda turn, frame: turn.customer.points,
    "spent": lambda turn, frame: turn.customer.spent_minor,
    "purchases": lambda turn, frame: turn.customer.purchases,
    "awarded": lambda turn, frame: turn.awarded,
    "tier.name": _tier_name,
    "tier.perks": _tier_perks,
    "next_tier.name": _next_tier("name"),
    "next_tier.missing": _next_tier("missing"),
    "next_reward.name": _next_reward("name"),
    "next_reward.cost": _next_reward("cost"),
    "next_reward.missing": _next_reward("missing"),
    "expiring.points": _expiring("points"),
    "expiring.on": _expiring("on"),
    "rewards": _listing("rewards_in_reach"),
    "all_rewards": _listing("all_rewards"),
    "vouchers": _listing("vouchers"),
    "options": _options,
    "question": _question,
    "voucher.name": _voucher("name"),
    "voucher.code": _voucher("code"),
    "voucher.ends": _voucher("ends"),
    "referral.code": lambda turn, frame: referral_code(turn),
    "invitation": lambda turn, frame: f"JOIN {referral_code(turn)}",
    "undo_minutes": lambda turn, frame: int(turn.programme.undo_within.total_seconds() // 60),
}

_FAMILIES: Mapping[str, Callable[[Turn, str], Any]] = {
    "customer": _customer,
    "shop": _shop,
    "wording": _wording,
    "award": lambda turn, part: turn.programme.awards.get(part),
}
