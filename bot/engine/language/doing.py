"""`do`: one action, a list of actions, or a table of several, read by the catalogue in `actions.py`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bot.engine.actions import ACTIONS, RESERVED, SETTABLE, ActionType, Argument, ArgumentType
from bot.engine.definition import Action
from bot.engine.language.nodes import Broken, Node, Scalar, Series, Table
from bot.engine.language.reader import SLIP, Reader, nearest
from bot.engine.language.shapes import (
    NAME,
    Clock,
    Definitions,
    Duration,
    Flag,
    Integer,
    OneOf,
    Schema,
    Shape,
    TableOf,
    Word,
    Words,
    expected,
)
from bot.engine.language.texts import TEXT

MAX_ACTIONS = 20
FREQUENCIES = ("normal", "less")


@dataclass(frozen=True, slots=True)
class ValueShape(Shape[Any]):
    """A word, a number, true or false, or `{slot: name}`."""

    def read(self, node: Node, reader: Reader) -> Any:
        if isinstance(node, Table) and set(node.entries) == {"slot"}:
            name = Word("a slot's name").read(node.entries["slot"].value, reader)
            return None if name is None else {"slot": name}
        if isinstance(node, Scalar) and node.value is not None and len(node.text) <= 200:
            return node.value
        expected("a word, a number or {slot: name}", node, reader)
        return None

    def schema(self, defs: Definitions) -> Schema:
        slot = {"type": "object", "properties": {"slot": {"type": "string"}}, "required": ["slot"]}
        return {"anyOf": [{"type": ["string", "number", "boolean"]}, {**slot, "additionalProperties": False}]}


@dataclass(frozen=True, slots=True)
class PointsShape(Shape[Any]):
    """A whole number of points, or a name in the programme's awards."""

    def read(self, node: Node, reader: Reader) -> Any:
        if isinstance(node, Scalar) and isinstance(node.value, str):
            return Word("a number of points or an award's name").read(node, reader)
        return Integer(1, 1_000_000).read(node, reader)

    def schema(self, defs: Definitions) -> Schema:
        return {"anyOf": [Integer(1, 1_000_000).schema(defs), Word().schema(defs)]}


_VALUES = TableOf(Word(), ValueShape(), "a table of names and values")
SHAPES: Mapping[ArgumentType, Shape[Any]] = {
    "word": Word("a word (lower case, digits, _ or -)", r"[a-z0-9][a-z0-9_-]{0,59}"),
    "reason": Words("a reason"),
    "points": PointsShape(),
    "per": OneOf("span", ("day",)),
    "wording": Word("the name of a wording"),
    "reward": Word("the key of a reward"),
    "flow": Word("the name of a flow"),
    "slot": Word("the name of a slot"),
    "event": Word("the name of a fact"),
    "recipient": OneOf("recipient", ("referrer",)),
    "duration": Duration(),
    "clock": Clock(),
    "text": TEXT,
    "values": _VALUES,
    "attributes": _VALUES,
}
_TABLES: tuple[ArgumentType, ...] = ("values", "attributes")


@dataclass(frozen=True, slots=True)
class ActionsShape(Shape[tuple[Action, ...]]):
    """What `do` holds."""

    def read(self, node: Node, reader: Reader) -> tuple[Action, ...] | None:
        items = node.items if isinstance(node, Series) else (node,)
        if not 0 < len(items) <= MAX_ACTIONS:
            expected(f"one to {MAX_ACTIONS} actions", node, reader)
            return None
        return tuple(action for item in items for action in _actions(item, reader))

    def schema(self, defs: Definitions) -> Schema:
        return defs.refer("actions", lambda: _schema(defs))


ACTIONS_SHAPE = ActionsShape()


def _actions(node: Node, reader: Reader) -> list[Action]:
    if isinstance(node, Scalar) and node.value is not None:
        kind = _kind(node, reader)
        if kind is not None and kind.arguments:
            reader.error("missing-argument", f"{kind.name} needs more, for example {kind.example}", node.place)
        return [Action(kind.name, {}, node.place)] if kind is not None and not kind.arguments else []
    if not isinstance(node, Table) or not node.entries:
        expected("an action like {tag: vip}", node, reader)
        return []
    found: list[Action] = []
    for entry in node.entries.values():
        kind = _kind(entry.key, reader)
        arguments = _arguments(kind, entry.value, reader) if kind is not None else None
        if kind is not None and arguments is not None:
            found.append(Action(kind.name, arguments, entry.key.place))
    return found


def _kind(key: Scalar, reader: Reader) -> ActionType | None:
    kind = ACTIONS.get(key.text)
    if kind is None:
        reader.unknown("action", key.text, ACTIONS, key.place)
    return kind


