"""Points, lots, stock and vouchers, alone and when many want them at once."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from storage import customers, loyalty, stock, vouchers
from storage.database import reading, writing
from storage.errors import KnownKey, NotEnoughPoints, Stale
from storage.ids import next_id
from tests.storage.people import NOW, customer, new_customer


def _entry(connection: Connection, customer_id: int, kind: str, points: int, **values: Any) -> int:
    """Append one entry and return its id."""
    row = {"id": next_id(), "customer_id": customer_id, "kind": kind, "points": points, "at": NOW, **values}
    row.setdefault("key", f"{kind} {row['id']}")
    loyalty.insert_entries(connection, [row])
    return int(row["id"])


def earn(connection: Connection, customer_id: int, points: int, days: int | None = None, **values: Any) -> int:
    """Add points in a lot of their own, which expires in `days`."""
    expires_at = None if days is None else NOW + timedelta(days=days)
    entry_id = _entry(connection, customer_id, "earn", points, expires_at=expires_at, **values)
    lot = {"entry_id": entry_id, "customer_id": customer_id, "remaining": points, "expires_at": expires_at}
    loyalty.insert_lots(connection, [lot])
    return entry_id


def spend(connection: Connection, customer_id: int, points: int, kind: str = "burn", **values: Any) -> str:
    """Take points from the lots that expire first; return the entry's key. Raises NotEnoughPoints."""
    left, uses, used = points, [], {}
    for lot in loyalty.lots_of(connection, [customer_id]).get(customer_id, []):
        take = min(left, lot.remaining)
        if take:
            uses.append((lot.entry_id, lot.remaining, lot.remaining - take))
            used[str(lot.entry_id)] = take
            left -= take
    if left:
        raise NotEnoughPoints
    key = values.pop("key", f"{kind} {next_id()}")
    _entry(connection, customer_id, kind, -points, key=key, lots=used, **values)
    loyalty.use_lots(connection, uses)
    return str(key)


def reverse(connection: Connection, customer_id: int, key: str) -> None:
    """Take a burn back, once: its points return to the lots they came from."""
    burnt = loyalty.by_key(connection, key)
    assert burnt is not None
    _entry(connection, customer_id, "reverse", -burnt["points"], key=f"undo {key}", reverses=key)
    for lot_id, points in burnt["lots"].items():
        loyalty.refill_lot(connection, int(lot_id), points)


def expire(connection: Connection, days: int) -> None:
    """Expire every lot whose day has come."""
    for lot in loyalty.expired_lots(connection, NOW + timedelta(days=days), 100):
        used = {str(lot["entry_id"]): lot["remaining"]}
        key = f"expire {lot['entry_id']} {lot['remaining']}"
        _entry(connection, lot["customer_id"], "expire", -lot["remaining"], key=f"{key} {next_id()}", lots=used)
        loyalty.use_lots(connection, [(lot["entry_id"], lot["remaining"], 0)])


def assert_true(connection: Connection, *customer_ids: int) -> None:
    """The balance is the sum of the ledger and of what the lots hold, and never negative."""
    lots = loyalty.lots_of(connection, customer_ids)
    for customer_id in customer_ids:
        balance = customer(connection, customer_id)["points"]
        assert balance == sum(entry["points"] for entry in loyalty.entries_of(connection, customer_id))
        assert balance == sum(lot.remaining for lot in lots.get(customer_id, []))
        assert balance >= 0


steps = st.lists(
    st.one_of(
        st.tuples(st.just("earn"), st.integers(1, 100), st.sampled_from([None, 1, 5, 30])),
        st.tuples(st.just("burn"), st.integers(1, 120), st.none()),
        st.tuples(st.just("adjust"), st.integers(-30, 30).filter(bool), st.none()),
        st.tuples(st.just("expire"), st.integers(0, 40), st.none()),
        st.tuples(st.just("reverse"), st.integers(0, 5), st.none()),
        st.tuples(st.just("again"), st.integers(0, 5), st.none()),
    ),
    max_size=14,
)


