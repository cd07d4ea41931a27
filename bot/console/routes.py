"""All pages of the console, hung under /console behind one guard."""

from __future__ import annotations

from flask import Blueprint, Flask
from werkzeug.exceptions import HTTPException

from bot.console import (
    account,
    approvals,
    auditing,
    conversation,
    customer,
    evidence,
    home,
    inbox,
    openid,
    people,
    permissions,
    pictures,
    privacy,
    queue,
    replies,
    reports,
    search,
    session,
    signing,
    takeover,
    teaching,
    till,
    trying,
)
from bot.console.page import furnish, refuse, sorry
from bot.console.silence import silences
from bot.desk.actor import NotPossible
from bot.services import Services

PAGES = (
    home,
    inbox,
    signing,
    openid,
    account,
    people,
    reports,
    teaching,
    conversation,
    pictures,
    trying,
    takeover,
    queue,
    replies,
    customer,
    till,
    approvals,
    evidence,
    privacy,
    auditing,
    search,
)


def register(app: Flask, shop: Services) -> None:
    """Add the console to the application. Raises RuntimeError when a page has no entry in permissions.py."""
    session.configure(app, shop.settings.public_url)
    console = Blueprint("console", __name__, url_prefix="/console", template_folder="templates", static_folder="static")
    console.before_request(session.guard)
    console.after_request(session.keep_nothing)
    console.register_error_handler(HTTPException, sorry)
    console.register_error_handler(NotPossible, refuse)
    for each in PAGES:
        console.register_blueprint(each.blueprint)
    openid.configure(app, shop.settings)
    furnish(app)
    app.add_template_global(silences)
    app.register_blueprint(console)
    permissions.check_all(app)