def _arguments(kind: ActionType, node: Node, reader: Reader) -> dict[str, Any] | None:
    """Return the arguments in the catalogue's form, or None after complaining."""
    if isinstance(node, Broken):
        return None
    if not kind.arguments:
        return {} if Flag(only_true=True).read(node, reader) else None
    arguments = _bare(kind, node, reader) if _is_bare(kind, node) else _table(kind, node, reader)
    return None if arguments is None else _finish(kind, arguments, node, reader)


def _is_bare(kind: ActionType, node: Node) -> bool:
    bare = next((a for a in kind.arguments if a.name == kind.bare), None)
    return bare is not None and (isinstance(node, Scalar) or bare.type in _TABLES)


def _bare(kind: ActionType, node: Node, reader: Reader) -> dict[str, Any] | None:
    bare = next(a for a in kind.arguments if a.name == kind.bare)
    value = SHAPES[bare.type].read(node, reader)
    return None if value is None else {bare.name: value}


def _table(kind: ActionType, node: Node, reader: Reader) -> dict[str, Any] | None:
    if not isinstance(node, Table):
        expected(f"what {kind.name} needs, for example {kind.example}", node, reader)
        return None
    known = {a.name: a for a in kind.arguments}
    arguments: dict[str, Any] = {}
    broken = False
    for name, entry in node.entries.items():
        if name not in known:
            reader.unknown("argument", name, known, entry.key.place)
            broken = True
        elif (value := SHAPES[known[name].type].read(entry.value, reader)) is None:
            broken = True
        else:
            arguments[name] = value
    for a in kind.arguments:
        if a.required and a.name not in node.entries:
            reader.error("missing-argument", f"{kind.name} needs `{a.name}`: {a.meaning}", node.place)
            broken = True
    return None if broken else arguments


def _finish(kind: ActionType, arguments: dict[str, Any], node: Node, reader: Reader) -> dict[str, Any] | None:
    """Fill in what is absent and check what one argument alone cannot show."""
    full: dict[str, Any] = {a.name: arguments.get(a.name, {} if a.type in _TABLES else None) for a in kind.arguments}
    if kind.name == "award":
        if full["per"] and not full["once"]:
            reader.error("missing-argument", "`per` counts awards under a name: it needs `once`", node.place)
            return None
        named = full["points"] if isinstance(full["points"], str) else None
        full["reason"] = full["reason"] or named or full["once"]
        if full["reason"] is None:
            reader.error("missing-argument", "award needs a `reason` for the ledger", node.place)
            return None
    if kind.name == "set":
        return full if _check_set(full["values"], node, reader) else None
    return full


def _check_set(values: Mapping[str, Any], node: Node, reader: Reader) -> bool:
    places = {name: entry.key.place for name, entry in node.entries.items()} if isinstance(node, Table) else {}
    good = True
    for name, value in values.items():
        if name in RESERVED:
            reader.error("reserved-attribute", f"a flow cannot set '{name}'; it follows from records", places[name])
            good = False
        elif name == "frequency" and isinstance(value, str) and value not in FREQUENCIES:
            reader.unknown("frequency", value, FREQUENCIES, places[name], code="unknown-value")
            good = False
        elif name not in SETTABLE and (near := nearest(name, SETTABLE, SLIP)) is not None:
            message = f"'{name}' becomes an attribute of its own; did you mean '{near}'?"
            reader.warn("suspicious-attribute", message, places[name], near)
    return good


def _schema(defs: Definitions) -> Schema:
    bare = [name for name, kind in ACTIONS.items() if not kind.arguments]
    table = {
        "type": "object",
        "properties": {name: _action_schema(kind, defs) for name, kind in ACTIONS.items()},
        "additionalProperties": False,
        "minProperties": 1,
    }
    one: Schema = {"anyOf": [table, {"enum": bare}]}
    return {"anyOf": [*one["anyOf"], {"type": "array", "items": one, "minItems": 1, "maxItems": MAX_ACTIONS}]}


def _action_schema(kind: ActionType, defs: Definitions) -> Schema:
    about = {"description": f"{kind.meaning} Example: {kind.example}"}
    if not kind.arguments:
        return {"const": True, **about}
    bare = next((a for a in kind.arguments if a.name == kind.bare), None)
    if bare is not None and bare.type in _TABLES:
        names = {"pattern": f"^{NAME}$"}
        if bare.type == "attributes":
            names = {**names, "not": {"enum": sorted(RESERVED)}}  # type: ignore[dict-item]
        return {**SHAPES[bare.type].schema(defs), "propertyNames": names, **about}
    table = {
        "type": "object",
        "properties": {a.name: _argument_schema(a, defs) for a in kind.arguments},
        "required": [a.name for a in kind.arguments if a.required],
        "additionalProperties": False,
    }
    return {"anyOf": [SHAPES[bare.type].schema(defs), table], **about} if bare is not None else {**table, **about}


def _argument_schema(argument: Argument, defs: Definitions) -> Schema:
    return {**SHAPES[argument.type].schema(defs), "description": argument.meaning}
