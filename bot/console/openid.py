"""Signing in through the shop's own identity provider (OpenID Connect, authorization code with PKCE).

The provider says who somebody is; an account with the same verified e-mail address must exist here.
Source: https://openid.net/specs/openid-connect-core-1_0.html
"""

from __future__ import annotations

from typing import Any, cast

from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.flask_client import OAuth
from flask import Blueprint, Flask, abort, current_app, redirect, request, url_for
from joserfc.errors import JoseError
from requests import RequestException
from werkzeug.wrappers import Response

from bot import telemetry
from bot.console import session
from bot.console.language import _
from bot.console.page import say
from bot.services import services
from bot.settings import Settings
from storage import staff
from storage.database import writing
from storage.rows import Row

blueprint = Blueprint("openid", __name__)
_NAME = "provider"
_REFUSALS = (OAuthError, JoseError, RequestException, ValueError)  # of the provider, of its tokens, of the network


def configure(app: Flask, settings: Settings) -> None:
    """Know the provider, when one is set."""
    if not settings.oidc_issuer:
        return
    oauth = OAuth(app)
    oauth.register(
        _NAME,
        client_id=settings.oidc_client_id,
        client_secret=settings.oidc_client_secret,
        server_metadata_url=settings.oidc_issuer + "/.well-known/openid-configuration",
        client_kwargs={"scope": "openid email profile", "code_challenge_method": "S256", "timeout": 10},
    )
    app.extensions["regulars.openid"] = oauth


@blueprint.get("/openid")
def leave() -> Response:
    """Send the browser to the provider."""
    public = services().settings.public_url or request.host_url.rstrip("/")
    try:
        answer = _provider().authorize_redirect(public + url_for("console.openid.come_back"))
    except _REFUSALS as trouble:
        return _not_now(trouble)
    return cast(Response, answer)


@blueprint.get("/openid/back")
def come_back() -> Response:
    """Take the provider's word, once checked, and sign the person in."""
    try:
        told = _provider().authorize_access_token()
        claims = told.get("userinfo") or {}
    except _REFUSALS as trouble:
        return _not_now(trouble)
    row = _whose(claims)
    if row is None:
        say(_("There is no account for you here. An administrator can invite the e-mail address you use there."), "bad")
        return redirect(url_for("console.signing.sign_in"))
    session.start(row, second_factor_due=False)  # the provider asked for whatever factors it wants
    return redirect(url_for("console.home.home"))


def _provider() -> Any:
    oauth = current_app.extensions.get("regulars.openid")
    if oauth is None:
        abort(404)
    return oauth.create_client(_NAME)


def _whose(claims: dict[str, Any]) -> Row | None:
    """Return the account of the person the provider names; the first time by verified e-mail, then by subject."""
    if not claims.get("sub") or not claims.get("iss"):
        return None
    subject = f"{claims['iss']} {claims['sub']}"
    with writing(services().engine) as conn:
        row = staff.by_subject(conn, subject)
        if row is None and claims.get("email") and claims.get("email_verified") is True:
            row = staff.by_email(conn, str(claims["email"]))
            if row is not None and row["subject"] is None:
                staff.change(conn, row["id"], subject=subject)
            elif row is not None:
                row = None  # another person of the provider has this account
    return row if row is not None and row["disabled_at"] is None else None


def _not_now(trouble: Exception) -> Response:
    telemetry.broke("openid refused", trouble)
    say(_("Your identity provider did not let you in. Try again, or sign in with a password."), "bad")
    return redirect(url_for("console.signing.sign_in"))
