"""Messages, their delivery, and the outbox."""

from __future__ import annotations

import itertools
import threading
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, select
from sqlalchemy.exc import IntegrityError

from storage import inbound, messages, outbox, statuses, unsettled
from storage.database import reading, writing
from storage.ids import next_id
from tests.storage.people import NOW, message, new_customer, new_message, stored

LEASE = timedelta(minutes=2)


def incoming(**values: Any) -> dict[str, Any]:
    """Return a text from a customer, not inserted."""
    return message(**{"direction": "in", "state": "received", "purpose": None, "send_after": None, **values})


def test_it_finds_the_answer_to_a_repeat(engine: Engine) -> None:
    """A sid seen before gives back the rows of its immediate reply, in order, and nothing else caused by it."""
    with writing(engine) as connection:
        alice = new_customer(connection)
        first, silent = incoming(sid="SM1", customer_id=alice), incoming(sid="SM2", state="failed")
        answer = {"in_reply_to": first["id"], "state": "sending", "send_after": None}
        replies = [message(body=body, **answer) for body in ("One", "Two")]
        others = [
            message(body="later", in_reply_to=first["id"]),
            message(body="not sent", **{**answer, "state": "suppressed"}),
            message(body="to somebody else", **{**answer, "in_reply_to": 404}),
        ]
        messages.insert(connection, [first, *replies, silent, *others])
    with reading(engine) as connection:
        found = inbound.replies_to(connection, ["SM1", "SM2", "SM3"])
        nothing = inbound.replies_to(connection, ["SM3"])
    assert set(found) == {"SM1", "SM2"}
    assert (found["SM1"].message_id, found["SM1"].state) == (first["id"], "received")
    assert [row["body"] for row in found["SM1"].replies] == ["One", "Two"]
    assert found["SM2"] == (silent["id"], "failed", [])
    assert nothing == {}


def test_it_takes_a_sid_once(engine: Engine) -> None:
    """The same text delivered twice cannot be recorded twice."""
    with writing(engine) as connection:
        messages.insert(connection, [incoming(sid="SM1")])
    with pytest.raises(IntegrityError), writing(engine) as connection:
        messages.insert(connection, [incoming(sid="SM1")])


def test_it_turns_history_over_page_by_page(engine: Engine) -> None:
    """The newest first, older pages by the id of the last one seen; only this customer's."""
    with writing(engine) as connection:
        alice, bob = new_customer(connection), new_customer(connection)
        ids = [new_message(connection, customer_id=alice) for _ in range(5)]
        new_message(connection, customer_id=bob)
        first = messages.history(connection, alice, 3)
        second = messages.history(connection, alice, 3, first[-1]["id"])
        counts = [messages.count_of(connection, customer_id) for customer_id in (alice, bob, 404)]
    assert [row["id"] for row in first + second] == ids[::-1]
    assert counts == [5, 1, 0]


def test_it_suppresses_what_is_still_queued(engine: Engine) -> None:
    """Queued messages of these customers are suppressed with the reason; what is under way or done stays."""
    with writing(engine) as connection:
        alice, bob = new_customer(connection), new_customer(connection)
        queued = [new_message(connection, customer_id=alice) for _ in range(2)]
        sending = new_message(connection, customer_id=alice, state="sending")
        other = new_message(connection, customer_id=bob)
        assert messages.suppress_pending(connection, [alice], "opted_out", NOW) == queued
        states = [(stored(connection, i)["state"], stored(connection, i)["reason"]) for i in [*queued, sending, other]]
    assert states == [("suppressed", "opted_out")] * 2 + [("sending", None), ("queued", None)]


