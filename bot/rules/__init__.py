"""Laws as data: when marketing may arrive where, and where a number may be. Read from this folder once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import time
from functools import cache
from importlib import resources
from typing import Any

from ruamel.yaml import YAML

from bot.engine.calendar import Hours, Span
from bot.errors import RegularsError

_SPAN = re.compile(r"(\d\d:\d\d)-(\d\d:\d\d)")
_HOLIDAY = re.compile(r"(?:(\d\d)-(\d\d)|easter\+(\d+))")
_DAYS = ("weekdays", "saturday", "sunday")


class RulesError(RegularsError):
    """A file of bot/rules is malformed."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What one place demands of marketing."""

    place: str  #: `US`, `US-TX`, `FR`
    source: str
    hours: Hours | None = None
    per_day: int | None = None  #: marketing texts to one customer in any 24 hours


@dataclass(frozen=True, slots=True)
class State:
    """A state of the United States."""

    zones: tuple[str, ...]
    area_codes: tuple[int, ...]


@cache
def rules() -> Mapping[str, Rule]:
    """Return the rule of each place that has one. Raises RulesError."""
    return {place: _rule(place, entry) for place, entry in _read("quiet_hours")["places"].items()}


@cache
def states() -> Mapping[str, State]:
    """Return the states by their two letters."""
    return {
        name: State(tuple(entry["zones"]), tuple(entry["area_codes"]))
        for name, entry in _read("area_codes")["states"].items()
    }


@cache
def state_of_area_code() -> Mapping[int, str]:
    """Return the state that each area code belongs to."""
    return {code: name for name, state in states().items() for code in state.area_codes}


@cache
def also_in() -> Mapping[int, tuple[str, ...]]:
    """Return further zones of area codes that reach into more than one."""
    return {code: tuple(zones) for code, zones in _read("area_codes")["also_in"].items()}


@cache
def mainland() -> tuple[str, ...]:
    """Return the zones of the contiguous United States, for numbers that may be anywhere in North America."""
    return tuple(_read("area_codes")["mainland"])


def _read(name: str) -> Any:
    text = (resources.files(__package__) / f"{name}.yaml").read_text("utf-8")
    return YAML(typ="safe", pure=True).load(text)


def _rule(place: str, entry: Mapping[str, Any]) -> Rule:
    if not entry.get("source"):
        raise RulesError(f"{place}: a rule needs its source")
    hours = _hours(place, entry["hours"], entry.get("holidays", ())) if "hours" in entry else None
    return Rule(place, entry["source"], hours, entry.get("per_day"))


def _hours(place: str, by_day: Mapping[str, str], holidays: Any) -> Hours:
    spans: dict[str, Span | None] = {day: _span(place, text) for day, text in by_day.items()}
    if unknown := spans.keys() - {"daily", *_DAYS}:
        raise RulesError(f"{place}: unknown days {sorted(unknown)}")
    if "daily" not in spans and not set(_DAYS) <= spans.keys():
        raise RulesError(f"{place}: some days have no hours")
    weekdays, saturday, sunday = (spans.get(day, spans.get("daily")) for day in _DAYS)
    yearly, easter = set(), set()
    for holiday in holidays:
        match = _HOLIDAY.fullmatch(str(holiday))
        if match is None:
            raise RulesError(f"{place}: {holiday!r} is no holiday")
        if match[3]:
            easter.add(int(match[3]))
        else:
            yearly.add((int(match[1]), int(match[2])))
    return Hours((*[weekdays] * 5, saturday, sunday), frozenset(yearly), frozenset(easter))


def _span(place: str, text: str) -> Span | None:
    if text == "closed":
        return None
    match = _SPAN.fullmatch(text)
    if match is None:
        raise RulesError(f"{place}: {text!r} is no span of hours")
    return time.fromisoformat(match[1]), time.fromisoformat(match[2])
