"""What all who send share: the account's open requests, and the bucket that answers to webhooks draw on too."""

from __future__ import annotations

import shutil
import threading
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine

from bot.carrier.port import Accepted, Outgoing, StatusReported
from bot.catalog import Catalog
from bot.delivery import Delivery, Rate, Statuses
from bot.settings import ROOT
from storage import budgets, customers, messages, outbox, processes
from storage.database import reading, writing
from tests.bot.test_delivery import SHOP, Carrier, queue, states
from tests.shop import NOON, at
from tests.storage.people import message, new_customer, stored


@pytest.fixture
def catalog(engine: Engine) -> Catalog:
    """The shipped flows and programme."""
    catalog = Catalog(engine, ROOT / "flows")
    catalog.refresh(NOON)
    return catalog


class Crowded(Carrier):
    """Holds requests until as many are open as there will ever be, and remembers how many that were."""

    def __init__(self, expected: int) -> None:
        super().__init__()
        self.most = 0
        self._open = 0
        self._counting = threading.Lock()
        self._together = threading.Barrier(expected)

    def send(self, outgoing: Outgoing) -> Accepted:
        with self._counting:
            self._open += 1
            self.most = max(self.most, self._open)
        self._together.wait(10)
        with self._counting:
            self._open -= 1
        return super().send(outgoing)


@pytest.mark.parametrize(("workers", "share"), [(0, 8), (1, 8), (2, 4), (3, 2), (20, 1)])
def test_the_account_is_shared_by_all_who_live(engine: Engine, catalog: Catalog, workers: int, share: int) -> None:
    """Eight open requests for the account: two workers have four each; the dead and those that send nothing none."""
    with writing(engine) as conn:
        for number in range(workers):
            _beat(conn, f"worker {number}", "worker", 3)
        _beat(conn, "web", "web", 3)
        _beat(conn, "dead", "worker", 3_600)
    ids = queue(engine, 16)
    carrier = Crowded(share)
    Delivery(engine, catalog, carrier, "https://x", concurrency=10, account_concurrency=8).drain(at(NOON))
    assert states(engine, ids) == {"sent": 16}
    assert carrier.most == share


def test_no_share_is_more_than_a_process_may(engine: Engine, catalog: Catalog) -> None:
    """A large account does not open more requests than SENDING_CONCURRENCY says."""
    queue(engine, 6)
    carrier = Crowded(3)
    Delivery(engine, catalog, carrier, "https://x", concurrency=3, account_concurrency=100).drain(at(NOON))
    assert carrier.most == 3


def test_bulk_yields_to_answers_that_went_back_at_once(engine: Engine, catalog: Catalog) -> None:
    """Ten segments in answers to webhooks leave nothing for a campaign until the bucket has filled again."""
    delivery = Delivery(engine, catalog, Carrier(), "https://x", rate=Rate(5))
    queue(engine, 1, purpose="service")
    delivery.drain(at(NOON))
    bulk = queue(engine, 10, purpose="service", send_after=NOON + timedelta(seconds=10))
    _answered(engine, NOON + timedelta(seconds=7), segments=10)
    delivery.drain(at(NOON + timedelta(seconds=10)))
    assert states(engine, bulk) == {"queued": 10}
    delivery.drain(at(NOON + timedelta(seconds=11)))
    assert states(engine, bulk)["sent"] == 5


def test_answers_count_towards_the_brands_day_once(engine: Engine, catalog: Catalog) -> None:
    """What went back with webhooks is added to the day's sum when it is noticed, and never again."""
    delivery = Delivery(engine, catalog, Carrier(), "https://x", rate=Rate(100))
    for number in range(4):
        queue(engine, 1, purpose="service", send_after=NOON)
        _answered(engine, NOON + timedelta(seconds=number * 10 + 5), segments=3)
        delivery.drain(at(NOON + timedelta(seconds=number * 10)))
    queue(engine, 1, purpose="service", send_after=NOON)
    delivery.drain(at(NOON + timedelta(minutes=1)))
    with writing(engine) as conn:
        brand = budgets.lock(conn, ["*"], {})["*"]
    assert brand["used"] == 5 + 4 * 3


def test_a_suppressed_answer_costs_nothing(engine: Engine, catalog: Catalog) -> None:
    """An answer the carrier gave itself is kept but was not sent by us."""
    delivery = Delivery(engine, catalog, Carrier(), "https://x", rate=Rate(5))
    queue(engine, 1, purpose="service")
    delivery.drain(at(NOON))
    _answered(engine, NOON + timedelta(seconds=5), segments=10, state="suppressed")
    with reading(engine) as conn:
        assert outbox.handed_over(conn, NOON, NOON + timedelta(minutes=1)) == {}


def _beat(conn: Connection, name: str, role: str, seconds_ago: int) -> None:
    at = NOON - timedelta(seconds=seconds_ago)
    values = {"role": role, "host": "here", "pid": 1, "started_at": at.isoformat()}
    processes.beat(conn, name, values, at)


def _answered(engine: Engine, at: datetime, segments: int, state: str = "sending") -> None:
    """Keep an answer that went back with a webhook's answer."""
    with writing(engine) as conn:
        person = new_customer(conn)
        asked = message(customer_id=person, direction="in", state="received", sid=f"SM{person}", send_after=None)
        messages.insert(conn, [asked])
        row = message(customer_id=person, sender=SHOP, purpose="reply", state=state, segments=segments)
        row |= {"in_reply_to": asked["id"], "created_at": at, "send_after": None}
        messages.insert(conn, [row])


def test_the_programme_says_when_a_number_is_unreachable(engine: Engine, tmp_path: Path) -> None:
    """With `unreachable_after: 1` one text that reaches no handset is enough."""
    flows = shutil.copytree(ROOT / "flows", tmp_path / "flows")
    programme = flows / "programme.yaml"
    strict = programme.read_text(encoding="utf-8").replace(
        "  marketing_per_day", "  unreachable_after: 1\n  marketing_per_day"
    )
    programme.write_text(strict, encoding="utf-8")
    catalog = Catalog(engine, flows)
    catalog.refresh(NOON)
    [first] = queue(engine, state="sent", sid="SMfirst")
    report = StatusReported("SMfirst", "undelivered", "30003", first, {}, NOON)
    Statuses(engine).take([report])
    assert _sendable(engine, first)
    [second] = queue(engine, state="sent", sid="SMsecond")
    Statuses(engine, catalog).take([replace(report, sid="SMsecond", message_id=second)])
    assert not _sendable(engine, second)


def _sendable(engine: Engine, message_id: int) -> bool:
    with reading(engine) as conn:
        row = customers.by_id(conn, stored(conn, message_id)["customer_id"])
    assert row is not None
    return bool(row["sendable"])
