"""What every carrier can do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One text to send. `status_callback` is the URL the carrier reports its progress to."""

    message_id: int
    to: str
    sender: str
    body: str
    status_callback: str
    valid_for: timedelta | None = None  #: after this the carrier should not try any more
    media: tuple[str, ...] = ()  #: addresses of pictures, for an MMS


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
        """Return what `storage.statuses.move_forward` takes."""
        return {
            "sid": self.sid,
            "message_id": self.message_id,
            "status": self.state,
            "error_code": self.error_code,
            "raw": dict(self.raw),
            "at": self.at,
        }


@dataclass(frozen=True, slots=True)
class Found:
    """A message as the carrier's own books have it."""

    sid: str
    to: str
    sender: str
    body: str
    state: str
    error_code: str | None
    at: datetime
    inbound: bool = False
    message_id: int | None = None  #: ours, where the carrier keeps it


class Carrier(Protocol):
    """Sends texts. Raises CarrierError (refused; `permanent` says whether for good), CarrierUnreachable
    (certainly not sent) or OutcomeUnknown (perhaps sent: never repeat blindly)."""

    def send(self, message: Outgoing) -> Accepted: ...


@runtime_checkable
class Traceable(Protocol):
    """A carrier that can be asked what it took. Raises CarrierError when it cannot tell now."""

    def find(self, to: str, since: datetime) -> Sequence[Found]:
        """Return what was sent to a number since then."""

    def listed(self, since: datetime) -> Iterator[Found]:
        """Give every message in both directions since then."""
