"""Effects into rows: one handler for each effect, all inside the given transaction.

Handlers only collect; `Rows.flush` writes everything a whole group of turns caused, in bulk and in an
order that keeps the promises (what is pending is cancelled before anything new is written).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Connection

from bot import gate
from bot.engine import effects as fx
from bot.engine.conversation import Conversation, Customer, Lot
from bot.engine.programme import Programme
from bot.errors import Conflict
from bot.gate.recipients import REGION, places_of
from bot.profile import history
from storage import (
    consent,
    conversations,
    customers,
    facts,
    handoffs,
    loyalty,
    messages,
    profile_changes,
    timers,
    vouchers,
)
from storage.ids import next_id
from storage.together import together

Row = dict[str, Any]
_COLUMNS = frozenset(
    {"name", "birthday", "email", "language", "frequency", "tier", "zone", "marketing_paused", "referral_code"}
)


@dataclass(slots=True)
class Rows:
    """All that one transaction of turns will write."""

    messages: list[Row] = field(default_factory=list)
    opened: list[Row] = field(default_factory=list)
    moved: list[Row] = field(default_factory=list)
    timers: list[Row] = field(default_factory=list)
    cancelled: list[tuple[int, str | None]] = field(default_factory=list)
    suppressed: dict[int, str] = field(default_factory=dict)
    entries: list[Row] = field(default_factory=list)
    lots: list[Row] = field(default_factory=list)
    lot_uses: list[tuple[int, int, int]] = field(default_factory=list)
    vouchers: list[Row] = field(default_factory=list)
    revoked: list[tuple[str, str]] = field(default_factory=list)
    stock: list[tuple[str, int, int | None]] = field(default_factory=list)
    consents: list[Row] = field(default_factory=list)
    facts: list[Row] = field(default_factory=list)
    handoffs: list[Row] = field(default_factory=list)
    changes: dict[int, Row] = field(default_factory=dict)
    before: dict[int, tuple[Customer, str]] = field(default_factory=dict)  #: of those who change, and who changes them

    def flush(self, conn: Connection, now: datetime) -> None:
        """Write everything. Raises Conflict when stock, lots or a voucher changed under our feet."""
        for reward, count, limit in sorted(self.stock, key=lambda each: each[0]):  # in one order for everybody
            if not loyalty.take_stock(conn, reward, count, limit):
                raise Conflict(f"the last {reward} has just gone")
        for code, reason in self.revoked:
            if not vouchers.revoke(conn, code, reason):
                raise Conflict(f"voucher {code} has just been used")
        with together(conn):
            self._write(conn, now)

    def _write(self, conn: Connection, now: datetime) -> None:
        """Write what only ever fails as a whole; what is pending is cancelled before anything new is written."""
        messages.suppress_all(conn, self.suppressed)
        timers.cancel_many(conn, self.cancelled)
        for write, rows in (
            (conversations.insert, self.opened),
            (conversations.update, self.moved),
            (messages.insert, self.messages),
            (consent.insert, self.consents),
            (vouchers.insert, self.vouchers),
            (timers.insert, self.timers),
            (facts.insert, self.facts),
            (handoffs.insert, self.handoffs),
        ):
            if rows:
                write(conn, rows)
        self._flush_ledger(conn)
        if self.changes:
            customers.change(conn, list(self.changes.items()))
            changed = ((*self.before[each], values) for each, values in self.changes.items())
            profile_changes.insert(conn, [row for who, by, values in changed for row in history(who, values, by, now)])

    def _flush_ledger(self, conn: Connection) -> None:
        if self.entries:
            loyalty.insert_entries(conn, self.entries)
        if self.lots:
            loyalty.insert_lots(conn, self.lots)
        if self.lot_uses:
            loyalty.use_lots(conn, self.lot_uses)


@dataclass(slots=True)
class Context:
    """Whose turn it is, what caused it, and where its rows go."""

    conn: Connection
    rows: Rows
    customer: Customer
    programme: Programme
    now: datetime
    sender: str  #: the shop's own number or Messaging Service
    inbound_id: int | None = None  #: the text being answered
    handed_over_now: bool = False  #: replies go back in the answer to the webhook
    carrier_answers: bool = False  #: Twilio answers this keyword itself; our words are kept, not sent
    sendable: bool = True
    staff_id: int | None = None  #: who does it; None: the bot, or the command line
    given_for: str | None = None  #: why one of the staff gives a voucher
    lots: list[Lot] = field(default_factory=list)
    points: int = field(init=False)  #: the balance as this turn leaves it so far; negative: a debt
    replies: list[tuple[int, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.points = self.customer.points

    def change(self) -> Row:
        """Return the pending changes of the customer's own row."""
        who = self.customer
        if who.id not in self.rows.changes:
            by = str(self.staff_id) if self.staff_id else "bot" if self.inbound_id is None else "customer"
            self.rows.before[who.id] = who, by
        return self.rows.changes.setdefault(who.id, {})


