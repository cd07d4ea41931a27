"""Merging two numbers of one customer: everything moves once, the points add up, and consent stays where it was."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.apply import Context, Rows, apply_all
from bot.desk import erasing, merging
from bot.desk.actor import Actor, NotPossible
from bot.engine.effects import AddEntry
from bot.loading import load_customers
from storage import customers, holdings, loyalty
from storage.database import reading, writing
from storage.ids import next_id
from tests.desk.known import NAME, PHONE, known_customer
from tests.shop import ALICE, BOB, CHARLIE, Shop, open_shop

MIA = Actor(None, "Mia", "manager")


@pytest.fixture
def shop(database_url: str) -> Iterator[Shop]:
    """A shop on each database."""
    with open_shop(database_url) as shop:
        yield shop


def id_of(shop: Shop, phone: str) -> int:
    return int(shop.one("SELECT id FROM customers WHERE phone = :p", p=phone))


def row_of(shop: Shop, phone: str) -> dict[str, Any]:
    return shop.rows("SELECT * FROM customers WHERE phone = :p", p=phone)[0]


def merge(shop: Shop, old: str, new: str, key: str | None = None) -> bool:
    services = shop.services
    programme = services.catalog.book.programme
    return merging.merge(services.engine, programme, MIA, id_of(shop, old), id_of(shop, new), shop.clock.now(), key)


def account(shop: Shop, customer_id: int) -> tuple[int, int, int]:
    """Return balance, sum of the ledger and sum of the lots."""
    values = {"c": customer_id}
    return (
        int(shop.one("SELECT points FROM customers WHERE id = :c", **values)),
        int(shop.one("SELECT coalesce(sum(points), 0) FROM ledger WHERE customer_id = :c", **values)),
        int(shop.one("SELECT coalesce(sum(remaining), 0) FROM lots WHERE customer_id = :c", **values)),
    )


def test_everything_moves_to_the_new_number(shop: Shop) -> None:
    """Texts, vouchers, notes, points and profile are the new number's; the old one knows nothing any more."""
    old = known_customer(shop)
    shop.says(ALICE, "BALANCE")
    new = id_of(shop, ALICE)
    with reading(shop.services.engine) as conn:
        before = holdings.counts(conn, old)
        seen = merging.preview(conn, shop.services.catalog.book.programme, old, new)
    assert merge(shop, PHONE, ALICE)

    with reading(shop.services.engine) as conn:
        left, after = holdings.counts(conn, old), holdings.counts(conn, new)
    for holding in holdings.HOLDINGS:
        name = holding.table.name
        if holding.merging in ("move", "fill"):
            assert after[name] >= before[name] == seen.counts[name]
            assert name not in left
        if holding.merging == "delete":
            assert name not in left
    row, gone = row_of(shop, ALICE), row_of(shop, PHONE)
    assert (row["name"], row["email"], row["purchases"]) == (NAME, "zyx@quill.example", 3)
    assert "oatmilkish" in str(row["attributes"])
    assert (gone["name"], gone["email"], gone["purchases"], gone["points"], gone["merged_into"]) == (
        *(None, None, 0, 0),
        new,
    )
    assert row["points"] == seen.points > 0
    changed = shop.rows("SELECT field FROM profile_changes WHERE customer_id = :c AND by = 'Mia'", c=new)
    assert {"name", "email", "attributes.milk", "tags"} <= {each["field"] for each in changed}
    assert shop.one("SELECT count(*) FROM conversations WHERE customer_id = :c AND ended_at IS NULL", c=old) == 0
    assert shop.one("SELECT count(*) FROM timers WHERE customer_id = :c", c=old) == 0
    assert shop.rows("SELECT reason FROM messages WHERE state = 'suppressed' AND recipient = :p", p=PHONE) == [
        {"reason": "merged"}
    ]
    noted = shop.rows("SELECT customer_id FROM audit_log WHERE action = 'customer.merged'")
    assert {each["customer_id"] for each in noted} == {old, new}


def test_consent_belongs_to_the_number(shop: Shop) -> None:
    """The new number stays what it was, opted out or never asked; the old one is opted out."""
    for phone, say, status in ((ALICE, "HELP", "none"), (BOB, "STOP", "unsubscribed")):
        shop.joined(PHONE)
        shop.says(phone, say)
        assert row_of(shop, phone)["consent"] == status
        merge(shop, PHONE, phone, key=f"to {phone}") if phone == ALICE else None
        if phone == ALICE:
            assert row_of(shop, ALICE)["consent"] == "none"
            assert row_of(shop, PHONE)["consent"] == "unsubscribed"
            reasons = shop.rows("SELECT how, reason FROM consent_records WHERE status = 'unsubscribed'")
            assert reasons == [{"how": "staff", "reason": "merged"}]
    shop.joined(CHARLIE)
    merge(shop, CHARLIE, BOB)
    assert row_of(shop, BOB)["consent"] == "unsubscribed"


def test_the_old_number_is_its_own_afterwards(shop: Shop) -> None:
    """Whoever texts from it sees nothing of the customer; START and STOP are about that number alone."""
    known_customer(shop)
    shop.joined(ALICE)
    merge(shop, PHONE, ALICE)
    said = "".join(shop.says(PHONE, "BALANCE"))
    assert NAME not in said
    assert str(row_of(shop, ALICE)["points"]) not in said
    shop.joined(PHONE)
    assert row_of(shop, PHONE)["consent"] == "subscribed"
    shop.says(PHONE, "STOP")
    assert row_of(shop, PHONE)["consent"] == "unsubscribed"
    assert row_of(shop, ALICE)["consent"] == "subscribed"


