"""A customer's conversation: the timeline, what is new in it, notes, mentions and lessons."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from babel.dates import format_skeleton, format_time
from flask import Blueprint, abort, redirect, request, url_for
from sqlalchemy import Connection
from werkzeug.wrappers import Response

from bot.console import session, takeover
from bot.console.language import _, language
from bot.console.page import FORMS, back, exact, money, page, say, zone
from bot.desk import lessons, notes, timeline
from bot.desk.said import Money, Said
from bot.phone import zones
from bot.services import Services, services
from storage import customers, erasures, handsets, staff, vouchers
from storage import lessons as taught
from storage import notes as mentions_of
from storage import timeline as stored
from storage.database import reading, writing
from storage.rows import Row
from storage.timeline import Cursor

blueprint = Blueprint("conversation", __name__)
_MOST_MENTIONS = 50
_IDS_END = 1 << 63


@blueprint.get("/customers/<int:customer_id>/conversation")
def show(customer_id: int) -> Response:
    """Show a conversation; `before` asks for an older stretch, `pane` for the part without the frame.

    Of an erased customer there is none: the page says since when.
    """
    shop = services()
    pane = bool(request.args.get("pane"))
    before = Cursor.read(request.args.get("before", ""))
    with reading(shop.engine) as conn:
        person = person_of(conn, customer_id)
        if erasures.is_shell(person):
            return page("conversation_erased.html", pane=pane, person=person, erasure=erasures.of(conn, customer_id))
        if person["merged_into"]:
            return redirect(url_for(".show", customer_id=person["merged_into"], pane="1" if pane else None))
        values = _values(conn, shop, person, before)
        viewed = _was_viewed(conn, shop, customer_id)
    if not viewed:
        with writing(shop.engine) as conn:
            timeline.note_view(conn, session.actor(), customer_id, shop.clock.now())
            notes.read_about(conn, session.me().id, customer_id, shop.clock.now())
    return page("conversation_pane.html" if pane else "conversation.html", pane=pane, **values)


@blueprint.get("/customers/<int:customer_id>/conversation/older")
def older(customer_id: int) -> Response:
    """Give the entries before a cursor, for the script that puts them on top."""
    shop = services()
    with reading(shop.engine) as conn:
        person = person_of(conn, customer_id)
        before = Cursor.read(request.args.get("before", "")) or abort(400)
        found = timeline.read(conn, shop.catalog.book, customer_id, shop.clock.now(), before)
    return page("conversation_entries.html", timeline=found, person=person, there=their_zone(person), **_choices(shop))


@blueprint.get("/customers/<int:customer_id>/conversation/new")
def newer(customer_id: int) -> Response:
    """Give what happened after an entry, and recent texts whose delivery may have moved; 304 when nothing did."""
    shop = services()
    with reading(shop.engine) as conn:
        stamp = f"{stored.stamp(conn, customer_id)} {language()}"
        etag = hashlib.blake2b(stamp.encode(), digest_size=12).hexdigest()
        if request.if_none_match.contains(etag):
            answer = Response(status=304)
        else:
            person = person_of(conn, customer_id)
            after = request.args.get("after", "")
            found = timeline.newer(conn, shop.catalog.book, customer_id, shop.clock.now(), after)
            values = {"timeline": found, "person": person, "there": their_zone(person), **_choices(shop)}
            answer = page("conversation_entries.html", fresh=True, facts=facts_of(conn, shop, person), **values)
    answer.set_etag(etag)
    answer.headers["Cache-Control"] = "private, no-cache"
    return answer


@blueprint.post("/customers/<int:customer_id>/notes")
def add_note(customer_id: int) -> Response:
    """Write a note."""
    shop = services()
    if customer_id >= _IDS_END:
        abort(404)
    notes.add(shop.engine, session.actor(), customer_id, request.form.get("body", ""), shop.clock.now())
    return _done(customer_id)


@blueprint.post("/messages/<int:message_id>/lesson")
def teach(message_id: int) -> Response:
    """Say what a text should have been taken for."""
    shop, form = services(), request.form
    decision, _colon, intent = form.get("meaning", "").partition(":")
    book = shop.catalog.book
    lessons.teach(shop.engine, session.actor(), book, _known(message_id), decision, intent or None, shop.clock.now())
    if not session.wants_fragment():
        say(_("Noted. The router's tests can take it up."))
    return _lesson(shop, message_id)


@blueprint.post("/messages/<int:message_id>/lesson/forget")
def forget_lesson(message_id: int) -> Response:
    """Take a lesson back."""
    shop = services()
    with reading(shop.engine) as conn:
        known = taught.of_messages(conn, [_known(message_id)]).get(message_id)
    lessons.forget(shop.engine, session.actor(), message_id, shop.clock.now())
    return _lesson(shop, message_id, customer_id=known["customer_id"] if known else None)


@blueprint.get("/mentions")
def mentions() -> Response:
    """List the notes that mention whoever is signed in."""
    shop, before = services(), request.args.get("before", type=int)
    with reading(shop.engine) as conn:
        found = mentions_of.mentioning(conn, session.me().id, _MOST_MENTIONS + 1, min(before or _IDS_END, _IDS_END) - 1)
        unread = mentions_of.unread(conn, session.me().id)
        names = staff.names(conn)
    more = found[_MOST_MENTIONS - 1]["id"] if len(found) > _MOST_MENTIONS else None
    return page("mentions.html", mentions=found[:_MOST_MENTIONS], unread=unread, names=names, more=more)


@blueprint.post("/mentions/read")
def read_mentions() -> Response:
    """Mark every mention shown as read."""
    shop, me = services(), session.me().id
    with writing(shop.engine) as conn:
        found = mentions_of.mentioning(conn, me, 1_000)
        mentions_of.mark_read(conn, me, [row["id"] for row in found], shop.clock.now())
    return back("conversation.mentions")


def person_of(conn: Connection, customer_id: int) -> Row:
    """Return a customer's row, or answer 404."""
    row = customers.by_id(conn, _known(customer_id))
    if row is None:
        abort(404)
    return row


