"""One customer's timeline as values: texts with their fate and reasons, and what happened between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection

from bot.catalog import Book
from bot.desk.actor import Actor, note
from bot.desk.explaining import Explanation, explain
from bot.desk.fates import Fate, fate_of
from bot.desk.happenings import Happening, happening
from bot.engine.message import measure
from storage import audit, lessons, staff, timeline
from storage.rows import Row
from storage.timeline import Cursor, Found

PAGE = 60
RECENT = 30  #: what a page that is open already looks at again
_MILLIONTHS = 1_000_000
_VIEWED = "conversation.viewed"
_ENTRIES = 200  #: of the audit log that are looked at: one customer's of one hour


@dataclass(frozen=True, slots=True)
class Text:
    """One text, in or out."""

    key: str
    id: int
    at: datetime
    by: Literal["customer", "bot", "staff"]
    name: str | None  #: who of the staff wrote it
    body: str
    pictures: tuple[str, ...]  #: their types, as the carrier gave them
    links: tuple[str, ...]  #: outbound: where its pictures lie
    fate: Fate | None
    segments: int
    encoding: str
    cost: float | None  #: in units of the shop's currency; None: the programme declares no price
    flow: str | None  #: title of the flow it belongs to
    state: str | None
    revision: Row | None
    purpose: str | None
    why: Explanation | None
    lesson: Row | None
    second_try: bool = False  #: the first one could not be delivered
    kind: Literal["text"] = "text"

    @property
    def inbound(self) -> bool:
        """Say whether it came from the customer."""
        return self.by == "customer"


Entry = Text | Happening


@dataclass(frozen=True, slots=True)
class Page:
    """A stretch of the timeline, the oldest first."""

    entries: tuple[Entry, ...]
    older: Cursor | None  #: where the page before begins; None: there is none

    @property
    def newest(self) -> str | None:
        """Return the key of the last thing that happened."""
        return self.entries[-1].key if self.entries else None


def read(
    conn: Connection, book: Book, customer_id: int, now: datetime, before: Cursor | None = None, limit: int = PAGE
) -> Page:
    """Return the newest things before a cursor, `limit` at most."""
    found, older = timeline.page(conn, customer_id, limit, before)
    return Page(tuple(_entries(conn, book, found, now)), older)


def newer(conn: Connection, book: Book, customer_id: int, now: datetime, after: str) -> Page:
    """Return what happened after the entry with the key `after`, and texts whose fate may have changed.

    When that entry is not among the recent ones all of those are returned.
    """
    page = read(conn, book, customer_id, now, limit=RECENT)
    place = next((index for index, each in enumerate(page.entries) if each.key == after), -1)
    moved = [each for each in page.entries[: place + 1] if isinstance(each, Text)]
    return Page((*moved, *page.entries[place + 1 :]), page.older)


def _entries(conn: Connection, book: Book, found: Sequence[Found], now: datetime) -> list[Entry]:
    texts = [each.row for each in found if each.kind == "text"]
    names = staff.names(conn)
    revisions = timeline.revisions_of(conn, sorted({row["conversation_id"] for row in texts} - {None}))
    reader = _Reader(
        book=book,
        now=now,
        names=names,
        revisions=revisions,
        taught=lessons.of_messages(conn, [row["id"] for row in texts if row["direction"] == "in"]),
        replies=_replies(texts),
    )
    return [reader.text(each) if each.kind == "text" else happening(each, names) for each in found]


def _replies(texts: Sequence[Row]) -> dict[int, list[int]]:
    """Return the conversations that answered each inbound text."""
    found: dict[int, list[int]] = {}
    for row in texts:
        if row["in_reply_to"] is not None and row["conversation_id"] is not None:
            found.setdefault(row["in_reply_to"], []).append(row["conversation_id"])
    return found


@dataclass(frozen=True, slots=True)
class _Reader:
    """What the texts of one page share."""

    book: Book
    now: datetime
    names: Mapping[int, str]
    revisions: Mapping[int, Row]  #: by conversation
    taught: Mapping[int, Row]
    replies: Mapping[int, Sequence[int]]

    def text(self, found: Found) -> Text:
        row = found.row
        inbound = row["direction"] == "in"
        staff_id = row["staff_id"]
        size = measure(row["body"])
        segments = row["segments"] or size.segments
        return Text(
            key=f"text-{row['id']}",
            id=row["id"],
            at=found.at,
            by="customer" if inbound else "bot" if staff_id is None else "staff",
            name=None if staff_id is None else self.names.get(staff_id),
            body=row["body"],
            pictures=tuple(str(item.get("content_type") or "") for item in row["media"] or ()),
            links=() if inbound else tuple(str(item["url"]) for item in row["media"] or ()),
            fate=fate_of(row, self.now),
            segments=segments,
            encoding=row["encoding"] or size.encoding,
            cost=None if inbound else self._cost(segments),
            flow=self._titles.get(row["flow"], row["flow"]),
            state=row["flow_state"],
            revision=self.revisions.get(row["conversation_id"]),
            purpose=row["purpose"],
            why=self._why(row) if inbound else None,
            lesson=self.taught.get(row["id"]),
            second_try=row["retry_of"] is not None,
        )

    def _cost(self, segments: int) -> float | None:
        price = self.book.programme.segment_price
        return None if price is None else segments * price / _MILLIONTHS

    @property
    def _titles(self) -> Mapping[str, str]:
        flows = self.book.flows
        return {flow.intent: flow.title for flow in flows.values()} | {name: flow.title for name, flow in flows.items()}

    def _why(self, row: Row) -> Explanation | None:
        why: Mapping[str, Any] | None = row["explanation"]
        if not why:
            return None
        touched = [row["conversation_id"], *self.replies.get(row["id"], ())]
        revisions = [self.revisions[each] for each in touched if each in self.revisions]
        return explain(why, self._titles, {revision["name"]: revision for revision in revisions})


def note_view(conn: Connection, actor: Actor, customer_id: int, now: datetime) -> None:
    """Write into the audit log that somebody read a conversation: once an hour for each person and customer."""
    hour = now.replace(minute=0, second=0, microsecond=0)
    if not was_viewed(conn, actor, customer_id, hour):
        note(conn, actor, _VIEWED, now, customer_id)


def was_viewed(conn: Connection, actor: Actor, customer_id: int, since: datetime) -> bool:
    """Say whether the log has it that somebody read a conversation since then."""
    seen = audit.find(conn, customer_id=customer_id, since=since, limit=_ENTRIES)
    return any(row["staff_id"] == actor.staff_id and row["action"] == _VIEWED for row in seen)
