"""What is due: one customer's trouble holds up nobody else, and nothing is lost or done twice."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from bot.schedule import PUT_OFF, pause_after
from storage import due, facts, timers
from storage.database import writing
from storage.due import MOST_TROUBLES
from storage.ids import next_id
from tests.bot.test_turn import customer_id, rich, run
from tests.shop import ALICE, BOB, CHARLIE, Shop, open_shop

EVERYBODY = (ALICE, BOB, CHARLIE)


@pytest.fixture
def shop(database_url: str) -> Iterator[Shop]:
    with open_shop(database_url) as opened:
        for sender in EVERYBODY:
            opened.joined(sender)
        yield opened


def buy(shop: Shop, phone: str, key: str, amount: int = 1_000) -> None:
    """Note a purchase that nobody has handled yet."""
    row = {"customer_id": customer_id(shop, phone), "name": "purchase_recorded", "key": key}
    with writing(shop.services.engine) as conn:
        facts.insert(
            conn, [{**row, "id": next_id(), "data": {"amount_minor": amount}, "recorded_at": shop.clock.now()}]
        )


def remind(shop: Shop, phone: str, scope: str, minutes_ago: int = 1) -> None:
    """Let a reminder be due."""
    due_at = shop.clock.now() - timedelta(minutes=minutes_ago)
    row = {"customer_id": customer_id(shop, phone), "kind": "reminder", "scope": scope, "due_at": due_at}
    with writing(shop.services.engine) as conn:
        timers.insert(conn, [{**row, "id": next_id(), "flow": "survey"}])


def break_for(monkeypatch: pytest.MonkeyPatch, what: str, phone: str, trouble: type[Exception] = RuntimeError) -> None:
    """Make a step of the engine break for one customer."""
    module, _, name = what.rpartition(".")
    step = getattr(__import__(module, fromlist=[name]), name)

    def run_or_break(turn: Any, *more: Any, **options: Any) -> Any:
        if turn.customer.phone == phone:
            raise trouble
        return step(turn, *more, **options)

    monkeypatch.setattr(what, run_or_break)


def test_a_purchase_that_breaks_is_put_off_and_counted_later(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Alice's points come when the flow is mended; Bob's and Charlie's come at once; nobody's come twice."""
    for sender in EVERYBODY:
        buy(shop, sender, f"sale {sender}")
    with monkeypatch.context() as broken:
        break_for(broken, "bot.engine.proactive.earn", ALICE)
        assert shop.services.schedule.take_facts(shop.clock.now()) >= 2
        assert shop.services.schedule.take_facts(shop.clock.now()) == 0
    points = "select points from customers where phone = :phone"
    assert shop.one(points, phone=ALICE) == 60
    assert shop.one(points, phone=BOB) > 60
    assert shop.one("select purchases from customers where phone = :phone", phone=ALICE) == 0
    shop.wait(PUT_OFF + timedelta(minutes=1))
    shop.wait(PUT_OFF)
    assert shop.one(points, phone=ALICE) == shop.one(points, phone=BOB)
    assert shop.one("select count(*) from ledger where key like 'purchase:%'") == 3


@pytest.mark.parametrize("trouble", [RuntimeError, ValueError, OverflowError])
def test_timers_that_break_are_put_off_and_the_others_fire(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, trouble: type[Exception]
) -> None:
    """Two poisoned timers under one key, whatever kind of mistake it is: put off both, fire the rest."""
    shop.execute("delete from timers")
    remind(shop, ALICE, "poison", 3)
    remind(shop, ALICE, "poison", 2)
    for sender in EVERYBODY:
        remind(shop, sender, "fine")
    break_for(monkeypatch, "bot.engine.proactive._begin", ALICE, trouble)
    now = shop.clock.now()
    assert shop.services.schedule.fire_timers(now) == 2
    left = shop.rows("select customer_id, scope from timers where kind = 'reminder' order by due_at")
    assert {row["customer_id"] for row in left} == {customer_id(shop, ALICE)}
    assert [row["scope"] for row in left] == ["poison", "poison", "fine"]
    assert shop.services.schedule.fire_timers(now) == 0


