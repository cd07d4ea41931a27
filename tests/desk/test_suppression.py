"""After an erasure: the number is a stranger's, the list keeps old files out, and what was in flight falls."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from bot.cli.importing import Importer
from bot.desk import erasing
from bot.desk.actor import Actor
from bot.workers import TICKS
from storage import outbox
from storage.database import writing
from tests.desk.known import PHONE, known_customer
from tests.shop import ALICE, Shop, open_shop

MANAGER = Actor(None, "Mia", "manager")


@pytest.fixture
def shop(database_url: str) -> Iterator[Shop]:
    """A shop on each database."""
    with open_shop(database_url) as shop:
        yield shop


def erase(shop: Shop, phone: str = PHONE) -> int:
    services = shop.services
    customer_id = int(shop.one("SELECT id FROM customers WHERE phone = :p", p=phone))
    secret = services.settings.secret_key
    erasing.erase(services.engine, secret, MANAGER, customer_id, phone[-4:], shop.clock.now())
    return customer_id


def imported(shop: Shop, line: str, *, check: bool = False) -> Importer:
    services = shop.services
    programme = services.catalog.book.programme
    importer = Importer(services.engine, programme, shop.clock.now(), secret_key="test secret", check=check)
    list(importer.run(["phone,name,consent,consent_wording,consent_at\n", line + "\n"]))
    return importer


def test_the_number_is_a_strangers_afterwards(shop: Shop) -> None:
    """The next text from it, to a process that knew it, is answered as a stranger's and makes a new customer."""
    known_customer(shop)
    old = erase(shop)
    assert "Zyxomma" not in "".join(shop.says(PHONE, "BALANCE"))
    row = shop.rows("SELECT * FROM customers WHERE phone = :p", p=PHONE)[0]
    assert row["id"] != old
    assert (row["consent"], row["points"], row["name"]) == ("none", 0, None)
    assert shop.one("SELECT count(*) FROM messages WHERE customer_id = :c", c=row["id"]) == 2


def test_who_joins_again_is_welcome(shop: Shop) -> None:
    """JOIN and YES subscribe as ever; the number leaves the list, and the audit log says when."""
    known_customer(shop)
    old = erase(shop)
    shop.says(PHONE, "BALANCE")
    assert shop.one("SELECT lifted_at FROM erasures") is None
    shop.joined(PHONE)
    assert shop.one("SELECT consent FROM customers WHERE phone = :p", p=PHONE) == "subscribed"
    assert shop.one("SELECT lifted_at FROM erasures") is not None
    noted = shop.rows("SELECT * FROM audit_log WHERE action = 'suppression.lifted'")
    assert [(row["customer_id"], row["who"]) for row in noted] == [(old, "customer")]


@pytest.mark.parametrize("check", [False, True])
@pytest.mark.parametrize(
    "rest", [",,,", "Zyx,subscribed,,", "Zyx,subscribed,I agree,2025-01-01", "Zyx,unsubscribed,,"], ids=str
)
def test_an_import_does_not_bring_the_erased_back(shop: Shop, rest: str, check: bool) -> None:
    """A file's line from before is refused with the reason, whatever it says, and nobody is made."""
    known_customer(shop)
    erase(shop)
    importer = imported(shop, f"{PHONE},{rest}", check=check)
    report = importer.report
    assert (report.imported, report.refused) == (0, 1)
    assert "was erased on 2026-03-02" in report.remarks[-1][1]
    assert shop.rows("SELECT 1 FROM customers WHERE phone = :p", p=PHONE) == []
    assert imported(shop, f"{ALICE},Ana,,,", check=check).report.imported == 1


def test_an_import_with_a_consent_given_since_counts(shop: Shop) -> None:
    """A consent after the erasure, with its wording and date, subscribes, and takes the number off the list."""
    known_customer(shop)
    erase(shop)
    shop.wait(timedelta(days=3))
    importer = imported(shop, f"{PHONE},Zyx,subscribed,I agree,2026-03-04")
    assert (importer.report.imported, importer.report.refused) == (1, 0)
    assert shop.one("SELECT consent FROM customers WHERE phone = :p", p=PHONE) == "subscribed"
    assert shop.one("SELECT lifted_at FROM erasures") is not None


def test_a_text_in_a_workers_hands_leaves_no_row(shop: Shop) -> None:
    """What is being sent cannot be called back; its outcome and its reports find nobody and write nothing personal."""
    customer_id = known_customer(shop)
    now = shop.clock.now()
    shop.execute("UPDATE messages SET send_after = :at WHERE state = 'queued'", at=_stored(shop))
    with writing(shop.services.engine) as conn:
        taken = outbox.claim(conn, now + timedelta(days=90), 10, timedelta(minutes=2))
    assert [row["customer_id"] for row in taken] == [customer_id]
    erase(shop)
    with writing(shop.services.engine) as conn:
        outbox.sent(conn, [{"id": taken[0]["id"], "sid": "SMlate", "at": now}])
    report = {"MessageSid": "SMlate", "MessageStatus": "failed", "ErrorCode": "21610", "To": PHONE, "From": "+1"}
    assert shop.post(report, f"/sms/status?message={taken[0]['id']}").status_code in (200, 204)
    shop.wait(timedelta(minutes=10))
    assert shop.rows("SELECT 1 FROM messages WHERE customer_id = :c", c=customer_id) == []
    assert shop.rows("SELECT 1 FROM consent_records WHERE customer_id = :c", c=customer_id) == []
    assert shop.one("SELECT count(*) FROM status_log WHERE sid = 'SMlate'") == 1


def _stored(shop: Shop) -> object:
    """Return this moment as the database holds it."""
    if shop.services.engine.dialect.name == "postgresql":
        return shop.clock.now()
    return int(shop.clock.now().timestamp() * 1_000_000)


def test_a_status_callback_leaves_no_number(shop: Shop) -> None:
    """Of what the carrier reports, words and codes are kept; the numbers it sends along are not."""
    shop.joined(ALICE)
    sent = shop.one("SELECT id FROM messages WHERE direction = 'out'")
    report = {"MessageSid": "SM1", "MessageStatus": "delivered", "To": ALICE, "From": "+12015550100", "ErrorCode": ""}
    shop.post(report, f"/sms/status?message={sent}")
    raw = shop.one("SELECT raw FROM status_log")
    assert "delivered" in str(raw)
    assert "5550" not in str(raw)


def test_a_large_database_is_scrubbed_in_the_night(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Above the limit the files are left alone by day, and rewritten by the tick at night; the erasure notes when."""
    monkeypatch.setattr(erasing, "SMALL", 0)
    known_customer(shop)
    erase(shop)
    tick = TICKS["scrub"].job
    tick(shop.services)
    assert shop.one("SELECT scrubbed_at FROM erasures") is None
    shop.clock.turn_to(shop.clock.now() + timedelta(hours=15))  # from noon to three at night
    for _ in range(20):  # on a server that others use, their transactions have to end first
        tick(shop.services)
        if shop.one("SELECT scrubbed_at FROM erasures") is not None:
            break
    assert shop.one("SELECT scrubbed_at FROM erasures") is not None
