"""Which events may be handled together: one of each customer, in the order they came."""

from __future__ import annotations

from bot.engine.events import Event, MessageReceived
from bot.phone import person

_Numbered = list[tuple[int, Event]]


def first_wave(left: _Numbered) -> tuple[_Numbered, _Numbered]:
    """Return the events that may be handled together, and the rest, both in order.

    One event of each customer. Texts know the number and all others the id, so they are not mixed: nobody
    could tell that two of them are one customer's.
    """
    wave: _Numbered = []
    later: _Numbered = []
    seen: set[object] = set()
    texts = isinstance(left[0][1], MessageReceived)
    for place, (index, event) in enumerate(left):
        if isinstance(event, MessageReceived) is not texts:
            return wave, later + left[place:]
        whose = _whose(event)
        (later if whose in seen else wave).append((index, event))
        seen.add(whose)
    return wave, later


def _whose(event: Event) -> object:
    """Return what two events must not share to be handled in one wave."""
    if isinstance(event, MessageReceived):
        return person(event.sender) or event.sender
    return event.customer_id
