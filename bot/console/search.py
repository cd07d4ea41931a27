"""Search: customers by name, number, mail or code, texts by their words; answers while one types."""

from __future__ import annotations

from flask import Blueprint, request
from werkzeug.wrappers import Response

from bot.console import session
from bot.console.page import page
from bot.desk import searching
from bot.services import services

blueprint = Blueprint("search", __name__, url_prefix="/search")
_LONGEST = 200
_LARGEST = 1 << 62


@blueprint.get("")
def show() -> Response:
    """Show what fits `q`; `before` gives older texts."""
    return _page("search.html", request.args.get("q", ""), request.args.get("before", type=int))


@blueprint.post("/results")
def results() -> Response:
    """Give the results alone, for a script. Not in the address: what is typed halfway stands in no log."""
    return _page("search_results.html", request.form.get("q", ""), None)


def _page(template: str, typed: str, before: int | None) -> Response:
    shop, query = services(), typed.strip()[:_LONGEST]
    found = None
    if query:
        before = min(before, _LARGEST) if before and before > 0 else None
        found = searching.find(shop.engine, session.actor(), query, shop.clock.now(), before)
    return page(template, query=query, found=found, before=before)
