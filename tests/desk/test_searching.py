"""Searching at the desk: texts arrive, the tick indexes them, staff find them."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from bot.desk import erasing, merging, searching
from bot.desk.actor import Actor
from bot.workers import TICKS
from storage import customers, indexing, profile_changes, search, shelves, vouchers
from storage.database import open_engine, reading, writing
from storage.ids import next_id
from storage.wording import wanted_in_texts, words
from tests.shop import ALICE, BOB, Shop, open_shop
from tests.storage.people import new_customer, new_message

NORA = Actor(None, "Nora", "manager")


@pytest.fixture
def shop(database_url: str) -> Iterator[Shop]:
    """A shop on each database."""
    with open_shop(database_url) as shop:
        yield shop


def find(shop: Shop, query: str, before: int | None = None) -> searching.Found:
    return searching.find(shop.services.engine, NORA, query, shop.clock.now(), before)


def tick(shop: Shop) -> Any:
    return TICKS["search"].job(shop.services)


def test_a_text_is_found_after_the_next_tick(shop: Shop) -> None:
    """A signed text comes in; a second later the desk finds it, with its piece and its marks."""
    shop.says(ALICE, "Hi, I never got my Café latte yesterday")
    assert find(shop, "never got my cafe").texts == ()
    tick(shop)
    found = find(shop, "never got my caf")
    text = found.texts[0]
    assert (text.phone, text.direction, text.by) == (ALICE, "in", "customer")
    assert [text.snippet[start:end] for start, end in text.marks] == ["never", "got", "my", "Café"]
    assert "".join(piece for piece, _ in text.parts) == text.snippet
    assert found.complete
    assert found.filled
    assert found.older is None


def test_what_the_bot_said_is_found(shop: Shop) -> None:
    """Answers are searched too, and named as the bot's."""
    shop.joined(ALICE)
    tick(shop)
    assert "bot" in {text.by for text in find(shop, "reply").texts}


def test_a_customer_is_found_by_half_a_number(shop: Shop) -> None:
    """Any part of a number, however it is written."""
    shop.says(ALICE, "hello")
    shop.says(BOB, "hello")
    tick(shop)
    for query in (ALICE, ALICE[-7:], "(201) 555-0111", "0111", "555-01 11"):
        assert [each.phone for each in find(shop, query).customers] == [ALICE], query
    assert {each.phone for each in find(shop, "20155501").customers} == {ALICE, BOB}


def test_a_changed_name_is_found(shop: Shop) -> None:
    """Whoever texts is looked at again, so that what the bot learnt of them is found at once."""
    shop.says(ALICE, "hello")
    tick(shop)
    alice = shop.one("SELECT id FROM customers WHERE phone = :phone", phone=ALICE)
    with writing(shop.services.engine) as conn:
        customers.change(conn, [(alice, {"name": "Zoë Quill"})])
    shop.says(ALICE, "balance")
    tick(shop)
    assert [each.id for each in find(shop, "zoe").customers] == [alice]
    with writing(shop.services.engine) as conn:
        customers.change(conn, [(alice, {"name": "Ann"})])
        indexing.refresh(conn, [alice])
    assert find(shop, "zoe").customers == ()
    assert [each.id for each in find(shop, "ann").customers] == [alice]


def test_what_staff_change_is_found(shop: Shop) -> None:
    """A name set at the desk, noted among the changes, and a voucher given there are found after the next tick."""
    shop.says(ALICE, "hello")
    tick(shop)
    with writing(shop.services.engine) as conn:
        alice = conn.exec_driver_sql("SELECT id FROM customers").scalar_one()
        now = shop.clock.now()
        customers.change(conn, [(alice, {"name": "Zoë Quill"})])
        change = {"id": next_id(), "customer_id": alice, "field": "name", "after": "Zoë Quill", "by": "1", "at": now}
        profile_changes.insert(conn, [change])
    tick(shop)
    assert [each.id for each in find(shop, "quill").customers] == [alice]
    with writing(shop.services.engine) as conn:
        given = {"id": next_id(), "customer_id": alice, "code": "K7MR-2XWD", "name": "Latte", "issued_at": now}
        vouchers.insert(conn, [{**given, "ends_at": now}])
    tick(shop)
    for code in ("k7mr-2xwd", "K7MR2XWD", "k7mr2"):
        assert [each.id for each in find(shop, code).customers] == [alice], code


