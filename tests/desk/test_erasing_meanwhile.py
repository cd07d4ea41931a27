"""An erasure beside other work on PostgreSQL: who waits for it meets a stranger; old readers delay the scrubbing."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from sqlalchemy import text

from bot.desk import erasing
from bot.desk.actor import Actor
from storage import customers
from storage.database import reading, writing
from tests.databases import Server
from tests.desk.known import PHONE, known_customer
from tests.shop import Shop, open_shop

pytestmark = pytest.mark.postgres
MANAGER = Actor(None, "Mia", "manager")
_WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


@pytest.fixture
def shop(postgres_server: Server, _postgres_database: str) -> Iterator[Shop]:
    """A shop on PostgreSQL."""
    postgres_server.empty(_postgres_database)
    with open_shop(postgres_server.url_of(_postgres_database)) as shop:
        yield shop


def erase(shop: Shop, customer_id: int) -> None:
    services = shop.services
    secret = services.settings.secret_key
    erasing.erase(services.engine, secret, MANAGER, customer_id, PHONE[-4:], shop.clock.now())


def until_waiting(shop: Shop, count: int) -> None:
    """Look until so many transactions wait for a lock."""
    for _ in range(100_000):
        if shop.one(_WAITING) >= count:
            return
    raise AssertionError("nobody waits")


def test_a_text_that_waited_for_the_erasure_makes_a_new_customer(shop: Shop) -> None:
    """It holds the lock of nobody's row when it goes on: the number is a stranger's, and nothing of it is lost."""
    customer_id = known_customer(shop)
    said: list[str] = []
    eraser = threading.Thread(target=erase, args=(shop, customer_id))
    texter = threading.Thread(target=lambda: said.extend(shop.says(PHONE, "HELP")))
    with writing(shop.services.engine) as conn:
        customers.lock_by_id(conn, [customer_id])
        eraser.start()
        until_waiting(shop, 1)
        texter.start()
        until_waiting(shop, 2)
    eraser.join()
    texter.join()
    assert len(said) == 1
    assert shop.one("SELECT count(*) FROM messages WHERE customer_id = :c", c=customer_id) == 0
    new = shop.rows("SELECT id, name FROM customers WHERE phone = :p", p=PHONE)
    assert [row["name"] for row in new] == [None]
    assert shop.one("SELECT count(*) FROM messages WHERE customer_id = :c", c=new[0]["id"]) == 2


def test_an_older_reader_delays_the_scrubbing(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a transaction still sees the deleted rows the files are not called clean; afterwards they are."""
    monkeypatch.setattr("storage.scrubbing._PATIENCE", 1)
    customer_id = known_customer(shop)
    engine = shop.services.engine.execution_options(isolation_level="REPEATABLE READ")
    with reading(engine) as conn:
        conn.execute(text("SELECT count(*) FROM switches"))  # takes its snapshot, and holds no table that matters
        erase(shop, customer_id)
        assert shop.one("SELECT scrubbed_at FROM erasures") is None
    monkeypatch.setattr("storage.scrubbing._PATIENCE", 500)
    assert erasing.scrub(shop.services.engine, shop.clock.now())
    assert shop.one("SELECT scrubbed_at FROM erasures") is not None
