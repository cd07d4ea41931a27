"""The audit log: found by person, action, customer and day, taken out as a table, let go when its time is over."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy.exc import IntegrityError

from bot.desk import accounts, auditing
from bot.desk.actor import Actor, note
from bot.desk.auditing import NOBODY, Wanted
from storage import audit, customers
from storage.database import reading, writing
from storage.ids import next_id
from tests.shop import ALICE, NOON, Shop, open_shop

NEW_YORK = ZoneInfo("America/New_York")
OPERATOR = Actor(None, "command line", "admin")


@pytest.fixture
def shop(database_url: str) -> Iterator[Shop]:
    """A shop with Mia and Sam on its staff."""
    with open_shop(database_url) as opened:
        yield opened


def hired(shop: Shop, name: str) -> Actor:
    with writing(shop.services.engine) as conn:
        staff_id = accounts.add(conn, OPERATOR, f"{name.lower()}@example.com", name, "manager", shop.clock.now())
    return Actor(staff_id, name, "manager", "192.0.2.7")


def does(shop: Shop, actor: Actor, action: str, customer_id: int | None = None, **detail: Any) -> None:
    with writing(shop.services.engine) as conn:
        note(conn, actor, action, shop.clock.now(), customer_id, **detail)


def found(shop: Shop, **wanted: Any) -> list[str]:
    """Return the actions that a filter finds."""
    with reading(shop.services.engine) as conn:
        return [row["action"] for row in auditing.find(conn, Wanted(**wanted), NEW_YORK)]


def test_it_finds_by_person_action_customer_and_day(shop: Shop) -> None:
    """Each filter narrows the list; the newest stand first."""
    mia, sam = hired(shop, "Mia"), hired(shop, "Sam")
    shop.says(ALICE, "JOIN")
    alice = shop.one("SELECT id FROM customers")
    does(shop, mia, "points.adjusted", alice, points=50)
    shop.wait(timedelta(days=2))
    does(shop, sam, "customer.viewed", alice)
    does(shop, sam, "points.reversed")
    assert found(shop, person="mia") == ["points.adjusted"]
    assert found(shop, person=str(sam.staff_id)) == ["points.reversed", "customer.viewed"]
    assert found(shop, person="SAM@EXAMPLE") == ["points.reversed", "customer.viewed"]
    assert found(shop, person="nobody called so") == []
    assert found(shop, person=NOBODY) == ["staff.added", "staff.added"]
    assert found(shop, action="points") == ["points.reversed", "points.adjusted"]
    assert found(shop, action="points.adjusted") == ["points.adjusted"]
    assert found(shop, customer_id=alice) == ["customer.viewed", "points.adjusted"]
    assert found(shop, first_day=date(2026, 3, 3)) == ["points.reversed", "customer.viewed"]
    assert found(shop, last_day=date(2026, 3, 2), action="points") == ["points.adjusted"]
    assert found(shop, first_day=date(2026, 3, 3), last_day=date(2026, 3, 3)) == []


def test_days_are_the_shops(shop: Shop) -> None:
    """An entry of 11 p.m. in New York belongs to that day, though UTC writes the next."""
    shop.wait(timedelta(hours=11))  # 23:00 in New York, 04:00 UTC
    does(shop, OPERATOR, "shop.closed")
    assert found(shop, first_day=date(2026, 3, 2), last_day=date(2026, 3, 2)) == ["shop.closed"]
    assert found(shop, first_day=date(2026, 3, 3)) == []
    assert found(shop, last_day=date.max) == ["shop.closed"]


def test_it_knows_which_actions_there_are(shop: Shop) -> None:
    """The filter offers what the log holds."""
    for action in ("b.done", "a.done", "b.done", "c.done"):
        does(shop, OPERATOR, action)
    with reading(shop.services.engine) as conn:
        assert audit.actions(conn) == ["a.done", "b.done", "c.done"]


def test_a_table_cannot_run_anything(shop: Shop) -> None:
    """Names that look like formulas are words in the table; ids stay whole."""
    does(shop, replace(OPERATOR, name="=HYPERLINK(1)"), "points.adjusted", 382813234847373954, reason="+1")
    heads, row = list(csv.reader(auditing.table(shop.services.engine, Wanted(), NEW_YORK)))
    cells = dict(zip(heads, row, strict=True))
    assert cells["who"] == "'=HYPERLINK(1)"
    assert cells["customer_id"] == "382813234847373954"
    assert cells["at"] == "2026-03-02T12:00:00-05:00"
    assert cells["detail"] == "reason +1"


def test_a_table_goes_on_over_pages(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many entries there are, each is in the table once, the newest first."""
    monkeypatch.setattr(auditing, "_BATCH", 3)
    for number in range(10):
        does(shop, OPERATOR, f"n.{number}")
    rows = list(csv.DictReader(auditing.table(shop.services.engine, Wanted(), NEW_YORK)))
    assert [row["action"] for row in rows] == [f"n.{number}" for number in reversed(range(10))]


def test_it_lets_go_of_what_is_old_enough(shop: Shop) -> None:
    """After AUDIT_KEEP_DAYS an entry may be deleted, not earlier; 0 keeps everything."""
    does(shop, OPERATOR, "old.done")
    shop.wait(timedelta(days=700))
    does(shop, OPERATOR, "young.done")
    engine, settings = shop.services.engine, shop.services.settings
    assert settings.audit_keep_days == 730
    assert auditing.forget(engine, settings, shop.clock.now()) == 0
    shop.wait(timedelta(days=31))
    assert auditing.forget(engine, replace(settings, audit_keep_days=0), shop.clock.now()) == 0
    assert auditing.forget(engine, settings, shop.clock.now()) == 1
    assert found(shop) == ["young.done"]
    shop.wait(timedelta(days=800))
    assert auditing.forget(engine, settings, shop.clock.now()) == 1
    assert auditing.forget(engine, settings, shop.clock.now()) == 0


def test_what_must_stay_cannot_be_deleted(shop: Shop) -> None:
    """The log refuses to lose an entry that retention did not name, and to be changed at all."""
    does(shop, OPERATOR, "a.done")
    with pytest.raises(IntegrityError, match="append-only"):
        shop.execute("DELETE FROM audit_log")
    with pytest.raises(IntegrityError, match="append-only"):
        shop.execute("UPDATE audit_log SET who = 'nobody'")


def test_it_shows_numbers_only_of_customers_who_are_there(shop: Shop) -> None:
    """An entry about somebody erased names nobody."""
    engine = shop.services.engine
    with writing(engine) as conn:
        customers.insert_missing(
            conn,
            [
                {"id": next_id(), "phone": ALICE, "created_at": NOON},
                {"id": next_id(), "phone": "erased:0123", "created_at": NOON},
            ],
        )
    ids = [row["id"] for row in shop.rows("SELECT id FROM customers ORDER BY id")]
    for identifier in (*ids, None):
        does(shop, OPERATOR, "customer.viewed", identifier)
    with reading(engine) as conn:
        assert auditing.numbers(conn, audit.find(conn)) == {ids[0]: ALICE}


@pytest.mark.parametrize(
    ("detail", "words"),
    [
        ({}, ""),
        ({"points": 50, "for_whom": None}, "points 50"),
        ({"before": ["a", "b"], "rows": {"ledger": 2}}, "before a, b, rows (ledger 2)"),
    ],
)
def test_details_are_one_line(detail: dict[str, Any], words: str) -> None:
    """Whatever was noted is told in words."""
    assert auditing.told(detail) == words
