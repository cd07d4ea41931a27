"""Messages into rows: a reply is handed over at once, anything else waits for the gate's moment."""

from __future__ import annotations

from datetime import datetime
from mimetypes import guess_type

from bot import gate
from bot.apply.context import Context
from bot.engine import effects as fx
from bot.gate.recipients import REGION, places_of
from storage.ids import next_id


def send(effect: fx.SendMessage, context: Context) -> None:
    """A reply goes back with the webhook's answer; anything else waits in the outbox for the gate's moment."""
    state, reason, send_after = "sending", None, None
    if context.carrier_answers and effect.purpose != "marketing":
        state, reason = "suppressed", "carrier_answers"
    elif not (context.handed_over_now and effect.purpose in ("reply", "opt_out_confirmation")):
        state, reason, send_after = _plan(effect, context)
    message_id, media = next_id(), _media(effect)
    context.rows.messages.append(
        {
            "id": message_id,
            "customer_id": context.customer.id,
            "direction": "out",
            "sender": context.sender,
            "recipient": context.customer.phone,
            "body": effect.body,
            "media": media,
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
        context.replies.append((message_id, effect.body, media))


def _media(effect: fx.SendMessage) -> list[dict[str, str]] | None:
    if effect.picture is None:
        return None
    kind, _ = guess_type(effect.picture.partition("?")[0])
    return [{"url": effect.picture, "content_type": kind or "image/jpeg"}]


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


def cancel_pending(effect: fx.CancelPending, context: Context) -> None:
    """Suppress what is queued for the customer; what this very turn sends comes after it."""
    context.rows.suppressed[context.customer.id] = effect.reason
