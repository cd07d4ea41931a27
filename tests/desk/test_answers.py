"""Answers of staff: through the gate, once for each key, measured before; saved replies filled for one customer."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from bot.desk import answers, saved_replies
from bot.desk.actor import NotPossible
from bot.desk.answers import AskFirst
from storage import customers, saved
from storage.database import reading
from tests.desk.people import Desk
from tests.shop import ALICE, BOB, open_shop


@pytest.fixture
def desk(database_url: str) -> Iterator[Desk]:
    """A desk in a shop whose member Alice has just joined."""
    with open_shop(database_url) as shop:
        shop.joined(ALICE)
        shop.wait(timedelta())
        yield Desk(shop)


def test_an_answer_goes_out_and_holds_the_conversation(desk: Desk) -> None:
    """It is a message of Nora's, from the number Alice wrote to; the bot is silent from then on."""
    sent = desk.answer(desk.nora, ALICE, "Your coffee is on us tomorrow.")
    desk.wait(seconds=1)
    row = desk.shop.rows("SELECT * FROM messages WHERE id = :id", id=sent.message_id)[0]
    assert row["state"] == "sent"
    assert (row["purpose"], row["staff_id"], row["segments"]) == ("staff", desk.nora.staff_id, 1)
    assert (row["sender"], row["lane"][0]) == ("+12015550100", "0")
    assert desk.shop.says(ALICE, "BALANCE") == []
    noted = desk.noted("answer.sent")
    assert [entry["customer_id"] for entry in noted] == [desk.id_of(ALICE)]
    assert "coffee" not in str(noted)


def test_one_key_is_one_text(desk: Desk) -> None:
    """Holding Enter, a repeated post and a post after the lease send nothing more."""
    key = "5f0c2b9e-4d7b-4b8e-9b57-0a1f6b8f2c11"
    first = desk.answer(desk.nora, ALICE, "Hello Alice", key)
    again = desk.answer(desk.nora, ALICE, "Hello Alice, other words", key)
    assert (again.message_id, again.again) == (first.message_id, True)
    desk.hand_back(desk.nora, ALICE)
    assert desk.answer(desk.nora, ALICE, "Hello Alice", key).again
    desk.wait(seconds=1)
    assert desk.sent_to(ALICE) == ["Hello Alice"]
    with pytest.raises(NotPossible, match="Nothing was sent"):
        desk.answer(desk.omar, ALICE, "Hello", key)
    desk.shop.says(BOB, "HOURS")
    with pytest.raises(NotPossible, match="Nothing was sent"):
        desk.answer(desk.nora, BOB, "Hello", key)
    with pytest.raises(NotPossible, match="Nothing was sent"):
        desk.answer(desk.nora, ALICE, "Hello", "'; --")


def test_nobody_answers_somebody_who_opted_out(desk: Desk) -> None:
    """The gate refuses in plain words, and again when STOP came between writing and sending."""
    desk.answer(desk.nora, ALICE, "Shall I send it by post?")
    desk.shop.says(ALICE, "STOP")
    desk.wait(seconds=1)
    assert desk.sent_to(ALICE) == []
    with pytest.raises(NotPossible, match="opted out"):
        desk.answer(desk.nora, ALICE, "Hello?")


def test_nobody_answers_a_number_that_takes_no_texts(desk: Desk) -> None:
    """What the carrier said of it counts for staff, too."""
    desk.shop.execute("UPDATE customers SET sendable = :no WHERE phone = :phone", no=False, phone=ALICE)
    with pytest.raises(NotPossible, match="takes no texts"):
        desk.answer(desk.nora, ALICE, "Hello?")


def test_at_night_one_is_asked_first(desk: Desk) -> None:
    """The customer's local time is told; confirmed, the answer goes out at once."""
    desk.wait(hours=10, minutes=12)  # 22:12 in New Jersey
    with pytest.raises(AskFirst, match="22:12 where this customer is"):
        desk.answer(desk.nora, ALICE, "Good evening")
    assert desk.shop.one("SELECT count(*) FROM leases") == 0
    desk.answer(desk.nora, ALICE, "Good evening", confirmed=True)
    desk.wait(seconds=1)
    assert desk.sent_to(ALICE) == ["Good evening"]


