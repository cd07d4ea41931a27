"""Arrows: a state's name, or `{if: predicate, do: actions, say: text, to: state}`, or a list of these."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from bot.engine.definition import Transition
from bot.engine.language.doing import ACTIONS_SHAPE
from bot.engine.language.nodes import Node, Scalar, Series
from bot.engine.language.predicates import PREDICATE
from bot.engine.language.reader import Reader
from bot.engine.language.records import Field, Record, Values
from bot.engine.language.shapes import Definitions, Schema, Shape, Word, expected
from bot.engine.language.texts import TEXT

STATE_NAME = Word("a state's name (to say something write {say: ...})")
MAX_ARROWS = 20


def _build(values: Values, reader: Reader) -> Transition:
    if not values.places:
        reader.error("empty-arrow", "an arrow says where `to`, or what to `do` or `say`", values.place)
    return Transition(
        to=values.get("to"),
        place=values.place,
        when=values.get("if"),
        do=values.get("do", ()),
        say=values.get("say"),
        places=values.values,
    )


ARROW_TABLE = Record(
    "arrow",
    (
        Field("if", PREDICATE, "the arrow is taken only when this holds"),
        Field("do", ACTIONS_SHAPE, "actions on the way"),
        Field("say", TEXT, "what the bot says on the way"),
        Field("to", STATE_NAME, "the state it leads to; without it the state goes on waiting"),
    ),
    _build,
    "One arrow: what happens, and where it leads.",
)


@dataclass(frozen=True, slots=True)
class ArrowShape(Shape[Transition]):
    """One arrow."""

    def read(self, node: Node, reader: Reader) -> Transition | None:
        if isinstance(node, Scalar):
            to = STATE_NAME.read(node, reader)
            return None if to is None else Transition(to, node.place)
        if isinstance(node, Series):
            expected("one arrow", node, reader)
            return None
        return ARROW_TABLE.read(node, reader)

    def schema(self, defs: Definitions) -> Schema:
        return {"anyOf": [STATE_NAME.schema(defs), ARROW_TABLE.schema(defs)]}


ARROW = ArrowShape()


@dataclass(frozen=True, slots=True)
class ArrowsShape(Shape[tuple[Transition, ...]]):
    """One arrow or a list; the first whose `if` holds is taken, so the last has none."""

    def read(self, node: Node, reader: Reader) -> tuple[Transition, ...] | None:
        items = node.items if isinstance(node, Series) else (node,)
        if not 0 < len(items) <= MAX_ARROWS:
            expected(f"one to {MAX_ARROWS} arrows", node, reader)
            return None
        arrows = [ARROW.read(item, reader) for item in items]
        good = tuple(arrow for arrow in arrows if arrow is not None)
        if len(good) == len(arrows):
            check_order(good, reader)
        return good

    def schema(self, defs: Definitions) -> Schema:
        return defs.refer("arrows", lambda: self._write(defs))

    def _write(self, defs: Definitions) -> Schema:
        one = ARROW.schema(defs)["anyOf"]
        return {"anyOf": [*one, {"type": "array", "items": {"anyOf": one}, "minItems": 1, "maxItems": MAX_ARROWS}]}


ARROWS = ArrowsShape()


def check_order(arrows: tuple[Transition, ...], reader: Reader) -> None:
    """Complain when no arrow may be taken, or when one hides those after it."""
    if arrows[-1].when is not None:
        message = "no arrow may fit: add a last one without `if`"
        reader.error("no-default", message, arrows[-1].place)
    for arrow, hidden in pairwise(arrows):
        if arrow.when is None:
            message = "never taken: the arrow before has no `if` and is always taken"
            reader.error("arrow-unreachable", message, hidden.place)
            return