def their_zone(person: Row) -> ZoneInfo | None:
    """Return the zone a customer is in, when one is known and its clock is not the shop's now."""
    known = person["zone"] or person["local_zone"]
    if known is None:
        places = zones(person["phone"])
        known = places[0] if len(places) == 1 else None
    if known is None:
        return None
    now, there = services().clock.now(), ZoneInfo(known)
    return there if now.astimezone(there).utcoffset() != now.astimezone(zone()).utcoffset() else None


def facts_of(conn: Connection, shop: Services, person: Row) -> dict[str, Any]:
    """Return what stands beside a conversation."""
    now = shop.clock.now()
    held = vouchers.of(conn, [person["id"]]).get(person["id"], [])
    tiers = shop.catalog.book.programme.tiers
    key = person["tier"] or (tiers[0].key if tiers and person["joined_at"] else None)
    return {
        "tier": next((tier.names.get(language(), tier.names.get("en", key)) for tier in tiers if tier.key == key), key),
        "vouchers": [row for row in held if row["status"] == "issued" and row["ends_at"] > now],
        "waits": handsets.waits_for_person(conn, person["id"]),
    }


def _values(conn: Connection, shop: Services, person: Row, before: Cursor | None) -> dict[str, Any]:
    book, now = shop.catalog.book, shop.clock.now()
    return {
        "person": person,
        "timeline": timeline.read(conn, book, person["id"], now, before),
        "newest": timeline.read(conn, book, person["id"], now, limit=1).newest if before else None,
        "looking_back": before is not None,
        "facts": facts_of(conn, shop, person),
        "colleagues": [row["name"] for row in staff.everybody(conn) if row["disabled_at"] is None],
        "there": their_zone(person),
        "composer": takeover.composer(conn, shop, session.actor(), person, now),
        "now": now,
        **_choices(shop),
    }


def _choices(shop: Services) -> dict[str, Any]:
    book = shop.catalog.book
    return {
        "meanings": lessons.meanings(book),
        "currency": book.programme.shop.currency,
    }


def _was_viewed(conn: Connection, shop: Services, customer_id: int) -> bool:
    """Say whether nothing is to be written: this person was here within the hour and is mentioned nowhere."""
    if mentions_of.unread_about(conn, session.me().id, customer_id):
        return False
    hour = shop.clock.now().replace(minute=0, second=0, microsecond=0)
    return timeline.was_viewed(conn, session.actor(), customer_id, hour)


def _lesson(shop: Services, message_id: int, customer_id: int | None = None) -> Response:
    """Answer with the lesson's part of a text, or go back to the conversation."""
    with reading(shop.engine) as conn:
        row = taught.of_messages(conn, [message_id]).get(message_id)
    if session.wants_fragment():
        return page("conversation_lesson.html", message_id=message_id, lesson=row, **_choices(shop))
    whose = row["customer_id"] if row is not None else customer_id
    return _done(whose, f"text-{message_id}") if whose is not None else back("home.home")


def _done(customer_id: int, anchor: str = "end") -> Response:
    if session.wants_fragment():
        return Response(status=204)
    return back("conversation.show", customer_id=customer_id, _anchor=anchor)


def _known(identifier: int) -> int:
    return identifier if identifier < _IDS_END else abort(404)


@blueprint.app_template_filter()
def told(said: Said | str) -> str:
    """Return a sentence in the page's language, with moments, amounts and other sentences in words."""
    said = said if isinstance(said, Said) else Said(said)
    return _(said.message, **{name: _in_words(value) for name, value in said.values.items()})


def _in_words(value: object) -> object:
    if isinstance(value, Said):
        return told(value)
    if isinstance(value, Money):
        return money(value.minor, services().catalog.book.programme.shop.currency)
    return exact(value) if isinstance(value, datetime) else value


@blueprint.app_template_filter()
def iso_day(moment: datetime) -> str:
    """Return the day of a moment in the shop's zone, for scripts: 2026-11-03."""
    return moment.astimezone(zone()).date().isoformat()


@blueprint.app_template_filter()
def clock_in(moment: datetime, there: ZoneInfo) -> str:
    """Return the time of day in another zone."""
    return str(format_time(moment, "short", tzinfo=there, locale=FORMS[language()])).replace("\u202f", " ")


@blueprint.app_template_filter()
def exact_in(moment: datetime, there: ZoneInfo) -> str:
    """Return a moment in full in another zone, with its name."""
    words = format_skeleton("MMMEd", moment, tzinfo=there, locale=FORMS[language()])
    return f"{words}, {clock_in(moment, there)} ({there.key.rpartition('/')[2].replace('_', ' ')})".replace(
        "\u202f", " "
    )


@blueprint.app_template_filter()
def price(amount: float, currency: str) -> str:
    """Return what a text costs, to a tenth of a cent."""
    return f"{currency} {amount:.4f}".rstrip("0") if currency != "USD" else f"${amount:.4f}"
