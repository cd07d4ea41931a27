"""Vouchers in the hands of staff: found however they are typed, used once, undone, given and taken back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from threading import Barrier, Thread
from typing import Any

import pytest

from bot.desk import vouchers
from bot.desk.actor import Actor, NotPossible
from bot.desk.vouchers import Held
from storage.database import reading
from tests.console.people import hire
from tests.shop import ALICE, BOB, Shop, open_shop


@pytest.fixture
def shop(database_url: str) -> Iterator[Shop]:
    """A shop where Alice joined and bought a cookie with her 60 points."""
    with open_shop(database_url) as opened:
        opened.joined(ALICE)
        for words in ("REDEEM", "1", "YES"):
            opened.says(ALICE, words)
        opened.execute("UPDATE customers SET name = 'Alice'")
        yield opened


class Till:
    """The till, and Alice's voucher."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.engine = shop.services.engine
        self.programme = shop.services.catalog.book.programme
        self.alice: int = shop.one("SELECT id FROM customers WHERE phone = :phone", phone=ALICE)
        self.code: str = shop.one("SELECT code FROM vouchers")

    @property
    def now(self) -> datetime:
        return self.shop.clock.now()

    def find(self, typed: str) -> list[Held]:
        with reading(self.engine) as conn:
            return vouchers.find(conn, self.programme, typed, self.now)

    def redeem(self, actor: Actor, key: str = "form", code: str | None = None) -> Held:
        return vouchers.redeem(self.engine, self.programme, actor, code or self.code, key, self.now)

    def undo(self, actor: Actor) -> Held:
        return vouchers.undo(self.engine, self.programme, actor, self.code, self.now)

    def issue(self, actor: Actor, **values: Any) -> str:
        given: dict[str, Any] = {"reward": "latte", "name": "", "days": 7, "reason": "Cold coffee", "key": "form"}
        return vouchers.issue(
            self.engine, self.programme, "secret", actor, self.alice, **{**given, **values}, now=self.now
        )

    def revoke(self, actor: Actor, *, points_back: bool) -> Held:
        return vouchers.revoke(
            self.engine, self.programme, actor, self.code, "Wrong reward", points_back=points_back, now=self.now
        )

    def status(self, code: str | None = None) -> str:
        return str(self.shop.one("SELECT status FROM vouchers WHERE code = :code", code=code or self.code))

    def audited(self) -> list[str]:
        rows = self.shop.rows("SELECT action FROM audit_log WHERE action LIKE 'voucher%' ORDER BY id")
        return [row["action"] for row in rows]


@pytest.fixture
def till(shop: Shop) -> Till:
    """The till of the shop."""
    return Till(shop)


@pytest.fixture
def sam(shop: Shop) -> Actor:
    """Somebody behind the counter."""
    return hire(shop, "support").actor


def test_a_code_is_found_however_it_is_typed(till: Till) -> None:
    """Small letters, no dash, spaces: the same voucher, with the name and without the number."""
    for typed in (till.code, till.code.lower(), till.code.replace("-", " "), f"  {till.code.replace('-', '')} "):
        (held,) = till.find(typed)
        assert (held.code, held.name, held.customer, held.status) == (till.code, "Free cookie", "Alice", "issued")
        assert ALICE not in repr(held)


def test_letters_that_look_alike_are_forgiven(till: Till) -> None:
    """0 for Q, O for D, U for V, 1 for J, 5 for S: codes have none of them twice over."""
    till.shop.execute("UPDATE vouchers SET code = 'QDVJ-S2B6'")
    assert [held.code for held in till.find("0ouj s286")] == ["QDVJ-S2B6"]
    assert [held.code for held in till.find("OOU1-5ZBG")] == ["QDVJ-S2B6"]
    assert till.find("QDVJ-S2B") == []
    assert till.find("ÜÜÜÜ-ÄÄÄÄ") == []


