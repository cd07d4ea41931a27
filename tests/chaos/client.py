"""Plays Twilio over one keep-alive connection: signs a form, posts it, reads the TwiML."""

from __future__ import annotations

import http.client
import re
from collections.abc import Mapping
from html import unescape
from urllib.parse import urlencode, urlsplit

from bot.signature import sign
from tests.bench.load import inbound_form

_MESSAGE = re.compile(r"<Message[^>]*>(.*?)</Message>", re.DOTALL)


class Client:
    """One connection of the carrier to the server at `url`."""

    def __init__(self, url: str, token: str, timeout: float = 15.0) -> None:
        self.url = url
        self.token = token
        self._timeout = timeout
        self._connection: http.client.HTTPConnection | None = None

    def text(self, sender: str, body: str, sid: str, **fields: str) -> tuple[int, list[str]]:
        """Send one text and return the status and the replies. Raises OSError when no answer came."""
        form = {**inbound_form(sender, body, sid), **fields}
        status, answer = self.post("/sms", form)
        return status, [unescape(found) for found in _MESSAGE.findall(answer.decode())]

    def post(self, path: str, form: Mapping[str, str], signature: str | None = None) -> tuple[int, bytes]:
        """Post a form, signed unless a signature is given."""
        signature = sign(self.url + path, form.items(), self.token) if signature is None else signature
        return self.raw("POST", path, urlencode(form).encode(), {"X-Twilio-Signature": signature})

    def raw(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
        """Send any request."""
        for reused in (self._connection is not None, False):
            try:
                return self._exchange(method, path, body, headers)
            except (OSError, http.client.HTTPException) as trouble:
                self.close()
                if not reused:  # on a kept connection the server may have hung up after refusing a body
                    raise OSError(str(trouble)) from trouble
        raise AssertionError

    def _exchange(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
        parts = urlsplit(self.url)
        if self._connection is None:
            self._connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=self._timeout)
        self._connection.request(method, path, body, {"Content-Type": "application/x-www-form-urlencoded", **headers})
        answer = self._connection.getresponse()
        return answer.status, answer.read()

    def close(self) -> None:
        """Hang up."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
