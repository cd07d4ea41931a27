"""Several writers on PostgreSQL: who waits for whom, and that nobody waits in a ring. SQLite has one writer."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from storage import customers, facts, timers
from storage.database import open_engine, writing
from storage.ids import next_id
from storage.rows import Row
from tests.databases import Server
from tests.storage.people import NOW, new_customer

pytestmark = pytest.mark.postgres


@pytest.fixture
def engine(postgres_server: Server, _postgres_database: str) -> Iterator[Engine]:
    postgres_server.empty(_postgres_database)
    engine = open_engine(postgres_server.url_of(_postgres_database))
    yield engine
    engine.dispose()


def _newcomer(phone: str) -> Row:
    return {"id": next_id(), "phone": phone, "created_at": NOW}


def test_crowds_of_newcomers_in_opposite_orders_do_not_wait_in_a_ring(engine: Engine) -> None:
    """Two groups that make the same new customers and lock the same old ones: no deadlock, one row each."""
    old = [f"+1404555{number:04}" for number in range(40)]
    with writing(engine) as connection:
        for phone in old:
            new_customer(connection, phone=phone)
    start, failures = threading.Barrier(2), list[BaseException]()

    def work(backwards: bool) -> None:
        for crowd in range(6):
            phones = [f"+1405{crowd:03}{number:04}" for number in range(300)] + (old if crowd % 2 else [])
            start.wait(30)
            try:
                with writing(engine) as connection:
                    found = customers.lock_or_make(connection, phones[::-1] if backwards else phones, _newcomer)
                    assert len(found) == len(phones)
            except BaseException as error:
                failures.append(error)

    threads = [threading.Thread(target=work, args=(backwards,)) for backwards in (False, True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with writing(engine) as connection:
        assert customers.count(connection) == 6 * 300 + 40


def test_what_is_due_for_a_busy_customer_waits_for_the_next_look(engine: Engine) -> None:
    """A turn locks its customer and then cancels timers; whoever takes timers must not hold them meanwhile."""
    with writing(engine) as connection:
        busy, free = new_customer(connection), new_customer(connection)
        for each in (busy, free):
            row = {"id": next_id(), "customer_id": each}
            timers.insert(connection, [{**row, "kind": "reminder", "scope": "x", "due_at": NOW}])
            facts.insert(connection, [{**row, "name": "x", "key": str(each), "recorded_at": NOW}])
    with writing(engine) as turn:
        customers.lock_by_id(turn, [busy])
        with writing(engine) as tick:
            assert [row["customer_id"] for row in timers.take_due(tick, NOW, 9)] == [free]
            assert [row["customer_id"] for row in facts.take_due(tick, NOW, 9)] == [free]
            assert timers.cancel(turn, busy) == 1
    with writing(engine) as tick:
        assert [row["customer_id"] for row in facts.take_due(tick, NOW, 9)] == [busy]


def test_a_fact_about_a_busy_customer_does_not_wait(engine: Engine) -> None:
    """A friend who joins is noted for the referrer while the referrer's own turn goes on, and the other way round."""
    with writing(engine) as connection:
        alice, bob = new_customer(connection), new_customer(connection)
    with writing(engine) as one, writing(engine) as two:
        customers.lock_by_id(one, [alice])
        customers.lock_by_id(two, [bob])
        facts.insert(one, [{"id": next_id(), "customer_id": bob, "name": "x", "key": "1", "recorded_at": NOW}])
        facts.insert(two, [{"id": next_id(), "customer_id": alice, "name": "x", "key": "2", "recorded_at": NOW}])