def test_a_database_that_is_busy_puts_nothing_off(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """When nothing can be claimed it is nobody's fault: the tick fails, the next one takes up where it stood."""
    remind(shop, ALICE, "fine")
    with monkeypatch.context() as busy:
        busy.setattr(timers, "take_due", _explode)
        with pytest.raises(RuntimeError):
            shop.services.schedule.fire_timers(shop.clock.now())
    assert shop.services.schedule.fire_timers(shop.clock.now()) == 1


def test_two_schedulers_at_once_do_everything_once(database_url: str) -> None:
    """Ticks of two processes share timers and facts, and neither waits for the other in a ring."""
    with open_shop(database_url) as shop, open_shop(database_url) as other:
        phones = [f"+1201555{number:04}" for number in range(12)]
        for phone in phones:
            shop.joined(phone)
            for sale in range(3):
                buy(shop, phone, f"{phone} {sale}")
        run([lambda each=each: each.services.schedule.run(each.clock.now()) for each in (shop, other)] * 2)
        shop.services.schedule.take_facts(shop.clock.now())
        assert shop.one("select count(*) from ledger where key like 'purchase:%'") == 36
        assert {row["purchases"] for row in shop.rows("select purchases from customers")} == {3}


def test_texts_and_ticks_at_once_do_everything_once(database_url: str) -> None:
    """A STOP cancels the reminders that a tick in another process is about to take: no ring, no text afterwards."""
    with open_shop(database_url) as shop, open_shop(database_url) as other:
        phones = [f"+1201555{number:04}" for number in range(12)]
        for phone in phones:
            shop.joined(phone)
            remind(shop, phone, "survey")
        later = shop.clock.now() + timedelta(hours=30)
        for each in (shop, other):
            each.clock.turn_to(later)
        run([lambda: other.services.schedule.run(later), lambda: [shop.says(phone, "STOP") for phone in phones]])
        assert {row["consent"] for row in shop.rows("select consent from customers")} == {"unsubscribed"}
        assert shop.one("select count(*) from messages where state = 'queued'") == 0
        assert shop.one("select count(*) from timers where kind = 'reminder'") == 0


def lapse(shop: Shop) -> datetime:
    """Make everybody bought long ago, and return a morning on which lapsed customers are written to."""
    for sender in EVERYBODY:
        rich(shop, sender)
    shop.execute("delete from timers")
    return shop.clock.now() + timedelta(days=200)


def starts_of(shop: Shop) -> int:
    return int(shop.one("select count(*) from starts"))


def test_a_daily_start_that_dies_midway_goes_on_where_it_was(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever was started stays started once; the rest follow at the next tick."""
    morning = lapse(shop)
    monkeypatch.setattr("bot.schedule.BATCH", 1)
    started = shop.services.schedule._start_some
    calls: list[int] = []

    def die_at_the_second(*arguments: Any) -> int:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return started(*arguments)

    with monkeypatch.context() as dying:
        dying.setattr(shop.services.schedule, "_start_some", die_at_the_second)
        with pytest.raises(KeyboardInterrupt):
            shop.services.schedule.start_due(morning)
    assert starts_of(shop) == 1
    shop.services.schedule.start_due(morning)
    assert starts_of(shop) == 3
    assert shop.services.schedule.start_due(morning) == 0
    assert shop.one("select count(*) from conversations where flow = 'winback'") == 3


def test_a_daily_start_that_breaks_for_one_starts_the_others(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one for whom it broke is not noted as started, so the next occasion is hers again."""
    morning = lapse(shop)
    with monkeypatch.context() as broken:
        break_for(broken, "bot.engine.proactive._begin", ALICE)
        shop.services.schedule.start_due(morning)
    rows = shop.rows("select customer_id from starts")
    assert sorted(row["customer_id"] for row in rows) == sorted(customer_id(shop, each) for each in (BOB, CHARLIE))
    shop.services.schedule.start_due(morning + timedelta(days=1))
    assert starts_of(shop) == 3


def test_two_daily_starts_at_once_start_everybody_once(database_url: str) -> None:
    """Two processes reach the same morning."""
    with open_shop(database_url) as shop, open_shop(database_url) as other:
        for sender in EVERYBODY:
            shop.joined(sender)
        morning = lapse(shop)
        run([lambda each=each: each.services.schedule.start_due(morning) for each in (shop, other)])
        assert shop.one("select count(*) from conversations where flow = 'winback'") == 3


def test_points_that_cannot_expire_hold_up_nobody(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """A ledger that refuses one customer's entry is that customer's trouble; points expire once."""
    shop.execute("update lots set expires_at = (select min(created_at) from customers)")
    expire = shop.services.schedule._expire_lots
    alice = customer_id(shop, ALICE)

    def refuse(conn: Any, due: Any, now: datetime) -> None:
        if any(lot["customer_id"] == alice for lot in due):
            raise ValueError("no")
        expire(conn, due, now)

    monkeypatch.setattr(shop.services.schedule, "_expire_lots", refuse)
    assert shop.services.schedule.expire(shop.clock.now()) == 2
    assert shop.services.schedule.expire(shop.clock.now()) == 0
    points = {row["phone"]: row["points"] for row in shop.rows("select phone, points from customers")}
    assert points == {ALICE: 60, BOB: 0, CHARLIE: 0}
    monkeypatch.undo()
    assert shop.services.schedule.expire(shop.clock.now()) == 1
    assert shop.one("select count(*) from ledger where kind = 'expire'") == 3


def test_points_are_spent_or_expire_never_both(database_url: str) -> None:
    """A redemption in one process and expiry in another reach for the same lots."""
    with open_shop(database_url) as shop, open_shop(database_url) as other:
        phones = [f"+1201555{number:04}" for number in range(8)]
        for phone in phones:
            shop.joined(phone)
            shop.says(phone, "REDEEM")
            shop.says(phone, "1")
        shop.execute("update lots set expires_at = (select min(created_at) from customers)")
        now = shop.clock.now()
        run([lambda: [shop.says(phone, "YES") for phone in phones], lambda: other.services.schedule.expire(now)])
        other.services.schedule.expire(now)
        assert {row["points"] for row in shop.rows("select points from customers")} == {0}
        assert shop.one("select sum(points) from ledger") == 0
        gone = shop.rows("select kind from ledger where points < 0")
        assert len(gone) == 8
        assert shop.one("select count(*) from vouchers") == sum(row["kind"] == "burn" for row in gone)


def _explode(*_: object) -> None:
    raise RuntimeError("a fuse has blown")


def test_a_timer_that_never_works_is_given_up_and_can_be_retried(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pauses grow, after ten times nobody takes it any more, and a person may try it again."""
    remind(shop, ALICE, "poison")
    moments = []
    with monkeypatch.context() as broken:
        break_for(broken, "bot.engine.proactive.take_timer", ALICE)
        for _ in range(MOST_TROUBLES):
            due_at = shop.one("select due_at from timers where scope = 'poison'")
            moments.append(shop.one("select troubles from timers where scope = 'poison'"))
            assert due_at is not None
            shop.services.schedule.fire_timers(shop.clock.now())
            shop.clock.turn_to(shop.clock.now() + pause_after(moments[-1]) + timedelta(minutes=1))
        assert moments == list(range(MOST_TROUBLES))
        shop.clock.turn_to(shop.clock.now() + timedelta(days=30))
        shop.services.schedule.fire_timers(shop.clock.now())
        assert shop.one("select troubles from timers where scope = 'poison'") == MOST_TROUBLES
    with writing(shop.services.engine) as conn:
        [stuck] = [row for row in due.given_up(conn, timers.timers, 10) if row["scope"] == "poison"]
        assert stuck["phone"] == ALICE
        assert "RuntimeError" in stuck["trouble"]
        assert due.try_again(conn, timers.timers, stuck["id"], shop.clock.now())
        assert not due.try_again(conn, timers.timers, stuck["id"], shop.clock.now())
    assert shop.services.schedule.fire_timers(shop.clock.now()) >= 1
    assert shop.one("select count(*) from timers where scope = 'poison'") == 0


def test_pauses_grow_to_half_a_day(shop: Shop) -> None:
    """Five minutes, ten, twenty, and never more than twelve hours."""
    assert [pause_after(number) for number in (0, 1, 2)] == [PUT_OFF, 2 * PUT_OFF, 4 * PUT_OFF]
    assert pause_after(MOST_TROUBLES) == timedelta(hours=12)
