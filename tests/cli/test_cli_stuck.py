"""`stuck`: what was given up is listed and can be tried again."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine

from storage import due, facts, timers
from storage.database import writing
from storage.ids import next_id
from tests.cli.conftest import ALICE, Run


@pytest.fixture
def given_up(engine: Engine, alice: int) -> list[int]:
    """A fact and a timer of Alice's that broke ten times, and a timer that broke once."""
    now = datetime.now(UTC)
    fact = {"id": next_id(), "customer_id": alice, "name": "purchase_recorded", "key": "x", "recorded_at": now}
    reminders = [
        {"id": next_id(), "customer_id": alice, "kind": "reminder", "scope": name, "flow": "survey", "due_at": now}
        for name in ("first", "second")
    ]
    with writing(engine) as conn:
        facts.insert(conn, [fact])
        timers.insert(conn, reminders)
        for _ in range(due.MOST_TROUBLES):
            due.put_off(conn, facts.facts, fact["id"], now, "KeyError")
            due.put_off(conn, timers.timers, reminders[0]["id"], now, "KeyError")
        due.put_off(conn, timers.timers, reminders[1]["id"], now, "KeyError")
    return [reminders[0]["id"], fact["id"]]


def test_what_was_given_up_is_listed(run: Run, given_up: list[int]) -> None:
    """With what broke; what is only put off is not there; the number is masked for people."""
    found = json.loads(run("stuck", "list", "--json").stdout)
    assert [(row["id"], row["what"], row["trouble"]) for row in found] == [
        (given_up[0], "timer", "KeyError"),
        (given_up[1], "fact", "KeyError"),
    ]
    shown = run("stuck", "list").stdout
    assert "survey" in shown
    assert ALICE not in shown


def test_it_can_be_tried_again(run: Run, given_up: list[int]) -> None:
    """One by its id, the rest by --all; what was not given up is said so, with exit code 1."""
    assert run("stuck", "retry", str(given_up[0])).exit_code == 0
    assert run("stuck", "retry", str(given_up[0])).exit_code == 1
    assert "1 will be tried again" in run("stuck", "retry", "--all").stdout
    assert json.loads(run("stuck", "list", "--json").stdout) == []
    assert run("stuck", "retry").exit_code == 2
