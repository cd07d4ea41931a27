"""The queue of customers who wait for a person."""

from __future__ import annotations

from flask import Blueprint, abort, request, url_for
from werkzeug.wrappers import Response

from bot.console import session
from bot.console.language import _
from bot.console.page import back, page, say
from bot.desk import queue
from bot.services import services
from storage.database import reading

blueprint = Blueprint("queue", __name__, url_prefix="/queue")


@blueprint.get("")
def show() -> Response:
    """List who waits, the longest wait first."""
    shop = services()
    with reading(shop.engine) as conn:
        return page("queue.html", waiting=queue.waiting(conn, shop.clock.now()), most=queue.MAX_SHOWN)


@blueprint.post("/<int:handoff_id>/close")
def close(handoff_id: int) -> Response:
    """Take somebody out of the queue without an answer."""
    shop = services()
    if handoff_id >= 1 << 63:
        abort(404)
    queue.close(shop.engine, session.actor(), handoff_id, request.form.get("reason", ""), shop.clock.now())
    say(_("This customer does not wait any more."), undo=url_for("console.queue.reopen", handoff_id=handoff_id))
    return back("queue.show")


@blueprint.post("/<int:handoff_id>/reopen")
def reopen(handoff_id: int) -> Response:
    """Put somebody back into the queue."""
    shop = services()
    if handoff_id >= 1 << 63:
        abort(404)
    queue.reopen(shop.engine, session.actor(), handoff_id, shop.clock.now())
    return back("queue.show")
