"""Charts as SVG without script and without style: bars by day, bars by part. The table under each says the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, log10

WIDTH, HEIGHT = 720, 220
_LEFT, _BOTTOM, _TOP = 56, 28, 16


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: where it stands, how high it is, and what it says when pointed at."""

    x: float
    y: float
    width: float
    height: float
    words: str


@dataclass(frozen=True, slots=True)
class Chart:
    """Everything the template draws. `marks` are (y, number), `labels` are (x, words)."""

    bars: tuple[Bar, ...]
    marks: tuple[tuple[float, int], ...]
    labels: tuple[tuple[float, str], ...]
    width: int = WIDTH
    height: int = HEIGHT


def by_day(values: Sequence[tuple[str, str, int]]) -> Chart:
    """Return bars of `(short label, words, value)`, in order; at most eight labels stand below."""
    top = _round_up(max((value for _, _, value in values), default=0))
    room = (WIDTH - _LEFT) / max(1, len(values))
    tall = HEIGHT - _BOTTOM - _TOP
    bars, labels = [], []
    each = max(1, ceil(len(values) / 8))
    for number, (label, words, value) in enumerate(values):
        height = tall * max(0, value) / top
        gap = min(4.0, room / 4)
        bars.append(Bar(_LEFT + number * room + gap / 2, HEIGHT - _BOTTOM - height, room - gap, height, words))
        if number % each == 0:
            labels.append((_LEFT + number * room + room / 2, label))
    marks = [(HEIGHT - _BOTTOM - tall * part / 2, round(top * part / 2)) for part in (0, 1, 2)]
    return Chart(tuple(bars), tuple(marks), tuple(labels))


def share(value: int, most: int) -> int:
    """Return how long a bar is beside the longest, in percent; what is there is seen."""
    return 0 if value <= 0 or most <= 0 else max(1, round(100 * value / most))


def _round_up(value: int) -> int:
    """Return the next round even number: 7 → 8, 43 → 50, 812 → 1,000."""
    if value <= 4:
        return 4
    size = 10 ** int(log10(value))
    return next(int(size * step) for step in (1, 2, 4, 5, 8, 10) if size * step >= value)
