"""What a customer may ask of the data about them: everything in one file, two numbers made one, erasure with proof."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator

from flask import Blueprint, abort, request
from werkzeug.wrappers import Response

from bot.console import session
from bot.console.language import _
from bot.console.page import back, page, say
from bot.desk import erasing, exporting, merging
from bot.desk.actor import NotPossible
from bot.desk.proving import certificate
from bot.phone import parse
from bot.services import services
from storage import customers, erasures, holdings
from storage.database import reading
from storage.rows import Row

blueprint = Blueprint("privacy", __name__, url_prefix="/customers/<int:customer_id>/privacy")
_IDS_END = 1 << 63


@blueprint.get("")
def show(customer_id: int) -> Response:
    """Say what can be done; of an erased customer, show the certificate."""
    row = _row(customer_id)
    if not erasures.is_shell(row):
        return page("privacy.html", customer=row)
    shop = services()
    with reading(shop.engine) as conn:
        proof = certificate(conn, shop.catalog.book.programme.shop, customer_id, shop.clock.now())
        noted = erasures.of(conn, customer_id)
    return page("privacy_erased.html", proof=proof, erasure=noted)


@blueprint.post("/export.json")
def export_json(customer_id: int) -> Response:
    """Give everything known as JSON."""
    return _export(customer_id, "json")


@blueprint.post("/export.html")
def export_page(customer_id: int) -> Response:
    """Give everything known as one page to read or print."""
    return _export(customer_id, "html")


@blueprint.get("/certificate.json")
def show_certificate(customer_id: int) -> Response:
    """Give the certificate of an erasure."""
    shop, now = services(), services().clock.now()
    _row(customer_id)
    with reading(shop.engine) as conn:
        proof = certificate(conn, shop.catalog.book.programme.shop, customer_id, now)
    text = json.dumps(proof, ensure_ascii=False, indent=2) + "\n"
    return _download(iter([text]), "application/json", f"erasure-{customer_id}.json")


@blueprint.post("/merge/look")
def look_at_merge(customer_id: int) -> Response:
    """Show what would move between this customer and the number typed; nothing is done yet."""
    shop, row = services(), _row(customer_id)
    programme = shop.catalog.book.programme
    typed = parse(request.form.get("number", ""), programme.shop.country)
    with reading(shop.engine) as conn:
        other = customers.by_phone(conn, typed) if typed else None
        if other is None:
            raise NotPossible("Nobody has this number. A merge needs two customers.")
        pair = (row["id"], other["id"])
        old_id, new_id = reversed(pair) if request.form.get("newer") == "this" else pair
        seen = merging.preview(conn, programme, old_id, new_id)
    return page("privacy_merge.html", seen=seen, customer=row, key=secrets.token_hex(8))


@blueprint.post("/merge")
def merge(customer_id: int) -> Response:
    """Merge two numbers."""
    shop, form = services(), request.form
    _row(customer_id)
    old_id, new_id = form.get("old", 0, int), form.get("new", 0, int)
    if customer_id not in (old_id, new_id) or max(old_id, new_id) >= _IDS_END:
        abort(400)
    programme, now = shop.catalog.book.programme, shop.clock.now()
    done = merging.merge(shop.engine, programme, session.actor(), old_id, new_id, now, form.get("key") or None)
    say(_("The two numbers are one customer now.") if done else _("That was done already; nothing was changed again."))
    return back("privacy.show", customer_id=new_id)


@blueprint.get("/erase")
def look_at_erasure(customer_id: int) -> Response:
    """Show once more what would go, and ask for the last digits of the number."""
    _row(customer_id)
    with reading(services().engine) as conn:
        seen = erasing.preview(conn, customer_id)
    rows = sorted(seen.counts.items())
    goes = [each for each in rows if each[0] in holdings.EMPTIED]
    stays = [each for each in rows if each[0] not in holdings.EMPTIED]
    return page("privacy_erase.html", seen=seen, customer=seen.customer, goes=goes, stays=stays)


@blueprint.post("/erase")
def erase(customer_id: int) -> Response:
    """Erase the customer and show the certificate."""
    shop = services()
    _row(customer_id)
    typed, now = request.form.get("digits", ""), shop.clock.now()
    erasing.erase(shop.engine, shop.settings.secret_key, session.actor(), customer_id, typed, now)
    say(_("Everything known of this customer was erased."))
    return back("privacy.show", customer_id=customer_id)


def _row(customer_id: int) -> Row:
    with reading(services().engine) as conn:
        row = customers.by_id(conn, customer_id) if customer_id < _IDS_END else None
    if row is None:
        abort(404)
    return row


def _export(customer_id: int, form: str) -> Response:
    shop, now = services(), services().clock.now()
    _row(customer_id)
    exporting.noted(shop.engine, session.actor(), customer_id, now, form)
    make = exporting.as_json if form == "json" else exporting.as_page
    pieces = make(shop.engine, shop.catalog.book.programme.shop, customer_id, now)
    kind = "application/json" if form == "json" else "text/html; charset=utf-8"
    return _download(pieces, kind, f"customer-{customer_id}.{form}")


def _download(pieces: Iterator[str], kind: str, name: str) -> Response:
    """Give a file to keep; a browser never opens it as a page of ours."""
    answer = Response((piece.encode() for piece in pieces), content_type=kind)
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    answer.headers["Cache-Control"] = "no-store"
    return answer
