"""Customers, conversations, timers, revisions and switches."""

from __future__ import annotations

import threading
from datetime import date, timedelta
from typing import Any

from sqlalchemy import Engine

from storage import conversations, customers, due, facts, revisions, switches, timers
from storage.database import reading, writing
from storage.ids import next_id
from tests.storage.people import NOW, conversation, customer, new_conversation, new_customer


def _timer(customer_id: int, **values: Any) -> dict[str, Any]:
    return {
        "id": next_id(),
        "customer_id": customer_id,
        "kind": "reminder",
        "scope": "welcome2",
        "due_at": NOW,
        **values,
    }


def test_it_makes_a_customer_once(engine: Engine) -> None:
    """The same number inserted again, even at the same moment by several, stays who it was."""
    rows = [{"id": next_id(), "phone": "+13035550123", "created_at": NOW} for _ in range(8)]

    def insert(row: dict[str, Any]) -> None:
        with writing(engine) as connection:
            customers.insert_missing(connection, [row])

    threads = [threading.Thread(target=insert, args=(row,)) for row in rows]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with reading(engine) as connection:
        assert customers.count(connection) == 1
        found = customers.by_phone(connection, "+13035550123")
    assert found is not None
    assert found["id"] in {row["id"] for row in rows}
    assert (found["consent"], found["points"], found["tags"], found["attributes"]) == ("none", 0, [], {})
    assert (found["sendable"], found["marketing_paused"], found["frequency"]) == (True, False, "normal")


def test_it_changes_different_things_of_different_customers(engine: Engine) -> None:
    """One call sets different columns of many customers; everything else stays."""
    with writing(engine) as connection:
        alice, bob, charlie = (new_customer(connection, name="?") for _ in range(3))
        changes: list[tuple[int, dict[str, Any]]] = [
            (alice, {"name": "Alice", "tags": ["vip"]}),
            (bob, {"name": "Bob", "tags": []}),
            (charlie, {"birthday": date(1990, 2, 28), "held_until": NOW, "marks": {"profile": "2026-11-22"}}),
            (charlie, {}),
        ]
        customers.change(connection, changes)
        customers.change(connection, [])
        rows = customers.lock_by_id(connection, [alice, bob, charlie, 404])
    assert set(rows) == {alice, bob, charlie}
    found = [(rows[i]["name"], rows[i]["tags"]) for i in (alice, bob, charlie)]
    assert found == [("Alice", ["vip"]), ("Bob", []), ("?", [])]
    assert rows[charlie]["birthday"] == date(1990, 2, 28)
    assert rows[charlie]["held_until"] == NOW
    assert rows[charlie]["marks"] == {"profile": "2026-11-22"}


def test_it_finds_who_gave_a_code(engine: Engine) -> None:
    """A referral code belongs to one customer; an unknown one to nobody."""
    with writing(engine) as connection:
        alice = new_customer(connection, referral_code="ANA42")
        assert customers.by_referral_code(connection, "ANA42") == alice
        assert customers.by_referral_code(connection, "BOB") is None
        assert customers.by_id(connection, 404) is None
        assert customers.by_phone(connection, "+1") is None


def test_it_keeps_the_stack_of_conversations(engine: Engine) -> None:
    """Open conversations come oldest first; an ended one leaves; slots and counters are written back."""
    with writing(engine) as connection:
        alice, bob = new_customer(connection), new_customer(connection)
        below = new_conversation(connection, alice)
        above = conversation(alice, flow="balance", parent_id=below, relation="interrupted", slots={"score": 5})
        conversations.insert(connection, [above])
        first = conversations.open_of(connection, [alice, bob])
        current = conversations.current_of(connection, alice)
        conversations.update(
            connection,
            [
                {**above, "state": "told", "outcome": "done", "ended_at": NOW, "updated_at": NOW},
                {**first[alice][0], "turn_no": 3, "misses": 1, "slots": {"reward": "latte"}, "updated_at": NOW},
            ],
        )
        second = conversations.open_of(connection, [alice])[alice]
    assert [row["id"] for row in first[alice]] == [below, above["id"]]
    assert bob not in first
    assert current is not None
    assert (current["id"], current["slots"], current["relation"]) == (above["id"], {"score": 5}, "interrupted")
    assert [(row["id"], row["turn_no"], row["misses"], row["slots"]) for row in second] == [
        (below, 3, 1, {"reward": "latte"})
    ]


def test_it_sets_a_timer_once(engine: Engine) -> None:
    """The same timer set again changes nothing; another step or moment is another timer."""
    with writing(engine) as connection:
        alice = new_customer(connection)
        for _ in range(2):
            timers.insert(connection, [_timer(alice), _timer(alice, step=1), _timer(alice, due_at=NOW + timedelta(1))])
        assert len(timers.of(connection, alice)) == 3


def test_it_takes_due_timers_once_and_gives_them_back_on_failure(engine: Engine) -> None:
    """What is due is taken earliest first; a transaction that fails leaves it for the next."""
    with writing(engine) as connection:
        alice = new_customer(connection)
        due = [NOW - timedelta(minutes=minutes) for minutes in (1, 3, 2)]
        rows = [_timer(alice, due_at=at, slots={"x": 1}) for at in due]
        timers.insert(connection, [*rows, _timer(alice, due_at=NOW + timedelta(seconds=1))])
        assert timers.next_due(connection) == NOW - timedelta(minutes=3)
    try:
        with writing(engine) as connection:
            assert len(timers.take_due(connection, NOW, 2)) == 2
            raise ZeroDivisionError
    except ZeroDivisionError:
        pass
    with writing(engine) as connection:
        first = timers.take_due(connection, NOW, 2)
        second = timers.take_due(connection, NOW, 2)
        assert timers.next_due(connection) == NOW + timedelta(seconds=1)
    assert [row["id"] for row in first + second] == [rows[1]["id"], rows[2]["id"], rows[0]["id"]]
    assert first[0]["slots"] == {"x": 1}