def test_a_text_that_does_not_fit_is_refused(desk: Desk) -> None:
    """1,600 characters at most; empty ones are none."""
    desk.answer(desk.nora, ALICE, "a" * 1600)
    with pytest.raises(NotPossible, match="1601 characters"):
        desk.answer(desk.nora, ALICE, "a" * 1601)
    with pytest.raises(NotPossible, match="nothing to send"):
        desk.answer(desk.nora, ALICE, " \n ")


def test_the_cost_is_that_of_what_goes_out(desk: Desk) -> None:
    """Accents are folded as in the bot's own texts; an emoji makes it dear."""
    programme = desk.shop.services.catalog.book.programme
    cheap = answers.written(programme, "  Más café ya está\r\naquí  ")
    assert (cheap.body, cheap.cost.encoding, cheap.cost.segments) == ("Mas café ya esta\naqui", "GSM-7", 1)
    dear = answers.written(programme, "☕" * 71)
    assert (dear.cost.encoding, dear.cost.segments, dear.fits) == ("UCS-2", 2, True)


def test_a_saved_reply_is_filled_for_one_customer(desk: Desk) -> None:
    """With the flows' placeholders; what this customer has nothing for is named."""
    services, now = desk.shop.services, desk.shop.clock.now()
    book = services.catalog.book
    body = "Hi {name}, you have {points, plural, one {# point} other {# points}}. Code {voucher.code}. {shop.name}"
    reply = saved_replies.save(services.engine, book, desk.nora, " Points ", body, "en", now)
    desk.shop.execute("UPDATE customers SET name = :name WHERE phone = :phone", name="Ali{points}ce", phone=ALICE)
    with reading(services.engine) as conn:
        filled = saved_replies.fill(conn, book, reply, desk.id_of(ALICE), now)
    assert filled.body == "Hi Ali{points}ce, you have 60 points. Code . Corner Cup"
    assert filled.missing == ("voucher.code",)
    saved_replies.save(services.engine, book, desk.omar, "Points", "{points}", "en", now, reply)
    with reading(services.engine) as conn:
        assert [(row["title"], row["body"]) for row in saved.replies(conn)] == [("Points", "{points}")]
    saved_replies.remove(services.engine, desk.omar, reply, now)
    with pytest.raises(NotPossible, match="somebody removed it"):
        saved_replies.remove(services.engine, desk.omar, reply, now)
    assert len(desk.noted("reply.saved")) == len(desk.noted("reply.changed")) == len(desk.noted("reply.removed")) == 1


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("Hi {nmae}", r"no placeholder \{nmae\}"),
        ("Hi {name", "mistake at character"),
        ("{points, plural, one {# point}}", "needs an option `other`"),
        ("{awarded}", "no placeholder"),
        ("  ", "title and a text"),
        ("a" * 1601, "1,600"),
    ],
)
def test_a_broken_saved_reply_is_refused(desk: Desk, body: str, said: str) -> None:
    """When it is saved, not when it is needed; the message says what is wrong."""
    services = desk.shop.services
    with pytest.raises(NotPossible, match=said):
        saved_replies.save(
            services.engine, services.catalog.book, desk.nora, "Hello", body, "en", desk.shop.clock.now()
        )


def test_the_composer_knows_before_sending(desk: Desk) -> None:
    """Why not, and whether it is night there, can be asked without sending anything."""
    limits, now = desk.shop.services.catalog.book.programme.limits, desk.shop.clock.now()
    with reading(desk.shop.services.engine) as conn:
        row = customers.by_id(conn, desk.id_of(ALICE))
    assert row is not None
    assert answers.why_not(row, limits, now) is None
    assert answers.night_for(row, limits, now) is None
    local = answers.night_for(row, limits, now + timedelta(hours=10))
    assert local is not None
    assert f"{local:%H:%M}" == "22:00"
