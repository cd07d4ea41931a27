"""The page of one customer: profile, points, vouchers, consent, conversations; and what staff change there."""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from flask import Blueprint, abort, redirect, request, url_for
from werkzeug.wrappers import Response

from bot.console import session
from bot.console.audit_words import action_words
from bot.console.language import _, _n, language
from bot.console.page import back, excuse, page, say
from bot.desk import customer, points, profile, vouchers
from bot.desk.actor import NotPossible
from bot.desk.points import Outcome
from bot.engine.programme import Programme
from bot.gate.recipients import REGION
from bot.profile import internal
from bot.services import services
from storage import erasures
from storage.database import reading
from storage.rows import Row

blueprint = Blueprint("customer", __name__, url_prefix="/customers/<int:customer_id>")
_IDS_END = 1 << 63
_ATTRIBUTE = "attribute:"


@blueprint.before_request
def check_ids() -> None:
    """Refuse numbers that no id can be."""
    if any(isinstance(value, int) and value >= _IDS_END for value in (request.view_args or {}).values()):
        abort(404)


@blueprint.get("")
def show(customer_id: int) -> Response:
    """Show a customer; `entries` asks for the ledger before an entry."""
    return _page(customer_id)


@blueprint.post("/profile")
def change(customer_id: int) -> Response:
    """Change the profile; what cannot be stays in the form, beside the reason."""
    shop, form = services(), request.form
    fields = profile.EDITABLE[session.me().role]
    typed = {name: form[name] for name in fields - {"attributes"} if name in form}
    attributes = {key.removeprefix(_ATTRIBUTE): form[key] for key in form if key.startswith(_ATTRIBUTE)}
    if name := form.get("new_attribute", "").strip():
        attributes[name] = form.get("new_value", "")
    seen = form.get("seen", 0, int)
    programme, now = shop.catalog.book.programme, shop.clock.now()
    try:
        done = profile.change(shop.engine, programme, session.actor(), customer_id, typed, attributes, seen, now)
    except NotPossible as trouble:
        return _page(customer_id, 409, form=form, trouble=excuse(trouble))
    say(_("Saved.") if done else _("Nothing was different."), "good" if done else "warn")
    return back("customer.show", customer_id=customer_id)


@blueprint.post("/points")
def adjust(customer_id: int) -> Response:
    """Give or take points; which of the two says the choice, never a minus."""
    shop, form = services(), request.form
    count = max(form.get("points", 0, int), 0) * (-1 if form.get("sign") == "take" else 1)
    programme, now = shop.catalog.book.programme, shop.clock.now()
    try:
        outcome = points.adjust(
            shop.engine,
            programme,
            session.actor(),
            customer_id,
            count,
            form.get("reason", ""),
            form.get("key", ""),
            now,
        )
    except NotPossible as trouble:
        return _page(customer_id, 409, points_form=form, points_trouble=excuse(trouble))
    _tell(outcome)
    return back("customer.show", customer_id=customer_id, _anchor="points")


@blueprint.post("/points/<int:entry_id>/reverse")
def reverse(customer_id: int, entry_id: int) -> Response:
    """Take a ledger entry back."""
    shop = services()
    reason, now = request.form.get("reason", ""), shop.clock.now()
    programme = shop.catalog.book.programme
    _tell(points.reverse(shop.engine, programme, session.actor(), customer_id, entry_id, reason, now))
    return back("customer.show", customer_id=customer_id, _anchor="points")


@blueprint.post("/vouchers")
def issue(customer_id: int) -> Response:
    """Give a voucher."""
    shop, form = services(), request.form
    try:
        code = vouchers.issue(
            shop.engine,
            shop.catalog.book.programme,
            shop.settings.secret_key,
            session.actor(),
            customer_id,
            reward=form.get("reward") or None,
            name=form.get("name", ""),
            days=form.get("days", 0, int),
            reason=form.get("reason", ""),
            key=form.get("key", ""),
            now=shop.clock.now(),
        )
    except NotPossible as trouble:
        return _page(customer_id, 409, voucher_form=form, voucher_trouble=excuse(trouble))
    say(_("The voucher is {code}. It is not texted; tell the customer.", code=code), place="vouchers")
    return back("customer.show", customer_id=customer_id, _anchor="vouchers")


@blueprint.post("/vouchers/<code>/revoke")
def revoke(customer_id: int, code: str) -> Response:
    """Take a voucher back, with its points when asked for."""
    shop, form = services(), request.form
    vouchers.revoke(
        shop.engine,
        shop.catalog.book.programme,
        session.actor(),
        code,
        form.get("reason", ""),
        points_back=bool(form.get("points_back")),
        now=shop.clock.now(),
        whose=customer_id,
    )
    say(_("{code} is void.", code=code), place="vouchers")
    return back("customer.show", customer_id=customer_id, _anchor="vouchers")


def _page(customer_id: int, status: int = 200, **forms: object) -> Response:
    shop, actor = services(), session.actor()
    book, now = shop.catalog.book, shop.clock.now()
    before = request.args.get("entries", type=int)
    with reading(shop.engine) as conn:
        found = customer.read(conn, book, actor, customer_id, now, before if before and before < _IDS_END else None)
        if found is None:
            abort(404)
        if erasures.is_shell(found.person):
            return back("privacy.show", customer_id=customer_id) if session.can("privacy.show") else abort(404)
        if found.person["merged_into"] is not None:
            return redirect(url_for("console.customer.show", customer_id=found.person["merged_into"]))
    customer.viewed(shop.engine, actor, customer_id, now)
    return page(
        "customer.html",
        status,
        customer=found,
        person=found.person,
        tier=_tier(found.person, book.programme),
        attributes=_attributes(found.person),
        region=(found.person["attributes"] or {}).get(REGION, ""),
        birthday=profile.birthday_words(found.person["birthday"]),
        editable=profile.EDITABLE[actor.role],
        limit=points.limit_of(book.programme, actor),
        programme=book.programme,
        spoken=book.programme.shop.languages,
        action_words=action_words,
        key=secrets.token_hex(8),
        more=before,
        now=now,
        **forms,
    )


def _tier(person: Row, programme: Programme) -> str | None:
    """Return the tier's name in the language of the page; who has none yet is in the lowest."""
    tier = next((each for each in programme.tiers if each.key == person["tier"]), next(iter(programme.tiers), None))
    return tier.names.get(language(), tier.names["en"]) if tier is not None else None


def _attributes(person: Row) -> Mapping[str, str]:
    """Return the shop's own attributes by name, as they are typed."""
    known = person["attributes"] or {}
    shown = (name for name in sorted(known) if name != REGION and not internal(name))  # the region has its own line
    return {name: profile.attribute_words(known[name]) for name in shown}


def _tell(outcome: Outcome) -> None:
    """Say what came of giving or taking points, where the page opens again."""
    if outcome.approval_id is not None:
        words = _("That is above your limit. A manager has to allow it; you will see the answer here.")
        say(words, "warn", place="points")
    elif outcome.repeated:
        say(_("That was done already; nothing was changed again."), "warn", place="points")
    elif outcome.points >= 0:
        given = _n("{count} point given", "{count} points given", outcome.points)
        say(_("{given}: {balance} now.", given=given, balance=f"{outcome.balance:,}"), place="points")
    else:
        taken = _n("{count} point taken", "{count} points taken", -outcome.points)
        say(_("{taken}: {balance} now.", taken=taken, balance=f"{outcome.balance:,}"), place="points")
