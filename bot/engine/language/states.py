"""States: what is done and said on entering, and what is waited for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from bot.engine.definition import Action, After, Ask, Place, State, Text, Transition
from bot.engine.language.arrows import ARROW, ARROW_TABLE, ARROWS
from bot.engine.language.asks import ASK
from bot.engine.language.doing import ACTIONS_SHAPE
from bot.engine.language.durations import DURATION_PATTERN
from bot.engine.language.nodes import Node, Scalar, Series, Table
from bot.engine.language.outcomes import check_outcomes
from bot.engine.language.reader import Reader, nearest
from bot.engine.language.records import Field, Record, Values
from bot.engine.language.shapes import (
    Address,
    Definitions,
    Duration,
    Flag,
    Schema,
    Shape,
    TableOf,
    Word,
    Words,
    expected,
)
from bot.engine.language.texts import TEXT

DONE = "done"  #: the outcome of `final: true`
END = "end"  #: a silent final state that is there when something leads to it and the file has none
NOT_UNDERSTOOD = "not understood"  #: the reason of a `hand_over` after misunderstandings
GIVE_UPS = ("hand_over", END)
MAX_MISUNDERSTOOD = 3
MAX_AFTER = 10


@dataclass(frozen=True, slots=True)
class Misunderstood:
    """Texts said one after the other, then the arrow taken."""

    texts: tuple[Text, ...] = ()
    give_up: Transition | None = None


@dataclass(frozen=True, slots=True)
class MisunderstoodShape(Shape[Misunderstood]):
    """Up to three texts; the last entry may be an arrow, `hand_over` or `end`."""

    def read(self, node: Node, reader: Reader) -> Misunderstood | None:
        items = node.items if isinstance(node, Series) else (node,)
        texts: list[Text] = []
        give_up: Transition | None = None
        for number, item in enumerate(items):
            if not _is_arrow(item, reader):
                text = TEXT.read(item, reader)
                texts += [text] if text is not None else []
            elif number == len(items) - 1:
                give_up = _give_up(item, reader)
            else:
                reader.error("misunderstood-order", "only the last entry may be an arrow", item.place)
        if not len(items) > 0 or len(texts) > MAX_MISUNDERSTOOD:
            expected(f"one to {MAX_MISUNDERSTOOD} texts", node, reader)
        return Misunderstood(tuple(texts), give_up)

    def schema(self, defs: Definitions) -> Schema:
        item = {"anyOf": [TEXT.schema(defs), ARROW_TABLE.schema(defs), {"enum": list(GIVE_UPS)}]}
        return {"anyOf": [item, {"type": "array", "items": item, "minItems": 1, "maxItems": MAX_MISUNDERSTOOD + 1}]}


def _is_arrow(node: Node, reader: Reader) -> bool:
    if isinstance(node, Table):
        return any(key in node.entries for key in ("to", "do", "say"))
    if not isinstance(node, Scalar):
        return False
    word = node.text.strip()
    if word not in GIVE_UPS and " " not in word and (near := nearest(word, GIVE_UPS)) is not None:
        message = f"'{word}' would be said to the customer; did you mean '{near}'?"
        reader.warn("suspicious-text", message, node.place, near)
    return word in GIVE_UPS


def _give_up(node: Node, reader: Reader) -> Transition | None:
    if isinstance(node, Scalar):
        if node.text.strip() == END:
            return Transition(END, node.place)
        return Transition(None, node.place, do=(Action("hand_over", {"reason": NOT_UNDERSTOOD}, node.place),))
    return ARROW.read(node, reader)


def _reminder(values: Values, reader: Reader) -> Text | None:
    text: Text | None = values.get("remind")
    return text


REMINDER = Record(
    "reminder", (Field("remind", TEXT, "said when the customer is silent", required=True),), _reminder, titled=False
)


@dataclass(frozen=True, slots=True)
class AfterShape(Shape[tuple[After, ...]]):
    """`{2h: {remind: text}, 24h: arrow}`, by rising delay."""

    def read(self, node: Node, reader: Reader) -> tuple[After, ...] | None:
        if not isinstance(node, Table) or not 0 < len(node.entries) <= MAX_AFTER:
            expected("delays and what happens then, like {24h: gone}", node, reader)
            return None
        found: dict[timedelta, After] = {}
        for entry in node.entries.values():
            delay = Duration().read(entry.key, reader)
            if delay is None:
                continue
            if delay in found:
                reader.error("duplicate-key", f"'{entry.key.text}' is as long as another delay here", entry.key.place)
                continue
            after = _after(delay, entry.key.place, entry.value, reader)
            if after is not None:
                found[delay] = after
        return tuple(found[delay] for delay in sorted(found))

    def schema(self, defs: Definitions) -> Schema:
        entry = {"anyOf": [REMINDER.schema(defs), *ARROW.schema(defs)["anyOf"]]}
        names = {"pattern": DURATION_PATTERN}
        return {"type": "object", "propertyNames": names, "additionalProperties": entry, "minProperties": 1}


def _after(delay: timedelta, place: Place, node: Node, reader: Reader) -> After | None:
    if isinstance(node, Table) and "remind" in node.entries:
        text = REMINDER.read(node, reader)
        return None if text is None else After(delay, place, remind=text)
    arrow = ARROW.read(node, reader)
    return None if arrow is None else After(delay, place, transition=arrow)


@dataclass(frozen=True, slots=True)
class FinalShape(Shape[str]):
    """`true` or an outcome's name."""

    _name = Word("true, or the name of an outcome")

    def read(self, node: Node, reader: Reader) -> str | None:
        if isinstance(node, Scalar) and isinstance(node.value, bool):
            return DONE if Flag(only_true=True).read(node, reader) else None
        return self._name.read(node, reader)

    def schema(self, defs: Definitions) -> Schema:
        return {"anyOf": [{"const": True}, self._name.schema(defs)]}


