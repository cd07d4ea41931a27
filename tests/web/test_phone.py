"""The simulated phone: it goes through the real door, tells the truth, and turns the clock in order."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
import requests

from bot.app import create_app
from bot.carrier.port import Accepted, Outgoing
from bot.clock import SystemClock
from bot.services import Services
from bot.web.phone import network, turning
from bot.web.phone.network import REPORTS, Network, NotAnswered, Picture
from tests.shop import ALICE, BOB, PUBLIC_URL, Shop, open_shop

JSON = "application/json"
HOSTILE = '<script>alert(1)</script> " onerror="alert(2)" {{7*7}} \u202e\u0000'


class Recorder:
    """A carrier that takes everything and remembers when."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.sent: list[tuple[datetime, str, str]] = []

    def send(self, message: Outgoing) -> Accepted:
        self.sent.append((self.shop.services.clock.now(), message.to, message.body))
        return Accepted(sid=f"SM{len(self.sent):032d}", state="queued")


@pytest.fixture
def demo(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """A demo shop whose phone network ends at the test client instead of a socket."""
    with open_shop(database_url, demo=True) as shop:
        shop.services.delivery.carrier = Recorder(shop)
        monkeypatch.setattr(network, "_post", posting(shop))
        yield shop
        reports_done()


def posting(shop: Shop) -> Callable[..., Any]:
    """Return a `post` that gives the form to the application, as a socket would."""

    def post(url: str, form: Mapping[str, str], headers: Mapping[str, str]) -> Any:
        parts = urlsplit(url)
        answer = shop.app.test_client().post(
            f"{parts.path}?{parts.query}",
            data=urlencode(form),
            content_type="application/x-www-form-urlencoded",
            headers=dict(headers),
        )
        return SimpleNamespace(status_code=answer.status_code, content=answer.data)

    return post


def reports_done() -> None:
    """Wait until every status callback was posted."""
    for thread in threading.enumerate():
        if thread.name == REPORTS:
            thread.join(10)


def texts(shop: Shop, phone: str, *bodies: str) -> None:
    """Send texts from a handset."""
    for body in bodies:
        answer = shop.client.post("/phone/send", json={"phone": phone, "body": body})
        assert answer.status_code == 200, answer.text
    reports_done()


def look(shop: Shop, phone: str, **more: object) -> dict[str, Any]:
    """Return what the page would show."""
    answer = shop.client.get("/phone/state", query_string={"phone": phone, **more})
    assert answer.status_code == 200, answer.text
    state: dict[str, Any] = answer.get_json()
    return state


def test_it_is_not_there_outside_the_demo(shop: Shop) -> None:
    """A real shop has no phone page, no landing page, and no door that sends texts for others."""
    assert shop.client.get("/phone").status_code == 404
    assert shop.client.get("/").status_code == 404
    assert shop.client.post("/phone/send", json={"phone": ALICE, "body": "JOIN"}).status_code == 404
    assert shop.client.post("/phone/clock", json={"minutes": 10}).status_code == 404


def test_a_text_goes_through_the_signed_door_and_comes_back_delivered(demo: Shop) -> None:
    """What the phone sends is what Twilio would post; the reply is delivered when the callbacks said so."""
    answer = demo.client.post("/phone/send", json={"phone": ALICE, "body": "JOIN"})
    assert answer.get_json()["replies"] == 1
    reports_done()
    inbound, reply = look(demo, ALICE)["messages"]
    assert (inbound["from"], inbound["body"], inbound["sid"]) == ("customer", "JOIN", answer.get_json()["sid"])
    assert (reply["from"], reply["state"], reply["arrived"]) == ("shop", "delivered", True)
    assert reply["answers"] == inbound["id"]
    assert inbound["why"]["decision"] == "opt_in"
    assert inbound["why"]["steps"][0]["at"].startswith("join.yaml:")
    assert demo.one("select count(*) from status_log where status = 'delivered'") == 1


def test_a_forged_signature_is_refused_and_said_so(demo: Shop) -> None:
    """A network with another token gets nowhere, and the phone does not pretend otherwise."""
    stranger = Network("http://127.0.0.1:1", PUBLIC_URL, "another token", posting(demo))
    with pytest.raises(NotAnswered, match="403"):
        stranger.text(sender=ALICE, recipient="+12015550100", body="JOIN")
    assert demo.one("select count(*) from messages") == 0


def test_a_server_that_cannot_be_reached_is_named(demo: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broken connection becomes words, not a crash."""

    def broken(*_: object) -> Any:
        raise requests.ConnectionError("refused")

    monkeypatch.setattr(network, "_post", broken)
    answer = demo.client.post("/phone/send", json={"phone": ALICE, "body": "JOIN"})
    assert answer.status_code == 502
    assert "could not be reached" in answer.get_json()["error"]


def test_a_lost_callback_leaves_the_reply_unconfirmed(demo: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reply then shows as handed over, never as delivered."""
    real = posting(demo)

    def post(url: str, form: Mapping[str, str], headers: Mapping[str, str]) -> Any:
        if "/sms/status" in url:
            raise requests.Timeout("lost")
        return real(url, form, headers)

    monkeypatch.setattr(network, "_post", post)
    texts(demo, ALICE, "JOIN")
    assert look(demo, ALICE)["messages"][1]["state"] == "sending"


def test_the_form_has_every_field_twilio_sends() -> None:
    """Names and shapes as in captured posts, with and without pictures."""
    plain = network.inbound_form("SM1", ALICE, "+12015550100", "hi")
    assert {"MessageSid", "SmsSid", "SmsMessageSid", "AccountSid", "From", "To", "Body", "NumMedia"} <= plain.keys()
    assert (plain["FromCountry"], plain["NumSegments"], plain["SmsStatus"]) == ("US", "1", "received")
    picture = network.inbound_form("MM1", ALICE, "+12015550100", "", [Picture("https://x/y.png", "image/png")])
    assert (picture["NumMedia"], picture["MediaUrl0"], picture["MediaContentType0"]) == (
        "1",
        "https://x/y.png",
        "image/png",
    )


def test_a_picture_arrives_as_media(demo: Shop) -> None:
    """A picture alone is a text too."""
    assert demo.client.post("/phone/send", json={"phone": ALICE, "picture": "dog"}).status_code == 200
    message = look(demo, ALICE)["messages"][0]
    assert message["media"][0]["url"] == f"{PUBLIC_URL}/static/pictures/dog.png"
    with demo.client.get("/static/pictures/dog.png") as file:
        assert file.mimetype == "image/png"


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ({"phone": ALICE, "body": ""}, "nothing to send"),
        ({"phone": ALICE, "body": "x" * 1601}, "1,600"),
        ({"phone": "ACME", "body": "hi"}, "phone number"),
        ({"phone": ALICE, "body": "hi", "picture": "../secret"}, "no such picture"),
        ([], "phone number"),
    ],
)
def test_what_cannot_be_sent_is_refused_in_plain_words(demo: Shop, wish: object, words: str) -> None:
    """Nothing is sent, and the answer says why."""
    answer = demo.client.post("/phone/send", json=wish)
    assert answer.status_code == 400
    assert words in answer.get_json()["error"]
    assert demo.one("select count(*) from messages") == 0


