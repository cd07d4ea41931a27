"""What the schema itself promises, whoever writes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, Table, delete, update
from sqlalchemy.exc import IntegrityError

from storage import (
    consent,
    conversations,
    customers,
    facts,
    handoffs,
    loyalty,
    messages,
    starts,
    statuses,
    stock,
    timers,
    vouchers,
)
from storage.database import reading, writing
from storage.errors import AppendOnly, KnownKey, NotEnoughPoints, meaning_of
from storage.ids import next_id
from storage.migrate import metadata
from storage.rows import Row
from tests.storage.people import NOW, conversation, customer, message, new_customer


def _entry(customer_id: int, points: int, **values: Any) -> dict[str, Any]:
    kind = "earn" if points >= 0 else "burn"
    return {
        "id": next_id(),
        "customer_id": customer_id,
        "kind": kind,
        "points": points,
        "key": f"key {next_id()}",
        "at": NOW,
        **values,
    }


def _consent(customer_id: int, status: str, **values: Any) -> dict[str, Any]:
    return {"id": next_id(), "customer_id": customer_id, "status": status, "how": "keyword", "at": NOW, **values}


def test_it_keeps_the_balance_with_the_ledger(engine: Engine) -> None:
    """Each entry moves points and qualifying points of its own customer."""
    with writing(engine) as connection:
        alice, bob = new_customer(connection), new_customer(connection)
        loyalty.insert_entries(
            connection,
            [_entry(alice, 120, qualifying=120), _entry(bob, 7, qualifying=5), _entry(alice, -100)],
        )
        found = customers.by_ids(connection, [alice, bob])
    assert [(found[i]["points"], found[i]["qualifying"]) for i in (alice, bob)] == [(20, 120), (7, 5)]


def test_it_refuses_a_burn_beyond_the_balance(engine: Engine) -> None:
    """A burn that would make the balance negative fails, and nothing of its transaction stays."""
    with writing(engine) as connection:
        alice = new_customer(connection)
        loyalty.insert_entries(connection, [_entry(alice, 50)])
    with pytest.raises(NotEnoughPoints), writing(engine) as connection:
        loyalty.insert_entries(connection, [_entry(alice, -30), _entry(alice, -21)])
    with reading(engine) as connection:
        assert customer(connection, alice)["points"] == 50
        assert len(loyalty.entries_of(connection, alice)) == 1


def test_it_lets_a_correction_owe(engine: Engine) -> None:
    """Only a burn is held to the balance: the reversal of points already spent may leave a debt."""
    with writing(engine) as connection:
        alice = new_customer(connection)
        loyalty.insert_entries(connection, [_entry(alice, 50), _entry(alice, -50)])
        loyalty.insert_entries(connection, [_entry(alice, -50, kind="reverse")])
        assert customer(connection, alice)["points"] == -50


def test_it_never_doubles_a_key(engine: Engine) -> None:
    """A key that is used is named, and the balance stays."""
    with writing(engine) as connection:
        alice = new_customer(connection)
        loyalty.insert_entries(connection, [_entry(alice, 50, key="welcome")])
    for rows in ([_entry(alice, 50, key="welcome")], [_entry(alice, 1, key="new"), _entry(alice, 1, key="new")]):
        with pytest.raises(KnownKey), writing(engine) as connection:
            loyalty.insert_entries(connection, rows)
    with reading(engine) as connection:
        assert customer(connection, alice)["points"] == 50
        assert loyalty.known_keys(connection, ["welcome", "new"]) == {"welcome"}


def test_it_follows_the_newest_consent(engine: Engine) -> None:
    """The status is the last record's; `joined_at` is the first time of being subscribed."""
    with writing(engine) as connection:
        alice = new_customer(connection)
        steps = ("pending", "subscribed", "unsubscribed", "subscribed")
        seen = []
        for day, status in enumerate(steps):
            consent.insert(connection, [_consent(alice, status, at=NOW + timedelta(days=day))])
            seen.append(customer(connection, alice)["consent"])
        row = customer(connection, alice)
        history = consent.history(connection, alice)
    assert tuple(seen) == steps
    assert row["joined_at"] == NOW + timedelta(days=1)
    assert [record["status"] for record in history] == list(steps)


def test_it_only_appends(engine: Engine) -> None:
    """Ledger entries, consent records and logged statuses can be neither changed nor removed."""
    with writing(engine) as connection:
        alice = new_customer(connection)
        loyalty.insert_entries(connection, [_entry(alice, 50)])
        consent.insert(connection, [_consent(alice, "subscribed")])
        statuses.log_status(connection, [{"id": next_id(), "sid": "SM1", "status": "sent", "at": NOW}])
    changes: dict[Table, dict[str, Any]] = {
        loyalty.ledger: {"points": 5000},
        consent.consent_records: {"status": "subscribed"},
        statuses.status_log: {"status": "delivered"},
    }
    for table, change in changes.items():
        for statement in (update(table).values(change), delete(table)):
            with pytest.raises(IntegrityError) as caught, writing(engine) as connection:
                connection.execute(statement)
            refusal = meaning_of(caught.value)
            assert isinstance(refusal, AppendOnly)
            assert table.name in str(refusal)