E_ = TypeVar("E_")
_HANDLERS: dict[type, Callable[[Any, Context], None]] = {}


def applies(kind: type[E_]) -> Callable[[Callable[[E_, Context], None]], Callable[[E_, Context], None]]:
    """Register the handler of one effect."""

    def register(handler: Callable[[E_, Context], None]) -> Callable[[E_, Context], None]:
        _HANDLERS[kind] = handler
        return handler

    return register


def apply_all(effects: Sequence[fx.Effect], context: Context) -> None:
    """Turn every effect of one decision into rows."""
    for effect in effects:
        _HANDLERS[type(effect)](effect, context)


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


@applies(fx.SendMessage)
def _send(effect: fx.SendMessage, context: Context) -> None:
    """A reply goes back with the webhook's answer; anything else waits in the outbox for the gate's moment."""
    state, reason, send_after = "sending", None, None
    if context.carrier_answers and effect.purpose != "marketing":
        state, reason = "suppressed", "carrier_answers"
    elif not (context.handed_over_now and effect.purpose in ("reply", "opt_out_confirmation")):
        state, reason, send_after = _plan(effect, context)
    message_id = next_id()
    context.rows.messages.append(
        {
            "id": message_id,
            "customer_id": context.customer.id,
            "direction": "out",
            "sender": context.sender,
            "recipient": context.customer.phone,
            "body": effect.body,
            "state": state,
            "reason": reason,
            "purpose": effect.purpose,
            "in_reply_to": context.inbound_id,
            "conversation_id": effect.conversation_id,
            "flow": effect.flow,
            "flow_state": effect.state,
            "language": effect.language,
            "segments": effect.segments,
            "encoding": effect.encoding,
            "created_at": context.now,
            "send_after": send_after,
            "deadline": effect.deadline,
        }
    )
    if state == "sending":
        context.replies.append((message_id, effect.body))


def _plan(effect: fx.SendMessage, context: Context) -> tuple[str, str | None, datetime | None]:
    """Ask the gate once at planning; the worker that claims the row asks again with the facts of that moment."""
    who = context.customer
    region = who.attributes.get(REGION)
    region = region if isinstance(region, str) else None
    recipient = gate.Recipient(
        consent=who.consent,
        zones=places_of(who.phone, who.zone, region) or (context.programme.shop.zone,),
        sendable=context.sendable,
        paused=who.marketing_paused,
        held_until=who.held_until,
        wants_less=who.frequency == "less",
        phone=who.phone,
        region=region,
    )
    verdict = gate.ask(effect.purpose, recipient, context.programme.limits, context.now, effect.deadline)
    if isinstance(verdict, gate.Drop):
        return "suppressed", verdict.reason, None
    if isinstance(verdict, gate.Wait):
        return "queued", verdict.reason, verdict.until
    return "queued", None, context.now


@applies(fx.RecordConsent)
def _record_consent(effect: fx.RecordConsent, context: Context) -> None:
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


@applies(fx.AddEntry)
def _add_entry(effect: fx.AddEntry, context: Context) -> None:
    """Append the entry and keep the lots true: what is earned is a lot, what is spent takes the oldest first."""
    entry_id = next_id()
    used: dict[str, int] = {}
    if effect.points > 0:
        if effect.reverses is not None:
            _give_back(effect, entry_id, context)
        else:
            _new_lot(entry_id, effect, context)
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


def _new_lot(entry_id: int, effect: fx.AddEntry, context: Context) -> None:
    _open_lot(entry_id, effect.points - _debt(context, effect.points), effect.expires_at, context)


def _debt(context: Context, points: int) -> int:
    """Return how many of these new points only pay what the customer owes."""
    return min(points, max(0, -context.points))


def _open_lot(entry_id: int, points: int, expires_at: datetime | None, context: Context) -> None:
    context.rows.lots.append(
        {
            "entry_id": entry_id,
            "customer_id": context.customer.id,
            "remaining": points,
            "expires_at": expires_at,
        }
    )
    context.lots.append(Lot(entry_id, points, expires_at))


def _give_back(effect: fx.AddEntry, entry_id: int, context: Context) -> None:
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
        _open_lot(entry_id, left, effect.expires_at, context)


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


