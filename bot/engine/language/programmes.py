"""programme.yaml: the shop, points, tiers, rewards, wordings, awards and limits."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import time
from typing import Any

from babel import Locale
from babel.core import get_global
from babel.numbers import list_currencies

from bot.engine.definition import Finding, Place
from bot.engine.language.blackouts import Blackouts
from bot.engine.language.nodes import Node, Series, Table, read_nodes
from bot.engine.language.reader import Reader, nearest
from bot.engine.language.records import Field, Record, Values
from bot.engine.language.shapes import (
    Clock,
    Definitions,
    Duration,
    Integer,
    ListOf,
    OneOf,
    Schema,
    Shape,
    TableOf,
    Word,
    Words,
    expected,
)
from bot.engine.language.texts import FIRST_LANGUAGE, LANGUAGE
from bot.engine.programme import Limits, Programme, Reward, Shop, Tier, Wording

_KEY = Word()
_COUNT = Integer(0, 1_000_000_000)
_SOME = Integer(1, 1_000_000_000)
_COUNTRIES: frozenset[str] = frozenset(Locale.parse("en").territories)
_ZONES: Mapping[str, Any] = get_global("zone_territories")


@dataclass(frozen=True, slots=True)
class PlainText(Shape[Mapping[str, str]]):
    """Words without variables, as a string (English) or by language."""

    maximum: int = 200

    def read(self, node: Node, reader: Reader) -> Mapping[str, str] | None:
        words = Words(maximum=self.maximum)
        if not isinstance(node, Table):
            text = words.read(node, reader)
            return None if text is None else {FIRST_LANGUAGE: text}
        texts = TableOf(Word("a language such as en", LANGUAGE), words, "a text by language").read(node, reader)
        if texts is not None and FIRST_LANGUAGE not in node.entries:
            reader.error("missing-english", f"a text needs at least `{FIRST_LANGUAGE}`", node.place)
        return texts

    def schema(self, defs: Definitions) -> Schema:
        words = Words(maximum=self.maximum).schema(defs)
        table = {"type": "object", "patternProperties": {f"^{LANGUAGE}$": words}, "required": [FIRST_LANGUAGE]}
        return {"anyOf": [words, {**table, "additionalProperties": False}]}


@dataclass(frozen=True, slots=True)
class Known(Shape[str]):
    """A word from a public list, such as a country's code."""

    what: str
    words: frozenset[str]
    pattern: str

    def read(self, node: Node, reader: Reader) -> str | None:
        text = Words(self.what).read(node, reader)
        if text is not None and text not in self.words:
            reader.unknown(self.what, text, self.words, node.place, code="unknown-value")
            return None
        return text

    def schema(self, defs: Definitions) -> Schema:
        return {"type": "string", "pattern": self.pattern}


def _build(kind: type[Any]) -> Any:
    """Return a `build` that makes the value when everything required is there."""

    def build(values: Values, reader: Reader) -> Any:
        names = {f.name for f in fields(kind)}
        given = {key: value for key, value in values.found.items() if key in names}
        try:
            return kind(**given)
        except TypeError:  # something required is missing, and that was said already
            return None

    return build


def _clock(text: str) -> time:
    return time.fromisoformat(text)


def _limits(values: Values, reader: Reader) -> Limits:
    clocks = {key: _clock(values.found[key]) for key in ("opens", "closes", "sunday_opens") if key in values.found}
    limits: Limits = replace(Limits(), **{**values.found, **clocks})
    if not limits.opens < limits.closes or not limits.sunday_opens < limits.closes:
        reader.error("out-of-range", "marketing hours open before they close", values.at("closes"))
    return limits


def _shop(values: Values, reader: Reader) -> Shop | None:
    shop: Shop | None = _build(Shop)(values, reader)
    if shop is not None and FIRST_LANGUAGE not in shop.languages:
        reader.error("missing-english", f"`languages` holds at least {FIRST_LANGUAGE}", values.at("languages"))
    return shop