_KEYWORD_ARROWS = TableOf(Words("a keyword", 60, upper=True), ARROWS, "keywords and where they lead")
_OUTCOME_ARROWS = TableOf(Words("an outcome", 60), ARROWS, "outcomes and where they lead")


def _build(values: Values, reader: Reader) -> State:
    ask: Ask | None = values.get("ask")
    on: Mapping[str, tuple[Transition, ...]] = values.get("on", {})
    if ask is not None and ask.kind == "keyword":
        on = {outcome.upper(): arrows for outcome, arrows in on.items()}
    misunderstood: Misunderstood = values.get("misunderstood", Misunderstood())
    _check_keys(values, reader)
    return State(
        name="",
        place=values.place,
        do=values.get("do", ()),
        say=values.get("say"),
        picture=values.get("picture"),
        ask=ask,
        on=on,
        listen=values.get("listen", {}),
        misunderstood=misunderstood.texts,
        give_up=misunderstood.give_up,
        after=values.get("after", ()),
        go=values.get("go", ()),
        call=values.get("call"),
        final=values.get("final"),
    )


def _check_keys(values: Values, reader: Reader) -> None:
    """Complain of keys that do not go together."""
    here = values.places
    exits = [key for key in ("ask", "listen", "call", "go", "final") if key in here]
    if len(exits) > 1 and exits != ["ask", "listen"]:
        message = f"`{exits[0]}` and `{exits[1]}` do not go together: a state waits, passes on, or is final"
        reader.error("state-kind", message, here[exits[1]])
    if not exits:
        message = "no way out: a state needs `ask`, `listen`, `call`, `go` or `final`"
        reader.error("no-way-out", message, values.place)
    if "on" in here and not {"ask", "call"} & set(here):
        reader.error("needless-key", "`on` answers `ask` or `call`, and there is none", here["on"])
    if "misunderstood" in here and "ask" not in here:
        reader.error("needless-key", "`misunderstood` belongs to `ask`, and there is none", here["misunderstood"])
    if "after" in here and not {"ask", "listen", "call"} & set(here):
        reader.error("needless-key", "`after` counts while a state waits, and this one does not", here["after"])
    if "picture" in here and "say" not in here:
        reader.error("needless-key", "`picture` goes out with `say`, and there is none", here["picture"])
    for key in ("ask", "call"):
        if key in here and "on" not in here:
            reader.error("missing-key", f"`{key}` needs `on`: what the answer leads to", here[key])


STATE_TABLE = Record(
    "state",
    (
        Field("do", ACTIONS_SHAPE, "one action or a list, run on entering"),
        Field("say", TEXT, "what the bot says on entering"),
        Field("picture", Address(), "an https address of a picture that is sent along with `say`"),
        Field("ask", ASK, "what kind of reply is waited for"),
        Field("on", _OUTCOME_ARROWS, "what each outcome of `ask` or `call` leads to"),
        Field("listen", _KEYWORD_ARROWS, "keywords heard here, before the question when there is one"),
        Field("misunderstood", MisunderstoodShape(), "said the 1st, 2nd, 3rd time; the last may be an arrow"),
        Field("after", AfterShape(), "what happens when the customer stays silent"),
        Field("go", ARROWS, "arrows taken at once; the last one has no `if`"),
        Field("call", Word("the name of a flow"), "another flow, run to its end; then `on: {returned: ...}`"),
        Field("final", FinalShape(), "the flow ends here; `true` or the outcome's name"),
    ),
    _build,
    "One place in a flow: it runs `do`, says `say`, then waits, passes on or is final.",
)


@dataclass(frozen=True, slots=True)
class StatesShape(Shape[dict[str, State]]):
    """All states of a flow by name."""

    _name = Word("a state's name (lower case, digits, _)")

    def read(self, node: Node, reader: Reader) -> dict[str, State] | None:
        if not isinstance(node, Table) or not node.entries:
            expected("states by name", node, reader)
            return None
        states: dict[str, State] = {}
        for entry in node.entries.values():
            name = self._name.read(entry.key, reader)
            state = STATE_TABLE.read(entry.value, reader)
            if state is not None and state.ask is not None and isinstance(entry.value, Table):
                on = entry.value.entries.get("on")
                if on is not None and isinstance(on.value, Table):
                    check_outcomes(state.ask, on.value, reader)
            if name is not None:
                place = entry.key.place
                states[name] = replace(state, name=name, place=place) if state else State(name, place)
        return states

    def schema(self, defs: Definitions) -> Schema:
        table: Schema = TableOf(self._name, STATE_TABLE).schema(defs)
        return table
