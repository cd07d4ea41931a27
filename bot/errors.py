"""One error tree. The docstring of a class is its message when none is given."""

from __future__ import annotations


class RegularsError(Exception):
    """Something went wrong in Regulars."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or type(self).__doc__ or "")


class SettingsError(RegularsError):
    """A setting is missing or wrong; see .env.example."""


class FlowError(RegularsError):
    """A flow could not be followed as written."""


class FlowFilesInvalid(RegularsError):
    """The flow files have mistakes and there is no earlier good revision to serve."""


class TurnLimitExceeded(FlowError):
    """A flow took too many steps in one turn; it probably goes in a circle without asking anything."""


class TurnBroken(RegularsError):
    """A turn that no text caused broke inside a flow; what caused it is tried again later."""


class Conflict(RegularsError):
    """Somebody else changed the same facts at the same moment; take the turn again."""


class CarrierError(RegularsError):
    """The carrier refused the message."""

    def __init__(self, message: str | None = None, *, code: int | None = None, permanent: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.permanent = permanent


class CarrierUnreachable(CarrierError):
    """The carrier could not be reached; the message was certainly not sent."""


class OutcomeUnknown(CarrierError):
    """The connection broke after the request; the message may have been sent."""
