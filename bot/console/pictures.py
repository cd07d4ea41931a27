"""Pictures of customers' texts, fetched from the carrier here: no browser of the staff asks another site."""

from __future__ import annotations

from flask import Blueprint, abort
from werkzeug.wrappers import Response

from bot.desk import pictures
from bot.services import services
from storage import messages
from storage.database import reading

blueprint = Blueprint("pictures", __name__, url_prefix="/pictures")


@blueprint.get("/<int:message_id>/<int:number>")
def show(message_id: int, number: int) -> Response:
    """Show one picture of a text; what is none is a download that nothing opens by itself."""
    shop = services()
    with reading(shop.engine) as conn:
        row = messages.by_id(conn, message_id) if message_id < 1 << 63 else None
    media = (row["media"] or []) if row is not None and row["customer_id"] is not None else []
    if not 0 < number <= len(media):
        abort(404)
    found = pictures.fetch(shop.settings, str(media[number - 1].get("url") or ""))
    answer = Response(found.content, content_type=found.type)
    name = f"{'picture' if found.shown else 'attachment'}-{number}.{found.ending}"
    answer.headers["Content-Disposition"] = f'{"inline" if found.shown else "attachment"}; filename="{name}"'
    answer.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    answer.headers["Cache-Control"] = "private, max-age=3600"
    return answer