SHOP = Record(
    "shop",
    (
        Field("name", Words("a name", 60), "the shop's name", required=True),
        Field("programme", Words("a name", 60), "the programme's name, which every consent text shows", required=True),
        Field("phone", Words("a phone number", 30), "where customers call", required=True),
        Field("website", Words("an address", 100), "the shop's site", required=True),
        Field("terms", Words("an address", 100), "where the terms stand", required=True),
        Field(
            "zone",
            Known("time zone", frozenset(_ZONES), r"^[A-Za-z_+-]+(/[A-Za-z0-9_+-]+)*$"),
            "tz database name, such as America/New_York",
            required=True,
        ),
        Field("country", Known("country", _COUNTRIES, "^[A-Z]{2}$"), "two letters, such as US", required=True),
        Field(
            "currency",
            Known("currency", frozenset(list_currencies()), "^[A-Z]{3}$"),
            "three letters, such as USD",
            required=True,
        ),
        Field("languages", ListOf(Word("a language such as en", LANGUAGE)), "what the shop speaks", required=True),
    ),
    _shop,
    "Who is speaking.",
)
TIER = Record(
    "tier",
    (
        Field("key", _KEY, "its name in conditions", required=True),
        Field("names", PlainText(60), "what customers read", required=True),
        Field("from_points", _COUNT, "reached with so many points earned within `tier_window`", required=True),
        Field("multiplier_percent", Integer(1, 10_000), "points earned are multiplied by this; 100 is plain"),
        Field("perks", PlainText(100), "what it brings"),
    ),
    _build(Tier),
    "A tier of the programme.",
)
REWARD = Record(
    "reward",
    (
        Field("key", _KEY, "its name in records", required=True),
        Field("names", PlainText(60), "what customers read", required=True),
        Field("cost", _SOME, "points", required=True),
        Field("valid_for", Duration(), "how long its voucher can be used", required=True),
        Field("stock", _COUNT, "how many there are; absent: unlimited"),
        Field("limit_per_customer", _SOME, "how often one customer may have it"),
        Field("tiers", ListOf(_KEY), "only for these tiers; absent: for all"),
    ),
    _build(Reward),
    "Something points buy.",
)
WORDING = Record(
    "wording",
    (
        Field("version", _SOME, "a new number whenever the words change", required=True),
        Field("texts", PlainText(1000), "the exact words", required=True),
    ),
    lambda values, reader: (
        Wording("", values.get("version"), values.get("texts")) if {"version", "texts"} <= set(values.found) else None
    ),
    "Words a customer agrees to.",
)
LIMITS = Record(
    "limits",
    (
        Field("marketing_per_day", _SOME, "texts to one customer"),
        Field("marketing_per_week", _SOME, "texts to one customer"),
        Field("marketing_per_month", _SOME, "texts to one customer in 30 days"),
        Field("service_per_day", _SOME, "unasked service texts to one customer in 24 hours; absent: no limit"),
        Field("unreachable_after", _SOME, "texts in a row that reach nobody, then the number gets none; default 3"),
        Field("same_text_within", Duration(), "the same marketing text is not sent twice in this time; default 1 day"),
        Field(
            "replies_relevant", Duration(), "an answer that could not go out within this is dropped; default 4 hours"
        ),
        Field("staff_relevant", Duration(), "the same for what one of the staff wrote; default 12 hours"),
        Field("service_relevant", Duration(), "unasked service texts of flows without `relevant`; default 1 day"),
        Field("marketing_relevant", Duration(), "marketing texts of flows without `relevant`; default 2 days"),
        Field("opens", Clock(), "unasked texts may begin"),
        Field("closes", Clock(), "from here on they wait"),
        Field("sunday_opens", Clock(), "later on Sundays"),
        Field(
            "person_holds",
            Duration(),
            "how long a person who takes over keeps the conversation, counted from the last answer; default 30 minutes",
        ),
        Field(
            "support_points",
            _COUNT,
            "points one of the staff may give or take at once and in a day; more needs a second person; default 100",
        ),
        Field("manager_points", _COUNT, "the same for managers and administrators; default 1,000"),
    ),
    _limits,
    "What unasked texts may do to one customer (the law of the place comes on top), and what staff may do alone.",
)


