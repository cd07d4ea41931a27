"""Scheduled starts by each customer's own clock, after outages, and the nightly reviews."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from storage import customers, messages, switches
from storage.database import reading, writing
from storage.ids import next_id
from tests.shop import ALICE, BOB, NOON, Shop, open_shop

HONOLULU = "+18085550123"
NIGHT = datetime(2026, 3, 3, 5, 0, tzinfo=UTC)  # midnight in New York
TEN = datetime(2026, 3, 3, 15, 0, tzinfo=UTC)  # ten in the morning there
FLOW = """flow: news
title: News
kind: marketing
start:
  - schedule: {{{schedule}}}
    if: {{consent: subscribed}}
    to: told
states:
  told: {{say: {{en: Hello, es: Hola}}, final: true}}
"""
DAILY = 'every: day, at: "10:00", again_after: 20h'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the shop's flows, without those that start by themselves."""
    from bot.settings import ROOT

    target = tmp_path / "flows"
    target.mkdir()
    for path in (ROOT / "flows").glob("*.yaml"):
        text = path.read_text(encoding="utf-8")
        if not path.name.endswith(".test.yaml") and "schedule:" not in text:
            (target / path.name).write_text(text, encoding="utf-8")
    return target


@pytest.fixture
def shop(database_url: str, folder: Path) -> Iterator[Shop]:
    """A shop with two customers, one in New York and one in Hawaii."""
    (folder / "news.yaml").write_text(FLOW.format(schedule=DAILY), encoding="utf-8")
    with open_shop(database_url, flows_dir=folder) as shop:
        for phone in (ALICE, HONOLULU):
            shop.joined(phone)
        shop.execute("delete from timers")
        yield shop


def plan(shop: Shop, folder: Path, schedule: str) -> None:
    """Publish another schedule."""
    (folder / "news.yaml").write_text(FLOW.format(schedule=schedule), encoding="utf-8")
    shop.services.catalog.refresh(NOON + timedelta(days=1))


def told(shop: Shop) -> list[str]:
    """Return the numbers the flow was started for, in order."""
    return [
        row["phone"]
        for row in shop.rows("select phone from starts join customers on customers.id = customer_id order by at, phone")
    ]


def test_ten_in_the_morning_is_each_customers_own(shop: Shop) -> None:
    """New York at ten, Hawaii five hours later, nobody twice."""
    start = shop.services.schedule.start_due
    assert start(TEN - timedelta(minutes=1)) == 0
    assert start(TEN) == 1
    assert told(shop) == [ALICE]
    assert start(TEN + timedelta(hours=4, minutes=59)) == 0
    assert start(TEN + timedelta(hours=5)) == 1
    assert told(shop) == [ALICE, HONOLULU]
    assert start(TEN + timedelta(hours=6)) == 0
    assert start(TEN + timedelta(days=1)) == 1


def test_a_schedule_may_go_by_the_shops_clock(shop: Shop, folder: Path) -> None:
    """`zone: shop`: everybody at once."""
    plan(shop, folder, DAILY + ", zone: shop")
    assert shop.services.schedule.start_due(TEN) == 2


def test_a_new_address_moves_the_clock(shop: Shop) -> None:
    """Alice moves to Hawaii and is written to in her new morning."""
    shop.services.schedule.start_due(TEN - timedelta(hours=1))
    shop.execute("update customers set zone = 'Pacific/Honolulu' where phone = :phone", phone=ALICE)
    assert shop.services.schedule.start_due(TEN) == 0
    assert shop.services.schedule.start_due(TEN + timedelta(hours=5)) == 2


def test_after_an_outage_the_latest_occasion_is_caught_up_within_its_time(shop: Shop) -> None:
    """Three days lost: one text, not three; and none for a morning that is too long ago."""
    three_days_later = TEN + timedelta(days=3, hours=7)
    assert shop.services.schedule.start_due(three_days_later) == 2
    assert shop.services.schedule.start_due(three_days_later + timedelta(minutes=1)) == 0
    assert shop.services.schedule.start_due(TEN + timedelta(days=4, hours=13)) == 1  # Hawaii; New York is too late


