"""The inbox: views, list, and what is done with a conversation from there."""

from __future__ import annotations

import hashlib
from datetime import datetime, time, timedelta
from typing import Any, cast

from flask import Blueprint, abort, current_app, make_response, redirect, render_template, request, url_for
from markupsafe import Markup
from werkzeug.wrappers import Response

from bot.console import session
from bot.console.inbox_list import MOST, Lists, Shown, laid_over
from bot.console.inbox_views import FIRST, NOBODY, View, flow_title, label, nothing, of_row, title
from bot.console.language import _, language
from bot.console.page import back, exact, page, say, zone
from bot.desk import inbox as desk_inbox
from bot.desk.actor import NotPossible
from bot.services import services
from storage import desk, erasures, glance, handoffs, saved, staff, tags
from storage.database import reading, writing
from storage.ids import next_id
from storage.rows import Row

blueprint = Blueprint("inbox", __name__, url_prefix="/inbox")
VIEWS = ("needs_person", "unanswered", "mine", "unassigned", "misunderstood", "failed", "left", "snoozed", "recent")
_MORNING = time(9)
_IDS_END = 1 << 63


@blueprint.get("")
def show() -> Response:
    """Show the views, a list, and a place for a conversation."""
    shop, view = services(), View.read(request.args)
    with reading(shop.engine) as conn:
        people = staff.everybody(conn)
        names = {row["id"]: row["name"] for row in people}
        values: dict[str, Any] = {
            "saved": [(row, of_row(row).query()) for row in saved.views(conn, session.me().id)],
            "tags": [(name, name) for name in tags.names(conn)],
        }
    lists().look_again()
    html, over, _etag = _list(view, request.args.get("after", type=int))
    book = shop.catalog.book
    return page(
        "inbox.html",
        view=view,
        query=view.query(),
        title=title(view, book, names),
        views=[(name, label(name)) for name in VIEWS],
        flows=[(name, flow_title(book, name)) for name in sorted(book.flows)],
        assignees=[(NOBODY, _("nobody")), *((row["id"], row["name"]) for row in people if _answers(row))],
        entries=Markup(html),
        over=over,
        may_share=session.me().role in desk_inbox.SHARES,
        most=MOST,
        ahead=round(shop.clock.offset.total_seconds()),  # the demo's clock can be turned
        **values,
    )


@blueprint.get("/list")
def entries() -> Response:
    """Give a page of a view for the script; 304 when nothing changed, found without reading the list."""
    html, over, etag = _list(View.read(request.args), request.args.get("after", type=int))
    if request.if_none_match.contains(etag):
        answer = Response(status=304)
    else:
        answer = make_response(render_template("console/inbox_over.html", entries=Markup(html), over=over))
    answer.set_etag(etag)
    answer.headers["Cache-Control"] = "private, no-cache"
    return answer


def lists() -> Lists:
    """Return what this process knows of the inbox."""
    return cast(Lists, current_app.extensions.setdefault("inbox", Lists()))


def _list(view: View, after: int | None) -> tuple[str, str, str]:
    """Return a page's HTML, shared by all who may see the same; what is personal, as JSON; and the ETag of both."""
    shop, known, me = services(), lists(), session.me()
    after = after if after is not None and 0 < after < _IDS_END else None
    shown = known.page(shop, view, me.id, after)
    full = me.role in desk_inbox.SHARES
    key = (view, me.id if view.name == "mine" else None, after, language(), full)
    html = known.html.get(
        key,
        shown.etag,
        lambda: render_template(
            "console/inbox_list.html",
            entries=[_entry(known, each, full) for each in shown.shown],
            shown=shown,
            query=view.query(),
            after=after,
            nothing=nothing(view.name),
        ),
    )
    over = laid_over(known, shop, me.id, shown)
    etag = hashlib.blake2b(f"{shown.etag} {language()} {full} {over}".encode(), digest_size=12).hexdigest()
    return html, over, etag


def _entry(known: Lists, each: Shown, full: bool) -> Markup:
    """Return one entry's HTML; most entries of a list that changed are what they were."""

    def make() -> str:
        return render_template("console/inbox_entry.html", each=each, full=full)

    return Markup(known.entries.get((each, language(), full), None, make))


@blueprint.app_template_global("inbox_bar")
def bar(customer_id: int, said: str = "", undo: str | None = None) -> Markup:
    """Return what can be done with a conversation: assign, snooze, settle; and who else is there."""
    shop, me = services(), session.me().id
    now = shop.clock.now()
    with reading(shop.engine) as conn:
        row = desk.of(conn, customer_id)
        html = render_template(
            "console/inbox_bar.html",
            customer_id=customer_id,
            desk=row,
            resting=row is not None and row["done_message_id"] is not None,
            waits=handoffs.of(conn, customer_id),
            colleagues=[each for each in staff.everybody(conn) if _answers(each)],
            there=[each for each in glance.present(conn, now) if each["customer_id"] == customer_id],
            seen=next_id(),
            said=said,
            undo=undo,
            me=me,
        )
    return Markup(html)


