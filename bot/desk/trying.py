"""Try what the bot would say to a customer, without saying it: a masked copy in a transaction that is rolled back.

Inside it the customer has another name and a number kept for fiction; every line typed is a text through the
one door. Nothing of it is committed, so nothing is sent, counted or remembered.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from bot.catalog import Book
from bot.desk.actor import NotPossible
from bot.desk.explaining import Explanation, explain
from bot.engine.events import MessageReceived
from bot.turn import Turns
from storage import customers, handsets, messages
from storage.database import writing

MOST_LINES = 20
LONGEST = 1_600
NAME = "Robin"  #: what the copy is called
_BETWEEN = timedelta(seconds=20)  #: between two lines
#: Numbers kept for fiction (NANPA: 555-0100 to 555-0199).
_NUMBERS = tuple(f"+1{area}55501{line:02d}" for area in ("201", "212", "646") for line in range(100))


@dataclass(frozen=True, slots=True)
class Tried:
    """One line, what the bot would answer, and why."""

    line: str
    replies: tuple[str, ...]
    why: Explanation | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """A whole script, and how the copy stands at its end."""

    tried: tuple[Tried, ...]
    points: int
    consent: str


class _RolledBack(Exception):
    """Ends the transaction and carries out what came of it."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__()
        self.outcome = outcome


def lines_of(script: str) -> list[str]:
    """Return the texts of a script, one a line. Raises NotPossible for too many or too long ones."""
    lines = [line.strip() for line in script.splitlines() if line.strip()]
    if len(lines) > MOST_LINES:
        raise NotPossible("Try {most} texts at most at once.", most=MOST_LINES)
    if any(len(line) > LONGEST for line in lines):
        raise NotPossible("A text holds {most} characters at most.", most=LONGEST)
    return lines


def play(turns: Turns, customer_id: int, lines: Sequence[str], now: datetime) -> Outcome:
    """Play texts as if a copy of the customer sent them now. Raises NotPossible when there is no such customer."""
    dry = Turns(turns.engine, turns.catalog, turns.settings)  # its own memory of numbers, and no broker to wake
    try:
        with writing(turns.engine) as conn:
            raise _RolledBack(_played(conn, dry, customer_id, lines, now))
    except _RolledBack as done:
        return done.outcome


def _played(conn: Connection, turns: Turns, customer_id: int, lines: Sequence[str], now: datetime) -> Outcome:
    if not customers.lock_by_id(conn, [customer_id]):
        raise NotPossible("There is no such customer any more.")
    taken = handsets.taken(conn, _NUMBERS)
    number = next((each for each in _NUMBERS if each not in taken), None)
    if number is None:
        raise NotPossible("Every number kept for trying is taken.")
    copy: dict[str, Any] = {"phone": number, "name": NAME, "email": None, "held_by": None, "held_until": None}
    customers.change(conn, [(customer_id, copy)])
    book = turns.catalog.book
    recipient = turns.settings.sender or book.programme.shop.phone
    tried = [
        _line(conn, turns, book, MessageReceived(f"TRY{index:031d}", number, recipient, line, now + index * _BETWEEN))
        for index, line in enumerate(lines)
    ]
    row = customers.by_id(conn, customer_id)
    assert row is not None
    return Outcome(tuple(tried), row["points"], row["consent"])


def _line(conn: Connection, turns: Turns, book: Book, text: MessageReceived) -> Tried:
    [answer] = turns.take_in(conn, [text], text.at)
    row = messages.by_id(conn, answer.message_id) if answer.message_id is not None else None
    titles = {name: flow.title for name, flow in book.flows.items()}
    why = explain(row["explanation"], titles, {}) if row is not None and row["explanation"] else None
    return Tried(text.body, tuple(reply.body for reply in answer.replies), why)