def _step(connection: Connection, customer_id: int, step: tuple[str, int, int | None], burns: list[str]) -> None:
    kind, number, days = step
    if kind == "earn":
        earn(connection, customer_id, number, days)
    elif kind == "burn":
        burns.append(spend(connection, customer_id, number))
    elif kind == "adjust" and number > 0:
        earn(connection, customer_id, number)
    elif kind == "adjust":
        spend(connection, customer_id, -number, "adjust")
    elif kind == "expire":
        expire(connection, number)
    elif burns and kind == "reverse":
        reverse(connection, customer_id, burns[number % len(burns)])
    elif burns:
        spend(connection, customer_id, 1, key=burns[number % len(burns)])


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps)
def test_it_keeps_balance_ledger_and_lots_equal(engine: Engine, story: list[tuple[str, int, int | None]]) -> None:
    """After any story of earning, burning, adjusting, expiring, taking back and repeating, the sums agree."""
    with engine.connect() as connection, connection.begin() as transaction:
        alice, bob = new_customer(connection), new_customer(connection)
        earn(connection, bob, 7)
        burns: list[str] = []
        for step in story:
            try:
                with connection.begin_nested():
                    _step(connection, alice, step, burns)
            except (NotEnoughPoints, KnownKey):
                pass
            assert_true(connection, alice, bob)
        transaction.rollback()


def test_it_spends_what_expires_first(engine: Engine) -> None:
    """Lots come in the order of their end, those without an end last, and of their age."""
    with writing(engine) as connection:
        alice = new_customer(connection)
        never, late, soon, soon_too = (earn(connection, alice, 10, days) for days in (None, 30, 1, 1))
        key = spend(connection, alice, 25)
        order = [lot.entry_id for lot in loyalty.lots_of(connection, [alice, 404])[alice]]
        burnt = loyalty.by_key(connection, key)
        assert burnt is not None
        assert burnt["lots"] == {str(soon): 10, str(soon_too): 10, str(late): 5}
        reverse(connection, alice, key)
        restored = loyalty.lots_of(connection, [alice])[alice]
    assert order == [late, never]
    assert [(lot.entry_id, lot.remaining) for lot in restored] == [(i, 10) for i in (soon, soon_too, late, never)]
    assert restored[0].expires_at == NOW + timedelta(days=1)


def test_it_notices_lots_that_changed(engine: Engine) -> None:
    """Using a lot that is not what was read any more, or refilling one that is not there, is Stale."""
    with writing(engine) as connection:
        alice = new_customer(connection)
        first, second = earn(connection, alice, 10), earn(connection, alice, 10)
    with pytest.raises(Stale), writing(engine) as connection:
        loyalty.use_lots(connection, [(first, 10, 3), (second, 9, 2)])
    with pytest.raises(Stale), writing(engine) as connection:
        loyalty.refill_lot(connection, 404, 5)
    with reading(engine) as connection:
        assert [lot.remaining for lot in loyalty.lots_of(connection, [alice])[alice]] == [10, 10]


def test_it_sums_what_counts_for_tiers(engine: Engine) -> None:
    """Qualifying points since a day, for several customers at once."""
    with writing(engine) as connection:
        alice, bob = new_customer(connection), new_customer(connection)
        earn(connection, alice, 5, qualifying=5, at=NOW - timedelta(days=400))
        earn(connection, alice, 7, qualifying=7)
        earn(connection, alice, 9, qualifying=2)
        found = loyalty.qualifying_since(connection, [alice, bob], NOW - timedelta(days=365))
    assert found == {alice: 9}


def _together(count: int, work: Callable[[int], None]) -> None:
    """Run `work` in several threads that start at the same moment; re-raise what went wrong."""
    gate, trouble = threading.Barrier(count), []

    def run(number: int) -> None:
        gate.wait()
        try:
            work(number)
        except Exception as error:
            trouble.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if trouble:
        raise trouble[0]


def test_it_never_overspends(engine: Engine) -> None:
    """Eight threads burn at random under the customer's lock: the balance ends at what they took, never below 0."""
    with writing(engine) as connection:
        alice = new_customer(connection)
        for days in (1, 5, None):
            earn(connection, alice, 100, days)
    taken: list[int] = []

    def burn(number: int) -> None:
        chance = random.Random(number)
        for _ in range(12):
            points = chance.randint(1, 30)
            try:
                with writing(engine) as connection:
                    customers.lock_by_id(connection, [alice])
                    spend(connection, alice, points)
            except NotEnoughPoints:
                continue
            taken.append(points)

    _together(8, burn)
    with reading(engine) as connection:
        assert_true(connection, alice)
        assert customer(connection, alice)["points"] == 300 - sum(taken)