def test_a_code_that_may_be_two_is_none(till: Till, sam: Actor) -> None:
    """Two vouchers that differ by look-alike letters are not guessed between; the right one is found exactly."""
    other = till.issue(sam)
    till.shop.execute("UPDATE vouchers SET code = 'QAAA-AAAA' WHERE code = :code", code=till.code)
    till.shop.execute("UPDATE vouchers SET code = 'DAAA-AAAA' WHERE code = :code", code=other)
    assert till.find("OAAA-AAAA") == []
    assert [held.code for held in till.find("DAAA-AAAA")] == ["DAAA-AAAA"]


def test_a_number_finds_the_good_vouchers_of_its_customer(till: Till, sam: Actor) -> None:
    """By number only what can be used is shown; nobody's number finds nothing."""
    latte = till.issue(sam)
    till.redeem(sam)
    assert [held.code for held in till.find("(201) 555-0111")] == [latte]
    assert till.find(BOB) == []
    assert till.find("hello") == till.find("") == []


def test_a_voucher_is_used_once(till: Till, sam: Actor) -> None:
    """The second one is told when and by whom; the same form sent again is told the same as before."""
    used = till.redeem(sam)
    assert (used.status, used.name, used.customer, used.redeemed_by) == ("redeemed", "Free cookie", "Alice", "Sam")
    assert till.redeem(sam).status == "redeemed"
    with pytest.raises(NotPossible, match=rf"{till.code} was used at 12:00 by Sam"):
        till.redeem(sam, key="another form")
    with pytest.raises(NotPossible, match="by Sam"):
        till.redeem(hire(till.shop, "support", "Ben").actor)
    assert till.audited() == ["voucher.redeemed"]


