"""The inbox's views find their rows by indexes, whatever is asked of their customers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, Select, text

from storage import desk, inbox
from storage.database import reading, writing
from storage.inbox import Kind, Wanted, Whose
from tests.storage.people import NOW, new_customer, new_message

KINDS: tuple[Kind, ...] = (
    "needs_person",
    "unanswered",
    "waiting",
    "misunderstood",
    "undelivered",
    "left",
    "flow",
    "assigned",
    "tagged",
    "snoozed",
    "recent",
)
BIG = ("messages", "customers", "consent_records", "conversations", "customer_tags")


ALIASES = {"m": "messages", "n": "messages", "newest": "messages", "newer": "messages"}
VALUES = {
    "after": 0,
    "before": 9,
    "until": 9,
    "since": 0,
    "count": 1,
    "stride": 1,
    "assignee": 1,
    "now": NOW,
    "flow": "join",
    "tag": "vip",
}


def _statements() -> Iterator[Any]:
    whose: tuple[Whose, ...] = ("anybody", "nobody", "somebody")
    for kind in KINDS:
        for each in whose:
            for by_tag in (False, True):
                for number, statement in enumerate(inbox._statements(kind, by_tag, each)):
                    if statement is not None:
                        name = f"{kind}-{each}{'-tag' if by_tag else ''}{'-walk' if number else ''}"
                        yield pytest.param(statement, id=name)


def _plan(connection: Connection, statement: Select[Any]) -> list[str]:
    """Return the tables a statement reads through from end to end."""
    sqlite = connection.dialect.name == "sqlite"
    if not sqlite:
        connection.execute(text("SET LOCAL enable_seqscan = off"))
    state = statement.compile(dialect=connection.dialect).construct_expanded_state(VALUES)
    values = tuple(0 for _ in state.positional_parameters) if sqlite else state.parameters
    rows = connection.exec_driver_sql(f"EXPLAIN {'QUERY PLAN ' if sqlite else ''}{state.statement}", values).all()
    if sqlite:
        scanned = [row[3].split(" ")[1] for row in rows if row[3].startswith("SCAN") and "INDEX" not in row[3]]
        return [ALIASES.get(name, name) for name in scanned]
    return [row[0].split(" on ")[1].split(" ")[0] for row in rows if "Seq Scan on" in row[0]]


@pytest.mark.parametrize("statement", list(_statements()))
def test_it_reads_through_no_large_table(engine: Engine, statement: Select[Any]) -> None:
    """With a million customers and five million messages every view walks small indexes."""
    with reading(engine) as connection:
        assert set(_plan(connection, statement)) & set(BIG) == set()


def test_it_gives_up_after_a_while_and_says_where_to_go_on(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A filter nobody fits costs one walk; the next page goes on where it ended."""
    monkeypatch.setattr(inbox, "_STRIDES", (1, 2))
    with writing(engine) as connection:
        customers = [new_customer(connection) for _ in range(5)]
        ids = [new_message(connection, customer_id=each, direction="in", state="received") for each in customers]
        connection.execute(
            text(
                "INSERT INTO staff (id, email, name, role, language, preferences, created_at)"
                " SELECT 7, 'n@shop.example', 'Nora', 'support', 'en', '{}', created_at"
                " FROM customers LIMIT 1"
            )
        )
        desk.assign(connection, customers[0], 7, NOW + timedelta(hours=1))
        wanted = Wanted("recent", assignee=7)
        first = inbox.page(connection, wanted, NOW, None, 10)
        assert first == ([], ids[2])
        assert inbox.page(connection, wanted, NOW, first.then, 10) == ([(ids[0], customers[0], ids[0])], None)
