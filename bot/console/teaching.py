"""Teach the bot: misunderstood texts in groups, and what each should have been taken for."""

from __future__ import annotations

from flask import Blueprint, request
from werkzeug.wrappers import Response

from bot.console import session
from bot.console.language import _n
from bot.console.page import back, page, say
from bot.desk import clusters, lessons
from bot.services import services
from storage import lessons as stored
from storage.database import reading

blueprint = Blueprint("teaching", __name__, url_prefix="/teaching")
_GROUPS = 30
_IDS_END = 1 << 63


@blueprint.get("")
def show() -> Response:
    """Show the groups, the largest first."""
    shop = services()
    with reading(shop.engine) as conn:
        found = clusters.read(conn)
        taught = stored.count(conn)
    return page(
        "teaching.html",
        clusters=found[:_GROUPS],
        more=max(0, len(found) - _GROUPS),
        taught=taught,
        meanings=lessons.meanings(shop.catalog.book),
    )


@blueprint.post("")
def teach() -> Response:
    """Make one lesson of each text of a group."""
    shop, form = services(), request.form
    decision, _, intent = form.get("meaning", "").partition(":")
    ids = [each for each in form.getlist("message", int) if 0 < each < _IDS_END][:50]
    for message_id in ids:
        lessons.teach(
            shop.engine,
            session.actor(),
            shop.catalog.book,
            message_id,
            decision,
            intent or None,
            shop.clock.now(),
        )
    say(_n("{count} lesson is kept.", "{count} lessons are kept.", len(ids)))
    return back("teaching.show")
