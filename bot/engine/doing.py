"""What a flow does: one function for each action of the catalogue in `actions.py`.

Nothing happens here: each function appends effects, and changes the working copies so that the rest of
the turn sees it done.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from bot.engine import agreeing, choices, facts, offers, tiers
from bot.engine import effects as fx
from bot.engine.calendar import next_local
from bot.engine.conversation import Lot, Voucher
from bot.engine.definition import Action, Text
from bot.errors import FlowError

if TYPE_CHECKING:
    from bot.engine.frame import Frame
    from bot.engine.working import Turn


def perform(turn: Turn, frame: Frame, action: Action) -> None:
    """Do one action. Raises FlowError when it cannot be done, which a guard should have prevented."""
    _ACTIONS[action.name](turn, frame, action.arguments)


def earn(turn: Turn, points: int, key: str, reason: str) -> None:
    """Give points: a ledger entry, a lot that expires, and a higher tier when they lead to one."""
    if points <= 0:
        return
    expires_at = _expiry(turn)
    turn.effects.append(fx.AddEntry("earn", points, key, reason, qualifying=points, expires_at=expires_at))
    customer = turn.customer
    turn.change(
        points=customer.points + points,
        qualifying=customer.qualifying + points,
        lots=(*customer.lots, Lot(0, points, expires_at)),
    )
    turn.awarded += points
    tiers.rise(turn, key)


def resolve(frame: Frame, value: Any) -> Any:
    """Return what an argument stands for: `{"slot": "score"}` is the answer in that slot."""
    if isinstance(value, Mapping) and set(value) == {"slot"}:
        return frame.slots.get(str(value["slot"]))
    return value


def _subscribe(turn: Turn, frame: Frame, arguments: Mapping[str, Any]) -> None:
    wording = agreeing.wording_of(turn, arguments["wording"])
    turn.effects.append(agreeing.record(turn, "subscribed", wording))
    turn.change(consent="subscribed", joined_at=turn.customer.joined_at or turn.now)


def _request_consent(turn: Turn, frame: Frame, arguments: Mapping[str, Any]) -> None:
    wording = agreeing.wording_of(turn, arguments["wording"])
    if turn.customer.consent != "subscribed":  # asking again takes nothing away
        turn.effects.append(agreeing.record(turn, "pending", wording))
        turn.change(consent="pending")


def _unsubscribe(turn: Turn, frame: Frame, arguments: Mapping[str, Any]) -> None:
    if not turn.opted_out:
        agreeing.leave(turn, frame)


def _award(turn: Turn, frame: Frame, arguments: Mapping[str, Any]) -> None:
    points = arguments["points"]
    if isinstance(points, str):
        if points not in turn.programme.awards:
            raise FlowError(f"the programme has no award {points!r}")
        points = turn.programme.awards[points]
    once, day = arguments["once"], turn.today.isoformat()
    key = turn.key("award", frame)
    if once is not None:
        if facts.is_used(turn, once):
            return
        daily = arguments["per"] == "day"
        mark = facts.day_mark(once) if daily else once
        turn.effects.append(fx.SetMark(mark, day))
        turn.change(marks={**turn.customer.marks, mark: day})
        key = f"{once}:{turn.customer.id}:{day}" if daily else f"{once}:{turn.customer.id}"
    earn(turn, points, key, arguments["reason"])


def _redeem(turn: Turn, frame: Frame, arguments: Mapping[str, Any]) -> None:
    chosen = frame.slots.get(arguments["slot"])
    reward = offers.reward_by_key(turn.programme, str(chosen))
    if reward is None or not offers.within_reach(turn, reward):
        raise FlowError(f"the reward {chosen!r} cannot be had: points, stock, limit or tier do not allow it")
    customer = turn.customer
    key = turn.key("burn", frame)
    turn.effects.append(fx.AddEntry("burn", -reward.cost, key, f"reward:{reward.key}"))
    turn.change(
        points=customer.points - reward.cost,
        lots=_spend(customer.lots, reward.cost),
        redeemed={**customer.redeemed, reward.key: customer.redeemed.get(reward.key, 0) + 1},
    )
    if reward.stock is not None:
        turn.effects.append(fx.TakeStock(reward.key))
    turn.taken_here[reward.key] = turn.taken_here.get(reward.key, 0) + 1
    name = choices.reward_name(turn, reward)
    _issue(turn, frame, name, turn.now + reward.valid_for, reward.key, cost=reward.cost, entry_key=key)


def _undo_redeem(turn: Turn, frame: Frame, arguments: Mapping[str, Any]) -> None:
    code = frame.slots.get(offers.ISSUED)
    voucher = next((v for v in offers.usable_vouchers(turn) if v.code == code), None)
    if voucher is None or voucher.entry_key is None:
        raise FlowError("there is no unused voucher of this conversation to take back")
    customer = turn.customer
    turn.effects.append(fx.RevokeVoucher(voucher.code, "undo"))
    turn.effects.append(
        fx.AddEntry(
            "reverse",
            voucher.cost,
            f"undo:{voucher.entry_key}",
            "undo",
            expires_at=_expiry(turn),
            reverses=voucher.entry_key,
        )
    )
    redeemed = dict(customer.redeemed)
    if voucher.reward is not None:
        reward = offers.reward_by_key(turn.programme, voucher.reward)
        if reward is not None and reward.stock is not None:
            turn.effects.append(fx.TakeStock(voucher.reward, -1))
        turn.taken_here[voucher.reward] = turn.taken_here.get(voucher.reward, 0) - 1
        redeemed[voucher.reward] = max(0, redeemed.get(voucher.reward, 0) - 1)
    turn.change(
        points=customer.points + voucher.cost,
        redeemed=redeemed,
        vouchers=tuple(replace(v, status="revoked") if v is voucher else v for v in customer.vouchers),
    )


def _issue_voucher(turn: Turn, frame: Frame, arguments: Mapping[str, Any]) -> None:
    name: Text = arguments["name"]
    _issue(turn, frame, turn.rendered(frame, name), turn.now + arguments["ends"], arguments["reward"])


def _issue(
    turn: Turn,
    frame: Frame,
    name: str,
    ends_at: datetime,
    reward: str | None,
    *,
    cost: int = 0,
    entry_key: str | None = None,
) -> None:
    code = offers.voucher_code(turn.entropy, sum(isinstance(effect, fx.IssueVoucher) for effect in turn.effects))
    turn.effects.append(fx.IssueVoucher(code, name, ends_at, reward, cost, entry_key))
    voucher = Voucher(0, code, name, reward, cost, "issued", turn.now, ends_at, entry_key)
    turn.change(vouchers=(*turn.customer.vouchers, voucher))
    frame.remember(offers.ISSUED, code)


def _set(turn: Turn, frame: Frame, arguments: Mapping[str, Any]) -> None:
    for name, given in arguments["values"].items():
        value = resolve(frame, given)
        if name == "birthday" and isinstance(value, str):
            value = date.fromisoformat(value)
        if name == "language":
            _set_language(turn, value)
            continue
        turn.effects.append(fx.SetAttribute(name, value))
        if name in ("name", "birthday", "email", "frequency"):
            turn.change(**{name: value})
        else:
            turn.change(attributes={**turn.customer.attributes, name: value})


def _set_language(turn: Turn, value: Any) -> None:
    if value not in turn.programme.shop.languages:
        raise FlowError(f"the shop does not speak {value!r}")
    turn.effects.append(fx.SetAttribute("language", value))
    turn.change(language=value, language_chosen=True)
    turn.language = value


def _tag(turn: Turn, frame: Frame, arguments: Mapping[str, Any]) -> None:
    tag = arguments["tag"]
    if tag not in turn.customer.tags:
        turn.effects.append(fx.AddTag(tag))
        turn.change(tags=turn.customer.tags | {tag})


def _untag(turn: Turn, frame: Frame, arguments: Mapping[str, Any]) -> None:
    tag = arguments["tag"]
    if tag in turn.customer.tags:
        turn.effects.append(fx.RemoveTag(tag))
        turn.change(tags=turn.customer.tags - {tag})


def _remind(turn: Turn, frame: Frame, arguments: Mapping[str, Any]) -> None:
    due_at = later(turn, turn.now + arguments["in"], arguments["at"])
    turn.effects.append(fx.CancelTimers(arguments["key"]))
    turn.effects.append(fx.SetTimer("reminder", arguments["key"], due_at, flow=arguments["flow"]))


def later(turn: Turn, moment: datetime, at: str | None) -> datetime:
    """Return a moment, or the first one after it when the customer's clock shows `at`; in UTC."""
    return moment.astimezone(UTC) if at is None else next_local(moment, at, turn.zone)


