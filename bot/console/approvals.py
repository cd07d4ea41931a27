"""Approvals: points above somebody's limit, which a second person allows or refuses."""

from __future__ import annotations

from flask import Blueprint, abort, request
from werkzeug.wrappers import Response

from bot.console import session
from bot.console.language import _
from bot.console.page import back, page, say
from bot.desk import asked, points
from bot.services import services
from storage.database import reading

blueprint = Blueprint("approvals", __name__, url_prefix="/approvals")
_IDS_END = 1 << 63


@blueprint.before_request
def check_ids() -> None:
    """Refuse numbers that no id can be."""
    if (request.view_args or {}).get("approval_id", 0) >= _IDS_END:
        abort(404)


@blueprint.get("")
def show() -> Response:
    """List what waits and what was decided: everybody's for managers, one's own for others."""
    with reading(services().engine) as conn:
        found = asked.read(conn, session.actor())
    return page("approvals.html", asked=found, me=session.me())


@blueprint.post("/<int:approval_id>/allow")
def allow(approval_id: int) -> Response:
    """Let it happen."""
    shop = services()
    programme, answer = shop.catalog.book.programme, request.form.get("answer", "")
    outcome = points.allow(shop.engine, programme, session.actor(), approval_id, answer, shop.clock.now())
    say(_("Allowed: {points} points, {balance} now.", points=f"{outcome.points:+,}", balance=f"{outcome.balance:,}"))
    return back("approvals.show")


@blueprint.post("/<int:approval_id>/refuse")
def refuse(approval_id: int) -> Response:
    """Do not let it happen; whoever asked reads why."""
    shop = services()
    programme, answer = shop.catalog.book.programme, request.form.get("answer", "")
    points.refuse(shop.engine, programme, session.actor(), approval_id, answer, shop.clock.now())
    say(_("Refused. Nothing was changed."))
    return back("approvals.show")
