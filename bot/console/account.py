"""One's own account: language, password, second factor, where one is signed in."""

from __future__ import annotations

import segno
from flask import Blueprint, request
from flask import session as browser
from markupsafe import Markup
from sqlalchemy import Connection
from werkzeug.wrappers import Response

from bot.console import session
from bot.console.agents import agent_words
from bot.console.language import LANGUAGES, _
from bot.console.page import back, page, say
from bot.desk import accounts
from bot.desk.actor import NotPossible
from bot.services import services
from storage import staff
from storage.database import reading, writing
from storage.rows import Row

blueprint = Blueprint("account", __name__, url_prefix="/account")
_SECRET = "new second factor"


@blueprint.get("")
def show() -> Response:
    """Show the account and its sessions."""
    with reading(services().engine) as conn:
        row, sessions = _row(conn), staff.sessions_of(conn, session.me().id)
    secret = None if row["totp"] else browser.setdefault(_SECRET, accounts.new_secret())
    drawn = Markup(_qr(secret, row["email"])) if secret else None
    return page(
        "account.html", agent=agent_words, row=row, sessions=sessions, this=session.digest(), secret=secret, drawn=drawn
    )


@blueprint.post("/password")
def change_password() -> Response:
    """Set a new password; every other session ends, this one goes on under a new token."""
    shop = services()
    with reading(shop.engine) as conn:
        row = _row(conn)
    if row["password"]:
        _check(row, request.form.get("old", ""), NotPossible("The old password is not right."))
    with writing(shop.engine) as conn:
        accounts.change_password(conn, session.actor(), row, request.form.get("new", ""), shop.clock.now())
    session.start(row, second_factor_due=False)
    say(_("Your password is changed. You are signed out everywhere else."))
    return back("account.show")


@blueprint.post("/language")
def change_language() -> Response:
    """Choose the console's language."""
    chosen = request.form.get("language", "")
    if chosen in LANGUAGES:
        with writing(services().engine) as conn:
            staff.change(conn, session.me().id, language=chosen)
    return back("account.show")


@blueprint.post("/second-factor")
def second_factor() -> Response:
    """Turn the second factor on with a first code."""
    shop = services()
    with writing(shop.engine) as conn:
        secret = browser.get(_SECRET)
        if not secret:
            raise NotPossible("The page was open too long. Scan the new picture, please.")
        accounts.set_second_factor(
            conn, session.actor(), _row(conn), secret, request.form.get("code", ""), shop.clock.now()
        )
    browser.pop(_SECRET, None)
    say(_("The second factor is on. From now on you are asked for a code after your password."))
    return back("account.show")


@blueprint.post("/second-factor/off")
def second_factor_off() -> Response:
    """Turn the second factor off, for whoever knows the password."""
    shop = services()
    with reading(shop.engine) as conn:
        row = _row(conn)
    _check(row, request.form.get("password", ""), NotPossible("The password is not right."))
    with writing(shop.engine) as conn:
        accounts.set_second_factor(conn, session.actor(), row, None, "", shop.clock.now())
    say(_("The second factor is off."), "warn")
    return back("account.show")


@blueprint.post("/sessions")
def end_sessions() -> Response:
    """Sign out everywhere else."""
    with writing(services().engine) as conn:
        staff.end_sessions(conn, session.me().id, but=session.digest())
    say(_("You are signed out everywhere else."))
    return back("account.show")


@blueprint.post("/tour")
def tour_seen() -> Response:
    """Show the first tour no more."""
    with writing(services().engine) as conn:
        row = _row(conn)
        staff.change(conn, row["id"], preferences={**row["preferences"], "toured": True})
    return Response(status=204) if session.wants_fragment() else back("home.home")


def _check(row: Row, typed: str, refusal: NotPossible) -> None:
    """Raise the refusal for a wrong password; it counts like one at the sign-in, for a stolen session guesses too."""
    shop = services()
    now, locks = shop.clock.now(), accounts.Locks(shop.settings.secret_key)
    with reading(shop.engine) as conn:
        locks.check(conn, row["email"], session.address(), now)
    if not accounts.right(typed, row["password"]):
        with writing(shop.engine) as conn:
            locks.failed(conn, row["email"], session.address(), now)
        raise refusal


def _row(conn: Connection) -> Row:
    row = staff.by_id(conn, session.me().id)
    assert row is not None
    return row


def _qr(secret: str, email: str) -> str:
    issuer = services().catalog.book.programme.shop.name
    code = segno.make(accounts.enrolment(secret, email, issuer), micro=False)
    return str(code.svg_inline(scale=4, border=2, svgclass="qr", lineclass="qr-line", omitsize=True))
