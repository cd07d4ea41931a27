"""Delivery: each message once whatever breaks, nothing after STOP, never faster than the sender may."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, delete

from bot import telemetry
from bot.carrier.port import Accepted, Found, Outgoing, StatusReported
from bot.catalog import Catalog
from bot.delivery import Delivery, Rate, Statuses, drain, rate_of, resume, stopped
from bot.delivery.recording import record
from bot.errors import CarrierError, CarrierUnreachable, OutcomeUnknown, SettingsError
from bot.settings import ROOT
from storage import consent, customers, messages, outbox
from storage.budgets import budgets
from storage.database import reading, writing
from storage.ids import next_id
from tests.shop import NOON, at
from tests.storage.people import message, new_customer, stored

SHOP = "+12015550100"


class Died(BaseException):
    """The process was killed here."""


@dataclass
class Carrier:
    """Takes texts into its books; `faults` says what goes wrong with each request in turn."""

    faults: Iterator[str] = field(default_factory=lambda: itertools.repeat(""))
    books: list[Found] = field(default_factory=list)
    now: datetime = NOON

    def send(self, outgoing: Outgoing) -> Accepted:
        fault = next(self.faults, "")
        if fault == "die before":
            raise Died
        if fault == "unreachable":
            raise CarrierUnreachable
        if fault == "throttled":
            raise CarrierError(code=20429)
        if fault == "refused":
            raise CarrierError("21408: no", code=21408, permanent=True)
        if fault.isdigit():
            raise CarrierError(fault, code=int(fault), permanent=True)
        if fault == "lost before":
            raise OutcomeUnknown
        sid = f"SM{next_id():032x}"
        self.books.append(Found(sid, outgoing.to, outgoing.sender, outgoing.body, "sent", None, self.now))
        if fault == "die after":
            raise Died
        if fault == "lost after":
            raise OutcomeUnknown
        return Accepted(sid, "queued")

    def find(self, to: str, since: datetime) -> Sequence[Found]:
        return [each for each in self.books if each.to == to and each.at >= since]

    def listed(self, since: datetime) -> Iterator[Found]:
        return (each for each in self.books if each.at >= since)


@pytest.fixture
def catalog(engine: Engine) -> Catalog:
    """The shipped flows and programme."""
    catalog = Catalog(engine, ROOT / "flows")
    catalog.refresh(NOON)
    return catalog


def queue(engine: Engine, count: int = 1, **values: Any) -> list[int]:
    """Queue messages, each to a customer of its own."""
    ids = []
    with writing(engine) as conn:
        for number in range(count):
            person = new_customer(conn, zone="America/New_York")
            row = message(
                customer_id=person, sender=SHOP, recipient=f"+1201555{number:04}", body=f"Text {number}",
                purpose="reply", created_at=NOON, send_after=NOON, segments=1,
            ) | values  # fmt: skip
            messages.insert(conn, [row])
            ids.append(row["id"])
    return ids


def states(engine: Engine, ids: Sequence[int]) -> Counter[str]:
    """Return how many messages are in which state."""
    with reading(engine) as conn:
        return Counter(stored(conn, identifier)["state"] for identifier in ids)


faults = st.lists(
    st.sampled_from(["", "die before", "die after", "lost before", "lost after", "unreachable", "throttled"]),
    max_size=12,
)


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(faults, st.lists(st.booleans(), max_size=4), st.integers(1, 6))
def test_it_sends_each_message_once(
    engine: Engine, catalog: Catalog, story: list[str], deaths: list[bool], count: int
) -> None:
    """Whatever breaks and whenever the process dies: each message ends up in the carrier's books once.

    One that kept failing is a dead letter, and was never sent at all.
    """
    with writing(engine) as conn:
        conn.execute(delete(messages.messages))
        conn.execute(delete(budgets))
    ids = queue(engine, count)
    carrier = Carrier(iter(story))
    dying = iter(deaths)
    delivery = Delivery(engine, catalog, carrier, "https://shop.example", concurrency=3)

    def recorded(*given: Any) -> None:
        if next(dying, False):
            raise Died
        record(*given)

    original, drain.record = drain.record, recorded  # type: ignore[attr-defined]
    try:
        now = NOON
        for _ in range(60):
            carrier.now = now
            try:
                delivery.drain(at(now))
            except Died:
                delivery = Delivery(engine, catalog, carrier, "https://shop.example", concurrency=3)
            now += timedelta(minutes=1)
    finally:
        drain.record = original  # type: ignore[attr-defined]
    with reading(engine) as conn:
        ends = {row["body"]: row["state"] for row in (stored(conn, identifier) for identifier in ids)}
    assert set(ends.values()) <= {"sent", "dead"}
    assert Counter(each.body for each in carrier.books) == {body: 1 for body, end in ends.items() if end == "sent"}


def test_it_sends_nothing_after_a_stop(engine: Engine, catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who leaves while a campaign runs is in no claim after that, whatever is still queued."""
    ids = queue(engine, 150, purpose="service")
    carrier = Carrier()
    with reading(engine) as conn:
        people = [stored(conn, identifier)["customer_id"] for identifier in ids]
    left: list[str] = []
    once = iter([True])

    class Leaving(Carrier):
        def send(self, outgoing: Outgoing) -> Accepted:
            if len(self.books) >= 5 and next(once, False):
                with writing(engine) as conn:  # as a turn does it
                    customers.lock_by_id(conn, people)
                    gone = messages.suppress_pending(conn, people, "opted_out", NOON)
                    rows = [stored(conn, identifier) for identifier in gone]
                    agreed = {"status": "unsubscribed", "how": "keyword", "at": NOON}
                    consent.insert(conn, [{"id": next_id(), "customer_id": r["customer_id"], **agreed} for r in rows])
                    left.extend(row["recipient"] for row in rows)
            return super().send(outgoing)

    carrier = Leaving()
    broken: list[BaseException] = []
    monkeypatch.setattr(telemetry, "broke", lambda _what, trouble, **_more: broken.append(trouble))
    Delivery(engine, catalog, carrier, "https://shop.example", concurrency=2).drain(at(NOON))
    assert not broken
    assert left
    assert not {each.to for each in carrier.books} & set(left)
    assert states(engine, ids) == {"sent": 150 - len(left), "suppressed": len(left)}


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from([0.25, 1.0, 5.0]),
    st.lists(st.integers(1, 5), min_size=5, max_size=40),
    st.lists(st.floats(0.1, 4.0), min_size=3, max_size=12),
)
def test_it_never_sends_faster_than_the_bucket(
    engine: Engine, catalog: Catalog, rate: float, segments: list[int], waits: list[float]
) -> None:
    """In any span of time no more segments go out than the bucket holds and the time refills, one text beyond."""
    with writing(engine) as conn:
        conn.execute(delete(messages.messages))
        conn.execute(delete(budgets))
    for count in segments:
        queue(engine, 1, segments=count)
    limit = Rate(rate)
    workers = [Delivery(engine, catalog, Carrier(), "https://x", rate=limit) for _ in range(2)]
    sent: list[tuple[datetime, int]] = []
    now, before = NOON, 0
    for turn, wait in enumerate(waits):
        workers[turn % 2].drain(at(now))
        with reading(engine) as conn:
            rows = list(conn.execute(messages.messages.select().where(messages.messages.c.state == "sent")))
        total = sum(row.segments for row in rows)
        sent.append((now, total - before))
        before = total
        now += timedelta(seconds=wait)
    for i, j in itertools.combinations_with_replacement(range(len(sent)), 2):
        span = (sent[j][0] - sent[i][0]).total_seconds()
        assert sum(each for _, each in sent[i : j + 1]) <= limit.burst + span * rate + max(segments)