@pytest.mark.parametrize(
    ("headers", "content_type", "status"),
    [
        ({"Origin": "https://evil.example"}, JSON, 403),
        ({"Origin": "null"}, JSON, 403),
        ({"Sec-Fetch-Site": "cross-site"}, JSON, 403),
        ({"Sec-Fetch-Site": "same-site"}, JSON, 403),
        ({}, "text/plain", 415),
        ({}, "application/x-www-form-urlencoded", 415),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "http://localhost"}, JSON, 200),
    ],
)
@pytest.mark.parametrize("path", ["/phone/send", "/phone/clock"])
def test_another_site_cannot_use_the_phone(
    demo: Shop, headers: dict[str, str], content_type: str, status: int, path: str
) -> None:
    """Only our own page, speaking JSON, may send a text or turn the clock."""
    body = '{"phone": "+12015550111", "body": "JOIN", "minutes": 10}'
    assert demo.client.post(path, data=body, content_type=content_type, headers=headers).status_code == status


def test_asking_again_costs_nothing_while_nothing_changed(demo: Shop) -> None:
    """The ETag stays until something happens; 304 still tells the time."""
    texts(demo, ALICE, "JOIN")
    first = demo.client.get("/phone/state", query_string={"phone": ALICE})
    again = demo.client.get(
        "/phone/state", query_string={"phone": ALICE}, headers={"If-None-Match": first.headers["ETag"]}
    )
    assert (again.status_code, again.data) == (304, b"")
    assert datetime.fromisoformat(again.headers["Regulars-Now"]).tzinfo is not None
    texts(demo, ALICE, "YES")
    later = demo.client.get(
        "/phone/state", query_string={"phone": ALICE}, headers={"If-None-Match": first.headers["ETag"]}
    )
    assert later.status_code == 200


def test_ids_are_text_because_browsers_count_only_to_two_to_the_53(demo: Shop) -> None:
    """A number this large would come out of JSON.parse as another one."""
    texts(demo, ALICE, "JOIN")
    state = look(demo, ALICE)
    assert all(isinstance(message["id"], str) for message in state["messages"])
    assert isinstance(state["people"][0]["last"]["id"], str)


