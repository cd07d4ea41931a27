"""Wake-ups: they come after the commit, wait for nobody, and losing one is harmless."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import Engine

from bot.broker import QUEUE, TASK, CeleryBroker, Coalesced, Kind, NoBroker, open_broker
from bot.engine.events import FactRecorded
from bot.errors import SettingsError
from bot.settings import ROLES
from bot.workers import TICKS, Ticking
from storage import processes
from storage.database import after_commit, reading, writing
from storage.ids import next_id
from tests.shop import ALICE, BOB, NOON, Shop, open_shop
from tests.storage.people import NOW, new_customer


class Heard:
    """A broker that remembers who was woken, and what was committed by then."""

    def __init__(self) -> None:
        self.wakes: list[tuple[Kind, str]] = []

    def wake(self, kind: Kind, key: str) -> None:
        self.wakes.append((kind, key))


@pytest.fixture
def shop(database_url: str) -> Iterator[Shop]:
    with open_shop(database_url) as shop:
        yield shop


def test_it_wakes_nobody_for_an_answer_that_goes_back_at_once(shop: Shop) -> None:
    """The reply stands in the answer: no worker has anything to do with it."""
    shop.services.turns.broker = heard = Heard()  # type: ignore[assignment]
    shop.says(ALICE, "HELP")
    assert heard.wakes == []


def test_it_wakes_a_sender_for_what_an_event_queued(shop: Shop) -> None:
    """A purchase thanks the customer by the outbox; whoever sends is woken, by the customer's id."""
    shop.joined(ALICE)
    shop.joined(BOB)
    who = shop.one("select id from customers where phone = :phone", phone=ALICE)
    shop.services.turns.broker = heard = Heard()  # type: ignore[assignment]
    fact = FactRecorded(next_id(), "purchase_recorded", who, NOON, {"amount_minor": 5_000, "order": "A1"})
    shop.services.turns.take([fact], NOON)
    queued = shop.one("select count(*) from messages where state = 'queued' and send_after <= :now", now=NOON)
    assert {key for _, key in heard.wakes} <= {str(who)}
    assert bool(queued) == (("outbox", str(who)) in heard.wakes)


def test_a_rollback_forgets_what_was_to_be_said(engine: Engine) -> None:
    """What is said after a commit is never said of rows that are not there."""
    said: list[str] = []

    def break_off() -> None:
        with writing(engine) as conn:
            after_commit(conn, lambda: said.append("lost"))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        break_off()
    with writing(engine) as conn:
        after_commit(conn, lambda: said.append("kept"))
        assert said == []
    assert said == ["kept"]


def test_no_broker_is_asked_for_nothing() -> None:
    """Without BROKER_URL everything is found by ticks."""
    broker = open_broker("")
    assert isinstance(broker, NoBroker)
    broker.wake("outbox", "1")
    broker.close()


@pytest.mark.parametrize("url", ["localhost:6379", "http://queue", "sqs://"])
def test_it_names_a_broker_url_it_cannot_use(url: str) -> None:
    """A mistake in a setting is said at start, not found in a queue."""
    with pytest.raises(SettingsError, match="BROKER_URL"):
        open_broker(url)


def test_a_wake_up_is_a_small_json_message() -> None:
    """Kind and key, once for each however often it was said, and gone after a minute."""
    broker = CeleryBroker("memory://wake-up-test")
    for _ in range(5):
        broker.wake("outbox", "7")
    with broker._app.connection_for_read() as connection:
        queue = connection.SimpleQueue(QUEUE)
        found = [queue.get(timeout=5)]
        broker.close()
        while queue.qsize():
            found.append(queue.get(timeout=1))
        queue.close()
    assert 1 <= len(found) <= 5
    for message in found:
        assert message.content_type == "application/json"
        assert message.headers["task"] == TASK
        assert message.headers["expires"] is not None
        assert message.headers["ignore_result"] is True
        assert json.loads(message.body)[0] == ["outbox", "7"]


def test_a_broker_that_is_away_holds_nobody_up() -> None:
    """Nothing listens there: waking returns at once, and does not raise."""
    broker = open_broker("redis://127.0.0.1:9/0")
    started = time.perf_counter()
    for number in range(2_000):
        broker.wake("outbox", str(number))
    assert time.perf_counter() - started < 2  # a connection tried for each would take far longer
    broker.close()


def test_many_who_ask_at_once_share_a_run() -> None:
    """Whoever asks while the job runs gets one more run after it, not one each."""
    runs, begun, go_on = [], threading.Event(), threading.Event()

    def job() -> None:
        runs.append(1)
        begun.set()
        go_on.wait(5)

    together = Coalesced(job)
    first = threading.Thread(target=together)
    first.start()
    begun.wait(5)
    for _ in range(50):
        together()
    go_on.set()
    first.join(5)
    assert len(runs) == 2


def test_every_role_knows_its_ticks() -> None:
    """All of it happens in the embedded process; each tick has a role of its own elsewhere; the web only looks."""
    of = {role: {name for name, tick in TICKS.items() if role in tick.roles} for role in ROLES}
    assert of["all"] == set(TICKS)
    assert of["worker"] | of["scheduler"] == set(TICKS)
    assert of["web"] == {"flows"}


def test_a_wake_up_is_work_for_those_who_do_it(shop: Shop) -> None:
    """A worker that is woken looks at once; a kind it does not know is none of its business."""
    ticking = Ticking(shop.services)
    looked: list[str] = []
    ticking._jobs = {"deliver": Coalesced(lambda: looked.append("deliver"))}
    ticking.wake("outbox", "1")
    ticking.wake("facts", "1")
    assert looked == ["deliver"]


def test_processes_are_known_by_their_heartbeats(engine: Engine) -> None:
    """One that ends says so; one that was killed falls silent, and is forgotten after a day."""
    about = {"role": "worker", "host": "here", "pid": 7, "started_at": NOW.isoformat()}
    with writing(engine) as conn:
        for name in ("worker:here:7:a", "worker:here:8:b"):
            processes.beat(conn, name, about, NOW)
        processes.beat(conn, "worker:here:7:a", about, NOW + timedelta(seconds=15))
        new_customer(conn)
    with reading(engine) as conn:
        first, second = processes.known(conn)
    later = NOW + timedelta(seconds=25)
    assert (first.name, first.alive(later), second.alive(later)) == ("worker:here:7:a", True, False)
    with writing(engine) as conn:
        processes.gone(conn, first.name)
        processes.forget_dead(conn, NOW + timedelta(hours=23))
        assert [each.name for each in processes.known(conn)] == [second.name]
        processes.forget_dead(conn, NOW + timedelta(hours=25))
        assert processes.known(conn) == []


def test_one_scheduler_leads_and_another_follows(engine: Engine) -> None:
    """The lock is the connection's: whoever loses it has lost the lead. On SQLite there is only one process."""
    apart = engine.execution_options(isolation_level="AUTOCOMMIT")
    first, second = apart.connect(), apart.connect()
    try:
        alone = engine.dialect.name == "sqlite"
        assert processes.try_to_lead(first)
        assert processes.try_to_lead(second) is alone
        first.invalidate()
        first.close()
        if not alone:
            assert _leads_soon(second)
    finally:
        second.invalidate()
        second.close()


def _leads_soon(connection: object) -> bool:
    """The server notices a closed connection within moments."""
    return any(processes.try_to_lead(connection) for _ in range(2_000))  # type: ignore[arg-type]