def test_a_missed_occasion_may_be_left_out(shop: Shop, folder: Path) -> None:
    """`missed: skip`: an hour late is too late."""
    plan(shop, folder, DAILY + ", missed: skip")
    assert shop.services.schedule.start_due(TEN + timedelta(hours=1)) == 0
    assert shop.services.schedule.start_due(TEN + timedelta(days=1, minutes=1)) == 1


def test_a_caught_up_start_never_texts_into_the_night(shop: Shop, folder: Path) -> None:
    """What is started at 21:30 in New York goes out there in the morning, in Hawaii at once."""
    plan(shop, folder, DAILY + ", zone: shop")
    assert shop.services.schedule.start_due(TEN + timedelta(hours=11, minutes=30)) == 2
    rows = shop.rows("select recipient, reason from messages where purpose = 'marketing' and flow = 'news'")
    assert {row["recipient"]: row["reason"] for row in rows} == {ALICE: "quiet_hours", HONOLULU: None}


def test_a_long_start_goes_on_at_the_next_tick(shop: Shop, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One tick takes so many pages; the place is kept, also for another process."""
    plan(shop, folder, DAILY + ", zone: shop")
    monkeypatch.setattr("bot.schedule.BATCH", 1)
    monkeypatch.setattr("bot.schedule.PAGES", 1)
    shop.services.schedule.start_due(TEN - timedelta(hours=2))
    assert [shop.services.schedule.start_due(TEN) for _ in range(4)] == [1, 1, 0, 0]


def test_a_dated_start_comes_once(shop: Shop, folder: Path) -> None:
    """On 1 and 24 December, for everybody, each once."""
    plan(shop, folder, 'on: [2026-12-01, 2026-12-24], at: "10:00", zone: shop')
    first, second = (datetime(2026, 12, day, 15, 0, tzinfo=UTC) for day in (1, 24))
    start = shop.services.schedule.start_due
    assert [start(first), start(first), start(first + timedelta(days=1)), start(second)] == [2, 0, 0, 2]


def test_a_leap_day_birthday_and_one_that_comes_near(shop: Shop, folder: Path) -> None:
    """29 February is celebrated on the 28th; `by` counts back from the day."""
    shop.execute("update customers set birthday = '1992-02-29' where phone = :phone", phone=ALICE)
    shop.execute("update customers set birthday = '1990-03-10' where phone = :phone", phone=HONOLULU)
    plan(shop, folder, 'on: birthday, at: "10:00", zone: shop')
    assert shop.services.schedule.start_due(datetime(2027, 2, 28, 15, 0, tzinfo=UTC)) == 1
    assert shop.services.schedule.start_due(datetime(2028, 2, 28, 15, 0, tzinfo=UTC)) == 0
    assert shop.services.schedule.start_due(datetime(2028, 2, 29, 15, 0, tzinfo=UTC)) == 1
    plan(shop, folder, 'before: birthday, by: 7 days, at: "10:00", zone: shop')
    assert shop.services.schedule.start_due(datetime(2027, 3, 3, 15, 0, tzinfo=UTC)) == 1


def test_a_tier_lapses_after_a_warning(shop: Shop) -> None:
    """Points of more than a year ago count no more: a month of grace, then the tier they are worth."""
    run = shop.services.schedule.reviews.run
    shop.execute("update customers set tier = 'gold' where phone = :phone", phone=ALICE)
    assert run(NOON) == 1
    assert run(NOON) == 0
    row = shop.rows("select tier, tier_until from customers where phone = :phone", phone=ALICE)[0]
    assert row["tier"] == "gold"
    assert row["tier_until"] is not None
    assert shop.rows("select name from facts where name like 'tier%'") == [{"name": "tier_at_risk"}]
    run(NOON + timedelta(days=29))
    assert shop.one("select tier from customers where phone = :phone", phone=ALICE) == "gold"
    run(NOON + timedelta(days=30))
    assert shop.one("select tier from customers where phone = :phone", phone=ALICE) == "regular"
    assert shop.one("select count(*) from facts where name = 'tier_lost'") == 1


def test_old_words_are_forgotten_and_points_and_consent_stay(shop: Shop) -> None:
    """After the programme's time texts are empty but for those that prove consent; ledger and consent stay."""
    shop.says(ALICE, "BALANCE")
    before = [shop.one(f"select count(*) from {table}") for table in ("messages", "ledger", "consent_records")]  # noqa: S608
    shop.services.schedule.reviews.run(NOON + timedelta(days=700))
    assert shop.one("select count(*) from messages where body <> ''") == before[0]
    later = NOON + timedelta(days=740)
    assert shop.services.schedule.reviews.run(later) > 0
    proof = "exists (select 1 from consent_records c where c.message_id in (m.id, m.in_reply_to))"
    assert shop.one(f"select count(*) from messages m where body <> '' and not {proof}") == 0  # noqa: S608
    assert shop.one(f"select count(*) from messages m where body = '' and {proof}") == 0  # noqa: S608
    assert shop.one("select count(*) from messages where body = ''") >= 2
    assert shop.one("select count(*) from messages where explanation is not null") == 0
    after = [shop.one(f"select count(*) from {table}") for table in ("messages", "ledger", "consent_records")]  # noqa: S608
    assert after == before
    assert shop.services.schedule.reviews.forget(later) == 0


def test_who_waits_for_a_person_is_told_once(shop: Shop) -> None:
    """After four hours, one fact for each time they asked; not for a request of last week."""
    shop.says(ALICE, "HUMAN")
    remember = shop.services.schedule.reviews.remember_the_waiting
    asked = shop.clock.now()
    assert remember(asked + timedelta(hours=3)) == 0
    assert remember(asked + timedelta(hours=4, minutes=1)) == 1
    assert remember(asked + timedelta(hours=5)) == 0


def test_texts_in_flight_count_for_the_caps(shop: Shop) -> None:
    """A text that is being sent, or whose fate is unknown, is as good as sent."""
    from storage import outreach

    who = shop.one("select id from customers where phone = :phone", phone=ALICE)
    base = {"customer_id": who, "direction": "out", "sender": "+1", "recipient": ALICE, "purpose": "marketing"}
    with writing(shop.services.engine) as conn:
        messages.insert(
            conn,
            [
                {**base, "id": next_id(), "body": state, "state": state, "created_at": NOON, "sent_at": at}
                for state, at in (
                    ("sending", None),
                    ("unknown", None),
                    ("suppressed", None),
                    ("queued", None),
                    ("delivered", NOON - timedelta(days=2)),
                    ("sent", NOON - timedelta(days=31)),
                )
            ],
        )
        found = outreach.history(conn, [who], NOON)[who]
        mine = [text["id"] for text in found if text["body"] == "sending"]
        without = outreach.history(conn, [who], NOON, without=mine)[who]
        assert outreach.alone_with(conn, [who]) == {who}
    assert {(text["body"], text["at"]) for text in found} == {
        ("sending", NOON),
        ("unknown", NOON),
        ("delivered", NOON - timedelta(days=2)),
    }
    assert len(without) == 2


def test_consent_that_ends_is_known_to_the_gate(shop: Shop) -> None:
    """The newest consent record decides until when; one without an end lifts it."""
    from storage import consent

    who = shop.one("select id from customers where phone = :phone", phone=ALICE)
    record = {"customer_id": who, "status": "subscribed", "how": "import", "at": NOON}
    ends = NOON + timedelta(days=730)
    with writing(shop.services.engine) as conn:
        consent.insert(conn, [{**record, "id": next_id(), "expires_at": ends}])
        assert customers.by_ids(conn, [who])[who]["consent_expires_at"] == ends
        consent.insert(conn, [{**record, "id": next_id()}])
        assert customers.by_ids(conn, [who])[who]["consent_expires_at"] is None


def test_the_demo_begins_with_a_quiet_day(shop: Shop) -> None:
    """What came round before the switch was set is over."""
    from bot.occasions import SINCE

    with writing(shop.services.engine) as conn:
        switches.set(conn, SINCE, TEN.isoformat())
    assert shop.services.schedule.start_due(TEN + timedelta(hours=1)) == 0
    assert shop.services.schedule.start_due(TEN + timedelta(hours=5)) == 1
    with reading(shop.services.engine) as conn:
        assert switches.keys(conn, "zone:") == ["zone:America/New_York", "zone:Pacific/Honolulu"]
    assert BOB not in told(shop)
