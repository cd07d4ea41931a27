"""Searching: customers by name, number, e-mail or code, texts by their words; and the tick that keeps it current."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, cast

from sqlalchemy import Engine

from bot.desk.actor import Actor, note
from storage import indexing, search, shelves
from storage.database import reading, writing
from storage.rows import Row
from storage.wording import spans, wanted_in_texts

LIMIT = 20  #: customers, and texts, of one page
SNIPPET = 160  #: characters of a text that are shown
_BEFORE = 40  #: characters shown before the first mark
BATCHES = 5  #: of one tick: between them, others write


@dataclass(frozen=True, slots=True)
class CustomerFound:
    """A customer who fits."""

    id: int
    phone: str
    name: str | None
    email: str | None
    consent: str


@dataclass(frozen=True, slots=True)
class TextFound:
    """A text that fits: a piece of it, and where in that piece the words stand."""

    id: int
    customer_id: int | None
    phone: str | None
    name: str | None
    direction: Literal["in", "out"]
    by: Literal["customer", "bot", "staff"]
    at: datetime
    snippet: str
    marks: tuple[tuple[int, int], ...]
    cut: tuple[bool, bool]  #: whether the text goes on before and behind the piece

    @property
    def parts(self) -> list[tuple[str, bool]]:
        """Return the snippet in pieces, each with whether it is marked."""
        found, at = [], 0
        for start, end in self.marks:
            found += [(self.snippet[at:start], False), (self.snippet[start:end], True)]
            at = end
        return [piece for piece in [*found, (self.snippet[at:], False)] if piece[0]]


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found, the newest first."""

    customers: tuple[CustomerFound, ...]
    texts: tuple[TextFound, ...]
    complete: bool  #: False: too many texts have these words; only the newest were looked through
    filled: bool  #: False: texts from before search was there are still being indexed
    older: int | None  #: give this as `before` for older texts


def find(engine: Engine, actor: Actor, query: str, now: datetime, before: int | None = None) -> Found:
    """Return what fits a query, and note that somebody searched: how many they saw, never for what."""
    with reading(engine) as conn:
        rows = search.find(conn, query, LIMIT, before)
        filled = indexing.progress(conn).filled
    if rows.customers or rows.texts:
        with writing(engine) as conn:
            note(conn, actor, "search.made", now, customers=len(rows.customers), texts=len(rows.texts))
    return Found(
        tuple(CustomerFound(*(row[name] for name in CustomerFound.__slots__)) for row in rows.customers),
        tuple(_text(row, query) for row in rows.texts),
        rows.complete,
        filled,
        rows.older,
    )


def keep_up(engine: Engine, batches: int = BATCHES, size: int = indexing.BATCH) -> int:
    """Index what is new, and a part of what was there before; return how many texts and customers.

    Any number of processes may tick: one indexes at a time, and each batch is a short transaction of its own.
    """
    done = 0
    for _ in range(batches):
        with reading(engine) as conn:
            if indexing.look(conn, size) is None:
                break
        with writing(engine) as conn:
            work = indexing.look(conn, size) if shelves.try_lock(conn) else None
            if work is None:
                break
            done += indexing.do(conn, work)
    return done


def reindex(engine: Engine, actor: Actor, now: datetime) -> None:
    """Forget the index and let the ticks fill it again, the newest first."""
    with writing(engine) as conn:
        indexing.begin_anew(conn)
        note(conn, actor, "search.reindexed", now)


def _text(row: Row, query: str) -> TextFound:
    snippet, marks, cut = snippet_of(row["body"], query)
    by = "customer" if row["direction"] == "in" else "staff" if row["staff_id"] else "bot"
    return TextFound(
        row["id"],
        row["customer_id"],
        row["phone"],
        row["name"],
        row["direction"],
        cast("Literal['customer', 'bot', 'staff']", by),
        row["created_at"],
        snippet,
        marks,
        cut,
    )


def snippet_of(body: str, query: str) -> tuple[str, tuple[tuple[int, int], ...], tuple[bool, bool]]:
    """Return the piece of a text around the first word of the query, the marks in it, and where the text was cut."""
    found = _marks(body, query)
    start = max(0, found[0][0] - _BEFORE) if found and len(body) > SNIPPET else 0
    start = max(0, min(start, len(body) - SNIPPET))
    if start:
        start = body.rfind(" ", 0, start + 1) + 1 or start
    end = min(len(body), start + SNIPPET)
    marks = tuple((first - start, last - start) for first, last in found if first >= start and last <= end)
    return body[start:end], marks, (start > 0, end < len(body))


def _marks(body: str, query: str) -> list[tuple[int, int]]:
    """Return where the words of a query stand in a text."""
    wanted = wanted_in_texts(query)
    whole = {word for each in wanted for phrase in each.phrases for word in phrase}
    begun = [phrase[-1] for each in wanted if each.open for phrase in each.phrases]
    begun = [word for word in begun if len(word) > 1 or not word.isascii()]
    return [
        (word.start, word.end)
        for word in spans(body)
        if word.text in whole or any(word.text.startswith(beginning) for beginning in begun)
    ]
