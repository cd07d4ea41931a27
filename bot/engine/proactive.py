"""Turns that no text of the customer caused: timers, facts, schedules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from bot.engine import tiers, walking
from bot.engine.decision import Step
from bot.engine.doing import earn, later
from bot.engine.effects import SetTimer
from bot.engine.events import FactRecorded, HandedBack, StartDue, TimerFired
from bot.engine.machine import Compiled, short_place
from bot.engine.walking import deadline

if TYPE_CHECKING:
    from bot.engine.frame import Frame
    from bot.engine.working import Turn

PURCHASE = "purchase_recorded"
WAYS = "_triggers"  #: slot of a reminder: the triggers it may enter through
TRIES = "_tries"  #: slot of a reminder: how often it found a question open
_AGAIN = timedelta(days=1)
_FRESH = timedelta(hours=1)  # a reminder held back until morning may remind of what was answered at night
_MAX_TRIES = 7


def take_timer(turn: Turn, timer: TimerFired) -> None:
    """Let a deadline pass in its state, or start a reminder's flow."""
    if timer.kind == "deadline":
        _deadline(turn, timer)
        return
    compiled = turn.book.current(timer.flow or "")
    if compiled is None:
        turn.note(Step(timer.flow or "", None, "reminder", None, "", ("the flow still exists",)))
        return
    slots = {name: value for name, value in timer.slots.items() if name not in (WAYS, TRIES)}
    tries = timer.slots.get(TRIES, 0)
    _begin(turn, compiled, _ways(compiled, timer.slots), slots, tries if isinstance(tries, int) else 0)


def take_fact(turn: Turn, fact: FactRecorded) -> None:
    """Give the points of a purchase, then start the flows that wait for such a fact, or their reminders."""
    if fact.name == PURCHASE:
        _purchase(turn, fact)
    flows = sorted(turn.book.flows.values(), key=lambda flow: (flow.kind == "marketing", flow.name))
    for flow in flows:
        at_once = [i for i, t in enumerate(flow.triggers) if t.event == fact.name and not (t.after or t.at)]
        if at_once and (compiled := turn.book.current(flow.name)) is not None:
            _begin(turn, compiled, at_once, fact.data)
        waits: dict[tuple[timedelta | None, str | None], list[int]] = {}
        for index, trigger in enumerate(flow.triggers):
            if trigger.event == fact.name and (trigger.after or trigger.at):
                waits.setdefault((trigger.after, trigger.at), []).append(index)
        for (after, at), ways in waits.items():
            due_at = later(turn, fact.at + (after or timedelta()), at)
            slots = {**fact.data, WAYS: ways}
            turn.effects.append(SetTimer("reminder", flow.name, due_at, flow=flow.name, slots=slots))


def take_start(turn: Turn, due: StartDue) -> None:
    """Start a flow whose schedule has reached this customer, or that a person starts."""
    compiled = turn.book.current(due.flow)
    if compiled is None:
        return
    count = len(compiled.flow.triggers)
    ways = range(count) if due.trigger is None else range(due.trigger, min(due.trigger + 1, count))
    if ways:
        _begin(turn, compiled, list(ways), due.slots)


def take_back(turn: Turn, back: HandedBack) -> None:
    """Go on where a person leaves off: silently, by asking the open question again, or not at all."""
    if back.how == "end":
        while turn.frames:
            top = turn.frames[-1]
            turn.note(Step(top.compiled.flow.name, top.state, "handed back", None, short_place(top.definition.place)))
            walking.abandon(turn, top, "handed_over")
        return
    asking = walking.pending(turn)
    if back.how == "ask_again" and asking is not None and asking.definition.say is not None:
        place = short_place(asking.definition.place)
        turn.note(Step(asking.compiled.flow.name, asking.state, "handed back", asking.state, place))
        asking.touch()
        turn.say(asking, turn.book.phrases.resume, deadline=turn.now + _FRESH)


def _purchase(turn: Turn, fact: FactRecorded) -> None:
    """Count the purchase and give its points; the shell writes the counters down."""
    amount = fact.data.get("amount_minor")
    amount = amount if isinstance(amount, int) else 0
    customer = turn.customer
    turn.customer = replace(
        customer,
        purchases=customer.purchases + 1,
        spent_minor=customer.spent_minor + amount,
        last_purchase_at=max(fact.at, customer.last_purchase_at or fact.at),
    )
    earn(turn, tiers.earned(turn.programme, customer, amount), f"purchase:{fact.fact_id}", "purchase")


