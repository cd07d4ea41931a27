"""One customer as their page shows them: profile, points, vouchers, consent, conversations, and who looked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine

from bot.catalog import Book
from bot.desk import points, profile
from bot.desk.actor import Actor, note
from bot.desk.happenings import who
from bot.desk.said import Said
from bot.desk.vouchers import Held, held_of
from bot.engine.offers import reward_by_key
from storage import (
    approvals,
    audit,
    consent,
    conversations,
    customers,
    loyalty,
    notes,
    profile_changes,
    staff,
    vouchers,
)
from storage.database import reading, writing
from storage.rows import Row

PAGE = 20  #: ledger entries at once
_VOUCHERS, _CHANGES, _CONVERSATIONS, _AUDIT, _REQUESTS = 100, 30, 20, 30, 50
_VIEWED_FOR = timedelta(hours=1)

_KINDS: Mapping[str, Said] = {
    "earn": Said("Earned"),
    "burn": Said("Spent"),
    "adjust": Said("By hand"),
    "expire": Said("Expired"),
    "reverse": Said("Taken back"),
}
_REASONS: Mapping[str, Said] = {
    "purchase": Said("Purchase"),
    "undo": Said("Undone by the customer"),
    "import": Said("Import"),
}
_BY: Mapping[str, Said] = {"customer": Said("the customer"), "bot": Said("the bot"), "import": Said("an import")}


@dataclass(frozen=True, slots=True)
class Entry:
    """A ledger entry: `+50 By hand, Spilled latte, by Sam, 110 points then`."""

    id: int
    at: datetime
    kind: Said
    points: int
    balance: int  #: right after it
    reason: Said | str  #: words of ours, or somebody's own
    by: str | None
    source: str | None  #: the customer's text that caused it
    expires_at: datetime | None
    taken_back: bool
    reversible: bool


@dataclass(frozen=True, slots=True)
class Change:
    """A change of the profile."""

    at: datetime
    field: str
    before: str
    after: str
    by: Said | str


@dataclass(frozen=True, slots=True)
class Card:
    """A voucher with how it came to be."""

    held: Held
    issued_at: datetime
    cost: int
    given_for: str | None
    given_by: str | None


@dataclass(frozen=True, slots=True)
class Request:
    """Points that wait for a second person, or what that person said."""

    id: int
    customer_id: int
    points: int
    reason: str
    reverses: bool
    asked_by_id: int
    asked_by: str | None
    asked_at: datetime
    decision: str | None
    decided_by: str | None
    decided_at: datetime | None
    answer: str | None


@dataclass(frozen=True, slots=True)
class Place:
    """A conversation the customer passed through."""

    title: str
    state: str
    outcome: str | None
    opened_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Customer:
    """Everything the page shows."""

    person: Row
    seen: int  #: the newest change of the profile, see `profile.change`
    changes: Sequence[Change]
    entries: Sequence[Entry]
    older: int | None  #: entries before this id are on the next page
    lots: Sequence[loyalty.Lot]
    requests: Sequence[Request]
    left_today: int  #: points the viewer may give or take alone
    cards: Sequence[Card]
    consents: Sequence[Row]
    places: Sequence[Place]
    notes: int
    audit: Sequence[Row]
    people: Mapping[int, str]  #: the names of staff, by id


def read(
    conn: Connection, book: Book, actor: Actor, customer_id: int, now: datetime, before: int | None = None
) -> Customer | None:
    """Return what the page of a customer shows, None when there is none; `before` pages through the ledger."""
    person = customers.by_id(conn, customer_id)
    if person is None:
        return None
    people = staff.names(conn)
    rows = loyalty.page_of(conn, customer_id, PAGE + 1, before)
    held = vouchers.of(conn, [customer_id]).get(customer_id, [])
    return Customer(
        person=person,
        seen=profile.newest(conn, customer_id),
        changes=[_change(row, people) for row in profile_changes.of(conn, customer_id, _CHANGES)],
        entries=_entries(conn, book, person, rows[:PAGE], held, people),
        older=rows[PAGE - 1]["id"] if len(rows) > PAGE else None,
        lots=loyalty.lots_of(conn, [customer_id]).get(customer_id, []),
        requests=[request_of(row, people) for row in approvals.of(conn, customer_id, _REQUESTS)],
        left_today=points.left_today(conn, book.programme, actor, now),
        cards=[_card(row, person, people, now) for row in reversed(held[-_VOUCHERS:])],
        consents=list(reversed(consent.history(conn, customer_id))),
        places=[_place(row, book) for row in conversations.recent_of(conn, customer_id, _CONVERSATIONS)],
        notes=notes.count_of(conn, customer_id),
        audit=audit.find(conn, customer_id=customer_id, limit=_AUDIT),
        people=people,
    )


def viewed(engine: Engine, actor: Actor, customer_id: int, now: datetime) -> None:
    """Write into the audit log that somebody looked at a customer: once an hour for each person and customer."""
    with reading(engine) as conn:
        if _was_viewed(conn, actor, customer_id, now):
            return
    with writing(engine) as conn:
        customers.lock_by_id(conn, [customer_id])  # two tabs opened at once are one look
        if not _was_viewed(conn, actor, customer_id, now):
            note(conn, actor, "customer.viewed", now, customer_id)


def request_of(row: Row, people: Mapping[int, str]) -> Request:
    """Return a row of approvals with the names of who asked and who decided."""
    return Request(
        row["id"],
        row["customer_id"],
        row["points"],
        row["reason"],
        row["reverses"] is not None,
        row["asked_by"],
        people.get(row["asked_by"]),
        row["asked_at"],
        row["decision"],
        people.get(row["decided_by"]) if row["decided_by"] else None,
        row["decided_at"],
        row["answer"],
    )


def _was_viewed(conn: Connection, actor: Actor, customer_id: int, now: datetime) -> bool:
    return audit.is_there(conn, actor.staff_id, customer_id, "customer.viewed", now - _VIEWED_FOR)


def _entries(
    conn: Connection, book: Book, person: Row, rows: Sequence[Row], held: Sequence[Row], people: Mapping[int, str]
) -> list[Entry]:
    """Return entries with the balance after each, counted back from today's."""
    if not rows:
        return []
    back = loyalty.known_keys(conn, [f"undo:{row['key']}" for row in rows])
    kept = {row["entry_key"] for row in held if row["status"] in ("issued", "redeemed")}
    balance = person["points"] - loyalty.sum_from(conn, person["id"], rows[0]["id"]) + rows[0]["points"]
    entries = []
    for row in rows:
        taken_back = f"undo:{row['key']}" in back
        may = row["kind"] in points.REVERSIBLE and row["points"] != 0 and not taken_back and row["key"] not in kept
        entries.append(
            Entry(
                row["id"],
                row["at"],
                _KINDS[row["kind"]],
                row["points"],
                balance,
                _reason(row, book, person["language"]),
                people.get(row["staff_id"]) if row["staff_id"] else None,
                row["source"],
                row["expires_at"] if row["points"] > 0 else None,
                taken_back,
                may,
            )
        )
        balance -= row["points"]
    return entries


