"""One conversation while a turn works on it: the light model that a flow's machine moves."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import TYPE_CHECKING, Any, Literal

from bot.engine import choices
from bot.engine.conversation import Conversation
from bot.engine.decision import Step
from bot.engine.definition import State, Transition
from bot.engine.doing import perform
from bot.engine.facts import look
from bot.engine.guards import Predicate, holds
from bot.engine.machine import BEGIN, Compiled
from bot.engine.walking import admit

if TYPE_CHECKING:
    from bot.engine.working import Turn

Relation = Literal["called", "interrupted"]


class Frame:
    """One conversation while a turn works on it; what a flow's machine moves."""

    __slots__ = (
        "arm",
        "before",
        "compiled",
        "dirty",
        "empty",
        "ended",
        "id",
        "look",
        "misses",
        "moved",
        "next_flow",
        "opened_at",
        "outcome",
        "parent_id",
        "refused",
        "relation",
        "slots",
        "state",
        "turn",
    )

    def __init__(self, turn: Turn, compiled: Compiled, before: Conversation | None = None) -> None:
        self.turn = turn
        self.compiled = compiled
        self.before = before  #: None: it began in this turn
        self.state = BEGIN if before is None else before.state
        self.id = 0 if before is None else before.id
        self.slots: dict[str, Any] = {} if before is None else dict(before.slots)
        self.misses = 0 if before is None else before.misses
        self.parent_id = None if before is None else before.parent_id
        self.relation: Relation | None = None if before is None else before.relation
        self.opened_at = turn.now if before is None else before.opened_at
        self.outcome: str | None = None
        self.ended = False
        self.moved = before is None  #: counts as a turn of this conversation, voids its deadlines
        self.dirty = before is None  #: must be written
        self.arm = False  #: its deadlines are to be set at the end of the turn
        self.empty = False  #: it entered a choice with nothing to choose from
        self.next_flow: str | None = None  #: the action `start` was met
        self.refused: list[str] = []
        self.look: Callable[[str, str | None], Any] = self._look

    @property
    def fresh(self) -> bool:
        """Say whether it began in this turn."""
        return self.before is None

    @property
    def definition(self) -> State:
        """Return the state it is in."""
        return self.compiled.flow.states[self.state]

    @property
    def asks(self) -> bool:
        """Say whether it waits for an answer."""
        return self.state != BEGIN and self.definition.ask is not None

    @property
    def quiet(self) -> bool:
        """Say whether it only listens for keywords."""
        state = self.definition
        return bool(state.listen) and state.ask is None and state.call is None

    @property
    def turn_no(self) -> int:
        """Return the number this turn gives the conversation."""
        before = 0 if self.before is None else self.before.turn_no
        return before + 1 if self.moved else before

    def _look(self, fact: str, key: str | None) -> Any:
        return look(self.turn, self, fact, key)

    def remember(self, slot: str, value: Any) -> None:
        """Keep an answer; a date as ISO text, as the stored slots have it."""
        self.slots[slot] = value.isoformat() if isinstance(value, date) else value
        self.dirty = True

    def touch(self) -> None:
        """Count this turn as one of the conversation's, and count its deadlines anew."""
        self.moved = self.dirty = self.arm = True

    def permits(self, predicate: Predicate, words: str) -> bool:
        if holds(predicate, self.look, self.turn.now):
            return True
        self.refused.append(words)
        return False

    def leave(self, source: str, outcome: str, arrow: Transition, place: str) -> None:
        turn = self.turn
        begins = source == BEGIN
        turn.note(
            Step(self.compiled.flow.name, None if begins else source, outcome, arrow.to, place, tuple(self.refused))
        )
        self.refused.clear()
        self.misses = 0
        self.touch()
        if begins:
            admit(turn, self)
        for action in arrow.do:
            perform(turn, self, action)
        if arrow.say is not None:
            turn.say(self, arrow.say)

    def enter(self, state: State) -> None:
        turn = self.turn
        for action in state.do:
            perform(turn, self, action)
        ask = state.ask
        if ask is not None and ask.source is not None:
            self.slots.pop(choices.OFFERED, None)
            self.empty = "none" in state.on and not choices.available(turn, ask)
        if state.say is not None and not self.empty:
            turn.say(self, state.say, picture=state.picture)

    def value(self) -> Conversation:
        """Return the conversation as this turn leaves it."""
        return Conversation(
            id=self.id,
            customer_id=self.turn.customer.id,
            flow=self.compiled.flow.name,
            revision_id=self.compiled.revision_id,
            state=self.state,
            opened_at=self.opened_at,
            slots=self.slots,
            turn_no=self.turn_no,
            misses=self.misses,
            parent_id=self.parent_id,
            relation=self.relation,
            outcome=self.outcome,
            ended_at=self.turn.now if self.ended else None,
        )
