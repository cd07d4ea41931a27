"""How many texts come, so that work which can wait gives way to them in the process that takes them."""

from __future__ import annotations

import time
from collections.abc import Callable

BUSY = 100  #: texts in a second from which indexing and counting would be felt by those who wait for an answer
LONGEST = 300.0  #: seconds such work gives way at most


class Pace:
    """Counts what came in this second and in the one before. One thread notes, any may ask."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._second = 0
        self._count = 0
        self._before = 0

    def note(self, count: int) -> None:
        """Count events that came."""
        second = int(self._clock())
        if second != self._second:
            self._before = self._count if second == self._second + 1 else 0
            self._second, self._count = second, 0
        self._count += count

    def busy(self) -> bool:
        """Say whether many came in this second or the one before."""
        past = int(self._clock()) - self._second
        lately = max(self._count, self._before) if past == 0 else self._count if past == 1 else 0
        return lately >= BUSY


class Patience:
    """Gives way to a busy hour, but not for ever."""

    def __init__(self, pace: Pace, clock: Callable[[], float] = time.monotonic) -> None:
        self._pace = pace
        self._clock = clock
        self._since: dict[str, float] = {}

    def gives_way(self, name: str) -> bool:
        """Say whether this piece of work should wait for a quieter moment."""
        if self._pace.busy() and self._clock() - self._since.setdefault(name, self._clock()) < LONGEST:
            return True
        self._since.pop(name, None)
        return False
