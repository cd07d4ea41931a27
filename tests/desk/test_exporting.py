"""Exports of a customer: complete, readable, inert, and written row by row however long the history is."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator
from html.parser import HTMLParser

import pytest
from sqlalchemy import insert

from bot.desk import exporting, merging
from bot.desk.actor import Actor, NotPossible
from bot.desk.export_words import SECTIONS, spoken
from storage import holdings
from storage.database import reading, writing
from storage.ids import next_id
from storage.messages import messages
from storage.rows import complete
from tests.desk.known import MARKS, NAME, PHONE, known_customer
from tests.shop import ALICE, Shop, open_shop

MIA = Actor(None, "Mia", "manager")


@pytest.fixture
def shop(database_url: str) -> Iterator[Shop]:
    """A shop on each database."""
    with open_shop(database_url) as shop:
        yield shop


def as_json(shop: Shop, customer_id: int) -> dict[str, object]:
    services = shop.services
    about = services.catalog.book.programme.shop
    found: dict[str, object] = json.loads(
        "".join(exporting.as_json(services.engine, about, customer_id, shop.clock.now()))
    )
    return found


def as_page(shop: Shop, customer_id: int) -> str:
    services = shop.services
    return "".join(
        exporting.as_page(services.engine, services.catalog.book.programme.shop, customer_id, shop.clock.now())
    )


def test_the_json_has_every_row_of_every_table(shop: Shop) -> None:
    """Each table that has something of the customer is there with all its rows; others' rows are not."""
    customer_id = known_customer(shop)
    known_customer(shop, ALICE, "Ana Other")
    found = as_json(shop, customer_id)
    assert (found["format"], found["version"], found["numbers"]) == ("regulars-customer-export", 1, [PHONE])
    data = found["data"]
    assert isinstance(data, dict)
    with reading(shop.services.engine) as conn:
        counted = holdings.counts(conn, customer_id)
    derived = {each.table.name for each in holdings.HOLDINGS if each.derived}
    assert {name: len(rows) for name, rows in data.items() if rows} == {
        name: count for name, count in counted.items() if name not in derived
    }
    text = json.dumps(data, ensure_ascii=False).lower()
    assert [mark for mark in MARKS if mark not in text] == []
    assert "ana other" not in text
    assert "nora" not in text  # colleagues are people too
    row = data["customers"][0]
    assert row["id"] == str(customer_id)
    assert row["created_at"].startswith("2026-03-02T17:00:00")


def test_the_page_shows_every_table(shop: Shop) -> None:
    """The page has a section for each exported table, shows the words of all, and loads nothing."""
    customer_id = known_customer(shop)
    assert {each.table for each in SECTIONS} == {each.table.name for each in exporting.exported()}
    page = as_page(shop, customer_id)
    shown = Shown(page)
    assert [mark for mark in MARKS if mark not in shown.text.lower() and mark != "12015557788"] == []
    assert "(201) 555-7788" in shown.text
    with reading(shop.services.engine) as conn:
        counted = holdings.counts(conn, customer_id)
    titles = {each.title for each in SECTIONS if each.table in counted}
    assert titles <= set(shown.headings)
    assert not {"script", "link", "img", "iframe"} & shown.tags


def test_a_customers_words_stay_words(shop: Shop) -> None:
    """Markup in a name or a text is shown, never run, on the page; in the JSON it is a string."""
    shop.joined(PHONE)
    nasty = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"
    shop.says(PHONE, nasty)
    customer_id = int(shop.one("SELECT id FROM customers"))
    shop.execute("UPDATE customers SET name = :n", n=nasty)
    shown = Shown(as_page(shop, customer_id))
    assert nasty in shown.text
    assert not {"script", "img"} & shown.tags
    data = as_json(shop, customer_id)["data"]
    assert isinstance(data, dict)
    assert data["customers"][0]["name"] == nasty


def test_it_speaks_the_customers_language(shop: Shop) -> None:
    """A customer who writes Spanish gets the page in Spanish; nothing of the page is left in English."""
    known_customer(shop)
    shop.execute("UPDATE customers SET language = 'es' WHERE phone = :p", p=PHONE)
    page = as_page(shop, int(shop.one("SELECT id FROM customers WHERE phone = :p", p=PHONE)))
    assert '<html lang="es">' in page
    assert "Todo lo que sabemos de ti" in page
    headings = {each.title for each in SECTIONS} | {words for each in SECTIONS for _, words in each.columns}
    assert [words for words in headings if spoken(words, "es") == words] == []


def test_former_numbers_come_along(shop: Shop) -> None:
    """What was merged into the customer is theirs; a number somebody uses again is named and left out."""
    known_customer(shop)
    shop.joined(ALICE)
    services = shop.services
    ids = [int(shop.one("SELECT id FROM customers WHERE phone = :p", p=phone)) for phone in (PHONE, ALICE)]
    merging.merge(services.engine, services.catalog.book.programme, MIA, *ids, shop.clock.now())
    found = as_json(shop, ids[1])
    assert (found["numbers"], found["left_out"]) == ([ALICE, PHONE], [])
    shop.says(PHONE, "BALANCE")
    found = as_json(shop, ids[1])
    assert (found["numbers"], found["left_out"]) == ([ALICE], [PHONE])


def test_it_is_noted_and_refuses_who_is_not_there(shop: Shop) -> None:
    """The audit log says who took the data out in which form; nobody unknown can be exported."""
    customer_id = known_customer(shop)
    assert exporting.noted(shop.services.engine, MIA, customer_id, shop.clock.now(), "json").customer["name"] == NAME
    noted = shop.rows("SELECT who, customer_id FROM audit_log WHERE action = 'customer.exported'")
    assert noted == [{"who": "Mia", "customer_id": customer_id}]
    with pytest.raises(NotPossible, match="no such customer"):
        as_json(shop, 1)


def test_a_long_history_needs_little_memory(shop: Shop) -> None:
    """Twelve thousand texts stream through; at no moment are more than some hundreds of them in memory."""
    shop.says(PHONE, "HELP")
    customer_id = int(shop.one("SELECT id FROM customers"))
    body = "One more text of a very long friendship between a customer and a coffee bar. " * 2
    row = {"customer_id": customer_id, "direction": "in", "sender": PHONE, "recipient": "+1", "body": body}
    row |= {"state": "received", "created_at": shop.clock.now()}
    with writing(shop.services.engine) as conn:
        for _ in range(12):
            conn.execute(insert(messages), complete(messages, [{**row, "id": next_id()} for _ in range(1_000)]))
    services = shop.services
    about = services.catalog.book.programme.shop
    for form in (exporting.as_json, exporting.as_page):
        tracemalloc.start()
        size = sum(len(piece) for piece in form(services.engine, about, customer_id, shop.clock.now()))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert size > 12_000 * len(body)
        assert peak < 4_000_000


class Shown(HTMLParser):
    """What a page shows: its text, its headings and the tags it is made of."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.text, self.headings, self.tags = "", [""], set[str]()
        self._inside = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.add(tag)
        self._inside = tag
        if tag == "h2":
            self.headings.append("")

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._inside == "h2":
            self.headings[-1] += data.strip("\n")
