"""One small predicate language for guards, triggers and segments.

A predicate is data: the same value is asked of one customer here and of all customers in SQL
(`bot/audience.py`). `FACTS` is the closed list of what may be asked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from math import isfinite
from typing import Any, Literal

from bot.engine.variant import variant_of as variant_of  # asked by whoever answers `look("variant", name)`

Operator = Literal["is", "one_of", "at_least", "at_most", "before", "after", "known", "never"]
FactType = Literal["word", "number", "moment", "date", "flag", "words"]


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that can be asked: its type, what it means, and whether a segment may use it."""

    name: str
    type: FactType
    meaning: str
    in_segments: bool = True  #: False: only known inside a conversation


FACTS: Mapping[str, Fact] = {
    fact.name: fact
    for fact in (
        Fact("consent", "word", "none, pending, subscribed or unsubscribed"),
        Fact("points", "number", "points that can be spent now"),
        Fact("tier", "word", "key of the customer's tier"),
        Fact("tag", "words", "a tag the customer has"),
        Fact("language", "word", "language code, such as en or es"),
        Fact("name", "word", "the customer's name"),
        Fact("email", "word", "the customer's e-mail address"),
        Fact("birthday", "date", "the customer's birthday"),
        Fact("frequency", "word", "how often the customer wants marketing: normal or less"),
        Fact("purchases", "number", "how many purchases were recorded"),
        Fact("spent", "number", "money spent in all, in minor units"),
        Fact("last_purchase", "moment", "when the last purchase was"),
        Fact("joined", "moment", "when the customer joined"),
        Fact("attribute", "word", "one of the shop's own attributes: {attribute: {favourite: latte}}"),
        Fact("voucher", "flag", "the customer has a voucher that can be used"),
        Fact("reward_in_reach", "flag", "the points are enough for a reward that is in stock", in_segments=False),
        Fact("slot", "word", "an answer given in this conversation: {slot: {score: {at_least: 4}}}", in_segments=False),
        Fact("setting", "word", "a setting of programme.yaml: {setting: {opt_in: double}}", in_segments=False),
        Fact("used", "words", "a `once` key already used for points: {used: profile}", in_segments=False),
        Fact("in_flow", "word", "the flow this one interrupted or was called from", in_segments=False),
        Fact("variant", "word", "a stable random group: {variant: {winback: {at_most: 50}}} is half of all"),
    )
}


@dataclass(frozen=True, slots=True)
class Ask:
    """One question about one fact. `key` names the slot, setting, attribute or variant, when the fact has keys.

    `before`/`after` compare a moment or date with `now - value` when value is a timedelta:
    `{last_purchase: {before: 180 days ago}}` means longer ago than that.
    """

    fact: str
    operator: Operator
    value: Any
    key: str | None = None


@dataclass(frozen=True, slots=True)
class All:
    """Every part holds."""

    parts: tuple[Predicate, ...]


