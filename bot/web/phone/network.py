"""What Twilio does between a handset and our webhook, for the simulated phone.

A text goes through the real door: a signed form over HTTP to `/sms`, the TwiML answer read as Twilio
reads it, and signed status callbacks for every `<Message action>`.
"""

from __future__ import annotations

import threading
import uuid
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import phonenumbers
import requests

from bot.engine.message import measure
from bot.errors import RegularsError
from bot.settings import Settings
from bot.signature import sign

ACCOUNT = "AC" + "0" * 32  # as bot/carrier/simulated.py names the account
REPORTS = "delivery reports"  #: the name of the threads that post status callbacks
PATIENCE = 15.0  # seconds; Twilio's own limit for an answer: https://www.twilio.com/docs/usage/webhooks/webhooks-faq
LONGEST = 1_600  # characters in one text: https://www.twilio.com/docs/glossary/what-sms-character-limit

Post = Callable[[str, Mapping[str, str], Mapping[str, str]], requests.Response]


class NotAnswered(RegularsError):
    """The server did not take the text."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture sent with a text: its address and `image/png`."""

    url: str
    content_type: str


@dataclass(frozen=True, slots=True)
class Taken:
    """A text the webhook took: its sid and how many texts came back with the answer."""

    sid: str
    replies: int


class Network:
    """Carries texts between simulated handsets and one server.

    `address` is where the server listens on this machine. Signatures are made over `public_url` when it
    is set, because that is the address the webhook believes it has.
    """

    def __init__(self, address: str, public_url: str, token: str, post: Post | None = None) -> None:
        self.address = address
        self.public = public_url or address
        self.token = token
        self._post = post or _post

    def text(self, *, sender: str, recipient: str, body: str, pictures: Sequence[Picture] = ()) -> Taken:
        """Send one text and report the replies as sent and delivered, in the background.

        Raises NotAnswered, in words for whoever holds the phone, when the webhook did not answer 200.
        """
        sid = ("MM" if pictures else "SM") + uuid.uuid4().hex
        form = inbound_form(sid, sender, recipient, body, pictures)
        url = self.public + "/sms"
        try:
            answer = self._post(self._here(url), form, {"X-Twilio-Signature": sign(url, form.items(), self.token)})
        except requests.RequestException as trouble:
            raise NotAnswered(f"The server could not be reached ({type(trouble).__name__}).") from trouble
        if answer.status_code != 200:
            raise NotAnswered(f"The server answered {answer.status_code} instead of taking the text.")
        callbacks = [message.get("action") or "" for message in ET.fromstring(answer.content).iter("Message")]
        threading.Thread(target=self._report, args=(callbacks, sender, recipient), name=REPORTS, daemon=True).start()
        return Taken(sid, len(callbacks))

    def _report(self, callbacks: Sequence[str], customer: str, shop: str) -> None:
        """Tell each callback that its message was sent and then delivered."""
        for url in callbacks:
            sid = "SM" + uuid.uuid4().hex
            for state in ("sent", "delivered") if url else ():
                form = status_form(sid, state, to=customer, sender=shop)
                try:
                    self._post(self._here(url), form, {"X-Twilio-Signature": sign(url, form.items(), self.token)})
                except requests.RequestException:
                    return  # a lost callback: the message stays "sending", as in real life

    def _here(self, url: str) -> str:
        """Return the local address of a public one."""
        return self.address + url.removeprefix(self.public)


def local_address(settings: Settings) -> str:
    """Return where this very server listens."""
    host = settings.host
    if host in {"", "0.0.0.0", "::"}:
        host = "127.0.0.1"
    return f"http://[{host}]:{settings.port}" if ":" in host else f"http://{host}:{settings.port}"


def inbound_form(sid: str, sender: str, recipient: str, body: str, pictures: Sequence[Picture] = ()) -> dict[str, str]:
    """Return the form Twilio posts for a text.

    Source: https://www.twilio.com/docs/messaging/guides/webhook-request. The geographic fields are often
    empty in real life, as here.
    """
    form = {
        "ToCountry": _country(recipient),
        "ToState": "",
        "SmsMessageSid": sid,
        "NumMedia": str(len(pictures)),
        "ToCity": "",
        "FromZip": "",
        "SmsSid": sid,
        "FromState": "",
        "SmsStatus": "received",
        "FromCity": "",
        "Body": body,
        "FromCountry": _country(sender),
        "To": recipient,
        "ToZip": "",
        "NumSegments": str(measure(body).segments),
        "MessageSid": sid,
        "AccountSid": ACCOUNT,
        "From": sender,
        "ApiVersion": "2010-04-01",
    }
    for index, picture in enumerate(pictures):
        form[f"MediaUrl{index}"] = picture.url
        form[f"MediaContentType{index}"] = picture.content_type
    return form


def status_form(sid: str, state: str, *, to: str, sender: str) -> dict[str, str]:
    """Return the form Twilio posts when a message moved on."""
    return {
        "SmsSid": sid,
        "SmsStatus": state,
        "MessageStatus": state,
        "To": to,
        "MessageSid": sid,
        "AccountSid": ACCOUNT,
        "From": sender,
        "ApiVersion": "2010-04-01",
    }


def _country(number: str) -> str:
    try:
        return phonenumbers.region_code_for_number(phonenumbers.parse(number, None)) or ""
    except phonenumbers.NumberParseException:
        return ""


def _post(url: str, form: Mapping[str, str], headers: Mapping[str, str]) -> requests.Response:
    proxies: Any = {"http": None, "https": None}  # this machine's own server needs no proxy
    return requests.post(url, data=form, headers=headers, timeout=PATIENCE, proxies=proxies)
