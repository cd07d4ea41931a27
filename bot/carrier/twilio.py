"""Twilio's Messages API over plain HTTP.

The library's client costs several times as much for each message; `tests/carrier` holds the two together:
the same form goes out, the same answers are understood. Source:
https://www.twilio.com/docs/messaging/api/message-resource.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlencode

from bot.carrier.http import Client
from bot.carrier.port import Accepted, Found, Outgoing
from bot.errors import CarrierError, OutcomeUnknown
from bot.settings import Settings

_VALIDITY_LIMITS = (5, 36_000)  # seconds
_PAGE = 1_000  # the most Twilio gives at once
_FORM = "application/x-www-form-urlencoded"


class TwilioCarrier:
    """Sends through a number or a Messaging Service (a sender that begins with MG)."""

    def __init__(self, settings: Settings, client: Client | None = None) -> None:
        user = settings.api_key or settings.account_sid
        password = settings.api_secret if settings.api_key else settings.auth_tokens[0]
        self._base = settings.api_base_url
        self._messages = f"/2010-04-01/Accounts/{settings.account_sid}/Messages.json"
        self._client = client or Client()
        self._headers = {
            "Authorization": "Basic " + b64encode(f"{user}:{password}".encode()).decode(),
            "Accept": "application/json",
            "Content-Type": _FORM,
        }

    def send(self, message: Outgoing) -> Accepted:
        """Create the message at Twilio; see `Carrier` for the errors."""
        form = [("To", message.to), ("Body", message.body), ("StatusCallback", message.status_callback)]
        form.append(("MessagingServiceSid" if message.sender.startswith("MG") else "From", message.sender))
        if message.valid_for is not None:
            low, high = _VALIDITY_LIMITS
            form.append(("ValidityPeriod", str(min(high, max(low, int(message.valid_for.total_seconds()))))))
        form += [("MediaUrl", url) for url in message.media]
        status, body = self._client.ask("POST", self._base + self._messages, self._headers, urlencode(form))
        answer = _read(body)
        if status in (200, 201) and answer.get("sid"):
            return Accepted(sid=str(answer["sid"]), state=str(answer.get("status", "queued")))
        raise _refusal(status, answer)

    def find(self, to: str, since: datetime) -> Sequence[Found]:
        """Return what was sent to a number since then.

        DateSent is empty while a message waits at Twilio, so the newest messages to the number are taken and
        the time is judged here. Raises CarrierError.
        """
        status, answer = self._get(f"{self._messages}?{urlencode({'To': to, 'PageSize': 100})}")
        if status != 200:
            raise _refusal(status, answer)
        found = [_found(each) for each in answer.get("messages", ())]
        return [each for each in found if not each.inbound and each.at >= since]

    def listed(self, since: datetime) -> Iterator[Found]:
        """Give every message in both directions since then, page by page. Raises CarrierError."""
        query = {"DateSent>": since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), "PageSize": _PAGE}
        path: str | None = f"{self._messages}?{urlencode(query)}"
        while path:
            status, answer = self._get(path)
            if status != 200:
                raise _refusal(status, answer)
            for each in answer.get("messages", ()):
                yield _found(each)
            path = answer.get("next_page_uri")

    def _get(self, path: str) -> tuple[int, dict[str, Any]]:
        status, body = self._client.ask("GET", self._base + path, self._headers)
        return status, _read(body)


def _read(body: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(body)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _found(each: dict[str, Any]) -> Found:
    return Found(
        sid=str(each["sid"]),
        to=str(each["to"]),
        sender=str(each.get("from") or ""),
        body=str(each.get("body") or ""),
        state=str(each["status"]),
        error_code=str(each["error_code"]) if each.get("error_code") else None,
        at=parsedate_to_datetime(each["date_created"]),
        inbound=each.get("direction") == "inbound",
    )


def _refusal(status: int, answer: dict[str, Any]) -> CarrierError:
    """Say what a refusal means: 429 was never processed, 5xx may have been, the rest is final.

    Source: https://www.twilio.com/docs/api/errors/20429 ("safe to retry").
    """
    code = answer.get("code")
    code = code if isinstance(code, int) else None
    text = f"{code or status}: {answer.get('message', 'no reason given')}"
    if status == 429:
        return CarrierError(text, code=20429, permanent=False)
    if status >= 500 or status < 400:
        return OutcomeUnknown(text, code=code)
    return CarrierError(text, code=code or (20003 if status == 401 else None), permanent=True)
