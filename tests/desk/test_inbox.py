"""The inbox: what each view shows of real conversations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from storage import inbox, moments, tags
from storage.database import reading
from storage.inbox import Wanted
from tests.desk.people import Desk
from tests.desk.views import seen
from tests.shop import ALICE, BOB, CHARLIE, Shop, open_shop


@pytest.fixture
def shop(database_url: str) -> Iterator[Shop]:
    """An open shop with a standing clock."""
    with open_shop(database_url) as opened:
        yield opened


@pytest.fixture
def house(shop: Shop) -> Desk:
    """The shop's desk with Nora, Omar and their manager Mia."""
    return Desk(shop)


def tag(shop: Shop, phone: str, words: str) -> None:
    """Set a customer's tags, given as JSON."""
    shop.execute("UPDATE customers SET tags = :tags WHERE phone = :phone", tags=words, phone=phone)


def test_it_shows_who_waits_for_a_person_longest_first(shop: Shop) -> None:
    """Whoever asked first stands first."""
    shop.says(BOB, "AGENT")
    shop.wait(timedelta(minutes=3))
    shop.says(ALICE, "AGENT")
    assert seen(shop, Wanted("needs_person")) == ["bob", "alice"]
    assert seen(shop, Wanted("waiting")) == ["alice", "bob"]


def test_it_shows_a_text_nobody_answered_until_somebody_does(shop: Shop, house: Desk) -> None:
    """A text to a person who holds the conversation waits; their answer takes it out."""
    shop.joined(ALICE)
    assert seen(shop, Wanted("unanswered")) == []
    house.take_over(house.nora, ALICE)
    shop.says(ALICE, "never got my coffee")
    shop.says(ALICE, "hello?")
    assert seen(shop, Wanted("unanswered")) == ["alice"]
    house.answer(house.nora, ALICE, "So sorry, the next one is on us.")
    assert seen(shop, Wanted("unanswered")) == []
    assert shop.one("SELECT count(*) FROM messages WHERE unanswered IS NOT NULL") == 0  # the walk stays short
    shop.says(ALICE, "and my cookie?")
    assert seen(shop, Wanted("unanswered")) == ["alice"]


def test_it_does_not_count_thanks_and_hearts_as_unanswered(shop: Shop, house: Desk) -> None:
    """What needs no answer does not wait for one, and hides no text that does."""
    shop.joined(ALICE)
    shop.says(ALICE, "thanks!")
    shop.says(ALICE, "Loved “You are in”")
    assert seen(shop, Wanted("unanswered")) == []
    house.take_over(house.nora, ALICE)
    shop.says(ALICE, "never got my coffee")
    shop.says(ALICE, "Loved “You are in”")
    assert seen(shop, Wanted("unanswered")) == ["alice"]


def test_it_shows_what_the_bot_did_not_understand(shop: Shop) -> None:
    """Nonsense stands in the view once for each customer, the newest first; what was understood does not."""
    shop.joined(ALICE)
    shop.says(BOB, "xyzzy plugh")
    shop.says(ALICE, "qwertz uiop")
    shop.says(BOB, "frobnicate the quux")
    shop.says(CHARLIE, "HELP")
    assert seen(shop, Wanted("misunderstood")) == ["bob", "alice"]


def test_it_shows_a_reply_that_was_no_answer_as_misunderstood(shop: Shop) -> None:
    """A re-prompt is a misunderstanding too."""
    shop.says(ALICE, "JOIN")
    shop.says(ALICE, "purple elephants")
    assert shop.one("SELECT misunderstood FROM messages WHERE body = 'purple elephants'")
    assert shop.one("SELECT misunderstood FROM messages WHERE body = 'JOIN'") is None


def test_it_shows_deliveries_that_failed(shop: Shop) -> None:
    """A text the carrier could not deliver stands in the view."""
    shop.joined(ALICE)
    shop.joined(BOB)
    shop.execute(
        "UPDATE messages SET state = 'undelivered', error_code = '30003'"
        " WHERE id = (SELECT max(id) FROM messages WHERE recipient = :phone)",
        phone=BOB,
    )
    assert seen(shop, Wanted("undelivered")) == ["bob"]


