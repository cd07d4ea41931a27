"""Consent evidence of one customer: the readable timeline, and the signed file to take out of the house."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask import Blueprint, abort, request
from werkzeug.wrappers import Response

from bot.console import session
from bot.console.language import _
from bot.console.page import back, page, say, zone
from bot.desk import evidence as proof
from bot.desk import opting_out, sealing
from bot.desk.actor import note
from bot.desk.evidence_file import attachment_name, fingerprint, public_key, signed
from bot.services import services
from storage import customers
from storage.database import reading, writing

blueprint = Blueprint("evidence", __name__, url_prefix="/customers/<int:customer_id>")
_IDS_END = 1 << 63


@blueprint.get("/evidence")
def show(customer_id: int) -> Response:
    """Show every consent record with what caused it and what was answered."""
    shop = services()
    _known(customer_id)
    with writing(shop.engine) as conn:
        person = proof.person_of(conn, customer_id)
        events = proof.consent_events(conn, person, zone())
        note(conn, session.actor(), "evidence.viewed", shop.clock.now(), customer_id)
    return page(
        "evidence.html",
        customer=person.customer,
        merged=person.merged,
        events=events,
        unsealed=sum(1 for event in events if event["seal"] is None),
        fingerprint=fingerprint(public_key(shop.settings.secret_key)),
        moment=_moment,
    )


@blueprint.get("/evidence.json")
def signed_file(customer_id: int) -> Response:
    """Give the signed file."""
    text, name = _file(customer_id, "json")
    return _download(text.encode(), "application/json", name)


@blueprint.get("/evidence.pdf")
def reading_copy(customer_id: int) -> Response:
    """Give the reading copy, which has the signed file attached."""
    from bot.desk.evidence_pdf import pdf  # paper is seldom wanted, and would cost each start a tenth of its time

    text, name = _file(customer_id, "pdf")
    return _download(pdf(text), "application/pdf", name.removesuffix(".json") + ".pdf")


@blueprint.post("/opt-out")
def opt_out(customer_id: int) -> Response:
    """Opt a customer out who asked a person."""
    shop = services()
    _known(customer_id)
    opting_out.opt_out(shop.engine, session.actor(), customer_id, request.form.get("reason", ""), shop.clock.now())
    say(_("Opted out. Nothing more goes out."))
    return back("evidence.show", customer_id=customer_id)


def _file(customer_id: int, form: str) -> tuple[str, str]:
    shop = services()
    _known(customer_id)
    now, secret_key = shop.clock.now(), shop.settings.secret_key
    sealing.seal(shop.engine, secret_key, now)
    with writing(shop.engine) as conn:
        person = proof.person_of(conn, customer_id)
        entries = proof.entries_of(conn, person, shop.catalog.book.programme.shop, session.actor(), now)
        note(conn, session.actor(), "evidence.exported", now, customer_id, form=form)
    return signed(entries, secret_key), attachment_name(entries[0])


def _known(customer_id: int) -> None:
    with reading(services().engine) as conn:
        if customer_id >= _IDS_END or customers.by_id(conn, customer_id) is None:
            abort(404)


def _download(content: bytes, kind: str, name: str) -> Response:
    answer = Response(content, content_type=kind)
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _moment(at: dict[str, Any]) -> datetime:
    """Return a moment of an entry as the filters take it."""
    return datetime.fromisoformat(at["utc"])
