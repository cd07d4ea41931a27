"""Points that staff give and take: limits, the second person, reversals, and a ledger that always adds up."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from threading import Barrier, Thread
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from bot.desk import points
from bot.desk.actor import Actor, NotPossible
from bot.desk.points import Outcome
from storage import approvals, loyalty
from storage.database import reading, writing
from tests.console.people import hire
from tests.shop import ALICE, Shop, open_shop


@pytest.fixture
def shop(database_url: str) -> Iterator[Shop]:
    """A shop where Alice joined, with her 60 points of welcome."""
    with open_shop(database_url) as opened:
        opened.joined(ALICE)
        yield opened


class Desk:
    """Staff at work on Alice."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.engine = shop.services.engine
        self.programme = shop.services.catalog.book.programme
        self.alice: int = shop.one("SELECT id FROM customers WHERE phone = :phone", phone=ALICE)
        self.keys = 0

    def adjust(self, actor: Actor, count: int, reason: str = "Spilled latte", key: str | None = None) -> Outcome:
        self.keys += 1
        key = key or f"key {self.keys}"
        return points.adjust(self.engine, self.programme, actor, self.alice, count, reason, key, self.shop.clock.now())

    def reverse(self, actor: Actor, entry_id: int, reason: str = "Counted twice") -> Outcome:
        return points.reverse(self.engine, self.programme, actor, self.alice, entry_id, reason, self.shop.clock.now())

    def allow(self, actor: Actor, approval_id: int | None) -> Outcome:
        assert approval_id is not None
        return points.allow(self.engine, self.programme, actor, approval_id, "", self.shop.clock.now())

    def refuse(self, actor: Actor, approval_id: int | None, why: str = "No") -> None:
        assert approval_id is not None
        points.refuse(self.engine, self.programme, actor, approval_id, why, self.shop.clock.now())

    def balance(self) -> int:
        """Return the balance, which is the ledger's sum and what the lots hold."""
        row = self.shop.rows("SELECT points, qualifying FROM customers WHERE id = :id", id=self.alice)[0]
        with reading(self.engine) as conn:
            entries = loyalty.entries_of(conn, self.alice)
            held = sum(lot.remaining for lot in loyalty.lots_of(conn, [self.alice]).get(self.alice, []))
        assert row["points"] == sum(entry["points"] for entry in entries)
        assert held == max(row["points"], 0)
        return int(row["points"])

    def entry(self, **values: Any) -> int:
        """Return the id of the newest entry with these values."""
        where = " AND ".join(f"{name} = :{name}" for name in values)
        return int(self.shop.one(f"SELECT id FROM ledger WHERE {where} ORDER BY id DESC LIMIT 1", **values))  # noqa: S608

    def redeems(self) -> None:
        """Let Alice spend 60 points on a cookie, as far as she has them."""
        for words in ("REDEEM", "1", "YES"):
            self.shop.says(ALICE, words)

    def audited(self, action: str) -> list[dict[str, Any]]:
        return self.shop.rows("SELECT * FROM audit_log WHERE action = :action ORDER BY id", action=action)


@pytest.fixture
def desk(shop: Shop) -> Desk:
    """Alice's ledger."""
    return Desk(shop)


@pytest.fixture
def sam(shop: Shop) -> Actor:
    """Somebody of support."""
    return hire(shop, "support").actor


@pytest.fixture
def mia(shop: Shop) -> Actor:
    """A manager."""
    return hire(shop, "manager").actor


def test_points_given_are_in_the_ledger_with_reason_and_name(desk: Desk, sam: Actor) -> None:
    """50 points with a reason: entry, lot that expires as the programme says, audit entry; no progress in tiers."""
    before = desk.shop.one("SELECT qualifying FROM customers WHERE id = :id", id=desk.alice)
    outcome = desk.adjust(sam, 50)
    assert (outcome.balance, outcome.approval_id) == (110, None)
    row = desk.shop.rows("SELECT * FROM ledger WHERE staff_id = :id", id=sam.staff_id)[0]
    assert (row["kind"], row["points"], row["reason"], row["qualifying"]) == ("adjust", 50, "Spilled latte", 0)
    assert row["key"].startswith("staff:")
    with reading(desk.engine) as conn:
        lot = next(each for each in loyalty.lots_of(conn, [desk.alice])[desk.alice] if each.entry_id == row["id"])
    assert lot.expires_at == desk.shop.clock.now() + timedelta(days=365)
    assert desk.shop.one("SELECT qualifying FROM customers WHERE id = :id", id=desk.alice) == before
    assert [each["customer_id"] for each in desk.audited("points.adjusted")] == [desk.alice]
    assert desk.balance() == 110


