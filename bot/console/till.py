"""The till: is this voucher good, for what and for whom; one button uses it; for a minute it can be undone."""

from __future__ import annotations

import secrets
from datetime import datetime

from flask import Blueprint, request
from werkzeug.wrappers import Response

from bot import daycode
from bot.console import session
from bot.console.page import back, excuse, page
from bot.desk import customer, vouchers
from bot.desk.actor import NotPossible
from bot.desk.vouchers import UNDO_WITHIN, Held
from bot.services import services
from storage.database import reading

blueprint = Blueprint("till", __name__, url_prefix="/till")
_LONGEST = 40


@blueprint.get("")
def show() -> Response:
    """Show the field, and what came of the voucher just used or undone."""
    code = request.args.get("done", "")[:_LONGEST]
    if not code:
        return _page()
    shop = services()
    with reading(shop.engine) as conn:
        found = vouchers.find(conn, shop.catalog.book.programme, code, shop.clock.now())
    held = next((each for each in found if each.code == code), None)
    return _page(held=held, fresh=True, undo_until=_undo_until(held), undone=bool(request.args.get("undone")))


@blueprint.post("")
def find() -> Response:
    """Show what a code, or a customer's number, is good for. Not in the address: numbers stand in no log.

    A code used a moment ago is used, also for who used it: two guests may show one screenshot.
    """
    shop, typed = services(), request.form.get("what", "").strip()[:_LONGEST]
    now = shop.clock.now()
    with reading(shop.engine) as conn:
        found = vouchers.find(conn, shop.catalog.book.programme, typed, now)
    for customer_id in {held.customer_id for held in found}:
        customer.viewed(shop.engine, session.actor(), customer_id, now)
    if len(found) == 1:
        return _page(typed=typed, held=found[0], undo_until=_undo_until(found[0]))
    return _page(typed=typed, found=found, looked=bool(typed))


@blueprint.post("/redeem")
def redeem() -> Response:
    """Use a voucher up; whoever comes second is told when and by whom."""
    shop, form = services(), request.form
    code = form.get("code", "")[:_LONGEST]
    try:
        held = vouchers.redeem(
            shop.engine,
            shop.catalog.book.programme,
            session.actor(),
            code,
            form.get("key", ""),
            shop.clock.now(),
        )
    except NotPossible as trouble:
        return _page(409, refused=excuse(trouble))
    return back("till.show", done=held.code)


@blueprint.post("/undo")
def undo() -> Response:
    """Make the voucher good again that was used a moment ago."""
    shop = services()
    code = request.form.get("code", "")[:_LONGEST]
    try:
        held = vouchers.undo(shop.engine, shop.catalog.book.programme, session.actor(), code, shop.clock.now())
    except NotPossible as trouble:
        return _page(409, refused=excuse(trouble))
    return back("till.show", done=held.code, undone=1)


def _undo_until(held: Held | None) -> datetime | None:
    """Return until when whoever is signed in may undo this redemption, None when not."""
    if held is None or held.status != "redeemed" or held.redeemed_at is None:
        return None
    end = held.redeemed_at + UNDO_WITHIN
    mine = held.redeemed_label == session.actor().label
    return end if mine and services().clock.now() <= end else None


def _page(status: int = 200, **values: object) -> Response:
    shop = services()
    book, now = shop.catalog.book, shop.clock.now()
    code = daycode.code_for(shop.settings.secret_key, book.programme.shop.zone, now)
    return page(
        "till.html",
        status,
        key=secrets.token_hex(8),
        day_code=code if daycode.is_asked_for(book.flows.values()) else None,
        now=now,
        **values,
    )
