"""What was said in a turn, put into as few messages as are still cheap."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from bot.engine.effects import SendMessage
from bot.engine.message import fold, measure

if TYPE_CHECKING:
    from bot.engine.frame import Frame
    from bot.engine.working import Turn

Purpose = Literal["reply", "service", "marketing", "opt_out_confirmation"]
MAX_SEGMENTS = 2  #: texts of one turn are joined up to this size


@dataclass(frozen=True, slots=True)
class Line:
    """One text of a flow, or of the bot itself."""

    body: str
    purpose: Purpose
    deadline: datetime  #: after this it is pointless
    conversation_id: int | None = None
    flow: str | None = None
    state: str | None = None
    picture: str | None = None  #: the address of what is sent along; such a text stands alone


def purpose_of(turn: Turn, frame: Frame | None) -> Purpose:
    """Say what a text is for.

    Whatever answers the customer's own text is a reply. Otherwise a marketing flow is marketing, and so is
    every flow that it starts or calls in the same turn.
    """
    if turn.opted_out:
        return "opt_out_confirmation"
    if turn.by_text:
        return "reply"
    marketing = turn.marketing or (frame is not None and frame.compiled.flow.kind == "marketing")
    return "marketing" if marketing else "service"


def messages(turn: Turn) -> list[SendMessage]:
    """Join texts with the same purpose while they fit into two segments together; fold accents if the shop does."""
    lines = [line for line in turn.lines if line.body]
    if turn.opted_out:
        lines = _goodbye(turn, lines)
    return [_message(turn, line) for line in _joined(turn, lines)]


def _goodbye(turn: Turn, lines: list[Line]) -> list[Line]:
    """Return the one confirmation of an opt-out; who was out already gets none."""
    lines = [line for line in lines if line.purpose == "opt_out_confirmation"]
    if not lines or turn.was_out:
        return []
    first = lines[0]
    body = "\n".join(line.body for line in lines)
    return [replace(first, body=body)]


def _joined(turn: Turn, lines: Iterable[Line]) -> Iterator[Line]:
    waiting: Line | None = None
    for line in lines:
        if waiting is None:
            waiting = line
            continue
        body = f"{waiting.body}\n{line.body}"
        plain = line.picture is None and waiting.picture is None
        alike = plain and line.purpose == waiting.purpose and line.deadline == waiting.deadline
        if alike and measure(_written(turn, body)).segments <= MAX_SEGMENTS:
            waiting = replace(waiting, body=body)
        else:
            yield waiting
            waiting = line
    if waiting is not None:
        yield waiting


def _message(turn: Turn, line: Line) -> SendMessage:
    body = _written(turn, line.body)
    cost = measure(body)
    return SendMessage(
        body,
        line.purpose,
        turn.language,
        line.conversation_id,
        line.flow,
        line.state,
        cost.segments,
        cost.encoding,
        line.deadline,
        line.picture,
    )


def _written(turn: Turn, body: str) -> str:
    return fold(body) if turn.programme.accents == "fold" else body
