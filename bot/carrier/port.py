"""What every carrier can do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol


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


class Carrier(Protocol):
    """Sends texts. Raises CarrierError (refused; `permanent` says whether for good), CarrierUnreachable
    (certainly not sent) or OutcomeUnknown (perhaps sent: never repeat blindly)."""

    def send(self, message: Outgoing) -> Accepted: ...
