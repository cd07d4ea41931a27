"""Spans and times of day as marketers write them."""

from __future__ import annotations

import re
from datetime import timedelta

_UNITS: dict[str, timedelta] = {
    **dict.fromkeys(("m", "min", "minute", "minutes"), timedelta(minutes=1)),
    **dict.fromkeys(("h", "hour", "hours"), timedelta(hours=1)),
    **dict.fromkeys(("d", "day", "days"), timedelta(days=1)),
    **dict.fromkeys(("w", "week", "weeks"), timedelta(weeks=1)),
}
_DURATION = re.compile(r"\s*([0-9]{1,5})\s*([a-z]+)\s*", re.ASCII)
_CLOCK = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]", re.ASCII)

DURATION_PATTERN = r"^\s*[0-9]{1,5}\s*(m|min|minutes?|h|hours?|d|days?|w|weeks?)\s*$"
CLOCK_PATTERN = rf"^({_CLOCK.pattern})$"


def parse_duration(text: str) -> timedelta:
    """Return the span that `10m`, `2h`, `3d`, `2w`, `10 minutes` or `3 days` stands for.

    Raises ValueError, with advice as its message, when it is none of these or zero.
    """
    match = _DURATION.fullmatch(text)
    unit = _UNITS.get(match[2]) if match else None
    if match is None or unit is None:
        raise ValueError("write a duration like 10m, 2h, 3d, 2w, 10 minutes or 3 days")
    if int(match[1]) == 0:
        raise ValueError("a duration is longer than nothing")
    return int(match[1]) * unit


def is_clock(text: str) -> bool:
    """Tell whether this is a time of day such as `09:30`."""
    return _CLOCK.fullmatch(text) is not None