def test_it_shows_who_opted_out_today(shop: Shop) -> None:
    """Yesterday's do not count, nor who has joined again."""
    shop.joined(CHARLIE)
    shop.says(CHARLIE, "STOP")
    shop.wait(timedelta(hours=24))
    for phone in (ALICE, BOB):
        shop.joined(phone)
        shop.says(phone, "STOP")
    shop.says(BOB, "START")
    shop.says(BOB, "YES")
    with reading(shop.services.engine) as conn:
        midnight = moments.id_before(conn, shop.clock.now() - timedelta(hours=12))
    assert seen(shop, Wanted("left", since=midnight)) == ["alice"]
    assert "charlie" in seen(shop, Wanted("left"))


def test_it_shows_who_is_in_a_flow(shop: Shop) -> None:
    """Open conversations only."""
    shop.says(ALICE, "JOIN")
    shop.joined(BOB)
    assert seen(shop, Wanted("flow", flow="join")) == ["alice"]
    assert seen(shop, Wanted("flow", flow="redeem")) == []


def test_it_follows_tags_however_they_change(shop: Shop) -> None:
    """The view of a tag has who has it now; the list of tags has those in use."""
    for phone in (ALICE, BOB):
        shop.says(phone, "HELP")
    tag(shop, ALICE, '["vip", "staff", "vip"]')
    tag(shop, BOB, '["vip"]')
    assert seen(shop, Wanted("recent", tag="vip")) == ["bob", "alice"]
    tag(shop, BOB, "[]")
    assert seen(shop, Wanted("recent", tag="vip")) == ["alice"]
    with reading(shop.services.engine) as conn:
        assert tags.names(conn) == ["staff", "vip"]
        assert tags.some(conn, "staff", 5) == [shop.one("SELECT id FROM customers WHERE phone = :p", p=ALICE)]


def test_it_finds_a_tag_many_have_on_the_walk(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond FEW the same customers come in the same order."""
    for phone in (ALICE, BOB, CHARLIE):
        shop.says(phone, "HELP")
        tag(shop, phone, '["vip"]' if phone != BOB else "[]")
    monkeypatch.setattr(inbox, "FEW", 0)
    assert seen(shop, Wanted("recent", tag="vip")) == ["charlie", "alice"]


def test_it_finds_the_texts_of_a_day(shop: Shop) -> None:
    """A day has who wrote on it, whatever they wrote later."""
    shop.says(ALICE, "HELP")
    shop.says(BOB, "HELP")
    shop.wait(timedelta(days=1))
    shop.says(BOB, "HELP")
    shop.says(CHARLIE, "HELP")
    with reading(shop.services.engine) as conn:
        begin = moments.id_before(conn, shop.clock.now() - timedelta(days=1))
        end = moments.id_before(conn, shop.clock.now())
    day = Wanted("recent", since=begin, until=end + 1)
    assert seen(shop, day) == ["bob", "alice"]
    assert seen(shop, replace(day, since=end, until=2**62)) == ["charlie", "bob"]
    assert seen(shop, Wanted("recent")) == ["charlie", "bob", "alice"]


@pytest.mark.parametrize("stride", [(2,), (200, 800)])
def test_it_pages_without_losing_or_repeating_anybody(
    shop: Shop, stride: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Page by page, short ones included, everybody comes once."""
    for _ in range(3):
        for phone in (ALICE, BOB, CHARLIE):
            shop.says(phone, "HELP")
    monkeypatch.setattr(inbox, "_STRIDES", stride)
    met, after = [], None
    for _ in range(20):
        with reading(shop.services.engine) as conn:
            page = inbox.page(conn, Wanted("recent"), shop.clock.now(), after, 1)
        met += [each.customer_id for each in page.entries]
        after = page.then
        if after is None:
            break
    assert len(met) == len(set(met)) == 3