def test_two_tills_at_once_one_wins(till: Till, sam: Actor) -> None:
    """At the same moment exactly one till gets it; the other is told by whom."""
    ben = hire(till.shop, "support", "Ben").actor
    for _ in range(5):
        till.shop.execute("UPDATE vouchers SET status = 'issued', redeemed_by = NULL, redeemed_at = NULL")
        start, said = Barrier(2), []

        def try_it(actor: Actor, start: Barrier = start, said: list[str] = said) -> None:
            start.wait()
            try:
                said.append(f"good {till.redeem(actor, key=f'form {actor.name}').redeemed_by}")
            except NotPossible as trouble:
                said.append(str(trouble).rpartition(" ")[2])

        threads = [Thread(target=try_it, args=(actor,)) for actor in (sam, ben)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        winner = next(each for each in said if each.startswith("good")).removeprefix("good ")
        assert sorted(said) == sorted([f"good {winner}", f"{winner}."])


def test_what_is_not_good_says_why(till: Till, sam: Actor) -> None:
    """Unknown, taken back and over: each in words."""
    with pytest.raises(NotPossible, match="no voucher AAAA-AAAA"):
        till.redeem(sam, code="aaaaaaaa")
    till.shop.execute("UPDATE vouchers SET status = 'revoked', reason = 'undo'")
    with pytest.raises(NotPossible, match="taken back: undo"):
        till.redeem(sam)
    till.shop.execute("UPDATE vouchers SET status = 'issued'")
    till.shop.clock.turn_to(till.now + timedelta(days=40))
    with pytest.raises(NotPossible, match="good until 2026-04-01"):
        till.redeem(sam)
    assert [held.status for held in till.find(till.code)] == ["expired"]


def test_undo_lasts_a_minute_and_is_for_who_did_it(till: Till, sam: Actor) -> None:
    """Within a minute the voucher is good again; another person, or a minute later, cannot."""
    till.redeem(sam)
    with pytest.raises(NotPossible, match="by who took it"):
        till.undo(hire(till.shop, "manager").actor)
    till.shop.clock.turn_to(till.now + timedelta(seconds=60))
    assert till.undo(sam).status == "issued"
    till.redeem(sam, key="again")
    till.shop.clock.turn_to(till.now + timedelta(seconds=61))
    with pytest.raises(NotPossible, match="for a minute"):
        till.undo(sam)
    assert till.status() == "redeemed"
    assert till.audited() == ["voucher.redeemed", "voucher.redemption_undone", "voucher.redeemed"]


def test_the_first_form_does_not_stand_for_a_second_use(till: Till, sam: Actor) -> None:
    """Used, undone, used by another: the first form sent again is told the truth."""
    till.redeem(sam)
    till.undo(sam)
    till.redeem(hire(till.shop, "support", "Ben").actor, key="Ben's")
    with pytest.raises(NotPossible, match="by Ben"):
        till.redeem(sam)


def test_a_voucher_is_given_with_a_reason_once(till: Till, sam: Actor) -> None:
    """A present names its giver and reason, ends with the last day, and the same form gives it once."""
    code = till.issue(sam)
    assert till.issue(sam) == code
    row = till.shop.rows("SELECT * FROM vouchers WHERE code = :code", code=code)[0]
    assert (row["name"], row["reward"], row["cost"], row["staff_id"]) == ("Free latte", "latte", 0, sam.staff_id)
    assert row["given_for"] == "Cold coffee"
    (held,) = till.find(code)
    assert held.ends_at.astimezone(UTC) == datetime(2026, 3, 10, 4, tzinfo=UTC)  # midnight in New York, summer time
    assert till.audited() == ["voucher.issued"]


def test_a_voucher_may_be_good_for_anything(till: Till, sam: Actor) -> None:
    """Free words name it; nothing, too much, and a reward there is not are refused."""
    assert till.find(till.issue(sam, reward=None, name=" Any  cake "))[0].name == "Any cake"
    for wrong in (
        {"reward": None, "name": " "},
        {"reward": None, "name": "x" * 61},
        {"reward": "yacht"},
        {"days": 0},
        {"days": 4000},
        {"reason": ""},
        {"key": ""},
    ):
        with pytest.raises(NotPossible):
            till.issue(sam, **{"key": "other", **wrong})
    assert till.shop.one("SELECT count(*) FROM vouchers") == 2


def test_the_words_of_a_reward_are_the_customers(till: Till, sam: Actor) -> None:
    """A Spanish customer's voucher is named in Spanish."""
    till.shop.execute("UPDATE customers SET language = 'es'")
    assert till.find(till.issue(sam))[0].name == "Latte gratis"


def test_a_voucher_taken_back_gives_its_points_when_wanted(till: Till, sam: Actor) -> None:
    """The points come back once, into the lot they came from; UNDO by text gives nothing more."""
    assert till.revoke(sam, points_back=True).code == till.code
    assert till.shop.one("SELECT points FROM customers") == 60
    with pytest.raises(NotPossible, match="taken back: Wrong reward"):
        till.revoke(sam, points_back=True)
    till.shop.says(ALICE, "UNDO")
    assert till.shop.one("SELECT points FROM customers") == 60
    assert till.shop.one("SELECT remaining FROM lots") == 60
    assert till.audited() == ["voucher.revoked"]


def test_a_voucher_may_be_taken_back_without_its_points(till: Till, sam: Actor) -> None:
    """The points stay spent; the voucher says why it is void."""
    till.revoke(sam, points_back=False)
    assert till.shop.one("SELECT points FROM customers") == 0
    assert [(held.status, held.reason) for held in till.find(till.code)] == [("revoked", "Wrong reward")]


def test_a_used_voucher_is_not_taken_back(till: Till, sam: Actor) -> None:
    """Who used it is told; nothing changes."""
    till.redeem(sam)
    with pytest.raises(NotPossible, match="used at 12:00 by Sam"):
        till.revoke(sam, points_back=True)
    assert till.shop.one("SELECT points FROM customers") == 0


def test_the_stock_gets_back_what_was_bought(till: Till, sam: Actor) -> None:
    """A revoked reward of limited stock can be had by somebody else."""
    till.shop.execute("INSERT INTO stock (reward, taken) VALUES ('mug', 3)")
    till.shop.execute("UPDATE vouchers SET reward = 'mug'")
    till.revoke(sam, points_back=True)
    assert till.shop.one("SELECT taken FROM stock WHERE reward = 'mug'") == 2
