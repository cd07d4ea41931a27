"""Work that can wait gives way while many texts come, and not for ever."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bot.pace import BUSY, LONGEST, Pace, Patience
from bot.workers import TICKS


class Clock:
    """Seconds, moved by hand."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def test_it_gives_way_while_many_come_and_goes_on_after() -> None:
    """A busy second is felt in that second and the next; then work goes on."""
    clock = Clock()
    pace = Pace(clock)
    patience = Patience(pace, clock)
    assert not patience.gives_way("search")
    pace.note(BUSY)
    assert patience.gives_way("search")
    clock.now += 1
    assert patience.gives_way("search")
    clock.now += 1
    assert not patience.gives_way("search")


def test_it_does_not_give_way_for_ever() -> None:
    """After the longest wait it works once all the same, then waits anew."""
    clock = Clock()
    pace = Pace(clock)
    patience = Patience(pace, clock)
    worked = []
    for _ in range(int(3 * LONGEST)):
        pace.note(BUSY)
        if not patience.gives_way("search"):
            worked.append(clock.now)
        clock.now += 1
    assert len(worked) == 2
    assert worked[1] - worked[0] >= LONGEST


@given(st.lists(st.tuples(st.floats(0, 3), st.integers(1, 60)), max_size=30))
def test_few_texts_hold_nothing_up(texts: list[tuple[float, int]]) -> None:
    """As long as fewer than that come in any second, nobody waits; more in one second are always seen."""
    clock = Clock()
    pace = Pace(clock)
    by_second: dict[int, int] = {}
    for pause, count in texts:
        clock.now += pause
        pace.note(count)
        second = int(clock.now)
        by_second[second] = by_second.get(second, 0) + count
        assert pace.busy() is (max(by_second[second], by_second.get(second - 1, 0)) >= BUSY)


def test_what_answers_depend_on_never_gives_way() -> None:
    """Only indexing, sealing and counting are patient."""
    assert {name for name, tick in TICKS.items() if tick.patient} == {"search", "seals", "tallies"}
