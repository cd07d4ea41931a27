"""What the carrier's codes do beyond one message: alarms, stops, and pauses that grow."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, event

from bot import telemetry
from bot.carrier.port import Accepted, Outgoing, StatusReported
from bot.catalog import Catalog
from bot.delivery import Delivery, Statuses, stopped
from bot.errors import CarrierError
from storage.budgets import budgets
from storage.database import reading
from tests.bot.test_delivery import SHOP, Carrier, catalog, queue, states
from tests.shop import NOON, at
from tests.storage.people import stored

__all__ = ["catalog"]
OTHER = "+12015550199"


@pytest.fixture
def alarms(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """What somebody was told to look at, with the code."""
    heard: list[tuple[str, Any]] = []
    monkeypatch.setattr(telemetry, "alarm", lambda what, **more: heard.append((what, more.get("code"))))
    return heard


class Moody(Carrier):
    """Refuses with a code as long as it likes, each text or those of one sender; counts how often it was asked."""

    def __init__(self, code: int, sender: str = "") -> None:
        super().__init__()
        self.code, self.sender, self.asked, self.willing = code, sender, 0, False

    def send(self, outgoing: Outgoing) -> Accepted:
        self.asked += 1
        if not self.willing and outgoing.sender.startswith(self.sender):
            raise CarrierError(f"{self.code}: no", code=self.code, permanent=self.code != 20429)
        return super().send(outgoing)


def when_asked(workers: Sequence[Delivery], carrier: Moody, start: datetime, seconds: int) -> list[int]:
    """Let the workers tick each second and return the seconds in which the carrier was asked."""
    found = []
    for second in range(seconds):
        before = carrier.asked
        for worker in workers:
            worker.work(at(start + timedelta(seconds=second)))
        found += [second] if carrier.asked > before else []
    return found


def gaps(moments: Sequence[int]) -> Iterator[int]:
    """Return the seconds between one and the next."""
    return (after - before for before, after in itertools.pairwise(moments))


def test_the_pause_grows_with_each_refusal(engine: Engine, catalog: Catalog) -> None:
    """Eight 429s in a row take minutes, not half a minute; two workers share the pause; a success ends it."""
    queue(engine, 40, purpose="service")
    carrier = Moody(20429)
    workers = [Delivery(engine, catalog, carrier, "https://x", concurrency=1) for _ in range(2)]
    asked = when_asked(workers, carrier, NOON, 240)
    assert 7 <= len(asked) <= 12
    assert list(gaps(asked))[-1] >= 48
    assert max(gaps(asked)) <= 122
    carrier.willing = True
    later = NOON + timedelta(minutes=10)
    when_asked(workers, carrier, later, 1)
    carrier.willing = False
    queue(engine, 40, purpose="service", send_after=later)
    assert next(gaps(when_asked(workers, carrier, later + timedelta(seconds=2), 10))) <= 2


def test_refusals_under_way_count_once(engine: Engine, catalog: Catalog) -> None:
    """Sixteen requests that were open when the carrier had enough are one refusal, not sixteen."""
    queue(engine, 16)
    carrier = Moody(20429)
    Delivery(engine, catalog, carrier, "https://x", concurrency=16).drain(at(NOON))
    assert carrier.asked == 16
    with reading(engine) as conn:
        [row] = conn.execute(budgets.select())
    assert row.refusals == 1
    assert timedelta(seconds=0.5) < row.paused_until - NOON <= timedelta(seconds=1)


def test_a_full_queue_pauses_its_sender_for_minutes(engine: Engine, catalog: Catalog) -> None:
    """After 21611 the other sender goes on; this one is asked again after minutes, then after twice as many."""
    queue(engine, 20)
    others = queue(engine, 20, sender=OTHER)
    carrier = Moody(21611, SHOP)
    delivery = Delivery(engine, catalog, carrier, "https://x", concurrency=1)
    delivery.work(at(NOON))
    assert states(engine, others) == {"sent": 20}
    carrier.asked = 0
    minutes = [minute for minute in range(1, 60) if _asked(delivery, carrier, NOON + timedelta(minutes=minute))]
    assert 4 <= minutes[0] <= 5
    assert 2 <= len(minutes) <= 4
    assert sorted(gaps(minutes)) == list(gaps(minutes))


def _asked(delivery: Delivery, carrier: Moody, now: datetime) -> bool:
    before = carrier.asked
    delivery.work(at(now))
    return carrier.asked > before


def test_30007_raises_the_alarm(engine: Engine, alarms: list[tuple[str, Any]]) -> None:
    """A carrier that takes us for spam is somebody's business; nothing stops by itself."""
    queue(engine, state="sent", sid="SMspam")
    Statuses(engine).take([StatusReported("SMspam", "undelivered", "30007", None, {}, NOON)])
    assert alarms == [("filtered", "30007")]
    with reading(engine) as conn:
        assert not stopped(conn)