def test_it_shares_due_timers_between_workers(engine: Engine) -> None:
    """Four workers take sixty due timers: each timer once."""
    with writing(engine) as connection:
        alice = new_customer(connection)
        timers.insert(connection, [_timer(alice, step=step) for step in range(60)])
    taken: list[int] = []

    def take() -> None:
        while True:
            with writing(engine) as connection:
                rows = timers.take_due(connection, NOW, 7)
            if not rows:
                return
            taken.extend(row["step"] for row in rows)

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with writing(engine) as connection:
        taken.extend(row["step"] for row in timers.take_due(connection, NOW, 100))
    assert sorted(taken) == list(range(60))


def test_it_forgets_reminders_and_leaves_deadlines(engine: Engine) -> None:
    """One key or all reminders of one customer are cancelled; deadlines become void by themselves."""
    with writing(engine) as connection:
        alice, bob = new_customer(connection), new_customer(connection)
        timers.insert(
            connection,
            [
                _timer(alice),
                _timer(alice, scope="winback"),
                _timer(alice, scope="other"),
                _timer(alice, kind="deadline", scope="77", turn_no=2),
                _timer(bob),
            ],
        )
        counts = [timers.cancel(connection, alice, "winback"), timers.cancel(connection, alice)]
        left = [[row["kind"] for row in timers.of(connection, each)] for each in (alice, bob)]
    assert counts == [1, 2]
    assert left == [["deadline"], ["reminder"]]


def test_it_lets_trouble_wait(engine: Engine) -> None:
    """A timer or fact whose turn breaks can be put off, so that the others go on."""
    later = NOW + timedelta(minutes=5)
    with writing(engine) as connection:
        alice = new_customer(connection)
        timer = _timer(alice)
        fact = {"id": next_id(), "customer_id": alice, "name": "x", "key": "x", "recorded_at": NOW}
        timers.insert(connection, [timer])
        facts.insert(connection, [fact])
        due.put_off(connection, timers.timers, timer["id"], later, "ValueError")
        due.put_off(connection, facts.facts, fact["id"], later, "ValueError")
        now = timers.take_due(connection, NOW, 1) + facts.take_due(connection, NOW, 1)
        then = timers.take_due(connection, later, 1) + facts.take_due(connection, later, 1)
    assert now == []
    assert [(row["due_at"], row["troubles"], row["trouble"]) for row in then] == [(later, 1, "ValueError")] * 2


def _revision(name: str, digest: str, days: int = 0) -> dict[str, Any]:
    return {
        "id": next_id(),
        "name": name,
        "kind_of_file": "flow",
        "digest": digest,
        "source": f"flow: {name} # {digest}",
        "published_at": NOW + timedelta(days=days),
    }


def test_it_keeps_every_revision_and_knows_the_one_in_force(engine: Engine) -> None:
    """A new text is a new revision, the same text the same, and an older text comes back under its old id."""
    with writing(engine) as connection:
        first = revisions.publish(connection, [_revision("join", "a"), _revision("stop", "s")])
        same = revisions.publish(connection, [_revision("join", "a", 1)])
        second = revisions.publish(connection, [_revision("join", "b", 2)])
        in_force = revisions.latest(connection)["join"]["digest"]
        back = revisions.publish(connection, [_revision("join", "a", 3)])
        latest = revisions.latest(connection)
        old = revisions.by_id(connection, second["join"])
    assert same == {"join": first["join"]} == back
    assert second["join"] != first["join"]
    assert in_force == "b"
    assert {name: row["digest"] for name, row in latest.items()} == {"join": "a", "stop": "s"}
    assert old is not None
    assert old["source"] == "flow: join # b"


def test_it_remembers_switches(engine: Engine) -> None:
    """A switch holds any value, the last one set; one never set is None."""
    with writing(engine) as connection:
        assert switches.get(connection, "clock") is None
        for value in (3600, {"ahead": 5}, None, ["x"]):
            switches.set(connection, "clock", value)
            assert switches.get(connection, "clock") == value


def test_it_locks_customers_against_each_other(engine: Engine) -> None:
    """Batches that lock the same customers in opposite orders never wait for each other in a ring."""
    with writing(engine) as connection:
        phones = [f"+1404555{number:04}" for number in range(20)]
        for phone in phones:
            new_customer(connection, phone=phone)

    def work(order: list[str]) -> None:
        for _ in range(15):
            with writing(engine) as connection:
                found = customers.lock_by_phone(connection, order)
                customers.change(
                    connection, [(row["id"], {"purchases": row["purchases"] + 1}) for row in found.values()]
                )

    threads = [threading.Thread(target=work, args=(order,)) for order in (phones, phones[::-1]) * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with reading(engine) as connection:
        first = customers.by_phone(connection, phones[0])
        assert first is not None
        assert customer(connection, first["id"])["purchases"] == 60
