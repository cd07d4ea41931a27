"""The conversation's pages over HTTP: what they show, what they keep inert, and what they write."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape

import pytest

from storage import audit, customers, messages
from storage.database import reading, writing
from storage.ids import next_id
from tests.console.conftest import Hire
from tests.shop import ALICE, BOB, Shop

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)> {{ 7*7 }} שלום 🎉"


@pytest.fixture
def alice(shop: Shop) -> int:
    """Alice, who joined."""
    shop.joined(ALICE)
    return int(shop.one("SELECT id FROM customers WHERE phone = :phone", phone=ALICE))


def conversation(customer: int) -> str:
    return f"/console/customers/{customer}/conversation"


def entries(text: str) -> list[str]:
    return re.findall(r'data-entry="([^"]+)"', text)


def test_it_shows_the_whole_conversation_with_its_reasons(shop: Shop, hiring: Hire, alice: int) -> None:
    """Texts both ways, what was agreed to and earned, the day as heading, and why the bot answered so."""
    shop.says(ALICE, "balnce")
    text = hiring("support").read(conversation(alice))
    for words in ("balnce", "Starts “Points and tier”", "balnce -&gt; balance", "balance.yaml:", "Mon, Mar 2, 2026"):
        assert words in text, words
    assert "Agreed to marketing texts, by text" in text
    assert "+60 points earned" in text
    assert "With the carrier; not confirmed yet" in text
    assert len(entries(text)) == len(set(entries(text))) >= 8


def test_the_pane_is_a_part_without_the_frame(shop: Shop, hiring: Hire, alice: int) -> None:
    """The inbox gets the same without the page around it."""
    text = hiring("support").read(conversation(alice) + "?pane=1")
    assert "<html" not in text
    assert entries(text) == entries(hiring("manager").read(conversation(alice)))


def test_hostile_words_are_shown_and_do_nothing(shop: Shop, hiring: Hire, alice: int) -> None:
    """Script in a text, a name, a note: escaped everywhere, in their own direction."""
    shop.execute("UPDATE customers SET name = :name WHERE id = :id", name=HOSTILE, id=alice)
    shop.says(ALICE, HOSTILE)
    sam = hiring("support")
    sam.post(f"/console/customers/{alice}/notes", {"body": HOSTILE})
    text_id = shop.one("SELECT max(id) FROM messages WHERE direction = 'in'")
    for path in (
        conversation(alice),
        conversation(alice) + "/new?after=",
        f"/console/customers/{alice}/try?text={text_id}",
    ):
        text = sam.read(path)
        assert "<script>alert" not in text
        assert "<img src=x" not in text
        assert "&lt;script&gt;alert(1)" in text
    assert f"<bdi>{HOSTILE}</bdi>" in unescape(sam.read(conversation(alice)))
    assert " style=" not in sam.read(conversation(alice))


def test_long_texts_are_shown_whole(shop: Shop, hiring: Hire, alice: int) -> None:
    """1,600 characters without a blank stand there to the last."""
    shop.says(ALICE, "a" * 1_599 + "Z")
    assert "a" * 1_599 + "Z" in hiring("support").read(conversation(alice))


def test_older_texts_are_found_with_and_without_script(shop: Shop, hiring: Hire, alice: int) -> None:
    """A link leads to what came before, until the beginning; together it is everything, once."""
    rows = [
        {
            "id": next_id(),
            "customer_id": alice,
            "direction": "in",
            "sender": ALICE,
            "recipient": "+12015550100",
            "body": f"text {number}",
            "state": "received",
            "created_at": shop.clock.now() + timedelta(hours=number),
        }
        for number in range(150)
    ]
    with writing(shop.services.engine) as conn:
        messages.insert(conn, rows)
    sam = hiring("support")
    whole: list[str] = []
    text = sam.read(conversation(alice))
    for _ in range(5):
        whole = entries(text) + whole
        found = re.search(r'href="([^"]+before=[^"]+)"', text)
        if found is None:
            break
        script = re.search(r'data-older="([^"]+)"', text)
        assert script is not None
        text = sam.read(unescape(found[1]))
        assert entries(sam.read(unescape(script[1]))) == entries(text)
    assert len(whole) == len(set(whole))
    assert [key for key in whole if key.startswith("text-")][-150:] == [f"text-{row['id']}" for row in rows]
    assert "This is where it began" in text


def test_an_open_page_asks_for_what_is_new(shop: Shop, hiring: Hire, alice: int) -> None:
    """304 while nothing happened; then only what came, and texts whose delivery may have moved."""
    sam = hiring("support")
    live = re.search(r'data-live="([^"]+)"', sam.read(conversation(alice)))
    assert live is not None
    path = unescape(live[1])
    first = sam.get(path)
    again = sam.get(path, headers={"If-None-Match": first.headers["ETag"]})
    assert (first.status_code, again.status_code, again.data) == (200, 304, b"")
    shop.says(ALICE, "BALANCE")
    newer = sam.get(path, headers={"If-None-Match": first.headers["ETag"]})
    assert newer.status_code == 200
    text = newer.get_data(as_text=True)
    assert "BALANCE" in text
    assert "Points" in text
    assert not [key for key in entries(text) if key.startswith(("consent", "entry"))]
    shop.says(BOB, "JOIN")
    assert sam.get(path, headers={"If-None-Match": newer.headers["ETag"]}).status_code == 304


def test_an_empty_conversation_says_what_would_be_here(shop: Shop, hiring: Hire) -> None:
    """Somebody who never texted has a page, too; nobody has none."""
    identifier = next_id()
    with writing(shop.services.engine) as conn:
        customers.insert_missing(conn, [{"id": identifier, "phone": BOB, "created_at": shop.clock.now()}])
    sam = hiring("support")
    assert "Nothing was said yet" in sam.read(conversation(identifier))
    for missing in (1, 1 << 70):
        assert sam.get(conversation(missing)).status_code == 404
    for odd in ("?before=x", "?before=1-2-3", f"?before={'9' * 19}-1-1"):
        assert sam.get(conversation(identifier) + odd).status_code == 200


def test_reading_is_written_down_once(shop: Shop, hiring: Hire, alice: int) -> None:
    """Each person who looks has one entry an hour; asking for what is new adds none."""
    sam, mia = hiring("support"), hiring("manager")
    for person in (sam, sam, mia):
        person.read(conversation(alice))
        person.read(conversation(alice) + "/new?after=")
    with reading(shop.services.engine) as conn:
        seen = audit.find(conn, action="conversation.viewed")
    assert sorted(row["staff_id"] for row in seen) == sorted((sam.id, mia.id))
    assert {row["customer_id"] for row in seen} == {alice}


def test_a_note_with_a_mention_reaches_the_colleague(shop: Shop, hiring: Hire, alice: int) -> None:
    """It stands in the timeline, counts for the colleague, and is read once they open the customer."""
    sam, mia = hiring("support", "Sam"), hiring("manager", "Mia")
    answer = sam.post(f"/console/customers/{alice}/notes", {"body": "@Mia she paid twice"})
    assert answer.status_code == 303
    assert "@Mia she paid twice" in sam.read(conversation(alice))
    assert "1 note waits for you" in mia.read("/console/mentions")
    assert "Nobody has mentioned you" in sam.read("/console/mentions")
    mia.read(conversation(alice))
    assert "You have read everything" in mia.read("/console/mentions")
    sam.post(f"/console/customers/{alice}/notes", {"body": "@Mia again"})
    mia.post("/console/mentions/read")
    assert "You have read everything" in mia.read("/console/mentions")
    script = sam.post(
        f"/console/customers/{alice}/notes",
        {"body": "by script"},
        headers={"X-Requested-With": "fetch"},
    )
    assert script.status_code == 204


def test_a_text_is_taught_and_taken_back(shop: Shop, hiring: Hire, alice: int) -> None:
    """With and without script; what is no decision is refused in words."""
    shop.says(ALICE, "frobnicate")
    message = shop.one("SELECT max(id) FROM messages WHERE direction = 'in'")
    sam, path = hiring("support"), f"/console/messages/{message}/lesson"
    assert sam.post(path, {"meaning": "flow:redeem"}).status_code == 303
    assert shop.one("SELECT intent FROM lessons") == "redeem"
    assert "Taught: it should have been “Redeem a reward”" in sam.read(conversation(alice))
    script = {"X-Requested-With": "fetch"}
    answer = sam.post(path, {"meaning": "help"}, headers=script)
    assert "Take the lesson back" in answer.get_data(as_text=True)
    for nothing in ("fly", "", "flow", "flow:", "reply", "flow:fly"):
        assert sam.post(path, {"meaning": nothing}, headers=script).status_code == 409, nothing
    assert "The bot misunderstood this" in sam.post(path + "/forget", headers=script).get_data(as_text=True)
    assert shop.one("SELECT count(*) FROM lessons") == 0


def test_trying_sends_nothing(shop: Shop, hiring: Hire, alice: int) -> None:
    """The page shows what would be said, with reasons, and leaves but an entry in the audit log."""
    sam = hiring("support")
    before = shop.one("SELECT count(*) FROM messages")
    answer = sam.post(f"/console/customers/{alice}/try", {"script": "BALANCE\nSTOP"})
    text = answer.get_data(as_text=True)
    assert answer.status_code == 200
    assert "What would be said" in text
    assert "Wants to leave: opted out" in text
    assert shop.one("SELECT count(*) FROM messages") == before
    assert shop.one("SELECT consent FROM customers WHERE id = :id", id=alice) == "subscribed"
    assert shop.one("SELECT count(*) FROM audit_log WHERE action = 'conversation.tried'") == 1


def test_a_picture_is_served_as_what_it_is(shop: Shop, hiring: Hire, alice: int) -> None:
    """With its own type, in a sandbox, never guessed at; what is not at the carrier is a sentence."""
    object.__setattr__(shop.services.settings, "demo", True)
    url = "https://shop.example/static/pictures/latte.png"
    more = {"NumMedia": "2", "MediaUrl0": url, "MediaContentType0": "image/png"}
    shop.says(ALICE, "look", **more, MediaUrl1="https://evil.example/x.svg", MediaContentType1="image/svg+xml")
    message = shop.one("SELECT max(id) FROM messages WHERE direction = 'in'")
    sam = hiring("support")
    text = sam.read(conversation(alice))
    assert f'src="/console/pictures/{message}/1"' in text
    assert f'src="/console/pictures/{message}/2"' not in text
    assert "evil.example" not in text
    shown = sam.get(f"/console/pictures/{message}/1")
    assert (shown.status_code, shown.content_type) == (200, "image/png")
    assert "sandbox" in shown.headers.getlist("Content-Security-Policy")[0]
    assert shown.headers["X-Content-Type-Options"] == "nosniff"
    assert shown.headers["Content-Disposition"] == 'inline; filename="picture-1.png"'
    assert sam.get(f"/console/pictures/{message}/2").status_code == 409
    assert sam.get(f"/console/pictures/{message}/3").status_code == 404
    assert hiring("marketer").get(f"/console/pictures/{message}/1").status_code == 403


def test_a_merged_customer_leads_to_the_other(shop: Shop, hiring: Hire, alice: int) -> None:
    """Everything is with the one it was merged into."""
    shop.joined(BOB)
    bob = shop.one("SELECT id FROM customers WHERE phone = :phone", phone=BOB)
    shop.execute("UPDATE customers SET merged_into = :alice WHERE id = :bob", alice=alice, bob=bob)
    answer = hiring("support").get(conversation(bob))
    assert (answer.status_code, answer.location) == (302, conversation(alice))


def test_the_keys_are_told_on_its_own_page(hiring: Hire, alice: int) -> None:
    """The dialog of keys is on the full page, with those that work there."""
    html = hiring("support").read(conversation(alice))
    keys = re.search(r"<dialog data-keys.*?</dialog>", html, re.DOTALL)
    assert keys
    assert re.findall(r"<kbd>(.*?)</kbd>", keys.group()) == ["r", "/", "?"]


def test_their_time_is_told_when_it_is_another(shop: Shop, hiring: Hire, alice: int) -> None:
    """Somebody in Los Angeles sees noon in New York as nine in the morning."""
    sam = hiring("support")
    assert "there it is" not in sam.read(conversation(alice))
    shop.execute("UPDATE customers SET zone = 'America/Los_Angeles' WHERE id = :id", id=alice)
    text = sam.read(conversation(alice))
    assert "there it is 9:00 AM" in text
    assert "(Los Angeles)" in text
