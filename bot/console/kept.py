"""Things that are made once for everybody and kept while they are true."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(slots=True)
class Kept(Generic[T]):
    """Things by key, each with the version it was made for; the oldest half goes when there are too many."""

    most: int
    _things: dict[Hashable, tuple[object, T]] = field(default_factory=dict)
    _locks: dict[Hashable, threading.Lock] = field(default_factory=dict)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def get(self, key: Hashable, version: object, make: Callable[[], T]) -> T:
        """Return what `make` made for this key at this version. One thread makes it; others who ask wait for it."""
        found = self._things.get(key)
        if found is not None and found[0] == version:
            return found[1]
        with self._guard:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            found = self._things.get(key)
            if found is None or found[0] != version:
                found = self._things[key] = (version, make())
        if len(self._things) > self.most:
            self._thin_out()
        return found[1]

    def forget(self, key: Hashable | None = None) -> None:
        """Forget one thing, or all."""
        with self._guard:
            if key is None:
                self._things.clear()
            else:
                self._things.pop(key, None)

    def _thin_out(self) -> None:
        with self._guard:
            for key in list(self._things)[: self.most // 2]:
                self._things.pop(key, None)
                self._locks.pop(key, None)
