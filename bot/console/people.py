"""Staff: invite, change roles, close and open accounts. For administrators."""

from __future__ import annotations

from typing import cast

from flask import Blueprint, abort, request, url_for
from sqlalchemy import Connection
from werkzeug.wrappers import Response

from bot.console import session
from bot.console.language import _
from bot.console.page import back, page, say
from bot.desk import accounts
from bot.desk.actor import Role, note
from bot.services import services
from storage import staff
from storage.database import reading, writing
from storage.rows import Row

blueprint = Blueprint("people", __name__, url_prefix="/staff")


@blueprint.get("")
def show() -> Response:
    """List everybody."""
    with reading(services().engine) as conn:
        return page("people.html", people=staff.everybody(conn), roles=staff.ROLES, link=None, invited=None)


@blueprint.post("")
def invite() -> Response:
    """Make an account and show its one-time link, which is shown once and kept nowhere."""
    shop, form = services(), request.form
    now = shop.clock.now()
    with writing(shop.engine) as conn:
        role = cast(Role, form.get("role", ""))
        staff_id = accounts.add(conn, session.actor(), form.get("email", ""), form.get("name", ""), role, now)
        token = accounts.new_link(conn, staff_id, now)
        return _with_link(conn, token, _of(conn, staff_id))


@blueprint.post("/<int:staff_id>/link")
def new_link(staff_id: int) -> Response:
    """Show a new one-time link for somebody who lost the password."""
    shop = services()
    with writing(shop.engine) as conn:
        row = _of(conn, staff_id)
        token = accounts.new_link(conn, staff_id, shop.clock.now())
        note(conn, session.actor(), "staff.link_made", shop.clock.now(), staff=staff_id)
        return _with_link(conn, token, row)


@blueprint.post("/<int:staff_id>/role")
def change_role(staff_id: int) -> Response:
    """Give somebody another role."""
    shop = services()
    with writing(shop.engine) as conn:
        row = _of(conn, staff_id)
        accounts.change_role(conn, session.actor(), row, cast(Role, request.form.get("role", "")), shop.clock.now())
    say(_("{name} has a new role and has to sign in again.", name=row["name"]))
    return back("people.show")


@blueprint.post("/<int:staff_id>/disable")
def disable(staff_id: int) -> Response:
    """Close an account."""
    shop = services()
    with writing(shop.engine) as conn:
        row = _of(conn, staff_id)
        accounts.disable(conn, session.actor(), row, shop.clock.now())
    undo = url_for("console.people.enable", staff_id=staff_id)
    say(_("{name} cannot sign in any more.", name=row["name"]), undo=undo)
    return back("people.show")


@blueprint.post("/<int:staff_id>/enable")
def enable(staff_id: int) -> Response:
    """Open an account again."""
    shop = services()
    with writing(shop.engine) as conn:
        row = _of(conn, staff_id)
        accounts.enable(conn, session.actor(), row, shop.clock.now())
    say(_("{name} can sign in again.", name=row["name"]))
    return back("people.show")


@blueprint.post("/<int:staff_id>/second-factor")
def reset_second_factor(staff_id: int) -> Response:
    """Turn somebody's second factor off, for a lost phone."""
    shop = services()
    with writing(shop.engine) as conn:
        row = _of(conn, staff_id)
        accounts.set_second_factor(conn, session.actor(), row, None, "", shop.clock.now())
        staff.end_sessions(conn, staff_id)
    say(_("{name} signs in without a second factor until they set one up again.", name=row["name"]), "warn")
    return back("people.show")


def _of(conn: Connection, staff_id: int) -> Row:
    row = staff.by_id(conn, staff_id)
    if row is None:
        abort(404)
    return row


def _with_link(conn: Connection, token: str, row: Row) -> Response:
    base = services().settings.public_url or request.host_url.rstrip("/")
    link = base + url_for("console.signing.welcome", token=token)
    return page("people.html", people=staff.everybody(conn), roles=staff.ROLES, link=link, invited=row)
