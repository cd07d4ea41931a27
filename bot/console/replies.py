"""Saved replies: write, change and remove them."""

from __future__ import annotations

from collections.abc import Mapping

from flask import Blueprint, abort, request, url_for
from werkzeug.wrappers import Response

from bot.console import session
from bot.console.language import _
from bot.console.page import back, excuse, page, say
from bot.desk import saved_replies
from bot.desk.actor import NotPossible
from bot.services import services
from storage import saved, staff
from storage.database import reading

blueprint = Blueprint("replies", __name__, url_prefix="/replies")
_IDS_END = 1 << 63


@blueprint.get("")
def show() -> Response:
    """List the saved replies; `change` opens one of them in the form."""
    with reading(services().engine) as conn:
        chosen = saved.reply(conn, request.args.get("change", 0, type=int) % _IDS_END)
    return _page(chosen if chosen is not None else {}, chosen["id"] if chosen is not None else None)


@blueprint.post("")
def add() -> Response:
    """Save a new reply."""
    return _save(None)


@blueprint.post("/<int:reply_id>")
def change(reply_id: int) -> Response:
    """Change one."""
    return _save(_known(reply_id))


@blueprint.post("/<int:reply_id>/remove")
def remove(reply_id: int) -> Response:
    """Remove one."""
    shop = services()
    saved_replies.remove(shop.engine, session.actor(), _known(reply_id), shop.clock.now())
    say(_("The saved reply is gone."), undo=url_for("console.replies.restore", reply_id=reply_id))
    return back("replies.show")


@blueprint.post("/<int:reply_id>/restore")
def restore(reply_id: int) -> Response:
    """Bring one back that was removed."""
    shop = services()
    saved_replies.restore(shop.engine, session.actor(), _known(reply_id), shop.clock.now())
    say(_("The saved reply is back."))
    return back("replies.show")


def _save(reply_id: int | None) -> Response:
    shop, form = services(), request.form
    words = {name: form.get(name, "") for name in ("title", "body", "language")}
    try:
        book, now = shop.catalog.book, shop.clock.now()
        saved_replies.save(shop.engine, book, session.actor(), **words, now=now, identifier=reply_id)
    except NotPossible as trouble:
        if session.wants_fragment():
            raise
        say(excuse(trouble), "bad")
        return _page(words, reply_id, 409)
    say(_("Saved."))
    return back("replies.show")


def _page(words: Mapping[str, object], reply_id: int | None, status: int = 200) -> Response:
    shop = services()
    book = shop.catalog.book
    with reading(shop.engine) as conn:
        return page(
            "replies.html",
            status,
            replies=saved.replies(conn),
            names=staff.names(conn),
            words=words,
            reply_id=reply_id,
            spoken=book.programme.shop.languages,
            placeholders=saved_replies.placeholders(book),
        )


def _known(identifier: int) -> int:
    return identifier if identifier < _IDS_END else abort(404)
