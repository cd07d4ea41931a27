"""Conditions of flows as sentences about a customer: why an arrow was passed over.

A turn keeps a condition as `bot.engine.guards.describe` words it, `not consent subscribed and points at least 100`, so
that it can be told when its flow is long gone. Here those words are read again; what is not known is told as it stands.
"""

from __future__ import annotations

import re
from functools import reduce

from bot.desk.said import Said
from bot.engine.guards import FACTS

_SENTENCES: tuple[tuple[str, Said, Said], ...] = (  # words; how it is told when they hold; when they do not
    ("consent subscribed", Said("they are subscribed"), Said("they are not subscribed")),
    ("consent unsubscribed", Said("they have opted out"), Said("they have not opted out")),
    ("consent pending", Said("they have yet to confirm that they want texts"), Said("nothing waits to be confirmed")),
    ("consent none", Said("they never agreed to texts"), Said("they agreed to texts or left before")),
    (
        "no unsettled doubt",
        Said("nobody doubts that they want texts"),
        Said("it is in doubt whether they want texts"),
    ),
    (
        "no later step is due",
        Said("the end of the wait had not come"),
        Said("the end of the wait had come too"),
    ),
    ("voucher", Said("they have a voucher to use"), Said("they have no voucher to use")),
    ("reward in reach", Said("their points are enough for a reward"), Said("their points are enough for no reward")),
    (
        r"slot (?P<key>\S+) day_code",
        Said("“{key}” is today's code at the till"),
        Said("“{key}” is not today's code at the till"),
    ),
    (r"slot (?P<key>\S+) in_reach", Said("what they chose can be had now"), Said("what they chose cannot be had now")),
    (r"slot (?P<key>\S+) known", Said("they answered “{key}”"), Said("they did not answer “{key}”")),
    (r"used (?P<key>.+)", Said("points for “{key}” were given before"), Said("points for “{key}” were never given")),
    (r"tag (?P<value>.+)", Said("they have the tag “{value}”"), Said("they do not have the tag “{value}”")),
    (
        r"points at least (?P<value>\S+)",
        Said("they have at least {value} points"),
        Said("they have fewer than {value} points"),
    ),
    (
        r"purchases at least (?P<value>\S+)",
        Said("they bought at least {value} times"),
        Said("they bought fewer than {value} times"),
    ),
    ("last purchase never", Said("they never bought anything"), Said("they have bought something")),
    (
        r"last purchase before (?P<value>.+)",
        Said("their last purchase was before {value}"),
        Said("their last purchase was not before {value}"),
    ),
    (
        r"last purchase after (?P<value>.+)",
        Said("their last purchase was after {value}"),
        Said("their last purchase was not after {value}"),
    ),
    (
        r"variant (?P<key>\S+) at .*",
        Said("chance put them into the group “{key}”"),
        Said("chance did not put them into the group “{key}”"),
    ),
    # What is left is told by its fact and how it is compared.
    (r"(?P<fact>.+) known", Said("{fact} is known"), Said("{fact} is not known")),
    (r"(?P<fact>.+) unknown", Said("{fact} is not known"), Said("{fact} is known")),
    (r"(?P<fact>.+) at least (?P<value>.+)", Said("{fact}: at least {value}"), Said("{fact}: less than {value}")),
    (r"(?P<fact>.+) at most (?P<value>.+)", Said("{fact}: at most {value}"), Said("{fact}: more than {value}")),
    (r"(?P<fact>.+) before (?P<value>.+)", Said("{fact}: before {value}"), Said("{fact}: not before {value}")),
    (r"(?P<fact>.+) after (?P<value>.+)", Said("{fact}: after {value}"), Said("{fact}: not after {value}")),
    (
        r"(?P<fact>(?:slot|attribute|setting) \S+|in flow|\S+) (?P<value>.+)",
        Said("{fact} is {value}"),
        Said("{fact} is not {value}"),
    ),
)
_PATTERNS = tuple((re.compile(words), holds, does_not) for words, holds, does_not in _SENTENCES)
_SUBJECTS = {
    "points": Said("the number of points"),
    "tier": Said("their tier"),
    "language": Said("their language"),
    "name": Said("their name"),
    "email": Said("their e-mail address"),
    "birthday": Said("their birthday"),
    "frequency": Said("how often they want offers"),
    "purchases": Said("the number of purchases"),
    "spent": Said("what they spent"),
    "joined": Said("the day they joined"),
    "in flow": Said("what this came from"),
}
_KEYED = {
    "attribute": Said("“{key}” of their profile"),
    "slot": Said("“{key}”"),
    "setting": Said("the shop's setting “{key}”"),
}
_FACTS = tuple(sorted(name.replace("_", " ") for name in FACTS))
_SPAN = re.compile(r"(\d+) (day|hour)s? ago")
_SPANS = {"day": Said("{count} days ago"), "hour": Said("{count} hours ago")}


def instead(condition: str) -> Said:
    """Return what was so instead, of a condition that did not hold.

    >>> instead("not consent subscribed").message
    'they are subscribed'
    """
    return _told(condition, holds=False)


def _told(words: str, *, holds: bool) -> Said:
    words = _bare(words)
    if words.startswith("not "):
        return _told(words[4:], holds=not holds)
    for joint, every in ((" and ", True), (" or ", False)):
        parts = _split(words, joint)
        if len(parts) > 1:
            both = Said("{one}, and {other}") if every == holds else Said("{one}, or {other}")
            told = [_told(part, holds=holds) for part in parts]
            return reduce(lambda one, other: Said(both.message, {"one": one, "other": other}), told)
    return _asked(words, holds=holds)


def _asked(words: str, *, holds: bool) -> Said:
    """Return one question's sentence."""
    if words.startswith("no ") and _begins(words[3:]):
        return _asked(words[3:], holds=not holds)
    for pattern, yes, no in _PATTERNS:
        if match := pattern.fullmatch(words):
            return Said(
                (yes if holds else no).message, {name: _value(name, text) for name, text in match.groupdict().items()}
            )
    return Said("{condition}: no", {"condition": words}) if not holds else Said("{condition}", {"condition": words})


def _value(name: str, text: str) -> object:
    if name == "fact":
        kind, _, key = text.partition(" ")
        said = _SUBJECTS.get(text) or _KEYED.get(kind)
        return Said(said.message, {"key": key.replace("_", " ")} if kind in _KEYED else {}) if said else text
    if span := _SPAN.fullmatch(text):
        return Said(_SPANS[span[2]].message, {"count": span[1]})
    first, *others = text.replace("_", " ").split(" or ")
    value: object = first
    for other in others:
        value = Said("{one} or {other}", {"one": value, "other": other})
    return value


def _bare(words: str) -> str:
    """Return words without the brackets around all of them."""
    words = words.strip()
    return words[1:-1] if words.startswith("(") and _closes(words) == len(words) - 1 else words


def _closes(words: str) -> int:
    """Return where the first bracket closes."""
    depth = 0
    for place, letter in enumerate(words):
        depth += (letter == "(") - (letter == ")")
        if depth == 0:
            return place
    return -1


def _split(words: str, joint: str) -> list[str]:
    """Return the conditions joined outside brackets; `silver` of `tier gold or silver` belongs to what is before it."""
    parts: list[str] = []
    for piece in words.split(joint):
        if parts and (parts[-1].count("(") > parts[-1].count(")") or not _begins(piece)):
            parts[-1] += joint + piece
        else:
            parts.append(piece)
    return parts


def _begins(words: str) -> bool:
    return words.startswith(("(", "not ", "no ")) or any(f"{words} ".startswith(f"{fact} ") for fact in _FACTS)
