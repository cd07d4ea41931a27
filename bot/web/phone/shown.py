"""What the phone page shows, as plain data: people, one conversation, facts, and what happens next.

Ids are text, because a browser's numbers are too short for them; moments are ISO 8601 in UTC.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping

from bot.catalog import Book
from bot.engine.machine import short_place
from bot.engine.message import measure
from bot.phone import display, parse
from bot.services import Services
from bot.web.phone.turning import next_due, whose
from storage import consent, conversations, customers, handsets, messages, vouchers
from storage.database import reading

MOST_PEOPLE = 60
Row = Mapping[str, Any] | RowMapping
_ARRIVED = frozenset({"sent", "delivered", "unknown"})


def state_of(shop: Services, phone: str, limit: int) -> dict[str, Any]:
    """Return everything the page shows for one number; at most `limit` messages."""
    book = shop.catalog.book
    now = shop.clock.now()
    with reading(shop.engine) as conn:
        person = customers.by_phone(conn, phone)
        history = messages.history(conn, person["id"], limit + 1) if person is not None else []
        return {
            "shop": _shop(shop, book),
            "clock": {"offset": round(shop.clock.offset.total_seconds()), "next": _next(conn, book, now)},
            "people": _people(conn, book),
            "phone": phone,
            "display": display(phone, book.programme.shop.country),
            "customer": _facts(conn, book, person, now) if person is not None else None,
            "messages": sorted(map(_message, history[:limit]), key=lambda each: (each["at"], int(each["id"]))),
            "more": len(history) > limit,
        }


def shop_number(shop: Services) -> str:
    """Return the number texts are sent to: the configured one, else the programme's."""
    place = shop.catalog.book.programme.shop
    return shop.settings.sender or parse(place.phone, place.country) or place.phone


def _shop(shop: Services, book: Book) -> dict[str, Any]:
    place = book.programme.shop
    return {
        "name": place.name,
        "programme": place.programme,
        "number": display(shop_number(shop), place.country),
        "zone": place.zone,
        "flows": {name: flow.title for name, flow in sorted(book.flows.items())},
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
        "flow": _title(book, due.flow),
        "state": due.state,
    }


def _people(conn: Connection, book: Book) -> list[dict[str, Any]]:
    recent = handsets.recent(conn, MOST_PEOPLE)
    known = {row["id"] for row in recent}
    rest = [row for row in handsets.some(conn, MOST_PEOPLE) if row["id"] not in known]
    return [_person(row, book) for row in [*recent, *rest][:MOST_PEOPLE]]


def _person(row: Row, book: Book) -> dict[str, Any]:
    last = None
    if row.get("message_id") is not None:
        at = row["sent_at"] or row["message_at"]
        last = {
            "id": str(row["message_id"]),
            "from": "customer" if row["direction"] == "in" else "shop",
            "body": row["body"][:80],
            "picture": bool(row["media"]),
            "at": at.isoformat(),
        }
    return {
        "phone": row["phone"],
        "display": display(row["phone"], book.programme.shop.country),
        "name": row["name"],
        "tier": _tier(row, book),
        "points": row["points"],
        "consent": row["consent"],
        "last": last,
    }


def _facts(conn: Connection, book: Book, person: Row, now: datetime) -> dict[str, Any]:
    proof = consent.history(conn, person["id"])
    held = vouchers.of(conn, [person["id"]]).get(person["id"], [])
    open_ones = conversations.open_of(conn, [person["id"]]).get(person["id"], [])
    waiting = handsets.waits_for_person(conn, person["id"])
    return {
        **_person(person, book),
        "language": person["language"],
        "since": person["joined_at"].isoformat() if person["joined_at"] else None,
        "proof": _proof(proof[-1]) if proof else None,
        "doubt": person["marketing_paused"],
        "reachable": person["sendable"],
        "wants_person": waiting["requested_at"].isoformat() if waiting else None,
        "vouchers": [_voucher(row, now) for row in reversed(held)][:8],
        "conversations": [_place(row, book) for row in open_ones],
        "timers": [_timer(row, book) for row in handsets.timers_of(conn, person["id"], 8)],
    }


def _proof(row: Row) -> dict[str, Any]:
    return {"status": row["status"], "how": row["how"], "at": row["at"].isoformat(), "version": row["version"]}


def _voucher(row: Row, now: datetime) -> dict[str, Any]:
    over = row["status"] == "issued" and row["ends_at"] <= now
    return {
        "code": row["code"],
        "name": row["name"],
        "status": "expired" if over else row["status"],
        "ends": row["ends_at"].isoformat(),
    }


def _place(row: Row, book: Book) -> dict[str, Any]:
    flow = book.flows.get(row["flow"])
    state = flow.states.get(row["state"]) if flow is not None else None
    return {
        "flow": row["flow"],
        "title": _title(book, row["flow"]),
        "state": row["state"],
        "file": short_place(state.place) if state is not None else None,
        "since": row["updated_at"].isoformat(),
        "misses": row["misses"],
    }


def _timer(row: Row, book: Book) -> dict[str, Any]:
    flow = row["place_flow"] or row["flow"]
    return {
        "at": row["due_at"].isoformat(),
        "kind": row["kind"],
        "flow": flow,
        "title": _title(book, flow),
        "state": row["place_state"],
        "scope": row["scope"] if row["kind"] == "reminder" else None,
    }


def _message(row: Row) -> dict[str, Any]:
    inbound = row["direction"] == "in"
    size = measure(row["body"])
    at = row["created_at"] if inbound else row["sent_at"] or row["send_after"] or row["created_at"]
    return {
        "id": str(row["id"]),
        "sid": row["sid"],
        "from": "customer" if inbound else "shop",
        "arrived": inbound or _arrived(row),
        "body": row["body"],
        "media": row["media"] or [],
        "at": at.isoformat(timespec="milliseconds"),
        "state": row["state"],
        "reason": row["reason"],
        "error": row["error_code"],
        "attempts": row["attempts"],
        "purpose": row["purpose"],
        "flow": row["flow"],
        "flow_state": row["flow_state"],
        "answers": str(row["in_reply_to"]) if row["in_reply_to"] else None,
        "segments": size.segments,
        "encoding": size.encoding,
        "units": size.units,
        "culprits": list(size.culprits[:8]),
        "why": row["explanation"],
    }


def _arrived(row: Row) -> bool:
    """Say whether the carrier has a message: a worker that still sends it holds it until `claimed_until`."""
    handed_over = row["claimed_until"] is None or row["send_after"] is None
    return row["state"] in _ARRIVED or (row["state"] == "sending" and handed_over)


def _tier(row: Row, book: Book) -> str | None:
    """Return the tier's name; a member who has reached none yet is in the lowest."""
    tiers = book.programme.tiers
    key = row["tier"] or (tiers[0].key if tiers and row["joined_at"] else None)
    return next((tier.names.get("en", key) for tier in tiers if tier.key == key), key)


def _title(book: Book, flow: str | None) -> str | None:
    known = book.flows.get(flow) if flow else None
    return known.title if known is not None else flow


def free_numbers(conn: Connection, candidates: Sequence[str]) -> list[str]:
    """Return the numbers no customer has."""
    used = handsets.taken(conn, candidates)
    return [number for number in candidates if number not in used]
