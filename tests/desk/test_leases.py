"""Taking over: one holder, the bot silent meanwhile, everything it owed comes after the end."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy.exc import IntegrityError

from bot.desk import queue
from bot.desk.actor import NotPossible
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


def test_the_bot_is_silent_for_the_customer_who_is_held(desk: Desk) -> None:
    """Her texts are recorded and left alone; others are answered; STOP and HELP still work."""
    desk.take_over(desk.nora, ALICE)
    assert desk.shop.says(ALICE, "BALANCE") == []
    assert desk.shop.says(ALICE, "JOIN") == []
    assert len(desk.shop.says(BOB, "HOURS")) == 1
    assert len(desk.shop.says(ALICE, "HELP")) == 1
    assert len(desk.shop.says(ALICE, "STOP")) == 1
    kept = desk.shop.rows(
        "SELECT body FROM messages WHERE direction = 'in' AND sender = :phone ORDER BY id", phone=ALICE
    )
    assert [row["body"] for row in kept][2:] == ["BALANCE", "JOIN", "HELP", "STOP"]


def test_start_after_stop_is_heard_while_a_person_holds(desk: Desk) -> None:
    """Who left and comes back is asked for consent at once; nobody could write to them otherwise."""
    desk.take_over(desk.nora, ALICE)
    desk.shop.says(ALICE, "STOP")
    assert len(desk.shop.says(ALICE, "START")) == 1


def test_a_doubt_pauses_marketing_though_the_bot_does_not_ask(desk: Desk) -> None:
    """The person reads it; until somebody settles it no marketing goes out."""
    desk.take_over(desk.nora, ALICE)
    assert desk.shop.says(ALICE, "too many texts") == []
    assert desk.shop.one("SELECT marketing_paused FROM customers WHERE phone = :phone", phone=ALICE)


def test_only_one_holds_and_taking_over_from_a_colleague_needs_a_reason(desk: Desk) -> None:
    """Omar has to say why; both names and the reason stand in the log."""
    desk.take_over(desk.nora, ALICE)
    with pytest.raises(NotPossible, match="Nora is talking with this customer"):
        desk.take_over(desk.omar, ALICE)
    desk.take_over(desk.omar, ALICE, "Nora is at lunch")
    rows = desk.shop.rows("SELECT staff_id, how, reason FROM leases ORDER BY id")
    assert [(row["staff_id"], row["how"], row["reason"]) for row in rows] == [
        (desk.nora.staff_id, "taken_over", None),
        (desk.omar.staff_id, None, "Nora is at lunch"),
    ]
    with pytest.raises(NotPossible, match="A colleague"):
        desk.answer(desk.nora, ALICE, "Hello?")
    assert len(desk.noted("conversation.taken_over")) == 2


def test_a_manager_needs_no_reason(desk: Desk) -> None:
    """The role is reason enough, for taking over and for handing back."""
    desk.take_over(desk.nora, ALICE)
    desk.take_over(desk.mia, ALICE)
    with pytest.raises(NotPossible, match="Mia holds this conversation"):
        desk.hand_back(desk.nora, ALICE)
    desk.take_over(desk.omar, ALICE, "she asked me to")
    desk.hand_back(desk.mia, ALICE)


def test_the_schema_allows_one_running_lease(desk: Desk) -> None:
    """Whatever the code does."""
    desk.take_over(desk.nora, ALICE)
    with pytest.raises(IntegrityError):
        desk.shop.execute(
            "INSERT INTO leases (id, customer_id, staff_id, began_at, ends_at)"
            " SELECT id + 1, customer_id, staff_id, began_at, ends_at FROM leases"
        )


def test_a_lease_ends_by_itself_and_the_end_is_in_the_log(desk: Desk) -> None:
    """After half an hour the bot answers again; extending it and answering make it longer."""
    desk.take_over(desk.nora, ALICE)
    desk.wait(minutes=20)
    desk.answer(desk.nora, ALICE, "One moment please")
    desk.wait(minutes=20)
    assert desk.shop.says(ALICE, "BALANCE") == []
    desk.extend(desk.nora, ALICE)
    desk.wait(minutes=29)
    assert desk.shop.says(ALICE, "thanks!") == []
    desk.wait(minutes=2)
    assert len(desk.shop.says(ALICE, "BALANCE")) == 1
    row = desk.shop.rows("SELECT how, ended_at FROM leases")[0]
    assert row["how"] == "ran_out"
    assert row["ended_at"] is not None
    assert [entry["who"] for entry in desk.noted("conversation.handed_back")] == ["the clock"]
    assert len(desk.noted("conversation.extended")) == 2
    with pytest.raises(NotPossible, match="not hold this conversation any more"):
        desk.extend(desk.nora, ALICE)


def test_deadlines_rest_and_keep_the_time_they_had(desk: Desk) -> None:
    """REDEEM reminds after 2 hours; with 20 minutes of that gone, the rest counts from the end of the lease."""
    desk.shop.says(ALICE, "REDEEM")
    desk.wait(minutes=20)
    desk.take_over(desk.nora, ALICE, span=timedelta(hours=3))
    desk.wait(hours=2, minutes=50)
    assert desk.sent_to(ALICE) == []
    desk.hand_back(desk.nora, ALICE, "resume")
    desk.wait(hours=1, minutes=30)
    assert desk.sent_to(ALICE) == []
    desk.wait(minutes=15)
    assert len(desk.sent_to(ALICE)) == 1
    assert "reward" in desk.sent_to(ALICE)[0]
    desk.wait(hours=1)
    assert len(desk.sent_to(ALICE)) == 1


def test_a_purchase_counts_at_once_and_is_talked_about_afterwards(desk: Desk) -> None:
    """Points are the customer's; what the flows say of them waits for the end of the lease."""
    desk.take_over(desk.nora, ALICE)
    before = desk.shop.one("SELECT points FROM customers WHERE phone = :phone", phone=ALICE)
    desk.shop.execute(
        "INSERT INTO facts (id, customer_id, name, key, data, recorded_at, due_at)"
        " SELECT 77, id, 'tier_reached', 'tier:77', '{}', created_at, created_at FROM customers WHERE phone = :phone",
        phone=ALICE,
    )
    desk.shop.execute(
        "INSERT INTO facts (id, customer_id, name, key, data, recorded_at, due_at)"
        " SELECT 78, id, 'purchase_recorded', 'p:78', '{\"amount_minor\": 4000}', created_at, created_at"
        " FROM customers WHERE phone = :phone",
        phone=ALICE,
    )
    desk.wait(minutes=1)
    assert desk.shop.one("SELECT points FROM customers WHERE phone = :phone", phone=ALICE) == before + 80
    assert desk.sent_to(ALICE) == []
    desk.hand_back(desk.nora, ALICE)
    desk.wait(minutes=1)
    assert desk.sent_to(ALICE) == []
    desk.wait(minutes=10)
    assert len(desk.sent_to(ALICE)) == 1


