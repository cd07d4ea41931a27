"""One customer's timeline, read from real conversations on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from bot.desk import timeline
from bot.desk.actor import Actor
from bot.desk.happenings import Happening
from bot.desk.said import Said
from bot.desk.timeline import Page, Text
from storage import audit, facts, messages, statuses
from storage import timeline as stored
from storage.database import reading, writing
from storage.ids import next_id
from storage.timeline import Cursor
from tests.shop import ALICE, BOB, Shop, open_shop

SUE = Actor(None, "Sue", "support")


@pytest.fixture
def shop(database_url: str) -> Iterator[Shop]:
    with open_shop(database_url) as shop:
        yield shop


def alice(shop: Shop) -> int:
    return int(shop.one("SELECT id FROM customers WHERE phone = :phone", phone=ALICE))


def page(shop: Shop, limit: int = 60, before: Cursor | None = None) -> Page:
    with reading(shop.services.engine) as conn:
        return timeline.read(conn, shop.services.catalog.book, alice(shop), shop.clock.now(), before, limit)


def texts(found: Page) -> list[Text]:
    return [each for each in found.entries if isinstance(each, Text)]


def happened(found: Page) -> list[Happening]:
    return [each for each in found.entries if isinstance(each, Happening)]


def buys(shop: Shop, minor: int, key: str) -> None:
    row = {"id": next_id(), "customer_id": alice(shop), "name": "purchase_recorded", "key": key}
    with writing(shop.services.engine) as conn:
        facts.insert(conn, [{**row, "data": {"amount_minor": minor}, "recorded_at": shop.clock.now()}])
    shop.services.schedule.run(shop.clock.now())


def test_texts_and_events_stand_in_one_order(shop: Shop) -> None:
    """What was said, what was agreed to, what was bought and earned: as it happened."""
    shop.joined(ALICE)
    shop.wait(timedelta(hours=1))
    buys(shop, 1250, "till:1")
    shop.says(ALICE, "BALANCE")
    found = page(shop)
    assert [each.at for each in found.entries] == sorted(each.at for each in found.entries)
    said = [each.words.message for each in happened(found)]
    assert said.index("{what}, {how}, wording {version}") < said.index("Bought something for {amount}")
    assert [each.body for each in texts(found) if each.inbound] == ["JOIN", "YES", "BALANCE"]
    assert any("points" in each.body for each in texts(found) if not each.inbound)


def test_it_says_why_the_bot_answered_so(shop: Shop) -> None:
    """Decision and rule in words, what matched, and the file's line in the revision in force."""
    shop.joined(ALICE)
    shop.says(ALICE, "balnce")
    why = texts(page(shop))[-2].why
    assert why is not None
    assert why.gist.values == {"flow": shop.services.catalog.book.flows["balance"].title}
    assert (why.rule, why.matched, why.intent) == ("keyword.typo", "balnce -> balance", "balance")
    assert why.rule_said is not None
    assert "slip" in why.rule_said.message
    assert 0.5 < why.score < 1
    step = why.steps[0]
    assert step.place.startswith("balance.yaml:")
    assert step.revision is not None
    line = int(step.place.rpartition(":")[2])
    source = step.revision["source"].splitlines()[line - 1 : line + 2]
    assert step.lines is not None
    assert [each.strip() for each in step.lines.splitlines()] == [each.strip() for each in source]
    assert [said.message for said, _ in why.effects] == ["says something"]


def test_refused_conditions_are_told(shop: Shop) -> None:
    """A guard that did not hold on the way stands in the explanation, as what was so instead."""
    shop.says(ALICE, "REDEEM")
    [why] = [each.why for each in texts(page(shop)) if each.inbound]
    assert why is not None
    [said] = [said for step in why.steps for said in step.refused]
    assert said.values["one"] == Said("they are not subscribed")


def test_pages_fit_together(shop: Shop) -> None:
    """Read in small pages, nothing is missing and nothing is told twice, though many share one moment."""
    shop.joined(ALICE)
    for number in range(6):
        shop.wait(timedelta(minutes=number % 2))
        buys(shop, 300, f"till:{number}")
        shop.says(ALICE, "BALANCE")
    whole = [each.key for each in page(shop, 1_000).entries]
    for size in (1, 2, 3, 7):
        keys: list[str] = []
        cursor: Cursor | None = None
        while True:
            part = page(shop, size, cursor)
            keys = [each.key for each in part.entries] + keys
            cursor = Cursor.read(str(part.older)) if part.older else None
            if cursor is None:
                break
        assert keys == whole


@pytest.mark.parametrize("written", ["", "1-2", "a-b-c", "1-2-3-4", "-1-2-3", "9" * 30 + "-1-1", "9" * 19 + "-1-1"])
def test_a_cursor_from_outside_is_no_harm(written: str) -> None:
    """Whatever stands in the address, it is a place in the timeline or none."""
    found = Cursor.read(written)
    assert found is None or found.at.year >= 1970