def test_a_merged_number_leads_to_the_new_one(shop: Shop) -> None:
    """What moved to another number is found there at once."""
    for phone in (ALICE, BOB):
        shop.joined(phone)
    alice, bob = (int(shop.one("SELECT id FROM customers WHERE phone = :p", p=phone)) for phone in (ALICE, BOB))
    with writing(shop.services.engine) as conn:
        customers.change(conn, [(alice, {"name": "Zoë Quill"})])
    tick(shop)
    merging.merge(shop.services.engine, shop.services.catalog.book.programme, NORA, alice, bob, shop.clock.now())
    assert bob in [each.id for each in find(shop, "quill").customers]


def test_the_audit_log_has_counts_and_no_words(shop: Shop) -> None:
    """That somebody searched and how many they saw is noted; what for is not."""
    shop.says(ALICE, "secretword")
    tick(shop)
    find(shop, "secretword")
    entries = shop.rows("SELECT who, action, detail FROM audit_log WHERE action = 'search.made'")
    assert [entry["who"] for entry in entries] == ["Nora"]
    assert "secretword" not in str(entries)
    assert '"texts"' in str(entries).replace("'", '"')


def test_marketing_is_left_out(shop: Shop) -> None:
    """A campaign of thousands does not bury what customers wrote."""
    with writing(shop.services.engine) as conn:
        who = new_customer(conn)
        new_message(conn, customer_id=who, body="pumpkin latte is back", purpose="marketing")
        service = new_message(conn, customer_id=who, body="your pumpkin latte is ready", purpose="service")
    tick(shop)
    assert [text.id for text in find(shop, "pumpkin").texts] == [service]
    assert not tick(shop)


def test_what_commits_late_is_found(shop: Shop) -> None:
    """An id made before others and committed after them is not passed over."""
    with writing(shop.services.engine) as conn:
        who, early = new_customer(conn), next_id()
        new_message(conn, customer_id=who, body="first")
    tick(shop)
    with writing(shop.services.engine) as conn:
        new_message(conn, id=early, customer_id=who, body="belated")
    tick(shop)
    assert [text.id for text in find(shop, "belated").texts] == [early]


def test_an_old_shop_is_filled_from_the_newest_back(shop: Shop) -> None:
    """After an upgrade batches go back in time; a stop in between loses nothing; new texts come first."""
    with writing(shop.services.engine) as conn:
        who = new_customer(conn)
        ids = [new_message(conn, id=1_000 + n, customer_id=who, body=f"order {n} please") for n in range(50)]
    engine = shop.services.engine
    searching.keep_up(engine, batches=1, size=10)
    found = find(shop, "order")
    assert [text.id for text in found.texts] == ids[:-11:-1]
    assert not found.filled
    shop.says(ALICE, "order now")
    searching.keep_up(engine, batches=1, size=10)
    assert len(find(shop, "now").texts) == 1
    searching.keep_up(engine, batches=20, size=10)
    assert find(shop, "order").filled
    pages, before = [], None
    while True:
        page = find(shop, "order please", before)
        pages += [text.id for text in page.texts]
        if (before := page.older) is None:
            break
    assert pages == ids[::-1]


def test_the_index_can_be_made_anew(shop: Shop) -> None:
    """Reindexing finds the same again."""
    shop.says(ALICE, "find me again")
    tick(shop)
    searching.reindex(shop.services.engine, NORA, shop.clock.now())
    assert find(shop, "again").texts == ()
    tick(shop)
    assert len(find(shop, "again").texts) == 1