def test_handing_back_goes_on_as_chosen(desk: Desk) -> None:
    """Resume is silent and the answer still counts; ask again asks; end closes everything."""
    desk.shop.says(ALICE, "REDEEM")
    desk.take_over(desk.nora, ALICE)
    assert desk.shop.says(ALICE, "1") == []
    assert desk.hand_back(desk.nora, ALICE, "resume") == "resume"
    desk.wait(minutes=1)
    assert desk.sent_to(ALICE) == []
    assert "YES" in desk.shop.says(ALICE, "1")[0]

    desk.take_over(desk.nora, ALICE)
    desk.hand_back(desk.nora, ALICE, "ask_again")
    desk.wait(minutes=1)
    assert desk.sent_to(ALICE)[0].startswith("Back to where we were:")

    desk.take_over(desk.nora, ALICE)
    desk.hand_back(desk.nora, ALICE, "end")
    assert desk.shop.one("SELECT count(*) FROM conversations WHERE ended_at IS NULL AND flow = 'redeem'") == 0
    assert desk.shop.one("SELECT outcome FROM conversations WHERE flow = 'redeem'") == "handed_over"
    with pytest.raises(NotPossible, match="Nobody holds"):
        desk.hand_back(desk.nora, ALICE)
    assert len(desk.noted("conversation.handed_back")) == 3