@applies(fx.IssueVoucher)
def _issue_voucher(effect: fx.IssueVoucher, context: Context) -> None:
    context.rows.vouchers.append(
        {
            "id": next_id(),
            "customer_id": context.customer.id,
            "code": effect.code,
            "name": effect.name,
            "reward": effect.reward,
            "cost": effect.cost,
            "status": "issued",
            "issued_at": context.now,
            "ends_at": effect.ends_at,
            "entry_key": effect.entry_key,
            "staff_id": context.staff_id,
            "given_for": context.given_for,
        }
    )


@applies(fx.RevokeVoucher)
def _revoke_voucher(effect: fx.RevokeVoucher, context: Context) -> None:
    for row in context.rows.vouchers:
        if row["code"] == effect.code:  # issued in this very turn
            row["status"], row["reason"] = "revoked", effect.reason
            return
    context.rows.revoked.append((effect.code, effect.reason))


@applies(fx.TakeStock)
def _take_stock(effect: fx.TakeStock, context: Context) -> None:
    limit = next((reward.stock for reward in context.programme.rewards if reward.key == effect.reward), None)
    context.rows.stock.append((effect.reward, effect.count, limit))


@applies(fx.SetAttribute)
def _set_attribute(effect: fx.SetAttribute, context: Context) -> None:
    change = context.change()
    if effect.name == "language_heard":  # how they write, not what they chose
        change["language"] = effect.value
        return
    if effect.name in _COLUMNS:
        change[effect.name] = effect.value
        if effect.name == "language":
            change["language_chosen"] = True
        return
    attributes = change.setdefault("attributes", dict(context.customer.attributes))
    if effect.value is None:
        attributes.pop(effect.name, None)
    else:
        attributes[effect.name] = effect.value


@applies(fx.SetMark)
def _set_mark(effect: fx.SetMark, context: Context) -> None:
    context.change().setdefault("marks", dict(context.customer.marks))[effect.name] = effect.day


@applies(fx.AddTag)
def _add_tag(effect: fx.AddTag, context: Context) -> None:
    tags = context.change().setdefault("tags", sorted(context.customer.tags))
    if effect.tag not in tags:
        tags.append(effect.tag)


@applies(fx.RemoveTag)
def _remove_tag(effect: fx.RemoveTag, context: Context) -> None:
    tags = context.change().setdefault("tags", sorted(context.customer.tags))
    if effect.tag in tags:
        tags.remove(effect.tag)


@applies(fx.SetTimer)
def _set_timer(effect: fx.SetTimer, context: Context) -> None:
    context.rows.timers.append(
        {
            "id": next_id(),
            "customer_id": context.customer.id,
            "kind": effect.kind,
            "scope": effect.scope,
            "due_at": effect.due_at,
            "conversation_id": effect.conversation_id,
            "turn_no": effect.turn_no,
            "step": effect.step,
            "flow": effect.flow,
            "slots": dict(effect.slots),
        }
    )


@applies(fx.CancelTimers)
def _cancel_timers(effect: fx.CancelTimers, context: Context) -> None:
    context.rows.cancelled.append((context.customer.id, effect.scope))
    context.rows.timers = [
        row
        for row in context.rows.timers
        if row["customer_id"] != context.customer.id or (effect.scope is not None and row["scope"] != effect.scope)
    ]


@applies(fx.CancelPending)
def _cancel_pending(effect: fx.CancelPending, context: Context) -> None:
    context.rows.suppressed[context.customer.id] = effect.reason


@applies(fx.RequestPerson)
def _request_person(effect: fx.RequestPerson, context: Context) -> None:
    context.rows.handoffs.append(
        {
            "id": next_id(),
            "customer_id": context.customer.id,
            "reason": effect.reason,
            "message_id": context.inbound_id,
            "requested_at": context.now,
        }
    )


@applies(fx.RecordFact)
def _record_fact(effect: fx.RecordFact, context: Context) -> None:
    customer_id: int | None = context.customer.id
    if effect.referral_code is not None:
        customer_id = customers.by_referral_code(context.conn, effect.referral_code)
    if customer_id is None or (effect.referral_code is not None and customer_id == context.customer.id):
        return  # nobody has that code, or it is the customer's own
    context.rows.facts.append(
        {
            "id": next_id(),
            "customer_id": customer_id,
            "name": effect.name,
            "key": effect.key,
            "data": dict(effect.data),
            "recorded_at": context.now,
            "due_at": effect.due_at or context.now,
        }
    )