def _programme(values: Values, reader: Reader) -> Programme | None:
    found = dict(values.found)
    tiers, rewards = found.get("tiers", ()), found.get("rewards", ())
    for what, entries in (("tier", tiers), ("reward", rewards)):
        keys = [entry.key for entry in entries]
        for key in sorted({key for key in keys if keys.count(key) > 1}):
            reader.error("duplicate-key", f"the {what} '{key}' stands here twice", values.at(f"{what}s"))
    _check_tiers(rewards, {tier.key for tier in tiers}, values.at("rewards"), reader)
    found["limits"] = replace(found.get("limits", Limits()), blackouts=found.get("blackouts", ()))
    found["tiers"] = tuple(sorted(tiers, key=lambda tier: tier.from_points))
    found["rewards"] = tuple(sorted(rewards, key=lambda reward: reward.cost))
    found["wordings"] = {name: replace(wording, name=name) for name, wording in found.get("wordings", {}).items()}
    if tiers and found["tiers"][0].from_points != 0:
        reader.error("out-of-range", "the lowest tier begins at 0 points", values.at("tiers"))
    programme: Programme | None = _build(Programme)(replace(values, found=found), reader)
    return programme


def _check_tiers(rewards: tuple[Reward, ...], tiers: set[str], place: Place, reader: Reader) -> None:
    for reward in rewards:
        for tier in reward.tiers:
            if tier not in tiers:
                near = nearest(tier, tiers)
                hint = f"; did you mean '{near}'?" if near else ""
                reader.error("unknown-tier", f"reward '{reward.key}': unknown tier '{tier}'{hint}", place, near)


@dataclass(frozen=True, slots=True)
class EntriesShape(Shape[tuple[Any, ...]]):
    """A list of tables with keys of their own; it may be empty."""

    record: Record[Any]

    def read(self, node: Node, reader: Reader) -> tuple[Any, ...] | None:
        if not isinstance(node, Series):
            expected(f"a list, each entry with {', '.join(f.key for f in self.record.fields)}", node, reader)
            return None
        values = [self.record.read(item, reader) for item in node.items]
        return tuple(value for value in values if value is not None)

    def schema(self, defs: Definitions) -> Schema:
        return {"type": "array", "items": self.record.schema(defs)}


PROGRAMME = Record(
    "programme",
    (
        Field("shop", SHOP, "who is speaking", required=True),
        Field("points_per_unit", _COUNT, "points for each whole unit of money spent", required=True),
        Field("points_expire_after", Duration(), "counted from earning; absent: never"),
        Field("opt_in", OneOf("opt-in", ("single", "double")), "double: JOIN, then YES. single: JOIN is enough"),
        Field("tier_window", Duration(), "points earned in this time count towards the tier"),
        Field("tier_grace", Duration(), "how long a tier is kept when the points for it have gone; default 30 days"),
        Field("keep_messages", Duration(), "then the words of messages and answers are deleted; absent: never"),
        Field(
            "blackouts", Blackouts(), "no marketing on these days: `[2026-12-25, {from: 2026-12-31, to: 2027-01-01}]`"
        ),
        Field("undo_within", Duration(), "how long a redemption can be taken back"),
        Field(
            "segment_price",
            _SOME,
            "what carriers charge for one message segment, in millionths: 8300 is $0.0083; absent: no cost is shown",
        ),
        Field("accents", OneOf("way with accents", ("fold", "keep")), "fold: plain letters where that saves money"),
        Field("limits", LIMITS, "for texts that nobody asked for, and for staff"),
        Field("awards", TableOf(_KEY, _SOME, "names and points"), "named amounts of points", required=True),
        Field("tiers", EntriesShape(TIER), "tiers, lowest first", required=True),
        Field("rewards", EntriesShape(REWARD), "what points buy", required=True),
        Field("wordings", TableOf(_KEY, WORDING, "wordings by name"), "words customers agree to", required=True),
    ),
    _programme,
    "The shop and its loyalty programme.",
    titled=False,
)


def read_programme(text: str, file: str) -> tuple[Programme | None, list[Finding]]:
    """Read programme.yaml. `file` is its name, for the findings; nothing is opened. None when it has errors."""
    root, findings = read_nodes(text, file)
    reader = Reader(file, findings)
    programme = None if root is None else PROGRAMME.read(root, reader)
    if programme is None or reader.failed:
        return None, reader.findings
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return replace(programme, digest=digest), reader.findings
