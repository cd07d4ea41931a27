"""Bird's door: signed status events as JSON. Open only when CARRIER is bird."""

from __future__ import annotations

from flask import Blueprint, Response, request

from bot import telemetry
from bot.carrier.bird import authentic, read_json, read_status
from bot.services import services
from bot.web.door import LARGEST_FORM

blueprint = Blueprint("bird", __name__)


@blueprint.post("/bird/status")
def receive_status() -> Response:
    """Take one event; anything but news of an outbound text is welcome and ignored."""
    shop = services()
    if request.content_length is None or request.content_length > LARGEST_FORM:
        return Response(status=413)
    body = request.get_data(cache=False)
    url = shop.settings.public_url + "/bird/status"
    signature = request.headers.get("MessageBird-Signature", "")
    timestamp = request.headers.get("MessageBird-Request-Timestamp", "")
    if not authentic(shop.settings.bird_signing_key, signature, timestamp, url, body):
        telemetry.refused("bird", "signature")
        return Response(status=403)
    report = read_status(read_json(body), shop.clock.now())
    if report is not None:
        shop.statuses.take([report])
    return Response(status=204)
