"""Twilio's two doors: `POST /sms` for texts, `POST /sms/status` for what became of ours."""

from __future__ import annotations

import re
from typing import Literal, cast
from xml.sax.saxutils import escape

from flask import Blueprint, Request, Response, request

from bot import telemetry
from bot.engine.events import Media, MessageReceived
from bot.services import Services, services
from bot.turn import Answer
from bot.web.signature import authentic, public_urls

blueprint = Blueprint("webhook", __name__)

LARGEST_FORM = 64 * 1024  # bytes; 1,600 characters and ten media URLs need less than a quarter of it
MOST_MEDIA = 10  # https://www.twilio.com/docs/messaging/api/message-resource: media_url
_FORM = "application/x-www-form-urlencoded"
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SID = re.compile(r"[A-Za-z0-9_-]{1,64}")


@blueprint.post("/sms")
def receive_message() -> Response:
    """Take a text from Twilio and answer with TwiML."""
    shop = services()
    refusal = refuse(request, shop, door="sms")
    if refusal is not None:
        return refusal
    event = read_message(request, shop)
    if event is None:
        telemetry.refused("sms", "incomplete")
        return Response(status=400)
    answer = shop.inbox.take(event)
    return twiml(answer, callback_base(request, shop))


@blueprint.post("/sms/status")
def receive_status() -> Response:
    """Take a status callback. Unknown, repeated and late ones are welcome: states only move forward."""
    shop = services()
    refusal = refuse(request, shop, door="status")
    if refusal is not None:
        return refusal
    form = request.form
    sid = form.get("MessageSid") or form.get("SmsSid") or ""
    state = form.get("MessageStatus") or form.get("SmsStatus") or ""
    if not _SID.fullmatch(sid) or not state:
        telemetry.refused("status", "incomplete")
        return Response(status=400)
    ours = request.args.get("message", "")
    shop.statuses.take(
        sid=sid,
        state=state.lower()[:20],
        error_code=_number(form.get("ErrorCode", "")),
        message_id=_number(ours),
        raw={name: value[:200] for name, value in form.items()},
        now=shop.clock.now(),
    )
    return Response(status=204)


def refuse(asked: Request, shop: Services, door: Literal["sms", "status"]) -> Response | None:
    """Return the refusal of a request that is not an authentic form of Twilio's, or None.

    The signature is checked on the untouched form; nothing is done before it. A refusal has no body: it
    tells a stranger nothing.
    """
    if asked.mimetype != _FORM:
        telemetry.refused(door, "content_type")
        return Response(status=415)
    if asked.content_length is None or asked.content_length > LARGEST_FORM:
        telemetry.refused(door, "too_large" if asked.content_length else "no_length")
        return Response(status=413 if asked.content_length else 411)
    pairs = asked.form.items(multi=True)
    signature = asked.headers.get("X-Twilio-Signature", "")
    if not signature or not authentic(public_urls(asked, shop.settings), pairs, signature, shop.settings.auth_tokens):
        telemetry.refused(door, "signature" if signature else "unsigned")
        return Response(status=403)
    return None


def read_message(asked: Request, shop: Services) -> MessageReceived | None:
    """Return the event in a text's form, or None when it lacks what every text of Twilio's has.

    A picture alone may come without Body; Twilio adds parameters without notice, so others are ignored.
    """
    form = asked.form
    sid, sender = form.get("MessageSid") or form.get("SmsSid") or "", form.get("From", "").strip()
    if not _SID.fullmatch(sid) or not sender:
        return None
    opt_out_type = form.get("OptOutType", "").upper()
    count = min(_number(form.get("NumMedia", "0")) or 0, MOST_MEDIA)
    return MessageReceived(
        sid=sid,
        sender=sender[:64],
        recipient=form.get("To", "")[:64],
        body=_storable(form.get("Body", "")),
        at=shop.clock.now(),
        media=tuple(
            Media(_storable(form.get(f"MediaUrl{i}", ""))[:2000], _storable(form.get(f"MediaContentType{i}", ""))[:100])
            for i in range(count)
        ),
        opt_out_type=cast(Literal["STOP", "START", "HELP"], opt_out_type)
        if opt_out_type in {"STOP", "START", "HELP"}
        else None,
        country=form.get("FromCountry") or None,
    )


def twiml(answer: Answer, base: str) -> Response:
    """Render the replies; each reports its progress to a callback that carries our message's id."""
    parts = [
        f'<Message action="{escape(base)}/sms/status?message={reply.message_id}" method="POST">'
        f"{escape(_NOT_XML.sub('', reply.body))}</Message>"
        for reply in answer.replies
    ]
    body = f'<?xml version="1.0" encoding="UTF-8"?><Response>{"".join(parts)}</Response>'
    return Response(body, content_type="text/xml; charset=utf-8")


def callback_base(asked: Request, shop: Services) -> str:
    """Return the public address that status callbacks come back to."""
    return shop.settings.public_url or asked.host_url.rstrip("/")


def _storable(text: str) -> str:
    """Replace what a database cannot hold: NUL and lone surrogates."""
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 19 else None