def test_newer_things_are_told_alone(shop: Shop) -> None:
    """A page that is open asks for what came after; texts whose delivery may have moved come again."""
    shop.joined(ALICE)
    before = page(shop)
    shop.says(ALICE, "BALANCE")
    with reading(shop.services.engine) as conn:
        book, now = shop.services.catalog.book, shop.clock.now()
        found = timeline.newer(conn, book, alice(shop), now, before.newest or "")
        everything = timeline.newer(conn, book, alice(shop), now, "text-1")
    new = {each.key for each in found.entries} - {each.key for each in before.entries}
    assert len(new) >= 2
    assert {each.kind for each in found.entries if each.key not in new} == {"text"}
    assert len(everything.entries) > len(found.entries)


def test_the_stamp_changes_with_whatever_is_shown(shop: Shop) -> None:
    """A text, a purchase, a status report: each changes the stamp; looking does not."""
    shop.joined(ALICE)
    seen = {stamp(shop)}
    assert stamp(shop) in seen
    for act in (lambda: shop.says(ALICE, "BALANCE"), lambda: buys(shop, 400, "till:9"), lambda: deliver(shop)):
        act()
        assert stamp(shop) not in seen
        seen.add(stamp(shop))
    shop.says(BOB, "JOIN")
    assert stamp(shop) in seen


def stamp(shop: Shop) -> str:
    with reading(shop.services.engine) as conn:
        return stored.stamp(conn, alice(shop))


def deliver(shop: Shop, status: str = "delivered", code: str | None = None) -> None:
    newest = shop.one("SELECT max(id) FROM messages WHERE direction = 'out'")
    report = {"message_id": newest, "status": status, "error_code": code, "at": shop.clock.now()}
    with writing(shop.services.engine) as conn:
        statuses.move_forward(conn, [report])


def test_it_never_says_more_than_is_known(shop: Shop) -> None:
    """A text is with the carrier, then sent, then delivered or not, with the carrier's code in words."""
    shop.joined(ALICE)

    def fate() -> str:
        last = texts(page(shop))[-1].fate
        assert last is not None
        return " ".join(filter(None, (last.words.message, last.error)))

    assert fate() == "With the carrier; not confirmed yet"
    deliver(shop, "sent")
    assert fate() == "Sent; delivery is not confirmed yet"
    deliver(shop, "undelivered", "30003")
    assert fate() == "Not delivered The phone was off or out of reach."
    deliver(shop, "sent")
    assert fate().startswith("Not delivered")


def test_what_was_not_sent_says_why(shop: Shop) -> None:
    """A text held back for somebody who left says so in words."""
    shop.joined(ALICE)
    row = {"id": next_id(), "customer_id": alice(shop), "direction": "out", "sender": "+12015550100", "body": "News!"}
    more = {"recipient": ALICE, "state": "queued", "purpose": "marketing", "created_at": shop.clock.now()}
    with writing(shop.services.engine) as conn:
        messages.insert(conn, [{**row, **more, "send_after": shop.clock.now() + timedelta(hours=2)}])
    waiting = texts(page(shop))[-1].fate
    assert waiting is not None
    assert (waiting.words.message, waiting.at) == ("Waits until {at}", shop.clock.now() + timedelta(hours=2))
    shop.says(ALICE, "STOP")
    [news] = [each for each in texts(page(shop)) if each.body == "News!"]
    assert news.fate is not None
    assert (news.fate.words.message, news.fate.reason) == ("Not sent", "The customer has opted out.")


def test_segments_and_their_cost(shop: Shop) -> None:
    """What the programme says a segment costs, times the segments; what a customer sends costs the shop nothing."""
    shop.says(ALICE, "HELP")
    question, answer = texts(page(shop))
    price = shop.services.catalog.book.programme.segment_price
    assert price is not None
    assert answer.cost == pytest.approx(answer.segments * price / 1e6)
    assert question.cost is None
    assert question.segments == 1


def test_reading_a_conversation_is_written_down_once_an_hour(shop: Shop) -> None:
    """The audit log says who read whose conversation; looking again within the hour adds nothing."""
    shop.joined(ALICE)
    for wait in (0, 10, 49, 5):
        shop.wait(timedelta(minutes=wait))
        with writing(shop.services.engine) as conn:
            timeline.note_view(conn, SUE, alice(shop), shop.clock.now())
    with reading(shop.services.engine) as conn:
        assert len(audit.find(conn, action="conversation.viewed", customer_id=alice(shop))) == 2


def test_a_long_history_is_read_in_little_time(shop: Shop) -> None:
    """With thousands of texts a page at either end reads a page's worth; the plan walks the index."""
    shop.joined(ALICE)
    customer, now = alice(shop), shop.clock.now()
    rows = [
        {
            "id": next_id(),
            "customer_id": customer,
            "direction": "in",
            "sender": ALICE,
            "recipient": "+12015550100",
            "body": f"text {number}",
            "state": "received",
            "created_at": now + timedelta(seconds=number),
        }
        for number in range(3_000)
    ]
    with writing(shop.services.engine) as conn:
        messages.insert(conn, rows)
    newest = page(shop)
    assert [each.body for each in texts(newest)] == [f"text {number}" for number in range(2_940, 3_000)]
    middle = Cursor(rows[100]["created_at"], rows[100]["id"], rows[100]["id"])
    assert texts(page(shop, before=middle))[-1].body == "text 99"
