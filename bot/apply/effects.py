"""Effects into rows: one handler for each effect, all inside the given transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bot.apply import consent, facts, messages, points, profile, timers, vouchers
from bot.apply.context import Context
from bot.engine import effects as fx

_HANDLERS: Mapping[type, Callable[[Any, Context], None]] = {
    fx.SendMessage: messages.send,
    fx.CancelPending: messages.cancel_pending,
    fx.RecordConsent: consent.record_consent,
    fx.AddEntry: points.add_entry,
    fx.IssueVoucher: vouchers.issue,
    fx.RevokeVoucher: vouchers.revoke,
    fx.TakeStock: vouchers.take_stock,
    fx.SetAttribute: profile.set_attribute,
    fx.SetMark: profile.set_mark,
    fx.AddTag: profile.add_tag,
    fx.RemoveTag: profile.remove_tag,
    fx.SetTimer: timers.set_timer,
    fx.CancelTimers: timers.cancel,
    fx.RequestPerson: facts.request_person,
    fx.RecordFact: facts.record_fact,
}


def apply_all(effects: Sequence[fx.Effect], context: Context) -> None:
    """Turn every effect of one decision into rows."""
    for effect in effects:
        _HANDLERS[type(effect)](effect, context)
