"""Flow definitions as frozen values.

`language.py` reads a file into these values, `prover.py` checks them, `machine.py` compiles them.
Each value remembers its place in the file, so that every later complaint or explanation can name
file, line and column.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal

from bot.engine.guards import Predicate
from bot.engine.message import Template

Kind = Literal["service", "marketing"]
AskKind = Literal["yes_no", "choice", "number", "date", "email", "text", "keyword"]
Severity = Literal["error", "warning"]
HandBack = Literal["resume", "ask_again", "end"]  #: go on in silence; ask the open question again; be over


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where something stands in a file; lines and columns count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Finding:
    """One mistake or doubt, e.g. `unknown state 'confrim'; did you mean 'confirm'?`."""

    severity: Severity
    code: str  #: stable short name such as `unknown-state`
    message: str
    place: Place
    suggestion: str | None = None  #: the nearest right word, when there is one


@dataclass(frozen=True, slots=True)
class TextCase:
    """One wording of an utterance, used when `when` holds (the last case has none)."""

    when: Predicate | None
    languages: Mapping[str, Template]  #: language code -> template; "en" is always there
    lines: Mapping[str, tuple[tuple[int, Place], ...]] = field(default_factory=dict, compare=False)
    #: language -> where in the file each line of its words begins: (offset in the template's source, place)


@dataclass(frozen=True, slots=True)
class Text:
    """What the bot says at one place: the first case whose condition holds, in the customer's language."""

    cases: tuple[TextCase, ...]
    place: Place


@dataclass(frozen=True, slots=True)
class Action:
    """One thing to do, from the closed catalogue in `actions.py`, e.g. `award: {points: 50, reason: welcome}`."""

    name: str
    arguments: Mapping[str, Any]
    place: Place


@dataclass(frozen=True, slots=True)
class Transition:
    """One arrow. `to=None` stays in the state and goes on waiting."""

    to: str | None
    place: Place
    when: Predicate | None = None
    do: tuple[Action, ...] = ()
    say: Text | None = None
    places: Mapping[str, Place] = field(default_factory=dict, compare=False)  #: key -> where its value stands


@dataclass(frozen=True, slots=True)
class Option:
    """One fixed answer of a choice: `key` is the outcome and the stored value, `words` also match it."""

    key: str
    label: Text
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ask:
    """The reply a state waits for.

    Outcomes by kind: yes_no -> `yes`, `no`; choice -> the option's key, or `chosen` when the options
    come from `source` (`none` when there is nothing to choose from); number, date, email, text -> `given`;
    keyword -> the keyword itself, upper case.
    """

    kind: AskKind
    place: Place
    slot: str | None = None
    options: tuple[Option, ...] = ()
    source: str | None = None  #: `rewards_in_reach`, `all_rewards` or `vouchers`
    keywords: tuple[str, ...] = ()
    minimum: int | None = None  #: number: smallest value; text: shortest length
    maximum: int | None = None  #: number: largest value; text: longest length
    dates: Literal["any", "past", "future", "birthday"] = "any"
    invalid: Text | None = None  #: said when the reply is understood but not allowed


@dataclass(frozen=True, slots=True)
class After:
    """Something that happens when the customer has been silent for `delay` in this state."""

    delay: timedelta
    place: Place
    remind: Text | None = None  #: say this and go on waiting
    transition: Transition | None = None  #: or leave the state


@dataclass(frozen=True, slots=True)
class State:
    """One place in a flow. It waits (ask, listen or call), passes through (go) or is final."""

    name: str
    place: Place
    do: tuple[Action, ...] = ()
    say: Text | None = None
    picture: str | None = None  #: the https address of what is sent along with `say`
    ask: Ask | None = None
    on: Mapping[str, tuple[Transition, ...]] = field(default_factory=dict)
    listen: Mapping[str, tuple[Transition, ...]] = field(default_factory=dict)  #: KEYWORD -> arrows
    misunderstood: tuple[Text, ...] = ()
    give_up: Transition | None = None  #: taken after the last `misunderstood` text
    after: tuple[After, ...] = ()
    go: tuple[Transition, ...] = ()
    call: str | None = None  #: another flow, run to its end before `on: {returned: ...}`
    final: str | None = None  #: the outcome's name; plain `final: true` is "done"

    @property
    def waits(self) -> bool:
        return self.ask is not None or bool(self.listen) or self.call is not None


@dataclass(frozen=True, slots=True)
class Schedule:
    """A start at a local time for everybody a predicate holds for.

    One of `every`, `on` with dates, `cron` and `before` says on which days; `recurrence.py` has the moments.
    """

    at: str  #: "10:00"; empty with `cron`
    every: Literal["day", "week", "month", "year"] | None = "day"
    again_after: timedelta | None = None  #: the same customer at most once in this span; None: once ever
    on: tuple[str, ...] = ()  #: weekdays, days of the month, a day of the year, or dates when `every` is None
    cron: str | None = None
    before: Literal["voucher_ends", "points_expire", "birthday"] | None = None
    by: timedelta = timedelta()  #: so long before that
    zone: Literal["customer", "shop"] = "customer"  #: whose clock shows `at`
    missed: Literal["run", "skip"] = "run"  #: what becomes of an occasion at which nothing ran
    late: timedelta = timedelta(hours=12)  #: `run`: no later than this


@dataclass(frozen=True, slots=True)
class Trigger:
    """One way into a flow."""

    to: str
    place: Place
    when: Predicate | None = None
    keywords: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  #: language -> upper-case keywords
    questions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  #: language -> phrases
    takes: str | None = None  #: slot that receives what follows the keyword ("JOIN ANA42")
    compliance: Literal["stop", "start", "help", "unsure"] | None = None
    event: str | None = None
    after: timedelta | None = None  #: this long after the event
    at: str | None = None  #: the first such local time after that
    schedule: Schedule | None = None
    called: bool = False  #: may be started or called by another flow
    places: Mapping[str, Place] = field(default_factory=dict, compare=False)  #: key -> where its value stands


@dataclass(frozen=True, slots=True)
class Flow:
    """One flow file, read and checked."""

    name: str
    title: str
    kind: Kind
    triggers: tuple[Trigger, ...]
    states: Mapping[str, State]
    place: Place
    digest: str  #: SHA-256 of the file's text; names the revision
    intent: str  #: what the router calls this flow in its answer; the flow's name unless declared
    description: str = ""
    relevant: timedelta | None = None  #: what it says unasked is pointless after this
    handed_back: HandBack = "resume"  #: what follows when a person hands the conversation back
