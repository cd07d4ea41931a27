"""What came of one event."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Result = Literal["answered", "repeated", "crashed", "not_a_person", "handled", "not_taken"]


@dataclass(frozen=True, slots=True)
class Reply:
    """One text that goes back in the answer to the webhook."""

    message_id: int
    body: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one event. `not_taken`: nothing of it was written, the sender must come again."""

    result: Result
    message_id: int | None = None
    replies: tuple[Reply, ...] = ()
