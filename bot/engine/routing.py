"""What the router answers: which way an event goes, and why."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Decided = Literal[
    "opt_out",  #: leave, in clear words: the stop flow
    "opt_out_confirm",  #: perhaps leave: ask back once, pause marketing
    "opt_in",  #: START, UNSTOP, JOIN: the join flow
    "help",  #: HELP, INFO: the help flow
    "flow",  #: a keyword or question starts a flow
    "reply",  #: the answer the open conversation waits for
    "fallback",  #: nothing understood
    "ignore",  #: nothing to answer: a tapback, a pleasantry, a customer who left
    "hold",  #: a person holds the conversation: record, stay silent
]


@dataclass(frozen=True, slots=True)
class RunnerUp:
    """The next best reading, for the explanation."""

    what: str  #: flow or outcome
    matched: str
    score: float


@dataclass(frozen=True, slots=True)
class Routing:
    """One decision of the router with its reasons, stored beside the message and shown to staff."""

    decision: Decided
    rule: str  #: `compliance.stop`, `opt_out.phrase`, `reply.yes_no`, `keyword.exact`, `keyword.typo`, `keyword.fuzzy`,
    #: `question`, `pleasantry`, `greeting`, `fallback` ...
    matched: str | None = None  #: the words that decided, `said -> taken for` where they differ
    score: float = 1.0
    runner_up: RunnerUp | None = None
    flow: str | None = None
    trigger: int | None = None  #: index in the flow's triggers; None: the first whose guard holds
    intent: str | None = None
    outcome: str | None = None  #: reply: the outcome in `on` (or a KEYWORD of `listen`)
    value: Any = None  #: reply: the understood value for the slot
    argument: str | None = None  #: what followed the keyword ("JOIN ANA42")
    language: str | None = None  #: the language the words were in, when only one fits
    problem: str | None = None  #: reply understood but not allowed: why
    notes: tuple[str, ...] = field(default=())


def as_line(text: str, routing: Routing) -> dict[str, Any]:
    """Return a routing as the line `python -m bot route --jsonl` prints.

    Of the door's seven decisions, `fallback` stands for whatever starts nothing; its rule says whether the
    text is answered (`fallback`, `empty`, `picture`) or left alone (`tapback`, `pleasantry`, `opted_out`, `held`).
    """
    runner_up = routing.runner_up
    return {
        "text": text,
        "decision": "fallback" if routing.decision in ("ignore", "hold") else routing.decision,
        "flow": routing.flow,
        "intent": routing.intent,
        "rule": routing.rule,
        "score": round(routing.score, 3),
        "runner_up": None
        if runner_up is None
        else {"what": runner_up.what, "matched": runner_up.matched, "score": round(runner_up.score, 3)},
    }
