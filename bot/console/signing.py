"""Signing in and out: password, second factor, the link of the first start, one click in the demo."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Blueprint, abort, g, redirect, request, url_for
from werkzeug.wrappers import Response

from bot.console import session
from bot.console.language import _
from bot.console.page import excuse, page
from bot.desk import accounts
from bot.desk.actor import NotPossible
from bot.desk.demo_staff import DEMO_STAFF, demo_member
from bot.services import services
from storage import staff
from storage.database import reading, writing
from storage.rows import Row

blueprint = Blueprint("signing", __name__)


@blueprint.get("/sign-in")
def sign_in() -> Response:
    """Show the form, or go on when somebody is signed in already."""
    if g.member is not None:
        return redirect(_next())
    return _form()


@blueprint.post("/sign-in")
def try_password() -> Response:
    """Check e-mail and password; wrong answers are counted and slowed down."""
    shop = services()
    email, password = request.form.get("email", ""), request.form.get("password", "")
    now = shop.clock.now()
    locks = accounts.Locks(shop.settings.secret_key)
    try:
        with reading(shop.engine) as conn:
            locks.check(conn, email, session.address(), now)
            row = staff.by_email(conn, email)
    except NotPossible as trouble:
        return _form(excuse(trouble), email, 429)
    hashed = row["password"] if row is not None and row["disabled_at"] is None else None
    if not accounts.right(password, hashed) or row is None:
        with writing(shop.engine) as conn:
            locks.failed(conn, email, session.address(), now)
        return _form(_("E-mail or password is not right."), email, 401)
    try:
        with writing(shop.engine) as conn:
            locks.check(conn, email, session.address(), now)  # again: others may have guessed meanwhile
            if not row["totp"]:  # else the password alone would open the way to more guesses at the code
                locks.passed(conn, email)
    except NotPossible as trouble:
        return _form(excuse(trouble), email, 429)
    return _let_in(row)


def _let_in(row: Row) -> Response:
    session.start(row, second_factor_due=bool(row["totp"]))
    if row["totp"]:
        return redirect(url_for("console.signing.second_factor", next=_next()), 303)
    return redirect(_next(), 303)


@blueprint.get("/second-factor")
def second_factor() -> Response:
    """Ask for the authenticator's code."""
    if session.current() is None:
        return redirect(url_for("console.signing.sign_in", next=_next()))
    return page("second_factor.html", wrong=None, next=_next())


@blueprint.post("/second-factor")
def try_code() -> Response:
    """Check the code; wrong ones count like wrong passwords."""
    shop = services()
    row = session.current()
    if row is None or not row["second_factor_due"]:
        return redirect(url_for("console.signing.sign_in", next=_next()), 303)
    now, locks = shop.clock.now(), accounts.Locks(shop.settings.secret_key)
    try:
        with writing(shop.engine) as conn:
            locks.check(conn, row["email"], session.address(), now)
            right = accounts.code_is_right(conn, row, request.form.get("code", ""), now)
            (locks.passed(conn, row["email"]) if right else locks.failed(conn, row["email"], session.address(), now))
    except NotPossible as trouble:
        return page("second_factor.html", 429, wrong=excuse(trouble), next=_next())
    if not right:
        words = _("That code is not right, or it was used already. Wait for the next one.")
        return page("second_factor.html", 401, wrong=words, next=_next())
    session.start(row, second_factor_due=False)
    return redirect(_next(), 303)


@blueprint.post("/sign-out")
def sign_out() -> Response:
    """End the session."""
    session.end()
    return redirect(url_for("console.signing.sign_in"), 303)


@blueprint.get("/welcome/<token>")
def welcome(token: str) -> Response:
    """Show the form behind a one-time link: choose a password, for the first administrator also who they are."""
    return _welcome(token)


@blueprint.post("/welcome/<token>")
def begin(token: str) -> Response:
    """Use the link up and sign in."""
    shop = services()
    form = request.form
    try:
        with writing(shop.engine) as conn:
            staff_id = accounts.begin(
                conn,
                token,
                form.get("email", ""),
                form.get("name", ""),
                form.get("password", ""),
                shop.clock.now(),
                session.address(),
            )
            row = staff.by_id(conn, staff_id)
    except NotPossible as trouble:
        return _welcome(token, excuse(trouble), 409)
    return _let_in(row) if row is not None else redirect(url_for("console.signing.sign_in"), 303)


@blueprint.post("/demo")
def demo() -> Response:
    """Sign in as one of the demo's staff with one click. There is no such door outside the demo."""
    shop = services()
    if not shop.settings.demo:
        abort(404)
    with writing(shop.engine) as conn:
        row = demo_member(conn, request.form.get("role", ""), shop.clock.now())
    session.start(row, second_factor_due=False)
    return redirect(_next(), 303)


def _welcome(token: str, wrong: str | None = None, status: int = 200) -> Response:
    shop = services()
    with reading(shop.engine) as conn:
        found = staff.link(conn, accounts.digest(token), shop.clock.now())
        invited = staff.by_id(conn, found["staff_id"]) if found is not None and found["staff_id"] else None
    if found is None:
        return page("welcome.html", 410, found=False, invited=None, wrong=wrong, token=token, least=0)
    least = accounts.SHORTEST_PASSWORD
    return page("welcome.html", status, found=True, invited=invited, wrong=wrong, token=token, least=least)


def _form(wrong: str | None = None, email: str = "", status: int = 200) -> Response:
    shop = services()
    people = DEMO_STAFF if shop.settings.demo else ()
    provider = bool(shop.settings.oidc_issuer)
    return page("sign_in.html", status, wrong=wrong, email=email, next=_next(), people=people, provider=provider)


def _next() -> str:
    """Return where to go afterwards: a path of the console, nothing else (no open redirect)."""
    wanted = request.values.get("next", "")
    parts = urlsplit(wanted)
    ours = wanted.startswith("/console/") and not parts.scheme and not parts.netloc and "\\" not in wanted
    ours = ours and wanted.isprintable()  # a line's end would be one of the header
    return wanted if ours and not wanted.startswith("//") else url_for("console.home.home")