def test_several_may_tick_at_once(shop: Shop) -> None:
    """Two schedulers index each text once, and words are counted once."""
    for number in range(20):
        shop.says(ALICE, f"order {number}")
    threads = [threading.Thread(target=tick, args=(shop,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    tick(shop)
    with reading(shop.services.engine) as conn:
        count = "SELECT texts FROM search_vocabulary WHERE shelf = 'search_texts' AND word = 'order'"
        assert conn.exec_driver_sql(count).scalar() == 20


def test_the_erased_are_not_found(shop: Shop) -> None:
    """An erased customer's texts and number leave the index and the vocabulary."""
    shop.says(ALICE, "zebrafinch please")
    shop.says(BOB, "coffee please")
    tick(shop)
    alice = shop.one("SELECT id FROM customers WHERE phone = :phone", phone=ALICE)
    settings_ = shop.services.settings
    erasing.erase(shop.services.engine, settings_.secret_key, NORA, alice, ALICE[-4:], shop.clock.now())
    tick(shop)
    for query in ("zebrafinch", "zeb", ALICE, "0111"):
        found = find(shop, query)
        assert (found.customers, found.texts) == ((), ())
    assert shop.rows("SELECT 1 FROM search_vocabulary WHERE word LIKE 'zebra%' OR word = '#0111'") == []
    assert len(find(shop, "please").texts) == 1


HOSTILE = (
    "",
    " ",
    '"',
    '""',
    "'",
    "*",
    "a*",
    "^a",
    "AND",
    "OR NOT NEAR(",
    "a AND b",
    "words : x",
    "-a",
    "{a b} : c",
    "a & b | !c <-> (",
    "\\",
    "':*'",
    "'; DROP TABLE messages; --",
    "%",
    "_",
    "\0",
    "\ud800",
    "#0111",
    "é" * 5_000,
    "a " * 5_000,
    '"' * 5_000,
    "1" * 5_000,
    "( " * 500 + "201",
    "\u200b\u200d",
    "ﷺ",
    "+",
    "+()",
    "0" * 60,
)


@pytest.mark.parametrize("query", HOSTILE)
def test_no_query_breaks_it(shop: Shop, query: str) -> None:
    """Operators, quotes, junk and very long queries are words or nothing."""
    shop.says(ALICE, "a AND b OR NOT near words 'x' \"quoted\" 100% \\ (bracket")
    tick(shop)
    found = find(shop, query)
    assert len(found.texts) <= searching.LIMIT


def test_a_long_text_is_cut_around_the_words() -> None:
    """A snippet shows the words that were found, also far behind, and says where the text was cut."""
    body = "bla " * 100 + "never got my coffee " + "bla " * 100
    snippet, marks, cut = searching.snippet_of(body, '"never got" cof')
    assert len(snippet) <= searching.SNIPPET
    assert [snippet[start:end] for start, end in marks] == ["never", "got", "coffee"]
    assert cut == (True, True)
    assert searching.snippet_of("short", "other") == ("short", (), (False, False))


_WORDS = st.sampled_from(
    ["coffee", "Café", "cof", "never", "got", "my", "don't", "3:30", "☕", "咖啡", "ÅNGSTRÖM", "x"]
)
_BODIES = st.lists(st.lists(_WORDS, max_size=6).map(" ".join), max_size=12)
_QUERIES = st.lists(
    st.one_of(
        _WORDS, st.lists(_WORDS, min_size=1, max_size=3).map(lambda words: f'"{" ".join(words)}"'), st.text(max_size=4)
    ),
    max_size=3,
).map(" ".join)


@pytest.fixture
def both(
    _sqlite_file: Any, tmp_path: Any, postgres_server: Any, _postgres_database: str
) -> Iterator[tuple[Engine, Engine]]:
    """Both databases at once."""
    path = tmp_path / "both.db"
    path.write_bytes(_sqlite_file.read_bytes())
    postgres_server.empty(_postgres_database)
    engines = open_engine(f"sqlite:///{path}"), open_engine(postgres_server.url_of(_postgres_database))
    yield engines
    for engine in engines:
        engine.dispose()


@pytest.mark.postgres
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(bodies=_BODIES, queries=st.lists(_QUERIES, min_size=1, max_size=4))
def test_both_databases_find_the_same(both: tuple[Engine, Engine], bodies: list[str], queries: list[str]) -> None:
    """Whatever was written and whatever is asked: the same texts in the same order."""
    found = []
    for engine in both:
        with writing(engine) as conn:
            shelves.lock(conn)
            old = [row.id for row in conn.execute(shelves.TEXTS.select())]
            shelves.remove(conn, shelves.TEXTS, old)
            shelves.put(conn, shelves.TEXTS, {n: words(body) for n, body in enumerate(bodies, 1)})
            counts = {row.word: row.texts for row in conn.execute(shelves.vocabulary.select())}
            assert counts == Counter(word for body in bodies for word in set(words(body)))
        with reading(engine) as conn:
            found.append([search.newest(conn, shelves.TEXTS, wanted_in_texts(query), 5) for query in queries])
    assert found[0] == found[1]
