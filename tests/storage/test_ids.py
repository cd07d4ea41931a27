"""Identifiers."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest

from storage import ids


def test_it_grows_and_never_repeats() -> None:
    """Eight threads draw 5,000 ids each: all differ, each thread's grow, all fit into 63 bits."""
    drawn: list[list[int]] = [[] for _ in range(8)]

    def draw(into: list[int]) -> None:
        into.extend(ids.next_id() for _ in range(5_000))

    threads = [threading.Thread(target=draw, args=(into,)) for into in drawn]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    everything = [identifier for each in drawn for identifier in each]
    assert len(set(everything)) == 40_000
    assert all(each == sorted(each) for each in drawn)
    assert all(0 < identifier < 2**63 for identifier in everything)


def test_it_remembers_when() -> None:
    """The moment can be read back from an id."""
    assert abs(ids.moment_of(ids.next_id()) - datetime.now(UTC)) < timedelta(seconds=5)


def test_it_grows_when_the_clock_is_set_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that jumps back an hour does not make ids smaller."""
    before = ids.next_id()
    hour_ago = int((datetime.now(UTC) - timedelta(hours=1)).timestamp() * 1e9)
    monkeypatch.setattr(ids.time, "time_ns", lambda: hour_ago)
    after = [ids.next_id() for _ in range(1_000)]
    assert [before, *after] == sorted({before, *after})