def test_hostile_texts_stay_data(demo: Shop) -> None:
    """What a customer wrote comes back as it is stored, in JSON only, and never in the page."""
    texts(demo, ALICE, HOSTILE)
    answer = demo.client.get("/phone/state", query_string={"phone": ALICE})
    assert answer.mimetype == JSON
    assert answer.get_json()["messages"][0]["body"] == HOSTILE.replace("\x00", "\ufffd")
    assert "alert(1)" not in demo.client.get("/phone").text


def test_the_card_of_facts_follows_the_conversation(demo: Shop) -> None:
    """Points, consent with its proof, the voucher and the place in the flow are those of the database."""
    assert look(demo, ALICE)["customer"] is None
    texts(demo, ALICE, "JOIN", "YES", "REDEEM")
    person = look(demo, ALICE)["customer"]
    assert (person["consent"], person["points"], person["tier"]) == ("subscribed", 60, "Regular")
    assert (person["proof"]["how"], person["proof"]["version"]) == ("keyword", 1)
    assert (person["conversations"][0]["flow"], person["conversations"][0]["state"]) == ("redeem", "choosing")
    assert person["conversations"][0]["file"].startswith("redeem.yaml:")
    texts(demo, ALICE, "1", "YES")
    person = look(demo, ALICE)["customer"]
    assert person["points"] == 0
    assert person["vouchers"][0]["status"] == "issued"


def test_what_waits_is_not_shown_as_arrived(demo: Shop) -> None:
    """A text held back for the night is in the state, marked as not arrived, with the reason."""
    texts(demo, ALICE, "JOIN", "YES")
    demo.execute("update customers set zone = 'Pacific/Auckland'")  # where it is night at 10 in New York
    turn(demo, timedelta(days=1))
    state = look(demo, ALICE)
    waiting = state["messages"][-1]
    assert (waiting["state"], waiting["arrived"], waiting["reason"]) == ("queued", False, "quiet_hours")
    assert state["people"][0]["last"]["body"].startswith("You are in")
    assert (state["clock"]["next"]["kind"], state["clock"]["next"]["at"]) == ("text", "2026-03-03T20:00:00+00:00")


def test_what_was_dropped_is_not_shown_as_arrived(demo: Shop) -> None:
    """A reminder that would come too late is kept with its reason, and no phone shows it."""
    texts(demo, ALICE, "JOIN", "YES", "REDEEM")
    demo.execute("update customers set zone = 'Pacific/Auckland'")
    turn(demo, timedelta(hours=3))
    dropped = look(demo, ALICE)["messages"][-1]
    assert (dropped["state"], dropped["arrived"], dropped["reason"]) == ("suppressed", False, "too_late")


def turn(shop: Shop, span: timedelta) -> turning.Turned:
    """Turn the clock by a span, however long that takes."""
    until = shop.services.clock.now() + span
    return turning.turn(shop.services, until, budget=60)


def test_a_turned_clock_stops_at_everything_on_the_way(demo: Shop) -> None:
    """The reminder goes out at its own moment and before the time-out, though both lie behind one jump."""
    texts(demo, ALICE, "JOIN", "YES", "REDEEM")
    began = demo.services.clock.now()
    turned = turn(demo, timedelta(days=1, hours=1))
    assert turned.done
    recorder = demo.services.delivery.carrier
    assert isinstance(recorder, Recorder)
    moments = [at for at, _, body in recorder.sent if "still waiting" in body]
    assert moments == [began + timedelta(hours=2)]
    assert look(demo, ALICE)["customer"]["conversations"] == []


def test_everybody_is_told_in_the_order_of_time(demo: Shop) -> None:
    """Two customers' reminders go out in their order, with the daily starts between them."""
    texts(demo, ALICE, "JOIN", "YES", "REDEEM")
    turn(demo, timedelta(minutes=30))
    texts(demo, BOB, "JOIN", "YES", "REDEEM")
    turn(demo, timedelta(days=8))
    recorder = demo.services.delivery.carrier
    assert isinstance(recorder, Recorder)
    moments = [at for at, _, _ in recorder.sent]
    assert moments == sorted(moments)
    assert [to for _, to, body in recorder.sent if "still waiting" in body] == [ALICE, BOB]


