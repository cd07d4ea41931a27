"""Reconciliation with the carrier's books."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bot import telemetry
from bot.carrier.port import Accepted, Found, Outgoing
from bot.delivery.nightly import last_result, reconcile_nightly
from bot.delivery.reconcile import reconcile
from bot.errors import CarrierUnreachable
from bot.settings import ROOT
from storage import customers
from storage.database import reading, writing
from tests.bot.test_turn import run
from tests.shop import ALICE, BOB, NOON, Shop, open_shop
from tests.storage.people import new_customer, new_message

SHOP = "+12015550100"


class Books:
    """What the carrier has."""

    def __init__(self, *found: Found, asked: list[datetime] | None = None, trouble: Exception | None = None) -> None:
        self.found, self.asked, self.trouble = found, asked if asked is not None else [], trouble

    def send(self, message: Outgoing) -> Accepted:
        raise AssertionError("nothing is sent here")

    def find(self, to: str, since: datetime) -> Sequence[Found]:
        return [each for each in self.found if each.to == to]

    def listed(self, since: datetime) -> Iterator[Found]:
        self.asked.append(since)
        if self.trouble is not None:
            raise self.trouble
        return (each for each in self.found if each.at >= since)


@pytest.fixture
def alarms(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What somebody is told to look at."""
    told: list[dict[str, Any]] = []
    monkeypatch.setattr(telemetry, "alarm", lambda what, **more: told.append({"what": what, **more}))
    return told


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


NIGHT = NOON + timedelta(hours=16)  # four in the morning at the shop


def behind(shop: Shop, sid: str) -> Found:
    """Let our books be behind the carrier's by a lost callback; return what the carrier has."""
    with writing(shop.services.engine) as conn:
        new_message(conn, state="sent", sid=sid, customer_id=new_customer(conn))
    return Found(sid, "+1", SHOP, "x", "delivered", None, shop.clock.now())


def test_it_compares_every_night_once(database_url: str, alarms: list[dict[str, Any]]) -> None:
    """Two schedulers tick all night: one comparison, what differed is repaired, kept and told."""
    with open_shop(database_url) as shop, open_shop(database_url) as other:
        shop.joined(ALICE)
        asked: list[datetime] = []
        stop = Found("SM3", SHOP, ALICE, "Stop.", "received", None, NOON, inbound=True)
        books = Books(behind(shop, "SM1"), stop, asked=asked)
        engine, turns = shop.services.engine, shop.services.turns
        assert not reconcile_nightly(engine, books, turns, NOON + timedelta(hours=12))
        run([lambda: reconcile_nightly(engine, books, turns, NIGHT),
             lambda: reconcile_nightly(other.services.engine, books, other.services.turns, NIGHT)])  # fmt: skip
        assert not reconcile_nightly(engine, books, turns, NIGHT + timedelta(hours=8))
        assert asked == [NIGHT - timedelta(days=2)]
        assert shop.one("select state from messages where sid = 'SM1'") == "delivered"
        assert shop.one("select consent from customers where phone = :phone", phone=ALICE) == "unsubscribed"
        with reading(engine) as conn:
            last = last_result(conn) or {}
        assert (last["at"], last["drift"]) == (NIGHT.isoformat(), True)
        assert (last["found"]["delivery_behind"], last["found"]["of_them_taken_as_leaving"]) == (1, 1)
        assert [each["texts_missed"] for each in alarms] == [1]
        assert reconcile_nightly(engine, books, turns, NIGHT + timedelta(days=1))
        with reading(engine) as conn:
            assert (last_result(conn) or {})["drift"] is False
        assert len(alarms) == 1


def test_a_night_whose_carrier_could_not_be_asked_comes_again(database_url: str) -> None:
    """What broke is tried again after an hour, as is what a process began and died with."""
    with open_shop(database_url) as shop:
        engine, turns = shop.services.engine, shop.services.turns
        broken = Books(trouble=CarrierUnreachable())
        with pytest.raises(CarrierUnreachable):
            reconcile_nightly(engine, broken, turns, NIGHT)
        assert not reconcile_nightly(engine, Books(), turns, NIGHT + timedelta(minutes=59))
        assert reconcile_nightly(engine, Books(), turns, NIGHT + timedelta(hours=1))


def test_what_is_still_under_way_is_no_drift(database_url: str, alarms: list[dict[str, Any]]) -> None:
    """A text of this minute, whose webhook or callback is on its way, is left alone."""
    with open_shop(database_url, NIGHT) as shop:
        hello = Found("SM4", SHOP, BOB, "hello?", "received", None, NIGHT, inbound=True)
        assert reconcile_nightly(shop.services.engine, Books(behind(shop, "SM1"), hello), shop.services.turns, NIGHT)
        assert shop.one("select state from messages where sid = 'SM1'") == "sent"
        assert shop.one("select count(*) from messages where sid = 'SM4'") == 0
    assert alarms == []


def test_the_programmes_limits_count(database_url: str, tmp_path: Path) -> None:
    """`unreachable_after: 1` silences a number whose only failure a lost callback hid."""
    flows = tmp_path / "flows"
    shutil.copytree(ROOT / "flows", flows)
    programme = flows / "programme.yaml"
    text = programme.read_text()
    programme.write_text(text.replace("\nlimits:", "\nlimits:\n  unreachable_after: 1", 1))
    with open_shop(database_url, flows_dir=flows) as shop:
        shop.joined(ALICE)
        with writing(shop.services.engine) as conn:
            alice = (customers.by_phone(conn, ALICE) or {})["id"]
            new_message(conn, state="sent", sid="SM1", customer_id=alice, recipient=ALICE)
        books = Books(Found("SM1", ALICE, SHOP, "x", "undelivered", "30005", NOON))
        assert reconcile_nightly(shop.services.engine, books, shop.services.turns, NIGHT)
        assert not shop.one("select sendable from customers where phone = :phone", phone=ALICE)
