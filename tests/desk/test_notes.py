"""Notes about customers, and whom they mention."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bot.desk import notes
from bot.desk.actor import Actor, NotPossible
from storage import audit, staff
from storage import notes as stored
from storage.database import reading, writing
from storage.ids import next_id
from storage.rows import Row
from tests.shop import ALICE, NOON, Shop, open_shop


@pytest.fixture
def shop(database_url: str) -> Iterator[Shop]:
    with open_shop(database_url) as shop:
        shop.joined(ALICE)
        yield shop


def member(shop: Shop, name: str) -> Actor:
    identifier = next_id()
    row: Row = {"id": identifier, "email": f"{identifier}@shop.example", "name": name, "role": "support"}
    with writing(shop.services.engine) as conn:
        staff.add(conn, {**row, "created_at": NOON})
    return Actor(identifier, name, "support")


def alice(shop: Shop) -> int:
    return int(shop.one("SELECT id FROM customers WHERE phone = :phone", phone=ALICE))


def unread(shop: Shop, who: Actor) -> int:
    assert who.staff_id is not None
    with reading(shop.services.engine) as conn:
        return stored.unread(conn, who.staff_id)


def test_a_mention_waits_until_it_is_seen(shop: Shop) -> None:
    """Who is mentioned has one to read, until they open that customer."""
    sue, tom = member(shop, "Sue Ng"), member(shop, "Tom Ruiz")
    notes.add(shop.services.engine, sue, alice(shop), "  @Tom Ruiz: she is @Sue's neighbour. <b>Careful</b>  ", NOON)
    assert (unread(shop, tom), unread(shop, sue)) == (1, 0)
    assert tom.staff_id is not None
    with writing(shop.services.engine) as conn:
        [found] = stored.mentioning(conn, tom.staff_id, 10)
        assert (found["body"], found["phone"]) == ("@Tom Ruiz: she is @Sue's neighbour. <b>Careful</b>", ALICE)
        notes.read_about(conn, tom.staff_id, alice(shop), NOON)
    assert unread(shop, tom) == 0


def test_the_note_is_in_the_audit_log_without_its_words(shop: Shop) -> None:
    """The log has who noted something about whom, and no word of it."""
    sue = member(shop, "Sue")
    notes.add(shop.services.engine, sue, alice(shop), "allergic to nuts", NOON)
    with reading(shop.services.engine) as conn:
        [entry] = audit.find(conn, action="note.added")
    assert (entry["who"], entry["customer_id"]) == ("Sue", alice(shop))
    assert "nuts" not in str(entry)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("@Ana please", ["Ana"]),
        ("@ana ruiz, @Bo", ["Ana Ruiz", "Bo"]),
        ("@Anatol", []),
        ("mail@bo.example", []),
        ("@Ana @Ana", ["Ana"]),
        ("@Bo's turn", ["Bo"]),
        ("@Kim", []),
        ("@Gone", []),
        ("@", []),
    ],
)
def test_names_after_an_at(body: str, expected: list[str]) -> None:
    """The longest name counts, a first name while it is one person's, closed accounts not at all."""
    people = [
        {"id": index, "name": name, "disabled_at": NOON if name == "Gone" else None}
        for index, name in enumerate(("Ana", "Ana Ruiz", "Bo", "Kim Lee", "Kim Ode", "Gone"))
    ]
    names = {row["id"]: row["name"] for row in people}
    assert [names[each] for each in notes.mentioned(body, people)] == expected


@pytest.mark.parametrize("body", ["", " \n ", "x" * 2_001])
def test_an_empty_or_endless_note_is_refused(shop: Shop, body: str) -> None:
    """Nothing is written, and the refusal says why."""
    with pytest.raises(NotPossible):
        notes.add(shop.services.engine, member(shop, "Sue"), alice(shop), body, NOON)
    assert shop.one("SELECT count(*) FROM notes") == 0