def test_answers_go_first_and_campaigns_take_turns(engine: Engine, catalog: Catalog) -> None:
    """A late reply overtakes bulk; of two campaigns a large one does not keep the small one waiting."""
    queue(engine, 30, purpose="service", flow="large")
    small = queue(engine, 3, purpose="service", flow="small")
    reply = queue(engine, 1)
    carrier = Carrier()
    delivery = Delivery(engine, catalog, carrier, "https://x", rate=Rate(5))
    delivery.drain(at(NOON))
    assert states(engine, reply) == {"sent": 1}
    assert states(engine, small)["sent"] >= 2
    assert len(carrier.books) <= 10


def test_a_daily_cap_lets_answers_through(engine: Engine, catalog: Catalog) -> None:
    """When the brand's day is used up bulk waits for the next one, and answers do not."""
    bulk, reply = queue(engine, 6, purpose="service"), queue(engine, 2, send_after=NOON + timedelta(minutes=1))
    delivery = Delivery(engine, catalog, Carrier(), "https://x", rate=Rate(100, daily=6))
    delivery.drain(at(NOON))
    bulk += queue(engine, 2, purpose="service", send_after=NOON + timedelta(minutes=1))
    delivery.drain(at(NOON + timedelta(minutes=1)))
    assert states(engine, bulk) == {"sent": 6, "queued": 2}
    assert states(engine, reply) == {"sent": 2}
    delivery.drain(at(NOON + timedelta(days=1)))
    assert states(engine, bulk) == {"sent": 8}