def _forget(turn: Turn, frame: Frame, arguments: Mapping[str, Any]) -> None:
    key = arguments["key"]
    turn.effects.append(fx.CancelTimers(None if key == "all" else key))


def _start(turn: Turn, frame: Frame, arguments: Mapping[str, Any]) -> None:
    frame.next_flow = arguments["flow"]


def _hand_over(turn: Turn, frame: Frame, arguments: Mapping[str, Any]) -> None:
    turn.effects.append(fx.RequestPerson(arguments["reason"]))


def _record(turn: Turn, frame: Frame, arguments: Mapping[str, Any]) -> None:
    name = arguments["event"]
    data = {key: resolve(frame, value) for key, value in (arguments["data"] or {}).items()}
    referral_code = None
    if arguments["to"] == "referrer":
        code = frame.slots.get("code") or turn.customer.attributes.get("referred_by")
        if not code:
            return
        referral_code = str(code).strip().upper()
    turn.effects.append(fx.RecordFact(name, turn.key(name, frame), data, referral_code))


def _pause_marketing(turn: Turn, frame: Frame, arguments: Mapping[str, Any]) -> None:
    _marketing_paused(turn, True)


def _settle_doubt(turn: Turn, frame: Frame, arguments: Mapping[str, Any]) -> None:
    _marketing_paused(turn, False)


