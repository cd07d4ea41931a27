"""Try what the bot would say to a customer: a script of texts, played on a masked copy and never sent."""

from __future__ import annotations

from flask import Blueprint, request
from werkzeug.wrappers import Response

from bot.console import session
from bot.console.conversation import person_of
from bot.console.page import page
from bot.desk import trying
from bot.desk.actor import note
from bot.services import services
from storage import messages
from storage.database import reading, writing

blueprint = Blueprint("trying", __name__, url_prefix="/customers/<int:customer_id>/try")


@blueprint.get("")
def show(customer_id: int) -> Response:
    """Show an empty script, or one that begins with the words of a text of theirs."""
    with reading(services().engine) as conn:
        person = person_of(conn, customer_id)
        text = messages.by_id(conn, request.args.get("text", 0, type=int) % (1 << 63))
    words = text["body"] if text is not None and text["customer_id"] == customer_id else ""
    return page("trying.html", person=person, script=" ".join(words.split()), outcome=None, most=trying.MOST_LINES)


@blueprint.post("")
def play(customer_id: int) -> Response:
    """Play the script from its first line; everything is rolled back."""
    shop = services()
    script = request.form.get("script", "")
    now = shop.clock.now()
    with reading(shop.engine) as conn:
        person = person_of(conn, customer_id)
    lines = trying.lines_of(script)
    outcome = trying.play(shop.turns, customer_id, lines, now) if lines else None
    if outcome is not None:
        with writing(shop.engine) as conn:
            note(conn, session.actor(), "conversation.tried", now, customer_id, texts=len(lines))
    return page("trying.html", person=person, script=script, outcome=outcome, most=trying.MOST_LINES)
