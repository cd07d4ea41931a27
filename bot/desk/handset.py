"""What one customer's phone shows, as plain data: the texts, who the customer is, and what happens next.

The simulated phone draws it, and the trial of what the bot would say. Ids are text, because a browser's numbers are
too short for them; moments are ISO 8601 in UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping

from bot.catalog import Book
from bot.engine.machine import short_place
from bot.engine.message import measure
from bot.phone import display, parse
from bot.settings import Settings
from storage import consent, conversations, customers, handsets, messages, vouchers

Row = Mapping[str, Any] | RowMapping
_ARRIVED = frozenset({"sent", "delivered", "unknown"})


def held_by(
    conn: Connection, book: Book, settings: Settings, phone: str, now: datetime, limit: int, after_id: int = 0
) -> dict[str, Any]:
    """Return what is shown to whoever holds the phone with this number; at most `limit` messages after an id."""
    person = customers.by_phone(conn, phone)
    history = messages.history(conn, person["id"], limit + 1, after=after_id) if person is not None else []
    return {
        "shop": _shop(book, settings),
        "phone": phone,
        "display": display(phone, book.programme.shop.country),
        "customer": _facts(conn, book, person, now) if person is not None else None,
        "messages": sorted(map(_message, history[:limit]), key=lambda each: (each["at"], int(each["id"]))),
        "more": len(history) > limit,
    }


def shop_number(book: Book, settings: Settings) -> str:
    """Return the number texts are sent to: the configured one, else the programme's."""
    place = book.programme.shop
    return settings.sender or parse(place.phone, place.country) or place.phone


def flow_title(book: Book, flow: str | None) -> str | None:
    """Return what a flow is called; of one that is not there any more, its name."""
    known = book.flows.get(flow) if flow else None
    return known.title if known is not None else flow


def person_of(row: Row, book: Book) -> dict[str, Any]:
    """Return a customer at a glance; a row of `handsets.recent` has the newest message with it."""
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


def _shop(book: Book, settings: Settings) -> dict[str, Any]:
    place = book.programme.shop
    return {
        "name": place.name,
        "programme": place.programme,
        "number": display(shop_number(book, settings), place.country),
        "zone": place.zone,
        "flows": {name: flow.title for name, flow in sorted(book.flows.items())},
    }


def _facts(conn: Connection, book: Book, person: Row, now: datetime) -> dict[str, Any]:
    proof = consent.history(conn, person["id"])
    held = vouchers.of(conn, [person["id"]]).get(person["id"], [])
    open_ones = conversations.open_of(conn, [person["id"]]).get(person["id"], [])
    waiting = handsets.waits_for_person(conn, person["id"])
    return {
        **person_of(person, book),
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
        "title": flow_title(book, row["flow"]),
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
        "title": flow_title(book, flow),
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