def test_21617_is_our_bug(engine: Engine, catalog: Catalog, alarms: list[tuple[str, Any]]) -> None:
    """A text longer than the carrier allows fails for good, and somebody hears of it."""
    [first, second] = queue(engine, 2)
    Delivery(engine, catalog, Carrier(iter(["21617"])), "https://x", concurrency=1).drain(at(NOON))
    assert alarms == [("our_bug", "21617")]
    with reading(engine) as conn:
        assert not stopped(conn)
        assert [stored(conn, each)["state"] for each in (first, second)] == ["failed", "sent"]
        assert stored(conn, first)["error_code"] == "21617"


def test_30034_stops_the_sender_only(engine: Engine, catalog: Catalog, alarms: list[tuple[str, Any]]) -> None:
    """A number that is not registered waits for somebody; the other sender goes on."""
    queue(engine, state="sent", sid="SMunregistered")
    Statuses(engine).take([StatusReported("SMunregistered", "undelivered", "30034", None, {}, NOON)])
    with reading(engine) as conn:
        assert {sender: why["code"] for sender, why in stopped(conn).items()} == {SHOP: "30034"}
    assert alarms == [("sending stopped", "30034")]
    ours, others = queue(engine, 2), queue(engine, 2, sender=OTHER)
    Delivery(engine, catalog, Carrier(), "https://x").drain(at(NOON + timedelta(hours=1)))
    assert (states(engine, ours), states(engine, others)) == ({"queued": 2}, {"sent": 2})


def test_30002_stops_everything(engine: Engine, catalog: Catalog, alarms: list[tuple[str, Any]]) -> None:
    """A suspended account sends nothing more, whoever the sender is."""
    queue(engine, state="sent", sid="SMsuspended")
    Statuses(engine).take([StatusReported("SMsuspended", "failed", "30002", None, {}, NOON)])
    with reading(engine) as conn:
        assert {sender: why["code"] for sender, why in stopped(conn).items()} == {"*": "30002"}
    assert alarms == [("sending stopped", "30002")]
    ids = queue(engine, 2) + queue(engine, 2, sender=OTHER)
    Delivery(engine, catalog, Carrier(), "https://x").drain(at(NOON + timedelta(hours=1)))
    assert states(engine, ids) == {"queued": 4}


class Hasty(Carrier):
    """Reports that a text reached no handset before its own answer has come, without our id."""

    def __init__(self, engine: Engine, code: str) -> None:
        super().__init__()
        self.engine, self.code = engine, code

    def send(self, outgoing: Outgoing) -> Accepted:
        accepted = super().send(outgoing)
        Statuses(self.engine).take([StatusReported(accepted.sid, "failed", self.code, None, {}, NOON)])
        return accepted


def test_customers_are_locked_before_their_messages(engine: Engine, catalog: Catalog) -> None:
    """What was reported before the answer came is done in the order of a callback: two never wait in a ring."""
    [identifier] = queue(engine, 1)
    said: list[str] = []
    delivery = Delivery(engine, catalog, Hasty(engine, "21610"), "https://x")
    event.listen(engine, "before_cursor_execute", lambda _c, _u, sql, *_more: said.append(sql))
    delivery.drain(at(NOON))
    with reading(engine) as conn:
        row = stored(conn, identifier)
        assert row["state"] == "failed"
        assert row["error_code"] == "21610"
    sent = next(number for number, sql in enumerate(said) if "UPDATE messages" in sql and "'sent'" in sql)
    reported = next(number for number, sql in enumerate(said) if "INSERT INTO status_log" in sql)
    assert any("FROM customers" in sql for sql in said[reported:sent])
