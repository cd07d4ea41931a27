"""A drain that takes minutes: its claims are as old as they look, and what it sends is judged by the hour it is."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Engine

from bot.carrier.port import Accepted, Outgoing
from bot.catalog import Catalog
from bot.clock import FixedClock
from bot.delivery import LEASE, Delivery
from bot.delivery.crew import Crew, Outcome
from bot.delivery.settling import settle
from storage import messages, outbox, unsettled
from storage.database import reading, writing
from storage.rows import Row
from tests.bot.test_delivery import SHOP, Carrier, catalog, queue, states
from tests.shop import NOON, at
from tests.storage.people import message, new_customer, stored

__all__ = ["catalog"]
CLOSING = datetime.fromisoformat("2026-03-02T20:00:00-05:00")


class Slow(Carrier):
    """Takes its time for each request, by the clock, while other workers look after what seems left behind."""

    def __init__(self, engine: Engine, clock: FixedClock, span: timedelta) -> None:
        super().__init__()
        self.engine, self.clock, self.span = engine, clock, span
        self.began: list[datetime] = []
        self.valid: list[timedelta | None] = []

    def send(self, outgoing: Outgoing) -> Accepted:
        self.began.append(self.clock.now())
        self.valid.append(outgoing.valid_for)
        self.clock.advance(self.span)
        settle(self.engine, self, self.clock.now())
        self.now = self.clock.now()
        return super().send(outgoing)


def test_a_drain_of_ten_minutes_sends_each_text_once(engine: Engine, catalog: Catalog) -> None:
    """What is claimed late has a new lease: another worker never takes it for something a dead one left."""
    ids = queue(engine, 20)
    clock = FixedClock(NOON)
    carrier = Slow(engine, clock, timedelta(seconds=30))
    Delivery(engine, catalog, carrier, "https://x", concurrency=1).drain(clock.now)
    assert clock.now() == NOON + timedelta(minutes=10)
    assert set(Counter(each.body for each in carrier.books).values()) == {1}
    assert states(engine, ids) == {"sent": 20}
    with reading(engine) as conn:
        sent_at = [stored(conn, identifier)["sent_at"] for identifier in ids]
    assert max(sent_at) - min(sent_at) > timedelta(minutes=8)


def test_texts_that_waited_too_long_keep_their_order(engine: Engine, catalog: Catalog) -> None:
    """What is put back because its claim grew old goes before the same customer's younger texts."""
    with writing(engine) as conn:
        person = new_customer(conn)
        for number in range(8):
            row = message(customer_id=person, sender=SHOP, body=str(number), purpose="reply", created_at=NOON,
                          send_after=NOON + timedelta(milliseconds=number))  # fmt: skip
            messages.insert(conn, [row])
    clock = FixedClock(NOON + timedelta(seconds=1))
    carrier = Slow(engine, clock, timedelta(seconds=30))
    Delivery(engine, catalog, carrier, "https://x", concurrency=1).drain(clock.now)
    assert [each.body for each in carrier.books] == [str(number) for number in range(8)]


def test_younger_texts_wait_for_one_that_is_claimed_anew() -> None:
    """Of a customer's three texts the second waited too long: the third, claimed later, does not go before it."""

    def attempt(row: Row) -> Outcome:
        return Outcome(row, "late" if row["id"] == 2 else "sent")

    rows = [{"id": number, "customer_id": number == 9} for number in (1, 2, 3, 9)]
    outcomes: list[Outcome] = []
    with Crew(attempt, 2) as crew:
        crew.give(rows)
        while crew.in_flight:
            outcomes += crew.gather()
    assert {each.row["id"]: each.result for each in outcomes} == {1: "sent", 2: "late", 3: "late", 9: "sent"}


def test_nothing_goes_out_after_closing_time(engine: Engine, catalog: Catalog) -> None:
    """A drain that began before 20:00 does not go on after it; what is left waits for the morning."""
    ids = queue(engine, 30, purpose="service")
    clock = FixedClock(CLOSING - timedelta(seconds=20))
    carrier = Slow(engine, clock, timedelta(seconds=1))
    Delivery(engine, catalog, carrier, "https://x", concurrency=2).drain(clock.now)
    assert len(carrier.began) >= 10
    assert max(carrier.began) < CLOSING
    assert states(engine, ids) == {"sent": len(carrier.began), "queued": 30 - len(carrier.began)}


def test_the_carrier_is_told_how_long_a_text_is_good_for(engine: Engine, catalog: Catalog) -> None:
    """The time that is left is counted when the text is handed over, not when the drain began."""
    queue(engine, 3, deadline=NOON + timedelta(hours=1))
    clock = FixedClock(NOON)
    carrier = Slow(engine, clock, timedelta(minutes=1))
    Delivery(engine, catalog, carrier, "https://x", concurrency=1).drain(clock.now)
    assert carrier.valid == [timedelta(minutes=minutes) for minutes in (60, 59, 58)]


@pytest.mark.parametrize("turned", [timedelta(seconds=6), timedelta(seconds=-1)])
def test_an_old_claim_is_not_handed_over(engine: Engine, catalog: Catalog, turned: timedelta) -> None:
    """A process that slept between its claim and its request lets the text be claimed anew."""
    ids = queue(engine, 1)
    moments = iter([NOON, NOON, NOON, NOON + turned])
    carrier = Carrier()
    Delivery(engine, catalog, carrier, "https://x").drain(lambda: next(moments, NOON + turned), most=1)
    assert (states(engine, ids), carrier.books) == ({"queued": 1}, [])
    Delivery(engine, catalog, carrier, "https://x").drain(at(NOON + timedelta(minutes=1)))
    assert states(engine, ids) == {"sent": 1}


def test_an_answer_about_an_older_attempt_sends_nothing_again(engine: Engine) -> None:
    """Who looked up the first attempt and comes back late does not queue the second once more."""
    queue(engine, 1)
    with writing(engine) as conn:
        [(lane, _)] = outbox.lanes(conn)
        ids = [identifier for identifier, _ in outbox.peek(conn, lane, NOON, 1)]
        outbox.take(conn, ids, NOON, LEASE)
        [first] = unsettled.stale(conn, NOON + LEASE)
        assert unsettled.send_again(conn, first, NOON + LEASE)
        outbox.take(conn, ids, NOON + LEASE, LEASE)
        unsettled.stale(conn, NOON + 2 * LEASE)
        assert not unsettled.send_again(conn, first, NOON + 2 * LEASE)