def _reason(row: Row, book: Book, language: str) -> Said | str:
    reason = str(row["reason"])
    if row["staff_id"] is None and reason.startswith("reward:"):
        reward = reward_by_key(book.programme, reason.removeprefix("reward:"))
        return reward.names.get(language, reward.names["en"]) if reward is not None else reason.removeprefix("reward:")
    return _REASONS.get(reason, reason) if row["staff_id"] is None else reason


def _change(row: Row, people: Mapping[int, str]) -> Change:
    before, after = profile.attribute_words(row["before"]), profile.attribute_words(row["after"])
    if row["field"] == "birthday":
        before, after = before[5:], after[5:]  # the year is not kept
    return Change(row["at"], row["field"], before, after, _BY.get(row["by"]) or who(row["by"], people) or "")


def _card(row: Row, person: Row, people: Mapping[int, str], now: datetime) -> Card:
    by = people.get(row["staff_id"]) if row["staff_id"] else None
    return Card(held_of(row, person["name"], people, now), row["issued_at"], row["cost"], row["given_for"], by)


def _place(row: Row, book: Book) -> Place:
    flow = book.flows.get(row["flow"])
    title = flow.title if flow is not None else row["flow"]
    return Place(title, row["state"], row["outcome"], row["opened_at"], row["ended_at"])