ORDER = ("accepted", "queued", "sending", "sent", "delivered")
reports = st.lists(
    st.tuples(
        st.sampled_from([*ORDER, "undelivered", "failed", "canceled", "read", "scheduled", "receiving", "new word"]),
        st.sampled_from([None, "30003", 30007, "30008"]),
    ),
    max_size=8,
)


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(reports, st.data(), st.sampled_from(["queued", "sending", "unknown", "sent", "dead", "suppressed"]))
def test_it_only_moves_forward(engine: Engine, story: list[tuple[str, Any]], data: st.DataObject, state: str) -> None:
    """Late, repeated and shuffled callbacks in batches of any size: forward only, the first error stays, all logged."""
    with engine.connect() as connection, connection.begin() as transaction:
        identifier = new_message(connection, state=state, claimed_until=NOW)
        rank = {**statuses.RANK, "suppressed": 9}
        batches, seen = list(story), [state]
        while batches:
            size = data.draw(st.integers(1, len(batches)))
            batch, batches = batches[:size], batches[size:]
            moved = statuses.move_forward(
                connection,
                [
                    {"message_id": identifier, "sid": "SM9", "status": status, "error_code": error, "at": NOW}
                    for status, error in batch
                ],
            )
            row = stored(connection, identifier)
            expected = [] if row["state"] == seen[-1] else [(seen[-1], row["state"])]
            assert [(one.before, one.state) for one in moved] == expected
            seen.append(row["state"])
        row = stored(connection, identifier)
        errors = [str(error) for status, error in story if error and status in statuses.STATUS]
        log = statuses.status_log
        logged = connection.execute(select(log.c.status).order_by(log.c.id)).scalars().all()
        transaction.rollback()
    assert [rank[one] for one in seen] == sorted(rank[one] for one in seen)
    known = [statuses.STATUS[status] for status, _ in story if status in statuses.STATUS]
    if state != "suppressed" and known:
        best = max(statuses.RANK[one] for one in known)
        assert statuses.RANK[row["state"]] == max(best, statuses.RANK[state])
        assert row["sid"] == "SM9"
        assert row["error_code"] == (errors[0] if errors else None)
    assert (row["delivered_at"] == NOW) == (row["state"] == "delivered")
    assert list(logged) == [status for status, _ in story]


def _report(status: str, at: datetime = NOW, **values: Any) -> dict[str, Any]:
    return {"status": status, "at": at, **values}


def test_it_ends_the_same_in_any_order(engine: Engine) -> None:
    """However the callbacks of one message are shuffled, it ends delivered."""
    for order in itertools.permutations(ORDER[1:]):
        with writing(engine) as connection:
            identifier = new_message(connection, state="sending", sid=f"SM{next_id()}")
            sid = stored(connection, identifier)["sid"]
            for status in order:
                statuses.move_forward(connection, [_report(status, sid=sid)])
            assert stored(connection, identifier)["state"] == "delivered"


def test_it_keeps_a_report_that_comes_too_early(engine: Engine) -> None:
    """A callback that beats the carrier's answer waits under its sid, and counts when the sid is known."""
    later = NOW + timedelta(seconds=5)
    with writing(engine) as connection:
        alice = new_customer(connection)
        identifier = new_message(connection, customer_id=alice)
        outbox.claim(connection, NOW, 10, LEASE)
        assert statuses.move_forward(connection, [_report("delivered", later, sid="SM7", raw={"To": "+1"})]) == []
        moved = outbox.sent(connection, [{"id": identifier, "sid": "SM7", "at": NOW}])
        row = stored(connection, identifier)
    assert [(one.message_id, one.customer_id, one.before, one.state) for one in moved] == [
        (identifier, alice, "sent", "delivered")
    ]
    assert (row["sid"], row["sent_at"], row["delivered_at"]) == ("SM7", NOW, later)


def test_it_learns_the_sid_of_a_reply(engine: Engine) -> None:
    """A reply in TwiML has no sid; its first callback, which names our message, brings it and confirms it."""
    with writing(engine) as connection:
        identifier = new_message(connection, state="sending", send_after=None, claimed_until=NOW)
        statuses.move_forward(connection, [_report("queued", sid="SM5", message_id=identifier)])
        row = stored(connection, identifier)
        assert unsettled.stale(connection, NOW) == []
        statuses.move_forward(connection, [_report("sent", sid="SM5")])
        assert stored(connection, identifier)["state"] == "sent"
    assert (row["state"], row["sid"], row["claimed_until"]) == ("sending", "SM5", None)


def test_it_believes_the_sid_more_than_the_number(engine: Engine) -> None:
    """A report that names an inbound or unknown message of ours is only logged."""
    with writing(engine) as connection:
        text = incoming(sid="SM1")
        messages.insert(connection, [text])
        reports_ = [_report("failed", sid="SMx", message_id=404), _report("failed", sid="SMy", message_id=text["id"])]
        assert statuses.move_forward(connection, reports_) == []
        assert stored(connection, text["id"])["state"] == "received"


