"""Identifiers that grow with time, made without asking the database.

41 bits of milliseconds since 2024, 15 bits naming the process, 7 bits counting within the
millisecond: 63 bits in all, good until 2093. Rows made together lie together in every index.
"""

from __future__ import annotations

import os
import secrets
import threading
import time
from datetime import UTC, datetime, timedelta

START = datetime(2024, 1, 1, tzinfo=UTC)
_START_MS = int(START.timestamp() * 1000)
_NODE_BITS = 15
_COUNT_BITS = 7
_FULL = (1 << _COUNT_BITS) - 1

_lock = threading.Lock()
_last_ms = 0
_count = 0
_node = 0


def _become_new_process() -> None:
    global _node, _lock
    _lock = threading.Lock()
    _node = secrets.randbits(_NODE_BITS) << _COUNT_BITS


_become_new_process()
os.register_at_fork(after_in_child=_become_new_process)


def next_id() -> int:
    """Return a new id, larger than every id this process made before. Safe between threads and after a fork."""
    global _last_ms, _count
    with _lock:
        now = time.time_ns() // 1_000_000 - _START_MS
        if now > _last_ms:
            _last_ms, _count = now, 0
        elif _count < _FULL:
            _count += 1
        else:  # more than the counter holds, or the clock was set back: borrow from the future
            _last_ms, _count = _last_ms + 1, 0
        return (_last_ms << (_NODE_BITS + _COUNT_BITS)) | _node | _count


def moment_of(identifier: int) -> datetime:
    """Return when an id was made, to the millisecond."""
    return START + timedelta(milliseconds=identifier >> (_NODE_BITS + _COUNT_BITS))


def distance(span: timedelta) -> int:
    """Return by how much two ids differ that were made so long after each other."""
    return int(span.total_seconds() * 1000) << (_NODE_BITS + _COUNT_BITS)


def id_at(moment: datetime) -> int:
    """Return the smallest id that can have been made at a moment."""
    return max(0, (moment - START) // timedelta(milliseconds=1)) << (_NODE_BITS + _COUNT_BITS)