@pytest.mark.parametrize("code", ["21211", "21614", "21635"])
def test_a_bad_number_is_left_alone(engine: Engine, catalog: Catalog, code: str) -> None:
    """The number is marked and what else is pending for it is dropped."""
    [first] = queue(engine)
    with writing(engine) as conn:
        person = stored(conn, first)["customer_id"]
        second = message(customer_id=person, sender=SHOP, send_after=NOON + timedelta(days=1))
        messages.insert(conn, [second])
    Delivery(engine, catalog, Carrier(iter([code])), "https://x").drain(at(NOON))
    with reading(engine) as conn:
        row = customers.by_id(conn, person)
        assert row is not None
        assert not row["sendable"]
        assert [stored(conn, i)["state"] for i in (first, second["id"])] == ["failed", "suppressed"]


def test_an_unreachable_number_is_left_alone_after_three(engine: Engine) -> None:
    """Three texts in a row that reach no handset mark the number; a delivered one in between does not."""
    [first] = queue(engine, state="sent", sid="SMfirst")
    statuses = Statuses(engine)
    with writing(engine) as conn:
        person = stored(conn, first)["customer_id"]
        sids = [f"SM{number}" for number in range(5)]
        rows = [message(customer_id=person, sender=SHOP, state="sent", sid=sid, send_after=None) for sid in sids]
        messages.insert(conn, rows)
    codes = ["30003", "30005", None, "30006", "30003"]
    for sid, code in zip(sids, codes, strict=True):
        state = "undelivered" if code else "delivered"
        statuses.take([StatusReported(sid, state, code, None, {}, NOON)])
    with reading(engine) as conn:
        assert (customers.by_id(conn, person) or {})["sendable"]
    with writing(engine) as conn:
        messages.insert(conn, [message(customer_id=person, sender=SHOP, state="sent", sid="SM9", send_after=None)])
    statuses.take([StatusReported("SM9", "undelivered", "30004", None, {}, NOON)])
    with reading(engine) as conn:
        assert not (customers.by_id(conn, person) or {})["sendable"]


def test_wrong_credentials_stop_the_sender_and_lose_nothing(engine: Engine, catalog: Catalog) -> None:
    """After 20003 nothing is tried any more, until somebody resumes; then everything goes out."""
    ids = queue(engine, 3)
    carrier = Carrier(iter(["20003", "20003", "20003"]))
    delivery = Delivery(engine, catalog, carrier, "https://x")
    delivery.drain(at(NOON))
    with reading(engine) as conn:
        assert stopped(conn)["*"]["code"] == "20003"
    later = NOON + timedelta(hours=2)
    delivery.drain(at(later))
    assert states(engine, ids) == {"queued": 3}
    with writing(engine) as conn:
        assert resume(conn)
    delivery.drain(at(later))
    assert states(engine, ids) == {"sent": 3}


