"""A text as its row says it, and whether the carrier answers it instead of us."""

from __future__ import annotations

from datetime import datetime

from bot.apply import Row
from bot.engine.conversation import Customer
from bot.engine.decision import Decision
from bot.engine.events import MessageReceived
from bot.settings import Keywords

# Twilio's default words, read 2026-11: https://help.twilio.com/articles/223134027
_TWILIO_WORDS = frozenset(
    {"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT", "START", "UNSTOP", "HELP", "INFO"}
)


def inbound_row(
    text: MessageReceived,
    message_id: int,
    customer: Customer | None,
    decision: Decision | None,
    now: datetime,
    answered: bool = True,
) -> Row:
    """Return the row of a text as it was understood; `customer` None: nobody we know."""
    top = customer.conversations[-1] if customer and customer.conversations else None
    return {
        "id": message_id,
        "customer_id": customer.id if customer else None,
        "direction": "in",
        "sid": text.sid,
        "sender": text.sender,
        "recipient": text.recipient,
        "body": text.body,
        "media": [{"url": item.url, "content_type": item.content_type} for item in text.media] or None,
        "state": "failed" if decision and decision.error else "received",
        "purpose": None,
        "conversation_id": top.id if top else None,
        "flow": top.flow if top else None,
        "flow_state": top.state if top else None,
        "language": customer.language if customer else None,
        "explanation": decision.explanation() if decision else None,
        "misunderstood": (decision is not None and decision.misunderstood) or None,
        "unanswered": (not answered and decision is not None and decision.wants_answer) or None,
        "created_at": now,
    }


def carrier_answers(keywords: Keywords, text: MessageReceived | None, decision: Decision) -> bool:
    """Say whether Twilio itself answers this keyword.

    With OptOutType it already has; with its default handling it answers single STOP, START and HELP words
    (https://help.twilio.com/articles/223134027). YES is answered only when it lifts a block, which we
    cannot know, and our own confirmation carries what carriers require, so YES is always ours. After START
    Twilio only confirms; a question of ours, without whose answer nobody is subscribed, is still asked.
    """
    if text is None:
        return False
    opting_in = decision.routing is not None and decision.routing.decision == "opt_in"
    if opting_in and any(conversation.ended_at is None for conversation in decision.conversations):
        return False
    if text.opt_out_type is not None:
        return True
    return keywords == "twilio" and text.body.strip().upper() in _TWILIO_WORDS
