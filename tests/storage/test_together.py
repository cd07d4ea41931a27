"""Statements that travel together: the same effects and refusals as one by one, on both databases."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import IntegrityError

from storage import conversations, customers, loyalty, messages, stock, timers, vouchers
from storage.database import reading, writing
from storage.errors import KnownKey, NotEnoughPoints, Stale
from storage.ids import next_id
from storage.rows import PIPELINE
from storage.together import ask, together
from tests.storage.people import NOW, customer, message, new_customer, new_message, stored


def _entry(who: int, points: int, key: str) -> dict[str, Any]:
    kind = "earn" if points > 0 else "burn"
    return {"id": next_id(), "customer_id": who, "kind": kind, "points": points, "key": key, "at": NOW}


def test_it_writes_everything_in_order(engine: Engine) -> None:
    """A customer, their texts and points in one block: each statement sees those before it."""
    rows = [message(body=f"é\u0000 {number}", explanation={"why": ["…", None, {"n": 1 << 62}]}) for number in range(3)]
    with writing(engine) as conn:
        with together(conn):
            who = new_customer(conn, name="Ana", birthday=date(1990, 2, 3), tags=["a"], attributes={"x": "\u0000"})
            messages.insert(conn, [{**row, "customer_id": who} for row in rows])
            loyalty.insert_entries(conn, [_entry(who, 50, "first"), _entry(who, -20, "second")])
        ana = customer(conn, who)
        assert (ana["points"], ana["birthday"], ana["tags"], ana["attributes"]) == (
            30,
            date(1990, 2, 3),
            ["a"],
            {"x": "\ufffd"},
        )
        for number, row in enumerate(rows):
            kept = stored(conn, row["id"])
            assert (kept["body"], kept["send_after"], kept["media"]) == (f"é\ufffd {number}", NOW, None)
            assert kept["explanation"] == {"why": ["…", None, {"n": 1 << 62}]}


def test_it_asks_many_questions_at_once(engine: Engine) -> None:
    """Answers come in order and shaped as the single questions shape them, also within a block of writes."""
    with writing(engine) as conn:
        who = new_customer(conn)
        earned = _entry(who, 50, "lot")
        loyalty.insert_entries(conn, [earned])
        with together(conn):
            trip = conn.info.get(PIPELINE)
            loyalty.insert_lots(
                conn, [{"entry_id": earned["id"], "customer_id": who, "remaining": 50, "expires_at": NOW}]
            )
            locked, lots, held, places, taken = ask(
                conn,
                customers.locking([who]),
                loyalty.lots_query([who]),
                vouchers.query_of([who]),
                conversations.open_query([who]),
                stock.stock_query(),
            )
        assert (trip is not None) is (engine.dialect.name == "postgresql")
        assert dict(locked[who]) == dict(customer(conn, who))
        assert lots == {who: [loyalty.Lot(earned["id"], 50, NOW)]} == loyalty.lots_of(conn, [who])
        assert (held, places, taken) == ({}, {}, {})


def test_it_refuses_as_single_statements_do(engine: Engine) -> None:
    """A known key, too few points, lots that changed, a sid that is there: each by its own name, all rolled back."""
    with writing(engine) as conn:
        who = new_customer(conn)
        earned = _entry(who, 50, "welcome")
        loyalty.insert_entries(conn, [earned])
        loyalty.insert_lots(conn, [{"entry_id": earned["id"], "customer_id": who, "remaining": 50}])
        new_message(conn, sid="SM1", customer_id=who)

    def known_key(conn: Connection) -> None:
        loyalty.insert_entries(conn, [_entry(who, 1, "new"), _entry(who, 1, "welcome")])

    def too_few(conn: Connection) -> None:
        loyalty.insert_entries(conn, [_entry(who, -51, "burn")])

    def stale(conn: Connection) -> None:
        loyalty.use_lots(conn, [(earned["id"], 49, 0)])

    def twice(conn: Connection) -> None:
        messages.insert(conn, [message(sid="SM1", customer_id=who)])

    for refused, kind in ((known_key, KnownKey), (too_few, NotEnoughPoints), (stale, Stale), (twice, IntegrityError)):
        with pytest.raises(kind), writing(engine) as conn, together(conn):
            refused(conn)
        with reading(engine) as conn:
            assert PIPELINE not in conn.info
            assert customer(conn, who)["points"] == 50
            assert conn.execute(text("select count(*) from messages")).scalar_one() == 1


def test_it_empties_what_waits_for_many_at_once(engine: Engine) -> None:
    """Queued texts of some customers and reminders, all or under one key; others keep theirs."""
    with writing(engine) as conn:
        alice, bob = new_customer(conn), new_customer(conn)
        ids = {who: new_message(conn, customer_id=who) for who in (alice, bob)}
        timers.insert(
            conn,
            [
                {"id": next_id(), "customer_id": who, "kind": "reminder", "scope": scope, "due_at": NOW}
                for who in (alice, bob)
                for scope in ("winback", "birthday")
            ],
        )
        with together(conn):
            messages.suppress_all(conn, {alice: "opted_out"})
            timers.cancel_many(conn, [(alice, None), (bob, "winback")])
        gone, kept = stored(conn, ids[alice]), stored(conn, ids[bob])
        assert (gone["state"], gone["reason"], gone["send_after"]) == ("suppressed", "opted_out", None)
        assert kept["state"] == "queued"
        assert [row["scope"] for who in (alice, bob) for row in timers.of(conn, who)] == ["birthday"]
