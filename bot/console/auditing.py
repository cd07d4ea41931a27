"""The audit log's page: who did what, and whose data they looked at."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from flask import Blueprint, request
from sqlalchemy import Connection
from werkzeug.wrappers import Response

from bot.console import session
from bot.console.audit_details import detail_words
from bot.console.audit_words import action_words
from bot.console.language import _
from bot.console.page import page, zone
from bot.desk import auditing
from bot.desk.actor import note
from bot.desk.auditing import NOBODY, PAGE, Wanted
from bot.phone import parse
from bot.services import services
from storage import audit, customers, staff
from storage.database import reading, writing

blueprint = Blueprint("auditing", __name__, url_prefix="/audit")
_FIELDS = ("person", "action", "customer", "from", "to")
_IDS_END = 1 << 63


@dataclass(frozen=True, slots=True)
class _Asked:
    """The filter of a request; `trouble` says which field could not be understood, which then finds nothing."""

    wanted: Wanted
    trouble: str | None = None


@blueprint.get("")
def show() -> Response:
    """Show a page of entries, the newest first; `before` is the id the page ends behind."""
    with reading(services().engine) as conn:
        asked = _asked(conn)
        before = request.args.get("before", None, int)
        before = before if before is not None and 0 < before < _IDS_END else None
        rows = [] if asked.trouble else auditing.find(conn, asked.wanted, zone(), before=before, limit=PAGE + 1)
        names = staff.names(conn)
        return page(
            "audit.html",
            rows=rows[:PAGE],
            older=rows[PAGE - 1]["id"] if len(rows) > PAGE else None,
            before=before,
            numbers=auditing.numbers(conn, rows),
            people=staff.everybody(conn),
            actions=sorted(((name, action_words(name)) for name in audit.actions(conn)), key=lambda each: each[1]),
            words=action_words,
            told=lambda detail: detail_words(detail, names),
            nobody=NOBODY,
            trouble=asked.trouble,
            chosen={name: request.args[name] for name in _FIELDS if request.args.get(name)},
        )


@blueprint.get("/table.csv")
def download() -> Response:
    """Give the entries that fit as CSV; that is noted, too."""
    shop = services()
    with writing(shop.engine) as conn:
        asked = _asked(conn)
        filters = sorted(name for name in _FIELDS if request.args.get(name))
        note(conn, session.actor(), "audit.exported", shop.clock.now(), asked.wanted.customer_id, filters=filters)
    found = () if asked.trouble else auditing.table(shop.engine, asked.wanted, zone())
    answer = Response("".join(found), content_type="text/csv; charset=utf-8")
    today = shop.clock.now().astimezone(zone()).date()
    answer.headers["Content-Disposition"] = f'attachment; filename="audit-{today}.csv"'
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _asked(conn: Connection) -> _Asked:
    asked = {name: request.args.get(name, "").strip() for name in _FIELDS}
    try:
        first, last = (date.fromisoformat(asked[name]) if asked[name] else None for name in ("from", "to"))
    except ValueError:
        return _Asked(Wanted(), _("That is no day. Write it like 2026-03-02."))
    customer_id = None
    if asked["customer"]:
        customer_id = _customer(conn, asked["customer"])
        if customer_id is None:
            return _Asked(Wanted(), _("Nobody has this number."))
    return _Asked(Wanted(asked["person"], asked["action"], customer_id, first, last))


def _customer(conn: Connection, typed: str) -> int | None:
    """Return the customer a number or an id means; of an erased one only the id is known."""
    phone = parse(typed, services().catalog.book.programme.shop.country)
    if phone is not None and (row := customers.by_phone(conn, phone)) is not None:
        return int(row["id"])
    identifier = int(typed) if typed.isascii() and typed.isdigit() and len(typed) < 20 else 0
    return identifier if 0 < identifier < _IDS_END else None