def test_it_never_overspends_even_without_the_lock(engine: Engine) -> None:
    """Threads that forget to lock still cannot burn more than there is: the schema itself refuses."""
    with writing(engine) as connection:
        alice = new_customer(connection)
        _entry(connection, alice, "earn", 100)
    taken: list[int] = []

    def burn(_number: int) -> None:
        for _ in range(10):
            try:
                with writing(engine) as connection:
                    _entry(connection, alice, "burn", -7)
            except NotEnoughPoints:
                return
            taken.append(7)

    _together(8, burn)
    with reading(engine) as connection:
        assert sum(taken) == 98
        assert customer(connection, alice)["points"] == 2


def test_it_gives_one_key_once_to_many(engine: Engine) -> None:
    """Eight threads with the same idempotency key: one entry, one lot, the points once."""
    with writing(engine) as connection:
        alice = new_customer(connection)
    refused: list[Exception] = []

    def award(_number: int) -> None:
        try:
            with writing(engine) as connection:
                earn(connection, alice, 50, key="welcome")
        except (KnownKey, DBAPIError) as error:
            refused.append(error)

    _together(8, award)
    with reading(engine) as connection:
        assert_true(connection, alice)
        assert customer(connection, alice)["points"] == 50
    assert len(refused) == 7


def test_it_gives_out_no_more_than_the_stock(engine: Engine) -> None:
    """Eight threads want three each of ten: three get them, and what comes back can be had again."""
    got: list[int] = []

    def take(number: int) -> None:
        with writing(engine) as connection:
            if stock.take_stock(connection, "latte", 3, 10):
                got.append(number)

    _together(8, take)
    assert len(got) == 3
    with writing(engine) as connection:
        assert stock.stock_taken(connection) == {"latte": 9}
        assert stock.take_stock(connection, "latte", -3, 10)
        assert not stock.take_stock(connection, "latte", 5, 10)
        assert stock.take_stock(connection, "latte", 4, 10)
        assert not stock.take_stock(connection, "latte", -11, 10)
        assert not stock.take_stock(connection, "mug", -1, None)
        assert not stock.take_stock(connection, "mug", 3, 2)
        assert all(stock.take_stock(connection, "mug", 1_000, None) for _ in range(2))
        assert stock.stock_taken(connection) == {"latte": 10, "mug": 2_000}


def _voucher(customer_id: int, code: str, **values: Any) -> dict[str, Any]:
    return {
        "id": next_id(),
        "customer_id": customer_id,
        "code": code,
        "name": "Free latte",
        "issued_at": NOW,
        "ends_at": NOW + timedelta(days=7),
        **values,
    }


def test_it_redeems_a_voucher_once(engine: Engine) -> None:
    """Eight tills take the same code at once: one gets it, seven learn that it is redeemed."""
    with writing(engine) as connection:
        alice = new_customer(connection)
        vouchers.insert(connection, [_voucher(alice, "K7MR-2XWD")])
    answers: list[Any] = []

    def redeem(number: int) -> None:
        with writing(engine) as connection:
            answers.append(vouchers.redeem(connection, "K7MR-2XWD", f"till {number}", NOW))

    _together(8, redeem)
    used = [answer for answer in answers if not isinstance(answer, str)]
    assert [answer for answer in answers if isinstance(answer, str)] == ["redeemed"] * 7
    with reading(engine) as connection:
        row = vouchers.by_code(connection, "K7MR-2XWD")
    assert row is not None
    assert row["redeemed_at"] == NOW
    assert [one["redeemed_by"] for one in used] == [row["redeemed_by"]]


def test_it_says_why_a_voucher_is_no_good(engine: Engine) -> None:
    """Unknown, revoked and ended codes are told apart; a used one cannot be revoked."""
    end = NOW + timedelta(days=7)
    with writing(engine) as connection:
        alice, bob = new_customer(connection), new_customer(connection)
        vouchers.insert(connection, [_voucher(alice, code) for code in ("USED", "BACK", "OLD")])
        assert not isinstance(vouchers.redeem(connection, "USED", "Ana", end - timedelta(microseconds=1)), str)
        assert vouchers.revoke(connection, "BACK", "undo")
        assert not vouchers.revoke(connection, "BACK", "undo")
        assert not vouchers.revoke(connection, "USED", "undo")
        codes = ("USED", "BACK", "OLD", "NONE")
        answers = [vouchers.redeem(connection, code, "Ana", end) for code in codes]
        expired = vouchers.expire(connection, end)
        held = vouchers.of(connection, [alice, bob])
    assert answers == ["redeemed", "revoked", "expired", "unknown"]
    assert expired == 1
    assert [(row["code"], row["status"]) for row in held[alice]] == [
        ("USED", "redeemed"),
        ("BACK", "revoked"),
        ("OLD", "expired"),
    ]
    assert bob not in held
