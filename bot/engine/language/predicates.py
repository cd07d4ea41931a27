"""Predicates: `if: {points: {at_least: 100}, not: {tag: staff}}` -> a value that guards and segments share.

What a predicate may ask is `FACTS`; how it may ask is the table below. Shapes of the values after reading:
`known`, `never` and flags hold True (or False); `one_of` a tuple; `before`/`after` a timedelta (so long ago)
or a date; `at_least`/`at_most` a number; `is` a word or number. `{slot: {code: day_code}}` is
`Ask("slot", "is", "day_code", key="code")`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from bot.engine.guards import FACTS, All, Any_, Ask, Fact, FactType, Not, Operator, Predicate
from bot.engine.language.durations import DURATION_PATTERN, parse_duration
from bot.engine.language.nodes import Entry, Node, Scalar, Series, Table
from bot.engine.language.reader import SLIP, Reader, nearest
from bot.engine.language.shapes import NAME, Definitions, Schema, Shape, Word, describe, expected

OPERATORS: Mapping[FactType, tuple[Operator, ...]] = {
    "word": ("is", "one_of", "known"),
    "words": ("is", "one_of"),
    "number": ("is", "at_least", "at_most"),
    "moment": ("before", "after", "known", "never"),
    "date": ("before", "after", "known"),
    "flag": ("is",),
}
KEYED: Mapping[str, tuple[Operator, ...]] = {
    "attribute": ("is", "one_of", "at_least", "at_most", "known"),
    "slot": ("is", "one_of", "at_least", "at_most", "known"),
    "setting": ("is", "one_of"),
    "variant": ("at_least", "at_most"),
}
"""Facts with keys of their own, `{attribute: {favourite: latte}}`, and what may be asked of them."""

BARE: tuple[Operator, ...] = ("known", "never")
"""Operators written as a plain word: `last_purchase: never`."""

CLOSED: Mapping[str, tuple[str, ...]] = {
    "consent": ("none", "pending", "subscribed", "unsubscribed"),
    "frequency": ("normal", "less"),
}
"""Facts with a closed list of words."""

SPECIAL: Mapping[str, str] = {
    "day_code": "today's code at the till",
    "in_reach": "a chosen reward that can be had now",
}
"""Words with a meaning of their own in `{slot: {name: word}}`."""

SETTINGS: Mapping[str, tuple[str, ...]] = {"opt_in": ("single", "double"), "accents": ("fold", "keep")}
"""Settings of programme.yaml that a flow may ask for."""

_LOGIC = ("all", "any", "not")
_WORD = Word("a word", r"[\w][\w .+@'-]{0,59}")
_KEY = Word()
_MOMENT_PATTERN = rf"({DURATION_PATTERN[1:-1]} ago)|([0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}})"


@dataclass(frozen=True, slots=True)
class PredicateShape(Shape[Predicate]):
    """A predicate. Several keys mean all of them."""

    def read(self, node: Node, reader: Reader) -> Predicate | None:
        if not isinstance(node, Table) or not node.entries:
            expected("a condition like {points: {at_least: 100}}", node, reader)
            return None
        parts = [_part(entry, reader) for entry in node.entries.values()]
        good = tuple(part for part in parts if part is not None)
        if len(good) < len(parts):
            return None
        return good[0] if len(good) == 1 else All(good)

    def schema(self, defs: Definitions) -> Schema:
        return defs.refer("predicate", lambda: self._write(defs))

    def _write(self, defs: Definitions) -> Schema:
        this = self.schema(defs)
        several = {"type": "array", "items": this, "minItems": 1}
        logic = {"all": several, "any": several, "not": this}
        facts = {name: {**_fact_schema(fact), "description": fact.meaning} for name, fact in FACTS.items()}
        return {
            "type": "object",
            "properties": {**logic, **facts},
            "additionalProperties": False,
            "minProperties": 1,
        }


PREDICATE = PredicateShape()


def _part(entry: Entry, reader: Reader) -> Predicate | None:
    name = entry.key.text
    if name == "not":
        part = PREDICATE.read(entry.value, reader)
        return None if part is None else Not(part)
    if name in _LOGIC:
        return _several(name, entry.value, reader)
    fact = FACTS.get(name)
    if fact is None:
        reader.unknown("fact", name, [*FACTS, *_LOGIC], entry.key.place)
        return None
    return _keyed(fact, entry.value, reader) if name in KEYED else _ask(fact, None, entry.value, reader)


def _several(name: str, node: Node, reader: Reader) -> Predicate | None:
    if not isinstance(node, Series) or not node.items:
        expected("a list of conditions", node, reader)
        return None
    parts = [PREDICATE.read(item, reader) for item in node.items]
    good = tuple(part for part in parts if part is not None)
    if len(good) < len(parts):
        return None
    return All(good) if name == "all" else Any_(good)


def _keyed(fact: Fact, node: Node, reader: Reader) -> Predicate | None:
    if not isinstance(node, Table) or not node.entries:
        expected(f"a name and what is asked of it, like {{{fact.name}: {{name: ...}}}}", node, reader)
        return None
    parts: list[Predicate | None] = []
    for entry in node.entries.values():
        key = _KEY.read(entry.key, reader)
        if fact.name == "setting" and key is not None and key not in SETTINGS:
            reader.unknown("setting", key, SETTINGS, entry.key.place)
            key = None
        asked = _ask(fact, key, entry.value, reader)
        parts.append(asked if key is not None else None)
    good = tuple(part for part in parts if part is not None)
    if len(good) < len(parts):
        return None
    return good[0] if len(good) == 1 else All(good)


def operators(fact: Fact) -> tuple[Operator, ...]:
    """Return how a fact may be asked."""
    if fact.name in CLOSED:
        return ("is", "one_of")
    return KEYED.get(fact.name) or OPERATORS[fact.type]


def _ask(fact: Fact, key: str | None, node: Node, reader: Reader) -> Predicate | None:
    allowed = operators(fact)
    if isinstance(node, Table) and node.entries:
        asks = [_operation(fact, key, entry, allowed, reader) for entry in node.entries.values()]
        good = tuple(ask for ask in asks if ask is not None)
        if len(good) < len(asks):
            return None
        return good[0] if len(good) == 1 else All(good)
    if isinstance(node, Series):
        expected("one word; for several write {one_of: [...]}", node, reader)
        return None
    if isinstance(node, Scalar) and node.text in BARE and (operator := _bare(node.text)) in allowed:
        return Ask(fact.name, operator, True, key)
    if "is" in allowed:
        value = _value(fact, key, node, reader)
        _warn_of_slip(fact, value, node, allowed, reader)
        return None if value is None else Ask(fact.name, "is", value, key)
    forms = [op if op in BARE else f"{{{op}: ...}}" for op in allowed]
    near = nearest(node.text, BARE) if isinstance(node, Scalar) else None
    expected(f"{fact.name} with one of {', '.join(forms)}", node, reader, near if near in allowed else None)
    return None


def _warn_of_slip(fact: Fact, value: Any, node: Node, allowed: tuple[Operator, ...], reader: Reader) -> None:
    """Warn when a word that may be anything looks like one with a meaning: `{name: knwon}`."""
    words = [*(op for op in allowed if op in BARE), *(SPECIAL if fact.name == "slot" else ())]
    if not isinstance(value, str) or value in words or (near := nearest(value, words, SLIP)) is None:
        return
    message = f"'{value}' is compared as a word like any other; did you mean '{near}'?"
    reader.warn("suspicious-value", message, node.place, near)


def _bare(word: str) -> Operator:
    return "known" if word == "known" else "never"


def _operation(
    fact: Fact, key: str | None, entry: Entry, allowed: tuple[Operator, ...], reader: Reader
) -> Predicate | None:
    written = [op for op in allowed if op not in BARE]
    operator = next((op for op in written if op == entry.key.text), None)
    if operator is None:
        reader.unknown("operator", entry.key.text, written, entry.key.place)
        return None
    value: Any
    if operator == "one_of":
        value = _values(fact, key, entry.value, reader)
    elif operator in ("before", "after"):
        value = _moment(entry.value, reader)
    elif operator == "is":
        value = _value(fact, key, entry.value, reader)
    else:
        value = _number(entry.value, reader)
    return None if value is None else Ask(fact.name, operator, value, key)


def _value(fact: Fact, key: str | None, node: Node, reader: Reader) -> Any:
    """Return the word or number asked for, or None after complaining."""
    if fact.type == "number":
        return _number(node, reader)
    if fact.type == "flag":
        if isinstance(node, Scalar) and isinstance(node.value, bool):
            return node.value
        expected("true or false", node, reader)
        return None
    if fact.name in ("slot", "attribute") and isinstance(node, Scalar) and isinstance(node.value, int | float):
        return node.value
    text = _WORD.read(node, reader)
    known = SETTINGS.get(key or "") if fact.name == "setting" else CLOSED.get(fact.name)
    if text is not None and known is not None and text not in known:
        reader.unknown(f"{key or fact.name} value", text, known, node.place, code="unknown-value")
        return None
    return text


def _values(fact: Fact, key: str | None, node: Node, reader: Reader) -> tuple[Any, ...] | None:
    if not isinstance(node, Series) or not node.items:
        expected("a list of words", node, reader)
        return None
    values = [_value(fact, key, item, reader) for item in node.items]
    return None if None in values else tuple(values)


def _number(node: Node, reader: Reader) -> int | float | None:
    if isinstance(node, Scalar) and isinstance(node.value, int | float) and not isinstance(node.value, bool):
        return node.value
    expected("a number", node, reader)
    return None


def _moment(node: Node, reader: Reader) -> Any:
    """Return a timedelta for `180 days ago`, a date for `2026-03-01`."""
    text = node.text.strip() if isinstance(node, Scalar) else ""
    try:
        return parse_duration(text.removesuffix("ago")) if text.endswith("ago") else date.fromisoformat(text)
    except ValueError:
        ago = f"{text} ago"
        near = ago if _is_duration(text) else None
        message = f"expected a moment like '180 days ago' or 2026-03-01, found {describe(node)}"
        reader.error("bad-moment", message, node.place, near)
        return None


def _is_duration(text: str) -> bool:
    try:
        parse_duration(text)
    except ValueError:
        return False
    return True


def _fact_schema(fact: Fact) -> Schema:
    if fact.name not in KEYED:
        return _ask_schema(fact, CLOSED.get(fact.name))
    if fact.name == "setting":
        properties = {key: _ask_schema(fact, words) for key, words in SETTINGS.items()}
        return {"type": "object", "properties": properties, "additionalProperties": False, "minProperties": 1}
    names = {"pattern": f"^{NAME}$"}
    return {"type": "object", "propertyNames": names, "additionalProperties": _ask_schema(fact), "minProperties": 1}


def _ask_schema(fact: Fact, words: tuple[str, ...] | None = None) -> Schema:
    allowed = operators(fact)
    plain: Schema = {"enum": list(words)} if words else _PLAIN[fact.type]
    if fact.name in ("slot", "attribute"):
        plain = {"type": ["string", "number", "boolean"]}
    moment = {"type": "string", "pattern": f"^({_MOMENT_PATTERN})$"}
    by_operator: dict[str, Schema] = {
        "is": plain,
        "one_of": {"type": "array", "items": plain, "minItems": 1},
        "at_least": {"type": "number"},
        "at_most": {"type": "number"},
        "before": moment,
        "after": moment,
    }
    bare = [op for op in allowed if op in BARE]
    written: dict[str, Schema] = {op: by_operator[op] for op in allowed if op not in BARE}
    table = {"type": "object", "properties": written, "additionalProperties": False, "minProperties": 1}
    options = (("is" in allowed, plain), (bool(bare), {"enum": bare}), (bool(written), table))
    return {"anyOf": [option for wanted, option in options if wanted]}


_PLAIN: Mapping[FactType, Schema] = {
    "word": {"type": ["string", "number", "boolean"]},
    "words": {"type": ["string", "number", "boolean"]},
    "number": {"type": "number"},
    "moment": {"type": "string"},
    "date": {"type": "string"},
    "flag": {"type": "boolean"},
}
