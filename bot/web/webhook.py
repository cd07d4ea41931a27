"""Twilio's doors as Flask routes, for any WSGI server: one transaction for each request.

The event loop of `bot/server.py` has the same doors and is what `serve` uses.
"""

from __future__ import annotations

from typing import cast

from flask import Blueprint, Response
from flask import request as asked
from werkzeug.exceptions import HTTPException

from bot import telemetry
from bot.services import services
from bot.web.door import LARGEST_FORM, TWIML, Path, Refused, Request

blueprint = Blueprint("webhook", __name__)


@blueprint.post("/sms")
def receive_message() -> Response:
    """Take a text from Twilio and answer with TwiML."""
    shop = services()
    request = _request("/sms")
    event = shop.door.read_message(request)
    [answer] = shop.turns.take([event], event.at)
    return Response(shop.door.render(answer, request), content_type=TWIML)


@blueprint.post("/sms/status")
def receive_status() -> Response:
    """Take a status callback. Unknown, repeated and late ones are welcome: states only move forward."""
    shop = services()
    shop.statuses.take([shop.door.read_status(_request("/sms/status"))])
    return Response(status=204)


@blueprint.errorhandler(Refused)
def refuse(refusal: Refused) -> Response:
    """Answer a stranger with a status and nothing else."""
    return Response(status=refusal.status)


@blueprint.errorhandler(Exception)
def fail(trouble: Exception) -> Response:
    """Acknowledge nothing: the carrier tries again or falls back."""
    if isinstance(trouble, HTTPException):
        return Response(status=trouble.code or 500)
    telemetry.broke("not taken", trouble, door=asked.path)
    return Response(status=503)


def _request(path: str) -> Request:
    if asked.content_length is None or asked.content_length > LARGEST_FORM:
        telemetry.refused(path.removeprefix("/"), "too_large" if asked.content_length else "no_length")
        raise Refused(413 if asked.content_length else 411)
    return Request(
        path=cast(Path, path),
        query=asked.environ.get("QUERY_STRING", ""),
        headers={name.lower(): value for name, value in asked.headers.items()},
        body=asked.get_data(cache=False),
        scheme=asked.environ.get("wsgi.url_scheme", "http"),
    )
