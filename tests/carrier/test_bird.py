"""Bird's SMS channel: what goes out, what its answers and events mean, and who may report."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, cast

import pytest

from bot.carrier.bird import BirdCarrier, authentic, read_status, sign
from bot.carrier.http import Client
from bot.carrier.port import Outgoing, Traceable
from bot.errors import CarrierError, OutcomeUnknown
from tests.shop import ALICE, NOON, open_shop, shop_settings
from tests.storage.people import new_message, stored


class Answers:
    """Answers as told and remembers what was asked."""

    def __init__(self, *answers: tuple[int, Mapping[str, Any]]) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, str, Any]] = []

    def ask(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None) -> tuple[int, bytes]:
        assert headers["Authorization"] == "AccessKey key"
        self.asked.append((method, url, json.loads(body) if body else None))
        status, answer = self.answers.pop(0)
        return status, json.dumps(answer).encode()


def bird(*answers: tuple[int, Mapping[str, Any]]) -> tuple[BirdCarrier, Answers]:
    """Return the carrier and what it was asked."""
    client = Answers(*answers)
    settings = shop_settings(
        "sqlite:///x.db", carrier="bird", bird_access_key="key", bird_workspace="w", bird_channel="c"
    )
    return BirdCarrier(settings, cast(Client, client)), client


TEXT = Outgoing(17, ALICE, "+12015550100", "Hello", "https://x/y")


def test_it_sends_with_our_id_as_reference() -> None:
    """The answer's id is the sid."""
    carrier, client = bird((202, {"id": "b-1", "status": "accepted"}))
    assert carrier.send(TEXT).sid == "b-1"
    method, url, asked = client.asked[0]
    assert (method, url) == ("POST", "https://api.bird.com/workspaces/w/channels/c/messages")
    assert asked == {
        "receiver": {"contacts": [{"identifierKey": "phonenumber", "identifierValue": ALICE}]},
        "body": {"type": "text", "text": {"text": "Hello"}},
        "reference": "17",
    }


@pytest.mark.parametrize(
    ("status", "error", "code", "final"),
    [(422, CarrierError, None, True), (401, CarrierError, 20003, True), (429, CarrierError, 20429, False),
     (500, OutcomeUnknown, None, False)],
)  # fmt: skip
def test_it_says_what_a_refusal_means(status: int, error: type[CarrierError], code: int | None, final: bool) -> None:
    """The same four cases as with Twilio, in the codes the delivery knows."""
    with pytest.raises(CarrierError) as refused:
        bird((status, {"message": "no"}))[0].send(TEXT)
    assert (type(refused.value), refused.value.code, refused.value.permanent) == (error, code, final)


def test_it_finds_what_was_sent_by_our_id() -> None:
    """Pages are turned until they are too old."""

    def listed(number: int, minutes: int) -> dict[str, Any]:
        return {
            "id": f"b-{number}", "status": "delivered", "direction": "outgoing", "reference": str(number),
            "receiver": {"contacts": [{"identifierValue": ALICE}]}, "body": {"type": "text", "text": {"text": "Hi"}},
            "createdAt": (NOON - timedelta(minutes=minutes)).isoformat(),
        }  # fmt: skip

    pages = [
        {"results": [listed(3, 1), listed(2, 2)], "nextPageToken": "t"},
        {"results": [listed(1, 90)], "nextPageToken": "u"},
    ]
    carrier, client = bird(*((200, page) for page in pages))
    assert isinstance(carrier, Traceable)
    found = carrier.find(ALICE, NOON - timedelta(minutes=10))
    assert [(each.sid, each.message_id, each.body) for each in found] == [("b-3", 3, "Hi"), ("b-2", 2, "Hi")]
    assert len(client.asked) == 2


def event(status: str, **payload: Any) -> dict[str, Any]:
    """Return a status event."""
    return {"service": "channels", "event": "sms.outbound", "payload": {"id": "b-1", "status": status, **payload}}


def test_it_reads_events() -> None:
    """States and failures in our words; other events are none of its business."""
    failed = read_status(event("delivery_failed", reference="17", failure={"code": 15005}), NOON)
    assert failed is not None
    assert (failed.sid, failed.state, failed.error_code, failed.message_id) == ("b-1", "undelivered", "30005", 17)
    other = read_status(event("sending_failed", failure={"code": 14999}), NOON)
    assert other is not None
    assert (other.error_code, other.message_id) == ("bird:14999", None)
    assert read_status({"event": "sms.inbound", "payload": {"id": "x"}}, NOON) is None


def test_it_checks_the_signature() -> None:
    """Documented vector of the parts: another body, URL, time or key does not pass."""
    body = b'{"a": 1}'
    good = sign("key", "1700000000", "https://x/bird/status", body)
    assert authentic("key", good, "1700000000", "https://x/bird/status", body)
    assert not authentic("key", good, "1700000000", "https://x/bird/status", body + b" ")
    assert not authentic("key", good, "1700000001", "https://x/bird/status", body)
    assert not authentic("other", good, "1700000000", "https://x/bird/status", body)
    assert not authentic("", sign("", "1", "u", body), "1", "u", body)


def test_its_door_moves_a_message(database_url: str) -> None:
    """A signed event over HTTP marks the message delivered; an unsigned one is refused."""
    settings = {"carrier": "bird", "bird_signing_key": "secret", "sender": "+12015550100"}
    with open_shop(database_url, **settings) as shop:
        with shop.services.engine.begin() as conn:
            ours = new_message(conn, state="sending")
        body = json.dumps(event("delivered", reference=str(ours))).encode()
        url = shop.services.settings.public_url + "/bird/status"
        headers = {"MessageBird-Request-Timestamp": "5", "MessageBird-Signature": sign("secret", "5", url, body)}
        assert shop.client.post("/bird/status", data=body, headers=headers).status_code == 204
        assert shop.client.post("/bird/status", data=body).status_code == 403
        with shop.services.engine.connect() as conn:
            assert stored(conn, ours)["state"] == "delivered"
