"""Lessons: what was misunderstood, and whether the router is right by now."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bot.desk import lessons
from bot.desk.actor import Actor, NotPossible
from storage import lessons as stored
from storage.database import reading
from storage.rows import Row
from tests.shop import ALICE, Shop, open_shop

SUE = Actor(None, "Sue", "support")


@pytest.fixture
def shop(database_url: str) -> Iterator[Shop]:
    with open_shop(database_url) as shop:
        shop.joined(ALICE)
        yield shop


def said(shop: Shop, body: str) -> int:
    shop.says(ALICE, body)
    return int(shop.one("SELECT max(id) FROM messages WHERE direction = 'in'"))


def teach(shop: Shop, message_id: int, decision: str = "flow", intent: str | None = "redeem") -> None:
    parts = shop.services
    lessons.teach(parts.engine, SUE, parts.catalog.book, message_id, decision, intent, shop.clock.now())


def kept(shop: Shop) -> list[Row]:
    with reading(shop.services.engine) as conn:
        return list(stored.everything(conn))


def test_a_lesson_says_what_it_should_have_been(shop: Shop) -> None:
    """It keeps the words, where the customer stood, and what the router made of them."""
    teach(shop, said(shop, "zzz frobnicate"))
    [lesson] = kept(shop)
    assert (lesson["text"], lesson["decision"], lesson["intent"]) == ("zzz frobnicate", "flow", "redeem")
    assert (lesson["consent"], lesson["state"]) == ("subscribed", None)
    assert lesson["understood"]["decision"] == "fallback"


def test_a_second_lesson_replaces_the_first(shop: Shop) -> None:
    """There is one for each text; it can be changed and taken back, once."""
    message = said(shop, "zzz frobnicate")
    teach(shop, message)
    teach(shop, message, "help", None)
    assert [(each["decision"], each["intent"]) for each in kept(shop)] == [("help", None)]
    lessons.forget(shop.services.engine, SUE, message, shop.clock.now())
    assert kept(shop) == []
    with pytest.raises(NotPossible):
        lessons.forget(shop.services.engine, SUE, message, shop.clock.now())


def test_only_known_words_are_taken(shop: Shop) -> None:
    """Another decision, another intent, or a text of ours is refused, and nothing is written."""
    message = said(shop, "BALANCE")
    ours = int(shop.one("SELECT max(id) FROM messages WHERE direction = 'out'"))
    for wrong in ((message, "fly", None), (message, "flow", "fly"), (message, "hold", None), (ours, "flow", None)):
        with pytest.raises(NotPossible):
            teach(shop, *wrong)
    assert kept(shop) == []


def test_the_router_is_asked_again(shop: Shop) -> None:
    """A lesson is played from the state it was about; it is right or wrong by the router in force."""
    shop.says(ALICE, "PROFILE")
    teach(shop, said(shop, "Ana Maria"), "reply", "text")
    teach(shop, said(shop, "STOP"), "help", "help")
    first, second = kept(shop)
    assert first["state"].startswith("profile:")
    book, now = shop.services.catalog.book, shop.clock.now()
    assert lessons.check(book, first, now).right
    assert not lessons.check(book, second, now).right
    assert lessons.check(book, {**first, "state": "gone:away"}, now).routing.decision != "reply"


def test_a_line_for_the_routers_tests(shop: Shop) -> None:
    """The line has the fields of tests/engine/routing and nothing of the customer but their words."""
    teach(shop, said(shop, "zzz frobnicate"))
    [lesson] = kept(shop)
    line = {"text": "zzz frobnicate", "decision": "flow", "intent": "redeem", "kind": "taught", "lang": "en"}
    assert lessons.example(lesson) == line
    asked = {**lesson, "state": "redeem:choosing", "consent": "none"}
    assert lessons.example(asked) == {**line, "state": "redeem:choosing", "consent": "none"}
