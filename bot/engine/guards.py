"""One small predicate language for guards, triggers and segments.

A predicate is data: the same value is asked of one customer here and of all customers in SQL
(`bot/audience.py`). `FACTS` is the closed list of what may be asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

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