def _bad_rows(customer_id: int) -> list[tuple[Table, Row]]:
    timer = {"id": next_id(), "customer_id": customer_id, "kind": "deadline", "scope": "x", "due_at": NOW, "slots": {}}
    voucher = {
        "id": next_id(),
        "customer_id": customer_id,
        "code": "A",
        "name": "x",
        "status": "used",
        "issued_at": NOW,
        "ends_at": NOW,
    }
    return [
        (customers.customers, {"id": next_id(), "phone": "+1", "created_at": NOW, "consent": "maybe"}),
        (messages.messages, message(direction="in", state="sent")),
        (messages.messages, message(direction="out", state="received")),
        (messages.messages, message(direction="sideways", state="sent")),
        (messages.messages, message(customer_id=404)),
        (timers.timers, {**timer, "kind": "alarm"}),
        (loyalty.ledger, _entry(customer_id, 5, kind="gift")),
        (loyalty.ledger, _entry(customer_id, -5, kind="earn")),
        (loyalty.ledger, _entry(customer_id, 5, kind="burn")),
        (loyalty.ledger, _entry(404, 5)),
        (loyalty.lots, {"entry_id": 404, "customer_id": customer_id, "remaining": 1}),
        (stock.stock, {"reward": "latte", "taken": -1}),
        (vouchers.vouchers, voucher),
        (consent.consent_records, _consent(customer_id, "perhaps")),
        (consent.consent_records, _consent(customer_id, "pending", how="telepathy")),
        (conversations.conversations, {**conversation(404), "updated_at": NOW}),
    ]


@pytest.mark.parametrize("number", range(16))
def test_it_refuses_rows_that_make_no_sense(engine: Engine, number: int) -> None:
    """Unknown states, kinds, signs and customers do not get in."""
    with writing(engine) as connection:
        alice = new_customer(connection)
    table, row = _bad_rows(alice)[number]
    with pytest.raises(IntegrityError), writing(engine) as connection:
        connection.execute(table.insert(), row)


def test_it_knows_every_table() -> None:
    """The tables the design promises are all in one schema."""
    assert set(metadata.tables) == {
        "approvals",
        "audit_log",
        "consent_records",
        "conversations",
        "customer_tags",
        "customers",
        "desk",
        "desk_presence",
        "desk_reads",
        "erasures",
        "facts",
        "flow_revisions",
        "handoffs",
        "leases",
        "ledger",
        "lessons",
        "lots",
        "mentions",
        "messages",
        "notes",
        "profile_changes",
        "saved_replies",
        "saved_views",
        "seals",
        "search_customers",
        "search_texts",
        "search_vocabulary",
        "sending_budgets",
        "sign_in_attempts",
        "staff",
        "staff_answers",
        "staff_links",
        "staff_sessions",
        "starts",
        "status_log",
        "stock",
        "switches",
        "tallies",
        "timers",
        "vouchers",
    }


def test_it_takes_each_fact_start_and_wait_once(engine: Engine) -> None:
    """A fact's key, a start's occasion and a customer's wait for a person count once."""
    with writing(engine) as connection:
        alice, bob = new_customer(connection), new_customer(connection)
        fact = {"customer_id": alice, "name": "purchase_recorded", "key": "pos 1", "recorded_at": NOW}
        for _ in range(2):
            facts.insert(connection, [{**fact, "id": next_id(), "data": {"amount_minor": 450}}])
            handoffs.insert(
                connection, [{"id": next_id(), "customer_id": alice, "reason": "asked", "requested_at": NOW}]
            )
        start = {"flow": "winback", "occasion": "2026-11-22", "at": NOW}
        first = starts.insert_missing(connection, [{**start, "customer_id": alice}])
        second = starts.insert_missing(connection, [{**start, "customer_id": each} for each in (alice, bob)])
        taken = facts.take_due(connection, NOW, 10)
        waiting = handoffs.waiting(connection)
        assert handoffs.close(connection, waiting[0]["id"], "Ana", NOW)
        assert not handoffs.close(connection, waiting[0]["id"], "Ana", NOW)
        left = (facts.take_due(connection, NOW, 10), handoffs.waiting(connection))
        recent = starts.recent(connection, "winback", [alice, bob], NOW - timedelta(days=1))
        stale = starts.recent(connection, "winback", [alice, bob], NOW)
    assert (first, second, left) == ({(alice, "2026-11-22")}, {(bob, "2026-11-22")}, ([], []))
    assert [(row["key"], row["data"], row["handled_at"]) for row in taken] == [("pos 1", {"amount_minor": 450}, NOW)]
    assert [row["customer_id"] for row in waiting] == [alice]
    assert (recent, stale) == ({alice, bob}, set())
