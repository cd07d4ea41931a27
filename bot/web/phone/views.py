"""The pages and requests of the simulated phone. Registered in the demo only."""

from __future__ import annotations

import hashlib
import json
import random
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Response, make_response, render_template, request, url_for

from bot.desk.handset import shop_number
from bot.phone import parse, person
from bot.services import Services, services
from bot.web.phone import shown, turning
from bot.web.phone.network import LONGEST, Network, NotAnswered, Picture, local_address
from storage.database import reading

blueprint = Blueprint("phone", __name__, url_prefix="/phone")

PICTURES = {"latte": "A latte", "receipt": "A receipt", "dog": "A dog outside"}
#: Numbers kept for fiction (NANPA: 555-0100 to 555-0199), in area codes of the demo shop's surroundings.
_AREAS = ("646", "917", "347", "929", "718", "212", "551", "973")
_MOST_MESSAGES = 1_000
_PAGE = 60


@blueprint.before_request
def refuse_other_sites() -> tuple[Response, int] | None:
    """Refuse posts that another site made the browser send: the phone has no sign-in to protect it."""
    if request.method in {"GET", "HEAD"}:
        return None
    if request.mimetype != "application/json":
        return _sorry("This door takes JSON only."), 415
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    foreign = site not in {None, "same-origin"} or (origin is not None and urlsplit(origin).netloc != request.host)
    return (_sorry("This came from another site."), 403) if foreign else None


@blueprint.get("")
def page() -> str:
    """Show the phone."""
    return render_template("phone.html", pictures=PICTURES, longest=LONGEST)


@blueprint.get("/state")
def state() -> Response:
    """Give everything the page shows for one number; 304 when nothing changed since the last look."""
    shop = services()
    phone = person(request.args.get("phone", ""))
    if phone is None:
        return _with_status(_sorry("That is no phone number in the form +12015550123."), 400)
    limit = max(1, min(request.args.get("limit", _PAGE, type=int), _MOST_MESSAGES))
    with reading(shop.engine) as conn:
        found = shown.state_of(conn, shop, phone, limit)
    body = json.dumps(found, separators=(",", ":"), ensure_ascii=False)
    answer = Response(body, content_type="application/json")
    answer.set_etag(hashlib.blake2b(body.encode("utf-8", "replace"), digest_size=12).hexdigest())
    answer.headers["Cache-Control"] = "private, no-cache"
    answer.headers["Regulars-Now"] = shop.clock.now().isoformat(timespec="milliseconds")
    answer.make_conditional(request)
    return answer


@blueprint.get("/number")
def number() -> Response:
    """Give a number nobody has yet, or put one that was typed into E.164."""
    shop = services()
    typed = request.args.get("typed", "").strip()
    country = shop.catalog.book.programme.shop.country
    if typed:
        found = parse(typed, country)
        if found is None:
            return _with_status(_sorry("That does not look like a phone number. Try 201 555 0123."), 400)
        return _json({"phone": found})
    candidates = [f"+1{area}55501{line:02d}" for area in _AREAS for line in range(100)]
    with reading(shop.engine) as conn:
        free = shown.free_numbers(conn, candidates)
    if not free:
        return _with_status(_sorry("Every number kept for demos is taken. Type one yourself."), 409)
    return _json({"phone": random.choice(free)})


@blueprint.post("/send")
def send() -> Response:
    """Send a text from a handset through the signed webhook and wait for its answer."""
    shop = services()
    wish = _body()
    sender = person(str(wish.get("phone", "")))
    text = str(wish.get("body", "")).encode("utf-8", "replace").decode()
    picture = wish.get("picture")
    if sender is None:
        return _with_status(_sorry("That is no phone number in the form +12015550123."), 400)
    if len(text) > LONGEST:
        return _with_status(_sorry(f"A text holds {LONGEST:,} characters at most; this has {len(text):,}."), 400)
    if picture not in PICTURES and picture is not None:
        return _with_status(_sorry("There is no such picture."), 400)
    if not text and picture is None:
        return _with_status(_sorry("There is nothing to send."), 400)
    network = Network(local_address(shop.settings), shop.settings.public_url, shop.settings.auth_tokens[0])
    pictures = [_picture(network, picture)] if picture else []
    try:
        taken = network.text(
            sender=sender, recipient=shop_number(shop.catalog.book, shop.settings), body=text, pictures=pictures
        )
    except NotAnswered as trouble:
        return _with_status(_sorry(str(trouble)), 502)
    return _json({"sid": taken.sid, "replies": taken.replies})


@blueprint.post("/clock")
def clock() -> Response:
    """Turn the clock: `{"minutes": 60}`, `{"next": true}`, or on with `{"until": "2026-11-03T10:00:00+00:00"}`."""
    shop = services()
    try:
        until = _target(shop, _body())
    except ValueError:
        return _with_status(_sorry("The clock can be turned forward by up to 400 days."), 400)
    if until is None:
        return _with_status(_sorry("Nothing is waiting to happen."), 409)
    try:
        turned = turning.turn(shop, until)
    except turning.AlreadyTurning as trouble:
        return _with_status(_sorry(str(trouble)), 409)
    return _json({"now": turned.now.isoformat(), "until": turned.until.isoformat(), "done": turned.done})


def _target(shop: Services, wish: dict[str, Any]) -> datetime | None:
    """Return the moment to turn to, None when nothing waits. Raises ValueError for what cannot be."""
    now = shop.clock.now()
    if wish.get("next") is True:
        until = turning.target_of_next(shop)
        if until is None:
            return None
    elif isinstance(wish.get("until"), str):
        until = datetime.fromisoformat(wish["until"])
    elif isinstance(wish.get("minutes"), int) and 0 < wish["minutes"] <= turning.FURTHEST / timedelta(minutes=1):
        until = now + timedelta(minutes=wish["minutes"])
    else:
        raise ValueError("neither minutes nor next nor until")
    if until.tzinfo is None or until - now > turning.FURTHEST:
        raise ValueError(f"too far: {until}")
    return until


def _picture(network: Network, name: str) -> Picture:
    return Picture(network.public + url_for("static", filename=f"pictures/{name}.png"), "image/png")


def _body() -> dict[str, Any]:
    wish = request.get_json(silent=True)
    return wish if isinstance(wish, dict) else {}


def _json(data: dict[str, Any]) -> Response:
    answer = make_response(data)
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _sorry(words: str) -> Response:
    return _json({"error": words})


def _with_status(answer: Response, status: int) -> Response:
    answer.status_code = status
    return answer
