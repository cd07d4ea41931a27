"""Taking over in the console: hold, extend, hand back, answer; and what the composer shows of it."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Any, cast, get_args
from uuid import uuid4

from babel.dates import format_time
from flask import Blueprint, abort, jsonify, request
from sqlalchemy import Connection
from werkzeug.wrappers import Response

from bot.console import session
from bot.console.language import _, _n, language
from bot.console.page import FORMS, back, excuse, page, say
from bot.desk import answers, leases, saved_replies
from bot.desk.actor import Actor, NotPossible
from bot.engine.definition import HandBack
from bot.services import Services, services
from storage import customers, saved, staff
from storage import leases as held
from storage.database import reading
from storage.rows import Row

blueprint = Blueprint("takeover", __name__, url_prefix="/customers/<int:customer_id>")
MILLIONTHS = 1_000_000
_IDS_END = 1 << 63
_LATELY = timedelta(hours=1)  #: so long one is told that a colleague took over


@blueprint.before_request
def known() -> None:
    """Refuse ids that no database can hold."""
    if (request.view_args or {}).get("customer_id", 0) >= _IDS_END:
        abort(404)


@blueprint.post("/take-over")
def take_over(customer_id: int) -> Response:
    """Hold a conversation, perhaps from a colleague."""
    shop, reason = services(), request.form.get("reason", "")
    span = shop.catalog.book.programme.limits.person_holds
    leases.take_over(shop.engine, session.actor(), customer_id, span, shop.clock.now(), reason)
    return _done(shop, customer_id)


@blueprint.post("/extend")
def extend(customer_id: int) -> Response:
    """Hold it for another while."""
    shop = services()
    span = shop.catalog.book.programme.limits.person_holds
    leases.extend(shop.engine, session.actor(), customer_id, span, shop.clock.now())
    return _done(shop, customer_id)


@blueprint.post("/hand-back")
def hand_back(customer_id: int) -> Response:
    """Give it back to the bot."""
    shop, how = services(), request.form.get("how", "")
    chosen = cast(HandBack, how) if how in get_args(HandBack) else None
    leases.hand_back(shop.turns, session.actor(), customer_id, chosen, shop.clock.now())
    return _done(shop, customer_id)


@blueprint.post("/answer")
def answer(customer_id: int) -> Response:
    """Send an answer; at night only when it was confirmed. `X-Sent` tells a script: yes, before, or no (ask first)."""
    shop, form = services(), request.form
    words, key, confirmed = form.get("body", ""), form.get("key", ""), form.get("confirmed") == "yes"
    who, now = session.actor(), shop.clock.now()
    try:
        sent = answers.answer(shop.turns, who, customer_id, words, key, now, confirmed=confirmed)
    except answers.AskFirst as question:
        asked = _(
            "It may be {time} where this customer is. Send it all the same?", time=_on_their_clock(question.local)
        )
        return _ask_first(asked, customer_id, words, key)
    done = _done(shop, customer_id)
    done.headers["X-Sent"] = "before" if sent.again else "yes"
    return done


def _ask_first(question: str, customer_id: int, words: str, key: str) -> Response:
    if not session.wants_fragment():
        return page("answer_at_night.html", question=question, customer_id=customer_id, body=words, key=key)
    asked = Response(question, content_type="text/plain; charset=utf-8")
    asked.headers["X-Sent"] = "no"
    return asked


@blueprint.post("/measure")
def measure(customer_id: int) -> Response:
    """Say what an answer would cost, while it is written."""
    programme = services().catalog.book.programme
    written = answers.written(programme, request.form.get("body", ""))
    if not written.body:
        return Response("", content_type="text/plain; charset=utf-8")
    parts = [_n("{count} character", "{count} characters", written.units)]
    parts.append(_n("{count} segment", "{count} segments", written.cost.segments))
    if programme.segment_price is not None:
        amount = written.cost.segments * programme.segment_price / MILLIONTHS
        parts.append(_("costs {amount}", amount=f"{amount:.4f} {programme.shop.currency}"))
    if written.cost.encoding == "UCS-2":
        culprits = " ".join(written.cost.culprits[:5])
        parts.append(_("dear because of {characters}", characters=culprits))
    if not written.fits:
        parts.append(_("too long for one message"))
    return Response(" · ".join(parts), content_type="text/plain; charset=utf-8")


@blueprint.get("/replies/<int:reply_id>")
def reply(customer_id: int, reply_id: int) -> Response:
    """Give a saved reply in the words for this customer, and what it lacks."""
    shop = services()
    with reading(shop.engine) as conn:
        filled = saved_replies.fill(conn, shop.catalog.book, reply_id % _IDS_END, customer_id, shop.clock.now())
    said = jsonify(body=filled.body, missing=_missing(filled.missing))
    said.headers["Cache-Control"] = "no-store"
    return said


@blueprint.get("/holder")
def holder(customer_id: int) -> Response:
    """Give the composer's head: who holds the conversation; 304 when nothing changed."""
    person, shown_of = _held(services(), customer_id)
    stamp = f"{language()} {sorted(shown_of.items(), key=str)}"  # not of the page: its CSRF token is new each time
    etag = hashlib.blake2b(stamp.encode(), digest_size=12).hexdigest()
    known_already = request.if_none_match.contains(etag)
    shown = Response(status=304) if known_already else page("_holder.html", composer=shown_of, person=person)
    shown.set_etag(etag)
    shown.headers["Cache-Control"] = "private, no-cache"
    return shown


