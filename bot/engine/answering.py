"""What a customer's text leads to, once the router has said which way it goes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.engine import choices, holding, walking
from bot.engine.agreeing import leave
from bot.engine.decision import Step
from bot.engine.definition import Ask, State, Text, Trigger
from bot.engine.effects import RequestPerson, SetAttribute
from bot.engine.events import MessageReceived
from bot.engine.machine import Compiled, short_place
from bot.engine.routing import Routing

if TYPE_CHECKING:
    from bot.engine.frame import Frame
    from bot.engine.working import Turn

FALLBACKS = "_fallbacks"  #: attribute: how many texts in a row were not understood at all
HEARD = "language_heard"  #: attribute: the language the customer wrote in, not chosen
_COMPLIANCE = {"opt_out": "stop", "opt_in": "start", "help": "help", "opt_out_confirm": "unsure"}
_NOT_UNDERSTOOD = "not understood"
_WITH_VALUE = frozenset({"number", "date", "email", "text"})  #: answers whose outcome says nothing of what was said


def take_text(turn: Turn, text: MessageReceived, routing: Routing) -> None:
    """Answer a text. A tapback, and a text while a person holds the conversation, are left alone."""
    if routing.rule == holding.DOUBT and not turn.customer.marketing_paused:
        turn.effects.append(SetAttribute("marketing_paused", True))
    if routing.decision in ("ignore", "hold"):
        return
    _hear_language(turn, routing)
    understood = True
    match routing.decision:
        case "opt_out":
            _opt_out(turn, routing)
        case "reply":
            understood = _reply(turn, routing)
        case "fallback":
            understood = False
        case _:
            understood = _start(turn, routing)
    if not understood:
        understood = _not_understood(turn, text)
    if understood and turn.customer.attributes.get(FALLBACKS):
        turn.effects.append(SetAttribute(FALLBACKS, None))


def _hear_language(turn: Turn, routing: Routing) -> None:
    """Answer in the language the customer wrote in, as long as nothing but the shop's first one is known of them.

    Never back again of our own accord: customers of every language text JOIN, HELP and STOP.
    """
    languages, heard = turn.programme.shop.languages, routing.language
    if heard is None or heard == turn.language or heard not in languages:
        return
    if turn.customer.language_chosen or turn.language != languages[0]:
        return
    turn.effects.append(SetAttribute(HEARD, heard))
    turn.change(attributes={**turn.customer.attributes, HEARD: heard})
    turn.language = heard


def _opt_out(turn: Turn, routing: Routing) -> None:
    """Run the stop flow; whatever it does, the customer is out afterwards."""
    compiled = turn.book.by_compliance("stop")
    walking.start(turn, compiled, ways_in(compiled, routing))
    if not turn.opted_out:
        leave(turn)


def _start(turn: Turn, routing: Routing) -> bool:
    """Start the flow the router found; False when none of its triggers lets the customer in."""
    kind = _COMPLIANCE.get(routing.decision)
    compiled = turn.book.current(routing.flow) if routing.flow else None
    if compiled is None and kind is not None:
        compiled = turn.book.by_compliance(kind)
    if compiled is None:
        return False
    below = walking.pending(turn)
    if kind == "unsure" and below is not None and below.compiled.flow.name == compiled.flow.name:
        return False  # asked back once already: this is no answer to it
    begun = walking.start(turn, compiled, ways_in(compiled, routing), argument=routing.argument)
    return begun is not None


def ways_in(compiled: Compiled, routing: Routing) -> list[int]:
    """Return the triggers to try, in the file's order.

    With the router's hint: those that share its compliance kind, a keyword or a question. Without: those of
    the compliance kind, or all that texts lead to.
    """
    triggers = compiled.flow.triggers
    kind = _COMPLIANCE.get(routing.decision)
    hint = routing.trigger
    if hint is not None and 0 <= hint < len(triggers):
        return [i for i, trigger in enumerate(triggers) if i == hint or _alike(trigger, triggers[hint])]
    of_kind = [i for i, trigger in enumerate(triggers) if kind is not None and trigger.compliance == kind]
    return of_kind or [i for i, t in enumerate(triggers) if t.keywords or t.questions or t.compliance or t.called]


def _alike(one: Trigger, other: Trigger) -> bool:
    if one.compliance is not None and one.compliance == other.compliance:
        return True
    return not _words(one).isdisjoint(_words(other))


def _words(trigger: Trigger) -> set[str]:
    return {word for table in (trigger.keywords, trigger.questions) for words in table.values() for word in words}


def _reply(turn: Turn, routing: Routing) -> bool:
    """Take the reply to whoever waits for it; False when nobody does."""
    outcome = routing.outcome or ""
    for frame in reversed(turn.frames):
        state = frame.definition
        if outcome in state.listen and frame.compiled.fire(f"listen:{outcome}", frame):
            walking.proceed(turn, frame)
            return True
        if state.ask is not None:
            _answer(turn, frame, state, state.ask, routing)
            return True
        if not frame.quiet:
            return False
    return False


def _answer(turn: Turn, frame: Frame, state: State, ask: Ask, routing: Routing) -> None:
    if routing.problem is not None:
        _not_allowed(turn, frame, state, ask, routing.problem)
        return
    outcome = routing.outcome or ""
    if routing.value is None and ask.kind in _WITH_VALUE:
        _misunderstood(turn, frame, state)
        return
    value = outcome if routing.value is None else routing.value
    if ask.source is not None and value not in choices.available(turn, ask):
        _gone(turn, frame, state, ask)
        return
    if ask.slot is not None:
        frame.remember(ask.slot, value)
    if outcome not in state.on:
        outcome = next((name for name in ("chosen", "given") if name in state.on), outcome)
    if frame.compiled.fire(f"on:{outcome}", frame):
        walking.proceed(turn, frame)
    else:
        _misunderstood(turn, frame, state)


def _gone(turn: Turn, frame: Frame, state: State, ask: Ask) -> None:
    """What was offered cannot be had any more: offer what is left."""
    if not choices.available(turn, ask) and frame.compiled.fire("on:none", frame):
        walking.proceed(turn, frame)
    elif state.say is not None:
        _stay(turn, frame, "no longer offered", state.say)
    else:
        _misunderstood(turn, frame, state)


def _not_allowed(turn: Turn, frame: Frame, state: State, ask: Ask, problem: str) -> None:
    if ask.invalid is None:
        _misunderstood(turn, frame, state)
    else:
        _stay(turn, frame, f"not allowed: {problem}", ask.invalid)


def _stay(turn: Turn, frame: Frame, why: str, text: Text) -> None:
    """Say something and go on waiting, with the deadlines counted anew."""
    turn.note(Step(frame.compiled.flow.name, frame.state, why, frame.state, short_place(text.place)))
    frame.touch()
    turn.say(frame, text)


def _misunderstood(turn: Turn, frame: Frame, state: State) -> None:
    """Say the next of the state's texts, else of the common ones; after the last, give up or ask for a person."""
    own = bool(state.misunderstood) or state.give_up is not None
    texts = state.misunderstood if own else turn.book.phrases.misunderstood
    frame.misses += 1
    if frame.misses <= len(texts):
        _stay(turn, frame, "misunderstood", texts[frame.misses - 1])
        return
    arrow = state.give_up
    if arrow is None or not frame.compiled.fire("give_up", frame):
        turn.note(Step(frame.compiled.flow.name, frame.state, "misunderstood", None, short_place(state.place)))
        _ask_person(turn, frame)
        walking.finish(turn, frame, "handed_over")
    elif arrow.to is not None or frame.next_flow is not None:
        walking.proceed(turn, frame)
    elif any(action.name == "hand_over" for action in arrow.do):
        if arrow.say is None:
            turn.say(frame, turn.book.phrases.handed_over)
        walking.finish(turn, frame, "handed_over")
    else:
        walking.finish(turn, frame, "gave_up")


def _ask_person(turn: Turn, frame: Frame | None) -> None:
    turn.effects.append(RequestPerson(_NOT_UNDERSTOOD))
    turn.say(frame, turn.book.phrases.handed_over)


def _not_understood(turn: Turn, text: MessageReceived) -> bool:
    """Answer a text that leads nowhere; say whether it counts as understood all the same."""
    phrases = turn.book.phrases
    if text.media and not text.body.strip():
        turn.say(None, phrases.picture)
        return True
    waiting = walking.pending(turn)
    if waiting is not None:
        _misunderstood(turn, waiting, waiting.definition)
        return True
    count = turn.customer.attributes.get(FALLBACKS)
    times = (count if isinstance(count, int) else 0) + 1
    if times <= len(phrases.fallback):
        turn.say(None, phrases.fallback[times - 1])
        turn.effects.append(SetAttribute(FALLBACKS, times))
        return False
    _ask_person(turn, None)
    return True