def test_the_same_key_again_changes_nothing(desk: Desk, sam: Actor) -> None:
    """A form that is sent twice gives points once."""
    desk.adjust(sam, 20, key="form")
    again = desk.adjust(sam, 20, key="form")
    assert again.repeated
    assert desk.balance() == 80


def test_points_are_taken_only_as_far_as_there_are_any(desk: Desk, mia: Actor) -> None:
    """An adjustment makes no debt; the refusal says how many points there are."""
    with pytest.raises(NotPossible, match="only 60 points"):
        desk.adjust(mia, -61)
    assert desk.adjust(mia, -60).balance == 0
    assert desk.balance() == 0


@pytest.mark.parametrize(("count", "reason"), [(0, "x"), (1_000_001, "x"), (5, "   "), (5, "x" * 301)])
def test_nonsense_is_refused_in_words(desk: Desk, sam: Actor, count: int, reason: str) -> None:
    """No points, far too many, no reason or an endless one: refused, and nothing is written."""
    with pytest.raises(NotPossible):
        desk.adjust(sam, count, reason)
    assert desk.balance() == 60


def test_above_the_limit_a_second_person_has_to_allow_it(desk: Desk, sam: Actor, mia: Actor) -> None:
    """101 points from support wait; a manager allows them; the entry names who asked, the audit log both."""
    outcome = desk.adjust(sam, 101)
    assert outcome.approval_id is not None
    assert desk.balance() == 60
    assert desk.adjust(sam, 101, key="key 1").approval_id == outcome.approval_id
    with pytest.raises(NotPossible, match="yourself"):
        desk.allow(Actor(sam.staff_id, sam.name, "manager"), outcome.approval_id)
    with pytest.raises(NotPossible, match="manager or an administrator"):
        desk.allow(hire(desk.shop, "support", "Ben").actor, outcome.approval_id)
    assert desk.allow(mia, outcome.approval_id).balance == 161
    with pytest.raises(NotPossible, match="Mia decided that"):
        desk.allow(hire(desk.shop, "admin").actor, outcome.approval_id)
    assert desk.balance() == 161
    assert desk.shop.one("SELECT staff_id FROM ledger WHERE points = 101") == sam.staff_id
    assert [each["staff_id"] for each in desk.audited("points.asked")] == [sam.staff_id]
    assert [each["staff_id"] for each in desk.audited("points.allowed")] == [mia.staff_id]


def test_the_database_itself_refuses_one_person_twice(desk: Desk, sam: Actor) -> None:
    """The second person differs from the first, whatever the code does."""
    outcome = desk.adjust(sam, 101)
    assert outcome.approval_id is not None
    assert sam.staff_id is not None
    with pytest.raises(Exception, match="second_person"), writing(desk.engine) as conn:
        approvals.decide(conn, outcome.approval_id, sam.staff_id, "allowed", "", desk.shop.clock.now())


def test_a_refusal_needs_a_reason_and_gives_nothing(desk: Desk, sam: Actor, mia: Actor) -> None:
    """The asker reads why; the same form sent again does not ask again."""
    outcome = desk.adjust(sam, 500, key="form")
    with pytest.raises(NotPossible, match="Say why"):
        desk.refuse(mia, outcome.approval_id, " ")
    desk.refuse(mia, outcome.approval_id, "Too much for a muffin")
    with pytest.raises(NotPossible, match="refused"):
        desk.adjust(sam, 500, key="form")
    with reading(desk.engine) as conn:
        found = approvals.asked_by(conn, sam.staff_id or 0, 5)[0]
    assert (found["decision"], found["answer"]) == ("refused", "Too much for a muffin")
    assert desk.balance() == 60


def test_the_limit_is_for_the_whole_day_of_the_shop(desk: Desk, sam: Actor, mia: Actor) -> None:
    """Given and taken count together; what a second person allowed does not; the next day begins anew."""
    desk.adjust(sam, 70)
    desk.adjust(sam, -20)
    assert desk.adjust(sam, 11).approval_id is not None
    desk.allow(mia, desk.adjust(sam, 400).approval_id)
    assert desk.adjust(sam, 10).approval_id is None
    assert desk.adjust(sam, 1).approval_id is not None
    desk.shop.clock.turn_to(desk.shop.clock.now() + timedelta(hours=11, minutes=59))
    assert desk.adjust(sam, 1).approval_id is not None
    desk.shop.clock.turn_to(desk.shop.clock.now() + timedelta(minutes=1))
    assert desk.adjust(sam, 100).approval_id is None


def test_managers_have_a_limit_too(desk: Desk, mia: Actor) -> None:
    """1,000 points at once and in a day; an administrator allows more."""
    assert desk.adjust(mia, 1000).approval_id is None
    waiting = desk.adjust(mia, 1)
    assert desk.allow(hire(desk.shop, "admin").actor, waiting.approval_id).balance == 1061