@blueprint.app_template_filter("on_their_clock")
def _on_their_clock(local: datetime) -> str:
    """Return the time of day of a moment told in a customer's zone: "10:12 PM"."""
    return str(format_time(local, "short", tzinfo=local.tzinfo, locale=FORMS[language()])).replace("\u202f", " ")


def composer(conn: Connection, shop: Services, actor: Actor, customer: Row, now: datetime) -> dict[str, Any]:
    """Return what `console/_composer.html` shows under a conversation."""
    wanted, filled = request.args.get("reply", type=int), None
    if wanted is not None:
        try:
            filled = saved_replies.fill(conn, shop.catalog.book, wanted % _IDS_END, customer["id"], now)
        except NotPossible as trouble:
            say(excuse(trouble), "bad")
    return {
        **holding(conn, shop, actor, customer, now),
        "key": str(uuid4()),
        "replies": saved.replies(conn),
        "body": filled.body if filled is not None else "",
        "missing": _missing(filled.missing) if filled is not None else "",
    }


def holding(conn: Connection, shop: Services, actor: Actor, customer: Row, now: datetime) -> dict[str, Any]:
    """Return who holds a conversation, until when, and what stands against an answer."""
    book, limits = shop.catalog.book, shop.catalog.book.programme.limits
    names = staff.names(conn)
    recent = held.of(conn, customer["id"], 2)
    running = next((row for row in recent if row["ended_at"] is None and row["ends_at"] > now), None)
    mine = running is not None and running["staff_id"] == actor.staff_id
    return {
        "state": "free" if running is None else "mine" if mine else "colleague",
        "holder": names.get(running["staff_id"], "") if running is not None else None,
        "until": running["ends_at"] if running is not None else None,
        "overrules": actor.role in leases.OVERRULES,
        "taken_by": _taken_from(recent, running, actor, names, now),
        "default_way": leases.default_way(conn, book, customer["id"]) if mine else None,
        "refused": answers.why_not(customer, limits, now),
        "night": answers.night_for(customer, limits, now),
    }


def _taken_from(recent: list[Row], running: Row | None, actor: Actor, names: Any, now: datetime) -> Any:
    """Return who took over from whoever looks, and why, as long as that is news."""
    if running is None or running["staff_id"] == actor.staff_id or now - running["began_at"] > _LATELY:
        return None
    lost = any(row["staff_id"] == actor.staff_id and row["how"] == "taken_over" for row in recent)
    return {"name": names.get(running["staff_id"], ""), "reason": running["reason"]} if lost else None


def _missing(names: tuple[str, ...]) -> str:
    if not names:
        return ""
    listed = ", ".join(f"{{{name}}}" for name in names)
    return _("Read it over: this customer has nothing for {names}.", names=listed)


def _held(shop: Services, customer_id: int) -> tuple[Row, dict[str, Any]]:
    with reading(shop.engine) as conn:
        person = customers.by_id(conn, customer_id) or abort(404)
        return person, holding(conn, shop, session.actor(), person, shop.clock.now())


def _done(shop: Services, customer_id: int) -> Response:
    """Show the composer's new head to a script; a browser goes back to the conversation."""
    if session.wants_fragment():
        person, shown = _held(shop, customer_id)
        return page("_holder.html", composer=shown, person=person)
    return back("conversation.show", customer_id=customer_id, _anchor="end")
