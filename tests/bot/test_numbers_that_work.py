"""A number marked as taking no texts is texted again once it proves to work, or somebody says so."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from bot.carrier.port import StatusReported
from bot.delivery import Statuses
from bot.desk import numbers
from bot.desk.actor import Actor, NotPossible
from storage import facts, messages
from storage.database import writing
from storage.ids import next_id
from tests.bot.test_turn import customer_id
from tests.shop import ALICE, Shop, open_shop
from tests.storage.people import message

ANA = Actor(None, "ana", "support")


@pytest.fixture
def shop(database_url: str) -> Iterator[Shop]:
    with open_shop(database_url) as opened:
        opened.joined(ALICE)
        yield opened


def goes_wrong(shop: Shop, code: str, count: int = 1, state: str = "undelivered") -> None:
    """Let texts to Alice end with a code."""
    for _ in range(count):
        row = message(
            customer_id=customer_id(shop, ALICE), recipient=ALICE, state="sent", sid=f"SM{next_id():x}",
            created_at=shop.clock.now(), send_after=None,
        )  # fmt: skip
        with writing(shop.services.engine) as conn:
            messages.insert(conn, [row])
        Statuses(shop.services.engine, shop.services.catalog).take(
            [StatusReported(row["sid"], state, code or None, row["id"], {}, shop.clock.now())]
        )


def order_is_ready(shop: Shop) -> None:
    """Alice's order is ready, and everything happens that is due."""
    fact: dict[str, Any] = {"id": next_id(), "customer_id": customer_id(shop, ALICE), "name": "order_ready"}
    with writing(shop.services.engine) as conn:
        facts.insert(
            conn, [{**fact, "key": f"ready:{next_id()}", "data": {"order": "A7"}, "recorded_at": shop.clock.now()}]
        )
    shop.wait(timedelta(seconds=1))


def last_unasked(shop: Shop) -> tuple[str, str | None]:
    """Return state and reason of the newest service text of a flow."""
    rows = shop.rows("select state, reason from messages where purpose = 'service' and flow is not null order by id")
    return rows[-1]["state"], rows[-1]["reason"]


def sendable(shop: Shop) -> bool:
    return bool(shop.one("select sendable from customers where phone = :phone", phone=ALICE))


def test_a_text_from_the_number_lets_texts_go_again(shop: Shop) -> None:
    """After a holiday with the phone off Alice texts, and hears of her order; three more failures are needed again."""
    goes_wrong(shop, "30003", 3)
    order_is_ready(shop)
    assert last_unasked(shop) == ("suppressed", "bad_number")
    shop.says(ALICE, "BALANCE")
    order_is_ready(shop)
    assert last_unasked(shop)[0] != "suppressed"
    goes_wrong(shop, "30003", 2)
    assert sendable(shop)
    goes_wrong(shop, "30003")
    assert not sendable(shop)


def test_whoever_left_stays_out(shop: Shop) -> None:
    """STOP from a marked number shows that it works, and that nothing is to be sent."""
    goes_wrong(shop, "30003", 3)
    shop.says(ALICE, "STOP")
    assert sendable(shop)
    order_is_ready(shop)
    assert shop.rows("select id from messages where purpose = 'service' and flow is not null") == []


def test_a_delivered_text_lets_texts_go_again(shop: Shop) -> None:
    """A late callback that says delivered proves as much as a text."""
    goes_wrong(shop, "30003", 3)
    assert not sendable(shop)
    goes_wrong(shop, "", state="delivered")
    assert sendable(shop)


def test_a_known_litigator_stays_silent(shop: Shop) -> None:
    """Whatever comes from a number with error 30640, nothing goes there unasked."""
    goes_wrong(shop, "30640", state="failed")
    shop.says(ALICE, "BALANCE")
    goes_wrong(shop, "", state="delivered")
    assert not sendable(shop)
    with pytest.raises(NotPossible):
        numbers.text_again(shop.services.engine, ANA, customer_id(shop, ALICE), shop.clock.now())


def test_the_staff_can_let_texts_go_again(shop: Shop) -> None:
    """Somebody knows better: the mark and the count go, and the audit log has it."""
    goes_wrong(shop, "30005", 3)
    shop.clock.turn_to(shop.clock.now() + timedelta(hours=1))
    numbers.text_again(shop.services.engine, ANA, customer_id(shop, ALICE), shop.clock.now())
    assert sendable(shop)
    assert shop.one("select action from audit_log where action like 'number.%'") == "number.cleared"
    goes_wrong(shop, "30005", 2)
    assert sendable(shop)
    with pytest.raises(NotPossible):
        numbers.text_again(shop.services.engine, ANA, customer_id(shop, ALICE), shop.clock.now())
