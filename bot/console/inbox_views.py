"""The inbox's views: what the address of a page asks for, and what storage is asked for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from bot.catalog import Book
from bot.console.language import _
from storage.inbox import Kind, Wanted
from storage.moments import id_before
from storage.rows import Row

_KINDS: Mapping[str, Kind] = {
    "needs_person": "needs_person",
    "unanswered": "unanswered",
    "mine": "assigned",
    "unassigned": "waiting",
    "misunderstood": "misunderstood",
    "failed": "undelivered",
    "left": "left",
    "snoozed": "snoozed",
    "flow": "flow",
    "recent": "recent",
}
COUNTED = ("needs_person", "unanswered", "unassigned")  #: views whose size is shown to everybody
FIRST = "needs_person"
NOBODY = "nobody"
_LONGEST = 80


@dataclass(frozen=True, slots=True)
class View:
    """What a page of the inbox shows."""

    name: str = FIRST
    flow: str | None = None
    tag: str | None = None
    assignee: int | Literal["nobody"] | None = None
    day: date | None = None

    @classmethod
    def read(cls, asked: Mapping[str, str]) -> View:
        """Return the view an address asks for; what makes no sense in it is left out."""
        name = asked.get("view", FIRST)
        flow = asked.get("flow", "")[:_LONGEST] or None
        name = "flow" if flow and name == FIRST and "view" not in asked else name
        if name not in _KINDS or (name == "flow" and not flow):
            name = FIRST
        day = _day(asked.get("day", ""))
        return cls(
            name="recent" if day else name,
            flow=flow if name == "flow" and not day else None,
            tag=asked.get("tag", "")[:_LONGEST] or None,
            assignee=None if name in ("mine", "unassigned") else _assignee(asked.get("assignee", "")),
            day=day,
        )

    def query(self) -> dict[str, str]:
        """Return the view as it stands in an address."""
        parts = {"flow": self.flow, "tag": self.tag, "assignee": self.assignee, "day": self.day}
        return {"view": self.name, **{name: str(value) for name, value in parts.items() if value is not None}}

    def wanted(self, conn: Connection, me: int, zone: ZoneInfo, now: datetime) -> Wanted:
        """Return what to ask storage for."""
        kind, assignee = _KINDS[self.name], self.assignee if isinstance(self.assignee, int) else None
        if self.name == "mine":
            assignee = me
        elif assignee is not None and self.name == "recent" and self.day is None:
            kind = "assigned"
        wanted = Wanted(
            kind,
            flow=self.flow,
            tag=self.tag,
            assignee=assignee,
            unassigned=self.name == "unassigned" or self.assignee == NOBODY,
        )
        if self.name == "left":
            return _between(wanted, id_before(conn, _midnight(now.astimezone(zone).date(), zone)), None)
        if self.day is not None:
            end = self.day + timedelta(days=1)
            return _between(
                wanted, id_before(conn, _midnight(self.day, zone)), id_before(conn, _midnight(end, zone)) + 1
            )
        return wanted


def _between(wanted: Wanted, since: int, until: int | None) -> Wanted:
    parts = (wanted.kind, wanted.flow, wanted.tag, wanted.assignee, wanted.unassigned, since)
    return Wanted(*parts) if until is None else Wanted(*parts, until)


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone)


def _day(words: str) -> date | None:
    try:
        return date.fromisoformat(words) if "2000" < words < "2100" else None
    except ValueError:
        return None


def _assignee(words: str) -> int | Literal["nobody"] | None:
    if words == NOBODY:
        return "nobody"
    return int(words) if words.isdecimal() and words.isascii() and len(words) < 19 else None


def title(view: View, book: Book, names: Mapping[int, str]) -> str:
    """Return what a view is called, with what it is narrowed down to."""
    parts = [label(view.name) if view.flow is None else flow_title(book, view.flow)]
    if view.day is not None:
        parts = [view.day.isoformat()]
    if view.tag is not None:
        parts.append(f"#{view.tag}")
    if view.assignee is not None:
        parts.append(names.get(view.assignee, "?") if isinstance(view.assignee, int) else _("nobody's"))
    return " · ".join(parts)


def flow_title(book: Book, flow: str) -> str:
    """Return a flow's title; one that is gone keeps its name."""
    known = book.flows.get(flow)
    return known.title if known is not None else flow


def label(name: str) -> str:
    """Return what a view is called."""
    return {
        "needs_person": _("Needs a person"),
        "unanswered": _("Unanswered"),
        "mine": _("Mine"),
        "unassigned": _("Unassigned"),
        "misunderstood": _("Misunderstood"),
        "failed": _("Failed delivery"),
        "left": _("Opted out today"),
        "snoozed": _("Snoozed"),
        "flow": _("In a flow"),
        "recent": _("All recent"),
    }[name]


def nothing(name: str) -> tuple[str, str]:
    """Return what an empty view says: a heading, and what would stand here."""
    return {
        "needs_person": (
            _("Nobody waits for a person"),
            _("Customers who ask for a person, or whom the bot could not help, stand here, the longest wait first."),
        ),
        "unanswered": (
            _("Every text is answered"),
            _("Texts that nobody answered, neither bot nor person, stand here."),
        ),
        "mine": (_("Nothing is yours right now"), _("Conversations assigned to you stand here until they are done.")),
        "unassigned": (
            _("Everything has somebody"),
            _("Customers who wait for a person or an answer, and whom nobody has taken, stand here."),
        ),
        "misunderstood": (
            _("The bot understood everything"),
            _("Texts the bot had to ask about again stand here; each can become a lesson for it."),
        ),
        "failed": (_("Everything arrived"), _("Texts the carrier could not deliver stand here, with the reason.")),
        "left": (_("Nobody opted out today"), _("Customers who opted out since midnight stand here.")),
        "snoozed": (_("Nothing is snoozed"), _("Conversations put aside until later stand here.")),
        "flow": (_("Nobody is in this flow now"), _("Customers in the middle of this flow stand here.")),
        "recent": (_("No conversations here"), _("Everybody who wrote stands here, the newest first.")),
    }[name]


def of_row(row: Row) -> View:
    """Return a saved view."""
    return View.read({name: str(value) for name, value in dict(row["query"]).items()})