@blueprint.get("/<int:customer_id>/bar")
def show_bar(customer_id: int) -> Response:
    """Give the bar as it is now, for the script."""
    with reading(services().engine) as conn:
        if not glance.of(conn, [_known(customer_id)]):
            abort(404)
    return make_response(bar(customer_id))


@blueprint.post("/<int:customer_id>/assign")
def assign(customer_id: int) -> Response:
    """Give a conversation to somebody, or to nobody."""
    shop, customer_id = services(), _known(customer_id)
    to = request.form.get("to", request.args.get("to", ""))
    assignee = int(to) if to.isdecimal() and len(to) < 19 else None
    with reading(shop.engine) as conn:
        before = desk.of(conn, customer_id)
        names = staff.names(conn)
    desk_inbox.assign(shop.engine, session.actor(), customer_id, assignee, shop.clock.now())
    was = before["assignee_id"] if before is not None else None
    words = _("Assigned to {name}.", name=names.get(assignee, "?")) if assignee else _("Assigned to nobody.")
    return _answer(customer_id, words, url_for(".assign", customer_id=customer_id, to=was or NOBODY))


@blueprint.post("/<int:customer_id>/snooze")
def snooze(customer_id: int) -> Response:
    """Put a conversation aside."""
    shop, now = services(), services().clock.now()
    until = _until(request.form.get("until", ""), now)
    desk_inbox.snooze(shop.engine, session.actor(), _known(customer_id), until, now, _seen())
    words = _("Snoozed until {moment}, or until they write.", moment=exact(until))
    return _answer(customer_id, words, url_for(".reopen", customer_id=customer_id))


@blueprint.post("/<int:customer_id>/done")
def done(customer_id: int) -> Response:
    """Settle a conversation."""
    shop = services()
    desk_inbox.done(shop.engine, session.actor(), _known(customer_id), shop.clock.now(), _seen())
    words = _("Done. It comes back when they write.")
    return _answer(customer_id, words, url_for(".reopen", customer_id=customer_id))


@blueprint.post("/<int:customer_id>/reopen")
def reopen(customer_id: int) -> Response:
    """Open a settled or snoozed conversation again."""
    shop = services()
    desk_inbox.reopen(shop.engine, session.actor(), _known(customer_id), shop.clock.now())
    return _answer(customer_id, _("Open again."), None)


@blueprint.post("/<int:customer_id>/here")
def here(customer_id: int) -> Response:
    """Note that somebody looks at a conversation, and has read it; `writing` 1: writes; `left` 1: looks no more.

    Whoever has it open while the customer is erased is led to the page that says so.
    """
    shop, actor, form = services(), session.actor(), request.form
    customer_id = _known(customer_id)
    left = form.get("left") == "1"
    with writing(shop.engine) as conn:
        found = glance.of(conn, [customer_id])
        if not found:
            abort(404)
        if erasures.is_shell(found[customer_id]):
            return back("conversation.show", customer_id=customer_id)
        desk_inbox.attend(conn, actor, None if left else customer_id, form.get("writing") == "1", shop.clock.now())
        if not left:
            desk_inbox.mark_read(conn, actor, customer_id)
    lists().was_read(session.me().id)
    return make_response(bar(customer_id))


@blueprint.post("/views")
def save_view() -> Response:
    """Keep a view under a name."""
    shop, view = services(), View.read(request.form)
    shared = request.form.get("shared") == "1"
    name = request.form.get("name", "")
    desk_inbox.save_view(shop.engine, session.actor(), name, view.query(), shop.clock.now(), shared=shared)
    say(_("The view is saved."))
    return back("inbox.show", **view.query())


@blueprint.post("/views/<int:view_id>/remove")
def remove_view(view_id: int) -> Response:
    """Remove a saved view."""
    shop = services()
    desk_inbox.remove_view(shop.engine, session.actor(), _known(view_id), shop.clock.now())
    say(_("The view is removed."))
    return back("inbox.show", view=FIRST)


def _answer(customer_id: int, words: str, undo: str | None) -> Response:
    """Answer a script with the new bar; send a browser back to where it was."""
    lists().changed()
    if session.wants_fragment():
        return make_response(bar(customer_id, words, undo))
    say(words, undo=undo)
    site = request.referrer if request.referrer and request.referrer.startswith(request.host_url) else None
    return redirect(site or url_for(".show"), 303)


def _answers(row: Row) -> bool:
    return row["disabled_at"] is None and row["role"] != "marketer"


def _seen() -> int | None:
    words = request.form.get("seen", "")
    return int(words) if words.isdecimal() and len(words) < 20 else None


def _known(identifier: int) -> int:
    return identifier if identifier < _IDS_END else abort(404)


def _until(choice: str, now: datetime) -> datetime:
    """Return when a snooze ends: hours from now, or nine in the morning by the shop's clock."""
    if choice in ("1h", "4h"):
        return now + timedelta(hours=int(choice[0]))
    today = now.astimezone(zone()).date()
    if choice == "tomorrow":
        return datetime.combine(today + timedelta(days=1), _MORNING, zone())
    if choice == "monday":
        return datetime.combine(today + timedelta(days=7 - today.weekday()), _MORNING, zone())
    raise NotPossible("Choose until when.")
