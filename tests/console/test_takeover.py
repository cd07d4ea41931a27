"""Taking over in the console: who sees what, one text however often it is posted, and everything without script."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import pytest

from bot.workers import TICKS
from tests.console.conftest import Hire
from tests.console.people import Person
from tests.shop import ALICE, BOB, Shop

FETCH = {"X-Requested-With": "fetch"}
_KEY = re.compile(r'name="key" value="([^"]+)"')


@pytest.fixture
def place(shop: Shop) -> Callable[[str], str]:
    """Return the address of a customer's pages."""

    def of(phone: str) -> str:
        found = shop.one("SELECT id FROM customers WHERE phone = :phone", phone=phone)
        return f"/console/customers/{found}"

    shop.joined(ALICE)
    return of


Place = Callable[[str], str]


def key_of(page: str) -> str:
    """Return the key the page made for the next answer."""
    found = _KEY.search(page)
    assert found is not None
    return found.group(1)


def outbox(shop: Shop) -> list[str]:
    """Return what staff sent, in order."""
    return [row["body"] for row in shop.rows("SELECT body FROM messages WHERE purpose = 'staff' ORDER BY id")]


def test_answering_and_handing_back_without_script(shop: Shop, hiring: Hire, place: Place) -> None:
    """The page's form sends, the bot is silent, and handing back as chosen lets it speak again."""
    sam = hiring("support", "Sam")
    page = sam.read(f"{place(ALICE)}/conversation")
    assert "The bot answers. Who writes an answer takes over." in page
    answer = sam.post(f"{place(ALICE)}/answer", {"body": "Hello Alice", "key": key_of(page)})
    assert answer.status_code == 303
    page = sam.read(f"{place(ALICE)}/conversation")
    assert "Yours until 12:30" in page
    assert "Hello Alice" in page
    assert shop.says(ALICE, "BALANCE") == []
    sam.post(f"{place(ALICE)}/extend")
    assert sam.post(f"{place(ALICE)}/hand-back", {"how": "resume"}).status_code == 303
    assert len(shop.says(ALICE, "BALANCE")) == 1
    again = sam.post(f"{place(ALICE)}/hand-back", {"how": "resume"})
    assert again.status_code == 303
    assert "Nobody holds this conversation any more" in sam.read(f"{place(ALICE)}/conversation")


def test_posting_twice_sends_once(shop: Shop, hiring: Hire, place: Place) -> None:
    """The same key again answers the same and says that it was sent before; the next page has a new key."""
    sam = hiring("support", "Sam")
    page = sam.read(f"{place(ALICE)}/conversation")
    form = {"body": "Hello", "key": key_of(page)}
    first = sam.post(f"{place(ALICE)}/answer", form, headers=FETCH)
    second = sam.post(f"{place(ALICE)}/answer", form, headers=FETCH)
    assert (first.status_code, second.status_code) == (200, 200)
    assert (first.headers.get("X-Sent"), second.headers.get("X-Sent")) == ("yes", "before")
    assert outbox(shop) == ["Hello"]
    assert key_of(sam.read(f"{place(ALICE)}/conversation")) != form["key"]


def test_two_people_see_who_holds(shop: Shop, hiring: Hire, place: Place) -> None:
    """Ben sees Sam's name and has to say why; then Sam sees Ben's name and the reason, and cannot answer."""
    sam, ben = hiring("support", "Sam"), hiring("support", "Ben")
    sam.post(f"{place(ALICE)}/take-over", headers=FETCH)
    assert "Sam is talking with this customer until 12:30" in ben.read(f"{place(ALICE)}/holder")
    refused = ben.post(f"{place(ALICE)}/take-over", headers=FETCH)
    assert (refused.status_code, "Say why you take over" in refused.get_data(as_text=True)) == (409, True)
    ben.post(f"{place(ALICE)}/take-over", {"reason": "she <b>left</b>"}, headers=FETCH)
    shown = sam.read(f"{place(ALICE)}/holder")
    assert "Ben took over from you." in shown
    assert "she &lt;b&gt;left&lt;/b&gt;" in shown
    lost = sam.post(f"{place(ALICE)}/answer", {"body": "Hello", "key": "k" * 32}, headers=FETCH)
    assert lost.status_code == 409
    assert outbox(shop) == []


def test_the_head_is_fetched_again_only_when_it_changed(shop: Shop, hiring: Hire, place: Place) -> None:
    """304 while nothing happens; taking over and the end of the time change it."""
    sam = hiring("support", "Sam")
    etag = sam.get(f"{place(ALICE)}/holder").headers["ETag"]
    assert sam.get(f"{place(ALICE)}/holder", headers={"If-None-Match": etag}).status_code == 304
    with sam.client.session_transaction(path="/console/") as browser:
        browser.pop("csrf_token", None)  # the next page has another token; nobody took over for that
    assert sam.get(f"{place(ALICE)}/holder", headers={"If-None-Match": etag}).status_code == 304
    sam.get("/console/account")
    sam.post(f"{place(ALICE)}/take-over", headers=FETCH)
    changed = sam.get(f"{place(ALICE)}/holder", headers={"If-None-Match": etag})
    assert changed.status_code == 200
    shop.clock.turn_to(shop.clock.now() + timedelta(minutes=31))
    TICKS["leases"].job(shop.services)
    assert sam.get(f"{place(ALICE)}/holder", headers={"If-None-Match": etag}).status_code == 304


