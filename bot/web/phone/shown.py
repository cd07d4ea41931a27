"""What the phone page shows beside the phone in hand: whose phones there are, and what happens next to anybody."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from bot.catalog import Book
from bot.desk.handset import flow_title, held_by, person_of
from bot.phone import display
from bot.services import Services
from bot.web.phone.turning import next_due, whose
from storage import customers, handsets

MOST_PEOPLE = 60


def state_of(conn: Connection, shop: Services, phone: str, limit: int) -> dict[str, Any]:
    """Return everything the page shows for one number; at most `limit` messages."""
    book = shop.catalog.book
    now = shop.clock.now()
    return {
        **held_by(conn, book, shop.settings, phone, now, limit),
        "clock": {"offset": round(shop.clock.offset.total_seconds()), "next": _next(conn, book, now)},
        "people": _people(conn, book),
    }


def _next(conn: Connection, book: Book, now: datetime) -> dict[str, Any] | None:
    due = next_due(conn, now)
    if due is None:
        return None
    phone = whose(conn, due)
    person = customers.by_phone(conn, phone) if phone else None
    return {
        "at": due.at.isoformat(),
        "kind": due.kind,
        "phone": phone,
        "who": (person["name"] if person else None) or (display(phone, book.programme.shop.country) if phone else None),
        "flow": flow_title(book, due.flow),
        "state": due.state,
    }


def _people(conn: Connection, book: Book) -> list[dict[str, Any]]:
    recent = handsets.recent(conn, MOST_PEOPLE)
    known = {row["id"] for row in recent}
    rest = [row for row in handsets.some(conn, MOST_PEOPLE) if row["id"] not in known]
    return [person_of(row, book) for row in [*recent, *rest][:MOST_PEOPLE]]


def free_numbers(conn: Connection, candidates: Sequence[str]) -> list[str]:
    """Return the numbers no customer has."""
    used = handsets.taken(conn, candidates)
    return [number for number in candidates if number not in used]
