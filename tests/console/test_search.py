"""The search page: customers and texts, with and without script, inert and for the right people."""

from __future__ import annotations

from bot.workers import TICKS
from tests.console.conftest import Hire
from tests.shop import ALICE, BOB, Shop

SCRIPT = "<script>alert(1)</script>"


def indexed(shop: Shop) -> None:
    TICKS["search"].job(shop.services)


def test_it_finds_a_text_and_its_customer(shop: Shop, hiring: Hire) -> None:
    """Half a sentence leads to the conversation, with the words marked."""
    shop.says(ALICE, "I never got my coffee")
    indexed(shop)
    sam = hiring("support")
    read = sam.read("/console/search?q=never+got+my+cof")
    alice = shop.one("SELECT id FROM customers WHERE phone = :phone", phone=ALICE)
    assert f"/console/customers/{alice}/conversation" in read
    assert "<mark>never</mark>" in read
    assert "<mark>coffee</mark>" in read


def test_half_a_number_finds_the_customer(shop: Shop, hiring: Hire) -> None:
    """The last digits are enough; others are not shown."""
    shop.says(ALICE, "hi")
    shop.says(BOB, "hi")
    indexed(shop)
    read = hiring("manager").read("/console/search?q=0111")
    assert "(201) 555-0111" in read
    assert "(201) 555-0122" not in read


def test_a_script_gets_the_results_alone(shop: Shop, hiring: Hire) -> None:
    """While one types, a fragment comes without the frame."""
    shop.says(ALICE, "I never got my coffee")
    indexed(shop)
    answer = hiring("support").post("/console/search/results", {"q": "coffee"})
    read = answer.get_data(as_text=True)
    assert answer.status_code == 200
    assert "<mark>coffee</mark>" in read
    assert "<html" not in read


def test_what_customers_wrote_is_inert(shop: Shop, hiring: Hire) -> None:
    """Markup in texts, names and the query is shown, never run."""
    shop.says(ALICE, f"pumpkin {SCRIPT}")
    shop.execute("UPDATE customers SET name = :name", name=f"Ana {SCRIPT}")
    indexed(shop)
    sam = hiring("support")
    for query in ("pumpkin", "ana", SCRIPT, '"><img src=x onerror=alert(1)>'):
        read = sam.get("/console/search", query_string={"q": query}).get_data(as_text=True)
        assert SCRIPT not in read
        assert "<img src=x" not in read
    assert "&lt;script&gt;" in sam.read("/console/search?q=pumpkin")


def test_nothing_typed_and_nothing_found(shop: Shop, hiring: Hire) -> None:
    """The empty page asks; a search without result says what to try; odd values break nothing."""
    sam = hiring("support")
    assert "Nothing found" not in sam.read("/console/search")
    assert "Nothing found" in sam.read("/console/search?q=zzz")
    for odd in ("-1", "x", "9" * 40):
        assert sam.get(f"/console/search?q=a&before={odd}").status_code == 200


def test_older_texts_are_a_page_away(shop: Shop, hiring: Hire) -> None:
    """Twenty at a time, the newest first."""
    for number in range(25):
        shop.says(ALICE, f"order word{number:02}x")
    indexed(shop)
    sam = hiring("support")
    first = sam.read("/console/search?q=order")
    assert "word24x" in first
    assert "word04x" not in first
    link = first.split('href="/console/search?q=order&amp;before=')[1].split('"')[0]
    older = sam.read(f"/console/search?q=order&before={link}")
    assert "word04x" in older
    assert "word24x" not in older
