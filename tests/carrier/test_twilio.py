"""Twilio's API by plain HTTP: the same form as the library's, and the right word for every kind of failure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client as Library

from bot.carrier.fake import ACCOUNT, TOKEN, Behaviour
from bot.carrier.fake_http import FakeServer
from bot.carrier.port import Outgoing, Traceable
from bot.carrier.twilio import TwilioCarrier
from bot.errors import CarrierError, CarrierUnreachable, OutcomeUnknown
from tests.shop import ALICE, shop_settings

SHOP = "+12015550100"


@pytest.fixture
def fake() -> Iterator[FakeServer]:
    """A fake Twilio on a free port."""
    with FakeServer(Behaviour(callbacks=False)) as server:
        yield server


def carrier(server: FakeServer, **changes: Any) -> TwilioCarrier:
    """Return our client for it."""
    values = {"account_sid": ACCOUNT, "auth_tokens": (TOKEN,), "sender": SHOP, "api_base_url": server.url, **changes}
    return TwilioCarrier(shop_settings("sqlite:///unused.db", **values))


def text(body: str = "Hello", **more: Any) -> Outgoing:
    """Return a text to Alice."""
    return Outgoing(
        **{"message_id": 7, "to": ALICE, "sender": SHOP, "body": body, "status_callback": "https://x/y", **more}
    )


@pytest.mark.parametrize(
    ("outgoing", "asked"),
    [
        (text("Hi é € & + =\n"), {"from_": SHOP}),
        (text("Hi", sender="MG" + "1" * 32), {"messaging_service_sid": "MG" + "1" * 32}),
        (text("Hi", valid_for=timedelta(hours=2)), {"from_": SHOP, "validity_period": 7200}),
        (text("Hi", media=("https://x/1.png", "https://x/2.png")), {"from_": SHOP, "media_url": ["https://x/1.png", "https://x/2.png"]}),
    ],
)  # fmt: skip
def test_it_asks_what_the_library_asks(fake: FakeServer, outgoing: Outgoing, asked: dict[str, Any]) -> None:
    """The library is the oracle: both leave the same entry in the carrier's log."""
    http = TwilioHttpClient(timeout=10)
    library = Library(ACCOUNT, TOKEN, http_client=http)
    library.api.base_url = fake.url
    with http.session:
        theirs = library.messages.create(to=ALICE, body=outgoing.body, status_callback="https://x/y", **asked)
    ours = carrier(fake).send(outgoing)
    first, second = ({k: v for k, v in each.items() if k not in ("n", "sid", "at")} for each in fake.carrier.log)
    assert first == second
    assert ours.state == theirs.status
    assert ours.sid in fake.carrier.messages


@pytest.mark.parametrize(
    ("to", "code"), [("+15005550001", 21211), ("+15005550003", 21408), ("+15005550004", 21610), ("+15005550009", 21614)]
)
def test_it_believes_a_refusal(fake: FakeServer, to: str, code: int) -> None:
    """A 400 is final and carries Twilio's code."""
    with pytest.raises(CarrierError) as refused:
        carrier(fake).send(text(to=to))
    assert (refused.value.code, refused.value.permanent) == (code, True)
    assert not fake.carrier.log


def test_it_knows_a_wrong_key(fake: FakeServer) -> None:
    """A 401 is 20003, whatever the message was."""
    with pytest.raises(CarrierError) as refused:
        carrier(fake, auth_tokens=("wrong",)).send(text())
    assert refused.value.code == 20003


@pytest.mark.parametrize(
    ("fault", "error", "taken"),
    [
        ("throttle", CarrierError, 0),
        ("refuse", OutcomeUnknown, 0),
        ("fail_before", OutcomeUnknown, 0),
        ("fail_after", OutcomeUnknown, 1),
        ("lose_answer", OutcomeUnknown, 1),
    ],
)
def test_it_never_repeats_by_itself(fake: FakeServer, fault: str, error: type[CarrierError], taken: int) -> None:
    """After a fault the caller is told whether it may have been sent; nothing is asked twice behind its back."""
    setattr(fake.carrier.behaviour, fault, 1.0)
    with pytest.raises(error) as trouble:
        carrier(fake).send(text())
    assert type(trouble.value) is error
    assert not trouble.value.permanent
    assert len(fake.carrier.log) == taken


def test_it_is_sure_when_nobody_listens(fake: FakeServer) -> None:
    """A refused connection means that nothing was sent."""
    fake.stop()
    with pytest.raises(CarrierUnreachable):
        carrier(fake, api_base_url="http://127.0.0.1:9").send(text())


def test_it_finds_what_was_sent(fake: FakeServer) -> None:
    """By number and time; other numbers and inbound texts are left out of the look-up, not of the list."""
    ours = carrier(fake)
    assert isinstance(ours, Traceable)
    sids = [ours.send(text(body)).sid for body in ("One", "Two")]
    ours.send(text(to="+12015550199"))
    fake.carrier.receive(ALICE, SHOP, "STOP")
    since = datetime.now(UTC) - timedelta(minutes=1)
    assert {each.sid for each in ours.find(ALICE, since)} == set(sids)
    assert ours.find(ALICE, since + timedelta(minutes=5)) == []
    assert sorted(each.inbound for each in ours.listed(since)) == [False, False, False, True]


def test_it_turns_the_pages(fake: FakeServer) -> None:
    """A list longer than a page is given whole, each message once."""
    for _ in range(2_300):
        fake.carrier.create({"To": ALICE, "From": SHOP, "Body": "x"})
    listed = [each.sid for each in carrier(fake).listed(datetime.now(UTC) - timedelta(minutes=5))]
    assert len(listed) == len(set(listed)) == 2_300


def test_chance_is_the_same_for_the_same_seed() -> None:
    """Two fakes with one seed throw the same dice."""
    first, second = (FakeServer(Behaviour(seed=5)).carrier for _ in range(2))
    assert [first.happens(0.5) for _ in range(50)] == [second.happens(0.5) for _ in range(50)]
