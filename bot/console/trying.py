"""Try what the bot would say to a customer: the phone of a masked copy, played again for each text and never sent."""

from __future__ import annotations

import secrets
from typing import Any

from flask import Blueprint, jsonify, request
from werkzeug.wrappers import Response

from bot.console import session
from bot.console.conversation import person_of
from bot.console.language import _
from bot.console.page import excuse, page
from bot.console.phone_words import WORDS
from bot.desk import script, trying
from bot.desk.masking import NAME
from bot.services import services
from storage import messages
from storage.database import reading

blueprint = Blueprint("trying", __name__, url_prefix="/customers/<int:customer_id>/try")
_allowance = script.Allowance()


@blueprint.get("")
def show(customer_id: int) -> Response:
    """Show the phone of a copy; `text` is one of the customer's texts whose words are ready to be sent."""
    with reading(services().engine) as conn:
        person_of(conn, customer_id)
        text = messages.by_id(conn, request.args.get("text", 0, type=int) % (1 << 63))
    words = text["body"] if text is not None and text["customer_id"] == customer_id else ""
    return _page(customer_id, " ".join(words.split()), None)


@blueprint.post("/state")
def state(customer_id: int) -> Response:
    """Play what was typed so far and give what the copy's phone shows, as JSON; everything is rolled back."""
    shop, now = services(), services().clock.now()
    wanted = script.read(request.get_json(silent=True), now)
    _allowance.spend(session.me().id, len(wanted.steps), now)
    try:
        found = trying.state_of(shop.turns, customer_id, wanted)
    except trying.WroteMeanwhile as trouble:
        answer = jsonify(stale=excuse(trouble))
        answer.status_code = 409
        return answer
    if wanted.steps:
        trying.note_trial(shop.engine, session.actor(), customer_id, wanted, now)
    return jsonify(found)


@blueprint.post("")
def play(customer_id: int) -> Response:
    """Play the lines of the form, for a browser without script; everything is rolled back."""
    shop, now = services(), services().clock.now()
    typed = request.form.get("script", "")
    with reading(shop.engine) as conn:
        person_of(conn, customer_id)
    lines = script.lines_of(typed)
    _allowance.spend(session.me().id, len(lines), now)
    outcome = trying.play(shop.turns, customer_id, lines, now) if lines else None
    if outcome is not None:
        once = script.Script((), now, secrets.token_hex(16), None)
        trying.note_trial(shop.engine, session.actor(), customer_id, once, now)
    return _page(customer_id, typed, outcome)


def _page(customer_id: int, typed: str, outcome: trying.Outcome | None) -> Response:
    values: dict[str, Any] = {"longest": script.LONGEST, "most": script.MOST_TEXTS, "name": NAME}
    values["words"] = {word.message: _(word.message) for word in WORDS}
    return page("trying.html", person={"id": customer_id}, script=typed, outcome=outcome, **values)
