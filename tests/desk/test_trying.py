"""Trying what the bot would say: on a masked copy, with nothing left of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import select

from bot.desk import trying
from bot.desk.actor import NotPossible
from storage.database import reading
from storage.migrate import metadata
from tests.shop import ALICE, Shop, open_shop


@pytest.fixture
def shop(database_url: str) -> Iterator[Shop]:
    with open_shop(database_url) as shop:
        shop.joined(ALICE)
        shop.execute("UPDATE customers SET name = 'Alice Real', email = 'alice@example.com' WHERE phone = :p", p=ALICE)
        yield shop


def alice(shop: Shop) -> int:
    return int(shop.one("SELECT id FROM customers WHERE phone = :phone", phone=ALICE))


def everything(shop: Shop) -> dict[str, list[str]]:
    """Return every row of every table."""
    with reading(shop.services.engine) as conn:
        return {table.name: sorted(map(repr, conn.execute(select(table)))) for table in metadata.tables.values()}


def test_it_answers_from_where_the_customer_stands(shop: Shop) -> None:
    """Each line goes on from the one before; replies and reasons stand beside it."""
    found = trying.play(shop.services.turns, alice(shop), ["REDEEM", "1", "YES", "blorb"], shop.clock.now())
    assert [len(each.replies) > 0 for each in found.tried] == [True] * 4
    assert "number" in found.tried[0].replies[0]
    assert [each.why.decision for each in found.tried if each.why] == ["flow", "reply", "reply", "fallback"]
    assert found.points < 60


def test_nothing_is_left_of_it(shop: Shop) -> None:
    """Leaving, redeeming, asking for a person: not one row of any table is other than before, and nothing waits."""
    before = everything(shop)
    for lines in (["STOP"], ["REDEEM", "1", "YES"], ["can i talk to a person"], ["PROFILE", "Bob", "SKIP"]):
        trying.play(shop.services.turns, alice(shop), lines, shop.clock.now())
    assert everything(shop) == before
    assert "unsubscribed" not in shop.says(ALICE, "BALANCE")[0]


def test_the_copy_is_masked(shop: Shop) -> None:
    """Its replies call it by another name, and the number is one kept for fiction."""
    found = trying.play(shop.services.turns, alice(shop), ["BALANCE", "REFER"], shop.clock.now())
    said = " ".join(reply for each in found.tried for reply in each.replies)
    assert "Alice" not in said
    assert trying.NAME in said
    assert all("55501" in number for number in trying._NUMBERS)


def test_the_real_customer_is_found_afterwards(shop: Shop) -> None:
    """What was tried does not stay in the memory of numbers: the next real text is the customer's own."""
    trying.play(shop.services.turns, alice(shop), ["BALANCE"], shop.clock.now())
    shop.says(ALICE, "BALANCE")
    assert shop.one("SELECT count(DISTINCT customer_id) FROM messages") == 1
    shop.says("+12015550100", "JOIN")
    assert shop.one("SELECT count(*) FROM customers") == 2


def test_a_script_has_its_limits() -> None:
    """Blank lines do not count; too many lines or too long ones are refused."""
    assert trying.lines_of(" a \n\n b ") == ["a", "b"]
    for script in ("x\n" * 21, "x" * 1_601):
        with pytest.raises(NotPossible):
            trying.lines_of(script)


def test_nobody_is_nobody(shop: Shop) -> None:
    """A customer who is not there is a sentence."""
    with pytest.raises(NotPossible):
        trying.play(shop.services.turns, 1, ["BALANCE"], shop.clock.now())
