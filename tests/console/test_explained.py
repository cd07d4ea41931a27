"""Why the bot answered so, in plain words and in the language of the page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from datetime import timedelta

import pytest
from flask import g

from bot.console.conversation import told
from bot.desk.conditions import instead
from bot.engine.guards import All, Any_, Ask, Not, Predicate, describe
from tests.console.conftest import Hire
from tests.shop import ALICE, Shop


@pytest.mark.parametrize(
    ("condition", "english", "spanish"),
    [
        (Not(Ask("consent", "is", "subscribed")), "they are subscribed", "está suscrito"),
        (
            Ask("used", "is", "check_in"),
            "points for “check in” were never given",
            "nunca se dieron puntos por “check in”",
        ),
        (
            Ask("slot", "is", "day_code", "code"),
            "“code” is not today's code at the till",
            "“code” no es el código de hoy en la caja",
        ),
        (Ask("points", "at_least", 100), "they have fewer than 100 points", "tiene menos de 100 puntos"),
        (
            Ask("tier", "one_of", ("gold", "silver")),
            "their tier is not gold or silver",
            "su nivel no es gold o silver",
        ),
        (
            Ask("last_purchase", "before", timedelta(days=20)),
            "their last purchase was not before 20 days ago",
            "su última compra no fue antes de hace 20 días",
        ),
        (
            All((Ask("consent", "is", "subscribed"), Not(Ask("tag", "is", "rock and roll")))),
            "they are not subscribed, or they have the tag “rock and roll”",
            "no está suscrito, o tiene la etiqueta “rock and roll”",
        ),
        (
            Any_((Ask("voucher", "is", False), All((Ask("name", "known", True), Ask("birthday", "known", True))))),
            "they have a voucher to use, and their name is not known, or their birthday is not known",
            "tiene un vale para usar, y su nombre no se conoce, o su cumpleaños no se conoce",
        ),
    ],
)
def test_what_was_so_instead(shop: Shop, condition: Predicate, english: str, spanish: str) -> None:
    """A condition that did not hold is told as what was so, in both languages."""
    with shop.app.test_request_context():
        for language, words in (("en", english), ("es", spanish)):
            g.language = language
            assert told(instead(describe(condition))) == words


def conditions(value: object) -> Iterator[Predicate]:
    """Give every condition within a value."""
    if isinstance(value, (Ask, All, Any_, Not)):
        yield value
    elif is_dataclass(value):
        for each in fields(value):
            yield from conditions(getattr(value, each.name))
    elif isinstance(value, (tuple, list, dict)):
        for part in value.values() if isinstance(value, dict) else value:
            yield from conditions(part)


def test_every_condition_that_ships_is_told(shop: Shop) -> None:
    """None of the shop's flows has a condition that would be shown in the words of its file."""
    found = {describe(each) for flow in shop.services.catalog.book.flows.values() for each in conditions(flow)}
    assert len(found) > 20
    with shop.app.test_request_context():
        g.language = "es"
        for words in found:
            said = told(instead(words))
            assert not re.search(r"_|\bslot\b|\bconsent\b|\bthey\b|\bknown\b", said), f"{words} -> {said}"


def test_a_page_tells_it_in_spanish_with_the_lines(shop: Shop, hiring: Hire) -> None:
    """The explanation of a text that was passed over has sentences, what it meant by title, and the file's lines."""
    shop.says(ALICE, "REDEEM")
    sam = hiring("support")
    customer = shop.one("SELECT id FROM customers")
    english = sam.read(f"/console/customers/{customer}/conversation")
    assert "another way was passed over: they are not subscribed" in english
    assert '<span class="tag">Redeem a reward</span>' in english
    [lines] = re.findall(r'<code class="source-line">(.*?)</code>', english, re.DOTALL)[:1]
    assert len(lines.splitlines()) > 1
    sam.post("/console/account/language", {"language": "es"})
    assert "se descartó otro camino: no está suscrito" in sam.read(f"/console/customers/{customer}/conversation")
