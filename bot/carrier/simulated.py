"""The demo's carrier: takes every text and reports it sent and delivered, by signed callbacks over HTTP."""

from __future__ import annotations

import queue
import threading
import uuid
from collections.abc import Callable, Mapping

import requests

from bot.carrier.port import Accepted, Outgoing
from bot.signature import sign

ACCOUNT = "AC" + "0" * 32


def new_sid() -> str:
    """Return a message sid of the shape Twilio gives."""
    return "SM" + uuid.uuid4().hex


class SimulatedCarrier:
    """Accepts at once; a background thread posts the status callbacks a real carrier would."""

    def __init__(self, token: str, post: Callable[[str, Mapping[str, str], str], None] | None = None) -> None:
        self.token = token
        self._post = post or _post
        self._reports: queue.Queue[tuple[str, dict[str, str]]] = queue.Queue()
        threading.Thread(target=self._report, name="simulated-carrier", daemon=True).start()

    def send(self, message: Outgoing) -> Accepted:
        """Take the text."""
        sid = new_sid()
        self.delivered(sid, message.status_callback, to=message.to, sender=message.sender)
        return Accepted(sid=sid, state="queued")

    def delivered(self, sid: str, callback: str, *, to: str, sender: str) -> None:
        """Report a text as sent, then delivered, to a status callback."""
        for state in ("sent", "delivered"):
            form = {
                "MessageSid": sid,
                "SmsSid": sid,
                "MessageStatus": state,
                "SmsStatus": state,
                "AccountSid": ACCOUNT,
                "To": to,
                "From": sender,
                "ApiVersion": "2010-04-01",
            }
            self._reports.put((callback, form))

    def _report(self) -> None:
        while True:
            url, form = self._reports.get()
            self._post(url, form, sign(url, form.items(), self.token))


def _post(url: str, form: Mapping[str, str], signature: str) -> None:
    try:
        requests.post(url, data=form, headers={"X-Twilio-Signature": signature}, timeout=5)
    except requests.RequestException:
        return  # a lost callback: the message stays where it is, as in real life
