"""Fairness and thrift: campaigns take turns however slow the sender is, and what the gate stops costs nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine

from bot.catalog import Catalog
from bot.delivery import Delivery, Rate
from storage import budgets
from storage.database import reading
from tests.bot.test_delivery import Carrier, catalog, queue, states
from tests.shop import NOON, at

__all__ = ["catalog"]


def work(workers: list[Delivery], seconds: int) -> None:
    """Let the workers tick each second, one after the other."""
    for second in range(seconds):
        for worker in workers:
            worker.work(at(NOON + timedelta(seconds=second)))


def used(engine: Engine) -> Any:
    """Return how many segments the brand's day has cost."""
    with reading(engine) as conn:
        return {row.sender: row.used for row in conn.execute(budgets.budgets.select())}["*"]


@pytest.mark.parametrize(
    ("rate", "lanes", "workers"), [(1.25, 2, 1), (1.25, 3, 1), (1.25, 3, 2), (4, 3, 1), (4, 3, 2), (None, 3, 1)]
)
def test_campaigns_share_a_slow_sender(
    engine: Engine, catalog: Catalog, rate: float | None, lanes: int, workers: int
) -> None:
    """After 40 seconds each campaign has sent as much as the others, give or take one text."""
    ids = [queue(engine, 60, purpose="service", flow=f"campaign {number}") for number in range(lanes)]
    limit = Rate(rate) if rate else None
    work([Delivery(engine, catalog, Carrier(), "https://x", rate=limit) for _ in range(workers)], 40)
    sent = [states(engine, each)["sent"] for each in ids]
    assert sum(sent) >= min(40 * (rate or 1_000), 60 * lanes)
    assert max(sent) - min(sent) <= 1


def test_long_texts_get_their_turn(engine: Engine, catalog: Catalog) -> None:
    """A campaign whose texts fill the whole bucket saves up for them: one with short texts waits meanwhile."""
    long = queue(engine, 20, purpose="service", flow="long", segments=3)
    short = queue(engine, 60, purpose="service", flow="short")
    work([Delivery(engine, catalog, Carrier(), "https://x", rate=Rate(1.25))], 40)
    counts = [states(engine, each)["sent"] for each in (long, short)]
    assert min(counts) >= 10
    assert max(counts) - min(counts) <= 1


def test_a_long_answer_goes_before_short_bulk(engine: Engine, catalog: Catalog) -> None:
    """Bulk does not take the tokens away one by one that an answer waits for."""
    queue(engine, 60, purpose="service")
    delivery = Delivery(engine, catalog, Carrier(), "https://x", rate=Rate(1))
    work([delivery], 1)
    answer = queue(engine, 1, segments=3)
    work([delivery], 5)
    assert states(engine, answer) == {"sent": 1}


def test_what_the_gate_stops_costs_nothing(engine: Engine, catalog: Catalog) -> None:
    """Ten texts that come too late leave the bucket and the brand's day as they were."""
    late = queue(engine, 10, purpose="service", deadline=NOON)
    timely = queue(engine, 10, purpose="service", send_after=NOON + timedelta(milliseconds=1))
    delivery = Delivery(engine, catalog, Carrier(), "https://x", rate=Rate(5, daily=10))
    delivery.drain(at(NOON + timedelta(milliseconds=1)))
    assert states(engine, late) == {"suppressed": 10}
    assert states(engine, timely) == {"sent": 10}
    assert used(engine) == 10


def test_a_days_cap_is_kept_to_the_segment(engine: Engine, catalog: Catalog) -> None:
    """Ten of twelve are used: two more go, not five; one that is too long for the rest waits for tomorrow."""
    queue(engine, 10, purpose="service")
    delivery = Delivery(engine, catalog, Carrier(), "https://x", rate=Rate(100, daily=12))
    delivery.drain(at(NOON))
    later = NOON + timedelta(minutes=1)
    long = queue(engine, 1, purpose="service", flow="long", segments=3, send_after=later)
    short = queue(engine, 5, purpose="service", flow="short", send_after=later)
    delivery.drain(at(later))
    assert states(engine, short) == {"sent": 2, "queued": 3}
    assert states(engine, long) == {"queued": 1}
    assert used(engine) == 12
    delivery.drain(at(NOON + timedelta(days=1)))
    assert states(engine, long + short) == {"sent": 6}