def test_two_tabs_of_one_person_share_the_limit(desk: Desk, sam: Actor) -> None:
    """60 points to two customers at the same moment are not 120 within a limit of 100."""
    desk.shop.joined("+12015550144")
    bruno = desk.shop.one("SELECT id FROM customers WHERE phone = '+12015550144'")
    start, outcomes = Barrier(2), []

    def give(customer_id: int) -> None:
        start.wait()
        outcomes.append(
            points.adjust(
                desk.engine, desk.programme, sam, customer_id, 60, "Sorry", f"k{customer_id}", desk.shop.clock.now()
            )
        )

    threads = [Thread(target=give, args=(each,)) for each in (desk.alice, bruno)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(outcome.approval_id is None for outcome in outcomes) == [False, True]


def test_an_entry_is_taken_back_once(desk: Desk, sam: Actor, mia: Actor) -> None:
    """A reversal names its entry; the same person's second click does nothing, another's is refused."""
    desk.adjust(sam, 30)
    entry = desk.entry(points=30)
    assert desk.reverse(mia, entry).balance == 60
    assert desk.reverse(mia, entry).repeated
    with pytest.raises(NotPossible, match="already"):
        desk.reverse(sam, entry)
    with pytest.raises(NotPossible, match="Only points"):
        desk.reverse(mia, desk.entry(kind="reverse"))
    assert desk.balance() == 60


def test_spent_points_taken_back_become_a_debt(desk: Desk, mia: Actor) -> None:
    """What was spent already is owed, as the engine does it, and the next points pay it first."""
    desk.adjust(mia, -50, "Bought a mug")
    assert desk.reverse(mia, desk.entry(kind="earn")).balance == -50
    assert desk.balance() == -50
    assert desk.adjust(mia, 70).balance == 20
    assert desk.balance() == 20


def test_a_reversal_takes_its_own_points_first_and_its_count_for_the_tier(desk: Desk, mia: Actor) -> None:
    """The lot of the reversed entry goes, not the one that would expire first; qualifying points go with it."""
    desk.adjust(mia, 10)
    assert desk.shop.one("SELECT qualifying FROM customers WHERE id = :id", id=desk.alice) == 60
    desk.reverse(mia, desk.entry(kind="earn"))
    assert desk.shop.one("SELECT qualifying FROM customers WHERE id = :id", id=desk.alice) == 0
    with reading(desk.engine) as conn:
        assert [lot.remaining for lot in loyalty.lots_of(conn, [desk.alice])[desk.alice]] == [10]
    assert desk.balance() == 10


def test_taking_back_what_is_older_than_the_window_costs_no_tier(desk: Desk, mia: Actor) -> None:
    """An entry that no longer counts takes nothing from those that do, now and in the nightly count."""
    desk.shop.clock.turn_to(desk.shop.clock.now() + timedelta(days=364))
    with writing(desk.engine) as conn:
        conn.execute(text("UPDATE customers SET qualifying = qualifying WHERE id = :id"), {"id": desk.alice})
    desk.reverse(mia, desk.entry(kind="earn"))
    later = desk.shop.clock.now() + timedelta(days=2)
    with reading(desk.engine) as conn:
        counted = loyalty.qualifying_since(conn, [desk.alice], later - timedelta(days=365))
    assert counted.get(desk.alice, 0) == 0


def test_points_that_paid_for_a_voucher_come_back_with_it(desk: Desk, mia: Actor) -> None:
    """The entry of a redemption is not taken back while its voucher is good, nor after it was used."""
    desk.redeems()
    burn = desk.entry(kind="burn")
    code = desk.shop.one("SELECT code FROM vouchers")
    with pytest.raises(NotPossible, match=f"{code}. Take the voucher back"):
        desk.reverse(mia, burn)
    desk.shop.execute("UPDATE vouchers SET status = 'redeemed'")
    with pytest.raises(NotPossible, match="which was used"):
        desk.reverse(mia, burn)
    assert desk.balance() == 0


def test_a_large_reversal_waits_for_a_second_person(desk: Desk, sam: Actor, mia: Actor) -> None:
    """Support takes back at most what support may give; meanwhile nobody else asks for the same."""
    desk.adjust(mia, 500)
    entry = desk.entry(points=500)
    waiting = desk.reverse(sam, entry)
    assert waiting.approval_id is not None
    assert desk.reverse(sam, entry).approval_id == waiting.approval_id
    with pytest.raises(NotPossible, match="Somebody asked"):
        desk.reverse(mia, entry)
    assert desk.allow(mia, waiting.approval_id).balance == 60
    assert desk.balance() == 60


def test_what_cannot_be_done_any_more_stays_open_until_it_is_refused(desk: Desk, sam: Actor, mia: Actor) -> None:
    """A request for more points than are left is not half done."""
    desk.adjust(mia, 100)
    waiting = desk.adjust(sam, -150)
    desk.adjust(mia, -100)
    with pytest.raises(NotPossible, match="only 60"):
        desk.allow(mia, waiting.approval_id)
    with reading(desk.engine) as conn:
        assert approvals.count_open(conn) == 1
    desk.refuse(mia, waiting.approval_id, "Spent meanwhile")
    assert desk.balance() == 60


def test_nobody_is_no_customer(desk: Desk, sam: Actor) -> None:
    """A customer who is gone is told so, and nothing is written."""
    desk.alice = 4711
    with pytest.raises(NotPossible, match="no such customer"):
        desk.adjust(sam, 5)


deeds = st.lists(
    st.one_of(
        st.tuples(st.just("adjust"), st.integers(0, 1), st.sampled_from([-150, -40, -5, 5, 40, 99, 150])),
        st.tuples(st.just("reverse"), st.integers(0, 1), st.integers(0, 20)),
        st.tuples(st.just("decide"), st.integers(0, 1), st.integers(0, 5)),
        st.tuples(st.just("redeem"), st.just(0), st.just(0)),
        st.tuples(st.just("undo"), st.just(0), st.just(0)),
    ),
    max_size=10,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(deeds)
def test_the_balance_is_always_the_ledger(desk: Desk, story: list[tuple[str, int, int]]) -> None:
    """Two of the staff adjust, reverse and allow while Alice redeems and undoes: balance, ledger and lots agree."""
    names = desk.shop.rows("SELECT id, name, role FROM staff ORDER BY id")
    if not names:
        hire(desk.shop, "support"), hire(desk.shop, "manager")
        names = desk.shop.rows("SELECT id, name, role FROM staff ORDER BY id")
    desk.shop.clock.turn_to(desk.shop.clock.now() + timedelta(days=1))  # each story has its own limits
    staff = [Actor(row["id"], row["name"], row["role"]) for row in names]
    desk.keys = int(desk.shop.one("SELECT count(*) FROM ledger")) * 1000
    for kind, who, number in story:
        try:
            if kind == "adjust":
                desk.adjust(staff[who], number)
            elif kind == "reverse":
                entries = desk.shop.rows("SELECT id FROM ledger WHERE customer_id = :id ORDER BY id", id=desk.alice)
                desk.reverse(staff[who], entries[number % len(entries)]["id"])
            elif kind == "decide":
                waiting = desk.shop.rows("SELECT id FROM approvals WHERE decided_at IS NULL ORDER BY id")
                if waiting:
                    desk.allow(staff[who], waiting[number % len(waiting)]["id"])
            elif kind == "redeem":
                desk.redeems()
            else:
                desk.shop.says(ALICE, "UNDO")
        except NotPossible:
            pass
        desk.balance()


def test_two_staff_and_a_customer_at_once_lose_nothing(desk: Desk, sam: Actor, mia: Actor) -> None:
    """Adjustments of two people and the customer's own texts at the same moment all count, once."""
    start = Barrier(3)

    def work(actor: Actor, sign: int) -> None:
        start.wait()
        for index in range(8):
            points.adjust(
                desk.engine, desk.programme, actor, desk.alice, 5 * sign, "x", f"{actor.name}{index}",
                desk.shop.clock.now(),
            )  # fmt: skip

    def text_in() -> None:
        start.wait()
        desk.redeems()

    threads = [Thread(target=work, args=(sam, 1)), Thread(target=work, args=(mia, 1)), Thread(target=text_in)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert desk.balance() == 60 + 80 + (desk.shop.one("SELECT sum(points) FROM ledger WHERE kind = 'burn'") or 0)


def test_a_request_can_be_refused_when_its_customer_is_no_more(desk: Desk, sam: Actor, mia: Actor) -> None:
    """Merged into another customer meanwhile: it cannot be allowed, but it does not stay open for ever."""
    desk.shop.joined("+12015550144")
    bruno = desk.shop.one("SELECT id FROM customers WHERE phone = '+12015550144'")
    waiting = desk.adjust(sam, 500)
    desk.shop.execute("UPDATE customers SET merged_into = :into WHERE id = :id", into=bruno, id=desk.alice)
    with pytest.raises(NotPossible, match="another customer"):
        desk.allow(mia, waiting.approval_id)
    desk.refuse(mia, waiting.approval_id, "Merged")
    assert desk.shop.one("SELECT decision FROM approvals") == "refused"
