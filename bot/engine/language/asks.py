"""`ask`: what kind of reply a state waits for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bot.engine.definition import Ask, AskKind, Option
from bot.engine.language.nodes import Node, Scalar, Series, Table
from bot.engine.language.reader import Reader
from bot.engine.language.records import Field, Record, Values
from bot.engine.language.shapes import Definitions, Flag, Integer, ListOf, OneOf, Schema, Shape, Word, Words, expected
from bot.engine.language.texts import LANGUAGE, TEXT

SOURCES: Mapping[str, str] = {
    "rewards_in_reach": "rewards the customer can have now",
    "all_rewards": "every reward of the programme",
    "vouchers": "the customer's usable vouchers",
}
MAX_OPTIONS = 30
MAX_TEXT = 1600
DATES = ("any", "past", "future", "birthday")


@dataclass(frozen=True, slots=True)
class Bounds:
    """`{min: 1, max: 5}`."""

    minimum: int | None = None
    maximum: int | None = None


def _bounds(values: Values, reader: Reader) -> Bounds:
    low, high = values.get("min"), values.get("max")
    if low is not None and high is not None and low > high:
        reader.error("out-of-range", f"nothing is at least {low} and at most {high}", values.at("max"))
    return Bounds(low, high)


@dataclass(frozen=True, slots=True)
class BoundsShape(Shape[Bounds]):
    """`true`, or a table with `min` and `max`."""

    table: Record[Bounds]

    def read(self, node: Node, reader: Reader) -> Bounds | None:
        if isinstance(node, Scalar) and node.value is True:
            return Bounds()
        if not isinstance(node, Table):
            expected("true, or {min: ..., max: ...}", node, reader)
            return None
        return self.table.read(node, reader)

    def schema(self, defs: Definitions) -> Schema:
        return {"anyOf": [{"const": True}, self.table.schema(defs)]}


def _bounds_shape(name: str, low: int, high: int) -> BoundsShape:
    number = Integer(low, high)
    fields = (Field("min", number, "not less than this"), Field("max", number, "not more than this"))
    return BoundsShape(Record(name, fields, _bounds, titled=False))


@dataclass(frozen=True, slots=True)
class OptionShape(Shape[Option]):
    """`{key: coffee, en: Coffee, es: Cafe, words: [latte]}`."""

    _key = Word("a key (lower case, digits, _)")
    _words = ListOf(Words("a word"), "words")

    def read(self, node: Node, reader: Reader) -> Option | None:
        if not isinstance(node, Table) or "key" not in node.entries:
            expected("an option like {key: coffee, en: Coffee, es: Cafe}", node, reader)
            return None
        key = self._key.read(node.entries["key"].value, reader)
        words = self._words.read(node.entries["words"].value, reader) if "words" in node.entries else ()
        rest = {name: entry for name, entry in node.entries.items() if name not in ("key", "words")}
        label = TEXT.read(Table(node.place, rest), reader)
        return None if key is None or words is None or label is None else Option(key, label, words)

    def schema(self, defs: Definitions) -> Schema:
        words = {"type": ["string", "number", "boolean"], "minLength": 1}
        return {
            "type": "object",
            "properties": {"key": self._key.schema(defs), "words": self._words.schema(defs)},
            "patternProperties": {f"^{LANGUAGE}$": words},
            "required": ["key", "en"],
            "additionalProperties": False,
        }


@dataclass(frozen=True, slots=True)
class ChoiceShape(Shape[Any]):
    """A source of options, or a list of fixed ones."""

    _option = OptionShape()
    _source = OneOf("source", tuple(SOURCES))

    def read(self, node: Node, reader: Reader) -> Any:
        if not isinstance(node, Series):
            return self._source.read(node, reader)
        options = ListOf(self._option, "options", MAX_OPTIONS).read(node, reader)
        for number, option in enumerate(options or ()):
            if any(other.key == option.key for other in (options or ())[:number]):
                reader.error("duplicate-option", f"the option '{option.key}' stands here twice", option.label.place)
        return options or None

    def schema(self, defs: Definitions) -> Schema:
        options = {"type": "array", "items": self._option.schema(defs), "minItems": 1, "maxItems": MAX_OPTIONS}
        return {"anyOf": [self._source.schema(defs), options]}


KINDS: Mapping[AskKind, tuple[Shape[Any], str]] = {
    "yes_no": (Flag(only_true=True), "yes or no"),
    "choice": (ChoiceShape(), "one of a list, by number or by name"),
    "number": (_bounds_shape("number", -(10**9), 10**9), "a whole number"),
    "date": (OneOf("kind of date", DATES), "a date: any, past, future, birthday"),
    "email": (Flag(only_true=True), "an e-mail address"),
    "text": (_bounds_shape("text", 1, MAX_TEXT), "free words"),
    "keyword": (ListOf(Words("a keyword", 60, upper=True), "keywords"), "one of a few keywords"),
}
OUTCOMES: Mapping[AskKind, str] = {
    "yes_no": "`yes`, `no`",
    "choice": "the option's key, or `chosen`; `none` when a source has nothing to choose from",
    "number": "`given`",
    "date": "`given`",
    "email": "`given`",
    "text": "`given`",
    "keyword": "the keyword",
}
_NEED_SLOT: tuple[AskKind, ...] = ("number", "date", "email", "text")


def _build(values: Values, reader: Reader) -> Ask | None:
    kinds: list[AskKind] = [kind for kind in KINDS if kind in values.places]
    if len(kinds) != 1:
        known = ", ".join(KINDS)
        problem = "asks for several things" if kinds else "does not say what is asked for"
        reader.error("ask-kind", f"this {problem}; there are {known}", values.place)
        return None
    kind = kinds[0]
    asked, slot = values.get(kind), values.get("as")
    if asked is None:
        return None
    if "as" not in values.places and (kind in _NEED_SLOT or (isinstance(asked, str) and kind == "choice")):
        reader.error("missing-key", "the answer needs a slot: `as: name`", values.at(kind))
    bounds = asked if isinstance(asked, Bounds) else Bounds()
    return Ask(
        kind=kind,
        place=values.place,
        slot=slot,
        options=asked if kind == "choice" and not isinstance(asked, str) else (),
        source=asked if kind == "choice" and isinstance(asked, str) else None,
        keywords=asked if kind == "keyword" else (),
        minimum=bounds.minimum,
        maximum=bounds.maximum,
        dates=asked if kind == "date" else "any",
        invalid=values.get("invalid"),
    )


ASK_TABLE = Record(
    "ask",
    (
        *(Field(kind, shape, meaning) for kind, (shape, meaning) in KINDS.items()),
        Field("as", Word("a slot's name"), "the slot that keeps the answer"),
        Field("invalid", TEXT, "said when the reply is understood but not allowed"),
    ),
    _build,
    "The reply a state waits for.",
)


@dataclass(frozen=True, slots=True)
class AskShape(Shape[Ask]):
    """`yes_no`, or a table."""

    def read(self, node: Node, reader: Reader) -> Ask | None:
        if not isinstance(node, Scalar):
            return ASK_TABLE.read(node, reader)
        if node.text == "yes_no":
            return Ask("yes_no", node.place)
        if node.text in KINDS:
            message = f"`{node.text}` needs more, like {{{node.text}: ..., as: name}}"
            reader.error("ask-kind", message, node.place)
        else:
            reader.unknown("ask", node.text, KINDS, node.place)
        return None

    def schema(self, defs: Definitions) -> Schema:
        return {"anyOf": [{"const": "yes_no"}, ASK_TABLE.schema(defs)]}


ASK = AskShape()
