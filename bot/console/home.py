"""Where the console begins: the first page this person's role is for."""

from __future__ import annotations

from flask import Blueprint, redirect, url_for
from werkzeug.wrappers import Response

from bot.console.session import can

blueprint = Blueprint("home", __name__)
_FIRST = ("inbox.show", "reports.show", "account.show")


@blueprint.get("/")
def home() -> Response:
    """Go to the inbox, or to what comes closest."""
    return redirect(url_for("console." + next(each for each in _FIRST if can(each))))
