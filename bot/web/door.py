"""Twilio's two doors without any framework: who may come in, what they bring, what goes back.

`webhook.py` opens them in Flask for any WSGI server; `bot/server.py` opens them in an event loop, where
texts that arrive together are taken together.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, cast
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from bot import telemetry
from bot.carrier.port import StatusReported
from bot.clock import Clock
from bot.engine.events import Media, MessageReceived
from bot.settings import Settings
from bot.signature import authentic, signed_urls
from bot.turn import Answer, Reply

LARGEST_FORM = 64 * 1024  # bytes; 1,600 characters and ten media URLs need less than a quarter of it
MOST_FIELDS = 400
MOST_MEDIA = 10  # https://www.twilio.com/docs/messaging/api/message-resource: media_url
TWIML = "text/xml; charset=utf-8"
_FORM = "application/x-www-form-urlencoded"
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_STATE = re.compile(r"[a-z_]{1,24}")
#: What is kept of a status callback: words and codes about the delivery, nothing about whose number it is.
_KEPT = ("MessageStatus", "SmsStatus", "ErrorCode", "ChannelStatusMessage", "RawDlrDoneDate")
_WORD = re.compile(r"[A-Za-z_]{1,24}|[0-9]{1,10}")

Path = Literal["/sms", "/sms/status"]


class Refused(Exception):
    """A request that is not let in. It gets a status and no body: a stranger is told nothing."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP post as it came over the wire. Header names are lower case."""

    path: Path
    query: str
    headers: Mapping[str, str]
    body: bytes
    scheme: str = "http"


class Door:
    """Checks and reads Twilio's posts, renders the answers."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.settings = settings
        self.clock = clock

    def read_message(self, request: Request) -> MessageReceived:
        """Return the text that came. Raises Refused.

        A picture alone may come without Body; Twilio adds parameters without notice, so others are ignored.
        """
        form = self._form(request)
        sid, sender = form.get("MessageSid") or form.get("SmsSid") or "", form.get("From", "").strip()
        if not _SID.fullmatch(sid) or not sender:
            raise self._refusal(request, 400, "incomplete")
        opt_out_type = form.get("OptOutType", "").upper()
        return MessageReceived(
            sid=sid,
            sender=_storable(sender[:64]),
            recipient=_storable(form.get("To", "")[:64]),
            body=_storable(form.get("Body", "")),
            at=self.clock.now(),
            media=_media(form) if form.get("NumMedia", "0") != "0" else (),
            opt_out_type=cast(Literal["STOP", "START", "HELP"], opt_out_type)
            if opt_out_type in {"STOP", "START", "HELP"}
            else None,
            country=form.get("FromCountry") or None,
        )

    def read_status(self, request: Request) -> StatusReported:
        """Return what Twilio reports of one of our texts. Raises Refused."""
        form = self._form(request)
        sid = form.get("MessageSid") or form.get("SmsSid") or ""
        state = (form.get("MessageStatus") or form.get("SmsStatus") or "").lower()
        if not _SID.fullmatch(sid) or not _STATE.fullmatch(state):
            raise self._refusal(request, 400, "incomplete")
        code = _number(form.get("ErrorCode", ""))
        ours = dict(parse_qsl(request.query)).get("message", "")
        return StatusReported(
            sid=sid,
            state=state,
            error_code=str(code) if code else None,
            message_id=_number(ours),
            raw={name: form[name] for name in _KEPT if _WORD.fullmatch(form.get(name, ""))},
            at=self.clock.now(),
        )

    def render(self, answer: Answer, request: Request) -> bytes:
        """Return TwiML; each reply reports its progress to a callback that carries our message's id.

        Raises Refused(503) for a text that could not be taken: the carrier tries again or falls back.
        """
        if answer.result == "not_taken":
            raise self._refusal(request, 503, "not_taken")
        if not answer.replies:
            return b'<?xml version="1.0" encoding="UTF-8"?><Response/>'
        base = escape(self.base(request), {'"': "&quot;"})
        parts = [
            f'<Message action="{base}/sms/status?message={reply.message_id}" method="POST">{_content(reply)}</Message>'
            for reply in answer.replies
        ]
        return f'<?xml version="1.0" encoding="UTF-8"?><Response>{"".join(parts)}</Response>'.encode()

    def base(self, request: Request) -> str:
        """Return our public address: PUBLIC_URL, or (demo) the address this request came to."""
        if self.settings.public_url:
            return self.settings.public_url
        scheme, host = request.scheme, request.headers.get("host", "localhost")
        if self.settings.trust_proxy:
            scheme = request.headers.get("x-forwarded-proto", scheme).split(",")[0].strip()
            host = request.headers.get("x-forwarded-host", host).split(",")[0].strip()
        return f"{scheme}://{host}"

    def _form(self, request: Request) -> dict[str, str]:
        """Return the form of an authentic post; the signature is checked on everything it came with."""
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
            raise self._refusal(request, 415, "content_type")
        if len(request.body) > LARGEST_FORM:
            raise self._refusal(request, 413, "too_large")
        signature = request.headers.get("x-twilio-signature", "")
        if not signature:
            raise self._refusal(request, 403, "unsigned")
        try:
            pairs = parse_qsl(
                request.body.decode("latin-1"), keep_blank_values=True, errors="replace", max_num_fields=MOST_FIELDS
            )
        except ValueError:
            raise self._refusal(request, 400, "too_many_fields") from None
        path = request.path + (f"?{request.query}" if request.query else "")
        if not authentic(signed_urls(self.base(request), path), pairs, signature, self.settings.auth_tokens):
            raise self._refusal(request, 403, "signature")
        form: dict[str, str] = {}
        for name, value in pairs:
            form.setdefault(name, value)
        return form

    def _refusal(self, request: Request, status: int, reason: str) -> Refused:
        telemetry.refused("sms" if request.path == "/sms" else "status", reason)
        return Refused(status)


def _content(reply: Reply) -> str:
    """Return what stands in `<Message>`: the words alone, or with the pictures of an MMS."""
    words = escape(_NOT_XML.sub("", reply.body))
    if not reply.pictures:
        return words
    return f"<Body>{words}</Body>" + "".join(f"<Media>{escape(url)}</Media>" for url in reply.pictures)


def _media(form: Mapping[str, str]) -> tuple[Media, ...]:
    count = min(_number(form.get("NumMedia", "")) or 0, MOST_MEDIA)
    return tuple(
        Media(_storable(form.get(f"MediaUrl{i}", ""))[:2000], _storable(form.get(f"MediaContentType{i}", ""))[:100])
        for i in range(count)
    )


def _storable(text: str) -> str:
    """Replace what a database cannot hold: NUL and lone surrogates."""
    if text.isascii() and "\0" not in text:
        return text
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None