def _marketing_paused(turn: Turn, paused: bool) -> None:
    if turn.customer.marketing_paused != paused:
        turn.effects.append(fx.SetAttribute("marketing_paused", paused))
        turn.change(marketing_paused=paused)


def _remember(turn: Turn, frame: Frame, arguments: Mapping[str, Any]) -> None:
    for slot, value in arguments["values"].items():
        frame.remember(slot, resolve(frame, value))


def _expiry(turn: Turn) -> datetime | None:
    span: timedelta | None = turn.programme.points_expire_after
    return None if span is None else turn.now + span


def _spend(lots: tuple[Lot, ...], points: int) -> tuple[Lot, ...]:
    """Take points from the lots as the ledger will: in their order, the oldest first."""
    left = []
    for lot in lots:
        used = min(lot.remaining, points)
        points -= used
        left.append(replace(lot, remaining=lot.remaining - used))
    return tuple(left)


_ACTIONS: Mapping[str, Callable[[Turn, Frame, Mapping[str, Any]], None]] = {
    "subscribe": _subscribe,
    "request_consent": _request_consent,
    "unsubscribe": _unsubscribe,
    "award": _award,
    "redeem": _redeem,
    "undo_redeem": _undo_redeem,
    "issue_voucher": _issue_voucher,
    "set": _set,
    "tag": _tag,
    "untag": _untag,
    "remind": _remind,
    "forget": _forget,
    "start": _start,
    "hand_over": _hand_over,
    "record": _record,
    "pause_marketing": _pause_marketing,
    "settle_doubt": _settle_doubt,
    "remember": _remember,
}
