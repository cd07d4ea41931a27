"""Who is asking: the session cookie, the person behind it, the CSRF token, and what their role allows.

Sources: https://cheatsheetseries.owasp.org/cheatsheets/Session_Management_Cheat_Sheet.html and
Cross-Site_Request_Forgery_Prevention_Cheat_Sheet.html.
"""

from __future__ import annotations

from typing import cast
from urllib.parse import urlsplit

from flask import Flask, abort, current_app, g, redirect, request, session, url_for
from flask_wtf.csrf import CSRFProtect
from werkzeug.wrappers import Response

from bot.console import permissions
from bot.console.language import LANGUAGES
from bot.desk import accounts
from bot.desk.accounts import Member
from bot.desk.actor import Actor
from bot.services import services
from storage import staff
from storage.database import reading, writing
from storage.rows import Row

csrf = CSRFProtect()
_TOKEN = "token"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_IDS_END = 1 << 63


def configure(app: Flask, public_url: str) -> None:
    """Set the cookie's rules and make CSRF tokens; they are checked by `guard`, on the console's pages only."""
    app.config.update(
        SESSION_COOKIE_NAME="regulars",
        SESSION_COOKIE_PATH="/console",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=public_url.startswith("https://"),
        PERMANENT_SESSION_LIFETIME=accounts.LONGEST,
        SESSION_REFRESH_EACH_REQUEST=False,
        WTF_CSRF_CHECK_DEFAULT=False,
        WTF_CSRF_TIME_LIMIT=None,  # a token lives as long as its session
        WTF_CSRF_SSL_STRICT=False,  # the Referer check; Sec-Fetch-Site is checked below
    )
    csrf.init_app(app)


def guard() -> Response | None:
    """Let a request through, or send it to the sign-in page, or refuse it. Runs before every page of the console."""
    endpoint = (request.endpoint or "").removeprefix("console.")
    g.member = None
    if endpoint == "static":
        return None
    row = _session()
    member = accounts.member_of(row) if row is not None and not row["second_factor_due"] else None
    g.member, g.language = member, _language(member)
    if request.method not in _SAFE:
        _same_site()
        csrf.protect()
    if endpoint in permissions.PUBLIC:
        return None
    if member is None:
        if request.method in _SAFE and not wants_fragment():
            return redirect(url_for("console.signing.sign_in", next=request.full_path.rstrip("?")))
        abort(401)
    if not permissions.allowed(endpoint, member.role):
        abort(403)
    if any(isinstance(value, int) and value >= _IDS_END for value in (request.view_args or {}).values()):
        abort(404)  # no id is so large, and no database takes it
    return None


def keep_nothing(answer: Response) -> Response:
    """Let no cache keep what a page did not say may be kept."""
    if (request.endpoint or "") != "console.static":
        answer.headers.setdefault("Cache-Control", "no-store")
    return answer


def me() -> Member:
    """Return who is signed in. Only for pages that are not public."""
    return cast(Member, g.member)


def actor() -> Actor:
    """Return who acts, for the audit log."""
    return me().actor(address())


def address() -> str | None:
    """Return the network address of the browser; the proxy's word is believed only with TRUST_PROXY."""
    if services().settings.trust_proxy and (forwarded := request.headers.get("X-Forwarded-For")):
        return forwarded.rpartition(",")[2].strip()
    return request.remote_addr


def can(endpoint: str) -> bool:
    """Say whether who is signed in may ask for an endpoint; templates hide what may not be done."""
    return g.get("member") is not None and permissions.allowed(endpoint, g.member.role)


def wants_fragment() -> bool:
    """Say whether a script asks, which shows a part of a page and cannot follow to the sign-in page."""
    return request.headers.get("X-Requested-With") == "fetch"


def start(row: Row, *, second_factor_due: bool) -> None:
    """Open a session for somebody whose password was right, under a new token (no session fixation)."""
    shop = services()
    old = session.get(_TOKEN)
    with writing(shop.engine) as conn:
        if old:
            staff.end_session(conn, accounts.digest(old))
        token = accounts.open_session(
            conn, row, shop.clock.now(), address(), request.user_agent.string, second_factor_due=second_factor_due
        )
    session.clear()
    session.permanent = True
    session[_TOKEN] = token


def end() -> None:
    """End this session here and in the database."""
    token = session.get(_TOKEN)
    session.clear()
    if token:
        with writing(services().engine) as conn:
            staff.end_session(conn, accounts.digest(token))


def current() -> Row | None:
    """Return the session's row even while the second factor is still due."""
    return _session()


def digest() -> str:
    """Return how the database knows this session."""
    return accounts.digest(session.get(_TOKEN, ""))


def _session() -> Row | None:
    token = session.get(_TOKEN)
    if not token:
        return None
    shop = services()
    now = shop.clock.now()
    with reading(shop.engine) as conn:
        row = staff.session(conn, accounts.digest(token))
    if row is None or not accounts.alive(row, now):
        return None
    if now - row["session_seen_at"] > accounts.TOUCH:
        with writing(shop.engine) as conn:
            staff.touch_session(conn, accounts.digest(token), now)
    return row


def _same_site() -> None:
    """Refuse what another site made the browser send, beside the CSRF token."""
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    allowed = {request.host, urlsplit(services().settings.public_url).netloc}
    if site not in {None, "same-origin", "none"} or (origin is not None and urlsplit(origin).netloc not in allowed):
        current_app.logger.debug("refused a request of another site")
        abort(403)


def _language(member: Member | None) -> str:
    if member is not None and member.language in LANGUAGES:
        return member.language
    return request.accept_languages.best_match(list(LANGUAGES)) or "en"
