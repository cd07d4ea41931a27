"""A pooled HTTP client that says what a failure means for a message: certainly not sent, or perhaps sent."""

from __future__ import annotations

from collections.abc import Mapping

import urllib3
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError

from bot.errors import CarrierUnreachable, OutcomeUnknown

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 10.0


class Client:
    """Connections that stay open, shared by all sending threads. Nothing is ever repeated by itself."""

    def __init__(self, connections: int = 32) -> None:
        timeout = urllib3.Timeout(connect=CONNECT_SECONDS, read=ANSWER_SECONDS)
        self._pool = urllib3.PoolManager(maxsize=connections, timeout=timeout, retries=False)

    def ask(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | str | None = None
    ) -> tuple[int, bytes]:
        """Return status and body. Raises CarrierUnreachable when nothing was sent, OutcomeUnknown when it may have."""
        try:
            answer = self._pool.request(method, url, body=body, headers=dict(headers), redirect=False)
        except (NewConnectionError, ConnectTimeoutError) as trouble:
            raise CarrierUnreachable("the carrier cannot be reached") from trouble
        except HTTPError as trouble:
            raise OutcomeUnknown(f"the carrier's answer never came: {type(trouble).__name__}") from trouble
        return answer.status, answer.data
