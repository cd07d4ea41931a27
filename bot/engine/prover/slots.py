"""Every variable in a text and every slot in a condition or action is known and can be set by then.

Which slots may be set on entering each state is found by following all arrows until nothing changes; a
set of slots is an integer, one bit for each.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from bot.engine.definition import Action, Flow, Place, State, Text
from bot.engine.guards import Ask, Predicate
from bot.engine.language.flows import asks
from bot.engine.language.reader import Reader, nearest
from bot.engine.language.texts import locate
from bot.engine.language.variables import FAMILIES, SLOT_PARTS, VARIABLES
from bot.engine.prover.book import OUTSIDE_EVENTS, Book
from bot.engine.prover.walk import REWARD_SOURCES, Arrow, Said, actions, arrows, case_place, texts

SHADOWS = frozenset({name.partition(".")[0] for name in VARIABLES} | set(FAMILIES)) - {"voucher"}
"""A slot by such a name would hide a variable."""


@dataclass(slots=True)
class Slots:
    """What the slots of one flow are, and which may be set where."""

    bits: dict[str, int] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)  #: reward, voucher or plain
    before: dict[str, int] = field(default_factory=dict)  #: state -> slots that may be set on entering it
    values: dict[str, frozenset[str]] = field(default_factory=dict)  #: slot -> all it can hold, where that is known
    open: bool = False  #: a fact from outside may bring slots that nobody here knows

    def bit(self, name: str) -> int:
        return self.bits.setdefault(name, 1 << len(self.bits))

    def all_of(self, names: Iterable[str]) -> int:
        found = 0
        for name in names:
            found |= self.bit(name)
        return found


def check_slots(flow: Flow, book: Book) -> None:
    """Complain of variables and slots that are not known, or not yet."""
    slots = _slots(flow, book)
    check = _Check(flow, book, book.reader(flow.place), slots)
    for trigger in flow.triggers:
        if trigger.when is not None:
            given = _given_by_event(trigger.event, book) | ({trigger.takes} if trigger.takes else set())
            check.predicate(trigger.when, trigger.places.get("if", trigger.place), slots.all_of(given))
    for state in flow.states.values():
        check.state(state)
    for slot, place in _places_of_slots(flow):
        if slot in SHADOWS:
            message = f"the slot '{slot}' hides a variable of the same name; call it otherwise"
            check.reader.error("slot-name", message, place)


def check_phrases(book: Book) -> None:
    """Complain of unknown variables in phrases.yaml, where there are no slots."""
    phrases = book.phrases
    if phrases is None:
        return
    plain = (*phrases.misunderstood, *phrases.fallback, phrases.handed_over, phrases.crash, phrases.picture)
    nothing = Flow("", "", "service", (), {}, phrases.crash.place, "", "")
    check = _Check(nothing, book, book.reader(phrases.crash.place), Slots())
    for text in plain:
        check.text(text, 0)
    check.text(phrases.resume, 0, frozenset({"question"}))


def _slots(flow: Flow, book: Book) -> Slots:
    known = {*OUTSIDE_EVENTS, *book.given.events}
    slots = Slots(open=any(t.event is not None and t.event not in known for t in flow.triggers))
    entering: dict[str, int] = {}
    for trigger in flow.triggers:
        given = _given_by_event(trigger.event, book)
        if trigger.takes is not None:
            given = {*given, trigger.takes}
        if trigger.to in flow.states:
            entering[trigger.to] = entering.get(trigger.to, 0) | slots.all_of(given)
    for state in flow.states.values():
        if state.ask is not None and state.ask.slot is not None:
            slots.bit(state.ask.slot)
            slots.kinds[state.ask.slot] = _kind(state)
    slots.values = _closed_values(flow)
    _follow(flow, slots, entering)
    return slots


def _closed_values(flow: Flow) -> dict[str, frozenset[str]]:
    """Return the words a slot can hold, for slots that only `remember` and fixed choices set."""
    found: dict[str, set[str]] = {}
    free: set[str] = {trigger.takes for trigger in flow.triggers if trigger.takes is not None}
    for state in flow.states.values():
        if state.ask is not None and state.ask.slot is not None:
            found.setdefault(state.ask.slot, set()).update(option.key for option in state.ask.options)
            if not state.ask.options:
                free.add(state.ask.slot)
    for action in actions(flow):
        for name, value in action.arguments["values"].items() if action.name == "remember" else ():
            found.setdefault(name, set()).add(str(value))
            if isinstance(value, dict):
                free.add(name)
    if any(trigger.event is not None for trigger in flow.triggers):
        return {}
    return {name: frozenset(words) for name, words in found.items() if name not in free}


def _kind(state: State) -> str:
    source = state.ask.source if state.ask is not None else None
    return "reward" if source in REWARD_SOURCES else "voucher" if source == "vouchers" else "plain"


def _given_by_event(event: str | None, book: Book) -> set[str]:
    if event is None:
        return set()
    given = set(OUTSIDE_EVENTS.get(event, ()))
    for flow in book.flows.values():
        for action in actions(flow):
            if action.name == "record" and action.arguments["event"] == event:
                given.update(action.arguments["data"])
    return given


def _follow(flow: Flow, slots: Slots, entering: Mapping[str, int]) -> None:
    """Carry slots along all arrows until nothing changes."""
    leaving = {name: [_effect(state, arrow, slots) for arrow in arrows(state)] for name, state in flow.states.items()}
    before, open_states = slots.before, list(entering)
    before.update(entering)
    while open_states:
        name = open_states.pop()
        for to, added in leaving[name]:
            known = before.get(to)
            total = before[name] | added | (known or 0)
            if to in flow.states and total != known:
                before[to] = total
                open_states.append(to)


def _effect(state: State, arrow: Arrow, slots: Slots) -> tuple[str, int]:
    """Return where an arrow leads (`state` itself when nowhere) and which slots are set on the way."""
    added = slots.all_of(_remembered(state.do)) | slots.all_of(_remembered(arrow.transition.do))
    if arrow.answered and state.ask is not None and state.ask.slot is not None:
        added |= slots.bit(state.ask.slot)
    return arrow.transition.to or state.name, added


def _remembered(do: tuple[Action, ...]) -> list[str]:
    return [name for action in do if action.name == "remember" for name in action.arguments["values"]]


def _places_of_slots(flow: Flow) -> Iterable[tuple[str, Place]]:
    for trigger in flow.triggers:
        if trigger.takes is not None:
            yield trigger.takes, trigger.place
    for state in flow.states.values():
        if state.ask is not None and state.ask.slot is not None:
            yield state.ask.slot, state.ask.place
    for action in actions(flow):
        if action.name == "remember":
            for name in action.arguments["values"]:
                yield name, action.place


@dataclass(frozen=True, slots=True)
class _Check:
    """Checks the mentions of slots and variables of one flow."""

    flow: Flow
    book: Book
    reader: Reader
    slots: Slots

    def state(self, state: State) -> None:
        """Check a state that can be entered, with what may be set then."""
        before = self.slots.before.get(state.name)
        if before is None:
            return
        here = before | self.slots.all_of(_remembered(state.do))
        self.actions(state.do, here)
        for said in texts(state):
            self.said(said, here)
        answered = here
        if state.ask is not None and state.ask.slot is not None:
            answered |= self.slots.bit(state.ask.slot)
        for arrow in arrows(state):
            transition, known = arrow.transition, answered if arrow.answered else here
            if transition.when is not None:
                self.predicate(transition.when, transition.places.get("if", transition.place), known)
            known |= self.slots.all_of(_remembered(transition.do))
            self.actions(transition.do, known)
            if transition.say is not None:
                self.text(transition.say, known)

    def said(self, said: Said, known: int) -> None:
        """Check a text of a state; `{options}` stands only where there is a choice."""
        self.text(said.text, known, frozenset({"options"}) if said.choice is not None else frozenset())

    def actions(self, do: tuple[Action, ...], known: int) -> None:
        for action in do:
            if action.name == "redeem":
                self.redeem(action, known)
            for argument in action.arguments.values():
                if isinstance(argument, Text):
                    self.text(argument, known)
            table = action.arguments.get("values") or action.arguments.get("data") or {}
            for value in table.values():
                if isinstance(value, dict):
                    self.slot(value["slot"], action.place, known)

    def redeem(self, action: Action, known: int) -> None:
        slot = action.arguments["slot"]
        if self.slot(slot, action.place, known) and self.slots.kinds.get(slot) != "reward":
            message = f"the slot '{slot}' holds no reward: it needs `ask: {{choice: rewards_in_reach, as: {slot}}}`"
            self.reader.error("not-a-reward", message, action.place)

    def predicate(self, predicate: Predicate, place: Place, known: int) -> None:
        for ask in asks(predicate):
            if ask.fact == "slot" and ask.key is not None and self.slot(ask.key, place, known):
                self.compared(ask, place)

    def compared(self, ask: Ask, place: Place) -> None:
        """Complain when a slot is compared with a word that it never holds."""
        closed = self.slots.values.get(ask.key or "")
        if closed is None or ask.operator not in ("is", "one_of"):
            return
        for word in ask.value if isinstance(ask.value, tuple) else (ask.value,):
            if str(word) not in closed:
                self.reader.unknown(f"value of slot {ask.key}", str(word), closed, place, code="unknown-value")

    def slot(self, name: str, place: Place, known: int) -> bool:
        """Say whether a slot may be set by now, and complain when it cannot be."""
        if name not in self.slots.bits:
            self.unknown("slot", name, self.slots.bits, place)
            return False
        if not self.slots.bits[name] & known:
            message = f"the slot '{name}' cannot have been set yet at this point"
            self.reader.error("slot-before-set", message, place)
            return False
        return True

    def text(self, text: Text, known: int, extra: frozenset[str] = frozenset()) -> None:
        for case in text.cases:
            if case.when is not None:
                self.predicate(case.when, case_place(text, case.lines), known)
            for language, template in case.languages.items():
                lines = case.lines.get(language) or ((0, text.place),)
                for use in template.uses:
                    self.variable(use.name, locate(lines, use.position), known, extra)

    def variable(self, name: str, place: Place, known: int, extra: frozenset[str]) -> None:
        head, _, rest = name.partition(".")
        if name in ("options", "question") and head not in self.slots.bits:
            if name not in extra:
                where = "a state that asks for a choice" if name == "options" else "`resume` of phrases.yaml"
                self.reader.error("variable-place", f"{{{name}}} has a value only in {where}", place)
        elif name in VARIABLES:
            return
        elif head in FAMILIES:
            self.family(name, head, rest, place)
        elif head in self.slots.bits:
            if rest and rest not in SLOT_PARTS.get(self.slots.kinds.get(head, "plain"), ()):
                self.reader.unknown("variable", name, self.known_names(), place)
            else:
                self.slot(head, place, known)
        else:
            self.unknown("variable", name, self.known_names(), place)

    def unknown(self, what: str, name: str, known: Iterable[str], place: Place) -> None:
        """Complain of a name; where a fact may bring any name, only warn of what looks like a slip of the pen."""
        if not self.slots.open:
            self.reader.unknown(what, name, known, place)
        elif (near := nearest(name, known)) is not None:
            message = f"nothing here sets the {what} '{name}'; did you mean '{near}'?"
            self.reader.warn(f"unknown-{what}", message, place, near)

    def family(self, name: str, head: str, rest: str, place: Place) -> None:
        members: Mapping[str, object] = FAMILIES[head]
        if head == "award":
            members = self.book.programme.awards
        elif head == "wording":
            members = self.book.programme.wordings
        if rest in members:
            return
        if head == "customer" and rest and "." not in rest:
            if rest in self.book.given.attributes:
                return
            near = nearest(rest, {*members, *self.book.given.attributes})
            if near is not None:
                message = f"no flow sets 'customer.{rest}'; did you mean 'customer.{near}'?"
                self.reader.warn("unknown-attribute", message, place, f"customer.{near}")
            return
        known = [f"{head}.{member}" for member in members]
        self.reader.unknown("variable", name, known or self.known_names(), place)

    def known_names(self) -> list[str]:
        families = [f"{head}.{member}" for head, members in FAMILIES.items() for member in members]
        parts = [f"{s}.{p}" for s, kind in self.slots.kinds.items() for p in SLOT_PARTS.get(kind, ())]
        return [*VARIABLES, *families, *self.slots.bits, *parts]
