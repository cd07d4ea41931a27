"""Try what the bot would say to a customer, without saying it.

Each text is played with all before it, at its own time, by a door whose codes come from the trial's seed: what was
shown once stays as it was shown. Nothing is committed, so nothing is sent, counted or remembered.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Engine

from bot.desk.actor import Actor, NotPossible, note
from bot.desk.copying import Copy, copied
from bot.desk.explaining import Explanation, explain
from bot.desk.said import Said
from bot.desk.script import Script, Text
from bot.turn import Turns
from storage import audit, messages
from storage.database import reading, writing

_TRIED = "conversation.tried"
_BETWEEN = timedelta(seconds=20)  #: between two lines of the form
_ENTRIES = 500
_APART = timedelta(minutes=5)  #: so much may a browser's clock go before ours


_MEANWHILE = Said("They wrote or were texted meanwhile. Start over to try from where they are now.")


class WroteMeanwhile(NotPossible):
    """The customer has a newer message than the trial knows of."""

    def __init__(self) -> None:
        super().__init__(_MEANWHILE.message)


@dataclass(frozen=True, slots=True)
class Tried:
    """One line, what the bot would answer, and why."""

    line: str
    replies: tuple[str, ...]
    why: Explanation | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """All lines of a form, and how the copy stands at their end."""

    tried: tuple[Tried, ...]
    points: int
    consent: str


def state_of(turns: Turns, customer_id: int, script: Script) -> dict[str, Any]:
    """Play a script on a copy of the customer; return what its phone shows then, as `bot.desk.handset` does.

    Raises NotPossible when there is no such customer, WroteMeanwhile when the trial began before their newest message.
    """
    with copied(turns, customer_id, script.key, script.began) as copy:
        if script.stamp not in (None, copy.newest):
            raise WroteMeanwhile
        for step in script.steps:
            if isinstance(step, Text):
                copy.hear(step.body, step.at)
            else:
                copy.wait()
        found = copy.shown()
    return {**found, "began": script.began.isoformat(timespec="milliseconds")}


def play(turns: Turns, customer_id: int, lines: Sequence[str], now: datetime) -> Outcome:
    """Play the lines of a form as if a copy of the customer sent them now, one after the other."""
    with copied(turns, customer_id, secrets.token_bytes(16), now) as copy:
        tried = tuple(_line(copy, line, now + index * _BETWEEN) for index, line in enumerate(lines))
        row = copy.row()
        return Outcome(tried, row["points"], row["consent"])


def note_trial(engine: Engine, actor: Actor, customer_id: int, script: Script, now: datetime) -> None:
    """Write into the audit log that somebody tried something: once for each trial, however many texts it has."""
    trial = script.seed
    with reading(engine) as conn:
        known = audit.find(conn, customer_id=customer_id, since=script.began - _APART, limit=_ENTRIES)
    mine = [row["detail"] for row in known if (row["action"], row["staff_id"]) == (_TRIED, actor.staff_id)]
    if all(detail.get("trial") != trial for detail in mine):
        with writing(engine) as conn:
            note(conn, actor, _TRIED, now, customer_id, trial=trial)


def _line(copy: Copy, line: str, at: datetime) -> Tried:
    answer = copy.hear(line, at)
    row = messages.by_id(copy.conn, answer.message_id) if answer.message_id is not None else None
    titles = {name: flow.title for name, flow in copy.turns.catalog.book.flows.items()}
    why = explain(row["explanation"], titles, {}) if row is not None and row["explanation"] else None
    return Tried(line, tuple(reply.body for reply in answer.replies), why)