def test_it_happens_once(shop: Shop) -> None:
    """The same merge again changes nothing; what cannot be merged is refused with the reason."""
    known_customer(shop)
    shop.joined(ALICE)
    shop.joined(BOB)
    assert merge(shop, PHONE, ALICE)
    entries = shop.one("SELECT count(*) FROM ledger")
    assert not merge(shop, PHONE, ALICE)
    assert shop.one("SELECT count(*) FROM ledger") == entries
    for old, new, why in ((PHONE, BOB, "already"), (BOB, PHONE, "itself merged"), (BOB, BOB, "one and the same")):
        with pytest.raises(NotPossible, match=why):
            merge(shop, old, new)


def test_a_voucher_paid_before_can_be_undone_after(shop: Shop) -> None:
    """Points given back for a moved voucher go into a lot of the new number: the books still agree."""
    shop.joined(PHONE)
    shop.says(ALICE, "HELP")
    old, new = id_of(shop, PHONE), id_of(shop, ALICE)
    give(shop, old, AddEntry("earn", 300, "purchase", "purchase"))
    give(shop, old, AddEntry("burn", -100, "burn", "reward:latte"))
    merge(shop, PHONE, ALICE)
    give(shop, new, AddEntry("reverse", 100, "undo:burn", "undo", reverses="burn"))
    balance, ledger, lots = account(shop, new)
    assert balance == ledger == lots
    assert account(shop, old) == (0, 0, 0)


def give(shop: Shop, customer_id: int, effect: AddEntry) -> None:
    """Add one entry as a turn does."""
    programme, now = shop.services.catalog.book.programme, shop.clock.now()
    with writing(shop.services.engine) as conn:
        record = customers.lock_by_id(conn, [customer_id])
        customer = load_customers(conn, record, "en", now)[customer_id]
        rows = Rows()
        apply_all([effect], Context(conn, rows, customer, programme, now, sender="", lots=list(customer.lots)))
        rows.flush(conn, now)


STEPS = st.lists(st.tuples(st.sampled_from("AB"), st.integers(-200, 200).filter(bool)), max_size=8)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(STEPS)
def test_the_books_agree_whatever_went_before(shop: Shop, steps: list[tuple[str, int]]) -> None:
    """After earning, spending and debts in any order, balance, ledger and lots of both agree, and no point is lost."""
    tag = next_id()
    phones = {name: f"+1202{tag % 10_000_000:07}"[:11] + digit for name, digit in (("A", "1"), ("B", "2"))}
    with writing(shop.services.engine) as conn:
        rows = [{"id": next_id(), "phone": phone, "created_at": shop.clock.now()} for phone in phones.values()]
        customers.insert_missing(conn, rows)
    ids = {name: id_of(shop, phone) for name, phone in phones.items()}
    for place, (name, points) in enumerate(steps):
        kind: Any = "earn" if points > 0 else "reverse"
        give(shop, ids[name], AddEntry(kind, points, f"{tag}:{place}", "x"))
    before = {name: account(shop, identifier) for name, identifier in ids.items()}
    assert all(balance == ledger and lots == max(0, balance) for balance, ledger, lots in before.values())

    assert merge(shop, phones["A"], phones["B"])

    balance, ledger, lots = account(shop, ids["B"])
    assert balance == ledger == before["A"][0] + before["B"][0]
    assert lots == max(0, balance)
    assert account(shop, ids["A"]) == (0, 0, 0)
    assert not merge(shop, phones["A"], phones["B"])
    assert account(shop, ids["B"]) == (balance, ledger, lots)


def test_lots_keep_their_end(shop: Shop) -> None:
    """Points that were to expire in ten days still do."""
    shop.joined(PHONE)
    shop.says(ALICE, "HELP")
    ends = shop.clock.now() + timedelta(days=10)
    give(shop, id_of(shop, PHONE), AddEntry("earn", 40, "soon", "purchase", expires_at=ends))
    merge(shop, PHONE, ALICE)
    with reading(shop.services.engine) as conn:
        lots = loyalty.lots_of(conn, [id_of(shop, ALICE)])[id_of(shop, ALICE)]
    assert (40, ends) in [(lot.remaining, lot.expires_at) for lot in lots]


def test_erasing_the_customer_takes_the_old_number_along(shop: Shop) -> None:
    """Both rows become shells and both numbers are on the list; an old number somebody uses again is left alone."""
    known_customer(shop)
    shop.joined(ALICE)
    shop.joined(BOB)
    merge(shop, PHONE, ALICE)
    merge(shop, BOB, ALICE)
    shop.says(BOB, "BALANCE")  # perhaps somebody else by now
    services, customer_id = shop.services, id_of(shop, ALICE)
    with reading(services.engine) as conn:
        seen = erasing.preview(conn, customer_id)
    assert (set(seen.numbers), set(seen.left_out)) == ({PHONE, ALICE}, {BOB})
    erasing.erase(services.engine, services.settings.secret_key, MIA, customer_id, ALICE[-4:], shop.clock.now())
    assert shop.rows("SELECT 1 FROM customers WHERE phone IN (:a, :p)", a=ALICE, p=PHONE) == []
    assert row_of(shop, BOB)["merged_into"] is None
    assert shop.one("SELECT count(*) FROM erasures") == 2