def _begin(turn: Turn, compiled: Compiled, ways: list[int], slots: Mapping[str, Any], tries: int = 0) -> None:
    """Start a flow unasked, as soon as no person holds the conversation.

    Marketing does not interrupt an open question: it tries again a day later, for a week.
    """
    flow = compiled.flow
    if turn.held:
        turn.note(Step(flow.name, None, "later", None, short_place(flow.place), ("no person holds it",)))
        kept = {**slots, WAYS: ways, TRIES: tries}
        turn.effects.append(SetTimer("reminder", flow.name, turn.now, flow=flow.name, slots=kept))
        return
    if flow.kind == "marketing" and turn.allows(compiled) is None and walking.pending(turn) is not None:
        turn.note(Step(flow.name, None, "later", None, short_place(flow.place), ("no question is open",)))
        if tries < _MAX_TRIES:
            again = {**slots, WAYS: ways, TRIES: tries + 1}
            turn.effects.append(SetTimer("reminder", flow.name, turn.now + _AGAIN, flow=flow.name, slots=again))
        return
    walking.start(turn, compiled, ways, slots=slots)


def _ways(compiled: Compiled, slots: Mapping[str, Any]) -> list[int]:
    """Return the triggers a reminder was set for, as far as they still exist, else those for other flows."""
    kept = slots.get(WAYS)
    ways = [way for way in kept if isinstance(way, int) and way < len(compiled.flow.triggers)] if kept else []
    return ways or walking.called_ways(compiled)


def _deadline(turn: Turn, timer: TimerFired) -> None:
    frame = turn.frame(timer.conversation_id)
    if frame is None or frame.turn_no != timer.turn_no or not _counts(turn, frame):
        return
    state = frame.definition
    if timer.step >= len(state.after):
        return
    after = state.after[timer.step]
    turn.marketing = turn.marketing or frame.compiled.flow.kind == "marketing"
    reason = turn.allows(frame.compiled)
    if after.remind is not None:
        if reason is None and _overtaken(turn, frame, timer):
            reason = "no later step is due"
        refused = () if reason is None else (reason,)
        turn.note(Step(frame.compiled.flow.name, frame.state, "silence", None, short_place(after.place), refused))
        if reason is None:
            turn.say(frame, after.remind, deadline=timer.at + _FRESH)
        return
    if reason is not None:
        turn.note(Step(frame.compiled.flow.name, frame.state, "not allowed", None, short_place(after.place), (reason,)))
        walking.abandon(turn, frame, "not_allowed")
        return
    if frame.compiled.fire(f"after:{timer.step}", frame):
        if after.transition is not None and after.transition.to is None:
            _go_on_waiting(turn, frame, timer.step)
        for child in [other for other in turn.frames if other.relation == "called" and other.parent_id == frame.id]:
            _end_called(turn, child)
        walking.proceed(turn, frame)


def _overtaken(turn: Turn, frame: Frame, timer: TimerFired) -> bool:
    """Say whether a later step of the state is due too: after an outage nobody is reminded of what ends now."""
    after = frame.definition.after
    began = timer.at - after[timer.step].delay
    return any(began + each.delay <= turn.now for each in after[timer.step + 1 :])


def _go_on_waiting(turn: Turn, frame: Frame, step: int) -> None:
    """Set the later deadlines of a state again, at the moments they had; those up to `step` have passed."""
    frame.arm = False
    after = frame.definition.after
    for number in range(step + 1, len(after)):
        due_at = turn.now + max(after[number].delay - after[step].delay, timedelta())
        turn.effects.append(deadline(frame, number, due_at))


def _end_called(turn: Turn, child: Frame) -> None:
    """End what a conversation called, because it did not wait any longer."""
    for other in [f for f in turn.frames if f.relation == "called" and f.parent_id == child.id]:
        _end_called(turn, other)
    walking.close(turn, child, "displaced")


def _counts(turn: Turn, frame: Frame) -> bool:
    """Say whether time passes for a conversation: not while another that asks something stands on it."""
    above = turn.frames[turn.frames.index(frame) + 1 :]
    return all(other.relation == "called" or other.quiet for other in above)