def test_at_night_the_page_asks_first(shop: Shop, hiring: Hire, place: Place) -> None:
    """A script gets the question, a browser a page with the words kept; confirmed, it is sent."""
    shop.clock.turn_to(shop.clock.now() + timedelta(hours=11))
    sam = hiring("support", "Sam")
    page = sam.read(f"{place(ALICE)}/conversation")
    assert "It may be 11:00 PM where this customer is, outside the hours for texts." in page
    form = {"body": "Still awake?", "key": key_of(page)}
    asked = sam.post(f"{place(ALICE)}/answer", form, headers=FETCH)
    assert (asked.headers["X-Sent"], "Send it all the same?" in asked.get_data(as_text=True)) == ("no", True)
    asked = sam.post(f"{place(ALICE)}/answer", form)
    assert (asked.status_code, "Still awake?" in asked.get_data(as_text=True)) == (200, True)
    assert outbox(shop) == []
    sam.post(f"{place(ALICE)}/answer", {**form, "confirmed": "yes"})
    assert outbox(shop) == ["Still awake?"]


def test_who_opted_out_cannot_be_answered(shop: Shop, hiring: Hire, place: Place) -> None:
    """The composer says so instead of taking words that would never go out."""
    shop.says(ALICE, "STOP")
    sam = hiring("support", "Sam")
    assert "This customer has opted out" in sam.read(f"{place(ALICE)}/conversation")
    refused = sam.post(f"{place(ALICE)}/answer", {"body": "Hello", "key": "k" * 32}, headers=FETCH)
    assert (refused.status_code, "opted out" in refused.get_data(as_text=True)) == (409, True)


def test_the_cost_is_told_while_writing(hiring: Hire, place: Place) -> None:
    """Characters, segments, money where the programme names a price, and what makes it dear."""
    sam = hiring("support", "Sam")

    def told(body: str) -> str:
        return sam.post(f"{place(ALICE)}/measure", {"body": body}, headers=FETCH).get_data(as_text=True)

    assert told("Hello").startswith("5 characters · 1 segment")
    assert told("a" * 161).startswith("161 characters · 2 segments")
    assert "dear because of ☕" in told("☕")
    assert "too long for one message" in told("a" * 1601)
    assert told("  ") == ""


def test_saved_replies_are_written_filled_and_removed(shop: Shop, hiring: Hire, place: Place) -> None:
    """A broken placeholder is refused with the words kept; a good one is filled for the customer."""
    sam = hiring("support", "Sam")
    broken = sam.post("/console/replies", {"title": "Hi", "body": "Hi {nmae}", "language": "en"})
    shown = broken.get_data(as_text=True)
    assert (broken.status_code, "There is no placeholder {nmae}" in shown, ">Hi {nmae}<" in shown) == (409, True, True)
    sam.post("/console/replies", {"title": "Hi", "body": "You have {points, points}. {name}", "language": "en"})
    reply = shop.one("SELECT id FROM saved_replies")
    filled = sam.get(f"{place(ALICE)}/replies/{reply}").get_json()
    assert filled["body"].startswith("You have 60 points.")
    assert "{name}" in filled["missing"]
    assert ">You have 60 points. </textarea>" in sam.read(f"{place(ALICE)}/conversation?reply={reply}")
    sam.post(f"/console/replies/{reply}", {"title": "Hello", "body": "Hello", "language": "en"})
    assert "Hello" in sam.read(f"/console/replies?change={reply}")
    sam.post(f"/console/replies/{reply}/remove")
    assert "No saved replies yet" in sam.read("/console/replies")
    sam.post(f"/console/replies/{reply}/restore")
    assert "No saved replies yet" not in sam.read("/console/replies")


def test_the_queue_shows_who_waits(shop: Shop, hiring: Hire, place: Place) -> None:
    """The longest wait first; closing without an answer needs a reason."""
    sam = hiring("support", "Sam")
    assert "Nobody waits" in sam.read("/console/queue")
    shop.says(BOB, "HUMAN")
    shop.clock.turn_to(shop.clock.now() + timedelta(minutes=7))
    shop.says(ALICE, "HUMAN")
    page = sam.read("/console/queue")
    assert page.index(place(BOB)) < page.index(place(ALICE))
    assert "7 minutes ago" in page
    first = shop.one("SELECT min(id) FROM handoffs")
    sam.post(f"/console/queue/{first}/close", {"reason": ""})
    assert place(BOB) in sam.read("/console/queue")
    sam.post(f"/console/queue/{first}/close", {"reason": "called him"})
    page = sam.read("/console/queue")
    assert place(BOB) not in page
    assert f"/console/queue/{first}/reopen" in page
    sam.post(f"/console/queue/{first}/reopen")
    page = sam.read("/console/queue")
    assert page.index(place(BOB)) < page.index(place(ALICE))


def test_only_the_desk_takes_over(hiring: Hire, place: Place) -> None:
    """Marketing has no business in conversations."""
    max_: Person = hiring("marketer")
    for action in ("take-over", "extend", "hand-back", "answer", "measure"):
        assert max_.post(f"{place(ALICE)}/{action}").status_code == 403
    assert max_.get("/console/queue").status_code == 403