def test_what_nobody_answered_waits_in_the_queue(desk: Desk) -> None:
    """A lease that runs out over an unanswered text puts the customer into the queue, since that text."""
    desk.take_over(desk.nora, ALICE)
    desk.answer(desk.nora, ALICE, "What was missing?")
    desk.wait(minutes=5)
    desk.shop.says(ALICE, "the oat milk")
    desk.wait(minutes=26)
    with reading(desk.shop.services.engine) as conn:
        found = queue.waiting(conn, desk.shop.clock.now())
    assert [(each.handoff["reason"], each.waits, each.holder) for each in found] == [
        ("unanswered", timedelta(minutes=26), None)
    ]


def test_thanks_are_not_an_unanswered_text(desk: Desk) -> None:
    """Nobody has to answer them; the request for a person is closed with the lease that answered it."""
    desk.shop.says(ALICE, "HUMAN")
    desk.answer(desk.nora, ALICE, "Your coffee is on us tomorrow.")
    desk.shop.says(ALICE, "ok thank you!")
    desk.wait(minutes=31)
    assert desk.shop.one("SELECT count(*) FROM handoffs WHERE closed_at IS NULL") == 0
    assert desk.shop.one("SELECT closed_by FROM handoffs") == "the clock"


def test_who_asked_for_a_person_waits_on_when_nobody_answered(desk: Desk) -> None:
    """Taking over and going to lunch is no answer."""
    desk.shop.says(ALICE, "HUMAN")
    desk.take_over(desk.nora, ALICE)
    desk.wait(minutes=31)
    assert desk.shop.one("SELECT count(*) FROM handoffs WHERE closed_at IS NULL") == 1


def test_the_queue_is_oldest_first_and_leaving_it_needs_a_reason(desk: Desk) -> None:
    """Who asked first is first; closing without an answer says why; a second click finds nothing."""
    desk.shop.says(BOB, "HUMAN")
    desk.wait(minutes=10)
    desk.shop.says(ALICE, "HUMAN")
    desk.take_over(desk.omar, ALICE)
    services, now = desk.shop.services, desk.shop.clock.now()
    with reading(services.engine) as conn:
        found = queue.waiting(conn, now)
    assert [each.handoff["phone"] for each in found] == [BOB, ALICE]
    assert [each.holder for each in found] == [None, "Omar"]
    assert found[0].waits == timedelta(minutes=10)
    with pytest.raises(NotPossible, match="Say why"):
        queue.close(services.engine, desk.nora, found[0].handoff["id"], "  ", now)
    queue.close(services.engine, desk.nora, found[0].handoff["id"], "called him", now)
    with pytest.raises(NotPossible, match="faster"):
        queue.close(services.engine, desk.nora, found[0].handoff["id"], "called him", now)
    assert desk.shop.one("SELECT closed_why FROM handoffs WHERE closed_at IS NOT NULL") == "called him"
    assert len(desk.noted("handoff.closed")) == 1


def test_handing_back_closes_the_request(desk: Desk) -> None:
    """Who was talked with does not wait any more."""
    desk.shop.says(ALICE, "HUMAN")
    desk.answer(desk.nora, ALICE, "Sorry about the coffee. Here is a new one.")
    desk.hand_back(desk.nora, ALICE)
    assert desk.shop.one("SELECT count(*) FROM handoffs WHERE closed_at IS NULL") == 0