def test_it_claims_what_is_due_oldest_first(engine: Engine) -> None:
    """Due messages become `sending` with a lease and a counted attempt; later ones stay queued."""
    with writing(engine) as connection:
        late = new_message(connection, send_after=NOW)
        early = new_message(connection, send_after=NOW - timedelta(hours=1))
        future = new_message(connection, send_after=NOW + timedelta(microseconds=1))
        claimed = outbox.claim(connection, NOW, 10, LEASE)
        again = outbox.claim(connection, NOW, 10, LEASE)
        upcoming = outbox.next_due(connection)
        states = [stored(connection, i)["state"] for i in (late, early, future)]
    assert [row["id"] for row in claimed] == [early, late]
    assert {(row["state"], row["attempts"], row["claimed_until"]) for row in claimed} == {("sending", 1, NOW + LEASE)}
    assert (again, states, upcoming) == ([], ["sending", "sending", "queued"], NOW + timedelta(microseconds=1))


def test_it_claims_each_message_once(engine: Engine) -> None:
    """Four workers drain sixty messages together: each is claimed by one of them."""
    with writing(engine) as connection:
        ids = [new_message(connection) for _ in range(60)]
    claimed: list[int] = []

    def drain() -> None:
        while True:
            with writing(engine) as connection:
                rows = outbox.claim(connection, NOW, 7, LEASE)
            if not rows:
                return
            claimed.extend(row["id"] for row in rows)

    threads = [threading.Thread(target=drain) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with writing(engine) as connection:  # what one skipped while another held it may be left for the next round
        claimed.extend(row["id"] for row in outbox.claim(connection, NOW, 100, LEASE))
    assert sorted(claimed) == ids


def test_it_puts_back_finishes_and_gives_up(engine: Engine) -> None:
    """Every end of a claimed message; one that is no longer in hand stays as it is."""
    later = NOW + timedelta(minutes=1)
    with writing(engine) as connection:
        ids = [new_message(connection) for _ in range(5)]
        outbox.claim(connection, NOW, 10, LEASE)
        assert outbox.put_back(connection, ids[0], later)
        assert outbox.finish(connection, ids[1], "failed", "invalid number", 21211)
        assert outbox.finish(connection, ids[2], "suppressed", "opted_out", None)
        assert outbox.sent(connection, [{"id": ids[3], "sid": "SM3", "at": NOW}]) == []
        assert not outbox.put_back(connection, ids[3], later)
        assert not outbox.finish(connection, ids[3], "dead")
        assert unsettled.stale(connection, NOW + LEASE - timedelta(microseconds=1)) == []
        lost = unsettled.stale(connection, NOW + LEASE)
        rows = [stored(connection, i) for i in ids]
        again = outbox.claim(connection, later, 10, LEASE)
    assert [row["state"] for row in rows] == ["queued", "failed", "suppressed", "sent", "unknown"]
    assert [row["reason"] for row in rows[1:3]] == ["invalid number", "opted_out"]
    assert rows[1]["error_code"] == "21211"
    assert [row["id"] for row in lost] == [ids[4]]
    assert [(row["id"], row["attempts"]) for row in again] == [(ids[0], 2)]


def test_it_counts_marketing_by_when_it_was_sent(engine: Engine) -> None:
    """Only marketing, only what was sent since then, oldest first, for several customers at once."""

    def send(connection: Connection, customer_id: int, days: int, purpose: str = "marketing") -> None:
        at = NOW - timedelta(days=days)
        new_message(connection, customer_id=customer_id, purpose=purpose, state="sent", sent_at=at, send_after=None)

    with writing(engine) as connection:
        alice, bob, charlie = (new_customer(connection) for _ in range(3))
        for days in (1, 3, 8):
            send(connection, alice, days)
        send(connection, alice, 2, "service")
        send(connection, bob, 7)
        new_message(connection, customer_id=charlie, purpose="marketing")
        found = outbox.marketing_counts(connection, [alice, bob, charlie], NOW - timedelta(days=7))
    assert found == {
        alice: [NOW - timedelta(days=3), NOW - timedelta(days=1)],
        bob: [NOW - timedelta(days=7)],
    }