@dataclass(frozen=True, slots=True)
class Any_:
    """At least one part holds."""

    parts: tuple[Predicate, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not hold."""

    part: Predicate


Predicate = Ask | All | Any_ | Not
Age = timedelta

Look = Callable[[str, str | None], Any]
_COLLECTIONS = (frozenset, set, tuple, list)
_DECIMAL = re.compile(r"-?\d{1,15}(?:\.\d{1,9})?", re.ASCII)


def holds(predicate: Predicate | None, look: Look, now: datetime) -> bool:
    """Say whether a predicate holds of one customer. No predicate holds of everybody.

    `look(fact, key)` returns a fact's value, None when it is not known; it is asked only as far as
    needed. A value that is missing satisfies nothing but `never` and `known: false`; a value of the
    wrong type satisfies nothing. Never raises for missing or odd values.
    """
    if predicate is None:
        return True
    if isinstance(predicate, Ask):
        return _answers(predicate, look, now)
    if isinstance(predicate, Not):
        return not holds(predicate.part, look, now)
    if isinstance(predicate, All):
        return all(holds(part, look, now) for part in predicate.parts)
    return any(holds(part, look, now) for part in predicate.parts)


def _answers(ask: Ask, look: Look, now: datetime) -> bool:
    value = look(ask.fact, ask.key)
    missing = value is None or value == "" or (isinstance(value, _COLLECTIONS) and not value)
    if ask.operator == "known":
        return missing != bool(ask.value)
    if ask.operator == "never":
        return missing != (ask.value is False)
    if missing:
        return False
    if ask.operator == "is" or ask.operator == "one_of":
        wanted = ask.value if isinstance(ask.value, _COLLECTIONS) else (ask.value,)
        if ask.fact == "slot" and "day_code" in wanted:
            return _is_code(value, look("setting", "day_code"))
        return any(_same(item, want) for item in _each(value) for want in wanted)
    if ask.operator == "at_least" or ask.operator == "at_most":
        number, limit = _number(value), _number(ask.value)
        if number is None or limit is None:
            return False
        return number >= limit if ask.operator == "at_least" else number <= limit
    return _on_that_side(ask, value, now)


def _each(value: Any) -> Iterable[Any]:
    return value if isinstance(value, _COLLECTIONS) else (value,)


def _same(value: Any, wanted: Any) -> bool:
    """Compare as flags, as numbers or as text; text is compared exactly."""
    if isinstance(value, bool) or isinstance(wanted, bool):
        return _text(value) == _text(wanted)
    if isinstance(value, (int, float, Decimal)) and isinstance(wanted, (int, float, Decimal)):
        return value == wanted
    return _text(value) == _text(wanted)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.isoformat() if isinstance(value, date) else str(value)


def _is_code(said: Any, code: Any) -> bool:
    """Compare what a customer typed with today's code; a day without a code has no right answer."""
    return bool(code) and str(said).strip().casefold() == str(code).strip().casefold()


def _number(value: Any) -> int | Decimal | None:
    """Return a whole or decimal number, also of text that is one; None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, (float, Decimal)):
        return Decimal(str(value)) if isfinite(value) else None
    return Decimal(value) if isinstance(value, str) and _DECIMAL.fullmatch(value) else None


def _on_that_side(ask: Ask, value: Any, now: datetime) -> bool:
    """Compare moments, or days when either side is a day; an age counts back from now, days in UTC."""
    known, limit = _moment(value), now - ask.value if isinstance(ask.value, timedelta) else _moment(ask.value)
    if known is None or limit is None:
        return False
    if isinstance(known, datetime) and isinstance(limit, datetime):
        earlier, later = known < limit, known > limit
    else:
        earlier, later = _day(known) < _day(limit), _day(known) > _day(limit)
    return earlier if ask.operator == "before" else later


def _moment(value: Any) -> datetime | date | None:
    """Return a moment or a day, also of ISO text, as slots and attributes keep it."""
    if isinstance(value, str):
        try:
            value = date.fromisoformat(value) if len(value) == 10 else datetime.fromisoformat(value)
        except ValueError:
            return None
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    return value if isinstance(value, date) else None


def _day(value: datetime | date) -> date:
    return value.astimezone(UTC).date() if isinstance(value, datetime) else value


def describe(predicate: Predicate | None) -> str:
    """Say a predicate in plain words: `points at least 100 and not tag staff`."""
    if predicate is None:
        return "always"
    if isinstance(predicate, Ask):
        return _describe_ask(predicate)
    if isinstance(predicate, Not):
        return f"not {_bracketed(predicate.part)}"
    if not predicate.parts:
        return "always" if isinstance(predicate, All) else "nothing"
    return (" and " if isinstance(predicate, All) else " or ").join(_bracketed(part) for part in predicate.parts)


def _bracketed(predicate: Predicate) -> str:
    single = isinstance(predicate, (Ask, Not)) or len(predicate.parts) < 2
    return describe(predicate) if single else f"({describe(predicate)})"


def _describe_ask(ask: Ask) -> str:
    subject = " ".join(filter(None, (ask.fact.replace("_", " "), ask.key)))
    value = _words(ask.value)
    match ask.operator:
        case "known":
            return f"{subject} {'known' if ask.value else 'unknown'}"
        case "never":
            return f"{subject} {'ever' if ask.value is False else 'never'}"
        case "is":
            if isinstance(ask.value, bool):
                return subject if ask.value else f"no {subject}"
            return f"{subject} {value}"
        case "one_of":
            return f"{subject} {value}"
        case _:
            return f"{subject} {ask.operator.replace('_', ' ')} {value}"


def _words(value: Any) -> str:
    if isinstance(value, timedelta):
        return f"{_span(value)} ago"
    if isinstance(value, _COLLECTIONS):
        return " or ".join(sorted(map(_text, value)) if isinstance(value, (set, frozenset)) else map(_text, value))
    return _text(value)


def _span(span: timedelta) -> str:
    seconds = int(span.total_seconds())
    for unit, size in (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1)):
        if seconds % size == 0 and seconds >= size:
            count = seconds // size
            return f"{count} {unit}" if count == 1 else f"{count} {unit}s"
    return "0 days"
