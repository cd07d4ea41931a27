"""Texts that arrive together are taken together: one durable commit for many requests.

Each request's thread leaves its text and waits. The first one that finds nobody at work takes everything
that lies there, in one transaction; the others find their answers made. Under no load a text is alone and
waits for nobody; under load the group grows by itself.
"""

from __future__ import annotations

import threading
from collections import deque

from bot.clock import Clock
from bot.engine.events import MessageReceived
from bot.turn import Answer, Turns

LARGEST_GROUP = 64  # beyond this a commit costs little per text and the first one would wait too long


class _Waiting:
    """One text on its way through a group."""

    __slots__ = ("answer", "done", "event", "trouble")

    def __init__(self, event: MessageReceived) -> None:
        self.event = event
        self.done = threading.Event()
        self.answer: Answer | None = None
        self.trouble: BaseException | None = None


class Inbox:
    """Groups concurrent texts for the turns."""

    def __init__(self, turns: Turns, clock: Clock) -> None:
        self.turns = turns
        self.clock = clock
        self._lying: deque[_Waiting] = deque()
        self._work = threading.Lock()

    def take(self, event: MessageReceived) -> Answer:
        """Handle one text, with whichever others lie there; return when it is committed."""
        mine = _Waiting(event)
        self._lying.append(mine)
        while not mine.done.is_set():
            if self._work.acquire(timeout=0.5):
                try:
                    self._take_group()
                finally:
                    self._work.release()
        if mine.trouble is not None:
            raise mine.trouble
        assert mine.answer is not None
        return mine.answer

    def _take_group(self) -> None:
        group: list[_Waiting] = []
        while self._lying and len(group) < LARGEST_GROUP:
            group.append(self._lying.popleft())
        if not group:
            return
        try:
            answers = self.turns.take([each.event for each in group], self.clock.now())
            for each, answer in zip(group, answers, strict=True):
                each.answer = answer
        except BaseException as trouble:
            for each in group:
                each.trouble = trouble
        finally:
            for each in group:
                each.done.set()