def test_a_throttled_account_pauses_all_workers(engine: Engine, catalog: Catalog) -> None:
    """After a 429 nobody claims for a moment; the message is not to blame and goes out later."""
    ids = queue(engine, 1)
    Delivery(engine, catalog, Carrier(iter(["throttled"])), "https://x").drain(at(NOON))
    more = queue(engine, 1)
    other = Delivery(engine, catalog, Carrier(), "https://x")
    assert other.drain(at(NOON)) == 0
    other.drain(at(NOON + timedelta(minutes=1)))
    assert states(engine, ids + more) == {"sent": 2}


def test_a_reply_nobody_confirmed_is_looked_up(engine: Engine, catalog: Catalog) -> None:
    """A TwiML reply without callback: found it is sent, not found it is sent again, once it is certain."""
    ids = queue(engine, 2, state="sending", send_after=None)
    carrier = Carrier()
    carrier.books.append(Found("SMx", "+12015550000", SHOP, "Text 0", "delivered", None, NOON))
    delivery = Delivery(engine, catalog, carrier, "https://x")
    for minutes in range(1, 12):
        carrier.now = NOON + timedelta(minutes=minutes)
        delivery.drain(at(carrier.now))
        if minutes < 5:
            assert len(carrier.books) == 1
    assert states(engine, ids) == {"delivered": 1, "sent": 1}
    assert Counter(each.body for each in carrier.books) == {"Text 0": 1, "Text 1": 1}


def test_a_customers_texts_keep_their_order(engine: Engine, catalog: Catalog) -> None:
    """However many threads send, one customer's texts go out one after the other."""
    with writing(engine) as conn:
        people = [new_customer(conn) for _ in range(4)]
        for number in range(40):
            person = people[number % 4]
            row = message(customer_id=person, sender=SHOP, recipient=f"+1201555{person % 10_000:04}",
                          body=str(number), purpose="reply", created_at=NOON, send_after=NOON)  # fmt: skip
            messages.insert(conn, [row])
    carrier = Carrier()
    Delivery(engine, catalog, carrier, "https://x", concurrency=8).drain(at(NOON))
    for person in people:
        own = [int(each.body) for each in carrier.books if each.to == f"+1201555{person % 10_000:04}"]
        assert len(own) >= 10
        assert own == sorted(own)


def test_a_dead_letter_can_be_retried_or_discarded(engine: Engine, catalog: Catalog) -> None:
    """What was given up is listed, goes out when asked to, or is given up for good."""
    ids = queue(engine, 2, state="dead", reason="gave up")
    with writing(engine) as conn:
        rows = outbox.dead(conn, 10)
        assert [row["id"] for row in rows] == ids
        assert outbox.retry(conn, rows[0], NOON)
        assert outbox.discard(conn, ids[1])
        assert not outbox.discard(conn, ids[0])
    Delivery(engine, catalog, Carrier(), "https://x").drain(at(NOON))
    with reading(engine) as conn:
        assert [stored(conn, i)["state"] for i in ids] == ["sent", "failed"]


def test_a_late_text_is_dropped(engine: Engine, catalog: Catalog) -> None:
    """After its deadline a message is suppressed, not sent."""
    ids = queue(engine, 1, deadline=NOON - timedelta(seconds=1))
    carrier = Carrier()
    Delivery(engine, catalog, carrier, "https://x").drain(at(NOON))
    assert (states(engine, ids), carrier.books) == ({"suppressed": 1}, [])


@pytest.mark.parametrize(
    ("words", "sender", "per_second"),
    [("", "72975", 100), ("", "+18885550100", 3), ("", SHOP, 1.25), ("", "+447700900123", 1), ("40/s", SHOP, 40),
     ("90/min", SHOP, 1.5), ("10dlc_top", SHOP, 75)],
)  # fmt: skip
def test_a_rate_is_said_in_words(words: str, sender: str, per_second: float) -> None:
    """The number says what it is, unless the setting says it better."""
    rate = rate_of(words, sender)
    assert rate is not None
    assert rate.per_second == pytest.approx(per_second)


def test_a_rate_nobody_understands_is_refused() -> None:
    """A slip in the setting is named at the start."""
    for words in ("fast", "0/s", "-1/s"):
        with pytest.raises(SettingsError):
            rate_of(words, SHOP)
    assert rate_of("unlimited", SHOP) is None
    random.seed()
