"""How conversations begin, go on, interrupt each other and end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from bot.engine.decision import Step
from bot.engine.effects import RequestPerson, SetTimer
from bot.engine.machine import Compiled, short_place
from bot.errors import FlowError, TurnLimitExceeded

if TYPE_CHECKING:
    from bot.engine.frame import Frame, Relation
    from bot.engine.working import Turn

MAX_OPEN = 3  #: conversations of one customer that wait at the same time


def start(
    turn: Turn,
    compiled: Compiled,
    ways_in: Iterable[int],
    *,
    slots: Mapping[str, Any] | None = None,
    argument: str | None = None,
    relation: Relation | None = None,
    parent_id: int | None = None,
) -> Frame | None:
    """Begin a flow through the first of some triggers whose guard holds, and run it until it waits or ends.

    Returns None when no guard holds or when a marketing flow may not speak now; the steps say why.
    `argument` goes into the slot that the trigger takes.
    """
    flow = compiled.flow
    if (reason := turn.allows(compiled)) is not None:
        turn.note(Step(flow.name, None, "not allowed", None, short_place(flow.place), (reason,)))
        return None
    frame = turn.new_frame(compiled)
    frame.slots.update(slots or {})
    frame.relation, frame.parent_id = relation, parent_id
    if relation is None and (below := pending(turn)) is not None:
        frame.relation, frame.parent_id = "interrupted", below.id
    for index in ways_in:
        takes = flow.triggers[index].takes
        if takes is not None and argument:
            frame.slots[takes] = argument
        if compiled.fire(f"start:{index}", frame):
            proceed(turn, frame)
            return frame
    turn.note(Step(flow.name, None, "start", None, short_place(flow.place), tuple(frame.refused)))
    return None


def called_ways(compiled: Compiled) -> list[int]:
    """Return the triggers through which another flow may enter: those with `called`, else the first."""
    triggers = compiled.flow.triggers
    return [index for index, trigger in enumerate(triggers) if trigger.called] or [0][: len(triggers)]


def admit(turn: Turn, frame: Frame) -> None:
    """Put a beginning conversation on top of the stack. The same flow, if open, ends as restarted."""
    name = frame.compiled.flow.name
    if frame.relation == "called" and any(caller.compiled.flow.name == name for caller in _callers(turn, frame)):
        raise FlowError(f"{name} calls itself")
    for old in list(turn.frames):
        if not old.ended and old.compiled.flow.name == name:
            abandon(turn, old, "restarted")
    if frame.relation != "called":
        below = pending(turn)
        frame.relation, frame.parent_id = (None, None) if below is None else ("interrupted", below.id)
    frame.id = turn.next_id()
    turn.marketing = turn.marketing or frame.compiled.flow.kind == "marketing"
    turn.frames.append(frame)
    turn.everyone.append(frame)


def pending(turn: Turn) -> Frame | None:
    """Return the conversation whose question is open: the top one, those that only listen left out."""
    for frame in reversed(turn.frames):
        if frame.asks:
            return frame
        if not frame.quiet:
            return None
    return None


def proceed(turn: Turn, frame: Frame) -> None:
    """Run a conversation on until it waits or ends. Raises FlowError when the flow cannot be followed."""
    while not frame.ended:
        state = frame.definition
        if frame.next_flow is not None:
            _hand_on(turn, frame, frame.next_flow)
        elif state.final is not None:
            finish(turn, frame, state.final)
        elif frame.empty:
            frame.empty = False
            _must(frame, "on:none")
        elif state.go:
            _must(frame, "go")
        elif state.call is not None:
            _call(turn, frame, state.call)
            return
        else:
            return


def finish(turn: Turn, frame: Frame, outcome: str) -> None:
    """End a conversation and let the one below go on: a caller gets the outcome, an interrupted one is taken up."""
    parent = turn.frame(frame.parent_id)
    relation = frame.relation
    close(turn, frame, outcome)
    if parent is None:
        return
    if relation == "called":
        _return(turn, parent, outcome)
    else:
        resume(turn, parent, interrupted_before=not frame.fresh)


def resume(turn: Turn, frame: Frame, *, interrupted_before: bool = True) -> None:
    """Take up an interrupted conversation: its deadlines count anew, and after a text its question is asked again.

    The question is left alone when a person was asked for or holds the conversation, and when the customer did
    not write.
    """
    if turn.opted_out or not (turn.by_text or interrupted_before):
        return
    frame.touch()
    persons_turn = turn.held or any(isinstance(effect, RequestPerson) for effect in turn.effects)
    if turn.by_text and not persons_turn and frame.asks and frame.definition.say is not None:
        turn.say(frame, turn.book.phrases.resume)


def close(turn: Turn, frame: Frame, outcome: str) -> None:
    """End a conversation; one that interrupted it now stands on what was below."""
    frame.ended = True
    frame.outcome = outcome
    frame.moved = frame.dirty = True
    frame.arm = False
    turn.frames.remove(frame)
    root = [frame, *_callers(turn, frame)][-1]
    for other in turn.frames:
        if other.parent_id == frame.id:
            below = root.parent_id if root.relation == "interrupted" else None
            other.parent_id, other.relation = below, None if below is None else "interrupted"
            other.dirty = True


def abandon(turn: Turn, frame: Frame, outcome: str) -> None:
    """End a conversation that is in the way, with those that called it and those it called; nothing returns."""
    family = [[frame, *_callers(turn, frame)][-1]]
    for other in turn.frames:
        if other.relation == "called" and any(other.parent_id == member.id for member in family):
            family.append(other)
    for member in reversed(family):
        close(turn, member, outcome)


def settle(turn: Turn) -> None:
    """Put the stack in order at the end of a turn and set the deadlines of what waits."""
    if turn.opted_out:
        for frame in list(turn.frames):
            close(turn, frame, "opted_out")
        turn.effects[:] = [effect for effect in turn.effects if not isinstance(effect, SetTimer)]
        return
    for frame in [frame for frame in turn.frames if frame.id in turn.muted]:
        if not frame.ended:
            abandon(turn, frame, "not_allowed")
    for frame in [frame for frame in turn.frames if frame.id in turn.late and frame.moved]:
        if not frame.ended:  # nobody hears what it would wait for
            abandon(turn, frame, "too_late")
    if any(frame.fresh for frame in turn.frames):
        for frame in [frame for frame in turn.frames if frame.quiet and not frame.fresh]:
            if not frame.ended:
                abandon(turn, frame, "displaced")
    _ask_again(turn)
    while len(turn.frames) > MAX_OPEN:
        abandon(turn, turn.frames[0], "displaced")
    for frame in turn.frames:
        if frame.arm:
            after = frame.definition.after
            turn.effects += [deadline(frame, step, turn.now + entry.delay) for step, entry in enumerate(after)]


def _ask_again(turn: Turn) -> None:
    """Ask an open question again when the conversation on top of it has come to only listen."""
    if turn.by_text and turn.frames and turn.frames[-1].quiet and turn.frames[-1].moved:
        below = pending(turn)
        if below is not None and not below.moved:
            resume(turn, below)


def deadline(frame: Frame, step: int, due_at: datetime) -> SetTimer:
    """Return the timer of one `after` entry; it is void once the conversation's `turn_no` has moved on.

    The scope names the turn, so that a void timer of the same moment is not taken for this one.
    """
    return SetTimer("deadline", f"{frame.id}:{frame.turn_no}", due_at, frame.id, frame.turn_no, step)


def _hand_on(turn: Turn, frame: Frame, flow: str) -> None:
    """End a conversation and start another flow in its place; a caller waits for that one instead."""
    frame.next_flow = None
    below = turn.frame(frame.parent_id)
    called = frame.relation == "called" and below is not None
    outcome = frame.definition.final or "started"
    close(turn, frame, outcome)
    compiled = _flow(turn, flow)
    begun = start(
        turn,
        compiled,
        called_ways(compiled),
        relation="called" if called else None,
        parent_id=frame.parent_id if called else None,
    )
    if begun is None and below is not None:
        if called:
            _return(turn, below, outcome)
        else:
            resume(turn, below, interrupted_before=not frame.fresh)


def _call(turn: Turn, frame: Frame, flow: str) -> None:
    """Run another flow; when it has ended, or would not begin, the caller goes on."""
    if len(_callers(turn, frame)) + 2 > MAX_OPEN:
        raise TurnLimitExceeded(f"{frame.compiled.flow.name} calls {flow}, more than {MAX_OPEN} flows deep")
    compiled = _flow(turn, flow)
    if start(turn, compiled, called_ways(compiled), relation="called", parent_id=frame.id) is None:
        _return(turn, frame, "returned")


def _return(turn: Turn, caller: Frame, outcome: str) -> None:
    _must(caller, f"on:{outcome}" if outcome in caller.definition.on else "on:returned")
    proceed(turn, caller)


def _callers(turn: Turn, frame: Frame) -> list[Frame]:
    """Return the conversations that wait for this one to return, the nearest first."""
    callers: list[Frame] = []
    while frame.relation == "called" and (caller := turn.frame(frame.parent_id)) is not None:
        callers.append(caller)
        frame = caller
    return callers


def _flow(turn: Turn, name: str) -> Compiled:
    compiled = turn.book.current(name)
    if compiled is None:
        raise FlowError(f"there is no flow {name!r}")
    return compiled


def _must(frame: Frame, event: str) -> None:
    if not frame.compiled.fire(event, frame):
        where = f"{frame.compiled.flow.name}.{frame.state}"
        raise FlowError(f"{where}: no arrow fits {event.partition(':')[2] or event!r} ({', '.join(frame.refused)})")
