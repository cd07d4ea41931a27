"""What search keeps and finds: the same on both databases."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection, Engine

from storage import indexing, search, vouchers
from storage.database import writing
from storage.ids import next_id
from tests.storage.people import NOW, new_customer, new_message


def _index(connection: Connection, size: int = 100) -> None:
    while (work := indexing.look(connection, size)) is not None:
        indexing.do(connection, work)


def _texts(connection: Connection, query: str, limit: int = 20, before: int | None = None) -> list[int]:
    return [row["id"] for row in search.find(connection, query, limit, before).texts]


def _customers(connection: Connection, query: str) -> list[int]:
    return [row["id"] for row in search.find(connection, query, 20).customers]


def _write(connection: Connection, *bodies: str, customer_id: int | None = None) -> list[int]:
    who = customer_id or new_customer(connection)
    return [new_message(connection, customer_id=who, body=body) for body in bodies]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("coffee", [0, 1, 2]),
        ("COFFEE never", [0, 2]),
        ("nev cof", []),  # only the last word may go on
        ("never cof", [0, 2]),
        ("my coffee", [0, 2]),
        ('"my coffee"', [0]),
        ('"never got my cof', [0]),
        ('"my cof"', []),
        ("cafe", [3]),
        ("CAFÉ", [3]),
        ("cafe\u0301", [3]),
        ("didnt", [4]),
        ("didn’t", [4]),
        ("☕", [3]),
        ("咖啡", [5]),
        ("咖", [5]),
        ("k7mr-2xwd", [6]),
        ("K7MR 2X", [6]),
        ("3:30", [7]),
        ("330", []),
        ("ｆｕｌｌ", [7]),
        ("strasse", [8]),
        ("zzz", []),
        ("c", []),
        ("", []),
        ('"', []),
        (" !? ", []),
    ],
)
def test_it_finds_texts_by_words(engine: Engine, query: str, found: list[int]) -> None:
    """All words, phrases, beginnings, accents, apostrophes, emoji, scripts without spaces."""
    with writing(engine) as connection:
        ids = _write(
            connection,
            "I never got my coffee!",
            "Two coffees please",
            "Coffee? Never. Not my thing, my dear",
            "Un Café ☕️ por favor",
            "I didn't order",
            "我要咖啡",
            "Your code: K7MR-2XWD",
            "full at 3:30",
            "Straße 5",
        )
        _index(connection)
        assert _texts(connection, query) == sorted((ids[at] for at in found), reverse=True)


_PEOPLE = ("+12015550123", "+447700900123")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("ana", [0]),
        ("lópez", [0]),
        ("ana lop", [0]),
        ("lopez ana", [0]),
        ("ana bob", []),
        ("ana.lopez@example.com", [0]),
        ("example.com", [0, 1]),
        ("+1 (201) 555-0123", [0]),
        ("201-555", [0]),
        ("5550123", [0]),
        ("0123", [0, 1]),
        ("123", [0, 1]),
        ("900", [1]),
        ("07700 900123", [1]),
        ("0044 7700 900123", [1]),
        ("5559", []),
        ("ana 0123", [0]),
        ("bob 555", []),
        ("frnd234", [0]),
        ("FRND", [0]),
        ("k7mr-2xwd", [1]),
        ("K7MR2XWD", [1]),
        ("k7mr 2x", [1]),
        ("2xwd", [1]),
        ("k7", [1]),
    ],
)
def test_it_finds_customers(engine: Engine, query: str, found: list[int]) -> None:
    """By name, e-mail, any part of the number however it is written, referral code and vouchers."""
    with writing(engine) as connection:
        ana = new_customer(
            connection,
            phone=_PEOPLE[0],
            name="Ana María López",
            email="Ana.Lopez@Example.com",
            referral_code="FRND234",
        )
        bob = new_customer(connection, phone=_PEOPLE[1], name="Bob O'Neill", email="bob@example.com")
        _give_voucher(connection, bob, "K7MR-2XWD")
        _index(connection)
        ids = (ana, bob)
        assert _customers(connection, query) == sorted((ids[at] for at in found), reverse=True)


def _give_voucher(connection: Connection, customer_id: int, code: str) -> None:
    row = {
        "id": next_id(),
        "customer_id": customer_id,
        "code": code,
        "name": "Coffee",
        "issued_at": NOW,
        "ends_at": NOW,
    }
    vouchers.insert(connection, [row])
