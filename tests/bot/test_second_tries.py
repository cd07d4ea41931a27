"""What could not be delivered for a passing reason is sent once more, while it is of use, and counts once."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, select

from bot.carrier.port import StatusReported
from bot.catalog import Catalog
from bot.delivery import Delivery, Statuses
from bot.delivery.codes import AGAIN_AFTER
from storage import customers, messages
from storage.database import reading, writing
from storage.rows import Row, all_rows
from tests.bot.test_delivery import Carrier, catalog
from tests.shop import NOON
from tests.storage.people import message, new_customer

__all__ = ["catalog"]
DAY = timedelta(days=1)


class Desk:
    """One customer, a delivery, and the carrier's word about what became of a text."""

    def __init__(self, engine: Engine, catalog: Catalog) -> None:
        self.engine, self.carrier, self.now = engine, Carrier(), NOON
        self.delivery = Delivery(engine, catalog, self.carrier, "https://x")
        self.statuses = Statuses(engine, catalog)
        with writing(engine) as conn:
            consent = {"consent": "subscribed", "zone": "America/New_York"}
            self.person = new_customer(conn, phone="+12015550111", **consent)

    def send(self, **values: Any) -> Row:
        """Send a text and return its row."""
        row = message(
            customer_id=self.person, recipient="+12015550111", created_at=self.now, send_after=self.now,
            deadline=self.now + DAY,
        ) | values  # fmt: skip
        with writing(self.engine) as conn:
            messages.insert(conn, [row])
        self.drain()
        return next(each for each in self.rows() if each["id"] == row["id"])

    def fails(self, row: Row, code: str) -> None:
        """The carrier says, twice, that a text was not delivered."""
        report = StatusReported(row["sid"], "undelivered", code, row["id"], {}, self.now)
        self.statuses.take([report])
        self.statuses.take([report])

    def drain(self, later: timedelta = timedelta()) -> None:
        self.now += later
        self.carrier.now = self.now
        self.delivery.drain(lambda: self.now)

    def rows(self) -> list[Row]:
        with reading(self.engine) as conn:
            return all_rows(conn.execute(select(messages.messages).order_by(messages.messages.c.id)))

    def again(self) -> list[Row]:
        """Return the second tries."""
        return [row for row in self.rows() if row["retry_of"] is not None]


@pytest.fixture
def desk(engine: Engine, catalog: Catalog) -> Desk:
    return Desk(engine, catalog)


@pytest.mark.parametrize("purpose", ["service", "marketing"])
@pytest.mark.parametrize("code", sorted(AGAIN_AFTER))
def test_a_passing_failure_is_tried_again_once(desk: Desk, code: str, purpose: str) -> None:
    """However often it is reported; after a while, past the rule against saying things twice; and only once."""
    first = desk.send(purpose=purpose)
    desk.fails(first, code)
    desk.drain(AGAIN_AFTER[code] - timedelta(minutes=1))
    assert len(desk.carrier.books) == 1
    desk.drain(timedelta(minutes=1))
    [second] = desk.again()
    assert (second["retry_of"], second["state"], second["body"]) == (first["id"], "sent", first["body"])
    assert len(desk.carrier.books) == 2
    desk.fails(second, code)
    desk.drain(timedelta(hours=3))
    assert len(desk.again()) == 1
    assert len(desk.carrier.books) == 2


@pytest.mark.parametrize("code", ["30004", "30005", "30006", "30007"])
def test_a_lasting_failure_is_not_tried_again(desk: Desk, code: str) -> None:
    """Blocked, unknown, a landline, spam: a second try changes nothing."""
    desk.fails(desk.send(), code)
    assert desk.again() == []


@pytest.mark.parametrize(
    "values",
    [{"deadline": NOON + timedelta(minutes=30)}, {"deadline": None}, {"purpose": "reply"},
     {"purpose": "opt_out_confirmation"}],
)  # fmt: skip
def test_what_is_of_no_use_any_more_is_not_tried_again(desk: Desk, values: dict[str, Any]) -> None:
    """Whose deadline comes before the second try, and whatever answers a text."""
    desk.fails(desk.send(**values), "30008")
    assert desk.again() == []


def test_who_left_meanwhile_gets_no_second_try(desk: Desk) -> None:
    """The gate decides anew, as about every text."""
    desk.fails(desk.send(), "30003")
    with writing(desk.engine) as conn:
        customers.change(conn, [(desk.person, {"consent": "unsubscribed"})])
    desk.drain(timedelta(hours=2))
    assert [(row["state"], row["reason"]) for row in desk.again()] == [("suppressed", "opted_out")]


def test_both_tries_count_once_for_the_caps(desk: Desk) -> None:
    """One marketing text a day: its second try goes out, and the next text waits a day from that one."""
    desk.fails(desk.send(purpose="marketing"), "30008")
    desk.drain(timedelta(hours=1))
    [second] = desk.again()
    assert second["state"] == "sent"
    sent_at: datetime = second["sent_at"]
    other = desk.send(purpose="marketing", body="Another", deadline=desk.now + 3 * DAY)
    assert other["state"] == "queued"
    assert other["send_after"] == sent_at + DAY
    desk.drain(DAY)
    assert [each.body for each in desk.carrier.books] == ["Hello", "Hello", "Another"]


def test_a_text_and_its_second_try_are_one_failure(desk: Desk) -> None:
    """Three texts that reach nobody silence a number, not two texts of which one was tried twice."""
    desk.fails(desk.send(), "30003")
    desk.drain(timedelta(hours=2))
    desk.fails(desk.again()[0], "30003")
    desk.fails(desk.send(body="Another"), "30003")
    with reading(desk.engine) as conn:
        assert (customers.by_id(conn, desk.person) or {})["sendable"]


@pytest.mark.parametrize("told", ["by the look-up", "before the look-up"])
def test_what_is_learnt_by_a_look_up_counts_as_well(desk: Desk, told: str) -> None:
    """The answer to the send was lost, and the callback lost or early: the carrier's books say that it failed."""
    desk.carrier.faults = iter(["lost after"])
    row = desk.send()
    taken = desk.carrier.books[-1]
    if told == "by the look-up":
        desk.carrier.books[-1] = replace(taken, state="undelivered", error_code="30001")
    else:
        desk.statuses.take([StatusReported(taken.sid, "undelivered", "30001", None, {}, desk.now)])
    for _ in range(3):
        desk.drain(timedelta(minutes=1))
    [failed, again] = desk.rows()
    assert (failed["id"], failed["state"], failed["error_code"]) == (row["id"], "undelivered", "30001")
    assert (again["retry_of"], again["state"]) == (row["id"], "queued")
