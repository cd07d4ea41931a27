"""Bird's SMS channel (formerly MessageBird).

Sources: https://docs.bird.com/api/channels-api/api-reference/messaging (send, list),
.../channels-api/message-status-and-interactions (states, failures) and
.../notifications-api/api-reference/webhooks/verifying-a-webhook (signature).
"""

from __future__ import annotations

import hmac
import json
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode

from bot.carrier.http import Client
from bot.carrier.port import Accepted, Found, Outgoing, StatusReported
from bot.errors import CarrierError, OutcomeUnknown
from bot.settings import Settings

BASE_URL = "https://api.bird.com"
_PAGE = 100
_MOST_PAGES = 1_000

#: Bird's states in the words `storage.statuses.STATUS` knows; a state it does not know moves nothing.
STATES: Mapping[str, str] = {
    "accepted": "queued",
    "processing": "queued",
    "sent": "sent",
    "delivered": "delivered",
    "sending_failed": "failed",
    "delivery_failed": "undelivered",
}

#: Bird's failure codes in the codes `bot/delivery/codes.py` knows; others are kept as `bird:CODE`.
FAILURES: Mapping[int, str] = {
    12003: "21408",  # UNSUPPORTED_DESTINATION
    15005: "30005",  # unknown subscriber
}


class BirdCarrier:
    """Sends through one SMS channel; the channel is the sender. Our message id travels as Bird's `reference`."""

    def __init__(self, settings: Settings, client: Client | None = None, base_url: str | None = None) -> None:
        path = f"/workspaces/{settings.bird_workspace}/channels/{settings.bird_channel}/messages"
        self._url = (base_url or settings.bird_base_url) + path
        self._client = client or Client()
        self._headers = {
            "Authorization": f"AccessKey {settings.bird_access_key}",
            "Accept": "application/json",
            "Content-Type": "application/json",
        }

    def send(self, message: Outgoing) -> Accepted:
        """Create the message at Bird; see `Carrier` for the errors.

        Bird knows no validity period for a message: what must not be late is dropped before it gets here.
        """
        words = {"text": message.body}
        body: dict[str, Any] = {"type": "text", "text": words}
        if message.media:
            images = [{"mediaUrl": url} for url in message.media]
            body = {"type": "image", "image": {"images": images, **({"text": message.body} if message.body else {})}}
        receiver = {"contacts": [{"identifierKey": "phonenumber", "identifierValue": message.to}]}
        request = {"receiver": receiver, "body": body, "reference": str(message.message_id)}
        status, answer = self._ask("POST", self._url, request)
        if status in (200, 201, 202) and answer.get("id"):
            return Accepted(sid=str(answer["id"]), state=str(answer.get("status", "accepted")))
        raise _refusal(status, answer)

    def find(self, to: str, since: datetime) -> Sequence[Found]:
        """Return what was sent to a number since then. Raises CarrierError."""
        return [each for each in self.listed(since) if each.to == to and not each.inbound]

    def listed(self, since: datetime) -> Iterator[Found]:
        """Give the channel's messages since then, the newest page first. Raises CarrierError."""
        token = ""
        for _ in range(_MOST_PAGES):
            query = {"limit": _PAGE, **({"pageToken": token} if token else {})}
            status, answer = self._ask("GET", f"{self._url}?{urlencode(query)}")
            if status != 200:
                raise _refusal(status, answer)
            found = [_found(each) for each in answer.get("results", ())]
            yield from (each for each in found if each.at >= since)
            token = str(answer.get("nextPageToken") or "")
            if not token or (found and max(each.at for each in found) < since):
                return
        raise OutcomeUnknown("Bird lists more than can be looked through")

    def _ask(self, method: str, url: str, request: object = None) -> tuple[int, dict[str, Any]]:
        body = json.dumps(request).encode() if request is not None else None
        status, answer = self._client.ask(method, url, self._headers, body)
        return status, read_json(answer)


def read_json(body: bytes) -> dict[str, Any]:
    """Return a JSON object, an empty one for anything else."""
    try:
        answer = json.loads(body)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def read_status(event: Mapping[str, Any], at: datetime) -> StatusReported | None:
    """Return what a `sms.outbound` event reports, None for any other event."""
    payload = event.get("payload")
    if event.get("event") != "sms.outbound" or not isinstance(payload, Mapping) or not payload.get("id"):
        return None
    ours = str(payload.get("reference") or "")
    status = str(payload.get("status") or "")
    return StatusReported(
        sid=str(payload["id"])[:64],
        state=STATES.get(status, status[:24]),
        error_code=_code(payload),
        message_id=int(ours) if ours.isascii() and ours.isdigit() and len(ours) <= 18 else None,
        raw={"status": status[:24]},  # its reasons are sentences, which may name a number
        at=at,
    )


def sign(key: str, timestamp: str, url: str, body: bytes) -> str:
    """Return the signature of a webhook: HMAC-SHA256 over timestamp, URL and the body's hash, as base64."""
    signed = f"{timestamp}\n{url}\n".encode() + sha256(body).digest()
    return b64encode(hmac.digest(key.encode(), signed, sha256)).decode()


def authentic(key: str, signature: str, timestamp: str, url: str, body: bytes) -> bool:
    """Say whether Bird sent this. There is no window of time: Bird repeats for a day, and repeats do no harm."""
    return bool(key) and hmac.compare_digest(sign(key, timestamp, url, body).encode(), signature.encode())


def _code(payload: Mapping[str, Any]) -> str | None:
    failure = payload.get("failure")
    code = failure.get("code") if isinstance(failure, Mapping) else None
    return FAILURES.get(code, f"bird:{code}") if isinstance(code, int) else None


def _found(each: Mapping[str, Any]) -> Found:
    reference = str(each.get("reference") or "")
    contacts = (each.get("receiver") or {}).get("contacts") or [{}]
    body = each.get("body") or {}
    words = (body.get(str(body.get("type"))) or {}).get("text") or ""
    return Found(
        sid=str(each["id"]),
        to=str(contacts[0].get("identifierValue") or ""),
        sender=str(each.get("channelId") or ""),
        body=str(words),
        state=STATES.get(str(each.get("status")), "queued"),
        error_code=_code(each),
        at=datetime.fromisoformat(str(each["createdAt"])),
        inbound=each.get("direction") == "incoming",
        message_id=int(reference) if reference.isdigit() and len(reference) <= 18 else None,
    )


def _refusal(status: int, answer: Mapping[str, Any]) -> CarrierError:
    """429 was not processed, 5xx may have been, the rest is final; 401 and 403 are about the key, not the message."""
    text = f"{status}: {answer.get('message') or answer.get('code') or 'no reason given'}"
    if status == 429:
        return CarrierError(text, code=20429, permanent=False)
    if status >= 500 or status < 400:
        return OutcomeUnknown(text)
    return CarrierError(text, code=20003 if status in (401, 403) else None, permanent=True)
