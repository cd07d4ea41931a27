"""What came of one event."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Result = Literal["answered", "repeated", "crashed", "not_a_person", "handled", "not_taken"]


@dataclass(frozen=True, slots=True)
class Reply:
    """One text that goes back in the answer to the webhook."""

    message_id: int
    body: str
    pictures: tuple[str, ...] = ()  #: their addresses

    @classmethod
    def of(cls, message_id: int, body: str, media: Sequence[Mapping[str, str]] | None) -> Reply:
        """Return the reply that a message's row holds."""
        return cls(message_id, body, tuple(part["url"] for part in media or ()))


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one event. `not_taken`: nothing of it was written, the sender must come again."""

    result: Result
    message_id: int | None = None
    replies: tuple[Reply, ...] = ()
