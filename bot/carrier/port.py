"""What every carrier can do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One text to send. `status_callback` is the URL the carrier reports its progress to."""

    message_id: int
    to: str
    sender: str
    body: str
    status_callback: str
    valid_for: timedelta | None = None  #: after this the carrier should not try any more


@dataclass(frozen=True, slots=True)
class Accepted:
    """The carrier took the text under this id."""

    sid: str
    state: str


@dataclass(frozen=True, slots=True)
class StatusReported:
    """A status callback: Twilio's sid, its word for the state, our message if the callback carried it."""

    sid: str
    state: str
    error_code: str | None
    message_id: int | None
    raw: Mapping[str, str]
    at: datetime

    def as_update(self) -> dict[str, Any]:
        """Return what `storage.messages.move_forward` takes."""
        return {
            "sid": self.sid,
            "message_id": self.message_id,
            "status": self.state,
            "error_code": self.error_code,
            "raw": dict(self.raw),
            "at": self.at,
        }


class Carrier(Protocol):
    """Sends texts. Raises CarrierError (refused; `permanent` says whether for good), CarrierUnreachable
    (certainly not sent) or OutcomeUnknown (perhaps sent: never repeat blindly)."""

    def send(self, message: Outgoing) -> Accepted: ...