def test_a_long_way_is_gone_in_stretches(demo: Shop) -> None:
    """Without time to work the clock stops early, says so, and can be asked to go on."""
    texts(demo, ALICE, "JOIN", "YES")
    until = demo.services.clock.now() + timedelta(days=30)
    first = turning.turn(demo.services, until, budget=0)
    assert not first.done
    assert first.now < until
    answer = demo.client.post("/phone/clock", json={"until": until.isoformat()})
    for _ in range(200):
        if answer.get_json()["done"]:
            break
        answer = demo.client.post("/phone/clock", json={"until": until.isoformat()})
    assert datetime.fromisoformat(answer.get_json()["now"]) == until


def test_next_goes_to_the_next_thing_that_happens(demo: Shop) -> None:
    """The page names it beforehand, and the clock then shows its moment."""
    assert demo.client.post("/phone/clock", json={"next": True}).status_code == 409
    texts(demo, ALICE, "JOIN", "YES", "REDEEM")
    coming = look(demo, ALICE)["clock"]["next"]
    assert (coming["kind"], coming["phone"], coming["state"]) == ("deadline", ALICE, "choosing")
    turned = demo.client.post("/phone/clock", json={"next": True}).get_json()
    assert turned["now"] == coming["at"]
    assert look(demo, ALICE)["messages"][-1]["body"].startswith("Your 60 points are still waiting")


def test_a_deadline_that_means_nothing_any_more_is_not_announced(demo: Shop) -> None:
    """Who has answered is not waited for: the old deadline is void."""
    texts(demo, ALICE, "JOIN", "YES", "REDEEM", "NO")
    coming = look(demo, ALICE)["clock"]["next"]
    assert coming["kind"] == "reminder"


@pytest.mark.parametrize(
    "wish",
    [
        {},
        {"minutes": 0},
        {"minutes": -5},
        {"minutes": "60"},
        {"minutes": 10**9},
        {"until": "soon"},
        {"until": "2999-01-01T00:00:00+00:00"},
    ],
)
def test_the_clock_goes_forward_and_not_too_far(demo: Shop, wish: dict[str, object]) -> None:
    """Anything else is refused and changes nothing."""
    before = demo.services.clock.now()
    assert demo.client.post("/phone/clock", json=wish).status_code == 400
    assert demo.services.clock.now() == before


def test_only_one_turns_the_clock_at_a_time(demo: Shop) -> None:
    """A second hand on the clock is told to wait."""
    with turning._turning:
        answer = demo.client.post("/phone/clock", json={"minutes": 10})
    assert answer.status_code == 409


def test_a_restart_keeps_the_time(demo: Shop) -> None:
    """The offset is stored before anything happens under it."""
    object.__setattr__(demo.services, "clock", SystemClock())
    turn(demo, timedelta(days=3))
    again: Services = create_app(demo.services.settings).extensions["regulars"]
    again.engine.dispose()
    assert abs(again.clock.offset - timedelta(days=3)) < timedelta(minutes=1)


def test_a_new_number_belongs_to_nobody(demo: Shop) -> None:
    """Numbers kept for fiction, and what was typed in any usual form."""
    texts(demo, ALICE, "JOIN")
    given = demo.client.get("/phone/number").get_json()["phone"]
    assert given != ALICE
    assert given[5:8] == "555"
    assert demo.client.get("/phone/number?typed=(201) 555 0199").get_json()["phone"] == "+12015550199"
    assert demo.client.get("/phone/number?typed=hello").status_code == 400


@pytest.mark.parametrize("phone", ["", "ACME", "12015550111", "+1'; drop table messages; --"])
def test_what_is_no_number_is_refused(demo: Shop, phone: str) -> None:
    """The state of something that is no phone cannot be asked."""
    assert demo.client.get("/phone/state", query_string={"phone": phone}).status_code == 400


def test_a_long_history_comes_in_parts(demo: Shop) -> None:
    """The newest come first; the page is told that there are more."""
    texts(demo, ALICE, "JOIN", "YES", "BALANCE")
    state = look(demo, ALICE, limit=2)
    assert state["more"]
    assert state["messages"][-1]["body"].startswith("You have 60 points")
    assert not look(demo, ALICE, limit=50)["more"]


def test_the_landing_page_counts_truly(demo: Shop) -> None:
    """It says what runs and leads to the phone."""
    texts(demo, ALICE, "JOIN")
    page = demo.client.get("/").text
    assert "1 customer " in page
    assert 'href="/phone"' in page


def test_the_address_of_this_server_is_reachable_from_itself() -> None:
    """A server that listens everywhere is reached at the loopback address."""
    settings = lambda host: SimpleNamespace(host=host, port=8000)  # noqa: E731 - a shorthand
    assert network.local_address(settings("0.0.0.0")) == "http://127.0.0.1:8000"
    assert network.local_address(settings("::1")) == "http://[::1]:8000"
    assert network.local_address(settings("shop.local")) == "http://shop.local:8000"
