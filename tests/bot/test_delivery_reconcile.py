"""Reconciliation with the carrier's books."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from bot.carrier.port import Found
from bot.delivery.reconcile import reconcile
from storage import customers
from storage.database import writing
from tests.shop import ALICE, BOB, NOON, open_shop
from tests.storage.people import new_customer, new_message

SHOP = "+12015550100"


class Books:
    """What the carrier has."""

    def __init__(self, *found: Found) -> None:
        self.found = found

    def find(self, to: str, since: datetime) -> Sequence[Found]:
        return [each for each in self.found if each.to == to]

    def listed(self, since: datetime) -> Iterator[Found]:
        return (each for each in self.found if each.at >= since)


def test_it_shows_and_repairs_drift(database_url: str) -> None:
    """Lost callbacks, a block nobody told us of, a missed STOP and a missed text: shown first, then repaired."""
    with open_shop(database_url) as shop:
        shop.joined(ALICE)
        shop.joined(BOB)
        engine = shop.services.engine
        with writing(engine) as conn:
            bob = (customers.by_phone(conn, BOB) or {})["id"]
            new_message(conn, state="sent", sid="SM1", customer_id=new_customer(conn))
            new_message(conn, state="sent", sid="SM2", customer_id=bob, recipient=BOB)
            waiting = new_message(conn, customer_id=bob, send_after=NOON + timedelta(days=1))
        books = Books(
            Found("SM1", "+1", SHOP, "x", "delivered", None, NOON),
            Found("SM2", BOB, SHOP, "x", "undelivered", "21610", NOON),
            Found("SM3", SHOP, ALICE, "Stop.", "received", None, NOON, inbound=True),
            Found("SM4", SHOP, BOB, "hello?", "received", None, NOON, inbound=True),
            Found("SM5", "+12015550177", SHOP, "by hand", "delivered", None, NOON),
        )
        since = NOON - timedelta(days=1)
        shown = reconcile(engine, books, since, NOON, repair=False)
        assert (len(shown.delivery), len(shown.missed), len(shown.strange), shown.opted_out) == (2, 2, 1, ["SM2"])
        assert shop.one("select state from messages where sid = 'SM1'") == "sent"
        repaired = reconcile(engine, books, since, NOON, repair=True)
        assert [shop.services.turns.replay(each, NOON) for each in repaired.left] == [True]
        assert shop.one("select state from messages where sid = 'SM1'") == "delivered"
        consents = {row["phone"]: row["consent"] for row in shop.rows("select phone, consent from customers")}
        assert (consents[ALICE], consents[BOB]) == ("unsubscribed", "unsubscribed")
        assert shop.one("select state from messages where id = :id", id=waiting) == "suppressed"
        assert shop.one("select state from messages where sid = 'SM4'") == "failed"
        again = reconcile(engine, books, since, NOON, repair=True)
        assert (again.delivery, again.missed) == ([], [])
